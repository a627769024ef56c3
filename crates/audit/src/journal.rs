//! A file of records that grows batch by batch and survives being killed.
//!
//! 1. A batch is written in one go and is on the disk before the next one is asked.
//! 2. What a killed process left half-written is a last line without its end: it is cut off on the next start, and its
//!    item is asked again. Anything else that cannot be read is an error with its line, never skipped.
//! 3. Two processes cannot write one file: the operating system's lock on it ends with the process that holds it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use trimtab_text::{Error, Problem};

/// The file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or makes the file and gives the records that it holds whole.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] for a line that is no record, with its number, or a file that another process writes.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another process is writing this file";
                let hint = "wait for it, or give --out another folder";
                return Err(Error::Data(Problem::new(path.display().to_string(), what, "to be the only one", hint)));
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::Start(whole as u64)).map_err(io)?;
        let records = parse(&path.display().to_string(), &bytes[..whole])?;
        Ok((Self { path: path.to_owned(), file }, records))
    }

    /// Adds records, which are on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append<T: Serialize>(&mut self, records: &[T]) -> Result<(), Error> {
        let io = |source| Error::Io { path: self.path.clone(), source };
        let mut bytes = Vec::new();
        for record in records {
            serde_json::to_writer(&mut bytes, record).map_err(|e| io(e.into()))?;
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(io)
    }
}

/// The records of a whole file.
///
/// # Errors
/// [`Error::Data`] with the line.
pub fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<Vec<T>, Error> {
    let lines = bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|e| {
                let place = format!("{name}:{}", i + 1);
                let hint = "remove the folder, so that the audit starts again";
                Error::Data(Problem::new(place, e.to_string(), "a record as this command writes it", hint))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: cut after any byte and opened again, the file holds the records whose lines were whole, and goes on from there.
    #[test]
    fn a_file_cut_anywhere_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let (mut journal, none) = Journal::open::<(u32, String)>(&path).unwrap();
        assert!(none.is_empty());
        let records = [(1, "one".to_owned()), (2, "two\nlines".to_owned()), (3, String::new())];
        journal.append(&records[..1]).unwrap();
        journal.append(&records[1..]).unwrap();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let (mut journal, kept) = Journal::open::<(u32, String)>(&path).unwrap();
            assert_eq!(kept, records[..kept.len()], "cut at {cut}");
            journal.append(&records[kept.len()..]).unwrap();
            drop(journal);
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_one_process_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        std::fs::write(&path, "[1]\n{broken\n[3]\n").unwrap();
        let error = Journal::open::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(error.contains("results.jsonl:2") && error.contains("try: "), "{error}");
        std::fs::write(&path, "").unwrap();
        let (_held, _) = Journal::open::<Vec<u32>>(&path).unwrap();
        let error = Journal::open::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
    }
}
