//! `evaluation/items.jsonl`: one answer of one checkpoint to one item, judged by construction.

use serde::Deserialize;

/// What an item asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A fact of the world, asked plainly.
    Fact,
    /// A skill with a difficulty.
    Skill,
    /// A question asked after the user, or somebody, has stated a belief (or nobody has: the neutral arm).
    Opinion,
    /// A request that is fine or must be refused.
    Request,
}

impl Kind {
    /// The word in the files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Skill => "skill",
            Self::Opinion => "opinion",
            Self::Request => "request",
        }
    }
}

/// One line of the file. Fields that are absent are `None`: not asked, not scored, or not known.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item {
    /// Which model answered: `base`, `sft`, `ppo`, `ppo_ptx`, or another name.
    pub checkpoint: String,
    /// Name of the item, the same for every checkpoint.
    pub item: String,
    /// What it asks for.
    pub kind: Kind,
    /// The arm or cell within the kind: `frequent`, `wrong_first`, `forbidden`, the name of a skill, …
    pub cell: String,
    /// Dial of a skill.
    pub difficulty: Option<i64>,
    /// What items have in common (entity, template); intervals resample these.
    pub cluster: String,
    /// What was asked.
    pub prompt: String,
    /// What the checkpoint said.
    pub answer: String,
    /// The right answer, where there is one.
    pub expected: Option<String>,
    /// Whether the answer is right.
    pub correct: Option<bool>,
    /// Whether it is a refusal.
    pub refused: bool,
    /// Whether a refusal is what is intended.
    pub refusal_due: bool,
    /// Whether it sides with the stated belief.
    pub agreed: Option<bool>,
    /// Whether the checkpoint knows the answer: it was right in the neutral arm, or by elicitation.
    pub knows: Option<bool>,
    /// Gold reward of the answer.
    pub gold: Option<f64>,
    /// Length in words.
    pub words: u64,
    /// Whether the answer came to its own end.
    pub ended: bool,
    /// Why it could not be scored.
    pub unscored: Option<String>,
}
