//! Rotary positions (Su et al. 2021, arXiv:2104.09864, eq. 34), and the change of layout that goes with them.
//!
//! Where ours differs from the paper:
//! 1. Dimension i is paired with i + head_dim/2 (GPT-NeoX and Hugging Face), not with its neighbour.
//! 2. The rotation moves activations between token-major rows `[tokens, heads·head_dim]`, which matrix products want,
//!    and head-major blocks `[heads, tokens, head_dim]`, which attention wants, so the move costs no pass of its own.

use super::vector::simd;
use crate::config::{ModelConfig, RopeScaling};
use rayon::prelude::*;

/// cos and sin of every token's angles, each `[tokens, head_dim/2]`.
#[derive(Debug, Clone, Default)]
pub struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// The rotary frequencies `[head_dim/2]` in radians per position, after scaling.
///
/// ```
/// # use trimtab_engine::{config::ModelConfig, kernels::rope::frequencies};
/// # let mut config = ModelConfig::tiny();
/// config.head_dim = 4;
/// config.rope_theta = 10_000.0;
/// assert_eq!(frequencies(&config), [1.0, 0.01]);
/// ```
pub fn frequencies(config: &ModelConfig) -> Vec<f64> {
    let half = config.head_dim / 2;
    (0..half)
        .map(|i| {
            let f = config.rope_theta.powf(-(2.0 * i as f64) / config.head_dim as f64);
            match config.rope_scaling {
                None => f,
                Some(RopeScaling::Linear { factor }) => f / factor,
                Some(RopeScaling::Llama3 {
                    factor,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings,
                }) => {
                    let turns = original_max_position_embeddings as f64 * f / (2.0 * std::f64::consts::PI);
                    if turns < low_freq_factor {
                        f / factor
                    } else if turns > high_freq_factor {
                        f
                    } else {
                        let smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                }
            }
        })
        .collect()
}

impl Angles {
    /// Recomputes the table for tokens at the given positions.
    pub fn fill(&mut self, frequencies: &[f64], positions: &[u32]) {
        let half = frequencies.len();
        self.cos.resize(positions.len() * half, 0.0);
        self.sin.resize(positions.len() * half, 0.0);
        for ((&position, cos), sin) in
            positions.iter().zip(self.cos.chunks_exact_mut(half)).zip(self.sin.chunks_exact_mut(half))
        {
            for ((f, c), s) in frequencies.iter().zip(cos).zip(sin) {
                let (sine, cosine) = (f64::from(position) * f).sin_cos();
                (*c, *s) = (cosine as f32, sine as f32);
            }
        }
    }
}

simd! {
    fn rotate(out: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        let (x1, x2) = x.split_at(half);
        let (o1, o2) = out.split_at_mut(half);
        for i in 0..half {
            o1[i] = x1[i] * cos[i] - x2[i] * sin[i];
            o2[i] = x2[i] * cos[i] + x1[i] * sin[i];
        }
    }

    fn rotate_back(out: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        let (x1, x2) = x.split_at(half);
        let (o1, o2) = out.split_at_mut(half);
        for i in 0..half {
            o1[i] = x1[i] * cos[i] + x2[i] * sin[i];
            o2[i] = x2[i] * cos[i] - x1[i] * sin[i];
        }
    }
}

/// Rows `[tokens, heads·head_dim]` to heads `[heads, tokens, head_dim]`, rotated when `angles` are given.
pub fn to_heads(heads_out: &mut [f32], rows: &[f32], angles: Option<&Angles>, heads: usize, head_dim: usize) {
    assert!(heads_out.len() == rows.len(), "to_heads shapes");
    let tokens = rows.len() / (heads * head_dim);
    if tokens == 0 {
        return;
    }
    let half = head_dim / 2;
    heads_out.par_chunks_mut(tokens * head_dim).enumerate().for_each(|(h, out)| {
        for (t, out) in out.chunks_exact_mut(head_dim).enumerate() {
            let x = &rows[(t * heads + h) * head_dim..][..head_dim];
            match angles {
                Some(a) => rotate(out, x, &a.cos[t * half..][..half], &a.sin[t * half..][..half]),
                None => out.copy_from_slice(x),
            }
        }
    });
}

/// The inverse of [`to_heads`], which is also its transpose: the backward of the forward move, and the move of outputs.
pub fn to_rows(rows: &mut [f32], heads_in: &[f32], angles: Option<&Angles>, heads: usize, head_dim: usize) {
    assert!(heads_in.len() == rows.len(), "to_rows shapes");
    let tokens = rows.len() / (heads * head_dim);
    let half = head_dim / 2;
    rows.par_chunks_mut(heads * head_dim * 16).enumerate().for_each(|(block, rows)| {
        for (i, row) in rows.chunks_exact_mut(heads * head_dim).enumerate() {
            let t = block * 16 + i;
            for (h, out) in row.chunks_exact_mut(head_dim).enumerate() {
                let x = &heads_in[(h * tokens + t) * head_dim..][..head_dim];
                match angles {
                    Some(a) => rotate_back(out, x, &a.cos[t * half..][..half], &a.sin[t * half..][..half]),
                    None => out.copy_from_slice(x),
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::noise;

    /// Law: the rotation is orthogonal, so going there and back is the identity, and the backward is the inverse.
    #[test]
    fn there_and_back_is_the_identity() {
        let config = ModelConfig::tiny();
        let (heads, hd) = (3, config.head_dim);
        let positions = [0, 1, 2, 7, 100, 0, 1];
        let mut angles = Angles::default();
        angles.fill(&frequencies(&config), &positions);
        let rows = noise(positions.len() * heads * hd, 5);
        let (mut to, mut back) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
        to_heads(&mut to, &rows, Some(&angles), heads, hd);
        to_rows(&mut back, &to, Some(&angles), heads, hd);
        assert!(rows.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    /// Law: q·k after rotation depends on the distance of positions only.
    #[test]
    fn products_depend_on_distance_only() {
        let config = ModelConfig::tiny();
        let hd = config.head_dim;
        let (q, k) = (noise(hd, 1), noise(hd, 2));
        let product = |i: u32, j: u32| {
            let mut angles = Angles::default();
            angles.fill(&frequencies(&config), &[i, j]);
            let rows = [q.clone(), k.clone()].concat();
            let mut out = vec![0.0; rows.len()];
            to_heads(&mut out, &rows, Some(&angles), 1, hd);
            out[..hd].iter().zip(&out[hd..]).map(|(a, b)| a * b).sum::<f32>()
        };
        assert!((product(5, 2) - product(105, 102)).abs() < 1e-4);
        assert!((product(5, 2) - product(5, 3)).abs() > 1e-4);
    }
}
