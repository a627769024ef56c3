//! The difference of two shares of the same items, such as two models' or a judge's and a person's.
//!
//! Bonett and Price 2012, *Adjusted Wald confidence interval for a difference of binomial proportions based on paired data*,
//! [doi:10.3102/1076998611411915](https://doi.org/10.3102/1076998611411915): with one more item of each kind that differs, and
//! so two more items, the usual interval covers what it should. The usual one has no width where no item differs.
//!
//! 1. The paper's estimate is that of the added items too. Here the estimate is that of the data; only the interval is adjusted.
//! 2. Items are independent. For clusters see [`crate::paired_difference`].

use crate::measured::bad_level;
use crate::special::normal_quantile;
use crate::{Interval, Measured};

/// The adjusted difference and its variance, of `n` items.
pub(crate) fn adjusted(only_first: u64, only_second: u64, n: u64) -> (f64, f64) {
    let n = n as f64 + 2.0;
    let (first, second) = ((only_first as f64 + 1.0) / n, (only_second as f64 + 1.0) / n);
    (first - second, (first + second - (first - second).powi(2)) / n)
}

/// The share of the first less that of the second, from the items that only the first has and that only the second has, of
/// `n` in all, with an interval at confidence `level` (0.95).
///
/// Undefined, with a reason, for no items, more differences than items, or a level that is no probability.
///
/// ```
/// use trimtab_stats::paired_shares;
/// // No item differs, of 23: 0 ± 1.96·√(2/25/25).
/// let found = paired_shares(0, 0, 23, 0.95);
/// assert_eq!(found.value, Some(0.0));
/// assert!((found.interval.unwrap().high - 1.959964 * 0.0565685).abs() < 1e-6);
/// assert_eq!(paired_shares(0, 0, 0, 0.95).value, None);
/// ```
#[must_use]
pub fn paired_shares(only_first: u64, only_second: u64, n: u64, level: f64) -> Measured {
    if !(level > 0.0 && level < 1.0) {
        return Measured::undefined(n, bad_level(level));
    }
    let differ = only_first.saturating_add(only_second);
    if n == 0 || differ > n {
        return Measured::undefined(n, format!("{differ} of {n} items differ"));
    }
    let (centre, variance) = adjusted(only_first, only_second, n);
    let half = normal_quantile(0.5 + 0.5 * level) * variance.sqrt();
    let interval = Interval { low: (centre - half).max(-1.0), high: (centre + half).min(1.0), level };
    Measured::new((only_first as f64 - only_second as f64) / n as f64, interval, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// As R's statpsych has it: `ci.prop.ps(.05, 12, 4, 26, 6)`, 26 against 4 of 48: 0.2548067 to 0.6251933.
    #[test]
    fn bonett_and_price_2012() {
        let i = paired_shares(26, 4, 48, 0.95).interval.unwrap();
        assert!((i.low - 0.2548067).abs() < 1e-6 && (i.high - 0.6251933).abs() < 1e-6, "{i:?}");
    }

    /// Law: swapping the two turns estimate and interval round; a share of all against none ends at 1.
    #[test]
    fn antisymmetric_and_bounded() {
        let (a, b) = (paired_shares(7, 2, 30, 0.9), paired_shares(2, 7, 30, 0.9));
        let (i, j) = (a.interval.unwrap(), b.interval.unwrap());
        assert!((a.value.unwrap() + b.value.unwrap()).abs() < 1e-12 && (i.low + j.high).abs() < 1e-12);
        let all = paired_shares(9, 0, 9, 0.95);
        assert_eq!((all.value, all.interval.unwrap().high), (Some(1.0), 1.0));
    }

    /// Coverage of planted differences, from none to large, with 20 items.
    #[test]
    fn covers_planted_differences() {
        let mut draws = Draws::new(41);
        for (first, second) in [(0.02, 0.02), (0.3, 0.05), (0.05, 0.0), (0.6, 0.3)] {
            let rounds = 2000;
            let inside = (0..rounds)
                .filter(|_| {
                    let (mut a, mut b) = (0, 0);
                    for _ in 0..20 {
                        let u = draws.uniform();
                        a += u64::from(u < first);
                        b += u64::from(u >= 1.0 - second);
                    }
                    paired_shares(a, b, 20, 0.95).interval.unwrap().contains(first - second)
                })
                .count();
            assert!(inside >= 1860, "{first} and {second}: {inside} of {rounds}");
        }
    }

    #[test]
    fn what_is_undefined_says_why() {
        assert!(paired_shares(3, 3, 5, 0.95).reason.unwrap().contains("6 of 5"));
        assert!(paired_shares(1, 1, 5, 1.0).value.is_none() && paired_shares(u64::MAX, 1, 5, 0.5).value.is_none());
    }
}
