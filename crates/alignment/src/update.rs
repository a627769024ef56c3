//! A model that learns: gradients, optimiser, clipping, and the state that makes it resumable.

use crate::config::{Train, TrainKind};
use crate::error::Error;
use crate::example::{Example, Pack, groups};
use crate::loss::next_token_loss;
use std::path::Path;
use trimtab_engine::DropoutSeed;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::Hook;
use trimtab_engine::lora::Adapter;
use trimtab_engine::model::{Grads, Model, Trainable};
use trimtab_engine::optim::{AdamW, clip_scale};
use trimtab_engine::readout::{LogProbGradient, LogProbRows};

/// A model with what training it takes.
#[derive(Debug)]
pub struct Learner {
    /// The model.
    pub model: Model,
    /// Gradients of the step under way.
    pub grads: Grads,
    /// Its optimiser.
    pub optimiser: AdamW,
    /// Activations, reused from pass to pass.
    pub trace: Trace,
    mask: Vec<bool>,
    clip_norm: f64,
}

/// What an optimiser step reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped {
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
}

impl Learner {
    /// Makes `model` trainable as `train` says; a LoRA run gets a fresh adapter unless the model has one already.
    pub fn new(mut model: Model, train: &Train, seed: u64) -> Self {
        let layers = model.config().num_hidden_layers;
        let trainable = match train.kind {
            TrainKind::Lora => {
                if model.adapter.is_none() {
                    model.adapter = Some(Adapter::new(model.config(), train.lora(layers), seed));
                }
                Trainable::Adapter
            }
            TrainKind::Full if train.first_layer(layers) == 0 => Trainable::All,
            TrainKind::Full => Trainable::FromLayer(train.first_layer(layers)),
        };
        let mask = model.mask(trainable);
        let grads = Grads::new(&model, &mask);
        let optimiser = AdamW::new(&model, &mask, train.adamw);
        Self { model, grads, optimiser, trace: Trace::default(), mask, clip_norm: train.clip_norm }
    }

    /// Gradients of the same shape, for a second loss.
    pub fn fresh_grads(&self) -> Grads {
        Grads::new(&self.model, &self.mask)
    }

    /// Adds the gradient of Σ −logp / `normaliser` over the examples' targets, pass by pass; returns Σ −logp / `normaliser`.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn next_token(
        &mut self,
        examples: &[&Example],
        normaliser: f64,
        pass_tokens: usize,
        dropout: DropoutSeed,
        into: Option<&mut Grads>,
    ) -> Result<f64, Error> {
        let Self { model, grads, trace, .. } = self;
        add_next_token((model, trace), into.unwrap_or(grads), examples, normaliser, pass_tokens, dropout, &[])
    }

    /// The same under hooks, through which the gradient goes too.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn next_token_under(
        &mut self,
        hooks: &[Hook],
        examples: &[&Example],
        normaliser: f64,
        pass_tokens: usize,
    ) -> Result<f64, Error> {
        let Self { model, grads, trace, .. } = self;
        add_next_token((model, trace), grads, examples, normaliser, pass_tokens, DropoutSeed(None), hooks)
    }

    /// One optimiser step on the gradients gathered, which are then gone.
    pub fn step(&mut self, lr: f64) -> Stepped {
        let grad_norm = self.grads.norm();
        if grad_norm.is_finite() {
            self.optimiser.step(&mut self.model, &self.grads, lr, clip_scale(grad_norm, self.clip_norm));
        }
        self.grads.reset();
        Stepped { grad_norm }
    }

    /// Trained tensors and optimiser moments as little-endian f32, in the order of tensors.
    pub fn state(&self) -> Vec<u8> {
        let trained = (0..self.mask.len()).filter(|&id| self.mask[id]).filter_map(|id| self.model.tensor(id));
        let slices = trained.map(|t| t.data.as_slice()).chain(self.optimiser.state());
        let mut out = self.optimiser.step.to_le_bytes().to_vec();
        for slice in slices {
            out.reserve(slice.len() * 4);
            for value in slice {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out
    }

    /// Takes up a state that [`Learner::state`] gave.
    ///
    /// # Errors
    /// [`Error::Missing`] if the file cannot be read or is not this learner's.
    pub fn restore(&mut self, file: &Path) -> Result<(), Error> {
        let damaged = |problem: String| Error::Missing {
            path: file.into(),
            problem,
            expected: "the state that this stage saved, with the same settings".into(),
            hint: "remove the stage's folder, so that it starts again".into(),
        };
        let bytes = std::fs::read(file).map_err(|e| damaged(e.to_string()))?;
        let ids: Vec<usize> = (0..self.mask.len()).filter(|&id| self.mask[id]).collect();
        let values: usize = ids.iter().filter_map(|&id| self.model.tensor(id)).map(|t| t.data.len() * 3).sum();
        if bytes.len() != 8 + values * 4 {
            return Err(damaged(format!("has {} bytes instead of {}", bytes.len(), 8 + values * 4)));
        }
        let (step, rest) = bytes.split_at(8);
        self.optimiser.step = u64::from_le_bytes(step.try_into().map_err(|_| damaged("is cut".into()))?);
        let mut values = rest.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut fill = |slice: &mut [f32]| slice.iter_mut().zip(&mut values).for_each(|(to, from)| *to = from);
        for id in ids {
            if let Some(tensor) = self.model.tensor_mut(id) {
                fill(&mut tensor.data);
            }
        }
        self.optimiser.state_mut().into_iter().for_each(fill);
        Ok(())
    }
}

/// Σ −logp and number of targets of each example, without gradients.
///
/// # Errors
/// [`Error::Input`].
pub fn negative_log_likelihoods(
    model: &Model,
    examples: &[&Example],
    pass_tokens: usize,
) -> Result<Vec<(f64, usize)>, Error> {
    let lengths: Vec<usize> = examples.iter().map(|e| e.tokens.len()).collect();
    let mut trace = Trace::default();
    let mut out = Vec::with_capacity(examples.len());
    for group in groups(&lengths, pass_tokens) {
        let group = &examples[group];
        let pack = Pack::of(group.iter().copied());
        model.forward(&pack.batch, &mut trace, Pass { rows: Some(&pack.rows), ..Pass::read() })?;
        let at = LogProbRows { rows: &pack.rows, targets: &pack.targets, temperature: 1.0 };
        let read = model.logprobs(&trace, at, false);
        let mut logp = read.logp.iter().map(|&l| f64::from(l));
        for example in group {
            let sum: f64 = logp.by_ref().take(example.rows.len()).sum();
            out.push((-sum, example.rows.len()));
        }
    }
    Ok(out)
}

/// Adds the gradient of Σ −logp / `normaliser` over the examples' targets to `grads`.
fn add_next_token(
    (model, trace): (&Model, &mut Trace),
    grads: &mut Grads,
    examples: &[&Example],
    normaliser: f64,
    pass_tokens: usize,
    dropout: DropoutSeed,
    hooks: &[Hook],
) -> Result<f64, Error> {
    let lengths: Vec<usize> = examples.iter().map(|e| e.tokens.len()).collect();
    let mut loss = 0.0;
    for group in groups(&lengths, pass_tokens) {
        let pack = Pack::of(examples[group].iter().copied());
        if pack.rows.is_empty() {
            continue;
        }
        let pass = Pass { dropout, hooks, rows: Some(&pack.rows), ..Pass::train(grads) };
        model.forward(&pack.batch, trace, pass)?;
        let at = LogProbRows { rows: &pack.rows, targets: &pack.targets, temperature: 1.0 };
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        let d_logp = vec![(-1.0 / normaliser) as f32; pack.rows.len()];
        let gradient = LogProbGradient { d_logp: &d_logp, d_entropy: &[] };
        let logp = model.logprobs_backward(trace, at, gradient, &mut d_hidden, grads);
        let logp: Vec<f64> = logp.into_iter().map(f64::from).collect();
        loss += next_token_loss(&logp, normaliser).value;
        model.backward(trace, &d_hidden, grads);
    }
    Ok(loss)
}
