//! Dataset files of the shapes in use, as typed rows.
//!
//! | wanted | shapes of a record |
//! |---|---|
//! | demonstrations | `{prompt, completion}`, `{messages}`, `{conversations: [{from, value}]}`, `{instruction, input, output}`, `{instruction, instances: [{input, output}]}`, and the `chosen` side of a comparison |
//! | comparisons | `{prompt, chosen, rejected}` with strings, messages, or lists of messages; `{instruction, input, chosen, rejected}`; `{conversations, chosen, rejected}`; `{chosen, rejected}` as whole dialogues (message lists, or text with `Human:` and `Assistant:`); `{prompt, answers, ranks}` |
//! | rankings | [`Ranking`] |
//! | prompts | the prompt of any of the above; `{turns}` (the first turn) |
//! | corpus | `{text}`, or plain text with one document a line |
//!
//! Files are JSON Lines, a JSON array, or Parquet, each also gzipped; told apart by content. An instruction with a
//! non-empty input becomes `instruction + "\n\n" + input`. Nothing in data is expanded: a `{{name}}` stays as it is,
//! and is counted.
//!
//! A record that cannot be read is an error with file, line and field. A record that can be read and is of no use
//! (two equal answers, an empty completion) is left out and counted.

use crate::error::Error;
use crate::fields::{self, Misfit};
use crate::record::{Comparison, Demonstration, Prompt, Ranking};
use crate::shapes;
use crate::source::{self, Content, Record, data};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Prompts with one answer.
    Demonstrations,
    /// Prompts with a better and a worse answer.
    Comparisons,
    /// Rankings of several answers.
    Rankings,
    /// Prompts alone.
    Prompts,
    /// Documents.
    Corpus,
}

/// A document of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The text.
    pub text: String,
    /// Fields that this version does not know, kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The rows of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Of [`Want::Demonstrations`].
    Demonstrations(Vec<Demonstration>),
    /// Of [`Want::Comparisons`].
    Comparisons(Vec<Comparison>),
    /// Of [`Want::Rankings`].
    Rankings(Vec<Ranking>),
    /// Of [`Want::Prompts`].
    Prompts(Vec<Prompt>),
    /// Of [`Want::Corpus`].
    Corpus(Vec<Document>),
}

/// How many records were read, left out (`skipped.*`), or are worth knowing about (`noted.*`).
///
/// `records` is what the file held. Every record that gave no row is in one `skipped.*` counter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counters(pub BTreeMap<String, u64>);

impl Counters {
    /// The count of one name; 0 where nothing was counted.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All records left out.
    pub fn skipped(&self) -> u64 {
        self.0.iter().filter(|(name, _)| name.starts_with("skipped.")).map(|(_, count)| count).sum()
    }

    pub(crate) fn add(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.0.entry(name.to_owned()).or_default() += count;
        }
    }
}

/// What a file held.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The typed rows.
    pub rows: Rows,
    /// What was left out, and what is worth knowing.
    pub counters: Counters,
}

/// The bytes of a file of at most 2 GiB, unpacked where they are gzip, for formats that are no records.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is too large or no complete gzip file.
pub fn unpacked(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = source::read_file(path)?;
    Ok(source::unpacked(&path.display().to_string(), &bytes)?.into_owned())
}

/// Reads a file.
///
/// # Errors
/// [`Error::Io`], or [`Error::Data`] with file, line and field.
pub fn read(path: &Path, want: Want) -> Result<Dataset, Error> {
    read_bytes(&path.display().to_string(), &source::read_file(path)?, want)
}

/// Reads the bytes of a file; `name` is what errors call it.
///
/// ```
/// use trimtab_text::dataset::{Want, read_bytes};
/// let file = br#"{"prompt": "Hi", "chosen": "Hello.", "rejected": "Hello."}"#;
/// assert_eq!(read_bytes("pairs.jsonl", file, Want::Comparisons)?.counters.get("skipped.equal_answers"), 1);
/// let error = read_bytes("pairs.jsonl", br#"{"prompt": "Hi", "chosen": "Hello."}"#, Want::Comparisons).unwrap_err();
/// assert!(error.to_string().starts_with("pairs.jsonl:1: field \"rejected\" is missing\n  expected one of: "));
/// # Ok::<(), trimtab_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::Data`] with name, line and field. No input makes this panic.
pub fn read_bytes(name: &str, bytes: &[u8], want: Want) -> Result<Dataset, Error> {
    let mut counters = Counters::default();
    let rows = match want {
        Want::Demonstrations => {
            Rows::Demonstrations(rows(name, bytes, &mut counters, shapes::demonstrations, |row| Some(row.group_key()))?)
        }
        Want::Comparisons => {
            Rows::Comparisons(rows(name, bytes, &mut counters, shapes::comparisons, |row| Some(row.group_key()))?)
        }
        Want::Rankings => Rows::Rankings(rows(name, bytes, &mut counters, shapes::rankings, |_| None)?),
        Want::Prompts => Rows::Prompts(rows(name, bytes, &mut counters, shapes::prompts, |row| Some(row.group_key()))?),
        Want::Corpus => Rows::Corpus(corpus_rows(name, bytes, &mut counters)?),
    };
    Ok(Dataset { rows, counters })
}

/// Reads demonstrations.
///
/// # Errors
/// As [`read`].
pub fn demonstrations(path: &Path) -> Result<(Vec<Demonstration>, Counters), Error> {
    match read(path, Want::Demonstrations)? {
        Dataset { rows: Rows::Demonstrations(rows), counters } => Ok((rows, counters)),
        Dataset { .. } => Ok(Default::default()),
    }
}

/// Reads comparisons.
///
/// # Errors
/// As [`read`].
pub fn comparisons(path: &Path) -> Result<(Vec<Comparison>, Counters), Error> {
    match read(path, Want::Comparisons)? {
        Dataset { rows: Rows::Comparisons(rows), counters } => Ok((rows, counters)),
        Dataset { .. } => Ok(Default::default()),
    }
}

/// Reads rankings.
///
/// # Errors
/// As [`read`].
pub fn rankings(path: &Path) -> Result<(Vec<Ranking>, Counters), Error> {
    match read(path, Want::Rankings)? {
        Dataset { rows: Rows::Rankings(rows), counters } => Ok((rows, counters)),
        Dataset { .. } => Ok(Default::default()),
    }
}

/// Reads prompts.
///
/// # Errors
/// As [`read`].
pub fn prompts(path: &Path) -> Result<(Vec<Prompt>, Counters), Error> {
    match read(path, Want::Prompts)? {
        Dataset { rows: Rows::Prompts(rows), counters } => Ok((rows, counters)),
        Dataset { .. } => Ok(Default::default()),
    }
}

/// Reads the documents of a corpus.
///
/// # Errors
/// As [`read`].
pub fn corpus(path: &Path) -> Result<(Vec<Document>, Counters), Error> {
    match read(path, Want::Corpus)? {
        Dataset { rows: Rows::Corpus(rows), counters } => Ok((rows, counters)),
        Dataset { .. } => Ok(Default::default()),
    }
}

/// Reads records of this project's own kind ([`crate::record::Samples`] and the like), one JSON object a line, exactly:
/// a missing or wrong field is an error with file, line and field.
///
/// # Errors
/// As [`read`].
pub fn records<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    records_of(&path.display().to_string(), &source::read_file(path)?)
}

/// The same from the bytes of a file called `name`.
///
/// # Errors
/// As [`read`], but for files that cannot be read.
pub fn records_of<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<Vec<T>, Error> {
    let (records, _) = structured(name, bytes)?;
    records
        .into_iter()
        .map(|record| {
            let place = record.place(name);
            fields::typed(&record.fields).map_err(|what| data(place, what, "all required fields", check(name)))
        })
        .collect()
}

/// The names in `{{ }}` that a text holds: places left open for someone to fill.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        rest = &rest[open + 2..];
        let Some(close) = rest.find("}}") else { break };
        let name = rest[..close].trim();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if !name.is_empty() && name.len() <= 64 && name.chars().all(word) {
            found.push(name);
        }
    }
    found
}

/// Fills the `{{name}}` places of a text; a place without a value is an error that names it.
///
/// # Errors
/// The name that has no value.
pub fn fill_placeholders(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}").map(|at| open + at) else { break };
        let inside = &rest[open + 2..close];
        if placeholders(&rest[open..close + 2]).is_empty() {
            out.push_str(&rest[..open + 2]);
            rest = &rest[open + 2..];
            continue;
        }
        let value = values.get(inside.trim()).ok_or_else(|| inside.trim().to_owned())?;
        out.push_str(&rest[..open]);
        out.push_str(value);
        rest = &rest[close + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

/// What to try when a record does not fit.
pub(crate) fn check(name: &str) -> String {
    format!("trimtab data check {name}")
}

/// Reads records through `shape`, which gives the rows of one record and counts what it leaves out.
fn rows<T>(
    name: &str,
    bytes: &[u8],
    counters: &mut Counters,
    shape: impl Fn(&shapes::Context<'_>, Map<String, Value>, &mut Counters) -> Result<Vec<T>, Misfit>,
    group: impl Fn(&T) -> Option<u64>,
) -> Result<Vec<T>, Error> {
    let (records, blank) = structured(name, bytes)?;
    counters.add("records", records.len() as u64);
    counters.add("blank_lines", blank);
    let stem = Path::new(name).file_name().and_then(|n| n.to_str()).unwrap_or("data");
    let stem = stem.split('.').next().unwrap_or(stem);
    let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
    for record in records {
        let place = record.place(name);
        let context = shapes::Context { stem, number: record.number };
        let made = shape(&context, record.fields, counters)
            .map_err(|misfit| data(place, misfit.what, misfit.expected, check(name)))?;
        for row in made {
            if group(&row).is_some_and(|key| !seen.insert(key)) {
                counters.add("noted.repeated_prompt", 1);
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

fn structured(name: &str, bytes: &[u8]) -> Result<(Vec<Record>, u64), Error> {
    match source::read(name, bytes, false)? {
        Content::Records { records, blank } => Ok((records, blank)),
        Content::Text { .. } => Err(data(name, "is plain text", "JSON Lines, a JSON array or Parquet", check(name))),
    }
}

fn corpus_rows(name: &str, bytes: &[u8], counters: &mut Counters) -> Result<Vec<Document>, Error> {
    match source::read(name, bytes, true)? {
        Content::Text { lines, blank } => {
            counters.add("records", lines.len() as u64);
            counters.add("blank_lines", blank);
            Ok(lines.into_iter().map(|(_, text)| Document { text, extra: Map::new() }).collect())
        }
        Content::Records { records, blank } => {
            counters.add("records", records.len() as u64);
            counters.add("blank_lines", blank);
            let mut documents = Vec::new();
            for record in records {
                let place = record.place(name);
                let document = shapes::document(record.fields)
                    .map_err(|misfit| data(place, misfit.what, misfit.expected, check(name)))?;
                if document.text.trim().is_empty() {
                    counters.add("skipped.empty_document", 1);
                } else {
                    documents.push(document);
                }
            }
            Ok(documents)
        }
    }
}
