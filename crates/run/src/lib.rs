//! What makes a run trustworthy: its folder and manifest, atomic writes, named random streams, metrics, checkpoints of
//! a stage in progress, the interrupt flag and the progress line.
//!
//! - A stage is done when `manifest.json` says so, and it says so only for inputs and a config that are still the same.
//! - Nothing reaches its final name before it is whole and on the disk ([`write_atomic`], [`AtomicFile`]).
//! - Nothing random is ambient: every draw comes from a [`stream()`] named by seed, stage, step and item.
//! - A run killed at any point and continued ends with the same bytes: no wall-clock time in the manifest or in
//!   `metrics.jsonl` (speeds go to `timing.jsonl`), and [`Metrics::resume`] cuts what a lost step had written.

mod atomic;
mod checkpointer;
mod error;
mod folder;
mod hash;
pub mod interrupt;
mod lock;
mod manifest;
mod metrics;
pub mod progress;
mod stream;

pub use atomic::{AtomicFile, write_atomic};
pub use checkpointer::Checkpointer;
pub use error::Error;
pub use folder::{RunFolder, StageState};
pub use hash::{config_hash, sha256_bytes, sha256_file};
pub use manifest::{FileRecord, MANIFEST_FORMAT, Manifest, StageRecord, Status};
pub use metrics::{Metric, Metrics, Timing};
pub use progress::Progress;
pub use stream::{Stream, stream};
