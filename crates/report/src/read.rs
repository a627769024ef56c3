//! The files of a run, read as far as they are there.
//!
//! A file that is absent is noted and never an error: the report says what it would have shown. A line that is there
//! and does not hold what it should is an error with file and line, since a figure over the rest would be wrong.

use crate::{Error, Item};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::Path;
use trimtab_audit::figure::Summary;
use trimtab_audit::judge::measure::Judged;
use trimtab_people::CrowdReport;
use trimtab_run::{Manifest, Metric};
use trimtab_stats::{Interval, Measured};

/// Stages whose metrics are read, in the order of the loop; `ppo-plain` is PPO without the next-token term.
pub const STAGES: [&str; 6] = ["sft", "sample", "rank", "reward", "ppo", "ppo-plain"];

/// One line of `ppo/eval.jsonl`: an answer to a held-out prompt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FreshAnswer {
    /// Which prompt.
    pub prompt_id: String,
    /// `sft` or `ppo`.
    pub model: String,
    /// The answer.
    pub text: String,
    /// Reward by the reward model.
    pub reward: f64,
}

/// One line of `ppo/corpus_loss.jsonl`: a piece of held-out text before and after PPO.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CorpusPiece {
    /// Pieces of one document belong together.
    pub document: u64,
    /// Tokens that were predicted.
    pub tokens: f64,
    /// Summed negative log-likelihood before, in nats.
    pub nll_sft: f64,
    /// The same after.
    pub nll_ppo: f64,
}

/// A file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Its path in the run folder.
    pub file: String,
    /// What the report would have shown from it.
    pub shows: &'static str,
}

/// The files of one run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Name of the folder.
    pub name: String,
    /// The manifest.
    pub manifest: Option<Manifest>,
    /// Metrics by stage, as written.
    pub stages: BTreeMap<&'static str, Vec<Metric>>,
    /// Metrics of the evaluation of checkpoints.
    pub evaluation: Vec<Metric>,
    /// Answers of all checkpoints to all items.
    pub items: Vec<Item>,
    /// Planted truths by name.
    pub planted: BTreeMap<String, f64>,
    /// Answers to held-out prompts before and after PPO.
    pub fresh: Vec<FreshAnswer>,
    /// Held-out text before and after PPO.
    pub corpus: Vec<CorpusPiece>,
    /// How far people can be trusted.
    pub people: Option<CrowdReport>,
    /// Audits of its checkpoints, by the name of their folder.
    pub audits: Vec<Summary>,
    /// What judges say of audits' answers, in the same order.
    pub judged: Vec<Judged>,
    /// What is not there.
    pub absent: Vec<Absent>,
}

impl Run {
    /// Reads the run in `dir`; no other file is touched.
    ///
    /// # Errors
    /// [`Error::NotARun`] where nothing is there; [`Error::Malformed`], [`Error::Io`], [`Error::Run`].
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let mut run = Self { name: name(dir), ..Self::default() };
        if !dir.is_dir() {
            return Err(Error::NotARun(dir.to_owned()));
        }
        let mut found = false;
        let mut note = |file: &str, shows, there: bool, absent: &mut Vec<Absent>| {
            found |= there;
            if !there {
                absent.push(Absent { file: file.to_owned(), shows });
            }
        };
        run.manifest = Manifest::load(dir)?;
        note("manifest.json", "settings, versions, lineage and counters", run.manifest.is_some(), &mut run.absent);
        let expected = "a figure: {\"stage\", \"step\", \"name\", \"value\"}";
        for stage in STAGES {
            let file = format!("{stage}/metrics.jsonl");
            let metrics = lines(dir, &file, expected)?;
            note(&file, "the curves and figures of this stage", metrics.is_some(), &mut run.absent);
            if let Some(metrics) = metrics {
                run.stages.insert(stage, metrics);
            }
        }
        let fresh = lines(dir, "ppo/eval.jsonl", "{\"prompt_id\", \"model\", \"text\", \"reward\"}")?;
        note("ppo/eval.jsonl", "the reward of fresh answers", fresh.is_some(), &mut run.absent);
        let corpus = lines(dir, "ppo/corpus_loss.jsonl", "{\"document\", \"tokens\", \"nll_sft\", \"nll_ppo\"}")?;
        note("ppo/corpus_loss.jsonl", "the paired rise of corpus loss", corpus.is_some(), &mut run.absent);
        let items = lines(dir, "evaluation/items.jsonl", "an item: {\"checkpoint\", \"item\", \"kind\", \"cell\", …}")?;
        let shows = "both axes, sycophancy, refusals and the classes of failures";
        note("evaluation/items.jsonl", shows, items.is_some(), &mut run.absent);
        let evaluation = lines(dir, "evaluation/metrics.jsonl", expected)?;
        let shows = "corpus loss, win rate and best-of-n by checkpoint";
        note("evaluation/metrics.jsonl", shows, evaluation.is_some(), &mut run.absent);
        let planted: Option<BTreeMap<String, f64>> =
            whole(dir, "evaluation/planted.json", "numbers by name: {\"rm_accuracy_ceiling\": 0.8}")?;
        note("evaluation/planted.json", "the planted truths (hollow diamonds)", planted.is_some(), &mut run.absent);
        let people =
            whole(dir, "reward/people.json", "agreement, reliability and biases, as stage reward writes them")?;
        note("reward/people.json", "how far people can be trusted", people.is_some(), &mut run.absent);
        run.people = people;
        (run.audits, run.judged) = audits(dir)?;
        run.fresh = fresh.unwrap_or_default();
        run.corpus = corpus.unwrap_or_default();
        run.items = items.unwrap_or_default();
        run.evaluation = evaluation.unwrap_or_default();
        run.planted = planted.unwrap_or_default();
        if found { Ok(run) } else { Err(Error::NotARun(dir.to_owned())) }
    }

    /// The metrics of a stage; none where the file is absent.
    #[must_use]
    pub fn stage(&self, name: &str) -> &[Metric] {
        self.stages.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first planted truth under any of these names.
    #[must_use]
    pub fn truth(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|name| self.planted.get(*name).copied())
    }
}

/// The figure of the highest step of that name; the later line where steps are equal.
#[must_use]
pub fn last<'m>(metrics: &'m [Metric], name: &str) -> Option<&'m Metric> {
    metrics.iter().filter(|m| m.name == name).max_by_key(|m| m.step)
}

/// Final figures whose name is `prefix` and one more part, as (part, figure), in the order of first appearance.
#[must_use]
pub fn family<'m>(metrics: &'m [Metric], prefix: &str) -> Vec<(&'m str, &'m Metric)> {
    let mut out: Vec<(&str, &Metric)> = Vec::new();
    for m in metrics {
        let Some(part) = m.name.strip_prefix(prefix) else { continue };
        match out.iter_mut().find(|(known, _)| *known == part) {
            Some(entry) if m.step >= entry.1.step => entry.1 = m,
            Some(_) => {}
            None => out.push((part, m)),
        }
    }
    out
}

/// A metric as a measurement. Stages write 95 % intervals.
#[must_use]
pub fn measured(metric: &Metric) -> Measured {
    let interval = metric.interval.map(|[low, high]| Interval { low, high, level: 0.95 });
    let reason = match (metric.value, &metric.reason) {
        (None, None) => Some("no reason was recorded".to_owned()),
        (_, reason) => reason.clone(),
    };
    Measured { value: metric.value, reason, interval, n: metric.n.unwrap_or(0) }
}

/// The summaries in `audits/`, and what judges say there. An audit that is not finished, or a shard of several, has none and is
/// left out.
fn audits(dir: &Path) -> Result<(Vec<Summary>, Vec<Judged>), Error> {
    let folder = dir.join("audits");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(cause) => return Err(Error::Io { path: folder, cause }),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.contains("-of-"));
    names.sort();
    let expected = "what `trimtab audit` writes";
    let (mut found, mut judged) = (Vec::new(), Vec::new());
    for name in names {
        found.extend(whole(dir, &format!("audits/{name}/summary.json"), expected)?);
        judged.extend(whole(dir, &format!("audits/{name}/judged.json"), "what `trimtab audit judge` writes")?);
    }
    Ok((found, judged))
}

fn name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.file_name().map_or_else(|| "run".to_owned(), |n| n.to_string_lossy().into_owned())
}

fn read(dir: &Path, file: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = dir.join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Io { path, cause }),
    }
}

fn lines<T: DeserializeOwned>(dir: &Path, file: &str, expected: &'static str) -> Result<Option<Vec<T>>, Error> {
    let Some(bytes) = read(dir, file)? else { return Ok(None) };
    let mut out = Vec::new();
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = || format!("{}:{}", dir.join(file).display(), i + 1);
        let parsed = serde_json::from_slice(line);
        out.push(parsed.map_err(|e| Error::Malformed { place: place(), problem: e.to_string(), expected })?);
    }
    Ok(Some(out))
}

/// A file that is one JSON value.
pub(crate) fn whole<T: DeserializeOwned>(dir: &Path, file: &str, expected: &'static str) -> Result<Option<T>, Error> {
    let Some(bytes) = read(dir, file)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| Error::Malformed {
        place: format!("{}:{}", dir.join(file).display(), e.line()),
        problem: e.to_string(),
        expected,
    })
}
