//! The chance that one of k answers is right, and what guessing would give.
//!
//! The estimator is of Chen et al. 2021 (Codex), [arXiv:2107.03374](https://arxiv.org/abs/2107.03374), section 2.1: of n
//! answers drawn to a question c were right, and a set of k of them has a right one with chance 1 − C(n − c, k)/C(n, k).
//!
//! 1. It is a product, since binomial coefficients overflow.
//! 2. It is of one question. A mean over questions is the caller's, of these and not of 1 − (1 − c̄)^k: that is the chance of
//!    a model that is equally sure of every question, and at least as high (Jensen).

/// The unbiased estimate of the chance that one of `k` answers is right, from `right` of `n` drawn. `None` for k = 0, for
/// fewer than k answers, or for more right ones than there are.
///
/// ```
/// use trimtab_stats::pass_at_k;
/// // Of the six pairs of four answers, three do not hold the one that is right.
/// assert_eq!(pass_at_k(4, 1, 2), Some(0.5));
/// assert_eq!(pass_at_k(4, 1, 1), Some(0.25)); // the share itself
/// assert_eq!((pass_at_k(4, 2, 3), pass_at_k(4, 0, 4)), (Some(1.0), Some(0.0)));
/// assert_eq!(pass_at_k(4, 1, 5), None);
/// ```
#[must_use]
pub fn pass_at_k(n: u64, right: u64, k: u64) -> Option<f64> {
    if k == 0 || k > n || right > n {
        return None;
    }
    // C(n − c, k)/C(n, k), factor by factor: 0 as soon as fewer than k are wrong.
    let none = (0..k).map(|i| (n - right).saturating_sub(i) as f64 / (n - i) as f64).product::<f64>();
    Some(1.0 - none)
}

/// The chance that one of `k` independent guesses is right, each with chance `rate`: 1 − (1 − rate)^k. `None` for a rate that
/// is no probability.
///
/// ```
/// // One die in two throws: 11 of 36.
/// let chance = trimtab_stats::guess_at_k(1.0 / 6.0, 2).unwrap();
/// assert!((chance - 11.0 / 36.0).abs() < 1e-15);
/// assert_eq!(trimtab_stats::guess_at_k(1.5, 2), None);
/// ```
#[must_use]
pub fn guess_at_k(rate: f64, k: u64) -> Option<f64> {
    (0.0..=1.0).contains(&rate).then(|| 1.0 - (1.0 - rate).powf(k as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Law: it is the share of all subsets of k that hold a right answer, by brute force.
    #[test]
    fn it_counts_subsets() {
        for n in 1..=8u32 {
            for right in 0..=n {
                for k in 1..=n {
                    let subsets = || (0u32..1 << n).filter(|s| s.count_ones() == k);
                    let hits = subsets().filter(|s| s & ((1 << right) - 1) != 0).count();
                    let expected = hits as f64 / subsets().count() as f64;
                    let got = pass_at_k(n.into(), right.into(), k.into()).unwrap();
                    assert!((got - expected).abs() < 1e-12, "n {n}, right {right}, k {k}: {got} {expected}");
                }
            }
        }
    }

    /// Law: over models with a planted chance it is unbiased, where 1 − (1 − c/n)^k is not.
    #[test]
    fn unbiased_of_a_planted_chance() {
        let mut draws = Draws::new(9);
        let (chance, n, k, rounds) = (0.1, 16u64, 8u64, 20_000);
        let (mut unbiased, mut plug_in) = (0.0, 0.0);
        for _ in 0..rounds {
            let right = (0..n).filter(|_| draws.uniform() < chance).count() as u64;
            unbiased += pass_at_k(n, right, k).unwrap() / f64::from(rounds);
            plug_in += guess_at_k(right as f64 / n as f64, k).unwrap() / f64::from(rounds);
        }
        let truth = guess_at_k(chance, k).unwrap();
        assert!((unbiased - truth).abs() < 0.008, "{unbiased} {truth}");
        assert!(truth - plug_in > 0.02, "{plug_in} {truth}");
    }
}
