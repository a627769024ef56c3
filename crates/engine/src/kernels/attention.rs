//! Causal grouped-query attention over packed sequences, forward and backward.
//!
//! softmax(q·kᵀ/√d)·v (Vaswani et al. 2017, arXiv:1706.03762, eq. 1), with key heads shared by groups of query heads
//! (Ainslie et al. 2023, arXiv:2305.13245).
//!
//! How ours differs:
//! 1. Sequences are packed, never padded: a segment sees itself and, where it has one, its prefix segment (the prompt
//!    that several answers share), so the keys of a prompt are computed once for all its answers.
//! 2. Query rows go in blocks against only the keys that they may see; one block of scores is alive per thread. The
//!    backward recomputes the scores from the kept log-sum-exp (Dao et al. 2022, arXiv:2205.14135, section 3.1).
//! 3. A query's output is the same bits wherever it stands: packed, alone, after a shared prefix, or at decoding time
//!    ([`super::decode`]).
//! 4. A task owns all segments that share keys, for one key head, so gradients of shared keys need no locks and are
//!    summed in one fixed order.

use super::matmul::gemm_serial;
use super::vector::{dot, exp_shift_sum, max, scale, simd};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Query rows of one block.
const BLOCK: usize = 64;

/// A run of consecutive tokens of the batch that attend to each other causally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where its tokens stand in the batch.
    pub tokens: Range<usize>,
    /// The tokens of the segment that it continues: an earlier one of the same family, itself without a prefix.
    pub prefix: Option<Range<usize>>,
}

/// Sizes of an attention call.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub q: usize,
    /// Key and value heads.
    pub kv: usize,
    /// Width of one head.
    pub dim: usize,
    /// A query sees keys at most this many positions back, itself included.
    pub window: Option<usize>,
}

/// Consecutive segments that share keys: one prompt and its answers, or a single sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The tokens of all its segments.
    pub tokens: Range<usize>,
    /// Its segments, in order.
    pub segments: Vec<Segment>,
}

simd! {
    fn d_scores(p: &mut [f32], dp: &[f32], delta: f32, rate: f32) {
        for (p, dp) in p.iter_mut().zip(dp) {
            *p *= (dp - delta) * rate;
        }
    }
}

/// How many keys precede the segment's first token.
fn before(segment: &Segment) -> usize {
    segment.prefix.as_ref().map_or(0, Range::len)
}

/// Which of the segment's keys, those of its prefix first, the query may see: `from..to`.
fn visible(heads: &Heads, segment: &Segment, query: usize) -> Range<usize> {
    let to = before(segment) + (query - segment.tokens.start) + 1;
    let from = heads.window.map_or(0, |w| to.saturating_sub(w));
    from..to
}

/// Scaled scores of a block's queries with its keys; entries past what a row may see are left as they come.
fn block_scores(s: &mut [f32], q: &[f32], k: &[f32], dim: usize) {
    let (rows, keys) = (q.len() / dim, k.len() / dim);
    let rate = 1.0 / (dim as f32).sqrt();
    gemm_serial(rows, keys, dim, rate, q, dim, 1, k, 1, dim, 0.0, s, keys);
}

/// `out = m · x` where the rows of `x` are the block's keys.
fn times_keys(out: &mut [f32], m: &[f32], x: &[f32], dim: usize) {
    let (rows, keys) = (out.len() / dim, x.len() / dim);
    gemm_serial(rows, dim, keys, 1.0, m, keys, 1, x, dim, 1, 0.0, out, dim);
}

/// `out[keys] += mᵀ · x` where `x` has one row per query of the block: rows of the prefix first, then the segment's own.
fn add_to_keys(
    out: &mut [f32],
    m: &[f32],
    x: &[f32],
    segment: &Segment,
    block: &Range<usize>,
    base: usize,
    dim: usize,
) {
    let rows = x.len() / dim;
    let own = segment.tokens.start..block.end;
    let (n_keys, mut at) = (before(segment) + own.len(), 0);
    for part in segment.prefix.iter().chain([&own]) {
        let out = &mut out[(part.start - base) * dim..(part.end - base) * dim];
        gemm_serial(part.len(), dim, rows, 1.0, &m[at..], 1, n_keys, x, dim, 1, 1.0, out, dim);
        at += part.len();
    }
}

fn blocks(segment: &Segment) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = segment.tokens;
    (start..end).step_by(BLOCK).map(move |at| at..(at + BLOCK).min(end))
}

/// Splits head-major `[heads, tokens, width]` into one slice per (head, family), head after head.
fn split_by_family<'a>(mut x: &'a mut [f32], heads: usize, width: usize, families: &[Family]) -> Vec<&'a mut [f32]> {
    let mut out = Vec::with_capacity(heads * families.len());
    for _ in 0..heads {
        for family in families {
            let (slice, rest) = x.split_at_mut(family.tokens.len() * width);
            out.push(slice);
            x = rest;
        }
    }
    out
}

fn slice_of<'a>(x: &'a [f32], head: usize, tokens: usize, dim: usize, family: &Family) -> &'a [f32] {
    &x[(head * tokens + family.tokens.start) * dim..(head * tokens + family.tokens.end) * dim]
}

/// The rows of a segment behind those of its prefix, copied only where they are apart.
fn joined<'a>(x: &'a [f32], segment: &Segment, base: usize, dim: usize) -> Cow<'a, [f32]> {
    let rows = |r: &Range<usize>| &x[(r.start - base) * dim..(r.end - base) * dim];
    match &segment.prefix {
        Some(prefix) if prefix.end == segment.tokens.start => Cow::Borrowed(rows(&(prefix.start..segment.tokens.end))),
        Some(prefix) => Cow::Owned([rows(prefix), rows(&segment.tokens)].concat()),
        None => Cow::Borrowed(rows(&segment.tokens)),
    }
}

/// `o [q heads, tokens, dim]` from head-major, rotated `q`, `k` and `v`; keeps the log-sum-exp of scores `[q heads, tokens]`.
///
/// # Panics
/// If a slice does not have its shape, or the families do not cover the tokens in order.
pub fn attention(o: &mut [f32], lse: &mut [f32], q: &[f32], k: &[f32], v: &[f32], families: &[Family], heads: Heads) {
    let (tokens, dim, group) = (lse.len() / heads.q, heads.dim, heads.q / heads.kv);
    assert!(
        q.len() == heads.q * tokens * dim && o.len() == q.len() && k.len() == heads.kv * tokens * dim,
        "attention shapes"
    );
    assert_eq!(families.iter().map(|f| f.tokens.len()).sum::<usize>(), tokens, "families cover the batch");
    let outputs = split_by_family(o, heads.q, dim, families);
    let sums = split_by_family(lse, heads.q, 1, families);
    outputs.into_par_iter().zip(sums).enumerate().for_each_init(
        Vec::new,
        |scratch: &mut Vec<f32>, (task, (o, lse))| {
            let (head, family) = (task / families.len(), &families[task % families.len()]);
            let base = family.tokens.start;
            let q = slice_of(q, head, tokens, dim, family);
            let k = slice_of(k, head / group, tokens, dim, family);
            let v = slice_of(v, head / group, tokens, dim, family);
            for segment in &family.segments {
                // One list of keys, so that sums over it are cut at the same places as in a sequence without a prefix.
                let [k, v] = [k, v].map(|x| joined(x, segment, base, dim));
                for block in blocks(segment) {
                    let n_keys = before(segment) + block.end - segment.tokens.start;
                    let (k, v) = (&k[..n_keys * dim], &v[..n_keys * dim]);
                    let rows = block.start - base..block.end - base;
                    scratch.resize(BLOCK * n_keys, 0.0);
                    let s = &mut scratch[..block.len() * n_keys];
                    block_scores(s, &q[rows.start * dim..rows.end * dim], k, dim);
                    for (row, query) in s.chunks_exact_mut(n_keys).zip(block.clone()) {
                        let seen = visible(&heads, segment, query);
                        row[..seen.start].fill(0.0);
                        row[seen.end..].fill(0.0);
                        let row = &mut row[seen];
                        let top = max(row);
                        let total = exp_shift_sum(row, top);
                        scale(row, 1.0 / total);
                        lse[query - base] = top + total.ln();
                    }
                    times_keys(&mut o[rows.start * dim..rows.end * dim], s, v, dim);
                }
            }
        },
    );
}

/// Backward of [`attention`]: overwrites `dq`, `dk` and `dv` with the gradients, all head-major.
///
/// # Panics
/// If a slice does not have its shape.
#[allow(clippy::too_many_arguments)]
pub fn attention_backward(
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    d_o: &[f32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
    o: &[f32],
    lse: &[f32],
    families: &[Family],
    heads: Heads,
) {
    let (tokens, dim, group) = (lse.len() / heads.q, heads.dim, heads.q / heads.kv);
    assert!(
        dq.len() == heads.q * tokens * dim && dk.len() == heads.kv * tokens * dim && dv.len() == dk.len(),
        "attention_backward shapes"
    );
    assert!(q.len() == dq.len() && o.len() == dq.len() && d_o.len() == dq.len(), "attention_backward shapes");
    // One task per (key head, family); it owns the family's rows of every query head of the group.
    let n = families.len();
    let mut dq_of: Vec<Vec<&mut [f32]>> = (0..heads.kv * n).map(|_| Vec::with_capacity(group)).collect();
    for (i, slice) in split_by_family(dq, heads.q, dim, families).into_iter().enumerate() {
        dq_of[(i / n / group) * n + i % n].push(slice);
    }
    let dk_of = split_by_family(dk, heads.kv, dim, families);
    let dv_of = split_by_family(dv, heads.kv, dim, families);
    let rate = 1.0 / (dim as f32).sqrt();
    dq_of.into_par_iter().zip(dk_of).zip(dv_of).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(p_scratch, dp_scratch): &mut (Vec<f32>, Vec<f32>), (task, ((dq, dk), dv))| {
            let (kv_head, family) = (task / n, &families[task % n]);
            let base = family.tokens.start;
            let k = slice_of(k, kv_head, tokens, dim, family);
            let v = slice_of(v, kv_head, tokens, dim, family);
            dk.fill(0.0);
            dv.fill(0.0);
            for (g, dq) in dq.into_iter().enumerate() {
                let head = kv_head * group + g;
                let q = slice_of(q, head, tokens, dim, family);
                let o = slice_of(o, head, tokens, dim, family);
                let d_o = slice_of(d_o, head, tokens, dim, family);
                let lse = &lse[head * tokens + base..][..family.tokens.len()];
                for segment in &family.segments {
                    let [k, v] = [k, v].map(|x| joined(x, segment, base, dim));
                    for block in blocks(segment) {
                        let n_keys = before(segment) + block.end - segment.tokens.start;
                        let (k, v) = (&k[..n_keys * dim], &v[..n_keys * dim]);
                        let rows = (block.start - base) * dim..(block.end - base) * dim;
                        p_scratch.resize(BLOCK * n_keys, 0.0);
                        dp_scratch.resize(BLOCK * n_keys, 0.0);
                        let p = &mut p_scratch[..block.len() * n_keys];
                        let dp = &mut dp_scratch[..block.len() * n_keys];
                        block_scores(p, &q[rows.clone()], k, dim);
                        for (row, query) in p.chunks_exact_mut(n_keys).zip(block.clone()) {
                            let seen = visible(&heads, segment, query);
                            row[..seen.start].fill(0.0);
                            row[seen.end..].fill(0.0);
                            exp_shift_sum(&mut row[seen], lse[query - base]);
                        }
                        add_to_keys(dv, p, &d_o[rows.clone()], segment, &block, base, dim);
                        // dp = d_o · vᵀ; block_scores would scale it, so undo that by scaling ds once instead.
                        block_scores(dp, &d_o[rows.clone()], v, dim);
                        for (i, (p, dp)) in p.chunks_exact_mut(n_keys).zip(dp.chunks_exact(n_keys)).enumerate() {
                            let at = rows.start + i * dim;
                            let delta = dot(&o[at..at + dim], &d_o[at..at + dim]);
                            // ds/dq carries 1/√d; dp already does, delta gets it here.
                            d_scores(p, dp, delta * rate, 1.0);
                        }
                        times_keys(&mut dq[rows.clone()], p, k, dim);
                        add_to_keys(dk, p, &q[rows], segment, &block, base, dim);
                    }
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, finite_difference, noise};

    /// Attention in f64 by the definition, one query at a time.
    fn naive(q: &[f64], k: &[f64], v: &[f64], families: &[Family], h: Heads, tokens: usize) -> Vec<f64> {
        let (d, group) = (h.dim, h.q / h.kv);
        let mut out = vec![0.0; q.len()];
        for head in 0..h.q {
            let kv = head / group;
            for segment in families.iter().flat_map(|f| &f.segments) {
                for t in segment.tokens.clone() {
                    let mut keys: Vec<usize> =
                        segment.prefix.clone().unwrap_or(0..0).chain(segment.tokens.start..=t).collect();
                    if let Some(w) = h.window {
                        keys.drain(..keys.len().saturating_sub(w));
                    }
                    let at = |x: &[f64], head: usize, t: usize| x[(head * tokens + t) * d..][..d].to_vec();
                    let qt = at(q, head, t);
                    let s: Vec<f64> = keys
                        .iter()
                        .map(|&j| qt.iter().zip(at(k, kv, j)).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt())
                        .collect();
                    let z: f64 = s.iter().map(|s| s.exp()).sum();
                    for (s, &j) in s.iter().zip(&keys) {
                        for (o, v) in out[(head * tokens + t) * d..][..d].iter_mut().zip(at(v, kv, j)) {
                            *o += s.exp() / z * v;
                        }
                    }
                }
            }
        }
        out
    }

    fn families() -> Vec<Family> {
        let alone = |r: Range<usize>| Segment { tokens: r, prefix: None };
        let after = |r: Range<usize>, p: Range<usize>| Segment { tokens: r, prefix: Some(p) };
        vec![
            Family { tokens: 0..5, segments: vec![alone(0..5)] },
            Family { tokens: 5..14, segments: vec![alone(5..8), after(8..9, 5..8), after(9..14, 5..8)] },
        ]
    }

    #[test]
    fn forward_and_backward_agree_with_f64() {
        for window in [None, Some(3)] {
            let h = Heads { q: 4, kv: 2, dim: 6, window };
            let tokens = 14;
            let families = families();
            let (q, k, v, g) = (
                noise(4 * tokens * 6, 1),
                noise(2 * tokens * 6, 2),
                noise(2 * tokens * 6, 3),
                noise(4 * tokens * 6, 4),
            );
            let up = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let (q64, k64, v64, g64) = (up(&q), up(&k), up(&v), up(&g));
            let (mut o, mut lse) = (vec![0.0; q.len()], vec![0.0; 4 * tokens]);
            attention(&mut o, &mut lse, &q, &k, &v, &families, h);
            close(&o, &naive(&q64, &k64, &v64, &families, h, tokens), 1e-5);
            let (mut dq, mut dk, mut dv) = (vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]);
            attention_backward(&mut dq, &mut dk, &mut dv, &g, &q, &k, &v, &o, &lse, &families, h);
            let loss = |q: &[f64], k: &[f64], v: &[f64]| {
                naive(q, k, v, &families, h, tokens).iter().zip(&g64).map(|(a, b)| a * b).sum::<f64>()
            };
            close(&dq, &finite_difference(&q64, |q| loss(q, &k64, &v64)), 1e-4);
            close(&dk, &finite_difference(&k64, |k| loss(&q64, k, &v64)), 1e-4);
            close(&dv, &finite_difference(&v64, |v| loss(&q64, &k64, v)), 1e-4);
        }
    }

    /// Sequences longer than a block agree with the definition, and NaN in a foreign family does not leak in.
    #[test]
    fn long_sequences_cross_blocks_and_families_stay_apart() {
        let h = Heads { q: 1, kv: 1, dim: 8, window: None };
        let tokens = 150;
        let families: Vec<Family> = [0..3, 3..150]
            .map(|r| Family { tokens: r.clone(), segments: vec![Segment { tokens: r, prefix: None }] })
            .into();
        let (q, mut k, v) = (noise(tokens * 8, 1), noise(tokens * 8, 2), noise(tokens * 8, 3));
        let up = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let want = naive(&up(&q), &up(&k), &up(&v), &families, h, tokens);
        k[0] = f32::NAN;
        let (mut o, mut lse) = (vec![0.0; q.len()], vec![0.0; tokens]);
        attention(&mut o, &mut lse, &q, &k, &v, &families, h);
        close(&o[24..], &want[24..], 1e-5);
    }
}
