//! Mean, variance, and Student's interval of a mean.
//!
//! Student 1908; the interval holds for independent items whose mean is near normal. For clustered items (several
//! answers to one prompt) use [`crate::bootstrap_mean`] with the clusters.

use crate::{Interval, Measured, measured::bad_level, measured::not_finite, special::t_quantile};

/// The arithmetic mean; `None` of nothing.
///
/// ```
/// assert_eq!(trimtab_stats::mean(&[1.0, 2.0, 6.0]), Some(3.0));
/// ```
#[must_use]
pub fn mean(x: &[f64]) -> Option<f64> {
    (!x.is_empty()).then(|| x.iter().sum::<f64>() / x.len() as f64)
}

/// The unbiased variance (divisor n − 1); `None` of fewer than two values.
///
/// ```
/// assert_eq!(trimtab_stats::variance(&[1.0, 2.0, 6.0]), Some(7.0)); // (4 + 1 + 9) / 2
/// ```
#[must_use]
pub fn variance(x: &[f64]) -> Option<f64> {
    let centre = mean(x)?;
    (x.len() > 1).then(|| x.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (x.len() - 1) as f64)
}

/// The square root of [`variance`].
#[must_use]
pub fn std_dev(x: &[f64]) -> Option<f64> {
    variance(x).map(f64::sqrt)
}

/// The mean of independent items with its t interval at confidence `level`.
///
/// One item has a value and no interval; none, or values that are not finite, have neither.
///
/// ```
/// use trimtab_stats::mean_t;
/// // 1, 2, 3: mean 2, standard error 1/√3, t(0.975, 2) = 4.3027.
/// let measured = mean_t(&[1.0, 2.0, 3.0], 0.95);
/// let interval = measured.interval.unwrap();
/// assert_eq!((measured.value, measured.n), (Some(2.0), 3));
/// assert!((interval.high - (2.0 + 4.302652730 / 3f64.sqrt())).abs() < 1e-9);
/// ```
#[must_use]
pub fn mean_t(x: &[f64], level: f64) -> Measured {
    let n = x.len() as u64;
    if let Some(reason) = not_finite(x) {
        return Measured::undefined(n, reason);
    }
    if !(level > 0.0 && level < 1.0) {
        return Measured::undefined(n, bad_level(level));
    }
    match (mean(x), std_dev(x)) {
        (None, _) => Measured::undefined(0, "no items"),
        (Some(value), None) => Measured::point(value, n, "one item has no interval"),
        (Some(value), Some(sd)) => {
            let half = t_quantile(0.5 + 0.5 * level, (n - 1) as f64) * sd / (n as f64).sqrt();
            Measured::new(value, Interval { low: value - half, high: value + half, level }, n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Student's own sleep data (1908, differences of two drugs): mean 1.58, 95 % from 0.70 to 2.46.
    #[test]
    fn student_1908() {
        let x = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let m = mean_t(&x, 0.95);
        let i = m.interval.unwrap();
        assert!((m.value.unwrap() - 1.58).abs() < 1e-12);
        assert!((i.low - 0.7001142).abs() < 1e-6 && (i.high - 2.4598858).abs() < 1e-6, "{i:?}");
    }

    /// Coverage of a planted mean at n = 5, where a normal quantile would cover only 88 %.
    #[test]
    fn covers_a_planted_mean_in_small_samples() {
        let mut draws = Draws::new(3);
        let rounds = 4000;
        let inside = (0..rounds)
            .filter(|_| {
                let x: Vec<f64> = (0..5).map(|_| 7.0 + 2.0 * draws.normal()).collect();
                mean_t(&x, 0.95).interval.unwrap().contains(7.0)
            })
            .count();
        let coverage = inside as f64 / f64::from(rounds);
        assert!((0.94..0.96).contains(&coverage), "{coverage}");
    }

    #[test]
    fn what_has_no_mean_says_why() {
        assert_eq!(mean_t(&[], 0.95).reason.as_deref(), Some("no items"));
        assert_eq!(mean_t(&[1.0, f64::NAN], 0.95).reason.as_deref(), Some("1 of 2 values are not finite"));
        let one = mean_t(&[4.0], 0.95);
        assert_eq!((one.value, one.interval), (Some(4.0), None));
        assert!(mean_t(&[1.0, 2.0], 1.5).value.is_none());
        let flat = mean_t(&[2.0; 4], 0.95).interval.unwrap();
        assert_eq!((flat.low, flat.high), (2.0, 2.0));
    }
}
