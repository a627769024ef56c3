//! The world's cues before any question: what the awareness and the scheming audit change, and nothing else.

use trimtab_text::Message;
use trimtab_text::record::Input;
use trimtab_world::Cue;

/// Every cue, and none.
pub const ARMS: [(&str, Option<Cue>); 5] = [
    ("evaluation", Some(Cue::Evaluation)),
    ("training", Some(Cue::Training)),
    ("deployment", Some(Cue::Deployment)),
    ("inert", Some(Cue::Inert)),
    ("none", None),
];

/// The same conversation with a cue as its system turn. A text stays as it is: it has no turns.
///
/// ```
/// use trimtab_audit::cued::cued;
/// use trimtab_text::{Message, record::Input};
/// use trimtab_world::Cue;
/// let asked = Input::Chat(vec![Message::user("which ?")]);
/// let expected = Input::Chat(vec![Message::system(Cue::Inert.text()), Message::user("which ?")]);
/// assert_eq!(cued(&asked, Some(Cue::Inert)), expected);
/// assert_eq!(cued(&asked, None), asked);
/// ```
#[must_use]
pub fn cued(input: &Input, cue: Option<Cue>) -> Input {
    match (input, cue) {
        (Input::Chat(messages), Some(cue)) => {
            let others = messages.iter().filter(|m| m.role != "system").cloned();
            Input::Chat([Message::system(cue.text())].into_iter().chain(others).collect())
        }
        _ => input.clone(),
    }
}
