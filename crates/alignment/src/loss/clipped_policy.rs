//! The clipped policy objective of PPO.
//!
//! Schulman et al. 2017, [arXiv:1707.06347](https://arxiv.org/abs/1707.06347), eq. 7. Read by `ppo::update`.
//!
//! Where ours differs from the paper:
//! 1. It is minimised, so the sign is turned and the min becomes a max.
//! 2. The expectation is a sum over answer tokens divided by `normaliser`, the token count of the whole optimiser
//!    step: micro-batches then add up to one big batch.
//! 3. No mask: a packed batch holds no padding, and prompt tokens are never passed in.
//! 4. No second clip for bad tokens (dual clip): a bad token that became likely is charged in full.

/// Value and gradient of a loss whose inputs are per-token log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLoss {
    /// The loss, in units of advantage.
    pub value: f64,
    /// ∂value/∂logp, one entry per answer token, in the order given.
    pub d_logp: Vec<f64>,
    /// Share of the tokens given whose gain was cut off by the clip, in [0, 1]; 0 for no tokens.
    pub clip_fraction: f64,
}

/// The loss of answer tokens under new log-probabilities `logp_t`, sampled under `logp_old_t`.
///
/// With rₜ = exp(logpₜ − logp_oldₜ) each token costs max(−Aₜ·rₜ, −Aₜ·clip(rₜ, 1 − ε, 1 + ε)) / normaliser.
/// One entry per answer token in every slice, log-probabilities in nats at the sampling temperature.
///
/// ```
/// use trimtab_alignment::loss::clipped_policy_loss;
/// // A good token at half its old probability: no clip on this side, it is pulled back up with A·r = 0.5.
/// let loss = clipped_policy_loss(&[0.5f64.ln()], &[0.0], &[1.0], 0.2, 1.0);
/// assert!((loss.value + 0.5).abs() < 1e-12 && (loss.d_logp[0] + 0.5).abs() < 1e-12);
/// // The same token at twice its old probability has earned 1 + ε, and no more.
/// let loss = clipped_policy_loss(&[2f64.ln()], &[0.0], &[1.0], 0.2, 1.0);
/// assert_eq!((loss.value, loss.d_logp[0], loss.clip_fraction), (-1.2, 0.0, 1.0));
/// ```
///
/// # Panics
/// If the slices differ in length, or `normaliser` is not positive: both are errors of the caller, not of the data.
#[must_use]
pub fn clipped_policy_loss(
    logp_t: &[f64],
    logp_old_t: &[f64],
    advantage_t: &[f64],
    epsilon: f64,
    normaliser: f64,
) -> TokenLoss {
    assert!(
        logp_t.len() == logp_old_t.len() && logp_t.len() == advantage_t.len(),
        "one entry per answer token in every slice"
    );
    assert!(normaliser > 0.0, "normaliser is the token count of the optimiser step, got {normaliser}");

    let (mut total, mut clipped_tokens) = (0.0, 0usize);
    let mut d_logp = Vec::with_capacity(logp_t.len());
    for t in 0..logp_t.len() {
        let ratio = (logp_t[t] - logp_old_t[t]).exp();
        let free = -advantage_t[t] * ratio;
        // Not f64::clamp, which panics on a NaN ε.
        let capped = -advantage_t[t] * ratio.max(1.0 - epsilon).min(1.0 + epsilon);
        if capped > free {
            // Constant in logp: no gradient.
            total += capped;
            clipped_tokens += 1;
            d_logp.push(0.0);
        } else {
            // d/dlogp (−A·e^(logp − old)) is the term itself.
            total += free;
            d_logp.push(free / normaliser);
        }
    }
    let clip_fraction = if d_logp.is_empty() { 0.0 } else { clipped_tokens as f64 / d_logp.len() as f64 };
    TokenLoss { value: total / normaliser, d_logp, clip_fraction }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, finite_differences};
    use super::*;

    /// Fixture `ppo_pg_per_token(A=1,-1,1,-1;ratio=1.5,1.5,.5,4;eps=.2)`, one token at a time and together.
    #[test]
    fn fixture_per_token() {
        let ratio: [f64; 4] = [1.5, 1.5, 0.5, 4.0];
        let advantage = [1.0, -1.0, 1.0, -1.0];
        let logp = ratio.map(f64::ln);
        let cost: Vec<f64> =
            (0..4).map(|t| clipped_policy_loss(&logp[t..=t], &[0.0], &advantage[t..=t], 0.2, 1.0).value).collect();
        assert_close(&cost, &[-1.2, 1.5, -0.5, 4.0], 1e-12);
        let all = clipped_policy_loss(&logp, &[0.0; 4], &advantage, 0.2, 4.0);
        assert!((all.value - 0.95).abs() < 1e-12);
        assert_close(&all.d_logp, &[0.0, 0.375, -0.125, 1.0], 1e-12);
        assert_eq!(all.clip_fraction, 0.25);
    }

    /// Away from the kinks the gradient agrees with central differences for either sign of the advantage.
    #[test]
    fn gradient_agrees_with_finite_differences() {
        let old = [-0.9, -1.4, -0.2, -3.0, -0.5];
        let advantage = [1.1, -0.7, 0.4, -2.0, 0.0];
        for logp in [[-0.85, -1.5, -0.3, -2.9, -0.5], [-0.1, -0.4, -1.9, -6.0, -2.0], [-4.0, -3.0, -0.01, -1.0, -0.1]] {
            let loss = |logp: &[f64]| clipped_policy_loss(logp, &old, &advantage, 0.2, 3.0);
            assert_close(&loss(&logp).d_logp, &finite_differences(&logp, |x| loss(x).value), 1e-8);
        }
    }

    /// Law: on the sampling policy itself the gradient is the plain policy gradient, −A/n.
    #[test]
    fn first_step_is_the_policy_gradient() {
        let logp = [-0.3, -1.7, -0.9];
        let loss = clipped_policy_loss(&logp, &logp, &[2.0, -3.0, 0.0], 0.1, 4.0);
        assert_close(&loss.d_logp, &[-0.5, 0.75, 0.0], 0.0);
        assert_eq!(loss.clip_fraction, 0.0);
    }

    /// Law: micro-batches under one normaliser add up to the whole batch (fixture `grad_accum` in this loss's terms).
    #[test]
    fn accumulation_equals_one_batch() {
        let (logp, old, advantage) = ([-1.0, -0.5, -0.2, -0.1], [-0.9; 4], [1.0, -2.0, 0.5, 3.0]);
        let whole = clipped_policy_loss(&logp, &old, &advantage, 0.2, 4.0);
        for cut in 0..=4 {
            let a = clipped_policy_loss(&logp[..cut], &old[..cut], &advantage[..cut], 0.2, 4.0);
            let b = clipped_policy_loss(&logp[cut..], &old[cut..], &advantage[cut..], 0.2, 4.0);
            assert!((whole.value - a.value - b.value).abs() < 1e-12);
            assert_eq!(whole.d_logp, [a.d_logp, b.d_logp].concat());
        }
    }

    /// Law: the clip only ever makes the objective more pessimistic, and no clip is left at ε = ∞.
    #[test]
    fn clipping_is_pessimistic() {
        let (logp, old, advantage) = ([-0.1, -3.0, -0.4], [-1.0; 3], [1.0, -1.0, 2.0]);
        let free = clipped_policy_loss(&logp, &old, &advantage, f64::INFINITY, 3.0);
        assert_eq!(free.clip_fraction, 0.0);
        for epsilon in [0.05, 0.2, 0.5] {
            assert!(clipped_policy_loss(&logp, &old, &advantage, epsilon, 3.0).value >= free.value);
        }
    }

    #[test]
    fn no_tokens_cost_nothing_and_nan_shows() {
        let none = clipped_policy_loss(&[], &[], &[], 0.2, 1.0);
        assert_eq!(none, TokenLoss { value: 0.0, d_logp: vec![], clip_fraction: 0.0 });
        let bad = clipped_policy_loss(&[f64::NAN], &[0.0], &[1.0], 0.2, 1.0);
        assert!(bad.value.is_nan() && bad.d_logp[0].is_nan());
    }
}
