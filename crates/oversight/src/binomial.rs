//! The chance of k successes among n draws that do not know of each other.

use trimtab_stats::special::ln_gamma;

/// C(n, k)·pᵏ·(1 − p)ⁿ⁻ᵏ for a chance `p` in [0, 1]; 0 where k > n.
///
/// ```
/// use trimtab_oversight::binomial::binomial;
/// assert!((binomial(1, 2, 0.5) - 0.5).abs() < 1e-12); // one head of two coins
/// assert_eq!(binomial(0, 3, 0.0), 1.0);
/// assert_eq!(binomial(4, 3, 0.5), 0.0);
/// ```
#[must_use]
pub fn binomial(k: usize, n: usize, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    let (successes, failures) = (k as f64, (n - k) as f64);
    // 0·ln 0 is 0 here: no draw of a sort that cannot come.
    let times = |count: f64, chance: f64| if count == 0.0 { 0.0 } else { count * chance.ln() };
    let ways = ln_gamma(n as f64 + 1.0) - ln_gamma(successes + 1.0) - ln_gamma(failures + 1.0);
    (ways + times(successes, p) + times(failures, 1.0 - p)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laws: chances sum to 1, and their mean is n·p.
    #[test]
    fn chances_are_a_distribution() {
        for (n, p) in [(0, 0.3), (1, 1.0), (7, 0.2), (300, 0.95), (1000, 0.5)] {
            let chances: Vec<f64> = (0..=n).map(|k| binomial(k, n, p)).collect();
            let mean: f64 = chances.iter().enumerate().map(|(k, chance)| k as f64 * chance).sum();
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{n} {p}");
            assert!((mean - n as f64 * p).abs() < 1e-6, "{n} {p}");
        }
    }
}
