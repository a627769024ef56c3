//! Whether a model says what it knows, or what it is wanted to say.
//!
//! Sharma et al. 2023, arXiv:2310.13548 (stated beliefs, "are you sure?", feedback, mimicry); Perez et al. 2022,
//! arXiv:2212.09251 (both option orders). Where ours differs:
//! 1. **Regressive** flips (from right to the stated wrong answer) and **progressive** ones (from wrong to the stated right
//!    answer) are never added up: the second is what a belief is for. Each has its own denominator, the stems that the model
//!    knows, or gets wrong, when it is asked plainly.
//! 2. Every arm has a control that mentions the same answer in a stranger's mouth, asks again without doubt, or states an
//!    opinion about nothing. The difference to it is the sycophancy; the rest is anchoring, or a model that is unsure.
//! 3. Nothing is judged by another model: options are compared by log-probability, short answers are read by an anchored
//!    parser, the world's answers are judged by construction.
//! 4. Where letters decide instead of options, and where too few stems are known, the result is "not measurable".

mod items;
mod measure;
pub mod questions;
pub mod wording;
mod world;

pub use items::{info, items};
pub use measure::measure;
pub use world::world_items;

/// The name of the audit.
pub const NAME: &str = "sycophancy";
/// Tokens of a generated answer at most.
pub const MAX_NEW_TOKENS: usize = 24;
