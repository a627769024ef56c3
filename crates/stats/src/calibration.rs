//! Whether stated probabilities come true.
//!
//! Brier 1950; Naeini, Cooper and Hauskrecht 2015 and Guo et al. 2017, [arXiv:1706.04599](https://arxiv.org/abs/1706.04599),
//! eq. 3 (expected calibration error).
//!
//! 1. The event is "what was predicted with this probability happened", not "the more likely class is right".
//! 2. Bins have equal width, [0, 1/B), …, [1 − 1/B, 1]; empty bins weigh nothing.
//! 3. The calibration error of a finite sample is above 0 even for a perfect predictor: compare it with
//!    [`Calibration::floor`], which is what a calibrated predictor with the same bins would show on average.

use crate::Measured;

/// A prediction and what happened.
type Outcome = (f64, bool);

/// Expected calibration error with its bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The error, in [0, 1].
    pub error: Measured,
    /// About what a calibrated predictor would show with these bins and counts, by the normal approximation.
    pub floor: f64,
    /// (mean prediction, share that happened, count) of each bin that holds anything, in ascending order.
    pub bins: Vec<(f64, f64, u64)>,
}

/// Mean squared difference of probability and outcome: 0 is perfect, ¼ is what saying ½ always gets.
///
/// Undefined without outcomes or with a probability outside of [0, 1].
///
/// ```
/// use trimtab_stats::brier;
/// assert_eq!(brier(&[(0.5, true), (0.5, false)]).value, Some(0.25));
/// assert_eq!(brier(&[(1.0, true), (0.5, false)]).value, Some(0.125));
/// ```
#[must_use]
pub fn brier(outcomes: &[Outcome]) -> Measured {
    if let Some(reason) = problem(outcomes) {
        return Measured::undefined(outcomes.len() as u64, reason);
    }
    let squares: Vec<f64> = outcomes.iter().map(|&(p, y)| (p - f64::from(u8::from(y))).powi(2)).collect();
    crate::mean_t(&squares, 0.95)
}

/// Σ over bins of (share of items) · |mean prediction − share that happened|, with `bins` bins of equal width.
///
/// Undefined without outcomes, without bins, or with a probability outside of [0, 1].
///
/// ```
/// use trimtab_stats::expected_calibration_error;
/// // Of four things said to be 0.75 likely, two happened: off by 0.25.
/// let said = [(0.75, true), (0.75, true), (0.75, false), (0.75, false)];
/// assert_eq!(expected_calibration_error(&said, 10).error.value, Some(0.25));
/// ```
#[must_use]
pub fn expected_calibration_error(outcomes: &[Outcome], bins: usize) -> Calibration {
    let n = outcomes.len() as u64;
    if let Some(reason) = problem(outcomes).or_else(|| (bins == 0).then(|| "no bins".to_owned())) {
        return Calibration { error: Measured::undefined(n, reason), floor: 0.0, bins: Vec::new() };
    }
    // A map, so that an absurd number of bins costs nothing.
    let mut sums = std::collections::BTreeMap::<usize, (f64, f64, u64)>::new();
    for &(p, happened) in outcomes {
        let bin = sums.entry(((p * bins as f64) as usize).min(bins - 1)).or_default();
        bin.0 += p;
        bin.1 += f64::from(u8::from(happened));
        bin.2 += 1;
    }
    let bins: Vec<_> = sums.into_values().map(|(p, y, count)| (p / count as f64, y / count as f64, count)).collect();
    let weighted = |f: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
        bins.iter().map(|&(p, y, count)| count as f64 / n as f64 * f(p, y, count as f64)).sum()
    };
    let error = weighted(&|p, y, _| (p - y).abs());
    // E|N(0, s²)| = s·√(2/π), with s² the binomial variance of the bin's share.
    let floor = weighted(&|p, _, count| (p * (1.0 - p) / count * std::f64::consts::FRAC_2_PI).sqrt());
    let error = Measured::point(error, n, "compare with the floor of a calibrated predictor");
    Calibration { error, floor, bins }
}

fn problem(outcomes: &[Outcome]) -> Option<String> {
    if outcomes.is_empty() {
        return Some("no items".to_owned());
    }
    let bad = outcomes.iter().filter(|(p, _)| !(0.0..=1.0).contains(p)).count();
    (bad > 0).then(|| format!("{bad} of {} predictions are not probabilities", outcomes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    #[test]
    fn bins_by_hand() {
        // Bins of width ½: (0.2, 0.4 → 1 of 2) is off by 0.2; (0.5, 1.0 → 2 of 2) by 0.25; weighted by half each.
        let said = [(0.2, false), (0.4, true), (0.5, true), (1.0, true)];
        let c = expected_calibration_error(&said, 2);
        assert!((c.error.value.unwrap() - 0.225).abs() < 1e-12);
        assert_eq!(c.bins.iter().map(|b| b.2).collect::<Vec<_>>(), [2, 2]);
    }

    /// Planted: a calibrated predictor shows its floor, an overconfident one its planted error beyond it.
    #[test]
    fn planted_overconfidence_is_found() {
        let mut draws = Draws::new(4);
        let mut measure = |truth: fn(f64) -> f64| {
            let said: Vec<Outcome> = (0..20_000)
                .map(|_| {
                    let p = draws.uniform();
                    (p, draws.uniform() < truth(p))
                })
                .collect();
            (expected_calibration_error(&said, 10), brier(&said).value.unwrap())
        };
        let (calibrated, score) = measure(|p| p);
        assert!((calibrated.error.value.unwrap() - calibrated.floor).abs() < 0.005);
        assert!((score - 1.0 / 6.0).abs() < 0.005, "E p(1 − p) of a uniform p is 1/6");
        // True chance halfway between p and ½: off by |p − ½|/2, on average 1/8.
        let (over, _) = measure(|p| 0.5 * p + 0.25);
        assert!((over.error.value.unwrap() - 0.125).abs() < 0.008, "{:?}", over.error);
    }

    #[test]
    fn what_is_undefined_says_why() {
        assert!(brier(&[]).value.is_none());
        assert!(brier(&[(1.2, true)]).value.is_none() && brier(&[(f64::NAN, true)]).value.is_none());
        assert!(expected_calibration_error(&[(0.5, true)], 0).error.value.is_none());
        assert_eq!(expected_calibration_error(&[(1.0, true), (0.0, false)], usize::MAX).error.value, Some(0.0));
    }
}
