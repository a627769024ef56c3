//! Shards of one audit, put together again.
//!
//! What is merged is what an audit in one piece would have written, to the byte: lines are copied, not written anew. Gaps
//! and duplicates are refused by name, since a figure over nine tenths of the items looks like one over all.

use crate::item::ItemSet;
use crate::journal::parse;
use crate::result::ResultRecord;
use crate::run::{Header, Shard, of_shard, read_header};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_run::write_atomic;
use trimtab_text::{Error, Problem};

/// Merges the audits in `dirs` into the folder `out`; gives the header and all results, in the order of items.
///
/// # Errors
/// [`Error::Data`] for folders of different audits, models or items, for shards that are missing or there twice, and for
/// items without a result or with two, by name.
pub fn merge(dirs: &[PathBuf], out: &Path) -> Result<(Header, Vec<ResultRecord>), Error> {
    let refuse = |place: &Path, what: String, expected: &str, hint: &str| {
        Err(Error::Data(Problem::new(place.display().to_string(), what, expected, hint)))
    };
    let headers: Vec<Header> = dirs.iter().map(|dir| read_header(dir)).collect::<Result<_, _>>()?;
    let (Some(first), Some(home)) = (headers.first(), dirs.first()) else {
        return refuse(
            out,
            "no folder is given".into(),
            "the folders of an audit's shards",
            "trimtab audit merge DIR...",
        );
    };
    let mut shards: BTreeMap<u64, &PathBuf> = BTreeMap::new();
    for (header, dir) in headers.iter().zip(dirs) {
        let comparable =
            Header { shard: Shard { index: 1, ..header.shard }, model: first.model.clone(), ..header.clone() };
        let expected = Header { shard: Shard { index: 1, ..first.shard }, ..first.clone() };
        if comparable != expected {
            let what = format!("holds another audit, model, item set or number of shards than {}", home.display());
            let hint = "merge shards made by one command but for its --shard";
            return refuse(&dir.join("audit.json"), what, "shards of one audit", hint);
        }
        if let Some(other) = shards.insert(header.shard.index, dir) {
            let what = format!("shard {}/{} is in {} too", header.shard.index, header.shard.count, other.display());
            return refuse(dir, what, "each shard once", "leave one of the two out");
        }
    }
    let missing: Vec<String> = (1..=first.shard.count)
        .filter(|i| !shards.contains_key(i))
        .map(|i| format!("{i}/{}", first.shard.count))
        .collect();
    if !missing.is_empty() {
        let what = format!("shard {} is missing", missing.join(", "));
        return refuse(home, what, "all shards of the audit", "run the same command with that --shard");
    }

    let items = ItemSet::read(&home.join("items.jsonl"))?;
    let mut lines: BTreeMap<String, (Vec<u8>, ResultRecord)> = BTreeMap::new();
    for (&index, dir) in &shards {
        let path = dir.join("results.jsonl");
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let records: Vec<ResultRecord> = parse(&path.display().to_string(), &bytes)?;
        let raw = bytes.split(|b| *b == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
        let own = of_shard(&items.items, Shard { index, ..first.shard });
        for (record, line) in records.into_iter().zip(raw) {
            let id = record.item.clone();
            if !own.iter().any(|item| item.id == id) {
                let what = format!("item {id:?} is not of shard {index}/{}", first.shard.count);
                return refuse(&path, what, "the items of this shard", "run the shard again");
            }
            if lines.insert(id.clone(), (line.to_vec(), record)).is_some() {
                return refuse(&path, format!("item {id:?} occurs twice"), "each item once", "run the shard again");
            }
        }
        let gaps: Vec<&str> = own.iter().map(|i| i.id.as_str()).filter(|id| !lines.contains_key(*id)).collect();
        if let Some(gap) = gaps.first() {
            let what = format!("{} of {} items have no result, beginning with {gap:?}", gaps.len(), own.len());
            return refuse(&path, what, "a result for each item", "the shard's command again: it continues");
        }
    }

    let header = Header { shard: Shard::WHOLE, ..first.clone() };
    let (mut bytes, mut results) = (Vec::new(), Vec::with_capacity(lines.len()));
    for item in &items.items {
        if let Some((line, record)) = lines.remove(&item.id) {
            bytes.extend(line);
            bytes.push(b'\n');
            results.push(record);
        }
    }
    std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_owned(), source })?;
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        // The run crate's errors are of another kind; what the system said is what matters here.
        write_atomic(&path, bytes).map_err(|e| Error::Io { path, source: std::io::Error::other(e.to_string()) })
    };
    write("items.jsonl", &items.to_jsonl())?;
    write("audit.json", format!("{:#}\n", serde_json::json!(header)).as_bytes())?;
    write("results.jsonl", &bytes)?;
    Ok((header, results))
}
