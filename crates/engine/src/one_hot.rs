//! The gradient of a loss with respect to its input tokens as one-hot vectors: what replacing a token would do, to first order.
//!
//! Ebrahimi et al. 2018, *HotFlip*, [arXiv:1712.06751](https://arxiv.org/abs/1712.06751), section 3.1. An input embedding is the one-hot
//! vector times the embedding matrix E, so the gradient is ∂loss/∂embedding · Eᵀ. E's own gradient is never formed.

use crate::batch::{InputError, PackedBatch};
use crate::forward::{Pass, Trace};
use crate::kernels::matmul::matmul_nt;
use crate::model::{Grads, Model};
use crate::params::Params;
use crate::readout::{LogProbGradient, LogProbRows};
use std::ops::Range;

/// A loss and its gradient with respect to one-hot tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct OneHot {
    /// Mean of −ln p over the targets, in nats.
    pub loss: f64,
    /// ∂loss/∂one-hot, `[rows, vocab_size]`: that of the present token as well, so that the difference of two entries is the change
    /// that a replacement promises.
    pub gradient: Vec<f32>,
}

impl Model {
    /// The mean loss of the targets of `at`, and its gradient with respect to the one-hot vectors of the tokens at `rows`, places in the
    /// batch. `trace` is memory to reuse.
    ///
    /// # Errors
    /// As [`Model::forward`].
    ///
    /// # Panics
    /// If `rows` lie outside the batch, or the slices of `at` do not fit together.
    pub fn one_hot_gradient(
        &self,
        batch: &PackedBatch,
        trace: &mut Trace,
        at: LogProbRows<'_>,
        rows: Range<usize>,
    ) -> Result<OneHot, InputError> {
        let (v, d) = (self.config().vocab_size, self.config().hidden_size);
        let mut grads = Grads::new(self, &vec![false; self.tensor_count()]);
        self.forward(batch, trace, Pass { input_gradient: true, rows: Some(at.rows), ..Pass::train(&grads) })?;
        let count = at.targets.len().max(1) as f32;
        let mut d_hidden = vec![0.0; batch.len() * d];
        let d_logp = vec![-1.0 / count; at.targets.len()];
        let gradient = LogProbGradient { d_logp: &d_logp, d_entropy: &[] };
        let logp = self.logprobs_backward(trace, at, gradient, &mut d_hidden, &mut grads);
        let mut out = vec![0.0; rows.len() * v];
        // Kept from the lowest block on, so there is always a gradient of the input.
        if let Some(dx) = self.backward(trace, &d_hidden, &mut grads) {
            let dx = &dx[rows.start * d..rows.end * d];
            matmul_nt(&mut out, dx, self.params.get(Params::EMBED), rows.len(), v, d, false);
        }
        let loss = -logp.iter().map(|&l| f64::from(l)).sum::<f64>() / f64::from(count);
        Ok(OneHot { loss, gradient: out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Architecture, ModelConfig};

    fn loss(model: &Model, batch: &PackedBatch, at: LogProbRows<'_>, embeddings: Option<&[f32]>) -> f64 {
        let mut trace = Trace::default();
        model.forward(batch, &mut trace, Pass { embeddings, ..Pass::read() }).unwrap();
        let logp = model.logprobs(&trace, at, false).logp;
        -logp.iter().map(|&l| f64::from(l)).sum::<f64>() / logp.len() as f64
    }

    /// Law: the gradient is the slope of the loss along each row of the embedding matrix, by differences of fourth order, for tied and untied
    /// embeddings and for norms of queries and keys; the loss is that of a plain pass.
    #[test]
    fn it_is_the_slope_by_finite_differences() {
        for (architecture, tied) in
            [(Architecture::Llama, true), (Architecture::Llama, false), (Architecture::Qwen3, false)]
        {
            let config = ModelConfig {
                architecture,
                tie_word_embeddings: tied,
                qk_norm: architecture == Architecture::Qwen3,
                ..ModelConfig::tiny()
            };
            let model = Model::random(&config, 0.3, 7);
            let mut batch = PackedBatch::new();
            let tokens = [3, 1, 4, 1, 5, 2, 6];
            batch.push(&tokens);
            let (rows, targets) = ([4, 5], [2, 6]);
            let at = LogProbRows { rows: &rows, targets: &targets, temperature: 1.0 };
            let found = model.one_hot_gradient(&batch, &mut Trace::default(), at, 1..4).unwrap();
            assert!((found.loss - loss(&model, &batch, at, None)).abs() < 1e-6);
            let (d, v) = (config.hidden_size, config.vocab_size);
            let mut plain = Vec::new();
            model.embed(&mut plain, &tokens);
            let table = model.params.get(Params::EMBED).to_vec();
            for place in 0..3 {
                for token in (0..v).step_by(5) {
                    let shifted = |by: f32| {
                        let mut x = plain.clone();
                        let row = &mut x[(1 + place) * d..][..d];
                        row.iter_mut().zip(&table[token * d..]).for_each(|(x, e)| *x += by * e);
                        loss(&model, &batch, at, Some(&x))
                    };
                    // Four points: the loss bends too much for two, and f32 forbids smaller steps.
                    let step = 4e-3;
                    let near = shifted(step) - shifted(-step);
                    let far = shifted(2.0 * step) - shifted(-2.0 * step);
                    let slope = (8.0 * near - far) / f64::from(12.0 * step);
                    let got = f64::from(found.gradient[place * v + token]);
                    assert!((slope - got).abs() < 2e-3 * (1.0 + slope.abs()), "{place} {token}: {slope} {got}");
                }
            }
        }
    }
}
