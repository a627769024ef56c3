//! The log in a PostgreSQL database, for teams: several services may serve the same one.

use super::{Batch, Decide, Log, LogError};
use crate::service::event::Stored;
use crate::service::state::{Row, TABLES};
use postgres::types::Type;
use postgres::{Client, Config, NoTls, Transaction};
use std::collections::BTreeMap;
use std::time::Duration;

/// A PostgreSQL database; everything is in its schema `trimtab`.
pub struct Postgres {
    config: Config,
    place: String,
    /// None after an error: a connection in an unknown state is not used again.
    client: Option<Client>,
}

impl Postgres {
    /// Connects, and makes the tables if need be.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn open(url: &str) -> Result<Self, LogError> {
        let failed = |place: &str, e: &postgres::Error| store(place, e);
        let mut config: Config = url.parse().map_err(|e| failed("--db", &e))?;
        config.connect_timeout(Duration::from_secs(10)).application_name("trimtab");
        let hosts: Vec<String> = config.get_hosts().iter().map(|host| format!("{host:?}")).collect();
        let place = format!("PostgreSQL database {:?} at {}", config.get_dbname().unwrap_or("?"), hosts.join(", "));
        let mut log = Self { config, place, client: None };
        let place = log.place.clone();
        log.client()?.batch_execute(&schema()).map_err(|e| store(&place, &e))?;
        Ok(log)
    }

    fn client(&mut self) -> Result<&mut Client, LogError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            let client = self.config.connect(NoTls).map_err(|e| store(&self.place, &e))?;
            self.client = Some(client);
        }
        let gone = || LogError::Store {
            place: self.place.clone(),
            problem: "is not connected".into(),
            advice: "the same again".into(),
        };
        self.client.as_mut().ok_or_else(gone)
    }

    /// Runs `work` in one transaction that no other writer interleaves with.
    fn alone(&mut self, work: &mut dyn FnMut(&mut Transaction<'_>) -> Result<bool, LogError>) -> Result<(), LogError> {
        let place = self.place.clone();
        let failed = |e: postgres::Error| store(&place, &e);
        let client = self.client()?;
        let result = (|| {
            let mut transaction = client.transaction().map_err(failed)?;
            // Readers still read; of those who want to write, one at a time gets past this line.
            transaction.batch_execute("LOCK TABLE trimtab.events IN EXCLUSIVE MODE").map_err(failed)?;
            if work(&mut transaction)? {
                transaction.commit().map_err(failed)
            } else {
                transaction.rollback().map_err(failed)
            }
        })();
        if result.is_err() {
            self.client = None;
        }
        result
    }
}

fn store(place: &str, e: &postgres::Error) -> LogError {
    // The error's own words are "db error"; what happened is in its source.
    let source = std::error::Error::source(e).map_or_else(String::new, |source| format!(": {source}"));
    let advice = "the server's log; the service goes on by itself when the database is back".into();
    LogError::Store { place: place.into(), problem: format!("{e}{source}"), advice }
}

fn schema() -> String {
    // TEXT and not JSONB, which refuses the escape of NUL and forgets the order of keys.
    let tables = TABLES
        .map(|table| format!("CREATE TABLE IF NOT EXISTS trimtab.{table} (id TEXT PRIMARY KEY, body TEXT NOT NULL);\n"))
        .concat();
    format!(
        "BEGIN;
         SELECT pg_advisory_xact_lock(7234611);
         CREATE SCHEMA IF NOT EXISTS trimtab;
         CREATE TABLE IF NOT EXISTS trimtab.events
           (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL);
         CREATE OR REPLACE FUNCTION trimtab.events_stay() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$;
         CREATE OR REPLACE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON trimtab.events
           FOR EACH STATEMENT EXECUTE FUNCTION trimtab.events_stay();
         {tables}COMMIT;"
    )
}

/// Most rows in one statement.
const ROWS: usize = 1000;

/// Writes rows, a later one over an earlier one of the same key: one statement for each table and not for each row, since
/// every statement is a round trip, while everybody waits. Parameters with their types, or there would be two.
fn put(transaction: &mut Transaction<'_>, rows: &[Row]) -> Result<(), postgres::Error> {
    for table in TABLES {
        // A statement may not touch one row twice.
        let last: BTreeMap<&str, &Row> =
            rows.iter().filter(|row| row.0 == table).map(|row| (row.1.as_str(), row)).collect();
        let last: Vec<(&str, String)> = last.into_iter().map(|(id, row)| (id, row.2.to_string())).collect();
        for some in last.chunks(ROWS) {
            let (ids, bodies): (Vec<&str>, Vec<&str>) = some.iter().map(|(id, body)| (*id, body.as_str())).unzip();
            let statement = format!(
                "INSERT INTO trimtab.{table} (id, body) SELECT * FROM unnest($1::text[], $2::text[])
                 ON CONFLICT (id) DO UPDATE SET body = excluded.body"
            );
            transaction.execute_typed(&statement, &[(&ids, Type::TEXT_ARRAY), (&bodies, Type::TEXT_ARRAY)])?;
        }
    }
    Ok(())
}

impl Log for Postgres {
    fn exchange(&mut self, after: u64, decide: Decide<'_>) -> Result<(), LogError> {
        let place = self.place.clone();
        let failed = |e: postgres::Error| store(&place, &e);
        self.alone(&mut |transaction| {
            let query = "SELECT seq, at, body, hash FROM trimtab.events WHERE seq > $1 ORDER BY seq";
            let stored = |row: &postgres::Row| -> Result<Stored, postgres::Error> {
                let (seq, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                Ok(Stored { seq: seq as u64, at: at as u64, body: row.try_get(2)?, hash: row.try_get(3)? })
            };
            let rows = transaction.query_typed(query, &[(&(after as i64), Type::INT8)]).map_err(failed)?;
            let new = rows.iter().map(stored).collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let Batch { records, rows } = decide(new)?;
            if records.is_empty() {
                return Ok(false);
            }
            // One statement for all: a round trip for each would be the longest part of a commit.
            let (seq, at): (Vec<i64>, Vec<i64>) = records.iter().map(|r| (r.seq as i64, r.at as i64)).unzip();
            let (body, hash): (Vec<&str>, Vec<&str>) = records.iter().map(|r| (r.body.as_str(), r.hash.as_str())).unzip();
            let insert = "INSERT INTO trimtab.events (seq, at, body, hash) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[])";
            let (numbers, texts) = (Type::INT8_ARRAY, Type::TEXT_ARRAY);
            transaction
                .execute_typed(
                    insert,
                    &[(&seq, numbers.clone()), (&at, numbers), (&body, texts.clone()), (&hash, texts)],
                )
                .map_err(failed)?;
            put(transaction, &rows).map_err(failed)?;
            Ok(true)
        })
    }

    fn replace_tables(&mut self, rows: &[Row]) -> Result<(), LogError> {
        let place = self.place.clone();
        let failed = |e: postgres::Error| store(&place, &e);
        self.alone(&mut |transaction| {
            for table in TABLES {
                transaction.execute(&format!("DELETE FROM trimtab.{table}"), &[]).map_err(failed)?;
            }
            put(transaction, rows).map_err(failed)?;
            Ok(true)
        })
    }

    fn tables(&mut self) -> Result<Vec<(String, String, String)>, LogError> {
        let place = self.place.clone();
        let client = self.client()?;
        let mut out = Vec::new();
        for table in TABLES {
            // The order of bytes, as in SQLite.
            let query = format!("SELECT id, body FROM trimtab.{table} ORDER BY id COLLATE \"C\"");
            let rows = client.query(&query, &[]).map_err(|e| store(&place, &e))?;
            out.extend(rows.iter().map(|row| (table.to_owned(), row.get(0), row.get(1))));
        }
        Ok(out)
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}
