//! How the success of repeated attempts grows: −ln ASR(N) = a·N^(−b).
//!
//! Hughes et al. 2024, *Best-of-N jailbreaking*, [arXiv:2412.03556](https://arxiv.org/abs/2412.03556), section 3.2. ASR(N) is the share
//! of behaviours of which at least one of N attempts succeeds.
//!
//! 1. ASR(N) is the mean over behaviours of the unbiased estimate from all attempts ([`pass_at_k`]), at N = 1, 2, 4, …: doublings,
//!    so that the many large N do not decide the fit alone.
//! 2. The fit is ordinary least squares of ln(−ln ASR) on ln N. Where ASR is 0 or 1 that has no value, and the point is left out;
//!    below three points there is no fit.
//! 3. Intervals resample clusters of behaviours and fit each time anew: points of one curve share their attempts.

use crate::{Bootstrap, Measured, bootstrap_statistic, pass_at_k};

/// Fewest points of a fit.
const FEWEST: usize = 3;

/// −ln ASR(N) = a·N^(−b).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// −ln ASR(1), in nats.
    pub a: f64,
    /// How fast it falls.
    pub b: f64,
}

impl PowerLaw {
    /// Least squares through points (N, ASR); `None` for fewer than three with 0 < ASR < 1, or of one N alone.
    ///
    /// ```
    /// use trimtab_stats::PowerLaw;
    /// // −ln ASR = 2·N^(−1/2), exactly.
    /// let points: Vec<(f64, f64)> = [1.0f64, 4.0, 16.0].map(|n| (n, (-2.0 / n.sqrt()).exp())).into();
    /// let fit = PowerLaw::fit(&points).unwrap();
    /// assert!((fit.a - 2.0).abs() < 1e-12 && (fit.b - 0.5).abs() < 1e-12);
    /// assert!((fit.asr(64.0) - (-0.25f64).exp()).abs() < 1e-12);
    /// assert_eq!(PowerLaw::fit(&[(1.0, 0.0), (2.0, 0.1), (4.0, 0.2), (8.0, 1.0)]), None); // two points are left
    /// ```
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let logs = points.iter().filter(|(n, asr)| *n > 0.0 && *asr > 0.0 && *asr < 1.0);
        let logs: Vec<(f64, f64)> = logs.map(|(n, asr)| (n.ln(), (-asr.ln()).ln())).collect();
        if logs.len() < FEWEST {
            return None;
        }
        let count = logs.len() as f64;
        let (x, y) = logs.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
        let (over, under) = logs
            .iter()
            .fold((0.0, 0.0), |(over, under), p| (over + (p.0 - x) * (p.1 - y), under + (p.0 - x) * (p.0 - x)));
        let slope = over / under;
        slope.is_finite().then(|| Self { a: (y - slope * x).exp(), b: -slope })
    }

    /// ASR(N) by the law.
    #[must_use]
    pub fn asr(self, n: f64) -> f64 {
        (-self.a * n.powf(-self.b)).exp()
    }
}

/// Attempts at one behaviour: how many, and how many of them succeeded.
pub type Tries = (u64, u64);

/// 1, 2, 4, … up to `most`.
#[must_use]
pub fn doublings(most: u64) -> Vec<u64> {
    (0..64).map(|i| 1u64 << i).take_while(|n| *n <= most).collect()
}

/// The mean over behaviours of the chance that one of `n` attempts succeeds; `None` where no behaviour was tried so often.
///
/// ```
/// use trimtab_stats::best_of_n_asr;
/// // Four attempts each: one success, none. Of two attempts half the pairs hold the one.
/// assert_eq!(best_of_n_asr(&[(4, 1), (4, 0), (1, 1)], 2), Some(0.25));
/// ```
#[must_use]
pub fn best_of_n_asr(tries: &[Tries], n: u64) -> Option<f64> {
    let chances: Vec<f64> = tries.iter().filter_map(|(tried, won)| pass_at_k(*tried, *won, n)).collect();
    (!chances.is_empty()).then(|| chances.iter().sum::<f64>() / chances.len() as f64)
}

/// The fit of a and b with intervals over clusters of behaviours, from attempts `[clusters][behaviours]`, up to `most` attempts.
#[must_use]
pub fn fit_attack_power_law(clusters: &[Vec<Tries>], most: u64, how: &Bootstrap) -> [Measured; 2] {
    let grid = doublings(most);
    let fit = |drawn: &[usize]| {
        let tries: Vec<Tries> = drawn.iter().flat_map(|&i| clusters[i].iter().copied()).collect();
        let points: Vec<(f64, f64)> =
            grid.iter().filter_map(|n| Some((*n as f64, best_of_n_asr(&tries, *n)?))).collect();
        PowerLaw::fit(&points)
    };
    let of = |what: fn(PowerLaw) -> f64| {
        let measured = bootstrap_statistic(clusters.len(), how, |drawn| fit(drawn).map(what));
        if measured.value.is_some() || clusters.is_empty() {
            return measured;
        }
        let why = format!("fewer than {FEWEST} numbers of attempts at which some behaviours fall and some do not");
        Measured::undefined(measured.n, why)
    };
    [of(|law| law.a), of(|law| law.b)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Law: over behaviours with planted chances the fitted curve gives the success that the chances imply, and the interval of b
    /// covers the b of that curve.
    #[test]
    fn a_planted_curve_is_recovered() {
        let mut draws = Draws::new(4);
        // Chances spread over orders of magnitude, as behaviours are: that is where a power law comes from.
        let chances: Vec<f64> = (0..200).map(|_| 10f64.powf(-3.0 * draws.uniform())).collect();
        let truth = |n: f64| chances.iter().map(|p| 1.0 - (1.0 - p).powf(n)).sum::<f64>() / 200.0;
        let points: Vec<(f64, f64)> = doublings(64).iter().map(|n| (*n as f64, truth(*n as f64))).collect();
        let planted = PowerLaw::fit(&points).unwrap();
        let tries: Vec<Vec<Tries>> =
            chances.iter().map(|p| vec![(64, (0..64).filter(|_| draws.uniform() < *p).count() as u64)]).collect();
        let how = Bootstrap { resamples: 400, ..Bootstrap::default() };
        let [a, b] = fit_attack_power_law(&tries, 64, &how);
        assert!(a.interval.unwrap().contains(planted.a), "{a:?} {planted:?}");
        assert!(b.interval.unwrap().contains(planted.b), "{b:?} {planted:?}");
        let law = PowerLaw { a: a.value.unwrap(), b: b.value.unwrap() };
        assert!((law.asr(16.0) - truth(16.0)).abs() < 0.05, "{law:?}");
    }

    #[test]
    fn no_success_is_no_curve() {
        let [a, b] = fit_attack_power_law(&[vec![(16, 0)], vec![(16, 0)]], 16, &Bootstrap::default());
        assert!(a.value.is_none() && b.reason.unwrap().contains("fewer than 3"));
        assert_eq!(fit_attack_power_law(&[], 16, &Bootstrap::default())[0].value, None);
        assert_eq!((doublings(0), doublings(5)), (vec![], vec![1, 2, 4]));
    }
}
