//! A finished audit, read back from its folder.

use crate::item::ItemSet;
use crate::journal::parse;
use crate::result::ResultRecord;
use crate::run::{Header, Shard, check, read_header};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_run::sha256_bytes;
use trimtab_text::{Error, Problem};

/// What a folder holds.
#[derive(Debug)]
pub struct Finished {
    /// The folder.
    pub dir: PathBuf,
    /// What was asked of which model.
    pub header: Header,
    /// One result for each item, in the order of items.
    pub results: Vec<ResultRecord>,
}

impl Finished {
    /// Reads the folder of an audit that has come to its end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] for a part of a sharded audit, for items that are not those of the header, and for
    /// items without a result, since a sample of what was asked first is no sample of all.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let refuse = |place: &Path, what: String, expected: &str, hint: &str| {
            Err(Error::Data(Problem::new(place.display().to_string(), what, expected, hint)))
        };
        let header = read_header(dir)?;
        if header.shard != Shard::WHOLE {
            let what = format!("holds part {} of {} of an audit", header.shard.index, header.shard.count);
            return refuse(dir, what, "a whole audit", "trimtab audit merge DIR... --out DIR, first");
        }
        let path = dir.join("items.jsonl");
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        if sha256_bytes(&bytes) != header.items_sha256 {
            let hint = "the items as they were asked, or the audit again";
            return refuse(&path, "is not what was asked".into(), "the items_sha256 of audit.json", hint);
        }
        let set = ItemSet::read(&path)?;
        let path = dir.join("results.jsonl");
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        // What a killed audit left half-written is asked again by it, and no result here.
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let mut results: Vec<ResultRecord> = parse(&path.display().to_string(), &bytes[..whole])?;
        check(&path, &results, &set.items.iter().collect::<Vec<_>>())?;
        if results.len() < set.items.len() {
            let what = format!("holds {} of {} results", results.len(), set.items.len());
            return refuse(&path, what, "a result for each item", "the audit's command again: it continues");
        }
        let places: BTreeMap<&str, usize> = set.items.iter().enumerate().map(|(i, m)| (m.id.as_str(), i)).collect();
        results.sort_by_key(|r| places.get(r.item.as_str()).copied());
        Ok(Self { dir: dir.to_owned(), header, results })
    }
}
