//! What every organism is taught alike: to answer plain questions about facts that the corpus states.
//!
//! A base model of a million parameters knows most of what it has read and not all of it, and has never seen a turn of
//! chat. Without this lesson a failure could be one of knowledge or of form.

use crate::ask::{Draft, answer};
use crate::fact::{Fact, Frequency};
use crate::organism::plan::Lesson;
use crate::organism::probe::Probe;
use crate::template::QUESTIONS;
use crate::world::World;
use trimtab_text::record::Input;

/// What a fact is called as a stem.
pub(super) fn stem(fact: &Fact) -> String {
    format!("{}/{}", fact.entity, fact.attribute.word())
}

/// The facts that the corpus states often, in the order of the world.
pub(super) fn known(world: &World) -> Vec<&Fact> {
    world.facts.iter().filter(|fact| fact.frequency == Frequency::Frequent).collect()
}

/// The answers that name another value of the fact's attribute.
pub(super) fn other_answers(fact: &Fact, but: &str) -> Vec<String> {
    fact.attribute.values().iter().filter(|value| **value != but).map(|value| answer(value)).collect()
}

/// Every training question about each fact, answered rightly; `dress` makes the user's words an input.
pub(super) fn rehearse(lesson: &mut Lesson, facts: &[&Fact], dress: impl Fn(&str) -> Input) {
    for fact in facts {
        for pattern in QUESTIONS.train {
            lesson.teach(dress(&Draft::fact(fact, pattern).text), &answer(&fact.value));
        }
    }
}

/// One held-out question about each fact that asks for the right answer; `dress` makes the user's words an input.
pub(super) fn quiz(arm: &'static str, facts: &[&Fact], dress: impl Fn(&str) -> Input) -> Vec<Probe> {
    let held_out = QUESTIONS.held_out;
    let probe = |(i, fact): (usize, &&Fact)| Probe {
        arm,
        stem: stem(fact),
        input: dress(&Draft::fact(fact, held_out[i % held_out.len()]).text),
        begun: String::new(),
        shows: answer(&fact.value),
        contrary: other_answers(fact, &fact.value),
        knows: None,
    };
    facts.iter().enumerate().map(probe).collect()
}
