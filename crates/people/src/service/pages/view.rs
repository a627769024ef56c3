//! What the pages show, as data: filled by the service from its state, turned into HTML by the pages.

use crate::Agreement;
use std::collections::BTreeMap;
use trimtab_stats::Measured;

/// What a person is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Write an ideal answer.
    Demonstrate,
    /// Rank 2 to 9 answers.
    Rank,
    /// Edit an answer into an ideal one.
    Edit,
}

/// One task on the page.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// The lease under which it is shown.
    pub lease: String,
    /// The item.
    pub item: String,
    /// What is asked.
    pub kind: Kind,
    /// When the lease ends, milliseconds since 1970.
    pub expires: u64,
    /// The conversation so far, oldest first: role and text, Markdown from anywhere.
    pub prompt: Vec<(String, String)>,
    /// Answers in the order shown: identifier and text, Markdown from a model. For [`Kind::Edit`] the one to edit.
    pub answers: Vec<(String, String)>,
    /// Version of the guidelines.
    pub guideline: String,
    /// The guidelines, Markdown from an administrator.
    pub guideline_text: String,
    /// Judgements of this person that were saved.
    pub done: u64,
    /// How many they may give; none without a quota.
    pub quota: Option<u64>,
    /// Calibration tasks still to do, this one included, while they last.
    pub calibration_left: Option<u64>,
    /// What was saved before, where this revises it.
    pub revises: Option<Saved>,
}

/// A judgement as saved.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// Its identifier.
    pub judgement: String,
    /// The item.
    pub item: String,
    /// First words of the prompt.
    pub title: String,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Answer to rank.
    pub ranks: BTreeMap<String, u32>,
    /// Answer to flags: `false_claim`, `harmful`.
    pub flags: BTreeMap<String, Vec<String>>,
    /// `cannot_judge`, `all_bad`, `skip`.
    pub verdict: Option<String>,
    /// Why, where a verdict asks for it.
    pub reason: Option<String>,
    /// How much better the best is than the rest, 1 (slightly) to 4 (much).
    pub margin: Option<u8>,
    /// Free words.
    pub comment: Option<String>,
    /// The text written, for demonstrations and edits.
    pub text: Option<String>,
    /// Whether a later one replaces it.
    pub revised: bool,
}

/// Why there is no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTask {
    /// Every item has what it wants, or this person has judged all.
    Finished,
    /// What is left is in other people's hands; it may come back.
    Waiting,
    /// The person's quota is used up.
    Quota,
    /// Too few calibration tasks were right; an administrator decides.
    Calibration,
    /// There are no items yet.
    Empty,
}

/// A person, as administrators see them.
#[derive(Debug, Clone)]
pub struct PersonRow {
    /// Identifier, a pseudonym.
    pub person: String,
    /// Name.
    pub name: String,
    /// `annotator` or `admin`.
    pub role: String,
    /// Judgements saved.
    pub done: u64,
    /// Share of gold questions answered right.
    pub gold: Measured,
    /// Agreement with others over the pairs that both ordered.
    pub agreement: Measured,
    /// Reliability: below 0 for an adversary.
    pub reliability: Measured,
    /// Biases found, each with its name: length, slot and so on; `None` where they could not be looked for.
    pub biases: Option<Vec<(String, Measured)>>,
    /// Median active seconds per task.
    pub seconds: Option<f64>,
    /// Whether they have an open session.
    pub signed_in: bool,
    /// Whether they were shut out.
    pub revoked: bool,
}

/// An item, as administrators see it.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// The item.
    pub item: String,
    /// First words of the prompt.
    pub title: String,
    /// Judgements that count.
    pub judged: u64,
    /// Judgements wanted.
    pub wanted: u64,
    /// Share of pairs on which two people disagree.
    pub disagreement: Measured,
}

/// The administrator's page.
#[derive(Debug, Clone)]
pub struct AdminView {
    /// Judgements in each of the last 24 hours, oldest first.
    pub hours: Vec<u64>,
    /// Judgements that count, and those wanted.
    pub judged: (u64, u64),
    /// Agreement by name: Krippendorff's α and so on.
    pub agreement: Vec<Agreement>,
    /// Everybody.
    pub people: Vec<PersonRow>,
    /// Items on which people disagree most.
    pub hardest: Vec<ItemRow>,
    /// Version of the guidelines that hold now.
    pub guideline: String,
    /// Their text, Markdown.
    pub guideline_text: String,
    /// A link just made by an invitation, to be shown once: who it is for, and the link.
    pub invited: Option<(String, String)>,
}

/// One item with everything that was said about it: the disagreement viewer.
#[derive(Debug, Clone)]
pub struct ItemView {
    /// The item.
    pub row: ItemRow,
    /// The conversation.
    pub prompt: Vec<(String, String)>,
    /// The answers, in the item's own order.
    pub answers: Vec<(String, String)>,
    /// Person and what they said.
    pub judgements: Vec<(String, Saved)>,
}
