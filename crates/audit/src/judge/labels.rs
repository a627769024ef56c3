//! A person's labels of a sample of one model's answers: `labels.jsonl`.
//!
//! 1. The sample is the first n answers in an order that the seed decides, so that a larger one holds the smaller, and that
//!    labelling from the top and stopping anywhere leaves a random sample.
//! 2. What a person wrote is never written over: lines are added, and a sample of another seed or of other answers is refused
//!    where labels would be lost.
//! 3. The judge's verdict is not in the file: a person who has seen it is no second opinion.

use crate::folder::Finished;
use crate::journal::parse;
use crate::result::ResultRecord;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use trimtab_run::{sha256_bytes, write_atomic};
use trimtab_text::{Error, Problem};

/// One answer and what a person says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The item.
    pub item: String,
    /// What was asked, as plain text.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// Whether it has the property; none until somebody has said so.
    pub label: Option<bool>,
}

/// What [`draw`] left in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The file.
    pub path: PathBuf,
    /// Lines in it.
    pub lines: u64,
    /// Those that were not there before.
    pub added: u64,
    /// Those with a label.
    pub labelled: u64,
    /// Answers that could be drawn from.
    pub answers: u64,
}

/// The results whose answers a judge can read, in the order in which `seed` has them labelled.
fn order(results: &[ResultRecord], seed: u64) -> Vec<&ResultRecord> {
    let mut order: Vec<(String, &ResultRecord)> = results
        .iter()
        .filter(|r| r.answered().is_some())
        .map(|r| (sha256_bytes(format!("labels/{seed}/{}", r.item).as_bytes()), r))
        .collect();
    order.sort_by(|a, b| a.0.cmp(&b.0));
    order.into_iter().map(|(_, r)| r).collect()
}

/// Adds lines to `labels.jsonl`, until it holds a random sample of `n` answers, or all of them.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] where no answer can be judged, and where the file holds labels of another sample.
pub fn draw(audit: &Finished, n: usize, seed: u64) -> Result<Drawn, Error> {
    let path = audit.dir.join("labels.jsonl");
    let place = path.display().to_string();
    let order = order(&audit.results, seed);
    if order.is_empty() {
        let what = "no item has an answer that a judge could read";
        let hint = "an audit of items whose answers are generated, such as XSTest's prompts";
        return Err(Error::Data(Problem::new(audit.dir.display().to_string(), what, "generated answers", hint)));
    }
    let (mut bytes, mut known) = (Vec::new(), Vec::new());
    if path.exists() {
        bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        known = of_file(&place, &bytes)?;
        let held: BTreeSet<(&str, &str)> = known.iter().map(|l| (l.item.as_str(), l.answer.as_str())).collect();
        let drawn: BTreeSet<(&str, &str)> =
            order.iter().take(known.len()).map(|r| (r.item.as_str(), r.transcript.answer.as_str())).collect();
        if held != drawn {
            let labelled = known.iter().filter(|l| l.label.is_some()).count();
            if labelled > 0 {
                let what = format!("holds {labelled} labels of another sample");
                let hint = "the --seed of that sample, or move the file away";
                return Err(Error::Data(Problem::new(place, what, "the first answers in this seed's order", hint)));
            }
            (bytes, known) = (Vec::new(), Vec::new());
        }
    }
    let before = known.len();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    for result in order.iter().take(n).skip(before) {
        let label = Label {
            item: result.item.clone(),
            prompt: result.transcript.input.plain(),
            answer: result.transcript.answer.clone(),
            label: None,
        };
        // Text and nothing else: it always serialises.
        bytes.extend(serde_json::to_vec(&label).unwrap_or_default());
        bytes.push(b'\n');
        known.push(label);
    }
    let added = (known.len() - before) as u64;
    if added > 0 {
        // The run crate's errors are of another kind; what the system said is what matters here.
        write_atomic(&path, &bytes)
            .map_err(|e| Error::Io { path: path.clone(), source: std::io::Error::other(e.to_string()) })?;
    }
    let labelled = known.iter().filter(|l| l.label.is_some()).count() as u64;
    Ok(Drawn { path, lines: known.len() as u64, added, labelled, answers: order.len() as u64 })
}

/// What a person has labelled, and how many answers were passed over: lines without a label before the last one with one. A
/// person who leaves out what is hard to say makes the sample another one.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] with the line, for a label that is none, and for an answer that is not this audit's.
pub fn read(audit: &Finished) -> Result<(BTreeMap<String, bool>, u64), Error> {
    let path = audit.dir.join("labels.jsonl");
    if !path.exists() {
        return Ok((BTreeMap::new(), 0));
    }
    let place = path.display().to_string();
    let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
    let labels = of_file(&place, &bytes)?;
    let answers: BTreeMap<&str, &str> =
        audit.results.iter().filter_map(|r| Some((r.item.as_str(), r.answered()?))).collect();
    let (mut found, mut passed, mut open) = (BTreeMap::new(), 0, 0);
    for (i, line) in labels.into_iter().enumerate() {
        if answers.get(line.item.as_str()) != Some(&line.answer.as_str()) {
            let what = format!("item {:?} has another answer in results.jsonl, or none", line.item);
            let (place, hint) =
                (format!("{place}: label {}", i + 1), "move the file away, and label this model's answers");
            return Err(Error::Data(Problem::new(place, what, "answers of this audit", hint)));
        }
        match line.label {
            Some(label) => {
                found.insert(line.item, label);
                passed += std::mem::take(&mut open);
            }
            None => open += 1,
        }
    }
    Ok((found, passed))
}

/// The lines of a file, each item once.
fn of_file(place: &str, bytes: &[u8]) -> Result<Vec<Label>, Error> {
    let labels: Vec<Label> = parse(place, bytes).map_err(|e| match e {
        Error::Data(problem) => Error::Data(Problem {
            expected: "{item, prompt, answer, label: true, false or null}".into(),
            hint: "mend the line: a label is true, false or null".into(),
            ..problem
        }),
        other => other,
    })?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = labels.iter().find(|l| !seen.insert(&l.item)) {
        let what = format!("item {:?} occurs twice", twice.item);
        return Err(Error::Data(Problem::new(place, what, "each item once", "remove one of the two lines")));
    }
    Ok(labels)
}
