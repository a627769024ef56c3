//! Attention of one query over cached keys and values, as in decoding: one token of [`super::attention`], the same bits.
//!
//! 1. Keys lie in panels of 16, element (key i, dimension d) of a panel at `16 d + i`, so that 16 scores grow side by
//!    side, each in the order of the matrix kernels. Values lie in rows.
//! 2. Sums are cut at the same places as there: partial sums of [`FOLD`] products, blocks of [`MAX_DEPTH`] keys.

use super::gemm::MAX_DEPTH;
use super::simd::FOLD;
use super::vector::{exp_shift_sum, madd, max, scale, simd};

/// Keys of a panel, and dimensions of the values that are summed side by side.
const LANES: usize = 16;

/// Cached keys and values of one key head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache {
    keys: Vec<f32>,
    values: Vec<f32>,
    len: usize,
}

impl Cache {
    /// Keys and values of a whole sequence, `[tokens, dim]` each.
    pub fn of(keys: &[f32], values: &[f32], dim: usize) -> Self {
        let mut cache = Self::default();
        let tokens = keys.len() / dim;
        cache.keys.reserve_exact(tokens.next_multiple_of(LANES) * dim);
        for (key, value) in keys.chunks_exact(dim).zip(values.chunks_exact(dim)) {
            cache.push(key, value);
        }
        cache
    }

    /// Adds a token.
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        let (panel, lane) = (self.len / LANES, self.len % LANES);
        if lane == 0 {
            self.keys.resize(self.keys.len() + LANES * key.len(), 0.0);
        }
        for (place, k) in self.keys[panel * LANES * key.len()..].chunks_exact_mut(LANES).zip(key) {
            place[lane] = *k;
        }
        self.values.extend_from_slice(value);
        self.len += 1;
    }
}

simd! {
    /// rate · q · k of each key; `panels` hold at least as many as `s`.
    fn scores(s: &mut [f32], q: &[f32], panels: &[f32], rate: f32) {
        for (s, panel) in s.chunks_mut(LANES).zip(panels.chunks_exact(LANES * q.len())) {
            let mut sum = [0.0f32; LANES];
            for (q, keys) in q.chunks(FOLD).zip(panel.chunks(FOLD * LANES)) {
                let mut acc = [0.0f32; LANES];
                for (q, keys) in q.iter().zip(keys.chunks_exact(LANES)) {
                    for i in 0..LANES {
                        acc[i] = madd::<FMA>(*q, keys[i], acc[i]);
                    }
                }
                for i in 0..LANES {
                    sum[i] += acc[i];
                }
            }
            for (s, sum) in s.iter_mut().zip(sum) {
                *s = rate * sum;
            }
        }
    }

    /// Σⱼ p[j] · v[j], where the first values lie in one list and the others in another.
    fn weighted_sum(out: &mut [f32], p: &[f32], before: &[f32], own: &[f32]) {
        let dim = out.len();
        for (column, out) in out.chunks_mut(LANES).enumerate() {
            let width = out.len();
            for (b, p) in p.chunks(MAX_DEPTH).enumerate() {
                let mut sum = [0.0f32; LANES];
                for (f, p) in p.chunks(FOLD).enumerate() {
                    let mut acc = [0.0f32; LANES];
                    let mut at = (b * MAX_DEPTH + f * FOLD) * dim + column * LANES;
                    for p in p {
                        let v = if at < before.len() { &before[at..] } else { &own[at - before.len()..] };
                        if let Some(v) = v.first_chunk::<LANES>() && width == LANES {
                            for i in 0..LANES {
                                acc[i] = madd::<FMA>(*p, v[i], acc[i]);
                            }
                        } else {
                            for i in 0..width {
                                acc[i] = madd::<FMA>(*p, v[i], acc[i]);
                            }
                        }
                        at += dim;
                    }
                    for i in 0..LANES {
                        sum[i] += acc[i];
                    }
                }
                for (out, sum) in out.iter_mut().zip(sum) {
                    *out = if b == 0 { sum } else { *out + sum };
                }
            }
        }
    }
}

/// The output `[dim]` of one query of one head over the keys in `before` and then those in `own`, of which it sees the last
/// `window`. `s` is scratch.
pub(crate) fn attend(out: &mut [f32], q: &[f32], before: &Cache, own: &Cache, window: Option<usize>, s: &mut Vec<f32>) {
    let total = before.len + own.len;
    let rate = 1.0 / (q.len() as f32).sqrt();
    s.resize(total, 0.0);
    scores(&mut s[..before.len], q, &before.keys, rate);
    scores(&mut s[before.len..], q, &own.keys, rate);
    let (unseen, seen) = s.split_at_mut(window.map_or(0, |w| total.saturating_sub(w)));
    unseen.fill(0.0);
    let top = max(seen);
    let sum = exp_shift_sum(seen, top);
    scale(seen, 1.0 / sum);
    weighted_sum(out, s, &before.values, &own.values);
}
