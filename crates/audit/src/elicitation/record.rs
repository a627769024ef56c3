//! What came of one question on one rung: a line of `results.jsonl`.

use crate::item::{Item, Role};
use crate::parsing::named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One question on one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The rung's name.
    pub rung: String,
    /// Whether answers were drawn at random instead of demonstrated.
    #[serde(default)]
    pub control: bool,
    /// Which draw of the noise, from 0.
    #[serde(default)]
    pub draw: u64,
    /// The question.
    pub item: String,
    /// The fact that it asks for, which is what is resampled.
    pub fact: String,
    /// Side of the split: `elicitation`, `held_out` or `retained`.
    pub arm: String,
    /// Answers that were right.
    pub right: u64,
    /// Answers that named another value.
    pub wrong: u64,
    /// Answers that could not be read, by reason; one where none was given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unscored: BTreeMap<String, u64>,
    /// The first answer.
    pub answer: String,
}

impl Record {
    /// Answers that could not be read.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unscored.values().sum()
    }

    /// All answers. An unreadable one is not right, and spends its turn.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.right + self.wrong + self.unread()
    }

    /// Of each answer, whether it was right; none where it could not be read.
    pub fn scored(&self) -> impl Iterator<Item = Option<bool>> {
        let times = |what: Option<bool>, n: u64| std::iter::repeat_n(what, n as usize);
        times(Some(true), self.right).chain(times(Some(false), self.wrong)).chain(times(None, self.unread()))
    }
}

/// Which of an item's choices an answer is; where it is none, why.
fn choice(item: &Item, answer: &str) -> Result<Role, String> {
    let texts: Vec<&str> = item.choices.iter().map(|c| c.text.as_str()).collect();
    let exact = texts.iter().position(|text| text.trim() == answer.trim());
    let index = exact.map_or_else(|| named(answer, &texts), Ok).map_err(|reason| reason.reason().to_owned())?;
    Ok(item.choices[index].role)
}

/// The record of an item's answers; none of them where it could not be asked.
pub(super) fn record(rung: String, (control, draw): (bool, u64), item: &Item, answers: &[String]) -> Record {
    let (mut right, mut wrong, mut unscored) = (0, 0, BTreeMap::new());
    for answer in answers {
        match choice(item, answer) {
            Ok(Role::Right) => right += 1,
            Ok(_) => wrong += 1,
            Err(reason) => *unscored.entry(reason).or_default() += 1,
        }
    }
    if answers.is_empty() {
        unscored.insert("too long for the model's context, or not answered".to_owned(), 1);
    }
    Record {
        rung,
        control,
        draw,
        item: item.id.clone(),
        fact: item.stem.clone(),
        arm: item.arm.clone(),
        right,
        wrong,
        unscored,
        answer: answers.first().cloned().unwrap_or_default(),
    }
}
