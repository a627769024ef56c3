//! One writer per run folder.
//!
//! The lock is the operating system's on the open file, so it ends with the process that holds it, however that one
//! died: a stale lock does not exist. The file stays (empty when nobody holds it); removing it would let two processes
//! lock two files of the same name.

use crate::Error;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

pub(crate) const LOCK_FILE: &str = ".lock";

/// Holds a run folder until dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("create the lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message; where the file cannot be read while locked, it goes without.
                let _ = file.take(20).read_to_string(&mut pid);
                let holder = pid.trim().parse::<u32>().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                return Err(Error::Locked { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path)(e)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(Error::io("write", &path))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The pid is gone with us, so that two runs are equal byte for byte; the lock itself ends with the file.
        let _ = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        let message = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(message.contains("another process") && message.contains("--name OTHER"), "{message}");
        if cfg!(unix) {
            assert!(message.contains(&format!("(pid {})", std::process::id())), "{message}");
        }
        drop(held);
        assert_eq!(std::fs::read(dir.path().join(LOCK_FILE)).unwrap(), b"");
        Lock::take(dir.path()).unwrap();
    }

    /// What a killed process leaves is a file with its pid and no lock: it is taken over.
    #[test]
    fn a_dead_process_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), b"4194304000\n").unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(LOCK_FILE)).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        drop(lock);
    }
}
