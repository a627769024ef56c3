//! Can't or won't: whether a model fails a set of questions because it does not know, or although it does.
//!
//! Greenblatt, Roger et al. 2024, [arXiv:2405.19550](https://arxiv.org/abs/2405.19550) (elicitation by few demonstrations,
//! password-locked and truly weak models); Hofstätter et al. 2025, [arXiv:2502.02180](https://arxiv.org/abs/2502.02180) (a
//! ladder of techniques); Tice et al. 2024, [arXiv:2412.01784](https://arxiv.org/abs/2412.01784) (noise in the weights). Where
//! ours differs:
//!
//! 1. Demonstrations are of other facts than those that are measured, split by fact and not by line: fine-tuning on the facts
//!    themselves would teach the answer, and a weak model would look like a locked one.
//! 2. Every rung has a control that does as much and says nothing: demonstrations with answers drawn at random, guessing n
//!    times. A rise counts where it is above the plain question and above the control.
//! 3. A rung that breaks the model (it loses what it could do before), or that the model did not learn, is left out: that
//!    nothing rose there is no finding.
//! 4. The [`verdict()`] is a function of the ladder's figures, with thresholds written down before the experiment, and its own
//!    errors on twins of known truth are printed with it ([`planted`]). "Undetermined" is one of its values.

mod finding;
mod items;
mod ladder;
mod measure;
pub(crate) mod perturb;
pub mod planted;
mod pupil;
mod record;
mod rung;
mod verdict;

pub use finding::{Elicitation, Finding, differences};
pub use items::{Questions, info, world_items};
pub use ladder::run;
pub use measure::measure;
pub use pupil::Pupil;
pub use record::Record;
pub use rung::{Rung, ladder};
pub use verdict::{LEVEL, MARGIN, POWER, Verdict, verdict};

/// The name of the audit.
pub const NAME: &str = "elicitation";
/// Tokens of an answer at most.
pub const MAX_NEW_TOKENS: usize = 24;
