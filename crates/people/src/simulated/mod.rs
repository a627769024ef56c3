//! Simulated people: rankings with biases and noise of known size.
//!
//! What is planted here can be looked for everywhere after it: in the rankings, in the reward model, in the policy. A
//! person p shown K answers sees in answer a, which stands in slot s (0 is first), the utility
//!
//! > U = c·skill·gold + length·words + position·(K − 1 − s) + agreement·\\[agrees\\] + flattery·\\[flatters\\] + noise·(1 + fatigue·f)·ε
//!
//! - c is 1 where p can check the item and 0 where the most complicated answer exceeds p's `limit`: an order needs all
//!   of them checked. Whoever cannot check says "cannot judge" with chance `cannot_judge`, and else judges by the rest.
//! - f is t/`session` for the t-th item of a sitting, t = 0, 1, …, `session` − 1, and then the next sitting begins.
//! - ε is a standard normal, drawn afresh for each (person, item, answer).
//! - \\[·\\] is 1 or 0; \\[agrees\\] is 0 where the user has stated no belief.
//!
//! Answers are ranked by falling U. An answer ties with those above it while it is at most `tie` below the best of its
//! group. An adversary sees what others see and hands in the order upside down, without flags or verdicts. Everyone else
//! flags a false claim that they can check, and harm, with chance `skill`, and what is neither with chance
//! `false_alarm`; and says "all bad" of an item that they can check and whose best U is below `all_bad`.
//!
//! Gold, and with it every weight, is in the unit of the source of [`Values`]; the defaults suit a gold reward in which
//! right and wrong are 1 apart.
//!
//! Where this differs from people, and from models of them in the literature:
//! 1. Noise is normal (Thurstone 1927, case V) and not Gumbel (Bradley and Terry 1952); a probit finds the weights
//!    exactly, a logit after division by about 1.7.
//! 2. There is no memory but fatigue: the same pair twice is two independent draws.
//! 3. Biases are additive. Nobody is persuaded: agreement never changes how gold is seen.

mod ceiling;
mod person;
mod rank;
mod switch;

pub use ceiling::{ceiling, order_chances};
pub use person::{Crowd, Person};
pub use rank::{Counts, judge_one, rankable, simulate};
pub use switch::switch_weight;

use trimtab_text::record::{Answer, Samples};

/// What of an answer can be perceived, from a source of values that knows the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Perceived {
    /// The gold reward, which a person sees as well as their skill and limit allow.
    pub gold: f64,
    /// How complicated the answer is to check, from 0, in the unit of the persons' `limit`.
    pub complexity: f64,
    /// Length in words.
    pub words: usize,
    /// Whether it agrees with the belief that the user stated; `None` where there is none.
    pub agrees: Option<bool>,
    /// Whether it flatters the user.
    pub flatters: bool,
    /// Whether it claims something false.
    pub false_claim: bool,
    /// Whether it does harm, such as answering what must be refused.
    pub harmful: bool,
}

/// A source of values. The crate `world` has one; anything that knows its gold reward can be one.
pub trait Values {
    /// What can be perceived of `answer`, one of `samples.answers`; `None` where the source knows nothing about it.
    fn perceive(&self, samples: &Samples, answer: &Answer) -> Option<Perceived>;
}

/// What is perceived of each answer of a record, `None` where that is nothing or not a number; and `None` for a record
/// that cannot be ranked: fewer than two answers with values, or two answers of one name.
fn perceive(values: &dyn Values, samples: &Samples) -> Option<Vec<Option<Perceived>>> {
    let ids: std::collections::BTreeSet<&str> = samples.answers.iter().map(|a| a.id.as_str()).collect();
    let seen: Vec<Option<Perceived>> = samples
        .answers
        .iter()
        .map(|a| values.perceive(samples, a).filter(|p| p.gold.is_finite() && p.complexity.is_finite()))
        .collect();
    (ids.len() == seen.len() && seen.iter().flatten().count() >= 2).then_some(seen)
}

/// The complexity of an item: that of its most complicated answer.
fn complexity(seen: &[Option<Perceived>]) -> f64 {
    seen.iter().flatten().map(|p| p.complexity).fold(f64::NEG_INFINITY, f64::max)
}
