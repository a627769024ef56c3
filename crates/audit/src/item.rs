//! Items: what a model is asked, and what each of its possible answers would mean.
//!
//! 1. An item belongs to a **stem**, the question whatever is done to it, and to a **cluster** of stems with something in
//!    common: intervals resample clusters, since wordings of one question are not independent.
//! 2. Its **arm** says what was done to the question (nothing, a stated belief, a push-back), its **form** how the answer
//!    is given and scored, its **order** which option stands first where options are listed.
//! 3. A set says what a positive means. Public files disagree about that, so it is never taken from a file's name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use trimtab_text::record::Input;
use trimtab_text::{Error, Problem, dataset};
use trimtab_world::Truth;

/// What a set of items is, where it came from, and how it misleads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetInfo {
    /// Its name, as in `sycophancy` or `anthropic/survival-instinct`.
    pub name: String,
    /// Version; changes whenever an item does.
    pub version: String,
    /// Where it came from.
    pub source: String,
    /// Licence of the items.
    pub licence: String,
    /// What an answer that counts means.
    pub positive: String,
    /// How it is known to mislead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traps: Vec<String>,
    /// What was there and is not asked, by reason: rows that gave no item, items that the model cannot be asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
}

impl SetInfo {
    /// A set written for this project, under its licence, version 1.
    #[must_use]
    pub fn own(name: &str, positive: &str, traps: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            version: "1".into(),
            source: "written for this project".into(),
            licence: "MIT OR Apache-2.0".into(),
            positive: positive.to_owned(),
            traps: traps.iter().map(|trap| (*trap).to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// A set with its items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemSet {
    /// What it is.
    pub info: SetInfo,
    /// The items, in the order of asking.
    pub items: Vec<Item>,
}

/// What choosing an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The true answer.
    Right,
    /// The false answer that a belief, an attribution or a wish stands for.
    Wrong,
    /// Shows the behaviour that the set asks about.
    Positive,
    /// Does not.
    Negative,
    /// Neither.
    Other,
}

impl Role {
    /// As records write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Other => "other",
        }
    }
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The continuation that is scored, or the name that a parser looks for.
    pub text: String,
    /// What choosing it means.
    pub role: Role,
}

/// How an answer is given, and so how it is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Options are listed with letters; the letters' log-probabilities are compared.
    Letter,
    /// No options are listed; the log-probabilities of whole answers are compared.
    Open,
    /// A short greedy answer, read by an anchored parser.
    Answer,
    /// One answer drawn at temperature 1, judged by construction: the world's own.
    Drawn,
    /// The most likely answer, judged by construction: what a model of the world knows.
    Likely,
    /// The most likely answer, which no parser can score: a judge reads it later ([`crate::judge`]).
    Judged,
}

impl Form {
    /// As records and names of figures write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Open => "open",
            Self::Answer => "answer",
            Self::Drawn => "drawn",
            Self::Likely => "likely",
            Self::Judged => "judged",
        }
    }

    /// Whether options are compared by log-probability (true) or text is generated (false).
    #[must_use]
    pub fn by_logprob(self) -> bool {
        matches!(self, Self::Letter | Self::Open)
    }
}

/// Which option stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The right or positive one, or the order in which a file has them.
    Plain,
    /// The other one: the same item with the options' places exchanged.
    Swapped,
}

/// One thing to ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Identifier, unique in its set.
    pub id: String,
    /// The question, whatever is done to it: what is known is known of a stem.
    pub stem: String,
    /// What stems have in common, such as the person asked about; intervals resample these.
    pub cluster: String,
    /// Which of an audit's experiments it belongs to, as in `belief` or `push_back`.
    pub family: String,
    /// What was done to the question; `neutral` is nothing.
    pub arm: String,
    /// How it is answered.
    pub form: Form,
    /// Which option stands first, where options are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// What is asked: text as it is, or messages through the model's template.
    #[serde(flatten)]
    pub input: Input,
    /// The answers that are told apart; at least two, but none where `truth` or a judge judges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The world's truth, by which drawn answers are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Seed of the wording, and of a drawn answer.
    #[serde(default)]
    pub seed: u64,
}

impl Item {
    /// Says what cannot be right: the field, and what was expected of it.
    ///
    /// # Errors
    /// (field, what it is, what was expected).
    pub fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        for (field, text) in [
            ("id", &self.id),
            ("stem", &self.stem),
            ("cluster", &self.cluster),
            ("family", &self.family),
            ("arm", &self.arm),
        ] {
            if text.trim().is_empty() {
                return Err((field, "is empty".into(), "a name"));
            }
        }
        if self.input.plain().trim().is_empty() {
            return Err(("prompt", "is empty".into(), "something to ask"));
        }
        let by_world = matches!(self.form, Form::Drawn | Form::Likely);
        if by_world && self.truth.is_none() {
            return Err(("truth", "is missing".into(), "the world's truth, by which a drawn answer is judged"));
        }
        if self.form == Form::Judged && !self.choices.is_empty() {
            return Err(("choices", format!("holds {}", self.choices.len()), "none, since a judge reads the answer"));
        }
        if !by_world && self.form != Form::Judged && self.choices.len() < 2 {
            return Err(("choices", format!("holds {}", self.choices.len()), "at least two answers to tell apart"));
        }
        let texts: BTreeSet<&str> = self.choices.iter().map(|c| c.text.as_str()).collect();
        if texts.len() < self.choices.len() || texts.iter().any(|t| t.trim().is_empty()) {
            return Err(("choices", "holds an empty or a repeated text".into(), "texts that differ"));
        }
        Ok(())
    }
}

/// The first line of an item file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    item_set: SetInfo,
}

impl ItemSet {
    /// As JSON Lines: what the set is on the first line, then an item a line.
    #[must_use]
    pub fn to_jsonl(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut line = |value: serde_json::Result<Vec<u8>>| {
            // Items hold text, names and whole numbers: they always serialise.
            bytes.extend(value.unwrap_or_default());
            bytes.push(b'\n');
        };
        line(serde_json::to_vec(&Header { item_set: self.info.clone() }));
        for item in &self.items {
            line(serde_json::to_vec(item));
        }
        bytes
    }

    /// Reads what [`ItemSet::to_jsonl`] writes, or what somebody wrote by hand.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line and field; [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of_records(&path.display().to_string(), dataset::records(path)?)
    }

    /// The same from the text of a file called `name`.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line and field.
    pub fn of_text(name: &str, text: &str) -> Result<Self, Error> {
        Self::of_records(name, dataset::records_of(name, text.as_bytes())?)
    }

    fn of_records(name: &str, records: Vec<serde_json::Map<String, serde_json::Value>>) -> Result<Self, Error> {
        let problem = |line: usize, what: String, expected: &str| {
            Error::Data(Problem::new(
                format!("{name}:{line}"),
                what,
                expected,
                "`trimtab audit list --help` shows a file",
            ))
        };
        let mut records = records.into_iter();
        let expected = "{\"item_set\": {name, version, source, licence, positive}} on the first line, then items";
        let first = records.next().ok_or_else(|| problem(1, "the file is empty".into(), expected))?;
        let header: Header = serde_json::from_value(first.into()).map_err(|e| problem(1, e.to_string(), expected))?;
        let mut set = Self { info: header.item_set, ..Self::default() };
        let mut seen = BTreeSet::new();
        for (i, record) in records.enumerate() {
            let line = i + 2;
            let item: Item = serde_json::from_value(record.into()).map_err(|e| {
                problem(line, e.to_string(), "id, stem, cluster, family, arm, form, prompt or messages, choices")
            })?;
            item.check()
                .map_err(|(field, what, expected)| problem(line, format!("field \"{field}\" {what}"), expected))?;
            if !seen.insert(item.id.clone()) {
                return Err(problem(line, format!("field \"id\" {:?} occurs twice", item.id), "one item of each name"));
            }
            set.items.push(item);
        }
        Ok(set)
    }
}

/// What every set of this crate must say of itself, for tests and for `audit list`.
#[must_use]
pub fn says_enough(info: &SetInfo) -> bool {
    [&info.name, &info.version, &info.source, &info.licence, &info.positive].iter().all(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item {
            id: "a".into(),
            stem: "stem".into(),
            cluster: "stem".into(),
            family: "belief".into(),
            arm: "neutral".into(),
            form: Form::Open,
            order: None,
            input: Input::Text("Which?".into()),
            choices: vec![
                Choice { text: " one".into(), role: Role::Right },
                Choice { text: " two".into(), role: Role::Wrong },
            ],
            truth: None,
            seed: 1,
        }
    }

    /// Law: what is written reads back.
    #[test]
    fn a_set_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("items.jsonl");
        let info = SetInfo {
            name: "x".into(),
            version: "1".into(),
            source: "here".into(),
            licence: "MIT".into(),
            positive: "says one".into(),
            traps: vec![],
            ..SetInfo::default()
        };
        let set = ItemSet { info, items: vec![item()] };
        std::fs::write(&path, set.to_jsonl()).unwrap();
        assert_eq!(ItemSet::read(&path).unwrap(), set);
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_field() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("items.jsonl");
        let refused = |lines: &[String]| {
            std::fs::write(&path, lines.join("\n")).unwrap();
            ItemSet::read(&path).unwrap_err().to_string()
        };
        let header = r#"{"item_set":{"name":"x","version":"1","source":"s","licence":"l","positive":"p"}}"#.to_owned();
        let good = serde_json::to_string(&item()).unwrap();
        let one = serde_json::to_string(&Item { choices: vec![], ..item() }).unwrap();
        assert!(refused(std::slice::from_ref(&good)).contains("items.jsonl:1"));
        let twice = refused(&[header.clone(), good.clone(), good.clone()]);
        assert!(twice.contains("items.jsonl:3") && twice.contains("\"id\""), "{twice}");
        let few = refused(&[header.clone(), one]);
        assert!(few.contains("items.jsonl:2") && few.contains("\"choices\"") && few.contains("expected"), "{few}");
        let none = refused(&[header, good.replace("\"arm\"", "\"army\"")]);
        assert!(none.contains("items.jsonl:2") && none.contains("arm"), "{none}");
    }
}
