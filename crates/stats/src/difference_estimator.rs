//! The rate of a property among many items that a fallible judge has seen, some of which a person has labelled.
//!
//! Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, *Prediction-powered inference*,
//! [arXiv:2301.09633](https://arxiv.org/abs/2301.09633), the mean; in survey sampling the difference estimator (Särndal,
//! Swensson and Wretman 1992):
//!
//! > p = mean over all N of judge − mean over the n labelled of (judge − label),
//! > variance = Var(judge)/N + Var(judge − label)/n
//!
//! 1. It is unbiased for any judge, even one that errs always, as long as the labelled items are a random sample. A better
//!    judge makes the interval narrower, not the estimate truer.
//! 2. The paper's interval is p ± z·√variance. A sample may hold no item on which judge and person differ, and then it says
//!    that the judge is never wrong: for a judge that errs on one item in twenty, 10 labels cover the truth in 41 % of draws,
//!    20 in 67 %. Judge less label is a difference of two paired shares, so here its part of the interval is that of
//!    [`crate::paired_shares()`]: one more item of each kind of error. The estimate itself is left as it is.
//! 3. The paper has the n apart from the N. Here they are among them, which makes the variance a little too large wherever
//!    the judge varies by more than it has in common with the labels.
//! 4. The interval ends at 0 and 1. The estimate may pass them by chance, and is not moved: that would be a bias.

use crate::measured::bad_level;
use crate::paired_shares::adjusted;
use crate::special::normal_quantile;
use crate::{Confusion, Interval, Measured, Rate};

/// The share of items with the property, from the judge's counts over all items and the table of those labelled, at
/// confidence `level` (0.95). `n` of the result is the number of labels.
///
/// Undefined, with a reason, without a judged item or a label, and for a level that is no probability.
///
/// ```
/// use trimtab_stats::{Confusion, Rate, difference_estimator};
/// // The judge says yes of 4 in 10; of 5 labelled it is wrong once, where it says yes: 0.4 − 0.2.
/// let judged = Rate { numerator: 4, denominator: 10, unscored: 0 };
/// let labelled = Confusion { true_positive: 2, false_negative: 0, false_positive: 1, true_negative: 2 };
/// let rate = difference_estimator(judged, &labelled, 0.95);
/// assert!((rate.value.unwrap() - 0.2).abs() < 1e-12);
/// // Errors 2/7 and 1/7 after adding: centre 0.4 − 1/7, variance 0.24/10 + (3/7 − 1/49)/7 = 0.0823090.
/// assert!((rate.interval.unwrap().high - (0.2571429 + 1.9599640 * 0.2868955)).abs() < 1e-6);
/// assert_eq!(difference_estimator(judged, &Confusion::default(), 0.95).value, None);
/// ```
#[must_use]
pub fn difference_estimator(judged: Rate, labelled: &Confusion, level: f64) -> Measured {
    let n = labelled.total();
    if !(level > 0.0 && level < 1.0) {
        return Measured::undefined(n, bad_level(level));
    }
    if judged.denominator == 0 || judged.numerator > judged.denominator {
        return Measured::undefined(n, format!("{} of {} items are judged yes", judged.numerator, judged.denominator));
    }
    if n == 0 {
        return Measured::undefined(0, "no item is labelled");
    }
    let all = judged.denominator as f64;
    let q = judged.numerator as f64 / all;
    let (over, under) = (labelled.false_positive, labelled.false_negative);
    let value = q - (over as f64 - under as f64) / n as f64;
    let (error, variance) = adjusted(over, under, n);
    let half = normal_quantile(0.5 + 0.5 * level) * (q * (1.0 - q) / all + variance).sqrt();
    let centre = q - error;
    let interval = Interval { low: (centre - half).clamp(0.0, 1.0), high: (centre + half).clamp(0.0, 1.0), level };
    Measured::new(value, interval, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    fn table(items: &[(bool, bool)]) -> (Rate, Confusion) {
        let (mut rate, mut table) = (Rate::default(), Confusion::default());
        for &(judge, label) in items {
            rate.count(Some(judge));
            table.count(judge, label);
        }
        (rate, table)
    }

    /// Law: over all samples of 3 of 7 items the mean of the estimates is the rate of the labels, whatever the judge says.
    #[test]
    fn unbiased_for_any_judge() {
        let labels = [true, false, false, true, true, false, false];
        for judge in 0u32..128 {
            let items: Vec<(bool, bool)> = labels.iter().enumerate().map(|(i, &l)| (judge >> i & 1 == 1, l)).collect();
            let (mut sum, mut samples) = (0.0, 0);
            for chosen in 0u32..128 {
                if chosen.count_ones() == 3 {
                    let sample: Vec<_> = (0..7).filter(|i| chosen >> i & 1 == 1).map(|i| items[i]).collect();
                    sum += difference_estimator(table(&items).0, &table(&sample).1, 0.95).value.unwrap();
                    samples += 1;
                }
            }
            assert!((sum / f64::from(samples) - 3.0 / 7.0).abs() < 1e-12, "judge {judge:b}");
        }
    }

    /// Law: asking the opposite question mirrors estimate and interval; with all items labelled the estimate is the labels'.
    #[test]
    fn mirrors_and_ends_in_the_labels() {
        let items: Vec<(bool, bool)> = (0..40).map(|i| (i % 3 == 0, i % 5 < 2)).collect();
        let turned: Vec<(bool, bool)> = items.iter().map(|&(j, l)| (!j, !l)).collect();
        let of = |items: &[(bool, bool)], n: usize| {
            let measured = difference_estimator(table(items).0, &table(&items[..n]).1, 0.9);
            (measured.value.unwrap(), measured.interval.unwrap())
        };
        for n in [1, 12, 40] {
            let ((a, i), (b, j)) = (of(&items, n), of(&turned, n));
            assert!((a + b - 1.0).abs() < 1e-12 && (i.low + j.high - 1.0).abs() < 1e-12);
        }
        assert!((of(&items, 40).0 - 0.4).abs() < 1e-12);
    }

    /// Coverage of planted rates with few labels, for judges from good to useless; the plain interval fails the first.
    #[test]
    fn covers_planted_rates_with_few_labels() {
        let mut draws = Draws::new(31);
        for (rate, sensitivity, specificity) in [(0.5, 1.0, 0.95), (0.1, 0.06, 0.99), (0.6, 0.9, 0.7), (0.4, 0.5, 0.5)]
        {
            for n in [10, 50] {
                let rounds = 1000;
                let inside = (0..rounds)
                    .filter(|_| {
                        let items: Vec<(bool, bool)> = (0..400)
                            .map(|_| {
                                let label = draws.uniform() < rate;
                                let yes = if label { sensitivity } else { 1.0 - specificity };
                                (draws.uniform() < yes, label)
                            })
                            .collect();
                        let measured = difference_estimator(table(&items).0, &table(&items[..n]).1, 0.95);
                        measured.interval.unwrap().contains(rate)
                    })
                    .count();
                assert!(inside >= 940, "rate {rate}, sensitivity {sensitivity}, n {n}: {inside} of {rounds}");
            }
        }
    }

    #[test]
    fn what_is_undefined_says_why() {
        let some = Confusion { true_positive: 1, ..Confusion::default() };
        let none = difference_estimator(Rate::default(), &some, 0.95);
        assert!(none.value.is_none() && none.reason.is_some());
        let judged = Rate { numerator: 1, denominator: 2, unscored: 0 };
        let unlabelled = difference_estimator(judged, &Confusion::default(), 0.95);
        assert_eq!(unlabelled.reason.as_deref(), Some("no item is labelled"));
        assert!(difference_estimator(judged, &some, f64::NAN).value.is_none());
    }
}
