//! What checkpoints do, against what was intended.
//!
//! On the world every answer is judged by construction: [`evaluation`] asks every checkpoint the same held-out items,
//! [`best_of_n`] presses on a reward model and watches gold, [`agreement`] asks it whether it likes to be agreed with.
//!
//! `trimtab audit` asks any model: [`item`]s, made here or read from published files ([`reader`]), are put to a [`target`],
//! whose options are compared ([`scoring`], [`letter`]) or whose answers are parsed ([`parsing`]); [`run`] writes each as a
//! [`result`], and [`sycophancy`], [`awareness`], [`scheming`], [`generalisation`] or [`published`] makes [`figure`]s of
//! them. Answers that no parser can score are left to a [`judge`] and a person's labels; [`elicitation`] asks why a model
//! fails a set, [`feedback`] what a run's people were worth, [`outer`] what a reward model is, pressed on, and [`attack`] takes a
//! model's refusals away. A finished audit is read back as a [`folder`].
//! They write records and metrics, from which the report is computed; none knows how they will be drawn.

pub mod agreement;
pub mod attack;
pub mod awareness;
pub mod best_of_n;
pub mod compare;
pub mod cued;
pub mod elicitation;
pub mod evaluation;
pub mod feedback;
pub mod figure;
pub mod folder;
pub mod generalisation;
pub mod item;
pub mod journal;
pub mod judge;
pub mod letter;
pub mod lies;
pub mod merge;
pub mod outer;
pub mod parsing;
pub mod probe;
pub mod published;
pub mod reader;
pub mod result;
pub mod run;
pub mod scheming;
pub mod scoring;
pub mod sycophancy;
pub mod target;
