//! What people's judgement was worth: a run's rankings against the truth that was planted.
//!
//! Christiano, Shlegeris and Amodei 2018, arXiv:1810.08575, section 1 (people who cannot check); Wen et al. 2024,
//! arXiv:2409.12822 (people approve of more false answers after training on their approval). Where ours differs:
//! 1. A ranking counts where right and wrong answers were both on offer: whoever can only choose among wrong ones is not shown
//!    to be wrong by choosing one. A tie at the top, and "cannot judge", are unscored, with their number.
//! 2. Accuracy is by **difficulty to check**, so that a limit of people shows as a fall and not as an average.
//! 3. The **false-claim rate** is over answers that somebody preferred, beside that of all answers they were shown: the
//!    difference is what people's choice did, and not what the model offered.
//! 4. Agreement with the user's belief stands beside the same with a third party's.

mod measure;
mod rankings;

pub use measure::measure;
pub use rankings::{info, results};

/// The name of the audit.
pub const NAME: &str = "feedback";
