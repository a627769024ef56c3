//! The run folder: `runs/NAME/` with its manifest, lock and one folder per stage.

use crate::{
    Checkpointer, Error, FileRecord, MANIFEST_FORMAT, Manifest, StageRecord, Status,
    atomic::{is_temporary, sweep, sync_folder, write_atomic},
    lock::{LOCK_FILE, Lock},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A run folder held by this process.
///
/// The life of a stage: [`RunFolder::state`] says whether there is anything to do, [`RunFolder::begin`] gives its
/// folder, a [`crate::Checkpointer`] keeps it resumable, [`RunFolder::finish`] records what it read and wrote.
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    version: String,
    manifest: Manifest,
    _lock: Lock,
}

/// Whether a stage has to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageState {
    /// Never begun, or forgotten.
    New,
    /// Begun with the same config and not finished: `begin` continues it.
    Unfinished,
    /// Begun or finished with something that is not the same any more, in words.
    Stale(String),
    /// Finished, and everything it read and wrote is still as it was.
    Done,
}

impl RunFolder {
    /// Opens the run in `dir`, or starts one, and locks it until dropped.
    ///
    /// `config` is the resolved config (the order of keys does not matter), `version` that of the code. Files that a
    /// killed process left half-written are removed.
    ///
    /// # Errors
    /// [`Error::ConfigChanged`] if the run was started with another config or seed, [`Error::Locked`],
    /// [`Error::NotARun`], [`Error::BadManifest`], [`Error::Io`].
    pub fn open_or_create(dir: &Path, config: &Value, seed: u64, version: &str) -> Result<Self, Error> {
        let run = Self::open(dir, config, seed, version)?;
        let differences = run.manifest.differences(config, seed);
        if differences.is_empty() {
            return Ok(run);
        }
        Err(Error::ConfigChanged { path: run.dir.join("manifest.json"), differences })
    }

    /// As [`RunFolder::open_or_create`], but a changed config or seed replaces the recorded one: for reruns that the
    /// user asked for. Stages whose own config hash or inputs changed are then [`StageState::Stale`]; a changed seed
    /// makes every stage new.
    ///
    /// # Errors
    /// As [`RunFolder::open_or_create`], without [`Error::ConfigChanged`].
    pub fn open_replacing(dir: &Path, config: &Value, seed: u64, version: &str) -> Result<Self, Error> {
        let mut run = Self::open(dir, config, seed, version)?;
        if !run.manifest.differences(config, seed).is_empty() {
            if run.manifest.seed != seed {
                run.manifest.stages.clear();
            }
            run.manifest.config = config.clone();
            run.manifest.seed = seed;
            run.save()?;
        }
        Ok(run)
    }

    fn open(dir: &Path, config: &Value, seed: u64, version: &str) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))?;
        // Before the lock, which would leave its file in a folder that is none of ours.
        let known = Manifest::load(dir)?.is_some();
        if !known && holds_foreign_files(dir)? {
            return Err(Error::NotARun(dir.to_owned()));
        }
        let lock = Lock::take(dir)?;
        sweep(dir)?;
        let existing = Manifest::load(dir)?;
        let fresh = existing.is_none();
        let manifest = existing.unwrap_or_else(|| {
            let (version, config) = (version.to_owned(), config.clone());
            Manifest { format: MANIFEST_FORMAT, version, seed, config, stages: BTreeMap::new() }
        });
        let run = Self { dir: dir.to_owned(), version: version.to_owned(), manifest, _lock: lock };
        if fresh {
            run.save()?;
        }
        // A kill between the last write of `finish` and its tidying up.
        for (name, _) in run.manifest.stages.iter().filter(|(_, record)| record.status == Status::Done) {
            if run.stage_dir(name).is_dir() {
                Checkpointer::new(&run.stage_dir(name)).clear()?;
            }
        }
        Ok(run)
    }

    /// The run folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the manifest says now.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder of a stage, which may not exist yet.
    pub fn stage_dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether the stage is finished with this config hash, and what it read and wrote is still as it was.
    pub fn is_done(&self, name: &str, config_hash: &str) -> bool {
        self.state(name, config_hash) == StageState::Done
    }

    /// Where a stage stands, with a reason when it has to run again.
    ///
    /// Cheap: files above 64 MiB are compared by size only, and an input that another stage wrote is first compared
    /// with what the manifest says of that stage.
    pub fn state(&self, name: &str, config_hash: &str) -> StageState {
        let Some(record) = self.manifest.stages.get(name) else { return StageState::New };
        if record.config_hash != config_hash {
            return StageState::Stale("its config has changed".to_owned());
        }
        let written_by_others =
            || self.manifest.stages.iter().filter(|(n, _)| *n != name).flat_map(|(_, s)| &s.outputs);
        for input in &record.inputs {
            if written_by_others().any(|o| o.path == input.path && o.sha256 != input.sha256) {
                return StageState::Stale(format!("its input {} was written again", input.path));
            }
            if let Some(change) = input.changed(&self.dir) {
                return StageState::Stale(format!("its input {change}"));
            }
        }
        if record.status == Status::Running {
            return if record.version == self.version {
                StageState::Unfinished
            } else {
                StageState::Stale(format!("it was begun by version {}", record.version))
            };
        }
        match record.outputs.iter().find_map(|o| o.changed(&self.dir)) {
            Some(change) => StageState::Stale(format!("its output {change}")),
            None => StageState::Done,
        }
    }

    /// Begins or continues a stage and returns its folder.
    ///
    /// An unfinished stage with the same config hash and unchanged inputs keeps what is in its folder. Otherwise the
    /// folder is emptied: what an earlier attempt with other settings left there cannot be told from a result.
    ///
    /// # Errors
    /// [`Error::StageName`], [`Error::Io`].
    pub fn begin(&mut self, name: &str, config_hash: &str, inputs: &[PathBuf]) -> Result<PathBuf, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
            return Err(Error::StageName(name.to_owned()));
        }
        let inputs = FileRecord::of(&self.dir, inputs)?;
        let dir = self.stage_dir(name);
        let unfinished = self.manifest.stages.get(name).is_some_and(|r| {
            r.status == Status::Running
                && r.config_hash == config_hash
                && r.inputs == inputs
                && r.version == self.version
        });
        if !unfinished {
            // Record first: after a crash in between, files of the old attempt must not pass for the new one's.
            self.manifest.stages.remove(name);
            self.save()?;
            match fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("empty", &dir)(e)),
                _ => {}
            }
        }
        fs::create_dir_all(&dir).map_err(Error::io("create the folder", &dir))?;
        sync_folder(&self.dir)?;
        if !unfinished {
            let record = StageRecord {
                status: Status::Running,
                version: self.version.clone(),
                config_hash: config_hash.to_owned(),
                inputs,
                outputs: Vec::new(),
                counters: BTreeMap::new(),
            };
            self.manifest.stages.insert(name.to_owned(), record);
            self.save()?;
        }
        Ok(dir)
    }

    /// Records a stage as done, and then removes its checkpoints ([`Checkpointer::clear`]), in this order: a kill before
    /// the record continues from the last checkpoint, not from the beginning.
    ///
    /// Paths may be folders, which stand for every file in them; checkpoints are not among the outputs.
    ///
    /// `counters` holds how many items were dropped, truncated, skipped or undefined, by reason. `inputs` may name more
    /// files than `begin` did (those found on the way), but not changed ones.
    ///
    /// # Errors
    /// [`Error::NotBegun`]; [`Error::InputChanged`] if a file is not what it was at `begin`; [`Error::Io`] if a file
    /// is missing.
    pub fn finish(
        &mut self,
        name: &str,
        inputs: &[PathBuf],
        outputs: &[PathBuf],
        counters: BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        let Some(begun) = self.manifest.stages.get(name) else { return Err(Error::NotBegun(name.to_owned())) };
        let mut known = FileRecord::of(&self.dir, inputs)?;
        for before in &begun.inputs {
            let now = known.iter().find(|r| r.path == before.path);
            let got = match now {
                Some(now) => now.sha256.clone(),
                None => crate::sha256_file(&before.locate(&self.dir)).unwrap_or_else(|_| "absent".to_owned()),
            };
            if got != before.sha256 {
                let (stage, expected) = (name.to_owned(), before.sha256.clone());
                return Err(Error::InputChanged { stage, path: before.locate(&self.dir), expected, got });
            }
            if now.is_none() {
                known.push(before.clone());
            }
        }
        known.sort_by(|a, b| a.path.cmp(&b.path));
        let outputs = FileRecord::of(&self.dir, outputs)?;
        if let Some(record) = self.manifest.stages.get_mut(name) {
            *record = StageRecord { status: Status::Done, inputs: known, outputs, counters, ..record.clone() };
        }
        self.save()?;
        let dir = self.stage_dir(name);
        if dir.is_dir() { Checkpointer::new(&dir).clear() } else { Ok(()) }
    }

    /// Makes stages new again, whatever their state; their folders are emptied when they begin.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&mut self, names: &[&str]) -> Result<(), Error> {
        self.manifest.stages.retain(|name, _| !names.contains(&name.as_str()));
        self.save()
    }

    fn save(&self) -> Result<(), Error> {
        let path = self.dir.join("manifest.json");
        // Strings, integers and values that came from JSON: serialising fails only where memory does.
        let mut bytes = serde_json::to_vec_pretty(&self.manifest).map_err(|e| Error::io("write", &path)(e.into()))?;
        bytes.push(b'\n');
        write_atomic(&path, &bytes)
    }
}

fn holds_foreign_files(dir: &Path) -> Result<bool, Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let name = entry.map_err(Error::io("list", dir))?.file_name();
        let name = name.to_string_lossy();
        if name != LOCK_FILE && !is_temporary(&name) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(dir: &Path) -> RunFolder {
        RunFolder::open_or_create(dir, &json!({"sft": {"lr": 0.1}}), 7, "0.1.0").unwrap()
    }

    /// Runs a small stage: reads `data`, writes `NAME/out`.
    fn run_stage(run: &mut RunFolder, name: &str, hash: &str, data: &Path) {
        let inputs = [data.to_owned()];
        let dir = run.begin(name, hash, &inputs).unwrap();
        fs::write(dir.join("out"), [name.as_bytes(), &fs::read(data).unwrap()].concat()).unwrap();
        let counters = BTreeMap::from([("truncated".to_owned(), 2)]);
        run.finish(name, &inputs, &[dir.join("out")], counters).unwrap();
    }

    #[test]
    fn stages_are_done_once_and_stay_done() {
        let dir = tempfile::tempdir().unwrap();
        let (path, data) = (dir.path().join("run"), dir.path().join("data"));
        fs::write(&data, "pairs").unwrap();
        let mut run = open(&path);
        assert_eq!(run.state("sft", "h"), StageState::New);
        run_stage(&mut run, "sft", "h", &data);
        assert!(run.is_done("sft", "h"));
        drop(run);
        let run = open(&path);
        assert!(run.is_done("sft", "h") && !run.is_done("sft", "other") && !run.is_done("ppo", "h"));
        let record = &run.manifest().stages["sft"];
        assert_eq!((record.outputs[0].path.as_str(), record.counters["truncated"]), ("sft/out", 2));
        assert_eq!(record.outputs[0].sha256, crate::sha256_bytes(b"sftpairs"));
    }

    /// Law: whatever a finished stage depends on, changing it makes the stage, and what builds on it, run again.
    #[test]
    fn changes_make_stale() {
        let dir = tempfile::tempdir().unwrap();
        let (path, data) = (dir.path().join("run"), dir.path().join("data"));
        fs::write(&data, "one").unwrap();
        let mut run = open(&path);
        run_stage(&mut run, "sft", "h", &data);
        let sft_out = path.join("sft/out");
        run_stage(&mut run, "reward", "h", &sft_out);
        assert!(run.is_done("reward", "h"));

        fs::write(&data, "two").unwrap();
        assert!(
            matches!(run.state("sft", "h"), StageState::Stale(why) if why.contains("input") && why.contains("changed"))
        );
        run_stage(&mut run, "sft", "h", &data);
        assert!(
            matches!(run.state("reward", "h"), StageState::Stale(why) if why.contains("sft/out was written again"))
        );
        run_stage(&mut run, "reward", "h", &sft_out);
        assert!(run.is_done("reward", "h"));

        fs::remove_file(path.join("reward/out")).unwrap();
        assert!(
            matches!(run.state("reward", "h"), StageState::Stale(why) if why.contains("output") && why.contains("gone"))
        );
        run.forget(&["sft", "none"]).unwrap();
        assert_eq!(run.state("sft", "h"), StageState::New);
    }

    /// Law: an unfinished stage keeps its files for the same settings and inputs, and loses them for others.
    #[test]
    fn begin_continues_or_starts_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, data) = (dir.path().join("run"), dir.path().join("data"));
        fs::write(&data, "one").unwrap();
        let inputs = [data.clone()];
        let half = path.join("sft/half");
        let begin = |hash: &str| {
            let mut run = open(&path);
            run.begin("sft", hash, &inputs).unwrap();
            run.state("sft", hash)
        };
        assert_eq!(begin("h"), StageState::Unfinished);
        fs::write(&half, "state").unwrap();
        begin("h");
        assert!(half.exists());
        begin("other");
        assert!(!half.exists());
        fs::write(&half, "state").unwrap();
        fs::write(&data, "two").unwrap();
        begin("other");
        assert!(!half.exists());
        fs::write(&half, "state").unwrap();
        let mut newer = RunFolder::open_or_create(&path, &json!({"sft": {"lr": 0.1}}), 7, "0.2.0").unwrap();
        newer.begin("sft", "other", &inputs).unwrap();
        assert!(!half.exists(), "another version of the code cannot continue to the same bytes");
    }

    #[test]
    fn a_changed_config_is_refused_by_key_or_replaced_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::write(&data, "x").unwrap();
        let path = dir.path().join("run");
        run_stage(&mut open(&path), "sft", "h", &data);
        let before = fs::read(path.join("manifest.json")).unwrap();

        let changed = json!({"sft": {"lr": 0.2}});
        let message = RunFolder::open_or_create(&path, &changed, 7, "0.1.0").unwrap_err().to_string();
        assert!(message.contains("sft.lr = 0.1, got 0.2") && message.contains("--name OTHER"), "{message}");
        let message = RunFolder::open_or_create(&path, &changed, 8, "0.1.0").unwrap_err().to_string();
        assert!(message.contains("seed = 7, got 8"), "{message}");
        assert_eq!(fs::read(path.join("manifest.json")).unwrap(), before);

        let run = RunFolder::open_replacing(&path, &changed, 7, "0.1.0").unwrap();
        assert!(run.is_done("sft", "h") && !run.is_done("sft", "new hash"));
        drop(run);
        let run = RunFolder::open_or_create(&path, &changed, 7, "0.1.0").unwrap();
        drop(run);
        let run = RunFolder::open_replacing(&path, &changed, 9, "0.1.0").unwrap();
        assert_eq!(run.state("sft", "h"), StageState::New);
    }

    #[test]
    fn only_one_process_and_only_run_folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let held = open(&path);
        let again = RunFolder::open_or_create(&path, &json!({"sft": {"lr": 0.1}}), 7, "0.1.0");
        assert!(matches!(again, Err(Error::Locked { .. })));
        drop(held);
        open(&path);

        let foreign = dir.path().join("thesis");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("chapter.tex"), "x").unwrap();
        assert!(matches!(RunFolder::open_or_create(&foreign, &json!({}), 0, "0"), Err(Error::NotARun(_))));
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1, "nothing is left in a folder that is not ours");

        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fs::write(empty.join(".trimtab-1-0.tmp"), "{\"form").unwrap();
        RunFolder::open_or_create(&empty, &json!({}), 0, "0").unwrap();
        assert!(!empty.join(".trimtab-1-0.tmp").exists());
        let message =
            RunFolder::open_or_create(&foreign.join("chapter.tex"), &json!({}), 0, "0").unwrap_err().to_string();
        assert!(message.contains("cannot create the folder"), "{message}");
    }

    #[test]
    fn inputs_must_hold_still_and_stages_must_begin() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::write(&data, "one").unwrap();
        let mut run = open(&dir.path().join("run"));
        assert!(matches!(run.finish("sft", &[], &[], BTreeMap::new()), Err(Error::NotBegun(_))));
        run.begin("sft", "h", std::slice::from_ref(&data)).unwrap();
        fs::write(&data, "two").unwrap();
        for inputs in [vec![], vec![data.clone()]] {
            assert!(matches!(run.finish("sft", &inputs, &[], BTreeMap::new()), Err(Error::InputChanged { .. })));
        }
        fs::write(&data, "one").unwrap();
        run.finish("sft", &[], &[], BTreeMap::new()).unwrap();
        assert_eq!(run.manifest().stages["sft"].inputs.len(), 1, "what begin named is kept");
        for name in ["", "..", "a/b", "Ppo", "1st", ".lock", "manifest.json"] {
            assert!(matches!(run.begin(name, "h", &[]), Err(Error::StageName(_))), "{name}");
        }
    }

    /// Law: a finished stage keeps no checkpoints, also when a kill came just after its record.
    #[test]
    fn finished_stages_keep_no_checkpoints() {
        let dir = tempfile::tempdir().unwrap();
        let (path, data) = (dir.path().join("run"), dir.path().join("data"));
        fs::write(&data, "x").unwrap();
        let mut run = open(&path);
        let stage = run.begin("sft", "h", std::slice::from_ref(&data)).unwrap();
        let save = || Checkpointer::new(&stage).save(1, &json!(null), &[("a", b"b")]).unwrap();
        save();
        run_stage(&mut run, "sft", "h", &data);
        let files = || fs::read_dir(&stage).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(files(), ["out"]);
        save();
        drop(run);
        assert!(open(&path).is_done("sft", "h"));
        assert_eq!(files(), ["out"]);
    }

    /// Law: the same stages in two folders give the same manifest, byte for byte, interrupted or not.
    #[test]
    fn manifests_are_equal_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::write(&data, "x").unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let mut run = open(&a);
        run_stage(&mut run, "sft", "h", &data);
        run_stage(&mut run, "reward", "h", &a.join("sft/out"));

        run_stage(&mut open(&b), "sft", "h", &data);
        open(&b).begin("reward", "h", &[b.join("sft/out")]).unwrap();
        fs::write(b.join("reward/half"), "left by a kill").unwrap();
        run_stage(&mut open(&b), "reward", "h", &b.join("sft/out"));
        assert_eq!(fs::read(a.join("manifest.json")).unwrap(), fs::read(b.join("manifest.json")).unwrap());
    }
}
