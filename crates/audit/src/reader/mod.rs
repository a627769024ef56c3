//! Readers of published item files. They read formats; the files themselves are never part of this project.
//!
//! A format is told by the file's name and content: JSON Lines with `answer_matching_behavior` (Anthropic), JSON Lines
//! with `prompt` and `base` (sycophancy-eval), `.csv` by its header (TruthfulQA, XSTest), `.yaml` (lm-evaluation-harness),
//! JSON Lines that begin with `{"item_set": …}` (ours).
//!
//! Files are hostile: nothing panics, and an error says file, line and field.

mod anthropic;
mod csv;
mod lm_eval;
mod sycophancy_eval;
mod truthfulqa;
mod xstest;
mod yaml;

use crate::item::ItemSet;
use std::collections::BTreeSet;
use std::path::Path;
use trimtab_text::{Error, Problem};

/// Largest file, in bytes: item files are small, and one that is not is not one.
const MAX_BYTES: u64 = 256 << 20;

/// What was read: items to be asked, or prompts whose answers need a judge that is not in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSet {
    /// Items with options, or, where the set has prompts only, with answers for a judge.
    pub set: ItemSet,
    /// Why the items cannot be scored by this crate alone, if so.
    pub needs_judge: Option<&'static str>,
}

/// Reads an item file of any known format.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] with file, line and field; an lm-evaluation-harness task that needs Python code, by the
/// name of its function.
pub fn read(path: &Path) -> Result<ReadSet, Error> {
    read_with(path, &text_of)
}

/// What gives the text of a file.
pub type Files<'a> = &'a dyn Fn(&Path) -> Result<String, Error>;

/// The same, where `files` gives the text of `path` and of the files that a task names. Nothing else is read.
///
/// # Errors
/// As [`read`], and what `files` gives.
pub fn read_with(path: &Path, files: Files) -> Result<ReadSet, Error> {
    let read = by_format(path, files)?;
    let place = path.display().to_string();
    let mut seen = BTreeSet::new();
    for item in &read.set.items {
        // Readers say most of this with a line; what gets here could be asked and never read back.
        let wrong = |what: String, expected: &str| problem(&place, what, expected, "mend the row that it is from");
        item.check().map_err(|(field, what, expected)| {
            wrong(format!("item {:?}: field {field:?} {what}", item.id), expected)
        })?;
        if !seen.insert(item.id.as_str()) {
            return Err(wrong(format!("item {:?} occurs twice", item.id), "one item of each name"));
        }
    }
    Ok(read)
}

fn by_format(path: &Path, files: Files) -> Result<ReadSet, Error> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ending = |of: &str| name.ends_with(of);
    if ending(".yaml") || ending(".yml") {
        return lm_eval::read(path, files).map(scored);
    }
    let text = files(path)?;
    let place = path.display().to_string();
    if ending(".csv") {
        let table = csv::parse(&place, &text)?;
        return if table.column("Best Answer").is_some() {
            truthfulqa::read(&place, &table).map(scored)
        } else if table.column("prompt").is_some() && table.column("label").is_some() {
            let set = xstest::read(&place, &table)?;
            Ok(ReadSet {
                set,
                needs_judge: Some("whether an answer refuses is a judgement; the file has prompts only"),
            })
        } else {
            let what = format!("the columns are {:?}", table.header);
            Err(problem(&place, what, "Question and Best Answer (TruthfulQA), or prompt and label (XSTest)", KNOWN))
        };
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.contains("\"item_set\"") {
        return ItemSet::of_text(&place, &text).map(scored);
    }
    if text.contains("\"answer_matching_behavior\"") {
        return anthropic::read(path, &text).map(scored);
    }
    if first.contains("\"prompt\"") && first.contains("\"base\"") {
        let set = sycophancy_eval::read(&place, &text)?;
        let needs_judge = set.items.is_empty().then_some("the file has prompts whose answers need a judge");
        return Ok(ReadSet { set, needs_judge });
    }
    Err(problem(&place, "is of no format that is known here", KNOWN, "`trimtab audit list` for the formats"))
}

const KNOWN: &str = "Anthropic evals (JSONL), sycophancy-eval (JSONL), TruthfulQA or XSTest (CSV), an lm-evaluation-harness \
                     task (YAML), or our own items (JSONL)";

fn scored(set: ItemSet) -> ReadSet {
    ReadSet { set, needs_judge: None }
}

/// The text of a file, without a byte-order mark.
fn text_of(path: &Path) -> Result<String, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(io)?.len();
    let place = path.display().to_string();
    if size > MAX_BYTES {
        return Err(problem(&place, format!("holds {size} bytes"), "at most 256 MiB", "split the file"));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        problem(&place, format!("byte {} is not UTF-8", e.utf8_error().valid_up_to()), "UTF-8", "convert it")
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

fn problem(place: &str, what: impl Into<String>, expected: &str, hint: &str) -> Error {
    Error::Data(Problem::new(place, what, expected, hint))
}

/// An object with its line, or, in a list, its number.
type Numbered = (usize, serde_json::Map<String, serde_json::Value>);

/// Objects of a JSON Lines file, or of a file that is one JSON list.
fn objects(place: &str, text: &str) -> Result<Vec<Numbered>, Error> {
    use serde_json::Value;
    let object = |number: usize, value: Value| match value {
        Value::Object(fields) => Ok((number, fields)),
        _ => Err(problem(&format!("{place}:{number}"), "is no object", "a JSON object", "one object a line")),
    };
    if text.trim_start().starts_with('[') {
        let list: Vec<Value> = serde_json::from_str(text)
            .map_err(|e| problem(place, e.to_string(), "a list of objects", "see the line above"))?;
        return list.into_iter().enumerate().map(|(i, value)| object(i + 1, value)).collect();
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let value = serde_json::from_str(line).map_err(|e| {
                problem(&format!("{place}:{}", i + 1), e.to_string(), "a JSON object", "one object a line")
            })?;
            object(i + 1, value)
        })
        .collect()
}

/// A field that must be text.
fn text_field<'a>(
    place: &str,
    fields: &'a serde_json::Map<String, serde_json::Value>,
    name: &str,
) -> Result<&'a str, Error> {
    match fields.get(name) {
        Some(serde_json::Value::String(text)) if !text.trim().is_empty() => Ok(text),
        Some(_) => Err(problem(place, format!("field {name:?} is no text, or empty"), "text", "mend the line")),
        None => Err(problem(place, format!("field {name:?} is missing"), "text", "mend the line")),
    }
}
