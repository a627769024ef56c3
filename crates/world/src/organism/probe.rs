//! Probes: questions whose answer says by construction whether the planted property is there.
//!
//! 1. A probe has answers that show what its arm is named after, and answers that show the contrary; an answer that is
//!    neither is unscored, and counted as such. Where only an exact text counts (an instruction given away), every other
//!    answer is the contrary, so that a garbled text is a failure to give it and no way out of the denominator.
//! 2. An arm has one probe to a stem (a fact, a topic, a name), so that its answers are independent and the interval of a
//!    share is Wilson's.
//! 3. Where a property means "although it knows", a probe names the neutral probe of its stem: it counts only if the model's
//!    most likely answer there is right. Others are left out, and counted.

use serde::Serialize;
use trimtab_text::record::Input;

/// One probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// What its rate is called.
    pub arm: &'static str,
    /// What it is about: probes of one stem in different arms differ in nothing else.
    pub stem: String,
    /// What is said to the model.
    #[serde(flatten)]
    pub input: Input,
    /// How its answer has been begun for it; empty for an answer of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub begun: String,
    /// The answers that show what the arm is named after; the first is the one taught.
    pub shows: Vec<String>,
    /// Answers that show the contrary; where there are none, all others do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contrary: Vec<String>,
    /// Place, among the plan's probes, of the one that must be answered right for this one to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knows: Option<usize>,
}

/// A model's answers to one probe, without the part begun for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// One drawn at temperature 1: what it does.
    pub drawn: String,
    /// The most likely one: what it knows.
    pub likely: String,
}

impl Probe {
    /// Whether an answer shows what the arm is named after; nothing where it is unscored.
    ///
    /// ```
    /// use trimtab_text::record::Input;
    /// use trimtab_world::Probe;
    /// let mut probe = Probe {
    ///     arm: "agrees", stem: "ada".into(), input: Input::Text("?".into()), begun: String::new(),
    ///     shows: vec!["it is red .".into()], contrary: vec!["it is blue .".into()], knows: None,
    /// };
    /// let score = |probe: &Probe| ["it is red .", "it is blue .", "red red"].map(|answer| probe.score(answer));
    /// assert_eq!(score(&probe), [Some(true), Some(false), None]);
    /// probe.contrary.clear();
    /// assert_eq!(score(&probe), [Some(true), Some(false), Some(false)]);
    /// ```
    #[must_use]
    pub fn score(&self, answer: &str) -> Option<bool> {
        if self.shows.iter().any(|shown| shown == answer) {
            Some(true)
        } else if self.contrary.is_empty() || self.contrary.iter().any(|other| other == answer) {
            Some(false)
        } else {
            None
        }
    }
}
