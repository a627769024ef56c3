//! Asking all items of an audit, so that it can be stopped anywhere, cut into shards, and merged again.
//!
//! An audit's folder holds `audit.json` (what was asked of which model), `items.jsonl` (all items, also those of other
//! shards), and `results.jsonl`. Every figure is computed from the last.

use crate::item::{Form, Item, ItemSet, SetInfo};
use crate::journal::Journal;
use crate::result::ResultRecord;
use crate::target::{Said, Subject};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use trimtab_alignment::Error;
use trimtab_run::{interrupt, sha256_bytes, write_atomic};
use trimtab_text::Problem;

/// Changes whenever the same item would be scored otherwise, so that old cached answers are not taken.
const SCORING: u32 = 1;
/// The name under which interrupts and test hooks know an audit.
pub const STAGE: &str = "audit";

/// One of several parts of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "[u64; 2]", try_from = "[u64; 2]")]
pub struct Shard {
    /// From 1.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

impl Shard {
    /// The whole audit as one part.
    pub const WHOLE: Self = Self { index: 1, count: 1 };
}

impl From<Shard> for [u64; 2] {
    fn from(shard: Shard) -> Self {
        [shard.index, shard.count]
    }
}

impl TryFrom<[u64; 2]> for Shard {
    type Error = String;

    fn try_from([index, count]: [u64; 2]) -> Result<Self, String> {
        let sound = (1..=count).contains(&index) && count <= 100_000;
        sound.then_some(Self { index, count }).ok_or_else(|| format!("{index}/{count} is no part of a whole"))
    }
}

impl FromStr for Shard {
    type Err = String;

    /// ```
    /// use trimtab_audit::run::Shard;
    /// assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
    /// assert!("0/3".parse::<Shard>().is_err() && "4/3".parse::<Shard>().is_err() && "x".parse::<Shard>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some([i.parse().ok()?, n.parse().ok()?]));
        parsed.ok_or_else(|| format!("{text:?} is not I/N, as in 1/4"))?.try_into()
    }
}

/// What was asked of which model: `audit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The audit.
    pub audit: String,
    /// The model, as it was named.
    pub model: String,
    /// SHA-256 of its weights, config, tokenizer and template.
    pub model_sha256: String,
    /// What the items are.
    pub set: SetInfo,
    /// SHA-256 of `items.jsonl`.
    pub items_sha256: String,
    /// Items of all shards.
    pub items: u64,
    /// Tokens of a generated answer at most.
    pub max_new_tokens: usize,
    /// Which part this folder holds.
    pub shard: Shard,
}

/// What is to be asked.
#[derive(Debug)]
pub struct Plan {
    /// The audit.
    pub audit: String,
    /// Its items.
    pub set: ItemSet,
    /// Which part of them.
    pub shard: Shard,
    /// Tokens of a generated answer at most.
    pub max_new_tokens: usize,
}

/// Items of one shard: clusters are dealt out in turn, so that a stem stays in one piece.
///
/// Over all shards each item comes once, in the order of the whole.
#[must_use]
pub fn of_shard(items: &[Item], shard: Shard) -> Vec<&Item> {
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    let mut own = Vec::new();
    for item in items {
        let next = places.len() as u64;
        if *places.entry(&item.cluster).or_insert(next) % shard.count == shard.index - 1 {
            own.push(item);
        }
    }
    own
}

/// Asks what `dir` does not hold yet and gives all results of the shard, in the order of items. `heard` is told how many
/// are done, out of how many, after each batch. With `cache`, answers are looked up and kept there, by model and item.
///
/// # Errors
/// [`Error::Text`] for a folder that holds another audit, by field; [`Error::Interrupted`] after Ctrl-C, when everything
/// asked so far is in the folder; what [`Subject::ask`] gives.
pub fn run(
    target: &dyn Subject,
    plan: &Plan,
    dir: &Path,
    cache: Option<&Path>,
    mut heard: impl FnMut(u64, u64),
) -> Result<Vec<ResultRecord>, Error> {
    let items = plan.set.to_jsonl();
    let header = Header {
        audit: plan.audit.clone(),
        model: target.name().to_owned(),
        model_sha256: target.hash().to_owned(),
        set: plan.set.info.clone(),
        items_sha256: sha256_bytes(&items),
        items: plan.set.items.len() as u64,
        max_new_tokens: plan.max_new_tokens,
        shard: plan.shard,
    };
    std::fs::create_dir_all(dir).map_err(|source| trimtab_text::Error::Io { path: dir.to_owned(), source })?;
    let header = begin(dir, header)?;
    if !dir.join("items.jsonl").exists() {
        write_atomic(&dir.join("items.jsonl"), &items)?;
    }
    let path = dir.join("results.jsonl");
    let (mut journal, mut results) = Journal::open::<ResultRecord>(&path)?;
    let asked = of_shard(&plan.set.items, plan.shard);
    check(&path, &results, &asked)?;
    // A cache that cannot be opened, as while another process holds it, is done without.
    let mut answers = cache.and_then(|folder| Answers::open(folder, target).ok());
    let done: BTreeSet<String> = results.iter().map(|r| r.item.clone()).collect();
    let pending: Vec<&Item> = asked.iter().copied().filter(|item| !done.contains(&item.id)).collect();
    let (mut count, total) = (results.len() as u64, asked.len() as u64);
    heard(count, total);
    for (step, batch) in pending.chunks(target.batch()).enumerate() {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: STAGE, step: step as u64 });
        }
        let said = match &mut answers {
            Some(answers) => answers.ask(target, batch, plan.max_new_tokens)?,
            None => target.ask(batch, plan.max_new_tokens)?,
        };
        let records: Vec<ResultRecord> = batch
            .iter()
            .zip(said)
            .map(|(item, said)| ResultRecord::of(&plan.audit, &header.model, item, said))
            .collect();
        journal.append(&records)?;
        results.extend(records);
        interrupt::stop_point(STAGE, step as u64);
        count += batch.len() as u64;
        heard(count, total);
    }
    let places: BTreeMap<&str, usize> = asked.iter().enumerate().map(|(i, item)| (item.id.as_str(), i)).collect();
    results.sort_by_key(|r| places.get(r.item.as_str()).copied());
    Ok(results)
}

/// Writes `audit.json`, or checks that the one in the folder says the same; gives the one in the folder.
pub(crate) fn begin(dir: &Path, header: Header) -> Result<Header, Error> {
    let path = dir.join("audit.json");
    if !path.exists() {
        let text = format!("{:#}\n", json!(header));
        write_atomic(&path, text.as_bytes())?;
        return Ok(header);
    }
    let found = read_header(dir)?;
    let name = header.model.clone();
    // The same weights under another name are the same model.
    let (a, b) = (json!(found), json!(Header { model: found.model.clone(), ..header }));
    let fields = a.as_object().into_iter().flatten().filter(|(key, value)| b.get(key.as_str()) != Some(*value));
    let differences: Vec<String> =
        fields.map(|(key, value)| format!("{key} = {value}, got {}", b.get(key).unwrap_or(&json!(null)))).collect();
    if differences.is_empty() {
        return Ok(found);
    }
    let what = format!("holds another audit than the one asked of {name}");
    Err(problem(&path, what, &differences.join("\n           "), "another folder with --out, or remove this one")
        .into())
}

/// Reads `audit.json`.
///
/// # Errors
/// [`trimtab_text::Error`] where it is missing or damaged.
pub fn read_header(dir: &Path) -> Result<Header, trimtab_text::Error> {
    let path = dir.join("audit.json");
    let bytes = std::fs::read(&path).map_err(|source| trimtab_text::Error::Io { path: path.clone(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| problem(&path, e.to_string(), "the header of an audit", "`trimtab audit MODEL` writes one"))
}

pub(crate) fn problem(path: &Path, what: impl Into<String>, expected: &str, hint: &str) -> trimtab_text::Error {
    trimtab_text::Error::Data(Problem::new(path.display().to_string(), what, expected, hint))
}

/// Results must be of these items, once each, with a value or a reason.
pub(crate) fn check(path: &Path, results: &[ResultRecord], asked: &[&Item]) -> Result<(), trimtab_text::Error> {
    let known: BTreeSet<&str> = asked.iter().map(|i| i.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (i, r) in results.iter().enumerate() {
        let place = Path::new(&format!("{}:{}", path.display(), i + 1)).to_owned();
        let hint = "remove the folder, so that the audit starts again";
        if !known.contains(r.item.as_str()) {
            return Err(problem(&place, format!("item {:?} is not of this audit", r.item), "an item asked here", hint));
        }
        if !seen.insert(&r.item) {
            return Err(problem(&place, format!("item {:?} occurs twice", r.item), "each item once", hint));
        }
        if !r.is_sound() {
            return Err(problem(&place, "value and unscored", "exactly one of the two", hint));
        }
    }
    Ok(())
}

/// What a model said to items before, kept by the hash of everything that decides it.
struct Answers {
    journal: Journal,
    known: BTreeMap<String, Said>,
}

/// A line of the cache. Log-probabilities are kept as bits, so that a cached answer is the answer.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bits: Option<Vec<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default)]
    ended: bool,
}

impl Answers {
    fn open(folder: &Path, target: &dyn Subject) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)
            .map_err(|source| trimtab_text::Error::Io { path: folder.to_owned(), source })?;
        let (journal, kept) = Journal::open::<Kept>(&folder.join(format!("{}.jsonl", target.hash())))?;
        let said = |kept: Kept| {
            let said = match (kept.bits, kept.text) {
                (Some(bits), _) => Said::LogProbs(bits.into_iter().map(f64::from_bits).collect()),
                (None, Some(text)) => Said::Text { text, ended: kept.ended },
                (None, None) => Said::TooLong,
            };
            (kept.key, said)
        };
        Ok(Self { journal, known: kept.into_iter().map(said).collect() })
    }

    fn ask(&mut self, target: &dyn Subject, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Said>, Error> {
        let keys: Vec<String> = items.iter().map(|item| key(item, max_new_tokens)).collect();
        let new: Vec<usize> = (0..items.len()).filter(|&i| !self.known.contains_key(&keys[i])).collect();
        let said = target.ask(&new.iter().map(|&i| items[i]).collect::<Vec<_>>(), max_new_tokens)?;
        let (mut lines, mut failed) = (Vec::with_capacity(new.len()), BTreeMap::new());
        for (&i, said) in new.iter().zip(said) {
            let (bits, text, ended) = match &said {
                Said::LogProbs(sums) => (Some(sums.iter().map(|s| s.to_bits()).collect()), None, false),
                Said::Text { text, ended } => (None, Some(text.clone()), *ended),
                Said::TooLong => (None, None, false),
                // What went wrong once is asked again.
                Said::Failed(_) => {
                    failed.insert(keys[i].clone(), said);
                    continue;
                }
            };
            lines.push(Kept { key: keys[i].clone(), bits, text, ended });
            self.known.insert(keys[i].clone(), said);
        }
        self.journal.append(&lines)?;
        Ok(keys
            .iter()
            .map(|key| self.known.get(key).or_else(|| failed.get(key)).cloned().unwrap_or(Said::TooLong))
            .collect())
    }
}

/// The hash of everything beside the model that decides what it says to an item.
fn key(item: &Item, max_new_tokens: usize) -> String {
    let texts: Vec<&str> = item.choices.iter().map(|c| c.text.as_str()).collect();
    let drawn = (item.form == Form::Drawn).then_some((&item.id, item.seed));
    let asked = if item.form.by_logprob() { json!(texts) } else { json!(max_new_tokens) };
    sha256_bytes(json!([SCORING, item.form.by_logprob(), item.input, asked, drawn]).to_string().as_bytes())
}
