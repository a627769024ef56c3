//! The entropy bonus of PPO.
//!
//! Schulman et al. 2017, [arXiv:1707.06347](https://arxiv.org/abs/1707.06347), eq. 9. Read by `ppo::update`.
//!
//! Where ours differs from the paper:
//! 1. It is a loss, so more entropy makes it smaller.
//! 2. Its input is the entropy readout (over the whole vocabulary, at the sampling temperature), not −logp of the
//!    sampled token, whose gradient is another one.

/// Value and gradient of the entropy bonus.
#[derive(Debug, Clone, PartialEq)]
pub struct EntropyBonus {
    /// The loss, in units of `coefficient` × nats.
    pub value: f64,
    /// ∂value/∂entropy, one entry per answer token, in the order given.
    pub d_entropy: Vec<f64>,
}

/// −coefficient·Σ Hₜ / normaliser, with Hₜ the entropy in nats of the distribution that answer token t was drawn from.
///
/// ```
/// use trimtab_alignment::loss::entropy_bonus;
/// let bonus = entropy_bonus(&[2.0, 1.0], 0.1, 2.0);
/// assert!((bonus.value + 0.15).abs() < 1e-15);
/// assert_eq!(bonus.d_entropy, [-0.05, -0.05]);
/// ```
///
/// # Panics
/// If `normaliser` is not positive: an error of the caller, not of the data.
#[must_use]
pub fn entropy_bonus(entropy_t: &[f64], coefficient: f64, normaliser: f64) -> EntropyBonus {
    assert!(normaliser > 0.0, "normaliser is the token count of the optimiser step, got {normaliser}");
    let slope = -coefficient / normaliser;
    EntropyBonus { value: slope * entropy_t.iter().sum::<f64>(), d_entropy: vec![slope; entropy_t.len()] }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, finite_differences};
    use super::*;

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let entropy = [0.0, 1.5, 3.0];
        let loss = |h: &[f64]| entropy_bonus(h, 0.01, 7.0);
        assert_close(&loss(&entropy).d_entropy, &finite_differences(&entropy, |h| loss(h).value), 1e-9);
    }

    /// Law: coefficient 0 is no term at all, and a positive one rewards entropy.
    #[test]
    fn coefficient_zero_is_nothing() {
        assert_eq!(entropy_bonus(&[1.0, 2.0], 0.0, 2.0).value, 0.0);
        assert!(entropy_bonus(&[2.0], 0.1, 1.0).value < entropy_bonus(&[1.0], 0.1, 1.0).value);
    }
}
