//! Cross-entropy of the next token: the loss of supervised fine-tuning, and of the pretraining mix in PPO-ptx.
//!
//! Ouyang et al. 2022, [arXiv:2203.02155](https://arxiv.org/abs/2203.02155), section 3.5 and the γ term of eq. 2.
//! Read by `sft` and `ppo::update`.
//!
//! Where ours differs:
//! 1. Summed over trained tokens and divided by `normaliser`, the count of trained tokens of the whole optimiser step.
//!    The paper's γ = 27.8 multiplies a gradient whose reduction it does not state; ours multiplies a *mean*.
//! 2. Which tokens are trained is decided before: only their log-probabilities are passed in.

/// Value and gradient of the next-token loss.
#[derive(Debug, Clone, PartialEq)]
pub struct NextTokenLoss {
    /// The loss, in nats per token once all parts of the optimiser step are added.
    pub value: f64,
    /// ∂value/∂logp, one entry per trained token, in the order given.
    pub d_logp: Vec<f64>,
}

/// −Σ logpₜ / normaliser over trained tokens, log-probabilities in nats at temperature 1.
///
/// ```
/// use trimtab_alignment::loss::next_token_loss;
/// let loss = next_token_loss(&[-1.0, -3.0], 2.0);
/// assert_eq!((loss.value, loss.d_logp), (2.0, vec![-0.5, -0.5]));
/// ```
///
/// # Panics
/// If `normaliser` is not positive: an error of the caller, not of the data.
#[must_use]
pub fn next_token_loss(logp_t: &[f64], normaliser: f64) -> NextTokenLoss {
    assert!(normaliser > 0.0, "normaliser is the trained-token count of the optimiser step, got {normaliser}");
    NextTokenLoss { value: -logp_t.iter().sum::<f64>() / normaliser, d_logp: vec![-1.0 / normaliser; logp_t.len()] }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, finite_differences};
    use super::*;

    /// Fixture `grad_accum`: losses 1, 2 and 3..7 in two micro-batches make 4.0; the mean of means would be 3.25.
    #[test]
    fn fixture_accumulation() {
        let (a, b) = (next_token_loss(&[-1.0, -2.0], 7.0), next_token_loss(&[-3.0, -4.0, -5.0, -6.0, -7.0], 7.0));
        assert!((a.value + b.value - 4.0).abs() < 1e-15);
        assert_eq!([a.d_logp, b.d_logp].concat(), [-1.0 / 7.0; 7]);
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let logp = [-0.1, -5.0, -2.0];
        assert_close(
            &next_token_loss(&logp, 5.0).d_logp,
            &finite_differences(&logp, |x| next_token_loss(x, 5.0).value),
            1e-9,
        );
    }

    /// Law: a uniform model over V tokens costs ln V, and no tokens cost nothing.
    #[test]
    fn uniform_costs_ln_v() {
        let logp = [-(49152f64.ln()); 10];
        assert!((next_token_loss(&logp, 10.0).value - 49152f64.ln()).abs() < 1e-12);
        assert_eq!(next_token_loss(&[], 10.0), NextTokenLoss { value: 0.0, d_logp: vec![] });
    }
}
