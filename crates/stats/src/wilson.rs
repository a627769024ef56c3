//! The score interval of a share.
//!
//! Wilson 1927, *Probable inference, the law of succession, and statistical inference*; recommended for small n by
//! Brown, Cai and DasGupta 2001. It stays within [0, 1] and has a width at 0 and at n, where p ± z·se has none.

use crate::{Interval, special::normal_quantile};

/// The interval of `numerator` successes in `denominator` independent trials at confidence `level` (0.95).
///
/// `None` if there are no trials, more successes than trials, or `level` is not between 0 and 1.
///
/// ```
/// use trimtab_stats::wilson;
/// // 0 of 10: the upper bound is z²/(n + z²) = 3.8415/13.8415.
/// let interval = wilson(0, 10, 0.95).unwrap();
/// assert_eq!(interval.low, 0.0);
/// assert!((interval.high - 0.27753).abs() < 1e-5);
/// assert_eq!(wilson(0, 0, 0.95), None);
/// ```
#[must_use]
pub fn wilson(numerator: u64, denominator: u64, level: f64) -> Option<Interval> {
    if denominator == 0 || numerator > denominator || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let (n, p) = (denominator as f64, numerator as f64 / denominator as f64);
    let z = normal_quantile(0.5 + 0.5 * level);
    let shrink = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    // Exact at the ends, where rounding would leave 1e-17 or 1 + 1e-16.
    let low = if numerator == 0 { 0.0 } else { centre - half };
    let high = if numerator == denominator { 1.0 } else { centre + half };
    Some(Interval { low, high, level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// 81 of 263, the example of Newcombe 1998 (table I): 0.2553 to 0.3662; 0 of 20: 0 to 0.1611; 29 of 29: 0.8830 to 1.
    #[test]
    fn newcombe_1998() {
        for (x, n, low, high) in [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0)] {
            let i = wilson(x, n, 0.95).unwrap();
            assert!((i.low - low).abs() < 6e-5 && (i.high - high).abs() < 6e-5, "{x} of {n}: {i:?}");
        }
    }

    /// Law: exactly those shares p are inside whose score test |x/n − p| ≤ z·√(p(1 − p)/n) accepts them.
    #[test]
    fn it_inverts_the_score_test() {
        let z = normal_quantile(0.95);
        for (x, n) in [(0u64, 7u64), (3, 7), (7, 7), (50, 400)] {
            let i = wilson(x, n, 0.9).unwrap();
            for step in 1..1000 {
                let p = f64::from(step) / 1000.0;
                let distance = (x as f64 / n as f64 - p).abs() - z * (p * (1.0 - p) / n as f64).sqrt();
                if distance.abs() > 1e-9 {
                    assert_eq!(i.contains(p), distance < 0.0, "{x} of {n}, p {p}");
                }
            }
        }
    }

    /// Law: swapping successes and failures mirrors the interval; a higher level widens it.
    #[test]
    fn mirrors_and_widens() {
        let (a, b) = (wilson(3, 11, 0.95).unwrap(), wilson(8, 11, 0.95).unwrap());
        assert!((a.low + b.high - 1.0).abs() < 1e-12 && (a.high + b.low - 1.0).abs() < 1e-12);
        let wide = wilson(3, 11, 0.99).unwrap();
        assert!(wide.low < a.low && wide.high > a.high);
        for level in [0.0, 1.0, -1.0, 2.0, f64::NAN] {
            assert_eq!(wilson(1, 2, level), None);
        }
        assert_eq!(wilson(3, 2, 0.95), None);
    }

    /// Coverage of planted shares: averaged over p, close to nominal; never far below it.
    #[test]
    fn covers_planted_shares() {
        let mut draws = Draws::new(11);
        let mut inside = 0;
        let rounds = 4000;
        for _ in 0..rounds {
            let p = 0.02 + 0.96 * draws.uniform();
            let x = (0..50).filter(|_| draws.uniform() < p).count();
            inside += u32::from(wilson(x as u64, 50, 0.95).unwrap().contains(p));
        }
        let coverage = f64::from(inside) / f64::from(rounds);
        assert!((0.935..0.965).contains(&coverage), "{coverage}");
    }
}
