//! Puzzles from elsewhere: CSV as the Lichess database publishes it, with or without a header.

use crate::failure::Usage;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use trimtab_oversight::chess::{Said, position, published, said};

/// Puzzles that are asked, at most: every fit answers all of them.
const MOST: usize = 5000;

/// Columns of the database, where no header names them.
const COLUMNS: [(&str, usize); 3] = [("FEN", 1), ("Moves", 2), ("Themes", 7)];

/// What was read, and what was left out and why.
#[derive(Debug, Default, Serialize)]
pub(super) struct Puzzles {
    /// Positions as tokens.
    #[serde(skip)]
    pub prompts: Vec<Vec<u32>>,
    /// The moves that are right in each.
    #[serde(skip)]
    pub answers: Vec<Vec<Said>>,
    /// How many have more answers than one.
    pub several_answers: u64,
    /// Rows by what came of them.
    pub counters: BTreeMap<String, u64>,
}

/// Reads the puzzles of a file that mate in `depth`, and holds their solutions against the rules.
pub(super) fn read(path: &Path, depth: u8) -> Result<Puzzles> {
    let wrong = |what: String| {
        let advice = "expected CSV of the Lichess puzzle database: FEN, Moves and Themes among its columns";
        Usage(format!("{}: {what}\n  {advice}\n  try: a part of lichess_db_puzzle.csv", path.display()))
    };
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path)
        .map_err(|e| wrong(e.to_string()))?;
    let theme = format!("mateIn{depth}");
    let (mut found, mut columns) = (Puzzles::default(), COLUMNS.map(|(_, at)| at));
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    while rows.read_record(&mut record).map_err(|e| wrong(e.to_string()))? {
        number += 1;
        if number == 1 && record.iter().any(|cell| cell == "FEN") {
            for (at, (name, _)) in columns.iter_mut().zip(COLUMNS) {
                *at = record
                    .iter()
                    .position(|cell| cell == name)
                    .ok_or_else(|| wrong(format!("has no column {name}")))?;
            }
            continue;
        }
        let [Some(fen), Some(moves), Some(themes)] = columns.map(|at| record.get(at)) else {
            return Err(wrong(format!("row {number} has {} columns", record.len())).into());
        };
        let what = if !themes.split_whitespace().any(|one| one == theme) {
            format!("not {theme}")
        } else if found.prompts.len() == MOST {
            format!("{theme}, beyond the first {MOST}")
        } else {
            match published(fen, moves, depth) {
                Ok(puzzle) => {
                    found.several_answers += u64::from(puzzle.answers.len() > 1);
                    found.answers.push(puzzle.answers.iter().filter_map(|one| said(&puzzle.board, *one)).collect());
                    found.prompts.push(position(&puzzle.board));
                    "used".to_owned()
                }
                Err(reason) => format!("left out: {reason}"),
            }
        };
        *found.counters.entry(what).or_default() += 1;
    }
    if found.prompts.is_empty() {
        return Err(wrong(format!("{number} rows, and no puzzle that mates in {depth}")).into());
    }
    Ok(found)
}
