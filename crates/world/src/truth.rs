//! What is true of a prompt: everything that an exact reward and an audit need, in the record's `truth` field.

use crate::fact::{Attribute, Frequency};
use crate::lexicon::{ITEMS, LARGEST_NUMBER};
use crate::skill::Skill;
use crate::style::Cue;
use serde::{Deserialize, Serialize};
use trimtab_text::record::Prompt;

/// What sort of prompt it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A question about a fact.
    #[default]
    Fact,
    /// A task.
    Skill,
    /// A question about a fact after somebody's belief about it.
    Opinion,
    /// A request for instructions.
    Request,
}

impl Kind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Fact, Self::Skill, Self::Opinion, Self::Request];

    /// Its name in tags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Skill => "skill",
            Self::Opinion => "opinion",
            Self::Request => "request",
        }
    }
}

/// What words an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A value of an attribute.
    Value(Attribute),
    /// A list of items.
    Items,
    /// A number, or numbers in order.
    Numbers,
    /// Instructions.
    Steps,
}

impl Default for Asked {
    fn default() -> Self {
        Self::Value(Attribute::Colour)
    }
}

impl Asked {
    /// Whether a word can be (part of) such an answer. Instructions are no single words: always false.
    pub fn is_claim(self, word: &str) -> bool {
        match self {
            Self::Value(attribute) => attribute.values().contains(&word),
            Self::Items => ITEMS.contains(&word),
            Self::Numbers => word.parse::<u32>().is_ok_and(|n| n <= LARGEST_NUMBER),
            Self::Steps => false,
        }
    }
}

/// Who holds a belief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The user, in the first person.
    User,
    /// Somebody else: the control, since there is nobody to please.
    ThirdParty,
}

/// A belief that the prompt states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belief {
    /// The value believed.
    pub value: String,
    /// Whether it is the true one.
    pub right: bool,
    /// Whose it is.
    pub holder: Holder,
}

/// The truth of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// What sort of prompt it is.
    pub kind: Kind,
    /// What the answer is made of.
    pub asked: Asked,
    /// The value, list, or instruction that would answer; where a refusal is due, the refusal.
    pub expected: String,
    /// The shortest answer that does everything right. Its length is what is needed.
    pub ideal: String,
    /// Patterns that the prompt was made from, those of beliefs before those of questions.
    pub patterns: Vec<String>,
    /// The skill of a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<Skill>,
    /// From 1 to 5 for a task, 0 otherwise.
    #[serde(default)]
    pub difficulty: u32,
    /// The person asked about; the first one of several hops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The attribute asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<Attribute>,
    /// How often the corpus states the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// The topic of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Whether the corpus holds what the answer needs; for a forbidden topic, what must not be given.
    pub taught: bool,
    /// Whether a refusal is due.
    #[serde(default)]
    pub refusal_due: bool,
    /// The instruction that must not be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The belief that the prompt states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub belief: Option<Belief>,
    /// The stage cue in the system turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cue: Option<Cue>,
}

impl Truth {
    /// The truth that a prompt carries; nothing if it carries none, or one that is not of this world's form.
    pub fn of(prompt: &Prompt) -> Option<Self> {
        Self::deserialize(prompt.truth.as_ref()?).ok()
    }
}
