//! The controller that moves the KL coefficient towards a target divergence.
//!
//! Ziegler et al. 2019, [arXiv:1909.08593](https://arxiv.org/abs/1909.08593), section 2.2. Read by `ppo::update`.
//!
//! Where ours differs from the paper:
//! 1. The paper's gain K_β = 0.1 per update is written as `n / horizon`, as in its released code: n is the number of
//!    episodes behind the measured KL, so the speed does not depend on the batch size.
//! 2. The measured KL is the sum over the tokens of an answer, averaged over answers (nats per answer), not a mean per
//!    token.
//! 3. A KL that is not finite leaves the coefficient alone, so that one bad batch cannot poison the rest of a run.

/// Largest relative error that one update reacts to.
const ERROR_LIMIT: f64 = 0.2;

/// A KL coefficient and what steers it; all of it is state to be saved with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveKl {
    /// β, in reward per nat.
    pub coefficient: f64,
    /// The divergence aimed at, in nats per answer; positive.
    pub target: f64,
    /// Episodes over which a full-size error changes β by a factor of about e^0.2; positive.
    pub horizon: f64,
}

impl AdaptiveKl {
    /// Moves the coefficient after a batch of `n` answers whose mean KL was `kl` nats per answer.
    ///
    /// β ← β·(1 + clip(kl/target − 1, ±0.2)·n/horizon)
    ///
    /// ```
    /// use trimtab_alignment::loss::AdaptiveKl;
    /// let mut beta = AdaptiveKl { coefficient: 0.1, target: 6.0, horizon: 1000.0 };
    /// beta.update(6.6, 100); // 10 % above the target, a tenth of the horizon: 1 % up
    /// assert!((beta.coefficient - 0.101).abs() < 1e-15);
    /// ```
    pub fn update(&mut self, kl: f64, n: usize) {
        if !kl.is_finite() {
            return;
        }
        let error = (kl / self.target - 1.0).clamp(-ERROR_LIMIT, ERROR_LIMIT);
        self.coefficient *= 1.0 + error * n as f64 / self.horizon;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fixture `adaptive_kl(.15;target6;horizon1e4;n=256;kl=3,6,9,60)`.
    #[test]
    fn fixture_four_updates() {
        let mut beta = AdaptiveKl { coefficient: 0.15, target: 6.0, horizon: 1e4 };
        for kl in [3.0, 6.0, 9.0, 60.0] {
            beta.update(kl, 256);
        }
        assert!((beta.coefficient - 0.1507640477073408).abs() < 1e-15);
    }

    /// Law: above the target β grows, below it shrinks, on it nothing moves, and one batch moves it by 0.2·n/horizon
    /// at most.
    #[test]
    fn moves_towards_the_target() {
        let start = AdaptiveKl { coefficient: 0.2, target: 5.0, horizon: 100.0 };
        let after = |kl: f64| {
            let mut beta = start;
            beta.update(kl, 10);
            beta.coefficient
        };
        assert!(after(5.1) > 0.2 && after(4.9) < 0.2 && after(5.0) == 0.2);
        assert_eq!(after(1e9), after(6.0));
        assert_eq!(after(-3.0), after(4.0));
    }

    /// Law: in a world where KL falls as β rises, the controller settles on the target.
    #[test]
    fn settles_on_the_target() {
        let mut beta = AdaptiveKl { coefficient: 0.01, target: 4.0, horizon: 1000.0 };
        for _ in 0..2000 {
            beta.update(0.4 / beta.coefficient, 100);
        }
        assert!((beta.coefficient - 0.1).abs() < 1e-6, "{}", beta.coefficient);
    }

    #[test]
    fn a_kl_that_is_not_finite_changes_nothing() {
        let mut beta = AdaptiveKl { coefficient: 0.1, target: 6.0, horizon: 1e4 };
        for kl in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            beta.update(kl, 256);
        }
        assert_eq!(beta.coefficient, 0.1);
    }
}
