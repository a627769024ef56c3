//! A prediction of PGR for a student that was not yet run, from the pairs below it.
//!
//! PGR = a + b·ln(N_strong/N_weak) + d·w by ordinary least squares (record 9, point 4), with N in parameters and w the weak model's
//! accuracy, and an interval for a new pair: ŷ ± t·σ·√(1 + xᵀ(XᵀX)⁻¹x) with n − 3 degrees of freedom (Draper and Smith 1998,
//! *Applied regression analysis*, section 3.1).
//!
//! 1. Only pairs whose gap may be divided by are fitted: of others PGR is noise, and least squares would follow it.
//! 2. Pairs share their models, so their errors are not independent, and the interval is too narrow by as much as that matters.
//!    How many of the held-out pairs it covers is therefore said beside it.

use serde::{Deserialize, Serialize};
use trimtab_stats::special::t_quantile;
use trimtab_stats::{Interval, Measured};

/// Terms of the formula.
const TERMS: usize = 3;

/// A pair of sizes, with what is known of it before its student is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Who labels.
    pub weak: String,
    /// Who learns.
    pub strong: String,
    /// ln(N_strong/N_weak).
    pub log_ratio: f64,
    /// The weak model's accuracy on T, mean over seeds.
    pub weak_accuracy: f64,
}

impl Pair {
    fn terms(&self) -> [f64; TERMS] {
        [1.0, self.log_ratio, self.weak_accuracy]
    }
}

/// A pair with the PGR that is said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The pair.
    #[serde(flatten)]
    pub pair: Pair,
    /// ŷ with its interval for a new pair; undefined with the reason.
    pub pgr: Measured,
}

/// What is said of pairs before they are run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The pairs that were fitted, with their PGR.
    pub fitted: Vec<(Pair, f64)>,
    /// a, b and d, where there are enough pairs.
    pub coefficients: Option<[f64; TERMS]>,
    /// The standard deviation of what the formula leaves; none without degrees of freedom.
    pub sigma: Option<f64>,
    /// What is said of each held-out pair.
    pub said: Vec<Said>,
}

/// The prediction for `held_out` from the pairs `known` with their PGR, with intervals at `level`.
///
/// ```
/// use trimtab_oversight::transformers::forecast::{Pair, forecast};
/// let pair = |log_ratio, weak_accuracy| Pair { weak: "w".into(), strong: "s".into(), log_ratio, weak_accuracy };
/// // PGR = 0.9 − 0.1·ln ratio − 0.5·w, without noise.
/// let at = |l: f64, w: f64| (pair(l, w), 0.9 - 0.1 * l - 0.5 * w);
/// let known = [at(1.0, 0.6), at(2.0, 0.6), at(1.0, 0.7), at(2.0, 0.8)];
/// let said = forecast(&known, &[pair(3.0, 0.6)], 0.9);
/// assert!((said.said[0].pgr.value.unwrap() - 0.3).abs() < 1e-9);
/// assert!(forecast(&known[..3], &[pair(3.0, 0.6)], 0.9).said[0].pgr.value.is_none()); // three pairs, three terms: no error known
/// ```
#[must_use]
pub fn forecast(known: &[(Pair, f64)], held_out: &[Pair], level: f64) -> Forecast {
    let n = known.len();
    let undefined = |reason: String| Forecast {
        fitted: known.to_vec(),
        coefficients: None,
        sigma: None,
        said: held_out
            .iter()
            .map(|pair| Said { pair: pair.clone(), pgr: Measured::undefined(n as u64, reason.clone()) })
            .collect(),
    };
    if n <= TERMS {
        return undefined(format!("{n} pairs may be fitted; {} terms need at least {}", TERMS, TERMS + 1));
    }
    let mut normal = [[0.0; TERMS]; TERMS];
    let mut right = [0.0; TERMS];
    for (pair, pgr) in known {
        let x = pair.terms();
        for i in 0..TERMS {
            right[i] += x[i] * pgr;
            for j in 0..TERMS {
                normal[i][j] += x[i] * x[j];
            }
        }
    }
    let Some(inverse) = inverse(normal) else {
        return undefined("the pairs do not tell size from accuracy".into());
    };
    let times = |v: [f64; TERMS]| inverse.map(|row| row.iter().zip(v).map(|(m, v)| m * v).sum::<f64>());
    let dot = |u: [f64; TERMS], v: [f64; TERMS]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
    let coefficients = times(right);
    let left: f64 = known.iter().map(|(pair, pgr)| (pgr - dot(coefficients, pair.terms())).powi(2)).sum();
    let freedom = (n - TERMS) as f64;
    let sigma = (left / freedom).sqrt();
    let t = t_quantile(0.5 + level / 2.0, freedom);
    let said = |pair: &Pair| {
        let (x, half) = (pair.terms(), t * sigma * (1.0 + dot(pair.terms(), times(pair.terms()))).sqrt());
        let value = dot(coefficients, x);
        let interval = Interval { low: value - half, high: value + half, level };
        Said { pair: pair.clone(), pgr: Measured::new(value, interval, n as u64) }
    };
    Forecast {
        fitted: known.to_vec(),
        coefficients: Some(coefficients),
        sigma: Some(sigma),
        said: held_out.iter().map(said).collect(),
    }
}

/// What was said beside what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The pair, and what was said of it.
    #[serde(flatten)]
    pub said: Said,
    /// The PGR that came; undefined where it is withheld for another reason than too few seeds or items.
    pub came: Measured,
    /// Whether it is inside the interval; none where one of the two is undefined.
    pub inside: Option<bool>,
}

/// How a forecast did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Pair by pair.
    pub outcomes: Vec<Outcome>,
    /// Outcomes inside their interval.
    pub inside: usize,
    /// Outcomes that could be compared.
    pub compared: usize,
    /// Root mean square of what came less what was said; none of none.
    pub rms_error: Option<f64>,
    /// The smallest half-width of an interval that was said.
    pub smallest_half_width: Option<f64>,
}

/// Compares a forecast with what came of each pair, by the names of weak and strong model.
#[must_use]
pub fn score(forecast: &Forecast, came: impl Fn(&str, &str) -> Measured) -> Score {
    let outcome = |said: &Said| {
        let came = came(&said.pair.weak, &said.pair.strong);
        let inside = said.pgr.interval.and_then(|interval| Some(interval.contains(came.value?)));
        Outcome { said: said.clone(), came, inside }
    };
    let outcomes: Vec<Outcome> = forecast.said.iter().map(outcome).collect();
    let compared: Vec<&Outcome> = outcomes.iter().filter(|o| o.inside.is_some()).collect();
    let squares: Vec<f64> = compared.iter().filter_map(|o| Some((o.came.value? - o.said.pgr.value?).powi(2))).collect();
    let widths = forecast.said.iter().filter_map(|said| said.pgr.interval).map(|i| 0.5 * (i.high - i.low));
    Score {
        inside: compared.iter().filter(|o| o.inside == Some(true)).count(),
        compared: compared.len(),
        rms_error: (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()),
        smallest_half_width: widths.reduce(f64::min),
        outcomes,
    }
}

/// The inverse of a symmetric matrix by Gauss and Jordan with pivots; none where it is singular to about nine digits.
fn inverse(mut m: [[f64; TERMS]; TERMS]) -> Option<[[f64; TERMS]; TERMS]> {
    let mut inverse = [[0.0; TERMS]; TERMS];
    for (i, row) in inverse.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    let largest = m.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
    for at in 0..TERMS {
        let pivot = (at..TERMS).max_by(|&i, &j| m[i][at].abs().total_cmp(&m[j][at].abs()))?;
        if m[pivot][at].abs() <= 1e-9 * largest {
            return None;
        }
        m.swap(at, pivot);
        inverse.swap(at, pivot);
        let by = m[at][at];
        for j in 0..TERMS {
            m[at][j] /= by;
            inverse[at][j] /= by;
        }
        for i in (0..TERMS).filter(|&i| i != at) {
            let factor = m[i][at];
            for j in 0..TERMS {
                m[i][j] -= factor * m[at][j];
                inverse[i][j] -= factor * inverse[at][j];
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    fn pair(log_ratio: f64, weak_accuracy: f64) -> Pair {
        Pair { weak: format!("{weak_accuracy}"), strong: "s".into(), log_ratio, weak_accuracy }
    }

    /// Planted: over many ladders with independent noise the 90 % interval of a new pair covers nine times of ten.
    #[test]
    fn intervals_of_new_pairs_cover() {
        let mut source = SplitMix::new(3);
        let places = [(1.2, 0.6), (2.4, 0.6), (1.2, 0.68), (3.5, 0.6), (2.4, 0.68), (1.1, 0.75)];
        let (mut inside, rounds) = (0, 2000);
        for _ in 0..rounds {
            let mut at = |(l, w): (f64, f64)| (pair(l, w), 0.8 - 0.1 * l - 0.3 * w + 0.1 * source.normal());
            let known: Vec<_> = places.map(&mut at).to_vec();
            let (asked, came) = at((4.6, 0.6));
            let said = forecast(&known, &[asked], 0.9);
            inside += u32::from(said.said[0].pgr.interval.unwrap().contains(came));
        }
        // Standard error of the share: 0.7 %.
        assert!((1740..1860).contains(&inside), "{inside} of {rounds}");
    }

    #[test]
    fn what_cannot_be_said_says_why() {
        let known: Vec<_> = (0..6).map(|i| (pair(f64::from(i), 0.6), 0.3)).collect();
        let said = forecast(&known, &[pair(2.0, 0.6)], 0.9);
        assert!(said.said[0].pgr.reason.as_ref().unwrap().contains("do not tell"));
        assert!(forecast(&[], &[pair(2.0, 0.6)], 0.9).said[0].pgr.reason.as_ref().unwrap().contains("0 pairs"));
    }

    /// What came is counted only where both are known.
    #[test]
    fn a_score_counts_what_can_be_compared() {
        let known = [(1.0, 0.6, 0.5), (2.0, 0.6, 0.45), (1.0, 0.7, 0.4), (2.0, 0.8, 0.38), (3.0, 0.7, 0.2)];
        let known: Vec<_> = known.into_iter().map(|(l, w, pgr)| (pair(l, w), pgr)).collect();
        let said = forecast(&known, &[pair(3.0, 0.6), pair(2.0, 0.75), pair(1.0, 0.75)], 0.9);
        let middle = |i: usize| said.said[i].pgr.value.unwrap();
        let came = |weak: &str, _: &str| match weak {
            "0.6" => Measured::point(middle(0) + 0.01, 5, ""),
            _ => Measured::point(99.0, 5, ""),
        };
        let found = score(&said, came);
        assert_eq!((found.inside, found.compared), (1, 3));
        let none = score(&said, |_, _| Measured::undefined(0, "withheld"));
        assert_eq!((none.inside, none.compared, none.rms_error), (0, 0, None));
        assert!(none.smallest_half_width.unwrap() > 0.0);
    }

    /// Law: a matrix times its inverse is one.
    #[test]
    fn inverses_are_inverse() {
        let m = [[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]];
        let inverse = inverse(m).unwrap();
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| m[i][k] * inverse[k][j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
