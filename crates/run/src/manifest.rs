//! `manifest.json`: what a run is made of and where each part came from.

use crate::{Error, sha256_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The `format` that this version reads and writes.
pub const MANIFEST_FORMAT: u32 = 1;

/// Files up to this size are hashed again when a finished stage is checked; larger ones are compared by size.
const REHASH_UP_TO: u64 = 64 << 20;

/// The whole of `manifest.json`. It holds no time of day, host name or duration: equal runs have equal manifests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// Version of the code that created the run.
    pub version: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// The resolved config.
    pub config: Value,
    /// Stages that have begun, by name.
    pub stages: BTreeMap<String, StageRecord>,
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Begun; there may be a checkpoint to continue from.
    Running,
    /// Finished: outputs are whole.
    Done,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Where it stands.
    pub status: Status,
    /// Version of the code that ran it.
    pub version: String,
    /// Hash of what its result depends on in the config.
    pub config_hash: String,
    /// Files that it read.
    pub inputs: Vec<FileRecord>,
    /// Files that it wrote; empty until it is done.
    pub outputs: Vec<FileRecord>,
    /// How many items were dropped, truncated, skipped and so on, by reason.
    pub counters: BTreeMap<String, u64>,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the run folder and with `/` if inside it, absolute otherwise.
    pub path: String,
    /// Content hash, hexadecimal.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

impl Manifest {
    /// Reads the manifest of the run in `dir`, without locking it; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadManifest`] if it cannot be understood.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join("manifest.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path)(e)),
        };
        let bad = |problem: String| Error::BadManifest { path: path.clone(), problem };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| bad(format!("not JSON: {e}")))?;
        let format = value.get("format").and_then(Value::as_u64);
        if format != Some(MANIFEST_FORMAT.into()) {
            let found = format.map_or("no format".to_owned(), |f| format!("format {f}"));
            return Err(bad(format!("the manifest has {found}")));
        }
        serde_json::from_value(value).map(Some).map_err(|e| bad(e.to_string()))
    }

    /// One line for every key of `config` (and the seed) that is not what this run was started with.
    pub(crate) fn differences(&self, config: &Value, seed: u64) -> Vec<String> {
        let mut out = Vec::new();
        if self.seed != seed {
            out.push(format!("seed = {}, got {seed}", self.seed));
        }
        differences("", Some(&self.config), Some(config), &mut out);
        out
    }
}

fn differences(key: &str, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<String>) {
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (old, new) {
        let inner = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        for (name, value) in a {
            differences(&inner(name), Some(value), b.get(name), out);
        }
        for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
            differences(&inner(name), None, Some(value), out);
        }
    } else if old != new {
        let shown = |v: Option<&Value>| v.map_or("(unset)".to_owned(), short);
        let key = if key.is_empty() { "config" } else { key };
        out.push(format!("{key} = {}, got {}", shown(old), shown(new)));
    }
}

/// A value on one short line.
fn short(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LIMIT { text } else { text.chars().take(LIMIT).chain(['…']).collect() }
}

impl FileRecord {
    /// Records files as they are now; a folder stands for all regular files in it. Sorted by path, each once.
    pub(crate) fn of(run: &Path, paths: &[PathBuf]) -> Result<Vec<Self>, Error> {
        let mut files = Vec::new();
        for path in paths {
            expand(path, &mut files)?;
        }
        let mut records = Vec::with_capacity(files.len());
        for file in &files {
            let bytes = fs::metadata(file).map_err(Error::io("look at", file))?.len();
            records.push(Self { path: recorded(run, file)?, sha256: sha256_file(file)?, bytes });
        }
        records.sort_by(|a, b| a.path.cmp(&b.path));
        records.dedup_by(|a, b| a.path == b.path);
        Ok(records)
    }

    /// Where the file is.
    #[must_use]
    pub fn locate(&self, run: &Path) -> PathBuf {
        // An absolute path replaces the folder.
        run.join(&self.path)
    }

    /// Why the file is not what it was, at little cost: the size, and the hash where the file is small.
    pub(crate) fn changed(&self, run: &Path) -> Option<String> {
        let path = self.locate(run);
        match fs::metadata(&path) {
            Err(_) => Some(format!("{} is gone", self.path)),
            Ok(m) if m.len() != self.bytes => Some(format!("{} has {} bytes, had {}", self.path, m.len(), self.bytes)),
            Ok(m) if m.len() <= REHASH_UP_TO => match sha256_file(&path) {
                Ok(hash) if hash == self.sha256 => None,
                _ => Some(format!("{} has changed", self.path)),
            },
            Ok(_) => None,
        }
    }
}

fn expand(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("look at", path))?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
            expand(&entry.map_err(Error::io("list", path))?.path(), files)?;
        }
    } else if metadata.is_file() {
        files.push(path.to_owned());
    } else {
        return Err(Error::NotAFile(path.to_owned()));
    }
    Ok(())
}

fn recorded(run: &Path, file: &Path) -> Result<String, Error> {
    let absolute = |p: &Path| std::path::absolute(p).map_err(Error::io("locate", p));
    let (run, file) = (absolute(run)?, absolute(file)?);
    Ok(match file.strip_prefix(&run) {
        Ok(inside) => inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"),
        Err(_) => file.to_string_lossy().into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(config: Value) -> Manifest {
        Manifest { format: 1, version: "0".into(), seed: 1, config, stages: BTreeMap::new() }
    }

    #[test]
    fn differences_name_the_keys() {
        let old = json!({"sft": {"lr": 0.1, "steps": 3}, "data": ["a"], "gone": true});
        let new = json!({"data": ["a", "b"], "sft": {"steps": 3, "lr": 0.2}, "new": null});
        assert_eq!(
            manifest(old.clone()).differences(&new, 2),
            [
                "seed = 1, got 2",
                "sft.lr = 0.1, got 0.2",
                "data = [\"a\"], got [\"a\",\"b\"]",
                "gone = true, got (unset)",
                "new = (unset), got null"
            ]
        );
        let reordered = json!({"gone": true, "data": ["a"], "sft": {"steps": 3, "lr": 0.1}});
        assert!(manifest(old).differences(&reordered, 1).is_empty());
        let long = manifest(json!({"text": "é".repeat(500)})).differences(&json!({}), 1);
        assert!(long[0].chars().count() < 100, "{}", long[0]);
    }

    #[test]
    fn records_are_sorted_relative_and_expanded() {
        let dir = tempfile::tempdir().unwrap();
        let (run, outside) = (dir.path().join("run"), dir.path().join("data.jsonl"));
        fs::create_dir_all(run.join("sft/checkpoint")).unwrap();
        for file in ["sft/checkpoint/model", "sft/checkpoint/config", "sft/a"] {
            fs::write(run.join(file), file).unwrap();
        }
        fs::write(&outside, "x").unwrap();
        let given = [run.join("sft/checkpoint"), outside.clone(), run.join("sft/a"), run.join("sft/a")];
        let records = FileRecord::of(&run, &given).unwrap();
        let paths: Vec<_> = records.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(paths, [outside.to_str().unwrap(), "sft/a", "sft/checkpoint/config", "sft/checkpoint/model"]);
        assert!(records.iter().all(|r| r.changed(&run).is_none()));

        fs::write(&outside, "y").unwrap();
        fs::remove_file(run.join("sft/a")).unwrap();
        fs::write(run.join("sft/checkpoint/config"), "longer than before").unwrap();
        let changed: Vec<_> = records.iter().filter_map(|r| r.changed(&run)).collect();
        assert_eq!(changed.len(), 3);
        assert!(changed[0].ends_with("has changed") && changed[1].ends_with("is gone") && changed[2].contains("bytes"));
    }

    /// Whatever stands in manifest.json, loading ends with a manifest or one clear error.
    #[test]
    fn hostile_manifests() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Manifest::load(dir.path()).unwrap().is_none());
        let good = serde_json::to_string(&manifest(json!({}))).unwrap();
        let newer = good.replace("\"format\":1", "\"format\":2");
        for text in ["", "null", "[]", "{}", "{\"format\":1}", &good[..good.len() / 2], &newer, "\u{0}"] {
            fs::write(dir.path().join("manifest.json"), text).unwrap();
            let message = Manifest::load(dir.path()).unwrap_err().to_string();
            assert!(message.contains("manifest.json: ") && message.contains("try: "), "{message}");
        }
        fs::write(dir.path().join("manifest.json"), "[".repeat(100_000)).unwrap();
        assert!(Manifest::load(dir.path()).is_err());
        fs::write(dir.path().join("manifest.json"), good).unwrap();
        assert_eq!(Manifest::load(dir.path()).unwrap(), Some(manifest(json!({}))));
    }
}
