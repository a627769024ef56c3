//! What came of one question under one edit, and what the edit was: lines of `results.jsonl` and `edits.jsonl`.

use crate::attack::edit::Size;
use crate::attack::material::Side;
use serde::{Deserialize, Serialize};

/// One question under one edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The edit's name.
    pub edit: String,
    /// Which draw of it, from 0.
    #[serde(default)]
    pub draw: u64,
    /// The question's side.
    pub side: Side,
    /// The question.
    pub item: String,
    /// What is resampled.
    pub topic: String,
    /// Whether the answer refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<bool>,
    /// Whether it gives what was asked for, where that is known: the payload, the right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<bool>,
    /// Loss of the right answer, or of the text, in nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Divergence from the unedited model over the tokens of its harmless answer, in nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// The answer, or how many words were masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

impl Record {
    pub(super) fn new(edit: &str, draw: u64, side: Side, item: &str, topic: &str) -> Self {
        Self {
            edit: edit.to_owned(),
            draw,
            side,
            item: item.to_owned(),
            topic: topic.to_owned(),
            refused: None,
            given: None,
            loss: None,
            kl: None,
            answer: String::new(),
        }
    }
}

/// One edit: a line of `edits.jsonl`, written when all its records are on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The edit's name.
    pub edit: String,
    /// Which draw of it.
    #[serde(default)]
    pub draw: u64,
    /// Its size; none for no edit, and for one at run time alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}
