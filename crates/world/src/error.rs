//! What can go wrong in making, writing or pretraining on a world.

use std::path::PathBuf;
use trimtab_text::Problem;

/// An error of this crate: where, what, what was expected, what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that no world can have.
    #[error("{0}")]
    Config(Problem),
    /// A folder could not be made.
    #[error("{}: cannot make the folder: {cause}\n  expected a place that you may write to\n  try: another --out", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file could not be written.
    #[error("{0}")]
    Run(#[from] trimtab_run::Error),
    /// The tokenizer or a record was refused.
    #[error("{0}")]
    Text(#[from] trimtab_text::Error),
    /// The checkpoint could not be written.
    #[error("{0}")]
    Checkpoint(#[from] trimtab_engine::checkpoint::Error),
    /// Training did not go as it must.
    #[error("{0}")]
    Training(Problem),
}

impl Error {
    /// A setting of the section `world`, or of another one where the name has its own.
    pub(crate) fn config(field: &str, what: impl Into<String>, expected: &str, hint: &str) -> Self {
        let key = if field.contains('.') { field.to_owned() } else { format!("world.{field}") };
        let hint =
            if hint.is_empty() { format!("--set {key}=VALUE, or no such key for its default") } else { hint.into() };
        Self::Config(Problem::new(key, what, expected, hint))
    }
}
