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
use std::io::{Cursor, Write};
use std::time::SystemTime;
use trimtab_audit::figure::Summary;
use trimtab_audit::item::Role;
use trimtab_audit::result::ResultRecord;
use trimtab_audit::run::Header;
use trimtab_text::Message;
use zip::write::SimpleFileOptions;

/// Name of the one scorer.
const SCORER: &str = "trimtab";
/// Longest text in a summary, in characters: the viewer loads all of them at once.
const SUMMARY_CHARS: usize = 400;

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
    let failed = |e: &dyn std::fmt::Display| Error::Malformed {
        place: format!("{}.eval", header.audit),
        problem: format!("cannot be written: {e}"),
        expected: "memory for the archive",
    };
    let start = start(header, summary, results, created);
    let samples: Vec<Value> = results.iter().map(|r| sample(header, r)).collect();
    let mut members = vec![("_journal/start.json".to_owned(), start.clone())];
    for (result, sample) in results.iter().zip(&samples) {
        members.push((format!("samples/{}_epoch_1.json", sample_id(result)), sample.clone()));
    }
    let summaries: Vec<Value> = results.iter().map(short).collect();
    members.push(("_journal/summaries/1.json".to_owned(), json!(summaries)));
    members.push(("summaries.json".to_owned(), json!(summaries)));
    members.push(("header.json".to_owned(), finished(start, summary, results, created)));

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

fn start(header: &Header, summary: &Summary, results: &[ResultRecord], created: SystemTime) -> Value {
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
            "dataset": {
                "name": header.set.name,
                "samples": results.len(),
                "sample_ids": results.iter().map(sample_id).collect::<Vec<_>>(),
                "shuffled": false,
            },
            "model": format!("trimtab/{}", header.model.replace('/', "_")),
            "model_args": {"path": header.model, "sha256": header.model_sha256},
            "config": {},
            "packages": {"trimtab": env!("CARGO_PKG_VERSION")},
            "metadata": {"item_set": header.set, "summary": summary},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
    })
}

/// The log without its samples, once everything is there.
fn finished(mut start: Value, summary: &Summary, results: &[ResultRecord], created: SystemTime) -> Value {
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
    let scored = results.iter().filter(|r| r.value.is_some()).count();
    if let Some(log) = start.as_object_mut() {
        log.insert("status".into(), "success".into());
        let score = json!({
            "name": SCORER,
            "scorer": SCORER,
            "scored_samples": scored,
            "unscored_samples": results.len() - scored,
            "params": {},
            "metrics": metrics,
        });
        let results = json!({"total_samples": results.len(), "completed_samples": results.len(), "scores": [score]});
        log.insert("results".into(), results);
        let time = rfc3339(created);
        log.insert("stats".into(), json!({"started_at": time, "completed_at": time, "model_usage": {}}));
    }
    start
}

fn sample_id(result: &ResultRecord) -> String {
    result.item.replace('/', ".")
}

fn score(result: &ResultRecord) -> Option<Value> {
    let value = match result.value? {
        Role::Right | Role::Positive => "C",
        Role::Wrong | Role::Negative | Role::Other => "I",
    };
    Some(json!({SCORER: {
        "value": value,
        "answer": result.transcript.answer,
        "explanation": result.value.map(Role::word),
        "metadata": {"logprobs": result.logprobs, "roles": result.roles},
    }}))
}

fn metadata(result: &ResultRecord) -> Value {
    json!({
        "item": result.item,
        "stem": result.stem,
        "cluster": result.cluster,
        "family": result.family,
        "arm": result.arm,
        "form": result.form,
        "order": result.order,
        "seed": result.seed,
        "unscored": result.unscored,
    })
}

fn messages(list: &[Message]) -> Vec<Value> {
    list.iter().map(|m| json!({"role": m.role, "content": m.content})).collect()
}

fn sample(header: &Header, result: &ResultRecord) -> Value {
    let asked = result.transcript.input.messages();
    let answer = json!({"role": "assistant", "content": result.transcript.answer, "source": "generate"});
    let mut whole = messages(&asked);
    whole.push(answer.clone());
    let mut sample = json!({
        "id": sample_id(result),
        "epoch": 1,
        "input": messages(&asked),
        "target": result.expected.clone().unwrap_or_default(),
        "messages": whole,
        "output": {
            "model": format!("trimtab/{}", header.model.replace('/', "_")),
            "choices": [{"message": answer, "stop_reason": "stop"}],
        },
        "metadata": metadata(result),
        "store": {},
        "events": [],
        "model_usage": {},
        "attachments": {},
    });
    if let (Some(score), Some(fields)) = (score(result), sample.as_object_mut()) {
        fields.insert("scores".into(), score);
    }
    sample
}

/// A sample as lists show it.
fn short(result: &ResultRecord) -> Value {
    let input: String = result.transcript.input.plain().chars().take(SUMMARY_CHARS).collect();
    let mut summary = json!({
        "id": sample_id(result),
        "epoch": 1,
        "input": input,
        "target": result.expected.clone().unwrap_or_default(),
        "metadata": metadata(result),
        "completed": true,
    });
    if let (Some(score), Some(fields)) = (score(result), summary.as_object_mut()) {
        fields.insert("scores".into(), score);
    }
    summary
}
