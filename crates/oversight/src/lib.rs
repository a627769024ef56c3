//! Scalable oversight: can a weak supervisor align a stronger model, and when does a figure about it mean something?
//!
//! What a weak-to-strong experiment is made of, each part pure: [`labels`] and [`job`] hold the protocol in types, [`mod@split`]
//! and [`leak`] keep its parts apart, [`mod@pgr`] and [`mod@transfer`] make its figures and say when they mean nothing,
//! [`confidence_loss`] is the method of the paper, [`probe`] a pretrained student on texts. [`saliency_dial`] is an experiment whose
//! truth and errors are known by construction, [`ladder`] the control without pretraining on real text, [`misfit`] the theory, checked by
//! numbers. [`debate`], [`critique`], [`sandwich`] and [`decompose`] are protocols that help a judge who cannot see or check everything,
//! [`easy_to_hard`] one for tasks too hard to label, all as games whose truth is known.

pub mod binomial;
pub mod chess;
pub mod confidence_loss;
pub mod critique;
pub mod critique_law;
pub mod debate;
pub mod decompose;
pub mod decompose_law;
pub mod easy_to_hard;
mod error;
mod formula;
pub mod job;
pub mod labels;
pub mod ladder;
pub mod leak;
pub mod length_rule;
pub mod logistic;
pub mod misfit;
pub mod naive_bayes;
pub mod pgr;
pub mod probe;
pub mod reliance;
pub mod reward;
pub mod saliency_dial;
pub mod sandwich;
mod seed;
pub mod split;
mod splitmix;
pub mod text_task;
pub mod transfer;
pub mod transformers;
mod trial;

pub use error::Error;
pub use job::{CeilingJob, Job, Scored, SeenJob, StudentJob, TestSet, WeakJob};
pub use labels::{Gold, Labels, Weak};
pub use pgr::{Pgr, Rule, Withheld, pgr, pgr_difference};
pub use seed::Seed;
pub use split::{Part, split};
pub use splitmix::SplitMix;
pub use transfer::{Transfer, transfer};
pub use trial::{Trial, WeakScore};
