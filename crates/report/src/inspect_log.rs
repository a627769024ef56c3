//! An audit as an Inspect log, so that `inspect view` and everything else that reads one shows it.
//!
//! The `.eval` format of inspect_ai 0.3 (schema version 2): a ZIP archive of JSON members. Where ours differs from its own:
//! 1. Members are deflated, not zstd-compressed: every version reads them.
//! 2. An item without a score has no `scores` entry. There is no value that would mean "unscored", and a wrong one would
//!    enter means.
//! 3. What cannot be measured is in no metric. The whole summary, with reasons and intervals, is in the log's metadata.
//! 4. Slashes in an item's name become dots in the sample's: members are named by it.

use crate::Error;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};
use std::time::SystemTime;
use trimtab_audit::elicitation;
use trimtab_audit::figure::Summary;
use trimtab_audit::item::{Item, Role};
use trimtab_audit::outer::{Arm, Record, Said, Task};
use trimtab_audit::result::ResultRecord;
use trimtab_audit::run::Header;
use trimtab_text::Message;
use trimtab_text::record::Input;
use zip::write::SimpleFileOptions;

/// Name of the one scorer.
const SCORER: &str = "trimtab";
/// Longest text in a summary, in characters: the viewer loads all of them at once.
const SUMMARY_CHARS: usize = 400;

/// One answer, as a sample of a log.
struct Sample<'a> {
    /// Its name, from which slashes are taken.
    id: String,
    /// Which answer to the same question, from 1.
    epoch: usize,
    asked: Vec<Message>,
    target: String,
    answer: &'a str,
    /// Whether the answer was cut at the longest length.
    cut: bool,
    /// By scorer; none where it has no score.
    scores: Map<String, Value>,
    metadata: Value,
}

/// The bytes of a `.eval` file. `created` is the time that it states.
///
/// # Errors
/// [`Error::Malformed`] if the archive cannot be written, which memory alone could cause.
pub fn inspect_log(
    header: &Header,
    summary: &Summary,
    results: &[ResultRecord],
    created: SystemTime,
) -> Result<Vec<u8>, Error> {
    let samples: Vec<Sample> = results.iter().map(of_result).collect();
    archive(header, summary, &[SCORER], &samples, created)
}

/// The same of a pressed reward model: a sample is an answer, whose number among those to its prompt is the epoch, and `proxy` and
/// `gold` are scorers of their own. What was asked is in `tasks`.
///
/// # Errors
/// As [`inspect_log`].
pub fn outer_log<'a>(
    header: &Header,
    summary: &Summary,
    tasks: &[Task],
    records: &'a [Record],
    created: SystemTime,
) -> Result<Vec<u8>, Error> {
    let asked: BTreeMap<(Arm, &str), &Task> = tasks.iter().map(|t| ((t.arm, t.item.as_str()), t)).collect();
    let of = |record: &'a Record| {
        let task = asked.get(&(record.arm, record.item.as_str())).copied();
        record.answers.iter().enumerate().map(move |(place, said)| of_answer(record, task, place, said))
    };
    let samples: Vec<Sample> = records.iter().flat_map(of).collect();
    archive(header, summary, &["proxy", "gold"], &samples, created)
}

/// The same of an elicitation: a sample is a question on a rung of the ladder, its answer the first of those drawn, its score the share
/// that is right of those that could be read. What a rung put before the question is not in it.
///
/// # Errors
/// As [`inspect_log`].
pub fn elicitation_log<'a>(
    header: &Header,
    summary: &Summary,
    items: &[Item],
    records: &'a [elicitation::Record],
    created: SystemTime,
) -> Result<Vec<u8>, Error> {
    let asked: BTreeMap<&str, &Item> = items.iter().map(|item| (item.id.as_str(), item)).collect();
    let of = |record: &'a elicitation::Record| of_rung(record, asked.get(record.item.as_str()).copied());
    let samples: Vec<Sample> = records.iter().map(of).collect();
    archive(header, summary, &[SCORER], &samples, created)
}

fn archive(
    header: &Header,
    summary: &Summary,
    scorers: &[&str],
    samples: &[Sample<'_>],
    created: SystemTime,
) -> Result<Vec<u8>, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Malformed {
        place: format!("{}.eval", header.audit),
        problem: format!("cannot be written: {e}"),
        expected: "memory for the archive",
    };
    let start = start(header, summary, samples, created);
    let mut members = vec![("_journal/start.json".to_owned(), start.clone())];
    members.extend(samples.iter().map(|s| (format!("samples/{}_epoch_{}.json", s.name(), s.epoch), s.whole(header))));
    let summaries: Vec<Value> = samples.iter().map(Sample::short).collect();
    members.push(("_journal/summaries/1.json".to_owned(), json!(summaries)));
    members.push(("summaries.json".to_owned(), json!(summaries)));
    members.push(("header.json".to_owned(), finished(start, summary, scorers, samples, created)));

    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, value) in members {
        archive.start_file(name, options).map_err(|e| failed(&e))?;
        archive.write_all(value.to_string().as_bytes()).map_err(|e| failed(&e))?;
    }
    archive.finish().map(Cursor::into_inner).map_err(|e| failed(&e))
}

/// A name of 22 letters for this audit of this model.
fn id(header: &Header) -> String {
    header.model_sha256.chars().take(11).chain(header.items_sha256.chars().take(11)).collect()
}

fn rfc3339(time: SystemTime) -> String {
    // Inspect wants an offset, not a Z.
    humantime::format_rfc3339_seconds(time).to_string().replace('Z', "+00:00")
}

fn start(header: &Header, summary: &Summary, samples: &[Sample<'_>], created: SystemTime) -> Value {
    let names: BTreeSet<String> = samples.iter().map(Sample::name).collect();
    let epochs = samples.iter().map(|s| s.epoch).max().unwrap_or(1);
    json!({
        "version": 2,
        "eval": {
            "eval_id": id(header),
            "run_id": id(header),
            "created": rfc3339(created),
            "task": header.audit,
            "task_id": id(header),
            "task_version": header.set.version,
            "task_attribs": {},
            "task_args": {"shard": header.shard, "max_new_tokens": header.max_new_tokens},
            "dataset": {"name": header.set.name, "samples": names.len(), "sample_ids": names, "shuffled": false},
            "model": format!("trimtab/{}", header.model.replace('/', "_")),
            "model_args": {"path": header.model, "sha256": header.model_sha256},
            "config": {"epochs": epochs},
            "packages": {"trimtab": env!("CARGO_PKG_VERSION")},
            "metadata": {"item_set": header.set, "summary": summary},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
    })
}

/// The log without its samples, once everything is there. Figures stand at the first scorer.
fn finished(
    mut start: Value,
    summary: &Summary,
    scorers: &[&str],
    samples: &[Sample<'_>],
    created: SystemTime,
) -> Value {
    let mut metrics = Map::new();
    for figure in &summary.figures {
        if let Some(value) = figure.value.value {
            let interval = figure.clustered.interval.or(figure.value.interval);
            let params = json!({
                "numerator": figure.rate.numerator,
                "denominator": figure.rate.denominator,
                "unscored": figure.rate.unscored,
                "low": interval.map(|i| i.low),
                "high": interval.map(|i| i.high),
            });
            metrics.insert(figure.name.clone(), json!({"name": figure.name, "value": value, "params": params}));
        }
    }
    for mean in &summary.means {
        if let Some(value) = mean.value.value {
            let params = json!({"n": mean.value.n, "unscored": mean.unscored});
            metrics.insert(mean.name.clone(), json!({"name": mean.name, "value": value, "params": params}));
        }
    }
    let score = |(place, &scorer): (usize, &&str)| {
        let scored = samples.iter().filter(|s| s.scores.contains_key(scorer)).count();
        json!({
            "name": scorer,
            "scorer": scorer,
            "scored_samples": scored,
            "unscored_samples": samples.len() - scored,
            "params": {},
            "metrics": if place == 0 { std::mem::take(&mut metrics) } else { Map::new() },
        })
    };
    let scores: Vec<Value> = scorers.iter().enumerate().map(score).collect();
    if let Some(log) = start.as_object_mut() {
        log.insert("status".into(), "success".into());
        let results = json!({"total_samples": samples.len(), "completed_samples": samples.len(), "scores": scores});
        log.insert("results".into(), results);
        let time = rfc3339(created);
        log.insert("stats".into(), json!({"started_at": time, "completed_at": time, "model_usage": {}}));
    }
    start
}

fn of_result(result: &ResultRecord) -> Sample<'_> {
    let mut scores = Map::new();
    if let Some(role) = result.value {
        let value = match role {
            Role::Right | Role::Positive => "C",
            Role::Wrong | Role::Negative | Role::Other => "I",
        };
        let score = json!({
            "value": value,
            "answer": result.transcript.answer,
            "explanation": role.word(),
            "metadata": {"logprobs": result.logprobs, "roles": result.roles},
        });
        scores.insert(SCORER.into(), score);
    }
    let metadata = json!({
        "item": result.item,
        "stem": result.stem,
        "cluster": result.cluster,
        "family": result.family,
        "arm": result.arm,
        "form": result.form,
        "order": result.order,
        "seed": result.seed,
        "unscored": result.unscored,
    });
    Sample {
        id: result.item.clone(),
        epoch: 1,
        asked: result.transcript.input.messages(),
        target: result.expected.clone().unwrap_or_default(),
        answer: &result.transcript.answer,
        cut: false,
        scores,
        metadata,
    }
}

fn of_answer<'a>(record: &Record, task: Option<&Task>, place: usize, said: &'a Said) -> Sample<'a> {
    let mut scores = Map::new();
    for (scorer, value) in [("proxy", said.proxy), ("gold", said.gold)] {
        if let Some(value) = value {
            scores.insert(scorer.into(), json!({"value": value, "answer": said.text}));
        }
    }
    let ranks: Vec<Value> = record
        .rankings
        .iter()
        .filter_map(|ranks| Some(json!({"person": ranks.person, "rank": (*ranks.ranks.get(place)?)?})))
        .collect();
    let metadata = json!({
        "item": record.item,
        "cluster": record.cluster,
        "arm": record.arm,
        "kl": said.kl,
        "ranks": ranks,
        "unscored": said.unscored,
    });
    let arm = json!(record.arm);
    Sample {
        id: format!("{}/{}", arm.as_str().unwrap_or_default(), record.item),
        epoch: place + 1,
        asked: task.map(|t| t.input.messages()).unwrap_or_default(),
        target: task.and_then(|t| t.truth.as_ref()).map(|truth| truth.ideal.clone()).unwrap_or_default(),
        answer: &said.text,
        cut: said.cut,
        scores,
        metadata,
    }
}

fn of_rung<'a>(record: &'a elicitation::Record, item: Option<&Item>) -> Sample<'a> {
    let mut scores = Map::new();
    let read = record.right + record.wrong;
    if read > 0 {
        scores.insert(SCORER.into(), json!({"value": record.right as f64 / read as f64, "answer": record.answer}));
    }
    let metadata = json!({
        "item": record.item,
        "cluster": record.fact,
        "rung": record.rung,
        "control": record.control,
        "draw": record.draw,
        "arm": record.arm,
        "right": record.right,
        "wrong": record.wrong,
        "unscored": record.unscored,
    });
    let control = if record.control { "/control" } else { "" };
    Sample {
        id: format!("{}{control}/{}/{}", record.rung, record.draw, record.item),
        epoch: 1,
        asked: item.map(|item| item.input.messages()).unwrap_or_default(),
        target: item.and_then(|item| item.truth.as_ref()).map(|truth| truth.expected.clone()).unwrap_or_default(),
        answer: &record.answer,
        cut: false,
        scores,
        metadata,
    }
}

fn messages(list: &[Message]) -> Vec<Value> {
    list.iter().map(|m| json!({"role": m.role, "content": m.content})).collect()
}

impl Sample<'_> {
    fn name(&self) -> String {
        self.id.replace('/', ".")
    }

    /// Everything of it: a member of the archive.
    fn whole(&self, header: &Header) -> Value {
        let answer = json!({"role": "assistant", "content": self.answer, "source": "generate"});
        let mut whole = messages(&self.asked);
        whole.push(answer.clone());
        let stop = if self.cut { "max_tokens" } else { "stop" };
        let mut sample = json!({
            "id": self.name(),
            "epoch": self.epoch,
            "input": messages(&self.asked),
            "target": self.target,
            "messages": whole,
            "output": {
                "model": format!("trimtab/{}", header.model.replace('/', "_")),
                "choices": [{"message": answer, "stop_reason": stop}],
            },
            "metadata": self.metadata,
            "store": {},
            "events": [],
            "model_usage": {},
            "attachments": {},
        });
        self.add_scores(&mut sample);
        sample
    }

    /// As lists show it.
    fn short(&self) -> Value {
        let input: String = Input::Chat(self.asked.clone()).plain().chars().take(SUMMARY_CHARS).collect();
        let mut summary = json!({
            "id": self.name(),
            "epoch": self.epoch,
            "input": input,
            "target": self.target,
            "metadata": self.metadata,
            "completed": true,
        });
        self.add_scores(&mut summary);
        summary
    }

    fn add_scores(&self, sample: &mut Value) {
        if let (false, Some(fields)) = (self.scores.is_empty(), sample.as_object_mut()) {
            fields.insert("scores".into(), Value::Object(self.scores.clone()));
        }
    }
}
