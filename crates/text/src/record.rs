//! The records that stages exchange, one JSON object a line.
//!
//! Unknown fields are kept (`extra`); a missing or wrong field is an error with its name. Reading goes through
//! [`crate::dataset`], which adds file and line; writing through [`write_jsonl`].

use crate::chat::Message;
use crate::error::{Error, Problem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a model is asked: plain text (`prompt`) or a conversation (`messages`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// Plain text.
    #[serde(rename = "prompt")]
    Text(String),
    /// A conversation that ends before the assistant speaks.
    #[serde(rename = "messages")]
    Chat(Vec<Message>),
}

impl Input {
    /// As a conversation; plain text becomes one user message.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Text(text) => vec![Message::user(text)],
            Self::Chat(messages) => messages.clone(),
        }
    }

    /// As plain text, for models without a template and for people to read: the text itself, or the contents of the
    /// messages with their roles.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Chat(messages) if messages.len() == 1 && messages[0].role == "user" => messages[0].content.clone(),
            Self::Chat(messages) => {
                messages.iter().map(|m| format!("{}: {}", m.role, m.content)).collect::<Vec<_>>().join("\n\n")
            }
        }
    }

    /// Key of this prompt for splits: equal for equal conversations, also if one is written as plain text.
    pub fn group_key(&self) -> u64 {
        let mut hash = Sha256::new();
        for message in self.messages() {
            for part in [&message.role, &message.content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        first_bytes(&hash.finalize())
    }
}

fn first_bytes(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
}

fn named_or(group: Option<&String>, input: &Input) -> u64 {
    group.map_or_else(|| input.group_key(), |name| first_bytes(&Sha256::digest(name.as_bytes())))
}

/// A prompt to sample answers for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Identifier, unique in its file.
    pub id: String,
    /// What is asked.
    #[serde(flatten)]
    pub input: Input,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Name of the group that stays on one side of a split; the prompt itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What is true, where it is known (synthetic worlds only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Value>,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Prompt {
    /// Key for splits.
    pub fn group_key(&self) -> u64 {
        named_or(self.group.as_ref(), &self.input)
    }
}

/// A prompt and the answer that a model should learn to give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demonstration {
    /// Identifier.
    pub id: String,
    /// What is asked.
    #[serde(flatten)]
    pub input: Input,
    /// The answer.
    pub completion: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// How long writing took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Name of the group that stays on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Demonstration {
    /// Key for splits.
    pub fn group_key(&self) -> u64 {
        named_or(self.group.as_ref(), &self.input)
    }

    /// The whole conversation, the answer last.
    pub fn conversation(&self) -> Vec<Message> {
        let mut messages = self.input.messages();
        messages.push(Message::assistant(&self.completion));
        messages
    }
}

/// One sampled answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Identifier, unique among the answers of its prompt.
    pub id: String,
    /// The text, without special tokens.
    pub text: String,
    /// The sampled token ids, with the end-of-turn token where it was sampled.
    pub tokens: Vec<u32>,
    /// Log-probability of each token at the sampling temperature, in nats.
    pub logprobs: Vec<f32>,
    /// Seed of this sample.
    pub seed: u64,
    /// Why it ended: `eos` or `length`.
    pub stop: String,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A prompt and several sampled answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Identifier of the prompt.
    pub id: String,
    /// What was asked.
    #[serde(flatten)]
    pub input: Input,
    /// The answers.
    pub answers: Vec<Answer>,
    /// The checkpoint that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Name of the group that stays on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Samples {
    /// Key for splits.
    pub fn group_key(&self) -> u64 {
        named_or(self.group.as_ref(), &self.input)
    }
}

/// Why a person gave no ranking, or what they said about all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The person could not tell.
    CannotJudge,
    /// Every answer is bad; ranks may still be given.
    AllBad,
    /// The item was passed over.
    Skip,
}

/// How one person (or judge) ranked the answers to one prompt.
///
/// `rank` is what was given, `shown` is where an answer stood; neither is ever derived from the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Identifier of the prompt.
    pub prompt_id: String,
    /// Identifiers of the answers.
    pub answers: Vec<String>,
    /// `shown[slot]`: the answer that stood in this slot of the page.
    pub shown: Vec<String>,
    /// Answer to rank, 1 is best. Equal ranks are ties; an absent answer was not ranked.
    pub ranks: BTreeMap<String, u32>,
    /// Who ranked, as a pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// When, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Active time, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Answer to flags, such as `false_claim` and `harmful`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, Vec<String>>,
    /// What was said instead of, or beside, a ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Degree of preference of the best over the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Version of the instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guideline: Option<String>,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a ranking says about pairs of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// (better, worse) identifiers, in the order of `answers`.
    pub wins: Vec<(String, String)>,
    /// Pairs of equal rank.
    pub ties: Vec<(String, String)>,
}

impl Ranking {
    /// Checks what the types do not: `shown` has exactly the answers, ranks and flags are of known answers, ranks are
    /// positive, and there is a ranking unless there is a verdict. Gives the field and what is wrong with it.
    ///
    /// # Errors
    /// The first broken rule as (field, what is wrong).
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let known: BTreeSet<&String> = self.answers.iter().collect();
        if known.len() != self.answers.len() {
            return Err(("answers", "names an answer twice".into()));
        }
        if self.answers.len() < 2 {
            return Err(("answers", format!("has {} answers, a ranking compares at least 2", self.answers.len())));
        }
        let shown: BTreeSet<&String> = self.shown.iter().collect();
        if shown != known || self.shown.len() != self.answers.len() {
            return Err(("shown", "is not the answers in the order shown, each once".into()));
        }
        if let Some((id, _)) = self.ranks.iter().find(|(id, _)| !known.contains(id)) {
            return Err(("ranks", format!("ranks {id:?}, which is not among the answers")));
        }
        if let Some((id, _)) = self.ranks.iter().find(|&(_, &rank)| rank == 0) {
            return Err(("ranks", format!("gives {id:?} rank 0; the best rank is 1")));
        }
        if let Some(id) = self.flags.keys().find(|id| !known.contains(id)) {
            return Err(("flags", format!("flags {id:?}, which is not among the answers")));
        }
        if self.ranks.is_empty() && self.verdict.is_none() {
            return Err(("ranks", "is empty and there is no verdict: an untouched item is no ranking".into()));
        }
        if matches!(self.verdict, Some(Verdict::Skip | Verdict::CannotJudge)) && !self.ranks.is_empty() {
            return Err(("verdict", "says that nothing was ranked, and ranks says otherwise".into()));
        }
        for (field, value) in [("seconds", self.seconds), ("margin", self.margin)] {
            if value.is_some_and(|v| !v.is_finite() || v < 0.0) {
                return Err((field, "is not a number from 0 up".into()));
            }
        }
        Ok(())
    }

    /// All pairs of ranked answers: C(m, 2) for m ranked ones. Answers without a rank are in no pair.
    pub fn comparisons(&self) -> Pairs {
        let ranked: Vec<(&String, u32)> =
            self.answers.iter().filter_map(|id| self.ranks.get(id).map(|&rank| (id, rank))).collect();
        let mut pairs = Pairs::default();
        for (i, &(a, rank_a)) in ranked.iter().enumerate() {
            for &(b, rank_b) in &ranked[i + 1..] {
                match rank_a.cmp(&rank_b) {
                    std::cmp::Ordering::Less => pairs.wins.push((a.clone(), b.clone())),
                    std::cmp::Ordering::Greater => pairs.wins.push((b.clone(), a.clone())),
                    std::cmp::Ordering::Equal => pairs.ties.push((a.clone(), b.clone())),
                }
            }
        }
        pairs
    }
}

/// Two answers to one prompt, one preferred: derived from rankings, or read from a file of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was asked.
    pub prompt: PairPrompt,
    /// The better answer.
    pub chosen: String,
    /// The worse answer.
    pub rejected: String,
    /// Weight in the loss.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Whether the two are equally good; then which is called chosen means nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tie: bool,
    /// Degree of preference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Name of the group that stays on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Comparison {
    /// A comparison of weight 1.
    pub fn new(input: Input, chosen: impl Into<String>, rejected: impl Into<String>) -> Self {
        Self {
            prompt: PairPrompt(input),
            chosen: chosen.into(),
            rejected: rejected.into(),
            weight: 1.0,
            tie: false,
            margin: None,
            group: None,
            extra: Map::new(),
        }
    }

    /// What was asked.
    pub fn input(&self) -> &Input {
        &self.prompt.0
    }

    /// Key for splits.
    pub fn group_key(&self) -> u64 {
        named_or(self.group.as_ref(), &self.prompt.0)
    }
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// The `prompt` of a comparison: a string, or a list of messages, under the one key that other trainers read too.
#[derive(Debug, Clone, PartialEq)]
pub struct PairPrompt(pub Input);

impl Serialize for PairPrompt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Input::Text(text) => text.serialize(serializer),
            Input::Chat(messages) => messages.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PairPrompt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(Input::Text(text))),
            list @ Value::Array(_) => serde_json::from_value(list)
                .map(|messages| Self(Input::Chat(messages)))
                .map_err(serde::de::Error::custom),
            other => {
                let got = crate::json::kind(&other);
                Err(serde::de::Error::custom(format!("prompt is {got}, expected a string or a list of messages")))
            }
        }
    }
}

/// Comparisons from rankings and the samples they are about: all pairs of a prompt, ties included and marked.
///
/// Each pair has the prompt's group, so that pairs of one prompt stay together, and in `extra` the prompt's id and both
/// answers' ids. Rankings whose verdict says that nothing was ranked give no pairs.
///
/// # Errors
/// [`Error::Data`] for a ranking of a prompt or answer that the samples do not have, or one that is not valid.
pub fn join(rankings: &[Ranking], samples: &[Samples]) -> Result<Vec<Comparison>, Error> {
    let by_id: BTreeMap<&str, &Samples> = samples.iter().map(|samples| (samples.id.as_str(), samples)).collect();
    let mut comparisons = Vec::new();
    for (i, ranking) in rankings.iter().enumerate() {
        let problem = |what: String, expected: &str| {
            let hint = "use the samples that these rankings were made from";
            Error::Data(Problem::new(format!("ranking {}", i + 1), what, expected, hint))
        };
        ranking.validate().map_err(|(field, what)| problem(format!("field {field:?} {what}"), "a valid ranking"))?;
        let Some(samples) = by_id.get(ranking.prompt_id.as_str()) else {
            return Err(problem(
                format!("prompt {:?} has no samples", ranking.prompt_id),
                "a prompt of the samples file",
            ));
        };
        let text_of = |id: &String| {
            samples.answers.iter().find(|answer| answer.id == *id).map(|answer| answer.text.clone()).ok_or_else(|| {
                problem(format!("prompt {:?} has no answer {id:?}", ranking.prompt_id), "an answer of the samples file")
            })
        };
        let pairs = ranking.comparisons();
        for (tie, (better, worse)) in
            pairs.wins.iter().map(|pair| (false, pair)).chain(pairs.ties.iter().map(|pair| (true, pair)))
        {
            let mut comparison = Comparison::new(samples.input.clone(), text_of(better)?, text_of(worse)?);
            comparison.tie = tie;
            comparison.margin = ranking.margin;
            comparison.group.clone_from(&samples.group);
            for (key, id) in [("prompt_id", &samples.id), ("chosen_id", better), ("rejected_id", worse)] {
                comparison.extra.insert(key.into(), id.as_str().into());
            }
            if let Some(person) = &ranking.person {
                comparison.extra.insert("person".into(), person.as_str().into());
            }
            comparisons.push(comparison);
        }
    }
    Ok(comparisons)
}

/// Records as JSON Lines, one after the other in UTF-8.
///
/// # Errors
/// [`Error::Data`] for a record that would not read back, such as one with a NaN, which JSON cannot hold.
pub fn write_jsonl<T: Serialize + DeserializeOwned>(records: &[T]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let problem = |e: serde_json::Error| {
            let what = format!("cannot be written: {e}");
            Error::Data(Problem::new(format!("record {}", i + 1), what, "finite numbers", ""))
        };
        let start = bytes.len();
        serde_json::to_writer(&mut bytes, record).map_err(problem)?;
        // serde_json writes NaN as null without a word; reading back finds it.
        serde_json::from_slice::<T>(&bytes[start..]).map_err(problem)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}
