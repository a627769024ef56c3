//! Text on its way into a model and out of it: tokenizer, chat templates, training masks, records, dataset readers.
//!
//! 1. The chat template owns special tokens; the tokenizer adds none, so there is one BOS and one end of turn.
//! 2. Text from data cannot forge a turn: strings such as `<|im_end|>` inside a message are encoded as plain text.
//! 3. The border between prompt and answer is a border between tokens: both sides are encoded apart, so the training
//!    ids before it are the ids that the sampler is given.
//! 4. Nothing is dropped silently: what a reader leaves out is in its [`dataset::Counters`].

pub mod chat;
pub mod contain;
pub mod dataset;
pub mod encode;
mod error;
mod fields;
mod folder;
mod gguf;
mod guard;
mod json;
mod locate;
pub mod pack;
mod pair;
mod parquet_counts;
mod parquet_rows;
mod python;
pub mod record;
mod shapes;
mod source;
pub mod split;
mod stream;
pub mod tokenizer;

pub use chat::{ChatTemplate, Message};
pub use encode::{Encoded, encode_answer, encode_chat, encode_chat_by_turn, encode_pair, encode_prompt};
pub use error::{Error, Problem};
pub use gguf::GgufVocab;
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
