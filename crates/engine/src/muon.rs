//! Muon: momentum whose update of every matrix is made orthogonal, and AdamW for all else.
//!
//! Jordan et al. 2024, *Muon: an optimizer for hidden layers in neural networks* (kellerjordan.github.io/posts/muon); scaled
//! as Liu et al. 2025, *Muon is scalable for LLM training*, arXiv:2502.16982, section 2.2. Where ours differs:
//! 1. Five Newton–Schulz iterations with Jordan's coefficients, in f32 instead of bf16.
//! 2. An update `[r, c]` is multiplied by 0.2·√max(r, c) (Liu et al., equation 4), which gives it the root mean square of
//!    an AdamW update: one learning rate, schedule and decay serve both.
//! 3. The embedding, the output matrix, norms and biases, an adapter and a head are AdamW's; the first four as both
//!    sources advise.
//! 4. Gradients are clipped by their global norm first, as AdamW's are. The momentum alone feels it: an orthogonal update
//!    has no memory of a gradient's size.

use crate::kernels::matmul::gemm_serial;
use crate::model::{Grads, Model};
use crate::optim::{AdamW, AdamWConfig};
use crate::params::Params;
use rayon::prelude::*;

/// Jordan's coefficients of s, s³ and s⁵.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// Iterations on an update.
const ITERATIONS: usize = 5;

/// The root mean square of an AdamW update, as measured by Liu et al.
const RMS: f32 = 0.2;

/// What one Newton–Schulz iteration makes of a singular value: as + bs³ + cs⁵ (Jordan et al. 2024).
///
/// ```
/// use trimtab_engine::muon::newton_schulz;
/// assert_eq!(newton_schulz(0.0), 0.0);
/// // 3.4445 - 4.7750 + 2.0315
/// assert!((newton_schulz(1.0) - 0.7010).abs() < 1e-12);
/// // 1.72225 - 0.596875 + 0.063484375
/// assert!((newton_schulz(0.5) - 1.188859375).abs() < 1e-12);
/// ```
pub fn newton_schulz(s: f64) -> f64 {
    let [a, b, c] = COEFFICIENTS;
    a * s + b * s.powi(3) + c * s.powi(5)
}

/// Muon's state: a momentum for every matrix inside the blocks, AdamW's moments for the rest.
#[derive(Debug, Clone)]
pub struct Muon {
    /// Decay of the momentum, which Nesterov's look-ahead uses too.
    pub momentum: f64,
    rest: AdamW,
    momenta: Vec<Option<Vec<f32>>>,
}

impl Muon {
    /// Zero momenta for the tensors that `mask` names ([`Model::mask`]); `config` is AdamW's for the rest, and its decay
    /// is that of all matrices.
    pub fn new(model: &Model, mask: &[bool], momentum: f64, config: AdamWConfig) -> Self {
        let outer = [Params::EMBED, model.params.lm_head()];
        let is_hidden =
            |id: usize| model.params.tensors.get(id).is_some_and(|t| t.shape.len() == 2) && !outer.contains(&id);
        let hidden: Vec<bool> = mask.iter().enumerate().map(|(id, &trained)| trained && is_hidden(id)).collect();
        let rest: Vec<bool> = mask.iter().zip(&hidden).map(|(&trained, &hidden)| trained && !hidden).collect();
        let zeros = |id: usize| model.tensor(id).filter(|_| hidden[id]).map(|t| vec![0.0; t.data.len()]);
        let momenta = (0..model.tensor_count()).map(zeros).collect();
        Self { momentum, rest: AdamW::new(model, &rest, config), momenta }
    }

    /// One step at learning rate `lr`, with gradients multiplied by `grad_scale` ([`crate::optim::clip_scale`]).
    pub fn step(&mut self, model: &mut Model, grads: &Grads, lr: f64, grad_scale: f64) {
        self.rest.step(model, grads, lr, grad_scale);
        let (mu, scale) = (self.momentum as f32, grad_scale as f32);
        let updates: Vec<(usize, Vec<f32>)> = self
            .momenta
            .par_iter_mut()
            .enumerate()
            .filter_map(|(id, slot)| {
                let (momentum, gradient, tensor) = (slot.as_mut()?, grads.get(id)?, model.tensor(id)?);
                let [rows, columns] = tensor.shape[..] else { return None };
                let look_ahead = momentum.iter_mut().zip(gradient).map(|(m, &g)| {
                    *m = mu * *m + scale * g;
                    mu * *m + scale * g
                });
                let mut update: Vec<f32> = look_ahead.collect();
                orthogonalise(&mut update, rows, columns);
                Some((id, update))
            })
            .collect();
        let keep = 1.0 - (lr * self.rest.config.weight_decay) as f32;
        for (id, update) in updates {
            // Asked for only now: it copies parameters that another model shares.
            if let Some(tensor) = model.tensor_mut(id) {
                let rate = lr as f32 * RMS * tensor.shape.iter().max().map_or(0.0, |&side| (side as f32).sqrt());
                tensor.data.iter_mut().zip(&update).for_each(|(p, &u)| *p = *p * keep - rate * u);
            }
        }
    }
}

/// Replaces `x [rows, columns]` by a matrix with its singular vectors and singular values near 1: [`newton_schulz`] five
/// times on those of x/‖x‖, as X ← aX + (bA + cA²)X with A = XXᵀ. Zeros stay zeros.
///
/// # Panics
/// If the slice does not have its shape.
pub fn orthogonalise(x: &mut [f32], rows: usize, columns: usize) {
    assert!(rows.checked_mul(columns) == Some(x.len()), "x [{rows}, {columns}]");
    let norm = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt() as f32;
    if norm == 0.0 {
        return;
    }
    for v in x.iter_mut() {
        *v /= norm;
    }
    let [a, b, c] = COEFFICIENTS.map(|v| v as f32);
    // The Gram matrix of the smaller side: A = XXᵀ on the left of a wide matrix, XᵀX on the right of a tall one.
    let (n, deep, wide) = (rows.min(columns), rows.max(columns), rows <= columns);
    let (lane, depth) = if wide { (columns, 1) } else { (1, columns) };
    let (mut gram, mut factor, mut next) = (vec![0.0; n * n], vec![0.0; n * n], vec![0.0; x.len()]);
    for _ in 0..ITERATIONS {
        add_gram(&mut gram, x, [lane, depth], deep, 1.0, 0.0);
        factor.copy_from_slice(&gram);
        add_gram(&mut factor, &gram, [n, 1], n, c, b);
        (0..n).for_each(|i| factor[i * n + i] += a);
        if wide {
            gemm_serial(rows, columns, n, 1.0, &factor, n, 1, x, columns, 1, 0.0, &mut next, columns);
        } else {
            gemm_serial(rows, columns, n, 1.0, x, columns, 1, &factor, n, 1, 0.0, &mut next, columns);
        }
        x.copy_from_slice(&next);
    }
}

/// `out = alpha · XXᵀ + beta · out` of X `[n, deep]` with the given strides, where `out [n, n]` is symmetric: only what lies on and
/// above the diagonal is computed, by blocks, and mirrored, to the same bits.
fn add_gram(out: &mut [f32], x: &[f32], [lane, depth]: [usize; 2], deep: usize, alpha: f32, beta: f32) {
    /// Of 128 columns, two thirds are computed; in smaller blocks more time goes into each than they spare.
    const BLOCK: usize = 48;
    let n = out.len().isqrt();
    for at in (0..n).step_by(BLOCK) {
        let (rows, from) = (BLOCK.min(n - at), &x[at * lane..]);
        gemm_serial(rows, n - at, deep, alpha, from, lane, depth, from, depth, lane, beta, &mut out[at * n + at..], n);
        for i in at + rows..n {
            for j in at..at + rows {
                out[i * n + j] = out[j * n + i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::noise;

    /// I − 2uuᵀ/‖u‖², an orthogonal matrix.
    fn reflection(n: usize, seed: u64) -> Vec<f64> {
        let u: Vec<f64> = noise(n, seed).into_iter().map(f64::from).collect();
        let norm2: f64 = u.iter().map(|v| v * v).sum();
        (0..n * n).map(|at| f64::from(at / n == at % n) - 2.0 * u[at / n] * u[at % n] / norm2).collect()
    }

    /// U · diag(s) · Vᵀ, `[rows, columns]`.
    fn composed(rows: usize, columns: usize, singular: &[f64]) -> Vec<f32> {
        let (u, v) = (reflection(rows, 1), reflection(columns, 2));
        let entry = |i: usize, j: usize| -> f64 {
            singular.iter().enumerate().map(|(k, s)| u[i * rows + k] * s * v[k * columns + j]).sum()
        };
        (0..rows * columns).map(|at| entry(at / columns, at % columns) as f32).collect()
    }

    /// The matrix iteration against the scalar one on planted singular values, for wide, square and tall matrices.
    #[test]
    fn only_the_singular_values_change() {
        for (rows, columns) in [(5, 12), (12, 12), (12, 5), (1, 7)] {
            let singular: Vec<f64> = (0..rows.min(columns)).map(|k| 3.0 / (k + 1) as f64).collect();
            let norm = singular.iter().map(|s| s * s).sum::<f64>().sqrt();
            let after: Vec<f64> = singular.iter().map(|s| (0..5).fold(s / norm, |s, _| newton_schulz(s))).collect();
            assert!(after.iter().all(|s| (0.6..1.3).contains(s)), "{after:?}");
            let mut x = composed(rows, columns, &singular);
            orthogonalise(&mut x, rows, columns);
            for (got, want) in x.iter().zip(composed(rows, columns, &after)) {
                assert!((got - want).abs() < 1e-4, "[{rows}, {columns}]: {got} for {want}");
            }
        }
    }

    /// Half of a symmetric product, mirrored, is all of it: on either side of X, and added to what is symmetric already.
    #[test]
    fn a_mirrored_half_is_the_whole_product() {
        for n in [1, 47, 48, 130] {
            let (deep, x) = (70, noise(n * 70, 3));
            for strides in [[deep, 1], [1, n]] {
                let whole = |alpha: f32, beta: f32, c: &mut [f32]| {
                    let [lane, depth] = strides;
                    gemm_serial(n, n, deep, alpha, &x, lane, depth, &x, depth, lane, beta, c, n);
                };
                let (mut want, mut got) = (vec![0.0; n * n], vec![0.0; n * n]);
                for (alpha, beta) in [(1.0, 0.0), (-0.7, 2.0)] {
                    whole(alpha, beta, &mut want);
                    add_gram(&mut got, &x, strides, deep, alpha, beta);
                    assert_eq!(got, want, "{n}, {strides:?}");
                }
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        let mut x = vec![0.0; 12];
        orthogonalise(&mut x, 3, 4);
        assert_eq!(x, vec![0.0; 12]);
    }
}
