//! Writes that are there whole or not at all.

use crate::Error;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

const TEMP_PREFIX: &str = ".trimtab-";
const TEMP_SUFFIX: &str = ".tmp";

/// Writes `bytes` under `path` atomically and durably: a temporary file in the same folder, fsync, rename, fsync of the
/// folder. On any error the old content, if any, is still there and no temporary file is left.
///
/// # Errors
/// [`Error::Io`] (disk full, folder missing or not writable), [`Error::NotAFile`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit()
}

/// A file that is being written under a temporary name and takes its own name at [`AtomicFile::commit`].
///
/// Dropped without a commit, it leaves nothing behind. Writes are buffered.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: PathBuf,
    // None once committed.
    file: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// Starts a file that will replace `path`.
    ///
    /// # Errors
    /// [`Error::NotAFile`] if `path` is something else than a regular file, [`Error::Io`] if the folder does not take
    /// the temporary file.
    pub fn create(path: &Path) -> Result<Self, Error> {
        // A rename would replace a device such as /dev/null by a file.
        if fs::metadata(path).is_ok_and(|m| !m.is_file()) || path.file_name().is_none() {
            return Err(Error::NotAFile(path.to_owned()));
        }
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMP_PREFIX}{}-{count}{TEMP_SUFFIX}", std::process::id());
            let temporary = folder_of(path).join(name);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok(Self { path: path.to_owned(), temporary, file: Some(BufWriter::new(file)) }),
                // Left by a dead process that had our pid.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create a file beside", path)(e)),
            }
        }
    }

    /// Flushes to the disk and takes the final name.
    ///
    /// # Errors
    /// [`Error::Io`]; the old content of the path is then still there.
    pub fn commit(mut self) -> Result<(), Error> {
        let Some(writer) = self.file.take() else { return Ok(()) };
        let done = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        if let Err(e) = done {
            // Best effort: the error that matters is the first one.
            let _ = fs::remove_file(&self.temporary);
            return Err(Error::io("write", &self.path)(e));
        }
        sync_folder(&folder_of(&self.path))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |f| f.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(writer) = self.file.take() {
            // Not flushed: the content is thrown away.
            drop(writer.into_parts());
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The folder of a path; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes renames and removals in a folder durable.
pub(crate) fn sync_folder(dir: &Path) -> Result<(), Error> {
    // Other systems cannot open a folder as a file, and order renames themselves.
    if cfg!(unix) {
        File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("flush the folder", dir))?;
    }
    Ok(())
}

/// Removes temporary files that a killed process left anywhere under `dir`. Links are not followed.
pub(crate) fn sweep(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
        if kind.is_dir() {
            sweep(&entry.path())?;
        } else if kind.is_file() && is_temporary(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Whether a file name is one of an unfinished atomic write.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMP_PREFIX)
        .and_then(|rest| rest.strip_suffix(TEMP_SUFFIX))
        .and_then(|middle| middle.split_once('-'))
        .is_some_and(|(pid, count)| pid.parse::<u32>().is_ok() && count.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"newer").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    /// Law: until the commit the old content stands; without a commit nothing is left.
    #[test]
    fn nothing_shows_before_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), names(dir.path())),
            (b"old".as_slice(), vec!["a.bin".to_owned()])
        );
    }

    #[test]
    fn two_at_once_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut one, mut two) = (AtomicFile::create(&path).unwrap(), AtomicFile::create(&path).unwrap());
        one.write_all(b"one").unwrap();
        two.write_all(b"two").unwrap();
        two.commit().unwrap();
        one.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn folders_that_do_not_take_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write_atomic(&file, b"x").unwrap();
        let message = |path: &Path| write_atomic(path, b"y").unwrap_err().to_string();
        assert!(message(&dir.path().join("none/a")).contains("expected it to exist"));
        assert!(message(&file.join("a")).contains("expected every part of the path"));
        assert!(message(dir.path()).contains("not a regular file"));
        assert!(message(Path::new("/")).contains("not a regular file"));
        #[cfg(unix)]
        {
            assert!(message(Path::new("/dev/full")).contains("not a regular file"));
            use std::os::unix::fs::PermissionsExt;
            let closed = dir.path().join("closed");
            fs::create_dir(&closed).unwrap();
            fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
            if File::create(closed.join("probe")).is_ok() {
                println!("skipped: unwritable folder: this user may write everywhere");
            } else {
                assert!(message(&closed.join("a")).contains("a folder that you may write to"));
            }
        }
    }

    #[test]
    fn sweeps_only_its_own_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sft")).unwrap();
        for name in [".trimtab-12-3.tmp", "sft/.trimtab-1-0.tmp", "sft/.trimtab-notes.tmp", "a.tmp", ".trimtab-1-1"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        sweep(dir.path()).unwrap();
        assert_eq!(names(dir.path()), [".trimtab-1-1", "a.tmp", "sft"]);
        assert_eq!(names(&dir.path().join("sft")), [".trimtab-notes.tmp"]);
    }
}
