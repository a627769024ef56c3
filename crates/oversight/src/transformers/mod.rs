//! Transformers as weak models, students and ceilings, on a ladder of sizes.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390). [`Parts`] draws the task, [`plan`] says what is to be
//! fitted, [`Ladder`] fits it, [`Figures`] measures what came of it, [`mod@forecast`] says the largest student's figures before it
//! is run.

pub mod classifier;
pub mod forecast;
pub mod input;
mod measure;
pub(crate) mod parts;
mod plan;
mod run;
mod tuned;

pub use classifier::{Fitting, Loss};
pub use input::{Input, Pair, Pool, Trunk};
pub use measure::{Chain, Figures, ReadAt, Row, Rung, Seed, Summary};
pub use parts::{Items, Parts, Sizes, mark_ids};
pub use plan::{Fit, Method, control_size, plan};
pub use run::{Fitted, Ladder, Reading};
pub use tuned::{Tuning, trunks, tuned};
