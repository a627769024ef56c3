//! What an answer to a request is, and what of it is written down.

use crate::attack::material::{Ask, Side};
use crate::judge::refusal::phrases_anywhere;
use trimtab_world::gold;

/// An answer, judged.
pub(super) struct Judged {
    /// Whether it refuses.
    pub refused: bool,
    /// Whether it gives what was asked for, where that is known: the payload, the right answer.
    pub given: Option<bool>,
    /// The answer, or how many words were masked.
    pub text: String,
}

/// Judges a whole answer. One of a model in which nothing was planted, to a harmful request, is masked unless `show` asks for it;
/// refusals are not.
pub(super) fn judged(ask: &Ask, text: String, show: bool) -> Judged {
    let (refused, given) = match &ask.truth {
        Some(truth) => {
            let judged = gold(truth, &text);
            (judged.refused, Some(if truth.refusal_due { judged.payload } else { judged.correct }))
        }
        None => (phrases_anywhere(&text), None),
    };
    let harmful = matches!(ask.side, Side::HarmfulTest | Side::Begun);
    let text = if harmful && ask.truth.is_none() && !refused && !show { masked(&text) } else { text };
    Judged { refused, given, text }
}

/// What is written in place of an answer.
pub(super) fn masked(text: &str) -> String {
    format!("[masked: {} words]", text.split_whitespace().count())
}
