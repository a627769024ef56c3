//! The rise and fall of the gold reward as a policy is optimised against a proxy of it.
//!
//! Gao, Schulman and Hilton 2022, *Scaling laws for reward model overoptimization*,
//! [arXiv:2210.10760](https://arxiv.org/abs/2210.10760), section 3.1. With d = √KL in √nats from the starting policy, and
//! gold rewards less that of the starting policy:
//!
//! > best-of-n: R(d) = d·(α − β·d), peak at d = α/(2β); reinforcement learning: R(d) = d·(α − β·ln d), peak at
//! > d = exp(α/β − 1)
//!
//! 1. Both are linear in α and β, so the fit is ordinary least squares through R(0) = 0, without a search.
//! 2. Intervals are by bootstrap: of points, or of whole runs where `run` names one for each point. Points of one run
//!    share their reward model and their noise, so points alone look too sure.
//! 3. A peak is that of the fitted curve, and may lie beyond the last point: compare it with the largest d.

use crate::{Bootstrap, Measured, bootstrap_statistic};
use std::collections::BTreeMap;

/// Which curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// d·(α − β·d).
    BestOfN,
    /// d·(α − β·ln d).
    Reinforcement,
}

impl Curve {
    /// What β is the weight of, with its sign: R = α·d + β·`fall`.
    fn fall(self, d: f64) -> f64 {
        match self {
            Self::BestOfN => -d * d,
            Self::Reinforcement if d == 0.0 => 0.0, // the limit of d·ln d
            Self::Reinforcement => -d * d.ln(),
        }
    }

    /// R(d), in units of gold.
    ///
    /// ```
    /// use trimtab_stats::Curve;
    /// assert_eq!(Curve::BestOfN.gold(2.0, 3.0, 1.0), 2.0 * (3.0 - 2.0));
    /// assert_eq!(Curve::Reinforcement.gold(1.0, 3.0, 1.0), 3.0); // ln 1 = 0
    /// assert_eq!(Curve::Reinforcement.gold(0.0, 3.0, 1.0), 0.0);
    /// ```
    #[must_use]
    pub fn gold(self, d: f64, alpha: f64, beta: f64) -> f64 {
        alpha * d + beta * self.fall(d)
    }

    /// The d > 0 at which R is highest; `None` if it never falls (β ≤ 0) or, for best-of-n, never rises (α ≤ 0).
    #[must_use]
    pub fn peak(self, alpha: f64, beta: f64) -> Option<f64> {
        let peak = match self {
            Self::BestOfN => 0.5 * alpha / beta,
            Self::Reinforcement => (alpha / beta - 1.0).exp(),
        };
        (beta > 0.0 && peak > 0.0 && peak.is_finite()).then_some(peak)
    }
}

/// A fitted curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Overoptimisation {
    /// The slope at the start, gold per √nat.
    pub alpha: Measured,
    /// The weight of the fall.
    pub beta: Measured,
    /// √KL at the peak, in √nats.
    pub peak: Measured,
    /// Gold reward at the peak.
    pub peak_gold: Measured,
    /// Root mean square of what the curve leaves over, in units of gold: compare two curves by it.
    pub residual: Option<f64>,
}

/// Fits a curve to points (d, gold), d = √KL ≥ 0 in √nats, gold relative to the starting policy.
///
/// Undefined, with a reason, for fewer than two different d above 0, unlike lengths or values that are not finite.
///
/// ```
/// use trimtab_stats::{Bootstrap, Curve, fit_overoptimisation};
/// // 4d − d² at d = 1, 2, 3: 3, 4, 3.
/// let fit = fit_overoptimisation(Curve::BestOfN, &[1.0, 2.0, 3.0], &[3.0, 4.0, 3.0], None, &Bootstrap::default());
/// assert!((fit.alpha.value.unwrap() - 4.0).abs() < 1e-9 && (fit.beta.value.unwrap() - 1.0).abs() < 1e-9);
/// assert!((fit.peak.value.unwrap() - 2.0).abs() < 1e-9 && (fit.peak_gold.value.unwrap() - 4.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn fit_overoptimisation(
    curve: Curve,
    d: &[f64],
    gold: &[f64],
    run: Option<&[u64]>,
    how: &Bootstrap,
) -> Overoptimisation {
    let n = d.len();
    let all: Vec<usize> = (0..n).collect();
    let bad =
        d.iter().filter(|d| !(d.is_finite() && **d >= 0.0)).count() + gold.iter().filter(|g| !g.is_finite()).count();
    let reason = if gold.len() != n || run.is_some_and(|r| r.len() != n) {
        let runs = run.map_or(String::new(), |r| format!(" and {} runs", r.len()));
        Some(format!("{n} distances for {} gold rewards{runs}", gold.len()))
    } else if bad > 0 {
        Some(format!("{bad} values are not finite, or distances below 0"))
    } else if solve(curve, d, gold, &all).is_none() {
        Some("fewer than two different distances above 0".to_owned())
    } else {
        None
    };
    if let Some(reason) = reason {
        let none = || Measured::undefined(n as u64, reason.clone());
        return Overoptimisation { alpha: none(), beta: none(), peak: none(), peak_gold: none(), residual: None };
    }
    let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for i in 0..n {
        groups.entry(run.map_or(i as u64, |run| run[i])).or_default().push(i);
    }
    let groups: Vec<Vec<usize>> = groups.into_values().collect();
    // The same seed draws the same resamples each time.
    let measure = |of: &dyn Fn([f64; 2]) -> Option<f64>| {
        bootstrap_statistic(groups.len(), how, |drawn| {
            let points: Vec<usize> = drawn.iter().flat_map(|&g| groups[g].iter().copied()).collect();
            solve(curve, d, gold, &points).and_then(of)
        })
    };
    let peak_of = |[alpha, beta]: [f64; 2]| curve.peak(alpha, beta);
    let peaked = |mut measured: Measured| {
        if measured.value.is_none() {
            measured.reason = Some("the fitted curve has no peak".to_owned());
        }
        measured
    };
    let residual = solve(curve, d, gold, &all).map(|[alpha, beta]| {
        let squares = d.iter().zip(gold).map(|(&d, g)| (g - curve.gold(d, alpha, beta)).powi(2)).sum::<f64>();
        (squares / n as f64).sqrt()
    });
    Overoptimisation {
        alpha: measure(&|[alpha, _]| Some(alpha)),
        beta: measure(&|[_, beta]| Some(beta)),
        peak: peaked(measure(&peak_of)),
        peak_gold: peaked(measure(&|[alpha, beta]| curve.peak(alpha, beta).map(|d| curve.gold(d, alpha, beta)))),
        residual,
    }
}

/// Least squares of gold on (d, fall) at these points, [α, β]; `None` if the two columns are parallel.
fn solve(curve: Curve, d: &[f64], gold: &[f64], points: &[usize]) -> Option<[f64; 2]> {
    let sum = |f: &dyn Fn(usize) -> f64| points.iter().map(|&i| f(i)).sum::<f64>();
    let dd = sum(&|i| d[i] * d[i]);
    if dd <= 0.0 {
        return None;
    }
    // What of the second column is not in the first (Gram and Schmidt), so that nothing cancels.
    let along = sum(&|i| d[i] * curve.fall(d[i])) / dd;
    let rest = |i: usize| curve.fall(d[i]) - along * d[i];
    let (own, all) = (sum(&|i| rest(i).powi(2)), sum(&|i| curve.fall(d[i]).powi(2)));
    if own <= 1e-12 * (all + dd) {
        return None;
    }
    let beta = sum(&|i| rest(i) * gold[i]) / own;
    let alpha = sum(&|i| d[i] * gold[i]) / dd - along * beta;
    (alpha.is_finite() && beta.is_finite()).then_some([alpha, beta])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Planted curves come back, the intervals hold the truth, and the right curve leaves less over than the other.
    #[test]
    fn planted_curves_are_recovered() {
        let mut draws = Draws::new(14);
        for (curve, other, alpha, beta) in
            [(Curve::BestOfN, Curve::Reinforcement, 0.8, 0.12), (Curve::Reinforcement, Curve::BestOfN, 0.9, 0.4)]
        {
            let d: Vec<f64> = (0..200).map(|i| 0.05 * f64::from(i)).collect();
            let gold: Vec<f64> = d.iter().map(|&d| curve.gold(d, alpha, beta) + 0.05 * draws.normal()).collect();
            let how = Bootstrap { level: 0.99, resamples: 400, seed: 1 };
            let fit = fit_overoptimisation(curve, &d, &gold, None, &how);
            for (measured, planted) in [
                (&fit.alpha, alpha),
                (&fit.beta, beta),
                (&fit.peak, curve.peak(alpha, beta).unwrap()),
                (&fit.peak_gold, curve.gold(curve.peak(alpha, beta).unwrap(), alpha, beta)),
            ] {
                assert!(measured.interval.unwrap().contains(planted), "{curve:?}: {planted} {measured:?}");
                assert!((measured.value.unwrap() / planted - 1.0).abs() < 0.05, "{curve:?}: {planted} {measured:?}");
            }
            assert!((fit.residual.unwrap() - 0.05).abs() < 0.01);
            assert!(fit_overoptimisation(other, &d, &gold, None, &how).residual > fit.residual);
        }
    }

    /// Law: at the peak the slope is 0 and R is higher than on either side.
    #[test]
    fn peaks_are_peaks() {
        for curve in [Curve::BestOfN, Curve::Reinforcement] {
            let peak = curve.peak(1.3, 0.5).unwrap();
            let at = |d| curve.gold(d, 1.3, 0.5);
            assert!(at(peak) > at(0.99 * peak) && at(peak) > at(1.01 * peak));
            assert!((at(peak + 1e-5) - at(peak - 1e-5)).abs() < 1e-9);
            assert_eq!(curve.peak(1.0, -0.1), None);
            assert_eq!(curve.peak(1.0, 0.0), None);
        }
        assert_eq!(Curve::BestOfN.peak(-1.0, 0.5), None);
        // By hand: the value at the peak is α²/(4β), and β·exp(α/β − 1).
        assert!((Curve::BestOfN.gold(1.3, 1.3, 0.5) - 1.3 * 1.3 / 2.0).abs() < 1e-12);
        let d = Curve::Reinforcement.peak(1.3, 0.5).unwrap();
        assert!((Curve::Reinforcement.gold(d, 1.3, 0.5) - 0.5 * (1.3f64 / 0.5 - 1.0).exp()).abs() < 1e-12);
    }

    /// Runs that differ are the unit of resampling: their interval of α is wider than that of points.
    #[test]
    fn whole_runs_are_resampled() {
        let mut draws = Draws::new(15);
        let (mut d, mut gold, mut run) = (vec![], vec![], vec![]);
        for r in 0..8 {
            let alpha = 1.0 + 0.3 * draws.normal();
            for i in 1..=300 {
                let x = 0.02 * f64::from(i);
                d.push(x);
                gold.push(Curve::BestOfN.gold(x, alpha, 0.1) + 0.01 * draws.normal());
                run.push(r);
            }
        }
        let how = Bootstrap { resamples: 400, ..Bootstrap::default() };
        let of = |run: Option<&[u64]>| fit_overoptimisation(Curve::BestOfN, &d, &gold, run, &how).alpha;
        let width = |m: &Measured| m.interval.map(|i| i.high - i.low).unwrap();
        let (by_run, by_point) = (of(Some(&run)), of(None));
        assert_eq!((by_run.n, by_point.n, by_run.value), (8, 2400, by_point.value));
        assert!(width(&by_run) > 1.5 * width(&by_point));
    }

    #[test]
    fn what_is_undefined_says_why() {
        let how = Bootstrap::default();
        let fit = |d: &[f64], gold: &[f64]| fit_overoptimisation(Curve::Reinforcement, d, gold, None, &how);
        for (d, gold, part) in [
            (&[][..], &[][..], "fewer than two"),
            (&[0.0, 2.0, 2.0], &[0.0, 1.0, 1.0], "fewer than two"),
            (&[1.0, 2.0], &[1.0], "2 distances for 1"),
            (&[1.0, -2.0], &[1.0, f64::NAN], "2 values"),
        ] {
            let fit = fit(d, gold);
            assert!(fit.alpha.reason.as_ref().unwrap().contains(part), "{:?}", fit.alpha);
            assert!(fit.alpha.value.is_none() && fit.peak.value.is_none() && fit.residual.is_none());
        }
        // A proxy that is gold: it only rises, and that is said.
        let d: Vec<f64> = (1..40).map(|i| 0.1 * f64::from(i)).collect();
        let gold: Vec<f64> = d.iter().map(|d| d + 0.1 * d * d).collect();
        let rising = fit_overoptimisation(Curve::BestOfN, &d, &gold, None, &how);
        assert!(rising.beta.value.unwrap() < 0.0);
        assert_eq!(rising.peak.reason.as_deref(), Some("the fitted curve has no peak"));
    }
}
