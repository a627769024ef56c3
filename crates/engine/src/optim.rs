//! AdamW over a model's trained tensors, learning-rate schedules, clipping by global norm.
//!
//! Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2. Where ours differs from the paper:
//! 1. ε stands outside the root of the bias-corrected second moment, as in PyTorch (rlhf field notes, trap 31).
//! 2. The decay is multiplied by the scheduled learning rate (PyTorch), not by a schedule of its own.
//! 3. Norms and biases (tensors with one axis) are not decayed.

use crate::kernels::adamw::{AdamStep, adamw};
use crate::model::{Grads, Model};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the bias-corrected second moment; 1e-5 is what PPO codes use, 1e-8 PyTorch's default.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// AdamW's state: how many steps were made, and two moments per trained tensor.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// Its constants.
    pub config: AdamWConfig,
    /// Steps made so far.
    pub step: u64,
    moments: Vec<Option<[Vec<f32>; 2]>>,
}

impl AdamW {
    /// Zero moments for the tensors that `mask` names ([`Model::mask`]).
    pub fn new(model: &Model, mask: &[bool], config: AdamWConfig) -> Self {
        let moments = (0..model.tensor_count())
            .map(|id| model.tensor(id).filter(|_| mask[id]).map(|t| [vec![0.0; t.data.len()], vec![0.0; t.data.len()]]))
            .collect();
        Self { config, step: 0, moments }
    }

    /// One step at learning rate `lr`, with gradients multiplied by `grad_scale` (see [`clip_scale`]).
    pub fn step(&mut self, model: &mut Model, grads: &Grads, lr: f64, grad_scale: f64) {
        self.step += 1;
        let t = self.step as f64;
        let c = self.config;
        for (id, slot) in self.moments.iter_mut().enumerate() {
            let (Some([m, v]), Some(g)) = (slot.as_mut(), grads.get(id)) else { continue };
            // Asked for only now: it copies parameters that another model shares.
            if let Some(tensor) = model.tensor_mut(id) {
                let decay = if tensor.shape.len() > 1 { c.weight_decay } else { 0.0 };
                let step = AdamStep {
                    lr: lr as f32,
                    beta1: c.beta1 as f32,
                    beta2: c.beta2 as f32,
                    eps: c.eps as f32,
                    weight_decay: decay as f32,
                    correction1: (1.0 - c.beta1.powf(t)) as f32,
                    correction2: (1.0 - c.beta2.powf(t)) as f32,
                    grad_scale: grad_scale as f32,
                };
                adamw(&mut tensor.data, m, v, g, &step);
            }
        }
    }

    /// Both moments of every trained tensor, in order: what a checkpoint of the optimiser holds beside [`AdamW::step`].
    pub fn state(&self) -> Vec<&[f32]> {
        self.moments.iter().flatten().flat_map(|[m, v]| [m.as_slice(), v.as_slice()]).collect()
    }

    /// The same slices, to be filled from a checkpoint.
    pub fn state_mut(&mut self) -> Vec<&mut [f32]> {
        self.moments.iter_mut().flatten().flat_map(|[m, v]| [m.as_mut_slice(), v.as_mut_slice()]).collect()
    }
}

/// What gradients of norm `norm` are multiplied by so that their norm is at most `limit`; 1 when `limit` is 0.
///
/// ```
/// use trimtab_engine::optim::clip_scale;
/// assert_eq!(clip_scale(0.5, 1.0), 1.0);
/// assert!((clip_scale(4.0, 1.0) - 0.25).abs() < 1e-6);
/// assert_eq!(clip_scale(4.0, 0.0), 1.0);
/// ```
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    // The 1e-6 is PyTorch's.
    if limit > 0.0 { (limit / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// How the learning rate moves after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Stays.
    Constant,
    /// Falls in a line to the floor.
    Linear,
    /// Falls in half a cosine to the floor.
    Cosine,
}

impl Schedule {
    /// Learning rate of optimiser step `step` (from 0) of `total`, with linear warm-up over the first `warmup` steps and
    /// `floor` as the share of `lr` left at the end.
    ///
    /// ```
    /// use trimtab_engine::optim::Schedule;
    /// let lr = |step| Schedule::Linear.lr(1.0, step, 12, 2, 0.0);
    /// assert_eq!([lr(0), lr(1), lr(2), lr(7), lr(12)], [0.5, 1.0, 1.0, 0.5, 0.0]);
    /// ```
    pub fn lr(self, lr: f64, step: u64, total: u64, warmup: u64, floor: f64) -> f64 {
        if step < warmup {
            return lr * (step + 1) as f64 / warmup as f64;
        }
        let span = total.saturating_sub(warmup).max(1) as f64;
        let done = ((step - warmup) as f64 / span).min(1.0);
        let left = match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - done,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        };
        lr * (floor + (1.0 - floor) * left)
    }
}
