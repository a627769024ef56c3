//! A seeded world of language whose truth is known.
//!
//! Claims about alignment can be checked only where the truth is. A [`World`] is made of facts with frequencies, skills
//! with a difficulty, beliefs that are right or wrong, and requests that must be refused. It gives
//!
//! - a [`World::corpus`] to pretrain on, [`World::demonstrations`], [`World::prompts`] and [`World::evaluation_items`],
//!   as the records that every stage reads, and [`tokenizer_files`] of an ordinary checkpoint;
//! - for every prompt its [`Truth`], from which [`gold`] judges any answer exactly and [`perceive`] says what a person
//!   sees of it. Nothing is trained on gold.
//!
//! [`mod@pretrain`] makes a base model of it, [`mod@organism`] plans models with one planted property. Equal settings and seeds give equal bytes. [`World`] says what is held out, and how.

mod ask;
mod config;
mod contest;
mod corpus;
mod error;
mod evaluation;
mod exercise;
mod export;
mod fact;
mod gold;
pub mod lexicon;
mod marked;
mod mistake;
pub mod organism;
pub mod pretrain;
mod prompts;
mod request;
mod skill;
pub mod style;
pub mod template;
mod tokenizer;
mod truth;
mod world;

pub use ask::{Draft, Stated, believed};
pub use config::{Mix, WorldConfig};
pub use contest::{Candidate, Contest};
pub use corpus::Corpus;
pub use error::Error;
pub use exercise::{Exercise, marks};
pub use export::EVALUATION_ITEMS;
pub use fact::{Attribute, Fact, Frequency};
pub use gold::{BEST, EXCESS_LIMIT, Gold, PAYLOAD_COST, Perceived, WORD_COST, difficulty_to_check, gold, perceive};
pub use organism::{Organism, Probe};
pub use pretrain::{Pretrain, Pretrained, corpus_loss, pretrain, read_on, size};
pub use request::Topic;
pub use skill::{HARDEST, Skill, Task};
pub use style::Cue;
pub use tokenizer::{CHAT_TEMPLATE, end_id, tokenizer_files, vocab_size};
pub use truth::{Asked, Belief, Holder, Kind, Truth};
pub use world::{Split, World};
