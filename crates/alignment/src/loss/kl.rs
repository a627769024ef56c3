//! Estimators of the divergence between policy and reference, and the reward that charges for it.
//!
//! Schulman 2020, *Approximating KL divergence*, [joschu.net/blog/kl-approx](http://joschu.net/blog/kl-approx.html);
//! Ouyang et al. 2022, [arXiv:2203.02155](https://arxiv.org/abs/2203.02155), eq. 2. Read by `ppo::rollout`.
//!
//! Where ours differs:
//! 1. All estimate KL(policy ‖ reference), so the note's log r is here `logp_ref − logp`.
//! 2. Only k1 enters a reward. None is differentiated: k1 as a loss has zero expected gradient and k3 has the wrong
//!    one, so this module offers no gradients at all.
//! 3. The score stands on the last token of the answer (its EOS), where the action that earned it is, together with
//!    that token's own KL charge.
//!
//! Each estimator is per token; the KL of an answer is the *sum* over its tokens, in nats per answer.

/// x = logp − logp_ref, in nats: unbiased under samples of the policy, may be negative.
///
/// ```
/// assert_eq!(trimtab_alignment::loss::k1(-1.0, -1.5), 0.5);
/// ```
#[must_use]
pub fn k1(logp: f64, logp_ref: f64) -> f64 {
    logp - logp_ref
}

/// x²/2 with x = logp − logp_ref, in nats: biased, never negative.
///
/// ```
/// assert_eq!(trimtab_alignment::loss::k2(-1.0, -1.5), 0.125);
/// ```
#[must_use]
pub fn k2(logp: f64, logp_ref: f64) -> f64 {
    let x = logp - logp_ref;
    0.5 * x * x
}

/// e⁻ˣ − 1 + x with x = logp − logp_ref, in nats: unbiased under samples of the policy and never negative.
///
/// ```
/// let k3 = trimtab_alignment::loss::k3(2f64.ln(), 0.0); // x = ln 2: 1/2 − 1 + ln 2
/// assert!((k3 - (2f64.ln() - 0.5)).abs() < 1e-15);
/// ```
#[must_use]
pub fn k3(logp: f64, logp_ref: f64) -> f64 {
    let x = logp - logp_ref;
    // exp_m1 keeps the digits where x is small; rounding may still leave −1e-17, and k3 is a square in disguise.
    ((-x).exp_m1() + x).max(0.0) + if x.is_nan() { x } else { 0.0 }
}

/// Per-token reward of one answer: −β·k1 on every token, plus `score` on the last one.
///
/// Log-probabilities in nats at the sampling temperature, one entry per answer token, EOS last; `beta` in reward per
/// nat. An empty answer has no action to reward and gives an empty vector.
///
/// ```
/// use trimtab_alignment::loss::shaped_reward;
/// assert_eq!(shaped_reward(&[-1.0, -1.0], &[-2.0, -0.5], 0.5, 3.0), [-0.5, 3.25]);
/// ```
///
/// # Panics
/// If the slices differ in length: an error of the caller, not of the data.
#[must_use]
pub fn shaped_reward(logp_t: &[f64], logp_ref_t: &[f64], beta: f64, score: f64) -> Vec<f64> {
    assert_eq!(logp_t.len(), logp_ref_t.len(), "one entry per answer token in both slices");
    let mut reward_t: Vec<f64> = logp_t.iter().zip(logp_ref_t).map(|(&p, &q)| -beta * k1(p, q)).collect();
    if let Some(last) = reward_t.last_mut() {
        *last += score;
    }
    reward_t
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    /// Fixture `kl_k1_k2_k3(lp=-1,ref=-1.3)`.
    #[test]
    fn fixture_estimators() {
        let got = [k1(-1.0, -1.3), k2(-1.0, -1.3), k3(-1.0, -1.3)];
        assert_close(&got, &[0.3, 0.045, 0.04081822068171792], 1e-15);
    }

    /// Fixtures `kl_exact_p=.7,.2,.1_q=.5,.3,.2` and `E_p[k1],E_p[k2],E_p[k3]`: on a world small enough to sum over,
    /// k1 and k3 have the exact divergence as their mean and k2 has not.
    #[test]
    fn fixture_expectations_on_three_tokens() {
        let (p, q) = ([0.7f64, 0.2, 0.1], [0.5f64, 0.3, 0.2]);
        let mean = |k: fn(f64, f64) -> f64| -> f64 { (0..3).map(|i| p[i] * k(p[i].ln(), q[i].ln())).sum() };
        assert_close(
            &[mean(k1), mean(k2), mean(k3)],
            &[0.0851228259572216, 0.08008759419113512, 0.0851228259572216],
            1e-14,
        );
    }

    /// Law: k2 and k3 are never negative, all three are 0 on the reference itself, and k3 ≈ k2 near it.
    #[test]
    fn signs_and_the_origin() {
        for x in [-5.0, -1.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 1.0, 5.0] {
            assert!(k2(x, 0.0) >= 0.0 && k3(x, 0.0) >= 0.0, "x {x}");
        }
        assert_eq!([k1(-2.0, -2.0), k2(-2.0, -2.0), k3(-2.0, -2.0)], [0.0; 3]);
        assert!((k3(1e-4, 0.0) / k2(1e-4, 0.0) - 1.0).abs() < 1e-3);
        assert!(k3(f64::NAN, 0.0).is_nan());
    }

    /// Law: the rewards of an answer sum to score − β·KL, and a larger β never raises the sum of a drifted answer.
    #[test]
    fn rewards_sum_to_the_regularised_score() {
        let (p, q) = ([-0.1, -0.4, -0.2], [-1.0, -0.3, -0.9]);
        let kl: f64 = (0..3).map(|t| k1(p[t], q[t])).sum();
        let total = |beta: f64| shaped_reward(&p, &q, beta, 2.0).iter().sum::<f64>();
        assert!((total(0.3) - (2.0 - 0.3 * kl)).abs() < 1e-12);
        assert!(total(0.5) < total(0.3));
        assert!(shaped_reward(&[], &[], 0.1, 2.0).is_empty());
    }
}
