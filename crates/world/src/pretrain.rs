//! Pretraining: a base model of the world, from random weights, on the corpus.
//!
//! Every parameter is trained on next-token prediction, by Muon (the matrices inside the blocks) and AdamW (the rest), with
//! linear warm-up and half a cosine. AdamW alone needs more than twice the steps for the same loss (`docs/results/world.md`).
//!
//! 1. A document is a sequence of its own, ended by [`end_id`]; nothing is predicted across documents.
//! 2. Documents are shuffled anew for every pass through the corpus, and taken in that order until a step has
//!    `batch_tokens` tokens; the loss is the mean over the step's targets, in nats.
//! 3. Weights are drawn from N(0, σ²) with σ = 0.02·√(768/width): GPT-2's 0.02 at GPT-2's width, so that the first
//!    activations are of one size along the ladder.
//! 4. No chat marker is seen here. A base model continues text; turns are what fine-tuning teaches.

use crate::error::Error;
use crate::lexicon::words;
use crate::tokenizer::{end_id, tokenizer_files, vocab_size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::{SaveDtype, save_folder_with};
use trimtab_engine::config::{Architecture, ModelConfig};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::{Grads, Model, Trainable};
use trimtab_engine::muon::Muon;
use trimtab_engine::optim::{AdamWConfig, Schedule, clip_scale};
use trimtab_engine::readout::{LogProbGradient, LogProbRows};
use trimtab_run::stream;
use trimtab_text::Problem;

/// The ladder of sizes by name, with width, SwiGLU width, blocks and heads.
const SIZES: [(&str, [usize; 4]); 6] = [
    ("30k", [32, 96, 1, 2]),
    ("100k", [64, 112, 2, 4]),
    ("300k", [96, 176, 3, 6]),
    ("1M", [128, 256, 6, 4]),
    ("3M", [256, 416, 5, 8]),
    ("5M", [320, 608, 5, 10]),
];

/// Names of the sizes, smallest first.
pub fn sizes() -> [&'static str; 6] {
    SIZES.map(|(name, _)| name)
}

/// The shape of a world model of about so many parameters: a Llama with tied embeddings.
///
/// ```
/// let shape = trimtab_world::size("1M").unwrap();
/// assert!((900_000..1_100_000).contains(&shape.parameter_count()));
/// assert!(trimtab_world::size("2M").is_err());
/// ```
///
/// # Errors
/// [`Error::Config`] for a name that is not of [`sizes`].
pub fn size(name: &str) -> Result<ModelConfig, Error> {
    let Some((_, [width, inner, blocks, heads])) = SIZES.into_iter().find(|(known, _)| *known == name) else {
        let expected = format!("one of {}", sizes().join(", "));
        return Err(Error::config("pretrain.size", format!("there is no size {name:?}"), &expected, ""));
    };
    Ok(ModelConfig {
        architecture: Architecture::Llama,
        vocab_size: vocab_size(),
        hidden_size: width,
        intermediate_size: inner,
        num_hidden_layers: blocks,
        num_attention_heads: heads,
        num_key_value_heads: heads,
        head_dim: width / heads,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: None,
        tie_word_embeddings: true,
        qkv_bias: false,
        qk_norm: false,
        max_position_embeddings: 256,
        sliding_window: None,
        bos_token_id: None,
        eos_token_ids: vec![end_id()],
    })
}

/// Settings of pretraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pretrain {
    /// Name of a size.
    pub size: String,
    /// Optimiser steps.
    pub steps: u64,
    /// Tokens in a step, at most; a longer document stands alone.
    pub batch_tokens: usize,
    /// Largest learning rate.
    pub lr: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Share of `lr` left at the end.
    pub floor: f64,
    /// Limit of the gradient's norm; 0 for none.
    pub clip_norm: f64,
    /// Momentum of the matrices inside the blocks, which Muon trains.
    pub momentum: f64,
    /// The constants of the optimiser of the rest; its decay is that of all matrices.
    pub adamw: AdamWConfig,
}

impl Default for Pretrain {
    fn default() -> Self {
        let adamw = AdamWConfig { beta2: 0.95, weight_decay: 0.01, ..AdamWConfig::default() };
        let (size, steps, batch_tokens) = ("1M".to_owned(), 550, 2048);
        Self { size, steps, batch_tokens, lr: 6e-3, warmup: 30, floor: 0.05, clip_norm: 1.0, momentum: 0.9, adamw }
    }
}

impl Pretrain {
    /// Says whether a model can be trained with these settings.
    ///
    /// # Errors
    /// [`Error::Config`], naming the first key that cannot be right.
    pub fn check(&self) -> Result<(), Error> {
        size(&self.size)?;
        for (field, value) in [("lr", self.lr), ("floor", self.floor), ("clip_norm", self.clip_norm)] {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::config(
                    &format!("pretrain.{field}"),
                    format!("is {value}"),
                    "a number from 0 up",
                    "",
                ));
            }
        }
        if !(0.0..1.0).contains(&self.momentum) {
            let what = format!("is {}", self.momentum);
            return Err(Error::config("pretrain.momentum", what, "a number from 0 up and below 1", ""));
        }
        if self.steps == 0 || self.batch_tokens == 0 {
            let what = format!("{} steps of {} tokens", self.steps, self.batch_tokens);
            return Err(Error::config("pretrain.steps", what, "at least one step of one token", ""));
        }
        Ok(())
    }
}

/// A step that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Its number, from 1.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Mean loss over its targets before the step, in nats.
    pub loss: f64,
    /// Its learning rate.
    pub lr: f64,
    /// Tokens read so far.
    pub tokens: u64,
}

/// Trains a model on the documents; `progress` hears of each step and may end training after it, which keeps the model
/// as it is then. Equal arguments give equal weights.
///
/// # Errors
/// [`Error::Config`] for settings that cannot be right; [`Error::Training`] where there is nothing to learn from, or the
/// loss stops being a number.
pub fn pretrain(
    documents: &[String],
    settings: &Pretrain,
    seed: u64,
    progress: impl FnMut(Pretrained) -> ControlFlow<()>,
) -> Result<Model, Error> {
    settings.check()?;
    let shape = size(&settings.size)?;
    let std = 0.02 * (768.0 / shape.hidden_size as f32).sqrt();
    let model = Model::random(&shape, std, stream(seed, "world/pretrain/weights", 0, 0).next_u64());
    read_on(model, &encode(documents), settings, seed, progress)
}

/// Trains a model further on texts as token ids, every token of them to be predicted, as [`pretrain`] does from random weights. Of
/// the settings, `size` is not looked at. Equal arguments give equal weights.
///
/// # Errors
/// As [`pretrain`].
pub fn read_on(
    model: Model,
    sequences: &[Vec<u32>],
    settings: &Pretrain,
    seed: u64,
    progress: impl FnMut(Pretrained) -> ControlFlow<()>,
) -> Result<Model, Error> {
    answer(model, sequences, |_| 1, settings, seed, progress)
}

/// As [`read_on`], where of each text what stands before the place `from` is given, and what follows is to be predicted.
///
/// # Errors
/// As [`pretrain`].
pub fn answer(
    mut model: Model,
    sequences: &[Vec<u32>],
    from: impl Fn(&[u32]) -> usize,
    settings: &Pretrain,
    seed: u64,
    mut progress: impl FnMut(Pretrained) -> ControlFlow<()>,
) -> Result<Model, Error> {
    settings.check()?;
    let limit = model.config().max_position_embeddings;
    if let Some(place) = sequences.iter().position(|s| s.len() > limit) {
        let what = format!("document {} has {} tokens with its end", place + 1, sequences[place].len());
        return Err(training(what, &format!("at most {limit}"), "shorter documents"));
    }
    if sequences.iter().all(|s| s.len() < 2) {
        return Err(training("no document has a word".into(), "documents to predict", "a corpus of this world"));
    }
    let mask = model.mask(Trainable::All);
    let mut grads = Grads::new(&model, &mask);
    let mut optimiser = Muon::new(&model, &mask, settings.momentum, settings.adamw);
    let mut trace = Trace::default();
    let mut order = Order::new(sequences.len(), seed);
    let mut tokens = 0;
    for step in 0..settings.steps {
        let pack = Pack::of(order.take(sequences, settings.batch_tokens), &from);
        // Where nearly all rows are read, sparing the others would only cost.
        let few = pack.rows.len() < pack.batch.len() / 2;
        let pass = Pass { rows: few.then_some(&pack.rows), ..Pass::train(&grads) };
        model.forward(&pack.batch, &mut trace, pass).map_err(|e| training(e.to_string(), "", ""))?;
        let at = LogProbRows { rows: &pack.rows, targets: &pack.targets, temperature: 1.0 };
        let d_logp = vec![-1.0 / pack.rows.len() as f32; pack.rows.len()];
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        let gradient = LogProbGradient { d_logp: &d_logp, d_entropy: &[] };
        let logp = model.logprobs_backward(&trace, at, gradient, &mut d_hidden, &mut grads);
        let loss = -logp.iter().map(|&l| f64::from(l)).sum::<f64>() / logp.len() as f64;
        model.backward(&mut trace, &d_hidden, &mut grads);
        let norm = grads.norm();
        if !(loss.is_finite() && norm.is_finite()) {
            let what = format!("loss {loss} and gradient norm {norm} at step {}", step + 1);
            return Err(training(what, "finite numbers", "a smaller lr, or a longer warmup"));
        }
        let lr = Schedule::Cosine.lr(settings.lr, step, settings.steps, settings.warmup, settings.floor);
        optimiser.step(&mut model, &grads, lr, clip_scale(norm, settings.clip_norm));
        grads.reset();
        tokens += pack.batch.len() as u64;
        if progress(Pretrained { step: step + 1, steps: settings.steps, loss, lr, tokens }).is_break() {
            break;
        }
    }
    Ok(model)
}

/// Mean next-token loss of a model on documents, in nats, and the number of targets; none where there is no target.
///
/// # Errors
/// [`Error::Training`] for a model whose embedding or context is too small for the documents.
pub fn corpus_loss(model: &Model, documents: &[String]) -> Result<Option<(f64, usize)>, Error> {
    let (mut trace, mut sum, mut count) = (Trace::default(), 0.0, 0);
    for group in encode(documents).chunks(128) {
        let pack = Pack::of(group.iter().filter(|sequence| sequence.len() > 1), |_| 1);
        if pack.rows.is_empty() {
            continue;
        }
        model.forward(&pack.batch, &mut trace, Pass::read()).map_err(|e| training(e.to_string(), "", ""))?;
        let at = LogProbRows { rows: &pack.rows, targets: &pack.targets, temperature: 1.0 };
        sum -= model.logprobs(&trace, at, false).logp.iter().map(|&l| f64::from(l)).sum::<f64>();
        count += pack.rows.len();
    }
    Ok((count > 0).then(|| (sum / count as f64, count)))
}

/// Writes a model as an ordinary checkpoint folder, with the world's tokenizer and chat template.
///
/// # Errors
/// [`Error::Checkpoint`]: the disk refuses, or a weight is not finite.
pub fn save(path: &Path, model: &Model) -> Result<(), Error> {
    // The engine writes generation_config.json no more than it does a tokenizer, so all of them are handed on.
    let files = tokenizer_files();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    save_folder_with(path, &model.to_params(), SaveDtype::F32, &serde_json::Map::new(), &files)?;
    Ok(())
}

/// Token ids of documents, each ended by [`end_id`]: what the tokenizer gives, by looking words up. An unknown word is 0.
pub fn encode(documents: &[String]) -> Vec<Vec<u32>> {
    let words = words();
    let ids: BTreeMap<&str, u32> = words.iter().enumerate().map(|(id, word)| (word.as_str(), id as u32)).collect();
    let end = end_id();
    let of = |document: &String| {
        let known = document.split_whitespace().map(|word| ids.get(word).copied().unwrap_or(0));
        known.chain([end]).collect()
    };
    documents.iter().map(of).collect()
}

fn training(what: String, expected: &str, hint: &str) -> Error {
    Error::Training(Problem::new("pretraining", what, expected, hint))
}

/// The order of documents: each pass through the corpus shuffled on its own.
struct Order {
    seed: u64,
    pass: u64,
    left: Vec<usize>,
    count: usize,
}

impl Order {
    fn new(count: usize, seed: u64) -> Self {
        Self { seed, pass: 0, left: Vec::new(), count }
    }

    /// The next documents, up to `limit` tokens, at least one with something to predict.
    fn take<'a>(&mut self, sequences: &'a [Vec<u32>], limit: usize) -> Vec<&'a Vec<u32>> {
        let (mut taken, mut tokens) = (Vec::new(), 0);
        loop {
            let Some(&next) = self.left.last() else {
                self.left = (0..self.count).collect();
                stream(self.seed, "world/pretrain/order", self.pass, 0).shuffle(&mut self.left);
                self.pass += 1;
                continue;
            };
            let sequence = &sequences[next];
            if !taken.is_empty() && tokens + sequence.len() > limit {
                return taken;
            }
            self.left.pop();
            if sequence.len() > 1 {
                tokens += sequence.len();
                taken.push(sequence);
            }
        }
    }
}

/// Sequences laid end to end, and what is predicted in them.
struct Pack {
    batch: PackedBatch,
    rows: Vec<usize>,
    targets: Vec<u32>,
}

impl Pack {
    /// Of each sequence what stands before the place `from`, at least one token, is given.
    fn of<'a>(sequences: impl IntoIterator<Item = &'a Vec<u32>>, from: impl Fn(&[u32]) -> usize) -> Self {
        let mut pack = Self { batch: PackedBatch::new(), rows: Vec::new(), targets: Vec::new() };
        for sequence in sequences {
            let at = pack.batch.push(sequence);
            let from = from(sequence).clamp(1, sequence.len() - 1);
            pack.rows.extend(at.start + from - 1..at.end - 1);
            pack.targets.extend(&sequence[from..]);
        }
        pack
    }
}
