//! The interval of a ratio of two means, such as a share of a gap that was closed.
//!
//! Fieller 1954, *Some problems in interval estimation*, J. R. Statist. Soc. B 16, 175–185: the ratios ρ for which
//! numerator − ρ·denominator is not significantly different from 0.
//!
//! 1. Where the denominator is not significantly different from 0, the set is unbounded. Then there is no interval, and
//!    a reason: a gap too small to measure has no share.
//! 2. The interval is not symmetric about the ratio. The delta method's would be, and is wrong for small denominators.

use crate::{Interval, Measured, mean, measured::bad_level, measured::not_finite, special::t_quantile, variance};

/// The interval of `numerator`/`denominator`, two estimates that are jointly normal with the variances and the
/// covariance of the estimates themselves (of means: divided by n), at confidence `level` with `df` degrees of freedom
/// behind the variances (infinite: known).
///
/// `None` where the set of ratios is unbounded, or an argument cannot be.
///
/// ```
/// use trimtab_stats::fieller;
/// // A denominator without error only scales: 3 ± 1.96 over 2.
/// let interval = fieller(3.0, 2.0, [1.0, 0.0], 0.0, f64::INFINITY, 0.95).unwrap();
/// assert!((interval.low - (3.0 - 1.959964) / 2.0).abs() < 1e-6 && (interval.high - 4.959964 / 2.0).abs() < 1e-6);
/// assert_eq!(fieller(3.0, 1.0, [1.0, 1.0], 0.0, f64::INFINITY, 0.95), None); // 1 ± 1.96 may be 0
/// ```
#[must_use]
pub fn fieller(
    numerator: f64,
    denominator: f64,
    variances: [f64; 2],
    covariance: f64,
    df: f64,
    level: f64,
) -> Option<Interval> {
    let [va, vb] = variances;
    if !(level > 0.0 && level < 1.0 && df > 0.0 && va >= 0.0 && vb >= 0.0) {
        return None;
    }
    // (numerator − ρ·denominator)² ≤ t²(va − 2ρ·covariance + ρ²·vb), as a·ρ² − 2b·ρ + c ≤ 0.
    let t2 = t_quantile(0.5 + 0.5 * level, df).powi(2);
    let a = denominator * denominator - t2 * vb;
    let b = numerator * denominator - t2 * covariance;
    let c = numerator * numerator - t2 * va;
    if !(a > 0.0 && a.is_finite() && b.is_finite() && c.is_finite()) {
        return None;
    }
    // The ratio itself solves the inequality, so the discriminant is below 0 by rounding only.
    let root = (b * b - a * c).max(0.0).sqrt();
    Some(Interval { low: (b - root) / a, high: (b + root) / a, level })
}

/// The ratio of the means of two quantities measured on the same independent items, mean(x)/mean(y), with Fieller's
/// interval from the t distribution with n − 1 degrees of freedom.
///
/// ```
/// use trimtab_stats::ratio_of_means;
/// // x is half of y on every item: the ratio is certain, however much the items differ.
/// let ratio = ratio_of_means(&[1.0, 2.0, 3.0, 2.0], &[2.0, 4.0, 6.0, 4.0], 0.95);
/// let interval = ratio.interval.unwrap();
/// assert!((interval.low - 0.5).abs() < 1e-6 && (interval.high - 0.5).abs() < 1e-6);
/// ```
#[must_use]
pub fn ratio_of_means(x: &[f64], y: &[f64], level: f64) -> Measured {
    let n = x.len() as u64;
    if y.len() != x.len() {
        return Measured::undefined(0, format!("{n} and {} items cannot be paired", y.len()));
    }
    if let Some(reason) = not_finite(x).or_else(|| not_finite(y)) {
        return Measured::undefined(n, reason);
    }
    if !(level > 0.0 && level < 1.0) {
        return Measured::undefined(n, bad_level(level));
    }
    let (Some(mean_x), Some(mean_y)) = (mean(x), mean(y)) else {
        return Measured::undefined(0, "no items");
    };
    let ratio = mean_x / mean_y;
    if !ratio.is_finite() {
        return Measured::undefined(n, "the mean of the denominator is 0");
    }
    let (Some(var_x), Some(var_y)) = (variance(x), variance(y)) else {
        return Measured::point(ratio, n, "one item has no interval");
    };
    let items = n as f64;
    let covariance = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / (items - 1.0);
    match fieller(mean_x, mean_y, [var_x / items, var_y / items], covariance / items, items - 1.0, level) {
        Some(interval) => Measured::new(ratio, interval, n),
        None => Measured::point(ratio, n, "the denominator is not significantly different from 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;
    use crate::mean_t;

    /// Law that defines it: ρ is inside exactly if 0 is inside the t interval of x − ρ·y.
    #[test]
    fn it_inverts_the_t_test() {
        let mut draws = Draws::new(9);
        for n in [3, 8, 40] {
            let y: Vec<f64> = (0..n).map(|_| 4.0 + draws.normal()).collect();
            let x: Vec<f64> = y.iter().map(|y| 0.7 * y + 0.8 * draws.normal()).collect();
            let Some(interval) = ratio_of_means(&x, &y, 0.9).interval else { continue };
            for step in -200..400 {
                let rho = f64::from(step) / 100.0;
                let difference: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - rho * y).collect();
                let accepted = mean_t(&difference, 0.9).interval.unwrap().contains(0.0);
                let near = (rho - interval.low).abs().min((rho - interval.high).abs()) < 1e-9;
                assert!(near || accepted == interval.contains(rho), "n {n}, ratio {rho}");
            }
        }
    }

    /// Coverage of a planted ratio with a noisy denominator, where the delta method falls short.
    #[test]
    fn covers_a_planted_ratio() {
        let mut draws = Draws::new(10);
        let (mut inside, mut bounded) = (0, 0);
        for _ in 0..4000 {
            let y: Vec<f64> = (0..10).map(|_| 1.0 + draws.normal()).collect();
            let x: Vec<f64> = (0..10).map(|_| 0.5 + draws.normal()).collect();
            inside += u32::from(if let Some(interval) = ratio_of_means(&x, &y, 0.95).interval {
                bounded += 1;
                interval.contains(0.5)
            } else {
                // An unbounded set covers where the test accepts.
                let difference: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - 0.5 * y).collect();
                mean_t(&difference, 0.95).interval.unwrap().contains(0.0)
            });
        }
        let coverage = f64::from(inside) / 4000.0;
        assert!((0.94..0.96).contains(&coverage) && (2000..4000).contains(&bounded), "{coverage}, {bounded}");
    }

    /// Laws: it scales with the numerator, and turns over with the sign.
    #[test]
    fn scales_and_mirrors() {
        let of = |a: f64| fieller(a, 5.0, [0.04 * a * a, 0.3], 0.05 * a, 12.0, 0.95).unwrap();
        let (one, three, minus) = (of(1.0), of(3.0), of(-1.0));
        assert!((three.low - 3.0 * one.low).abs() < 1e-12 && (three.high - 3.0 * one.high).abs() < 1e-12);
        assert!((minus.low + one.high).abs() < 1e-12 && (minus.high + one.low).abs() < 1e-12);
    }

    #[test]
    fn what_is_undefined_says_why() {
        let reason = |x: &[f64], y: &[f64]| ratio_of_means(x, y, 0.95).reason.unwrap();
        assert_eq!(reason(&[], &[]), "no items");
        assert!(reason(&[1.0], &[1.0, 2.0]).contains("cannot be paired"));
        assert!(reason(&[1.0, 2.0], &[1.0, -1.0]).contains("is 0"));
        assert!(reason(&[1.0, 2.0, 3.0], &[0.1, -1.0, 1.5]).contains("not significantly"));
        assert_eq!(reason(&[1.0], &[2.0]), "one item has no interval");
        assert!(ratio_of_means(&[1.0, f64::NAN], &[1.0, 1.0], 0.95).value.is_none());
        assert_eq!(fieller(1.0, f64::NAN, [1.0, 1.0], 0.0, 5.0, 0.95), None);
    }
}
