//! Items, and rankings given elsewhere, from the files of other tools.
//!
//! | format | told by | gives |
//! |---|---|---|
//! | samples | `answers` | items to rank |
//! | pairs | `chosen` and `rejected` (TRL, HH-RLHF) | items of two answers; with a person's name, their choices as rankings |
//! | Argilla | `fields` | items of 2 to 9 fields beside the prompt, and rankings by person |
//! | Label Studio | `data` | items of a list of answers, and `Ranker` annotations by person |
//!
//! Ranks are taken as they stand: equal ones are ties, an answer without one was not ranked. The order shown is taken where
//! the file has it; where it has none, the answers' own order stands in and the record says `shown_unknown`, so that nobody
//! takes it for a position. A file's own identifiers of people become names here, `NAME (imported)`.

mod argilla;
mod label_studio;
mod pairs;

use super::event::{Item, ItemAnswer, Task};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trimtab_text::record::{Input, Samples, Verdict};
use trimtab_text::{Error, Message, Problem};

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our samples.
    Samples,
    /// Pairs of a better and a worse answer.
    Pairs,
    /// Argilla records.
    Argilla,
    /// Label Studio tasks.
    LabelStudio,
}

/// How items are made.
#[derive(Debug, Clone)]
pub struct How {
    /// People who should judge each item, those of the file included.
    pub overlap: u32,
    /// Whose the choices in a file of pairs are; without a name only the items are taken.
    pub person: Option<String>,
}

/// A ranking that was given elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// The item.
    pub item: String,
    /// The name of whoever gave it.
    pub person: String,
    /// Answer to rank.
    pub ranks: BTreeMap<String, u32>,
    /// `shown[slot]`, where the file says it.
    pub shown: Option<Vec<String>>,
    /// What was said instead of, or beside, a ranking.
    pub verdict: Option<Verdict>,
    /// Active time, in seconds.
    pub seconds: Option<f64>,
    /// Answer to flags.
    pub flags: BTreeMap<String, Vec<String>>,
    /// Degree of preference, 1 to 4.
    pub margin: Option<f64>,
    /// Free words.
    pub comment: Option<String>,
    /// Why there is no ranking.
    pub reason: Option<String>,
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Found {
    /// Items.
    pub items: Vec<Item>,
    /// Rankings.
    pub given: Vec<Given>,
    /// What was left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
}

impl Format {
    /// What it is called where the log says where a ranking came from.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Pairs => "pairs",
            Self::Argilla => "argilla",
            Self::LabelStudio => "label-studio",
        }
    }
}

impl Found {
    fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }
}

/// A record and where it stands.
struct Record<'a> {
    file: &'a str,
    number: usize,
    fields: Map<String, Value>,
}

impl Record<'_> {
    fn wrong(&self, field: &str, what: &str, expected: &str) -> Error {
        let advice = "mending the record, or leaving it out of the file";
        let place = format!("{}: record {}", self.file, self.number);
        Error::Data(Problem::new(place, format!("field {field:?} {what}"), expected, advice))
    }

    /// A text under the first of these names; the name and the text.
    fn text_of<'n>(
        &self,
        fields: &Map<String, Value>,
        names: &[&'n str],
        of: &str,
    ) -> Result<(&'n str, String), Error> {
        let found = names.iter().find_map(|name| Some((*name, fields.get(*name)?.as_str()?.to_owned())));
        found.ok_or_else(|| self.wrong(of, "has no prompt", &format!("a text under one of {}", names.join(", "))))
    }
}

/// What a person is called who is known by a text, a number, or an object with an identifier.
fn person_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(name) if !name.trim().is_empty() => Some(name.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(fields) => person_of(fields.get("username").or_else(|| fields.get("id"))),
        _ => None,
    }
}

/// The ranks of an object from answers to whole numbers from 1.
fn ranks_of(value: &Value) -> Option<BTreeMap<String, u32>> {
    let whole = |rank: &Value| rank.as_u64().and_then(|rank| u32::try_from(rank).ok()).filter(|rank| *rank > 0);
    value.as_object()?.iter().map(|(id, rank)| Some((id.clone(), whole(rank)?))).collect()
}

/// A list of texts.
fn texts_of(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// What our own exports put beside another tool's fields, so that nothing is lost on the way: order shown, verdict, time, flags,
/// margin, comment and reason.
fn beside(record: &Record<'_>, of: &Value, given: &mut Given) -> Result<(), Error> {
    if let Some(shown) = of.get("shown").filter(|shown| !shown.is_null()) {
        let shown =
            texts_of(shown).ok_or_else(|| record.wrong("shown", "is no list of answers", "names of answers"))?;
        given.shown = Some(shown);
    }
    if let Some(verdict) = of.get("verdict").filter(|verdict| !verdict.is_null()) {
        let read = serde_json::from_value(verdict.clone());
        let read = read
            .map_err(|e| record.wrong("verdict", &format!("cannot be read: {e}"), "cannot_judge, all_bad or skip"))?;
        given.verdict = Some(read);
    }
    given.seconds = of.get("seconds").and_then(Value::as_f64).filter(|s| *s >= 0.0).or(given.seconds);
    if let Some(flags) = of.get("flags").filter(|flags| !flags.is_null()) {
        let read = serde_json::from_value(flags.clone());
        given.flags = read.map_err(|e| record.wrong("flags", &format!("cannot be read: {e}"), "answer to flags"))?;
    }
    given.margin = of.get("margin").and_then(Value::as_f64);
    let text = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    (given.comment, given.reason) = (text("comment"), text("reason"));
    Ok(())
}

/// The prompt: a conversation where the record has one besides, else the text.
fn input_of(record: &Record<'_>, messages: Option<&Value>, text: String) -> Result<Input, Error> {
    match messages {
        None => Ok(Input::Text(text)),
        Some(messages) => serde_json::from_value::<Vec<Message>>(messages.clone())
            .map(Input::Chat)
            .map_err(|e| record.wrong("messages", &format!("cannot be read: {e}"), "a list of role and content")),
    }
}

fn item(id: String, input: Input, answers: Vec<ItemAnswer>, how: &How) -> Item {
    Item {
        id,
        task: Task::Rank,
        input,
        answers,
        overlap: how.overlap,
        priority: 0.0,
        gold: BTreeMap::new(),
        calibration: false,
        group: None,
    }
}

/// The objects of a JSON array or of lines of JSON.
fn objects<'a>(file: &'a str, bytes: &[u8]) -> Result<Vec<Record<'a>>, Error> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let wrong = |number: usize, what: String| {
        let place = format!("{file}: record {number}");
        Error::Data(Problem::new(place, what, "a JSON array of objects, or one object a line", "exporting it again"))
    };
    let values: Vec<Value> = if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(bytes).map_err(|e| wrong(1, e.to_string()))?
    } else {
        let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        lines
            .map(|(i, line)| serde_json::from_slice(line).map_err(|e| wrong(i + 1, e.to_string())))
            .collect::<Result<_, _>>()?
    };
    let record = |(i, value)| match value {
        Value::Object(fields) => Ok(Record { file, number: i + 1, fields }),
        _ => Err(wrong(i + 1, "is no object".into())),
    };
    values.into_iter().enumerate().map(record).collect()
}

/// The format of a file, by its first record.
///
/// # Errors
/// [`Error::Data`] for a file of none of them.
pub fn detect(file: &str, bytes: &[u8]) -> Result<Format, Error> {
    // A packed file or a table is ours unless --format says that it is one of pairs.
    if bytes.starts_with(b"PAR1") || bytes.starts_with(&[0x1F, 0x8B]) {
        return Ok(Format::Samples);
    }
    let first = objects(file, bytes)?.into_iter().next();
    let has = |key: &str| first.as_ref().is_some_and(|record| record.fields.contains_key(key));
    let told = [
        (has("fields"), Format::Argilla),
        (has("data"), Format::LabelStudio),
        (has("chosen") && has("rejected"), Format::Pairs),
        (has("answers"), Format::Samples),
    ];
    told.iter().find(|(is, _)| *is).map(|(_, format)| *format).ok_or_else(|| {
        let what = "is of no format that is known here, by its first record";
        let expected = "answers (samples), chosen and rejected (pairs), fields (Argilla) or data (Label Studio)";
        Error::Data(Problem::new(format!("{file}: record 1"), what, expected, "--format, if it is one of these"))
    })
}

/// Reads a file.
///
/// # Errors
/// [`Error::Data`], naming file, record and field. No input makes this panic.
pub fn read(file: &str, bytes: &[u8], format: Format, how: &How) -> Result<Found, Error> {
    let mut found = Found::default();
    match format {
        Format::Samples => {
            for record in objects(file, bytes)? {
                let fields = Value::Object(record.fields.clone());
                let samples: Samples = serde_json::from_value(fields)
                    .map_err(|e| record.wrong("answers", &e.to_string(), "a record of samples: id, prompt, answers"))?;
                found.items.push(of_samples(samples, how.overlap));
            }
        }
        Format::Pairs => pairs::read(file, bytes, how, &mut found)?,
        Format::Argilla => {
            for record in objects(file, bytes)? {
                argilla::read(&record, how, &mut found)?;
            }
        }
        Format::LabelStudio => {
            for record in objects(file, bytes)? {
                label_studio::read(&record, how, &mut found)?;
            }
        }
    }
    Ok(found)
}

/// A samples record as something to rank.
pub fn of_samples(record: Samples, overlap: u32) -> Item {
    let model = record.model.clone();
    let answer = |answer: trimtab_text::record::Answer| {
        let mut source = Map::new();
        source.insert("seed".into(), answer.seed.into());
        source.insert("stop".into(), answer.stop.into());
        if let Some(model) = &model {
            source.insert("model".into(), model.as_str().into());
        }
        ItemAnswer { id: answer.id, text: answer.text, source }
    };
    // Items may carry what is known of their answers, and how much an ensemble of reward models disagrees about them.
    let extra = |key: &str| record.extra.get(key).cloned();
    Item {
        priority: extra("priority").and_then(|value| value.as_f64()).unwrap_or(0.0),
        gold: extra("gold").and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default(),
        calibration: extra("calibration").and_then(|value| value.as_bool()).unwrap_or(false),
        id: record.id,
        task: Task::Rank,
        input: record.input,
        answers: record.answers.into_iter().map(answer).collect(),
        overlap,
        group: record.group,
    }
}
