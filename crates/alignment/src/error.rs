//! What can go wrong in a stage.

use std::path::PathBuf;

/// An error of a stage. Its text says what, where, what was expected, and what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A checkpoint file.
    #[error(transparent)]
    Checkpoint(#[from] trimtab_engine::checkpoint::Error),
    /// Tokens that do not suit the model.
    #[error(transparent)]
    Input(#[from] trimtab_engine::batch::InputError),
    /// A tokenizer, template, record or dataset.
    #[error(transparent)]
    Text(#[from] trimtab_text::Error),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] trimtab_run::Error),
    /// A setting that cannot be right.
    #[error("{key}: {problem}\n  expected {expected}\n  try: {hint}")]
    Config {
        /// The setting, as in the file: `ppo.beta`.
        key: String,
        /// What it is.
        problem: String,
        /// What it should be.
        expected: String,
        /// What to try.
        hint: String,
    },
    /// A stage without its input.
    #[error("{path}: {problem}\n  expected {expected}\n  try: {hint}")]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What should be there.
        expected: String,
        /// What to try.
        hint: String,
    },
    /// A loss, gradient or reward that is not a number.
    #[error(
        "{stage} step {step}: {what} is {value}\n  expected a finite number\n  try: a smaller learning rate, or `trimtab doctor` on the starting checkpoint"
    )]
    NotFinite {
        /// The stage.
        stage: &'static str,
        /// The optimiser step, from 0.
        step: u64,
        /// The quantity.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The sampler and the trainer disagree.
    #[error(
        "ppo step {step}: sampled and recomputed log-probabilities differ by {difference:.2e} nats\n  expected less than {limit:.0e}: both come from the same weights and kernels\n  try: reporting this with the run's manifest.json; the rewards of this step would be wrong"
    )]
    Mismatch {
        /// The PPO step, from 0.
        step: u64,
        /// Largest absolute difference over the step's tokens.
        difference: f64,
        /// What is allowed.
        limit: f64,
    },
    /// Ctrl-C.
    #[error(
        "interrupted at {stage} step {step}: what was done is kept\n  try: the same command again, which continues from here"
    )]
    Interrupted {
        /// The stage.
        stage: &'static str,
        /// The step that would have come next.
        step: u64,
    },
}

impl Error {
    /// Whether the user can mend it (exit code 2) rather than us (3).
    pub fn is_user(&self) -> bool {
        match self {
            Self::Checkpoint(e) => e.is_user(),
            Self::Mismatch { .. } => false,
            _ => true,
        }
    }

    /// An error about one setting.
    pub fn config(key: &str, problem: impl Into<String>, expected: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { key: key.into(), problem: problem.into(), expected: expected.into(), hint: hint.into() }
    }
}
