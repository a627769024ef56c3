//! Generalised advantage estimation.
//!
//! Schulman et al. 2016, [arXiv:1506.02438](https://arxiv.org/abs/1506.02438), eq. 16. Read by `ppo::update`.
//!
//! Where ours differs from the paper:
//! 1. An episode is one answer: the value after its last token is 0, also when the answer was cut at the length
//!    limit. The missing-EOS penalty says that a cut is bad; a bootstrap value would say that it goes on.
//! 2. The prompt is not part of the episode. `value_t[t]` is the value of the state *before* token t is chosen, that
//!    is, the value head read at the position that predicts token t.
//! 3. The advantage is not whitened here (see [`super::whiten()`]), and the return is built from the unwhitened one.

/// Advantages and value targets of one answer, one entry per answer token.
#[derive(Debug, Clone, PartialEq)]
pub struct Gae {
    /// How much better token t was than the value expected, in units of reward.
    pub advantage_t: Vec<f64>,
    /// Target of the value head: `advantage_t + value_t`, in units of reward.
    pub return_t: Vec<f64>,
}

/// Advantages of the tokens of one answer from its per-token rewards and the old values.
///
/// δₜ = rₜ + γ·Vₜ₊₁ − Vₜ with V = 0 past the end, Aₜ = δₜ + γλ·Aₜ₊₁, return = A + V.
/// Both slices have one entry per answer token. An empty answer gives empty vectors.
///
/// ```
/// use trimtab_alignment::loss::gae;
/// // Two tokens, reward 1 at the end, values 0.5 and 0.5. δ = (0, 0.5); with λ = 0.5, A₀ = 0 + 0.5·0.5.
/// let estimate = gae(&[0.0, 1.0], &[0.5, 0.5], 1.0, 0.5);
/// assert_eq!(estimate.advantage_t, [0.25, 0.5]);
/// assert_eq!(estimate.return_t, [0.75, 1.0]);
/// ```
///
/// # Panics
/// If the slices differ in length: an error of the caller, not of the data.
#[must_use]
pub fn gae(reward_t: &[f64], value_t: &[f64], gamma: f64, lambda: f64) -> Gae {
    assert_eq!(reward_t.len(), value_t.len(), "one reward and one value per answer token");
    let n = reward_t.len();
    let mut advantage_t = vec![0.0; n];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for t in (0..n).rev() {
        let delta = reward_t[t] + gamma * next_value - value_t[t];
        next_advantage = delta + gamma * lambda * next_advantage;
        advantage_t[t] = next_advantage;
        next_value = value_t[t];
    }
    let return_t = advantage_t.iter().zip(value_t).map(|(a, v)| a + v).collect();
    Gae { advantage_t, return_t }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, shaped_reward};
    use super::*;

    /// Reference numbers of the fixture `gae`: four tokens, EOS last, β 0.05, γ 1, λ 0.95, score 0.9.
    #[test]
    fn fixture_gae() {
        let reward = shaped_reward(&[-1.0, -2.0, -0.5, -0.1], &[-1.2, -1.5, -0.7, -0.3], 0.05, 0.9);
        assert_close(&reward, &[-0.01, 0.025, -0.01, 0.89], 1e-15);
        let estimate = gae(&reward, &[0.1, 0.2, 0.3, 0.4], 1.0, 0.95);
        assert_close(&estimate.advantage_t, &[0.71008875, 0.652725, 0.5555, 0.49], 1e-15);
        assert_close(&estimate.return_t, &[0.81008875, 0.852725, 0.8555, 0.89], 1e-15);
    }

    /// Law: λ = 1 gives Monte-Carlo returns, whatever the values; λ = 0 gives one-step temporal differences.
    #[test]
    fn lambda_spans_monte_carlo_and_one_step() {
        let (reward, value, gamma) = ([0.3, -1.0, 0.5, 2.0], [5.0, -7.0, 1.0, 0.25], 0.9);
        let mut to_go = 0.0;
        let mut expected: Vec<f64> = reward
            .iter()
            .rev()
            .map(|r| {
                to_go = r + gamma * to_go;
                to_go
            })
            .collect();
        expected.reverse();
        assert_close(&gae(&reward, &value, gamma, 1.0).return_t, &expected, 1e-12);

        let next = [value[1], value[2], value[3], 0.0];
        let td: Vec<f64> = (0..4).map(|t| reward[t] + gamma * next[t] - value[t]).collect();
        assert_close(&gae(&reward, &value, gamma, 0.0).advantage_t, &td, 1e-12);
    }

    /// Law: a zero value head leaves the discounted sum Σ (γλ)ᵏ rₜ₊ₖ.
    #[test]
    fn zero_values_leave_discounted_rewards() {
        let estimate = gae(&[1.0, 1.0, 1.0], &[0.0; 3], 1.0, 0.5);
        assert_eq!(estimate.advantage_t, [1.75, 1.5, 1.0]);
        assert_eq!(estimate.return_t, estimate.advantage_t);
    }

    /// Law: values that already predict every return leave nothing to be surprised about.
    #[test]
    fn perfect_values_leave_no_advantage() {
        let estimate = gae(&[0.5, 0.25, 1.0], &[1.75, 1.25, 1.0], 1.0, 0.95);
        assert_close(&estimate.advantage_t, &[0.0; 3], 1e-15);
    }

    #[test]
    fn empty_answer_is_empty() {
        assert_eq!(gae(&[], &[], 1.0, 0.95), Gae { advantage_t: vec![], return_t: vec![] });
    }
}
