//! Stage 3: rankings of several answers to a prompt.
//!
//! Whoever ranks (a file of pairs, a scripted judge, later people) hands on the same records: the answers, where each was
//! shown, and the rank each was given, which are never one field. [`rank`] turns sources into [`Ranking`] records.

mod judge;
mod pairs;

pub use judge::{Judge, rank};
pub use pairs::from_pairs;

use std::path::PathBuf;
pub use trimtab_text::record::{Ranking, Samples};

/// What can go wrong in ranking.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A judge that is not known.
    #[error(
        "rank.judge: there is no judge {0:?}\n  expected reference, longer, shorter, none, or command:PROGRAM ARGS\n  try: --set rank.judge=reference"
    )]
    UnknownJudge(String),
    /// A judge program that failed.
    #[error(
        "judge {program:?}: {problem}\n  expected one JSON ranking a line on its standard output, for the samples on its standard input\n  try: running it by hand on samples.jsonl"
    )]
    Program {
        /// The command.
        program: String,
        /// What happened.
        problem: String,
    },
    /// A ranking that contradicts itself or its samples.
    #[error(
        "{path}: ranking {index} of prompt {prompt:?}: field {field:?} {problem}\n  expected a ranking of the answers in its samples record\n  try: `trimtab data check` on the file"
    )]
    Invalid {
        /// Where the ranking came from.
        path: PathBuf,
        /// Its number, from 1.
        index: usize,
        /// Its prompt.
        prompt: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}
