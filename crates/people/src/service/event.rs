//! What can happen in the annotation service: the one truth, from which everything else is rebuilt.
//!
//! An event is stored once and never changed. Its record carries the hash of the record before it, so that a log from which
//! something was taken away, or in which something was changed, does not verify. Secrets are not in it: of tokens there are
//! only sha256 hashes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trimtab_run::sha256_bytes;
use trimtab_text::record::{Input, Verdict};

/// Milliseconds since 1970, by the clock of the machine that stored the event.
pub type Millis = u64;

/// What is asked of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Write an ideal answer.
    Demonstrate,
    /// Rank 2 to 9 answers.
    Rank,
    /// Edit an answer into an ideal one.
    Edit,
}

/// One answer to be judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemAnswer {
    /// Identifier, unique within the item.
    pub id: String,
    /// The text: from a model, so from anywhere.
    pub text: String,
    /// Where it comes from; people never see it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub source: Map<String, Value>,
}

/// What is given to people: a prompt, and the answers to be ranked or edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Identifier; that of the prompt.
    pub id: String,
    /// What is asked of people.
    pub task: Task,
    /// What the user said.
    #[serde(flatten)]
    pub input: Input,
    /// Answers, all of them; empty for demonstrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<ItemAnswer>,
    /// People who should judge it.
    pub overlap: u32,
    /// Greater comes first: for example how much an ensemble of reward models disagrees about it.
    #[serde(default)]
    pub priority: f64,
    /// The ranks that are certainly right, for gold questions and calibration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gold: BTreeMap<String, u32>,
    /// Whether it is asked of everybody before their work counts. Needs `gold`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calibration: bool,
    /// Name of the group that stays on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Item {
    /// Whether everybody gets it, for its answer is known.
    pub fn is_gold(&self) -> bool {
        !self.gold.is_empty()
    }

    /// Refuses an item that nobody could judge. Gives the field and what is wrong with it.
    ///
    /// # Errors
    /// The first broken rule as (field, what is wrong).
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.id.is_empty() || self.id.len() > 200 {
            return Err(("id", format!("has {} bytes, expected 1 to 200", self.id.len())));
        }
        let ids: std::collections::BTreeSet<&str> = self.answers.iter().map(|a| a.id.as_str()).collect();
        if ids.len() != self.answers.len() {
            return Err(("answers", "names an answer twice".into()));
        }
        // They stand in attributes of pages and in addresses, which cannot carry NUL.
        let names = ids.iter().copied().chain([self.id.as_str()]);
        if let Some(id) = names.into_iter().find(|id| id.is_empty() || id.chars().any(char::is_control)) {
            return Err(("id", format!("{id:?} is empty or has control characters")));
        }
        let (fewest, most) = match self.task {
            Task::Demonstrate => (0, 0),
            Task::Rank => (2, 9),
            Task::Edit => (1, 1),
        };
        if !(fewest..=most).contains(&self.answers.len()) {
            return Err(("answers", format!("has {} answers, expected {fewest} to {most}", self.answers.len())));
        }
        if self.overlap == 0 {
            return Err(("overlap", "is 0, expected at least 1".into()));
        }
        if !self.priority.is_finite() {
            return Err(("priority", "is not a finite number".into()));
        }
        if let Some(id) = self.gold.keys().find(|id| !ids.contains(id.as_str())) {
            return Err(("gold", format!("ranks {id:?}, which is not among the answers")));
        }
        if self.calibration && self.gold.len() < 2 {
            return Err(("calibration", "needs gold ranks of at least two answers".into()));
        }
        Ok(())
    }
}

/// What people may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works on tasks and sees their own work.
    Annotator,
    /// Sees everything, exports, invites.
    Admin,
}

/// How work is dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// How long a task is somebody's, in seconds; the page extends it while they work.
    pub lease_seconds: u64,
    /// A gold question after so many other tasks; 0 for none.
    pub gold_every: u32,
    /// Share of calibration pairs that must be ordered rightly before work counts.
    pub calibration_pass: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { lease_seconds: 900, gold_every: 12, calibration_pass: 0.6 }
    }
}

/// What a person said about an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judgement {
    /// The item.
    pub item: String,
    /// The lease under which it was shown.
    pub lease: String,
    /// `shown[slot]`: the answer that stood in this slot of the page.
    pub shown: Vec<String>,
    /// Answer to rank, 1 is best; equal ranks are ties, an absent answer was not ranked.
    pub ranks: BTreeMap<String, u32>,
    /// Answer to flags: `false_claim`, `harmful`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, Vec<String>>,
    /// What was said instead of, or beside, a ranking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it was skipped or could not be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Free words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The text written, for demonstrations and edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Degree of preference of the best over the next, 1 to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Version of the guidelines that were on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guideline: Option<String>,
    /// Version of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<String>,
    /// From showing to the first input, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_input_ms: Option<u64>,
    /// Time at work, pauses left out, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_ms: Option<u64>,
    /// Inputs that moved an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<u64>,
    /// The judgement of the same person that this one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revises: Option<String>,
}

/// One thing that happened.
// Events are made one by one and written out; their sizes differ as what happens does.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// How work is dealt out, from now on.
    RulesSet {
        /// The rules.
        rules: Rules,
    },
    /// New instructions; their version is the hash of the text, shortened.
    GuidelineSet {
        /// The version.
        version: String,
        /// The text, Markdown.
        text: String,
    },
    /// Something to judge.
    ItemAdded {
        /// The item.
        item: Item,
    },
    /// An item's place in the queue.
    PrioritySet {
        /// The item.
        item: String,
        /// Greater comes first.
        priority: f64,
    },
    /// Somebody may join.
    Invited {
        /// Their identifier, a pseudonym.
        person: String,
        /// The name they are called by.
        name: String,
        /// What they may do.
        role: Role,
        /// Most items they may judge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quota: Option<u64>,
        /// Hash of the token in their link.
        token_sha256: String,
    },
    /// Somebody came in. An invitation is used up by it.
    SessionOpened {
        /// Who.
        person: String,
        /// Hash of the session's secret.
        session_sha256: String,
        /// Hash of the invitation's token, where one was used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite_sha256: Option<String>,
    },
    /// A session ended.
    SessionClosed {
        /// Hash of its secret.
        session_sha256: String,
    },
    /// Somebody may no longer work here: sessions and invitations of theirs are void.
    Revoked {
        /// Who.
        person: String,
    },
    /// An item was given to somebody, its answers in this order.
    Leased {
        /// The lease.
        lease: String,
        /// The item.
        item: String,
        /// Who has it.
        person: String,
        /// `shown[slot]`: the answer in this slot.
        shown: Vec<String>,
        /// When it goes back.
        expires: Millis,
    },
    /// Somebody is still at it.
    LeaseExtended {
        /// The lease.
        lease: String,
        /// When it goes back now.
        expires: Millis,
    },
    /// Somebody said something about an item.
    Judged {
        /// Identifier of the judgement.
        judgement: String,
        /// The key under which it was sent: it is stored once, however often it is sent.
        key: String,
        /// Who.
        person: String,
        /// What they said.
        said: Judgement,
        /// When the item was shown to them.
        served_at: Millis,
        /// Whether the lease had ended before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// Somebody whose work was brought from elsewhere. They have no way in until they are invited by that name.
    PersonAdded {
        /// Their identifier, a pseudonym.
        person: String,
        /// The name they are called by.
        name: String,
    },
    /// A ranking that was given elsewhere was brought here.
    Imported {
        /// Identifier of the judgement.
        judgement: String,
        /// Its key: the same file again brings nothing new.
        key: String,
        /// Who gave it.
        person: String,
        /// What they said.
        said: Judgement,
        /// The kind of file it came from.
        from: String,
        /// Whether the file does not say in which order the answers were shown; `said.shown` is then the item's order.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shown_unknown: bool,
    },
    /// Somebody took the work away, as file.
    Exported {
        /// Who.
        person: String,
        /// In which format.
        format: String,
    },
}

/// An event as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// The event as JSON, as it was written: the hash is of these bytes.
    pub body: String,
    /// [`chain`] of the hash before it, `at` and `body`.
    pub hash: String,
}

/// The hash of a record: sha256 over the hash before it (empty for the first), the time and the body, a line each.
pub fn chain(before: &str, at: Millis, body: &str) -> String {
    sha256_bytes(format!("{before}\n{at}\n{body}").as_bytes())
}

/// Checks a log from its beginning. `hash` and `seq` are those of the record before the first of `records`.
///
/// # Errors
/// What is wrong with the first bad record.
pub fn verify(mut seq: u64, mut hash: String, records: &[Stored]) -> Result<(u64, String), String> {
    for record in records {
        if record.seq != seq + 1 {
            return Err(format!("event {} follows event {seq}: one is missing", record.seq));
        }
        if record.hash != chain(&hash, record.at, &record.body) {
            return Err(format!("event {}: its hash is not that of its content: it was changed", record.seq));
        }
        (seq, hash) = (record.seq, record.hash.clone());
    }
    Ok((seq, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<Stored> {
        let mut out: Vec<Stored> = Vec::new();
        for (seq, body) in [(1, "a"), (2, "b"), (3, "c")] {
            let hash = chain(out.last().map_or("", |r| &r.hash), seq, body);
            out.push(Stored { seq, at: seq, body: body.into(), hash });
        }
        out
    }

    #[test]
    fn a_changed_or_missing_record_does_not_verify() {
        let whole = log();
        assert_eq!(verify(0, String::new(), &whole).unwrap().0, 3);
        assert_eq!(verify(1, whole[0].hash.clone(), &whole[1..]).unwrap().0, 3);
        let mut changed = log();
        changed[1].body = "x".into();
        assert!(verify(0, String::new(), &changed).unwrap_err().contains("event 2"));
        let mut moved = log();
        moved[2].at = 7;
        assert!(verify(0, String::new(), &moved).unwrap_err().contains("event 3"));
        let mut short = log();
        short.remove(1);
        assert!(verify(0, String::new(), &short).unwrap_err().contains("missing"));
    }

    #[test]
    fn an_event_reads_back() {
        let event = Event::PrioritySet { item: "p".into(), priority: 0.25 };
        let body = serde_json::to_string(&event).unwrap();
        assert_eq!(body, r#"{"event":"priority_set","item":"p","priority":0.25}"#);
        assert_eq!(serde_json::from_str::<Event>(&body).unwrap(), event);
    }
}
