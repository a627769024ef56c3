//! Whether two arms differ on the same items, each item right or wrong.
//!
//! McNemar 1947; the exact conditional test and its mid-p version as in Fagerland, Lydersen and Laake 2013,
//! [doi:10.1186/1471-2288-13-91](https://doi.org/10.1186/1471-2288-13-91), who recommend the mid-p: the exact test is
//! too cautious, and the chi-square form fails for few items.
//!
//! 1. Only items on which the arms differ say anything. Given their number, each falls to either arm with chance ½.
//! 2. P-values are two-sided.
//! 3. Without such items both are 1: no evidence. (The formula's mid-p would be ½.)

use crate::special::ln_gamma;

/// Two-sided p-values of the hypothesis that neither arm is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Of the exact conditional test: it never rejects too often.
    pub exact: f64,
    /// Of the mid-p test: half of the chance of the very table seen is left out. Closest to what it says.
    pub mid_p: f64,
}

/// The test, from the number of items that only the first arm has right and that only the second has right.
///
/// ```
/// use trimtab_stats::mcnemar;
/// // 0 against 5: two tails of 1/32 each; the mid-p counts each half.
/// let p = mcnemar(0, 5);
/// assert!((p.exact - 2.0 / 32.0).abs() < 1e-12 && (p.mid_p - 1.0 / 32.0).abs() < 1e-12);
/// assert_eq!(mcnemar(0, 0).exact, 1.0);
/// ```
#[must_use]
pub fn mcnemar(only_first: u64, only_second: u64) -> McNemar {
    let (few, n) = (only_first.min(only_second), only_first.saturating_add(only_second));
    if n == 0 {
        return McNemar { exact: 1.0, mid_p: 1.0 };
    }
    let (k, m) = (few as f64, n as f64);
    let seen = (ln_gamma(m + 1.0) - ln_gamma(k + 1.0) - ln_gamma(m - k + 1.0) - m * std::f64::consts::LN_2).exp();
    // P(X ≤ few), from the table seen outwards: C(n, j − 1)/C(n, j) = j/(n − j + 1).
    let (mut tail, mut term, mut j) = (seen, seen, k);
    while j > 0.0 && term > tail * 1e-17 {
        term *= j / (m - j + 1.0);
        tail += term;
        j -= 1.0;
    }
    // On the middle itself both tails hold the table seen, which is one and not two.
    let exact = if only_first == only_second { 1.0 } else { (2.0 * tail).min(1.0) };
    let half = if only_first == only_second { 0.5 * seen } else { seen };
    McNemar { exact, mid_p: exact - half }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fagerland et al. 2013, airway reactivity before and after stem cell transplantation (Bentur et al. 2009), 1
    /// against 7: exact 0.070, mid-p 0.039.
    #[test]
    fn fagerland_2013() {
        let p = mcnemar(1, 7);
        assert!((p.exact - 0.070).abs() < 5e-4 && (p.mid_p - 0.039).abs() < 5e-4, "{p:?}");
    }

    /// Armitage and Berry 1994, page 127, two media for tubercle bacilli, 12 against 2: two-sided exact P 0.0129.
    #[test]
    fn armitage_and_berry_1994() {
        assert!((mcnemar(12, 2).exact - 0.0129).abs() < 5e-5);
    }

    /// Laws: symmetric; the mid-p is below the exact p; both fall as the arms part; the exact test keeps its level.
    #[test]
    fn laws() {
        for n in 1..60 {
            let mut level = 0.0;
            for k in 0..=n {
                let p = mcnemar(k, n - k);
                assert_eq!(p, mcnemar(n - k, k));
                assert!(p.mid_p > 0.0 && p.mid_p < p.exact && p.exact <= 1.0, "{k} of {n}: {p:?}");
                if k < n / 2 {
                    let nearer = mcnemar(k + 1, n - k - 1);
                    assert!(p.exact < nearer.exact && p.mid_p < nearer.mid_p);
                }
                if p.exact <= 0.05 {
                    let ways = (1..=k).fold(1.0, |c, j| c * (n - j + 1) as f64 / j as f64);
                    level += ways * 0.5f64.powi(n as i32);
                }
            }
            assert!(level <= 0.05, "n {n}: {level}");
        }
        // By hand: with 2 against 2 the tails are (1 + 4)/16 and the table itself 6/16.
        assert!((mcnemar(2, 2).mid_p - (1.0 - 3.0 / 16.0)).abs() < 1e-12);
    }

    /// Large counts neither overflow nor take for ever; a hundred thousand against as many and 2 % more is sure.
    #[test]
    fn large_counts() {
        let p = mcnemar(100_000, 102_000);
        // z = 2000/√202000 = 4.45: two-sided 8.6e-6.
        assert!((8.4e-6..8.8e-6).contains(&p.exact), "{p:?}");
        assert!(mcnemar(0, u64::MAX).exact == 0.0);
    }
}
