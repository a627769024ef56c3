//! The machine stages of the alignment loop.
//!
//! [`sft`] fine-tunes on demonstrations, [`sample`] draws several answers per prompt, [`reward`] learns a reward model
//! from rankings of them, [`ppo`] fine-tunes against that reward plus a term that keeps next-token prediction. (People
//! and judges rank, in the crate `people`.) Stages meet only through files in the run folder.
//!
//! [`loss`] holds the objectives as pure functions; [`update`] turns them into optimiser steps.

pub mod checkpoint;
pub mod config;
pub mod disagreement;
pub mod error;
pub mod example;
pub mod labels;
pub mod loss;
pub mod ppo;
pub mod reward;
pub mod sample;
pub mod sft;
pub mod stage;
pub mod update;

pub use error::Error;
