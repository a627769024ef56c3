//! Scalable oversight: can a weak supervisor align a stronger model, and when does a figure about it mean something?
//!
//! What a weak-to-strong experiment is made of, each part pure: [`labels`] and [`job`] hold the protocol in types, [`mod@split`]
//! and [`leak`] keep its parts apart, [`mod@pgr`] and [`mod@transfer`] make its figures and say when they mean nothing,
//! [`confidence_loss`] is the method of the paper. [`saliency_dial`] is an experiment whose truth and errors are known by
//! construction, [`ladder`] the control without pretraining on real text, [`misfit`] the theory, checked by numbers.

pub mod confidence_loss;
pub mod debate;
mod error;
pub mod job;
pub mod labels;
pub mod ladder;
pub mod leak;
pub mod length_rule;
pub mod logistic;
pub mod misfit;
pub mod naive_bayes;
pub mod pgr;
pub mod reward;
pub mod saliency_dial;
pub mod split;
mod splitmix;
pub mod text_task;
pub mod transfer;
pub mod transformers;
mod trial;

pub use error::Error;
pub use job::{CeilingJob, Job, Scored, StudentJob, TestSet, WeakJob};
pub use labels::{Gold, Labels, Weak};
pub use pgr::{Pgr, Rule, Withheld, pgr};
pub use split::{Part, split};
pub use splitmix::SplitMix;
pub use transfer::{Transfer, transfer};
pub use trial::{Trial, WeakScore};
