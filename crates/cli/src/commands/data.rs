//! `trimtab data check`: what a data file can be read as, before a run reads it.

use super::print_json;
use crate::failure::Usage;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_text::dataset::{self, Rows, Want};
use trimtab_text::record::Samples;

/// What can be asked of data.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a file can be read as: rows, what is left out and why, and of everything else the first record that does not fit.
    ///
    /// Reads JSON Lines, a JSON array, Parquet or plain text, each also gzipped. With --as, exit code 2 where it cannot be read so.
    ///
    /// Example: trimtab data check pairs.jsonl --as comparisons
    Check(Check),
}

/// `data check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As this alone.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What a stage or command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Prompts with one answer: `data.demonstrations`.
    Demonstrations,
    /// Prompts with a better and a worse answer: `data.preferences`.
    Comparisons,
    /// Prompts with several answers: what `trimtab sample` writes and `people import` reads.
    Samples,
    /// Rankings of such answers.
    Rankings,
    /// Prompts alone.
    Prompts,
    /// Documents: `data.corpus`.
    Corpus,
}

/// What a file is as one kind.
#[derive(Debug, Serialize)]
struct Found {
    kind: Kind,
    /// None where it cannot be read so.
    rows: Option<usize>,
    counters: BTreeMap<String, u64>,
    error: Option<String>,
}

/// Runs it.
///
/// # Errors
/// [`Usage`] for a file that cannot be opened, and for one that is not what `--as` says, or nothing at all.
pub fn run(Command::Check(c): &Command) -> Result<()> {
    // What the operating system says about the file is no finding about one kind.
    std::fs::File::open(&c.file)
        .map_err(|e| Usage(format!("{}: {e}\n  expected a data file\n  try: the path again", c.file.display())))?;
    let kinds = c.kind.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
    let found: Vec<Found> = kinds.iter().map(|&kind| check(&c.file, kind)).collect();
    if c.json {
        print_json(&found)?;
    } else {
        for one in &found {
            println!("{}", line(one));
        }
    }
    match found.iter().all(|one| one.rows.is_none()).then(|| found.iter().find_map(|one| one.error.clone())).flatten() {
        Some(error) => Err(Usage(error).into()),
        None => Ok(()),
    }
}

fn check(file: &Path, kind: Kind) -> Found {
    let want = match kind {
        Kind::Demonstrations => Want::Demonstrations,
        Kind::Comparisons => Want::Comparisons,
        Kind::Rankings => Want::Rankings,
        Kind::Prompts => Want::Prompts,
        Kind::Corpus => Want::Corpus,
        Kind::Samples => {
            let read = dataset::records::<Samples>(file).map(|rows| (rows.len(), BTreeMap::new()));
            return of(kind, read);
        }
    };
    let read = dataset::read(file, want).map(|set| {
        let rows = match &set.rows {
            Rows::Demonstrations(rows) => rows.len(),
            Rows::Comparisons(rows) => rows.len(),
            Rows::Rankings(rows) => rows.len(),
            Rows::Prompts(rows) => rows.len(),
            Rows::Corpus(rows) => rows.len(),
        };
        (rows, set.counters.0)
    });
    of(kind, read)
}

fn of(kind: Kind, read: Result<(usize, BTreeMap<String, u64>), trimtab_text::Error>) -> Found {
    match read {
        Ok((rows, counters)) => Found { kind, rows: Some(rows), counters, error: None },
        Err(e) => Found { kind, rows: None, counters: BTreeMap::new(), error: Some(e.to_string()) },
    }
}

fn line(found: &Found) -> String {
    let name = found.kind.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let Some(rows) = found.rows else {
        let why = found.error.as_deref().and_then(|e| e.lines().next()).unwrap_or_default();
        return format!("{name}: no: {why}");
    };
    let counted = found.counters.iter().map(|(what, n)| format!("{what} {n}"));
    let counted = counted.collect::<Vec<_>>().join(", ");
    format!("{name}: {rows} rows{}{counted}", if counted.is_empty() { "" } else { "; " })
}
