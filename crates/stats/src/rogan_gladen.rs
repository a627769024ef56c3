//! The rate of a property from a judge's rate and the judge's error rates.
//!
//! Rogan and Gladen 1978, *Estimating prevalence from the results of a screening test*, Am. J. Epidemiol. 107, 71–76:
//!
//! > p = (q + Sp − 1)/(Se + Sp − 1),
//! > variance = (Var q + p²·Var Se + (1 − p)²·Var Sp)/(Se + Sp − 1)²
//!
//! 1. Here it is for comparison only. Error rates that were measured on another model's answers do not hold for this one,
//!    and with few labels of its own [`crate::difference_estimator()`] is closer and always defined.
//! 2. Without Se + Sp > 1 a verdict says nothing of the property, or its opposite, and there is no estimate.
//! 3. The estimate may be below 0 or above 1, which shows that the error rates are not this model's; it is not moved.

use crate::measured::bad_level;
use crate::special::normal_quantile;
use crate::{Interval, Measured, Rate};

/// The share of items with the property, from the judge's counts and its sensitivity and specificity, with a normal interval
/// at confidence `level` (0.95). `n` of the result is the number of items behind the error rates.
///
/// ```
/// use trimtab_stats::{Rate, rogan_gladen};
/// let rate = |numerator, denominator| Rate { numerator, denominator, unscored: 0 };
/// // (0.4 + 0.9 − 1)/(0.8 + 0.9 − 1) = 0.3/0.7.
/// let found = rogan_gladen(rate(40, 100), rate(80, 100), rate(90, 100), 0.95);
/// assert!((found.value.unwrap() - 0.3 / 0.7).abs() < 1e-12);
/// // Variance (0.0024 + 0.183673·0.0016 + 0.326531·0.0009)/0.49 = 0.0060975.
/// assert!((found.interval.unwrap().high - (0.3 / 0.7 + 1.959964 * 0.0780865)).abs() < 1e-5);
/// let useless = rogan_gladen(rate(40, 100), rate(30, 100), rate(70, 100), 0.95);
/// assert!(useless.value.is_none() && useless.reason.unwrap().contains("no more than 1"));
/// ```
#[must_use]
pub fn rogan_gladen(judged: Rate, sensitivity: Rate, specificity: Rate, level: f64) -> Measured {
    let n = sensitivity.denominator + specificity.denominator;
    if !(level > 0.0 && level < 1.0) {
        return Measured::undefined(n, bad_level(level));
    }
    let mut shares = [(0.0, 0.0); 3];
    let parts = [(judged, "item is judged"), (sensitivity, "item has the property"), (specificity, "item lacks it")];
    for (share, (rate, what)) in shares.iter_mut().zip(parts) {
        if rate.denominator == 0 || rate.numerator > rate.denominator {
            return Measured::undefined(n, format!("no {what}"));
        }
        let p = rate.numerator as f64 / rate.denominator as f64;
        *share = (p, p * (1.0 - p) / rate.denominator as f64);
    }
    let [(q, var_q), (se, var_se), (sp, var_sp)] = shares;
    // In counts, since rounded shares that add up to 1 need not do so exactly.
    let (a, b) = (u128::from(sensitivity.denominator), u128::from(specificity.denominator));
    if u128::from(sensitivity.numerator) * b + u128::from(specificity.numerator) * a <= a * b {
        return Measured::undefined(n, format!("Se {se:.3} and Sp {sp:.3} add up to no more than 1"));
    }
    let informative = se + sp - 1.0;
    let value = (q + sp - 1.0) / informative;
    let variance = (var_q + value.powi(2) * var_se + (1.0 - value).powi(2) * var_sp) / informative.powi(2);
    let half = normal_quantile(0.5 + 0.5 * level) * variance.sqrt();
    Measured::new(value, Interval { low: value - half, high: value + half, level }, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    fn rate(numerator: u64, denominator: u64) -> Rate {
        Rate { numerator, denominator, unscored: 0 }
    }

    /// Laws: a judge without errors is believed; the estimate undoes q = p·Se + (1 − p)·(1 − Sp).
    #[test]
    fn it_undoes_what_a_judge_does() {
        assert_eq!(rogan_gladen(rate(3, 8), rate(5, 5), rate(4, 4), 0.95).value, Some(0.375));
        // p = 1/4, Se = 4/5, Sp = 3/5: q = 1/5 + 3/10 = 1/2.
        let p = rogan_gladen(rate(50, 100), rate(4, 5), rate(3, 5), 0.95).value.unwrap();
        assert!((p - 0.25).abs() < 1e-12);
    }

    /// Coverage of a planted rate where the error rates come from the same judge.
    #[test]
    fn covers_a_planted_rate() {
        let mut draws = Draws::new(32);
        let rounds = 2000;
        let mut of = |n: u64, p: f64| rate((0..n).filter(|_| draws.uniform() < p).count() as u64, n);
        let inside = (0..rounds)
            .filter(|_| {
                let (q, se, sp) = (of(400, 0.3 * 0.8 + 0.7 * 0.1), of(150, 0.8), of(150, 0.9));
                rogan_gladen(q, se, sp, 0.95).interval.unwrap().contains(0.3)
            })
            .count();
        let coverage = inside as f64 / f64::from(rounds);
        assert!((0.93..0.97).contains(&coverage), "{coverage}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        let reason = |q, se, sp| rogan_gladen(q, se, sp, 0.95).reason.unwrap();
        assert!(reason(rate(1, 2), rate(1, 10), rate(9, 10)).contains("no more than 1"));
        assert!(reason(rate(1, 2), rate(0, 0), rate(9, 10)).contains("has the property"));
        assert!(reason(rate(1, 2), rate(1, 2), rate(0, 0)).contains("lacks it"));
        assert!(reason(rate(0, 0), rate(1, 2), rate(1, 2)).contains("judged"));
        assert!(rogan_gladen(rate(1, 2), rate(9, 10), rate(9, 10), 1.0).value.is_none());
    }
}
