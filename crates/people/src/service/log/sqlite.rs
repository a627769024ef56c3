//! The log in an SQLite file: write-ahead log, synced at every commit.

use super::{Batch, Decide, Log, LogError};
use crate::service::event::Stored;
use crate::service::state::{Row, TABLES};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's format; a later one is refused.
const FORMAT: i64 = 1;

/// An SQLite file.
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
    /// Device and number of the file that was opened: a file moved away is still open, and writes to it would be lost.
    identity: Option<(u64, u64)>,
}

impl Sqlite {
    /// Opens the file, made if need be.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let failed = |problem: String| store(path, problem);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
        }
        let connection = Connection::open(path).map_err(|e| failed(e.to_string()))?;
        let prepare = || -> rusqlite::Result<i64> {
            connection.busy_timeout(Duration::from_secs(10))?;
            // FULL, not NORMAL: in WAL mode NORMAL may lose the last commits when the power fails.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if format == 0 {
                connection.execute_batch(&schema())?;
            }
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let format = prepare().map_err(|e| failed(e.to_string()))?;
        if format != FORMAT {
            return Err(failed(format!("has format {format}, this version reads format {FORMAT}")));
        }
        let identity = identity(path);
        Ok(Self { path: path.to_owned(), connection, identity })
    }

    /// Refuses to go on with a file that is no longer where it was.
    fn still_there(&self) -> Result<(), LogError> {
        if identity(&self.path) == self.identity {
            return Ok(());
        }
        Err(store(&self.path, "was moved away or replaced while it was open".into()))
    }
}

fn store(path: &Path, problem: String) -> LogError {
    let advice = "room on the disk, the file back in its place, the permission to write; then start the service again";
    LogError::Store { place: path.display().to_string(), problem, advice: advice.into() }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Elsewhere a file that is open cannot be moved away; that it exists is enough.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.exists().then_some((0, 0))
}

/// Tables and, on the log, triggers that refuse changes: append-only for other programs too.
fn schema() -> String {
    let tables = TABLES
        .map(|table| format!("CREATE TABLE {table} (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;\n"))
        .concat();
    format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL);
         CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
         CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
         {tables}PRAGMA user_version = {FORMAT};
         COMMIT;"
    )
}

fn read(transaction: &Transaction<'_>, after: u64) -> rusqlite::Result<Vec<Stored>> {
    let mut query = transaction.prepare_cached("SELECT seq, at, body, hash FROM events WHERE seq > ?1 ORDER BY seq")?;
    let rows = query.query_map([after as i64], |row| {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Stored { seq: seq as u64, at: at as u64, body: row.get(2)?, hash: row.get(3)? })
    })?;
    rows.collect()
}

fn write(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut event = transaction.prepare_cached("INSERT INTO events (seq, at, body, hash) VALUES (?1, ?2, ?3, ?4)")?;
    for record in &batch.records {
        event.execute(params![record.seq as i64, record.at as i64, record.body, record.hash])?;
    }
    put(transaction, &batch.rows)
}

fn put(transaction: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    for (table, id, body) in rows {
        let statement = format!("INSERT OR REPLACE INTO {table} (id, body) VALUES (?1, ?2)");
        transaction.prepare_cached(&statement)?.execute(params![id, body.to_string()])?;
    }
    Ok(())
}

impl Log for Sqlite {
    fn exchange(&mut self, after: u64, decide: Decide<'_>) -> Result<(), LogError> {
        self.still_there()?;
        let path = self.path.clone();
        let failed = |e: rusqlite::Error| store(&path, e.to_string());
        // IMMEDIATE: the right to write is taken before reading, so that what is read is what is decided on.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let batch = decide(read(&transaction, after).map_err(failed)?)?;
        if batch.records.is_empty() {
            return transaction.rollback().map_err(failed);
        }
        write(&transaction, &batch).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        // Moved between the first look and the commit: then this commit is in a file that nobody will find.
        self.still_there()
    }

    fn replace_tables(&mut self, rows: &[Row]) -> Result<(), LogError> {
        self.still_there()?;
        let path = self.path.clone();
        let failed = |e: rusqlite::Error| store(&path, e.to_string());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for table in TABLES {
            transaction.execute(&format!("DELETE FROM {table}"), []).map_err(failed)?;
        }
        put(&transaction, rows).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn tables(&mut self) -> Result<Vec<(String, String, String)>, LogError> {
        let mut out = Vec::new();
        let mut all = || -> rusqlite::Result<()> {
            for table in TABLES {
                let mut query = self.connection.prepare(&format!("SELECT id, body FROM {table} ORDER BY id"))?;
                let rows = query.query_map([], |row| Ok((table.to_owned(), row.get(0)?, row.get(1)?)))?;
                out.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(())
        };
        all().map_err(|e| store(&self.path, e.to_string()))?;
        Ok(out)
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}
