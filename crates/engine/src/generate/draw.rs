//! Drawing one token from logits: greedy, from the softmax, or from what top-k, top-p and min-p leave of it.

use super::Sampling;
use crate::kernels::vector::{exp, max, sum_exp};
use crate::readout::log_sum_exp;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// Draws a token. Returns it and its log-probability under the uncut softmax.
pub(super) fn sample_token(logits: &[f32], s: &Sampling, rng: &mut ChaCha8Rng) -> (u32, f32) {
    let greedy = s.temperature <= 0.0;
    let rate = if greedy { 1.0 } else { 1.0 / s.temperature };
    // One number is drawn per token whatever the settings, so that they do not shift the stream.
    let u = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let top = max(logits);
    let weight = |&i: &usize| f64::from(exp((logits[i] - top) * rate));
    let draw = |tokens: &mut dyn Iterator<Item = usize>, total: f64| {
        let (mut sum, mut last) = (0.0, 0);
        for token in tokens {
            let w = weight(&token);
            if w > 0.0 {
                last = token;
                sum += w;
            }
            if sum > u * total {
                break;
            }
        }
        // Where rounding never lets the sum pass the threshold: the last token that can be drawn at all.
        last
    };
    let token = if greedy {
        most_likely(logits)
    } else if s.top_k == 0 && s.top_p >= 1.0 && s.min_p <= 0.0 {
        draw(&mut (0..logits.len()), f64::from(sum_exp(logits, top, rate)))
    } else {
        let support = support(logits, s, weight);
        draw(&mut support.iter().copied(), support.iter().map(weight).sum())
    };
    (token as u32, logits[token] * rate - log_sum_exp(logits, rate))
}

/// The first of the largest entries.
fn most_likely(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

/// The tokens that top-k, then top-p of what that leaves, then min-p leave; in order of id, never empty.
///
/// `weight` is a token's probability over that of the most likely one.
fn support(logits: &[f32], s: &Sampling, weight: impl Fn(&usize) -> f64) -> Vec<usize> {
    let descending = |&a: &usize, &b: &usize| logits[b].total_cmp(&logits[a]).then(a.cmp(&b));
    let mut order: Vec<usize> = (0..logits.len()).collect();
    if 0 < s.top_k && s.top_k < order.len() {
        order.select_nth_unstable_by(s.top_k - 1, descending);
        order.truncate(s.top_k);
    }
    if s.top_p < 1.0 {
        let enough = (f64::from(s.top_p) * order.iter().map(&weight).sum::<f64>()).max(f64::MIN_POSITIVE);
        let (mut sorted, mut keep, mut reached) = (0, 0, 0.0);
        // A few tokens usually hold the mass, so only as many are sorted as it takes.
        while reached < enough && sorted < order.len() {
            let rest = &mut order[sorted..];
            let more = rest.len().min(sorted.max(64));
            if more < rest.len() {
                rest.select_nth_unstable_by(more - 1, descending);
            }
            rest[..more].sort_unstable_by(descending);
            for token in &rest[..more] {
                if reached < enough {
                    reached += weight(token);
                    keep += 1;
                }
            }
            sorted += more;
        }
        order.truncate(keep);
    }
    order.retain(|token| weight(token) >= f64::from(s.min_p.min(1.0)));
    order.sort_unstable();
    if order.is_empty() {
        // Only where logits are not numbers.
        order.push(most_likely(logits));
    }
    order
}
