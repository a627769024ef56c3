//! What can be wrong with an experiment before it starts.

use crate::leak::Leaks;

/// An error of this crate: what, where, what was expected, what to try.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The same or nearly the same item in two parts: the figure would measure memory.
    #[error(
        "{0}\n  expected every group of related items in one part only\n  try: splitting by a group key, or --allow-leak to record the leak beside the figure"
    )]
    Leak(Leaks),
    /// Data or settings that no experiment can have.
    #[error("{what}\n  expected {expected}\n  try: {hint}")]
    Input {
        /// What is wrong, in one clause, with its place.
        what: String,
        /// What would have been right.
        expected: String,
        /// The next thing to do.
        hint: String,
    },
}

impl Error {
    /// Data or settings that cannot be right.
    pub(crate) fn input(what: impl Into<String>, expected: &str, hint: &str) -> Self {
        Self::Input { what: what.into(), expected: expected.into(), hint: hint.into() }
    }
}
