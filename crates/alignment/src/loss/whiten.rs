//! Whitening: mean 0 and variance 1 over the tokens of a rollout.
//!
//! Ziegler et al. 2019, the released code of [arXiv:1909.08593](https://arxiv.org/abs/1909.08593); that two variances
//! are in use is from Huang et al., *The N implementation details of RLHF with PPO*. Read by `ppo::update`.
//!
//! Where ours differs:
//! 1. No mask: only real answer tokens are passed in, so padding cannot enter the mean.
//! 2. Fewer than two values, or values that are all equal, have nothing to whiten: their deviations are exactly 0. The
//!    usual arithmetic gives NaN for one value under the unbiased variance, and amplified rounding for equal ones.

/// Added to the variance under the root, as in TRL and the fixtures.
pub const WHITEN_EPS: f64 = 1e-8;

/// The divisor of the variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    /// n: OpenAI's TensorFlow code.
    Biased,
    /// n − 1: torch, TRL, verl.
    Unbiased,
}

/// (x − mean) / √(variance + 1e-8), plus the mean again unless `shift_mean`.
///
/// A NaN or infinity anywhere makes all of the result NaN: the caller's finiteness check then sees it.
///
/// ```
/// use trimtab_alignment::loss::{Variance, whiten};
/// let near = |got: &[f64], want: &[f64]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-7);
/// assert!(near(&whiten(&[1.0, 3.0], Variance::Biased, true), &[-1.0, 1.0]));
/// assert!(near(&whiten(&[1.0, 3.0], Variance::Biased, false), &[1.0, 3.0])); // unit variance already
/// assert_eq!(whiten(&[0.1, 0.1, 0.1], Variance::Unbiased, true), [0.0; 3]);
/// assert_eq!(whiten(&[7.0], Variance::Unbiased, true), [0.0]);
/// ```
#[must_use]
pub fn whiten(x: &[f64], variance: Variance, shift_mean: bool) -> Vec<f64> {
    let n = x.len() as f64;
    let finite = x.iter().all(|v| v.is_finite());
    if finite && x.iter().all(|&v| v == x[0]) {
        return x.iter().map(|&v| if shift_mean { 0.0 } else { v }).collect();
    }
    let mean = x.iter().sum::<f64>() / n;
    let divisor = match variance {
        Variance::Biased => n,
        Variance::Unbiased => n - 1.0,
    };
    let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / divisor;
    let scale = (var + WHITEN_EPS).sqrt();
    let back = if shift_mean { 0.0 } else { mean };
    x.iter().map(|v| if finite { (v - mean) / scale + back } else { f64::NAN }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    /// Fixtures `whiten_biased` and `whiten_unbiased`, of the advantages of fixture `gae`.
    #[test]
    fn fixture_both_variances() {
        let advantage = [0.71008875, 0.652725, 0.5555, 0.49];
        let biased = [1.2693384280014035, 0.595198981832637, -0.5473903302984285, -1.3171470795356082];
        let unbiased = [1.0992795144255916, 0.5154575275608564, -0.474054013663766, -1.1406830283226785];
        assert_close(&whiten(&advantage, Variance::Biased, true), &biased, 1e-12);
        assert_close(&whiten(&advantage, Variance::Unbiased, true), &unbiased, 1e-12);
    }

    /// The published 3×3 example with the mean kept, to its four digits.
    #[test]
    fn published_matrix_with_the_mean_kept() {
        let x: Vec<f64> = (0..9).map(|i| 1.2 + 0.1 * f64::from(i)).collect();
        let biased = [0.0508, 0.4381, 0.8254, 1.2127, 1.6, 1.9873, 2.3746, 2.7619, 3.1492];
        let unbiased = [0.1394, 0.5046, 0.8697, 1.2349, 1.6, 1.9651, 2.3303, 2.6954, 3.0606];
        assert_close(&whiten(&x, Variance::Biased, false), &biased, 6e-5);
        assert_close(&whiten(&x, Variance::Unbiased, false), &unbiased, 6e-5);
    }

    /// Law: mean 0, variance 1, and no change under shifts and positive scalings of the input.
    #[test]
    fn mean_zero_variance_one_and_invariance() {
        let x = [3.0, -1.0, 0.5, 12.0, 7.0];
        let white = whiten(&x, Variance::Biased, true);
        assert!(white.iter().sum::<f64>().abs() < 1e-12);
        assert!((white.iter().map(|v| v * v).sum::<f64>() / 5.0 - 1.0).abs() < 1e-8);
        let moved: Vec<f64> = x.iter().map(|v| 4.0 * v - 30.0).collect();
        assert_close(&whiten(&moved, Variance::Biased, true), &white, 1e-8);
    }

    #[test]
    fn nothing_to_whiten() {
        for variance in [Variance::Biased, Variance::Unbiased] {
            assert_eq!(whiten(&[], variance, true), [0.0; 0]);
            assert_eq!(whiten(&[0.7], variance, true), [0.0]);
            assert_eq!(whiten(&[0.7], variance, false), [0.7]);
            assert_eq!(whiten(&[0.1; 7], variance, true), [0.0; 7]);
            assert!(whiten(&[1.0, f64::NAN, 2.0], variance, true).iter().all(|v| v.is_nan()));
            assert!(whiten(&[f64::INFINITY], variance, true)[0].is_nan());
        }
    }
}
