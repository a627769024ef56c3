//! Where events are kept: SQLite in a file, PostgreSQL by URL, or memory for work whose people can be asked again.
//!
//! One operation does it all: in one transaction that no other process can interleave with, read what is new, decide, append.
//! The tables that follow from the log are written in the same transaction.

mod memory;
mod postgres;
mod sqlite;

pub use memory::Memory;

use super::event::Stored;
use super::state::Row;
use std::path::PathBuf;

/// What the store could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It cannot be read or written now.
    #[error(
        "{place}: {problem}\n  expected a store that can be written; nothing was acknowledged that is not stored\n  try: {advice}"
    )]
    Store {
        /// Which store.
        place: String,
        /// What it said.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// What is in it cannot be right.
    #[error(
        "{place}: {problem}\n  expected a log in which every event follows from those before it\n  try: a copy from before it was changed; `trimtab people rebuild` says where it breaks"
    )]
    Broken {
        /// Which store.
        place: String,
        /// Where it breaks.
        problem: String,
    },
}

/// What is appended in one transaction: records, and rows of the tables.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records, numbered on from the last.
    pub records: Vec<Stored>,
    /// Rows, a later one over an earlier one of the same key.
    pub rows: Vec<Row>,
}

/// Decides what to append, given the records that are new.
pub type Decide<'a> = &'a mut dyn FnMut(Vec<Stored>) -> Result<Batch, LogError>;

/// A store of events.
pub trait Log: Send {
    /// Hands the records after number `after` to `decide` and appends what it gives, in one transaction. When this returns,
    /// what was appended is on the disk; when it fails, nothing was appended.
    ///
    /// # Errors
    /// [`LogError`], also that of `decide`.
    fn exchange(&mut self, after: u64, decide: Decide<'_>) -> Result<(), LogError>;

    /// Replaces the tables by these rows, in one transaction.
    ///
    /// # Errors
    /// [`LogError`].
    fn replace_tables(&mut self, rows: &[Row]) -> Result<(), LogError>;

    /// Every row of the tables: table, key and body, sorted.
    ///
    /// # Errors
    /// [`LogError`].
    fn tables(&mut self) -> Result<Vec<(String, String, String)>, LogError>;

    /// Where it is, for messages; without a password.
    fn place(&self) -> String;
}

/// A store by its name: `postgres://…`, or the path of an SQLite file, with or without `sqlite:` before it.
///
/// # Errors
/// [`LogError`] if it cannot be opened.
pub fn open(url: &str) -> Result<Box<dyn Log>, LogError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Box::new(postgres::Postgres::open(url)?));
    }
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    Ok(Box::new(sqlite::Sqlite::open(&PathBuf::from(path))?))
}
