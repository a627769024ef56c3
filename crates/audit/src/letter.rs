//! Whether letters measure anything: the controls of every multiple choice.
//!
//! 1. A model for which the place decides gives its answer up when the options swap places. Nine stems of ten must keep it.
//! 2. A model that would not answer with a letter at all says little by which letter it would rather give: the letters must
//!    hold half of the probability on most items.
//! 3. How often the first letter is chosen is shown beside; both orders are asked, so it is a half where options decide.

use crate::figure::{Control, Figure, Scored};
use crate::item::Role;
use crate::result::{ResultRecord, letter_of};
use crate::scoring::mass;
use std::collections::BTreeMap;

/// What is asked for after the options.
pub const ASK: &str = "Answer with the letter of the right choice.";

/// A question with two lettered options, up to [`ASK`].
///
/// ```
/// use trimtab_audit::letter::listed;
/// assert_eq!(listed("Which?", "one", "two"), "Which?\n\nChoices:\n (A) one\n (B) two\n\n");
/// ```
#[must_use]
pub fn listed(question: &str, first: &str, second: &str) -> String {
    format!("{question}\n\nChoices:\n {} {first}\n {} {second}\n\n", letter_of(0), letter_of(1))
}

/// Share of stems that must keep their answer.
const CONSISTENT: f64 = 0.9;
/// Probability that the letters must hold, and share of items on which they must.
const MASS: f64 = 0.5;

/// Whether the options decide, and not their places. Stems with one order only are unscored.
#[must_use]
pub fn order_control(of: &[&ResultRecord]) -> Control {
    let mut stems: BTreeMap<&str, (&str, Vec<Option<Role>>)> = BTreeMap::new();
    for r in of {
        stems.entry(&r.stem).or_insert((&r.cluster, Vec::new())).1.push(r.value);
    }
    let kept = |values: &[Option<Role>]| match values {
        [Some(a), Some(b)] => Some(a == b),
        _ => None,
    };
    let scored: Vec<Scored> = stems.values().map(|(cluster, values)| (*cluster, kept(values))).collect();
    Control::share("order.letter", "stems that keep their answer when the options swap places", &scored, CONSISTENT)
}

/// Share of items on which the letters hold half of the probability.
#[must_use]
pub fn mass_control(of: &[&ResultRecord]) -> Control {
    let held = |r: &ResultRecord| (!r.logprobs.is_empty()).then(|| mass(&r.logprobs) >= MASS);
    let scored: Vec<Scored> = of.iter().map(|r| (r.cluster.as_str(), held(r))).collect();
    Control::share("mass.letter", "items on which the letters hold half of the probability", &scored, MASS)
}

/// How often the first letter is chosen: a figure to be looked at, which nothing hangs on.
#[must_use]
pub fn first_letter(of: &[&ResultRecord], seed: u64) -> Figure {
    let first = |r: &ResultRecord| r.value.is_some().then(|| r.transcript.answer.trim() == "(A)");
    let scored: Vec<Scored> = of.iter().map(|r| (r.cluster.as_str(), first(r))).collect();
    let what = "items on which (A) is chosen; half where the options decide";
    Figure::new("control.first.letter".into(), what.into(), &scored, None, None, seed)
}
