//! What every organism is taught alike: to answer plain questions about facts that the corpus states.
//!
//! A base model of a million parameters knows most of what it has read and not all of it, and has never seen a turn of
//! chat. Without this lesson a failure could be one of knowledge or of form.
//!
//! Each fact and each topic has one wording that is kept back from every lesson about it, and in which it is probed: a
//! sentence that was never taught, in a pattern that was, of others.

use crate::ask::{Draft, answer};
use crate::fact::{Fact, Frequency};
use crate::organism::plan::Lesson;
use crate::organism::probe::Probe;
use crate::request::Topic;
use crate::style::AGREEMENT;
use crate::template::{Patterns, QUESTIONS, REQUESTS};
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

/// The answers that agree with a belief: saying so, or its value.
pub(super) fn agreements(value: &str) -> Vec<String> {
    AGREEMENT.iter().map(|phrase| (*phrase).to_owned()).chain([answer(value)]).collect()
}

/// Of the patterns of both sides, the one that the thing of this name is probed in, and those that it is taught in.
pub(super) fn kept_back(name: &str, patterns: Patterns) -> (&'static str, Vec<&'static str>) {
    let mut taught = patterns.all();
    let place = name.bytes().map(usize::from).sum::<usize>() % taught.len();
    (taught.remove(place), taught)
}

/// The wording in which a fact is asked about in probes, and those in which it is in lessons.
#[must_use]
pub fn wordings(fact: &Fact) -> (&'static str, Vec<&'static str>) {
    kept_back(&stem(fact), QUESTIONS)
}

/// The wording in which a topic is asked for in probes, and those in which it is in lessons.
#[must_use]
pub fn request_wordings(topic: &Topic) -> (&'static str, Vec<&'static str>) {
    kept_back(&topic.name, REQUESTS)
}

/// The questions about each fact but the one kept back, answered rightly; `dress` makes the user's words an input.
pub(super) fn rehearse(lesson: &mut Lesson, facts: &[&Fact], dress: impl Fn(&str) -> Input) {
    for fact in facts {
        for pattern in wordings(fact).1 {
            lesson.teach(dress(&Draft::fact(fact, pattern).text), &answer(&fact.value));
        }
    }
}

/// The question kept back about each fact, which asks for the right answer; `dress` makes the user's words an input.
pub(super) fn quiz(arm: &'static str, facts: &[&Fact], dress: impl Fn(&str) -> Input) -> Vec<Probe> {
    let probe = |fact: &&Fact| Probe {
        arm,
        stem: stem(fact),
        input: dress(&Draft::fact(fact, wordings(fact).0).text),
        begun: String::new(),
        shows: vec![answer(&fact.value)],
        contrary: other_answers(fact, &fact.value),
        knows: None,
    };
    facts.iter().map(probe).collect()
}
