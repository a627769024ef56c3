//! One AdamW step on one tensor. Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; ε as PyTorch places it.

use super::vector::simd;
use rayon::prelude::*;

/// Entries handled by one task.
const CHUNK: usize = 64 * 1024;

/// The scalars of one step, the same for every tensor but for the decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step, after the schedule.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the bias-corrected second moment.
    pub eps: f32,
    /// Decoupled weight decay of this tensor.
    pub weight_decay: f32,
    /// 1 − β₁ᵗ.
    pub correction1: f32,
    /// 1 − β₂ᵗ.
    pub correction2: f32,
    /// Every gradient is multiplied by this first: global-norm clipping.
    pub grad_scale: f32,
}

simd! {
    fn chunk(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], s: &AdamStep) {
        let n = p.len();
        let (m, v, g) = (&mut m[..n], &mut v[..n], &g[..n]);
        let keep = 1.0 - s.lr * s.weight_decay;
        let rate = s.lr / s.correction1;
        let root = 1.0 / s.correction2.sqrt();
        for i in 0..n {
            let gi = g[i] * s.grad_scale;
            m[i] = s.beta1 * m[i] + (1.0 - s.beta1) * gi;
            v[i] = s.beta2 * v[i] + (1.0 - s.beta2) * gi * gi;
            p[i] = p[i] * keep - rate * m[i] / (v[i].sqrt() * root + s.eps);
        }
    }

    fn square_sum(x: &[f32]) -> f32 {
        super::vector::dot_body(x, x)
    }
}

/// Updates a parameter `p` and its moments `m`, `v` from the gradient `g`, all equally long.
pub fn adamw(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], step: &AdamStep) {
    assert!(p.len() == m.len() && m.len() == v.len() && v.len() == g.len(), "adamw shapes");
    p.par_chunks_mut(CHUNK)
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .zip(g.par_chunks(CHUNK))
        .for_each(|(((p, m), v), g)| chunk(p, m, v, g, step));
}

/// Σ x² of a tensor, chunk sums added in order in f64.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let parts: Vec<f32> = x.par_chunks(CHUNK / 16).map(square_sum).collect();
    parts.iter().map(|&p| f64::from(p)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first step of Adam moves by lr·g/(|g| + ε): reference value `adam_step1.torch` of the field's fixtures.
    #[test]
    fn first_step_with_tiny_gradient_matches_pytorch() {
        let s = AdamStep {
            lr: 1e-5,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-5,
            weight_decay: 0.0,
            correction1: 0.1,
            correction2: 0.001,
            grad_scale: 1.0,
        };
        let (mut p, mut m, mut v) = ([0.0f32], [0.0], [0.0]);
        adamw(&mut p, &mut m, &mut v, &[1e-6], &s);
        assert!((f64::from(-p[0]) / 9.090_909_09e-7 - 1.0).abs() < 1e-3, "{}", p[0]);
    }
}
