//! Reward modelling: a weak reward model's preferences train a strong one.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 4.1 and the appendix on reward modelling: a reward model
//! is fitted to pairs of answers, p(first is better) = σ(r(first) − r(second)); the weak one learns from people's preferences on half
//! A, says its own of half B, and the student learns from these. The paper's gap recovered is about a tenth.
//! [`Parts`] draws the pairs, [`plan()`] says what is fitted, [`Bench`] fits it, [`Figures`] measures it, [`press`] presses on the models.
//!
//! Where ours differs from the paper:
//! 1. Gold is exact: answers to the world's tasks, judged by construction ([`trimtab_world::gold`]); or people's pairs from a file.
//! 2. No pair is tied, and which answer comes first is drawn, so each class is half of every part and there is no majority to copy.
//! 3. Soft labels are σ of the weak model's difference of scores, as in the paper; hard ones are its sign.
//! 4. The ceiling learns on B, from the student's very inputs, with its schedule; generative fine-tuning has a ceiling of its own, and
//!    is set against the other one too.
//! 5. Best-of-n: what the answer that each model likes best of n is worth to gold. A gap recovered in pairs need not be one there.
//! 6. The protocol is in the types of [`crate::job`], as everywhere: a student cannot be given gold.

mod measure;
mod parts;
mod plan;
pub mod press;
mod run;

pub use measure::{Baselines, Figures, Row, Seed, Stratum, Summary};
pub use parts::{Judged, Pairs, Parts, Preference, Sizes};
pub use plan::{Fit, Method, plan};
pub use run::{Bench, Fitted, Head};
