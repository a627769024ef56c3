//! The log in memory, gone with the process: for simulated people, who say the same again when they are asked again.

use super::{Batch, Decide, Log, LogError};
use crate::service::event::Stored;
use crate::service::state::Row;
use std::collections::BTreeMap;

/// Records in their order, and the tables that follow from them.
#[derive(Debug, Default)]
pub struct Memory {
    records: Vec<Stored>,
    tables: BTreeMap<(String, String), String>,
}

impl Memory {
    fn put(&mut self, rows: &[Row]) {
        for (table, key, row) in rows {
            self.tables.insert(((*table).to_owned(), key.clone()), row.to_string());
        }
    }
}

impl Log for Memory {
    fn exchange(&mut self, after: u64, decide: Decide<'_>) -> Result<(), LogError> {
        // Numbered on from 1.
        let new = self.records.get(after as usize..).unwrap_or_default().to_vec();
        let Batch { records, rows } = decide(new)?;
        self.records.extend(records);
        self.put(&rows);
        Ok(())
    }

    fn replace_tables(&mut self, rows: &[Row]) -> Result<(), LogError> {
        self.tables.clear();
        self.put(rows);
        Ok(())
    }

    fn tables(&mut self) -> Result<Vec<(String, String, String)>, LogError> {
        Ok(self.tables.iter().map(|((table, key), row)| (table.clone(), key.clone(), row.clone())).collect())
    }

    fn place(&self) -> String {
        "memory".into()
    }
}
