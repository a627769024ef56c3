//! What can go wrong with the files of a run. Every one of these is the user's to mend (exit code 2).

use std::io;
use std::path::PathBuf;

/// An error of this crate: where, what, what was expected, what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is there but cannot be read.
    #[error("{}: cannot read: {cause}\n  expected a readable file\n  try: check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The folder holds nothing that a report could be made of.
    #[error("{}: no file of a run is here\n  expected a run folder with manifest.json, or metrics.jsonl of at least one stage\n  try: runs/NAME, as `trimtab run` printed it", .0.display())]
    NotARun(PathBuf),
    /// A line or a file that does not hold what it should.
    #[error(
        "{place}: {problem}\n  expected {expected}\n  try: run the stage that wrote it again, or move the file away and the report says it is absent"
    )]
    Malformed {
        /// `file:line`.
        place: String,
        /// What is wrong.
        problem: String,
        /// What a good one holds.
        expected: &'static str,
    },
    /// The manifest cannot be read or understood.
    #[error(transparent)]
    Run(#[from] trimtab_run::Error),
}
