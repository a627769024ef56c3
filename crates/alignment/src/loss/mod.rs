//! The arithmetic of every objective: pure functions on slices that return a value and its gradient with respect to
//! the engine's readouts (log-probabilities, entropies, scalar heads).
//!
//! Nothing here knows a tensor, a model or a file. Every sum runs in f64 and is divided by a `normaliser` that the
//! caller fixes for a whole optimiser step, so that gradient accumulation equals one big batch.
//! Slices that must match in length are the caller's doing, so a mismatch panics; values that come from data or from
//! a model (NaN, infinities, empty answers, unranked answers) never do.

pub mod adaptive;
pub mod clipped_policy;
pub mod clipped_value;
pub mod entropy_bonus;
pub mod gae;
pub mod kl;
pub mod next_token;
pub mod ranking;
pub mod soft_pairs;
pub mod whiten;

pub use adaptive::AdaptiveKl;
pub use clipped_policy::{TokenLoss, clipped_policy_loss};
pub use clipped_value::{ValueLoss, clipped_value_loss};
pub use entropy_bonus::{EntropyBonus, entropy_bonus};
pub use gae::{Gae, gae};
pub use kl::{k1, k2, k3, shaped_reward};
pub use next_token::{NextTokenLoss, next_token_loss};
pub use ranking::{PairAccuracy, RankingLoss, Ties, pair_accuracy, ranking_loss};
pub use soft_pairs::{SoftPair, soft_pairs_loss};
pub use whiten::{Variance, whiten};

/// −log σ(x), the cost in nats of a comparison won by the logit `x`; no overflow for any finite `x`.
///
/// ```
/// use trimtab_alignment::loss::neg_log_sigmoid;
/// assert!((neg_log_sigmoid(0.0) - 2f64.ln()).abs() < 1e-15); // an undecided pair costs one bit
/// assert_eq!(neg_log_sigmoid(-1000.0), 1000.0);
/// assert_eq!(neg_log_sigmoid(1000.0), 0.0);
/// ```
#[must_use]
pub fn neg_log_sigmoid(x: f64) -> f64 {
    (-x).max(0.0) + (-x.abs()).exp().ln_1p()
}

/// σ(x) = 1/(1 + e⁻ˣ), exact in both tails.
///
/// ```
/// use trimtab_alignment::loss::sigmoid;
/// assert_eq!(sigmoid(0.0), 0.5);
/// assert!((sigmoid(3f64.ln()) - 0.75).abs() < 1e-15); // odds of three to one
/// assert!(sigmoid(-700.0) > 0.0);
/// ```
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// Central differences of `f` at `x`, for the gradient tests of this folder.
#[cfg(test)]
pub(crate) fn finite_differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-6;
    let at = |i: usize, h: f64| {
        let mut moved = x.to_vec();
        moved[i] += h;
        f(&moved)
    };
    (0..x.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect()
}

/// Asserts that two vectors agree within `tolerance`, entry by entry.
#[cfg(test)]
pub(crate) fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= tolerance, "entry {i}: got {g}, expected {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: σ is the negative derivative of −log σ, so that the cost and the probability cannot drift apart.
    #[test]
    fn sigmoid_is_the_slope_of_its_cost() {
        for x in [-30.0, -2.0, -0.1, 0.0, 0.3, 5.0, 30.0] {
            let slope = finite_differences(&[x], |x| neg_log_sigmoid(x[0]))[0];
            assert!((slope + sigmoid(-x)).abs() < 1e-8, "x {x}: slope {slope}");
            assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() < 1e-15);
        }
    }

    /// A NaN score must be seen, not turned into a comfortable number.
    #[test]
    fn nan_stays_nan() {
        assert!(neg_log_sigmoid(f64::NAN).is_nan());
        assert!(sigmoid(f64::NAN).is_nan());
    }
}
