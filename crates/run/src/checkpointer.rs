//! The state of a stage in progress.
//!
//! `state.json` points to a folder `state-STEP`. The folder is written under another name, flushed and renamed; then
//! the pointer is replaced; then the older folder goes. A crash at any moment leaves a pointer to a whole state, the
//! old one or the new one, and perhaps a folder that nobody points to, which the next save removes.
//! Two states are on the disk during a save: leave room for both.

use crate::{
    Error,
    atomic::{sync_folder, write_atomic},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

const POINTER: &str = "state.json";
const PREFIX: &str = "state-";

/// Saves and finds the state of one stage.
#[derive(Debug)]
pub struct Checkpointer {
    dir: PathBuf,
}

/// The content of `state.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Pointer {
    step: u64,
    folder: String,
    files: Vec<(String, u64)>,
    extra: Value,
}

impl Checkpointer {
    /// A checkpointer for the stage whose folder is `stage_dir`, which must exist.
    pub fn new(stage_dir: &Path) -> Self {
        Self { dir: stage_dir.to_owned() }
    }

    /// Saves the state after `step` as files with these names and contents. `extra` is small and goes into the pointer
    /// itself: counters, the KL coefficient, the length of the metrics file.
    ///
    /// # Errors
    /// [`Error::Io`]; the state before is then still the one that loads.
    pub fn save(&self, step: u64, extra: &Value, files: &[(&str, &[u8])]) -> Result<(), Error> {
        self.save_with(step, extra, |dir| {
            for (name, bytes) in files {
                let path = dir.join(name);
                fs::write(&path, bytes).map_err(Error::io("write", &path))?;
            }
            Ok(())
        })
    }

    /// As [`Checkpointer::save`], with files written by `write` into the folder it is given.
    ///
    /// # Errors
    /// Those of `write`, and [`Error::Io`]; the state before is then still the one that loads.
    pub fn save_with<E: From<Error>>(
        &self,
        step: u64,
        extra: &Value,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        // A pointer that cannot be read is replaced: the new state does not depend on it.
        let current = self.pointer().ok().flatten().map(|p| p.folder);
        self.remove_folders(|name| Some(name) != current.as_deref())?;

        let temporary = self.dir.join(format!("{PREFIX}unfinished"));
        fs::create_dir(&temporary).map_err(Error::io("create the folder", &temporary))?;
        let folder = (0..).map(|k| if k == 0 { format!("{PREFIX}{step}") } else { format!("{PREFIX}{step}-{k}") });
        // A step saved again after a resume must not overwrite the state that the pointer still names.
        let folder = folder.into_iter().find(|name| Some(name) != current.as_ref()).unwrap_or_default();
        let written = write(&temporary).and_then(|()| {
            let mut files = Vec::new();
            flush(&temporary, "", &mut files)?;
            files.sort();
            let to = self.dir.join(&folder);
            fs::rename(&temporary, &to).map_err(Error::io("rename to", &to))?;
            sync_folder(&self.dir)?;
            Ok(files)
        });
        let files = match written {
            Ok(files) => files,
            Err(e) => {
                // Give the room back at once: the error may be a full disk.
                let _ = fs::remove_dir_all(&temporary);
                return Err(e);
            }
        };
        let pointer = Pointer { step, folder, files, extra: extra.clone() };
        let path = self.dir.join(POINTER);
        let bytes = serde_json::to_vec(&pointer).map_err(|e| Error::io("write", &path)(e.into()))?;
        write_atomic(&path, &bytes)?;
        self.remove_folders(|name| name != pointer.folder)?;
        Ok(())
    }

    /// The latest whole state: its step, the folder of its files, and the `extra` it was saved with. `None` if there is
    /// none.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`] if the pointer or what it points to was damaged; [`Error::Io`].
    pub fn load_latest(&self) -> Result<Option<(u64, PathBuf, Value)>, Error> {
        let Some(pointer) = self.pointer()? else { return Ok(None) };
        let folder = self.dir.join(&pointer.folder);
        for (name, bytes) in &pointer.files {
            let path = folder.join(name);
            let problem = match fs::metadata(&path) {
                Ok(m) if m.len() == *bytes => continue,
                Ok(m) => format!("has {} bytes, had {bytes}", m.len()),
                Err(e) => e.to_string(),
            };
            return Err(Error::BadCheckpoint { path, problem });
        }
        Ok(Some((pointer.step, folder, pointer.extra)))
    }

    /// Removes every trace; [`crate::RunFolder::finish`] calls it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear(&self) -> Result<(), Error> {
        let path = self.dir.join(POINTER);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &path)(e)),
            _ => {}
        }
        // The pointer first and for good, or a crash leaves it pointing at nothing.
        sync_folder(&self.dir)?;
        self.remove_folders(|_| true)?;
        sync_folder(&self.dir)
    }

    fn pointer(&self) -> Result<Option<Pointer>, Error> {
        let path = self.dir.join(POINTER);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path)(e)),
        };
        let bad = |problem: String| Error::BadCheckpoint { path: path.clone(), problem };
        let pointer: Pointer = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        // A pointer is read from a file: it must not lead out of the stage's folder.
        let inside = |name: &str| Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if !pointer.folder.starts_with(PREFIX)
            || !inside(&pointer.folder)
            || !pointer.files.iter().all(|f| inside(&f.0))
        {
            return Err(bad("names a file outside of the state".to_owned()));
        }
        Ok(Some(pointer))
    }

    fn remove_folders(&self, which: impl Fn(&str) -> bool) -> Result<(), Error> {
        for entry in fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let entry = entry.map_err(Error::io("list", &self.dir))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if is_dir && name.starts_with(PREFIX) && which(&name) {
                fs::remove_dir_all(entry.path()).map_err(Error::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Flushes every file under `dir` to the disk and lists them with their sizes.
fn flush(dir: &Path, prefix: &str, files: &mut Vec<(String, u64)>) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            flush(&path, &format!("{name}/"), files)?;
        } else {
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            file.sync_all().map_err(Error::io("flush", &path))?;
            files.push((name, file.metadata().map_err(Error::io("look at", &path))?.len()));
        }
    }
    sync_folder(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn save(c: &Checkpointer, step: u64) {
        c.save(step, &json!({"beta": 0.5}), &[("model", &step.to_le_bytes()), ("adam", &[])]).unwrap();
    }

    fn step_on_disk(c: &Checkpointer) -> u64 {
        let (step, folder, extra) = c.load_latest().unwrap().unwrap();
        assert_eq!(extra, json!({"beta": 0.5}));
        assert_eq!(fs::read(folder.join("model")).unwrap(), step.to_le_bytes());
        step
    }

    #[test]
    fn saves_finds_and_clears() {
        let dir = tempfile::tempdir().unwrap();
        let c = Checkpointer::new(dir.path());
        assert!(c.load_latest().unwrap().is_none());
        c.clear().unwrap();
        fs::write(dir.path().join("metrics.jsonl"), "").unwrap();
        for step in [1, 2, 2, 2, 10] {
            save(&c, step);
            assert_eq!(step_on_disk(&c), step);
            assert_eq!(names(dir.path()).len(), 3, "one state, its pointer, and what is not ours");
        }
        c.clear().unwrap();
        assert_eq!(names(dir.path()), ["metrics.jsonl"]);
    }

    #[test]
    fn folders_inside_a_state() {
        let dir = tempfile::tempdir().unwrap();
        let c = Checkpointer::new(dir.path());
        c.save_with::<Error>(3, &json!(null), |to| {
            fs::create_dir(to.join("adapter")).map_err(Error::io("create", to))?;
            fs::write(to.join("adapter/weights"), b"abc").map_err(Error::io("write", to))
        })
        .unwrap();
        let (_, folder, _) = c.load_latest().unwrap().unwrap();
        fs::write(folder.join("adapter/weights"), b"ab").unwrap();
        assert!(c.load_latest().unwrap_err().to_string().contains("has 2 bytes, had 3"));
    }

    /// Every state of the folder that a crash during the save of step 2 can leave loads step 1 or step 2.
    #[test]
    fn crashes_leave_the_old_or_the_new() {
        let half_written = |dir: &Path| {
            fs::create_dir(dir.join("state-unfinished")).unwrap();
            fs::write(dir.join("state-unfinished/model"), b"ha").unwrap();
        };
        let published_without_pointer = |dir: &Path| {
            fs::create_dir(dir.join("state-2")).unwrap();
            fs::write(dir.join("state-2/model"), 2u64.to_le_bytes()).unwrap();
            fs::write(dir.join(".trimtab-1-0.tmp"), b"{\"step\":").unwrap();
        };
        for (crash, expected) in [(&half_written as &dyn Fn(&Path), 1), (&published_without_pointer, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let c = Checkpointer::new(dir.path());
            save(&c, 1);
            crash(dir.path());
            assert_eq!(step_on_disk(&c), expected);
            save(&c, 2);
            assert_eq!(step_on_disk(&c), 2);
            assert!(names(dir.path()).iter().filter(|n| n.starts_with("state-")).eq(["state-2"]));
        }
        // The pointer is new, the old folder not yet removed.
        let dir = tempfile::tempdir().unwrap();
        let c = Checkpointer::new(dir.path());
        save(&c, 2);
        fs::create_dir(dir.path().join("state-1")).unwrap();
        assert_eq!(step_on_disk(&c), 2);
    }

    #[test]
    fn a_failed_save_keeps_the_old_state() {
        let dir = tempfile::tempdir().unwrap();
        let c = Checkpointer::new(dir.path());
        save(&c, 1);
        let failed: Result<(), Error> = c.save_with(2, &json!({}), |to| {
            fs::write(to.join("model"), b"half").map_err(Error::io("write", to))?;
            Err(Error::io("write", to)(std::io::ErrorKind::StorageFull.into()))
        });
        assert!(failed.unwrap_err().to_string().contains("room on the disk"));
        assert_eq!(step_on_disk(&c), 1);
        assert_eq!(names(dir.path()), ["state-1", "state.json"]);
    }

    #[test]
    fn hostile_pointers() {
        let dir = tempfile::tempdir().unwrap();
        let c = Checkpointer::new(dir.path());
        for text in [
            "",
            "{}",
            "[1,2]",
            r#"{"step":1,"folder":"../x","files":[],"extra":null}"#,
            r#"{"step":1,"folder":"state-1/../..","files":[],"extra":null}"#,
            r#"{"step":1,"folder":"state-1","files":[["/etc/passwd",1]],"extra":null}"#,
            r#"{"step":1,"folder":"state-1","files":[["gone",1]],"extra":null}"#,
        ] {
            fs::write(dir.path().join("state.json"), text).unwrap();
            let message = c.load_latest().unwrap_err().to_string();
            assert!(message.contains("try: remove state.json"), "{message}");
        }
        save(&c, 5);
        assert_eq!(step_on_disk(&c), 5);
    }
}
