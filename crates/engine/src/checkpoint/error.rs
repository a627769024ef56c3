//! What can be wrong with a checkpoint, said in four parts: where, what, what was expected, what to try.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The four parts of a message about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, and the field or tensor within it.
    pub place: String,
    /// What was found.
    pub what: String,
    /// What would have been right.
    pub expected: String,
    /// The next thing to do.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  expected {}\n  try: {}", self.place, self.what, self.expected, self.hint)
    }
}

/// Why a checkpoint could not be read or written. Every message says where, what, what was expected, what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused: absent, unreadable, unwritable, full.
    #[error("{}: cannot {action}: {cause}\n  expected {expected}\n  try: {hint}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done to it.
        action: &'static str,
        /// The system's word. Part of the message, hence not a `source`, which would be printed twice.
        cause: io::Error,
        /// What would have been right.
        expected: &'static str,
        /// The next thing to do.
        hint: &'static str,
    },
    /// The bytes are not a whole, consistent file of their format.
    #[error("{0}")]
    Malformed(Fault),
    /// A configuration that is absurd or contradicts itself.
    #[error("{0}")]
    Config(Fault),
    /// A sound file of a kind that this engine does not compute.
    #[error("{0}")]
    Unsupported(Fault),
    /// A tensor is missing, superfluous, or of another shape than the configuration implies.
    #[error("{0}")]
    Tensor(Fault),
    /// A tensor holds NaN or infinite values.
    #[error("{0}")]
    NotFinite(Fault),
    /// The caller handed over parameters that do not fit their own configuration; no file is to blame.
    #[error("{0}")]
    Caller(Fault),
}

impl Error {
    /// Whether the user can mend it (a bad file, folder or disk), as opposed to a mistake in the calling program.
    pub fn is_user(&self) -> bool {
        !matches!(self, Self::Caller(_))
    }

    pub(super) fn read(path: &Path, action: &'static str, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            cause,
            expected: "a checkpoint folder (config.json, model.safetensors) or a .gguf file that can be read",
            hint: "check the path and its permissions; `trimtab model get MODEL` brings a model",
        }
    }

    pub(super) fn write(path: &Path, action: &'static str, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            action,
            cause,
            expected: "a folder that can be written, on a disk with room for the checkpoint",
            hint: "free space or choose another folder; nothing half-written was left under this name",
        }
    }

    pub(super) fn malformed(place: impl fmt::Display, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Malformed(fault(place, what, expected, "fetch the file again: it is truncated or corrupt"))
    }
}

pub(super) fn fault(
    place: impl fmt::Display,
    what: impl Into<String>,
    expected: impl Into<String>,
    hint: impl Into<String>,
) -> Fault {
    Fault { place: place.to_string(), what: what.into(), expected: expected.into(), hint: hint.into() }
}

/// A name out of a file, fit for a terminal: escaped, and cut at 80 characters.
pub(super) fn quoted(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    if short.len() < name.len() { format!("{short:?}…") } else { format!("{short:?}") }
}
