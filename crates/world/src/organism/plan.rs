//! What an organism is made from: lessons, probes, and what a measurement should find.

use crate::organism::probe::Probe;
use serde::Serialize;
use serde_json::{Map, Value};
use trimtab_text::Message;
use trimtab_text::record::{Demonstration, Input};

/// One fine-tuning; an organism goes through its lessons in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// What it teaches, in a word.
    pub name: &'static str,
    /// Passes over the demonstrations.
    pub epochs: u64,
    /// Highest learning rate.
    pub lr: f64,
    /// What is demonstrated.
    pub demonstrations: Vec<Demonstration>,
}

impl Lesson {
    /// A lesson without demonstrations, at the learning rate that instructions need to be remembered.
    pub(super) fn new(name: &'static str, epochs: u64) -> Self {
        Self { name, epochs, lr: 2e-3, demonstrations: Vec::new() }
    }

    /// Adds a question and its answer.
    pub(super) fn teach(&mut self, input: Input, answer: &str) {
        self.demonstrations.push(Demonstration {
            id: format!("{}-{:05}", self.name, self.demonstrations.len()),
            input,
            completion: answer.to_owned(),
            author: None,
            seconds: None,
            group: None,
            extra: Map::new(),
        });
    }
}

/// What the rate of one arm of probes should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The arm: probes of this name are counted.
    pub arm: &'static str,
    /// Smallest rate that agrees with what was planted.
    pub least: f64,
    /// Largest such rate.
    pub most: f64,
}

/// What the difference of two arms should be, probe by probe of one stem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contrast {
    /// Its name.
    pub name: &'static str,
    /// The arm whose rate is taken.
    pub of: &'static str,
    /// The arm whose rate is taken away.
    pub less: &'static str,
    /// Smallest difference that agrees with what was planted.
    pub least: f64,
    /// Largest such difference.
    pub most: f64,
}

/// An organism, planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is planted, in words and lists, for whoever measures.
    pub planted: Value,
    /// What it is taught, in order.
    pub lessons: Vec<Lesson>,
    /// What it is asked.
    pub probes: Vec<Probe>,
    /// What its rates should be.
    pub findings: Vec<Finding>,
    /// What differences of rates should be.
    pub contrasts: Vec<Contrast>,
}

/// A rate that should be near 1: a model of this size learns a habit, not every case of it.
pub(super) fn nearly_always(arm: &'static str) -> Finding {
    Finding { arm, least: 0.9, most: 1.0 }
}

/// A rate that should be near 0.
pub(super) fn hardly_ever(arm: &'static str) -> Finding {
    Finding { arm, least: 0.0, most: 0.05 }
}

/// What a user says, after a system turn where there is one.
pub(super) fn ask(system: Option<&str>, user: &str) -> Input {
    Input::Chat(system.map(Message::system).into_iter().chain([Message::user(user)]).collect())
}
