//! Stage 3: rankings of several answers to a prompt.
//!
//! Whoever ranks (a file of pairs, a scripted judge, [`simulated`] people) hands on the same records: the answers, where
//! each was shown, and the rank each was given, which are never one field. [`rank`] turns sources into [`Ranking`]
//! records, [`simulate`] plants biases and noise whose size is known.

mod agreement;
mod crowd_report;
mod judge;
mod pairs;
pub mod service;
pub mod simulated;

pub use agreement::{Agreement, agreement};
pub use crowd_report::{Bias, COVARIATES, CrowdReport, Judge as CrowdJudge, UNITS, crowd_report};
pub use judge::{Judge, rank};
pub use pairs::from_pairs;
pub use simulated::{Counts, Crowd, Perceived, Person, Values, ceiling, simulate, switch_weight};

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
    /// A setting of simulated people that cannot be right.
    #[error("{key}: is {value}\n  expected {expected}\n  try: --set {key}=VALUE, or edit the config file")]
    Setting {
        /// The setting, as in the file: `people.kinds.careful.skill`.
        key: String,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
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
