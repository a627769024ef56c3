//! Linear probes of the residual stream: whether a direction tells two sorts of text apart, and what that shows.
//!
//! Goldowsky-Dill et al. 2025, arXiv:2502.03407 (logistic probes, mean over the answer's tokens, a threshold of 1 % false
//! positives on unrelated chat); Marks and Tegmark 2023, arXiv:2310.06824 (difference of means). Where ours differs:
//! 1. **Three curves, always**: the area that the probe has on what it was fitted to, the one on questions that it was not
//!    fitted to, and the band of the same after its labels were shuffled. Only the second counts, and only beside the third.
//! 2. Cross-validation is by **group**: both labels of a question are left out together, and areas are taken within a fold,
//!    since scores of two fits have no common scale.
//! 3. A shuffle exchanges the labels within a group, with chance ½, of fitted and measured texts alike, and takes the **largest area over all layers**, as somebody
//!    does who looks at every layer and reports the best.
//! 4. The layer is the one with the largest cross-validated area on the texts that it was fitted to. What is reported is
//!    measured on other texts of questions that were left out.

mod fit;
mod run;

pub use fit::{Examples, Kind, Probed, probe};
pub use run::{PROBES, PROBES_AT_MOST, ProbeRecord, means, run};
