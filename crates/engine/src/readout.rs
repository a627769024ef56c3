//! Readouts of the final hidden states, and the way back from gradients of readouts to gradients of hidden states.
//!
//! The vocabulary matrix never becomes a full logits tensor: rows go through in chunks, and a chunk of logits lives only
//! until it has been turned into its log-sum-exp or its gradient.

use crate::forward::Trace;
use crate::kernels::matmul::{matmul_nn, matmul_nt, matmul_tn};
use crate::kernels::vector::{axpy, logit_gradient, max, mean_logit, sum_exp};
use crate::model::{Grads, Model};
use rayon::prelude::*;

/// Rows whose logits are alive at a time: at 49,152 tokens of vocabulary, 50 MB.
const CHUNK: usize = 256;

/// Log-probabilities of given tokens at given rows, and what their gradient will need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogProbs {
    /// ln p(target | row) in nats, at the temperature asked for.
    pub logp: Vec<f32>,
    /// Entropy of each row's next-token distribution in nats, where asked for; else empty.
    pub entropy: Vec<f32>,
    /// log-sum-exp of each row's logits over temperature.
    lse: Vec<f32>,
}

/// Which log-probabilities are read: `targets[i]` at row `rows[i]`. Rows may repeat, as prompts shared by answers do.
#[derive(Debug, Clone, Copy)]
pub struct LogProbRows<'a> {
    /// Rows of the packed batch.
    pub rows: &'a [usize],
    /// The token each row is asked about.
    pub targets: &'a [u32],
    /// Logits are divided by this first, in sampling and in training alike.
    pub temperature: f32,
}

/// ∂loss/∂readout of [`LogProbs`].
#[derive(Debug, Clone, Copy)]
pub struct LogProbGradient<'a> {
    /// ∂loss/∂logp, one per row.
    pub d_logp: &'a [f32],
    /// ∂loss/∂entropy, one per row, or empty for none.
    pub d_entropy: &'a [f32],
}

impl Model {
    fn gather(&self, hidden: &[f32], rows: &[usize]) -> Vec<f32> {
        let d = self.config().hidden_size;
        let mut out = Vec::with_capacity(rows.len() * d);
        for &r in rows {
            out.extend_from_slice(&hidden[r * d..][..d]);
        }
        out
    }

    /// Full logits of the given rows, `[rows, vocab_size]`; for sampling and for comparing with other stacks.
    pub fn logits(&self, trace: &Trace, rows: &[usize]) -> Vec<f32> {
        let (v, d) = (self.config().vocab_size, self.config().hidden_size);
        let h = self.gather(&trace.hidden, rows);
        let mut out = vec![0.0; rows.len() * v];
        matmul_nt(&mut out, &h, self.params.get(self.params.lm_head()), rows.len(), v, d, false);
        out
    }

    /// Log-probabilities (and entropies) of given tokens at given rows.
    ///
    /// # Panics
    /// If `rows` and `targets` differ in length or name rows outside the batch.
    pub fn logprobs(&self, trace: &Trace, at: LogProbRows<'_>, entropy: bool) -> LogProbs {
        assert_eq!(at.rows.len(), at.targets.len(), "one target per row");
        let (v, d) = (self.config().vocab_size, self.config().hidden_size);
        let rate = 1.0 / at.temperature;
        let w = self.params.get(self.params.lm_head());
        let mut out = LogProbs::default();
        let mut z = Vec::new();
        for (rows, targets) in at.rows.chunks(CHUNK).zip(at.targets.chunks(CHUNK)) {
            let h = self.gather(&trace.hidden, rows);
            z.resize(rows.len() * v, 0.0);
            matmul_nt(&mut z, &h, w, rows.len(), v, d, false);
            let read: Vec<[f32; 3]> = z
                .par_chunks(v)
                .zip(targets)
                .map(|(z, &target)| {
                    let lse = log_sum_exp(z, rate);
                    let h = if entropy { (lse - mean_logit(z, lse, rate)).max(0.0) } else { 0.0 };
                    [z[target as usize] * rate - lse, lse, h]
                })
                .collect();
            for [logp, lse, h] in read {
                out.logp.push(logp);
                out.lse.push(lse);
                if entropy {
                    out.entropy.push(h);
                }
            }
        }
        out
    }

    /// Gradient of log-probabilities and entropies: adds to `d_hidden` `[tokens, hidden_size]` and to the output matrix's
    /// gradient. Recomputes each chunk of logits, and returns the log-probabilities that it meets on the way, so that a
    /// loss whose `d_logp` is known beforehand (next-token prediction) needs no [`Model::logprobs`] before it.
    ///
    /// # Panics
    /// If the slices do not fit together.
    pub fn logprobs_backward(
        &self,
        trace: &Trace,
        at: LogProbRows<'_>,
        gradient: LogProbGradient<'_>,
        d_hidden: &mut [f32],
        grads: &mut Grads,
    ) -> Vec<f32> {
        assert!(at.rows.len() == at.targets.len() && gradient.d_logp.len() == at.rows.len(), "one gradient per row");
        assert!(gradient.d_entropy.is_empty() || gradient.d_entropy.len() == at.rows.len(), "one gradient per row");
        let (v, d) = (self.config().vocab_size, self.config().hidden_size);
        let rate = 1.0 / at.temperature;
        let head = self.params.lm_head();
        let w = self.params.get(head);
        let mut logps = Vec::with_capacity(at.rows.len());
        let (mut z, mut dh) = (Vec::new(), Vec::new());
        for start in (0..at.rows.len()).step_by(CHUNK) {
            let end = (start + CHUNK).min(at.rows.len());
            let rows = &at.rows[start..end];
            let h = self.gather(&trace.hidden, rows);
            z.resize(rows.len() * v, 0.0);
            dh.resize(rows.len() * d, 0.0);
            matmul_nt(&mut z, &h, w, rows.len(), v, d, false);
            let met: Vec<f32> = z
                .par_chunks_mut(v)
                .enumerate()
                .map(|(i, z)| {
                    let target = at.targets[start + i] as usize;
                    let d_logp = gradient.d_logp[start + i];
                    let d_entropy = gradient.d_entropy.get(start + i).copied().unwrap_or(0.0);
                    let lse = log_sum_exp(z, rate);
                    let logp = z[target] * rate - lse;
                    let entropy = if d_entropy == 0.0 { 0.0 } else { lse - mean_logit(z, lse, rate) };
                    logit_gradient(z, lse, rate, d_logp, d_entropy, entropy);
                    z[target] += rate * d_logp;
                    logp
                })
                .collect();
            logps.extend(met);
            matmul_nn(&mut dh, &z, w, rows.len(), v, d, false);
            for (row, dh) in rows.iter().zip(dh.chunks_exact(d)) {
                axpy(&mut d_hidden[row * d..][..d], 1.0, dh);
            }
            if let Some((dw, add)) = grads.target(head) {
                matmul_tn(dw, &z, &h, rows.len(), v, d, add);
            }
        }
        logps
    }

    /// The head's outputs at given rows, `[rows, classes]`; empty without a head.
    pub fn scores(&self, trace: &Trace, rows: &[usize]) -> Vec<f32> {
        let Some(head) = &self.head else { return Vec::new() };
        let (classes, d) = (head.shape[0], self.config().hidden_size);
        let mut out = vec![0.0; rows.len() * classes];
        matmul_nt(&mut out, &self.gather(&trace.hidden, rows), &head.data, rows.len(), classes, d, false);
        out
    }

    /// Gradient of the head's outputs: adds to `d_hidden` and to the head's own gradient.
    ///
    /// # Panics
    /// If `d_scores` is not `[rows, classes]`.
    pub fn scores_backward(
        &self,
        trace: &Trace,
        rows: &[usize],
        d_scores: &[f32],
        d_hidden: &mut [f32],
        grads: &mut Grads,
    ) {
        let Some(head) = &self.head else { return };
        let (classes, d) = (head.shape[0], self.config().hidden_size);
        assert_eq!(d_scores.len(), rows.len() * classes, "one gradient per row and class");
        let mut dh = vec![0.0; rows.len() * d];
        matmul_nn(&mut dh, d_scores, &head.data, rows.len(), classes, d, false);
        for (row, dh) in rows.iter().zip(dh.chunks_exact(d)) {
            axpy(&mut d_hidden[row * d..][..d], 1.0, dh);
        }
        if let Some((dw, add)) = grads.target(self.head_id()) {
            matmul_tn(dw, d_scores, &self.gather(&trace.hidden, rows), rows.len(), classes, d, add);
        }
    }
}

/// Logits to log-probabilities in nats, in place.
///
/// ```
/// let mut z = [1.0, 1.0];
/// trimtab_engine::readout::log_softmax(&mut z);
/// assert!((z[0] - 0.5f32.ln()).abs() < 1e-6);
/// ```
pub fn log_softmax(logits: &mut [f32]) {
    let lse = log_sum_exp(logits, 1.0);
    for z in logits.iter_mut() {
        *z -= lse;
    }
}

/// ln Σ exp(z·rate).
pub(crate) fn log_sum_exp(z: &[f32], rate: f32) -> f32 {
    let top = max(z);
    top * rate + sum_exp(z, top, rate).ln()
}
