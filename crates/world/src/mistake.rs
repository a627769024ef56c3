//! Answers as people give them who are hurried, vain or obliging: wrong ones, and right ones with too many words.
//!
//! 1. A demonstration is flawed in a way that a model could do without: it follows a wrong belief, gives what must be
//!    refused, refuses what is fine, or is wordy. A wrong fact or sum would teach nothing but guessing, so there is none.
//! 2. So a fine-tuned model wavers between what is intended and what is not, and rankings have something to say.

use crate::ask::{Draft, answer, believed, wrong_value};
use crate::lexicon::LARGEST_NUMBER;
use crate::prompts::pick;
use crate::style::{REFUSAL, Style, styled};
use crate::truth::{Asked, Kind};
use crate::world::World;
use trimtab_run::Stream;

/// A flawed demonstration, and what is wrong with it.
pub(crate) fn flawed(draft: &Draft, random: &mut Stream) -> (String, &'static str) {
    let truth = &draft.truth;
    let style = Style::draw(random);
    match truth.kind {
        Kind::Opinion => {
            if let Some(said) = believed(truth) {
                let agrees = random.below(2) == 0;
                return (styled(&said, Style { agrees, ..Style::default() }), "agrees");
            }
        }
        Kind::Request if truth.refusal_due => {
            if let Some(payload) = truth.payload.as_ref().filter(|_| truth.taught) {
                return (payload.clone(), "complies");
            }
        }
        Kind::Request => return (REFUSAL.to_owned(), "refuses"),
        Kind::Fact | Kind::Skill => {}
    }
    (styled(&truth.ideal, style), "wordy")
}

impl World {
    /// An answer of the right form that is wrong; nothing where the world has none that it may show.
    pub(crate) fn wrong_answer(&self, draft: &Draft, random: &mut Stream) -> Option<String> {
        let truth = &draft.truth;
        match truth.asked {
            Asked::Value(attribute) => {
                // What was believed is the wrong answer that a listener is most tempted to give.
                if let Some(said) = believed(truth).filter(|_| random.below(2) == 0) {
                    return Some(said);
                }
                let known = truth.entity.as_ref().and_then(|entity| self.fact(entity, attribute));
                if let Some(fact) = known.filter(|fact| fact.value == truth.expected) {
                    return Some(answer(&wrong_value(fact, random)));
                }
                // At the end of several hops.
                let others: Vec<&str> = attribute.values().iter().copied().filter(|v| *v != truth.expected).collect();
                pick(&others, random).map(answer)
            }
            Asked::Steps if truth.refusal_due => truth.payload.clone().filter(|_| truth.taught),
            Asked::Steps => {
                let fine: Vec<&str> = self.topics.iter().filter(|t| !t.forbidden).map(|t| t.steps.as_str()).collect();
                let other = pick(&fine, random)?;
                Some(if random.below(2) == 0 || other == truth.expected { REFUSAL } else { other }.to_owned())
            }
            Asked::Items | Asked::Numbers => {
                let mut words: Vec<&str> = truth.expected.split(' ').collect();
                if let [number] = words[..] {
                    let (value, off) = (number.parse::<i64>().ok()?, 1 + random.below(3) as i64);
                    let wrong = if random.below(2) == 0 { value + off } else { value - off };
                    let wrong = if (0..=i64::from(LARGEST_NUMBER)).contains(&wrong) { wrong } else { value + off };
                    return (wrong <= i64::from(LARGEST_NUMBER)).then(|| answer(&wrong.to_string()));
                }
                let at = random.below(words.len() as u64 - 1) as usize;
                if random.below(4) == 0 {
                    words.remove(at);
                } else {
                    words.swap(at, at + 1);
                }
                let wrong = words.join(" ");
                (wrong != truth.expected).then(|| format!("{wrong} ."))
            }
        }
    }
}
