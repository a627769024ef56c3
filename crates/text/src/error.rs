//! What went wrong, where, what was expected, and what to try.

use std::fmt;
use std::path::{Path, PathBuf};

/// One problem with a file or a value, in the four parts that every message of this crate has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, with `:line` where there is one, or the name of a template or tokenizer.
    pub place: String,
    /// What is wrong, in one clause.
    pub what: String,
    /// What would have been right.
    pub expected: String,
    /// The next thing to do; empty where there is nothing better than fixing the input.
    pub hint: String,
}

impl Problem {
    /// A problem at a place; pass an empty `hint` for none.
    pub fn new(
        place: impl Into<String>,
        what: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), what: what.into(), expected: expected.into(), hint: hint.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if !self.expected.is_empty() {
            write!(f, "\n  expected {}", self.expected)?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  try: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Errors of this crate, by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}\n  expected a readable file\n  try: check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tokenizer could not be built, or does not fit the model.
    #[error("{0}")]
    Tokenizer(Problem),
    /// A chat template does not parse, or refuses the conversation.
    #[error("{0}")]
    Template(Problem),
    /// A template renders, but which tokens to train on cannot be read off it.
    #[error("{0}")]
    Mask(Problem),
    /// A dataset or record is malformed.
    #[error("{0}")]
    Data(Problem),
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// The four parts, for errors that are about content and not about the file system.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Io { .. } => None,
            Self::Tokenizer(problem) | Self::Template(problem) | Self::Mask(problem) | Self::Data(problem) => {
                Some(problem)
            }
        }
    }
}
