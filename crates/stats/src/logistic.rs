//! Logistic regression with a ridge: the direction that tells two classes apart, however many features there are.
//!
//! Hastie, Tibshirani and Friedman 2009, *The Elements of Statistical Learning*, section 4.4.1 and equation 18.11.
//!
//! 1. The penalty is on every weight and not on the intercept, and is counted per row, so that twice the same data give the
//!    same weights.
//! 2. Without a ridge classes that a plane separates have no finite weights: it must be positive.

use crate::quasi_newton::{Point, climb};

/// Slope of the mean log-likelihood that is flat enough.
const TOLERANCE: f64 = 1e-5;

/// Fitted weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// One for each feature, in log-odds per unit of it.
    pub weights: Vec<f64>,
    /// Log-odds where every feature is 0.
    pub intercept: f64,
}

impl Logistic {
    /// Log-odds of a row.
    #[must_use]
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        self.intercept + self.weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>()
    }
}

struct State {
    height: f64,
    slopes: Vec<f64>,
}

impl Point for State {
    fn height(&self) -> f64 {
        self.height
    }

    fn gradient(&self) -> &[f64] {
        &self.slopes
    }
}

/// Fits rows of equal length to labels by mean log-likelihood less `ridge`/2 · |weights|². `None` without rows of both classes,
/// for rows of different lengths, values that are not finite, or a ridge that is not positive.
///
/// ```
/// use trimtab_stats::logistic;
/// // A feature of three of four positives and of one of four negatives: log-odds ln 3 with it and −ln 3 without.
/// let rows = [[1.0], [1.0], [1.0], [0.0], [1.0], [0.0], [0.0], [0.0]];
/// let rows: Vec<&[f64]> = rows.iter().map(|r| &r[..]).collect();
/// let labels = [true, true, true, true, false, false, false, false];
/// let fit = logistic(&rows, &labels, 1e-9).unwrap();
/// assert!((fit.intercept + 3f64.ln()).abs() < 1e-4 && (fit.weights[0] - 2.0 * 3f64.ln()).abs() < 1e-4);
/// assert_eq!(logistic(&rows, &[true; 8], 1.0), None);
/// ```
#[must_use]
pub fn logistic(rows: &[&[f64]], labels: &[bool], ridge: f64) -> Option<Logistic> {
    if !(labels.contains(&true) && labels.contains(&false)) {
        return None;
    }
    let chances: Vec<f64> = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
    logistic_of_chances(rows, &chances, ridge)
}

/// The same to chances of class 1, each in [0, 1]: a row of ¾ counts as three quarters of a positive and a quarter of a negative.
/// `None` for chances outside, all 0 or all 1, for rows of different lengths, values that are not finite, or a ridge that is not
/// positive.
///
/// ```
/// use trimtab_stats::logistic_of_chances;
/// // Log-odds ln 3 with the feature and −ln 3 without.
/// let fit = logistic_of_chances(&[&[1.0], &[0.0]], &[0.75, 0.25], 1e-9).unwrap();
/// assert!((fit.intercept + 3f64.ln()).abs() < 1e-4 && (fit.weights[0] - 2.0 * 3f64.ln()).abs() < 1e-4);
/// ```
#[must_use]
pub fn logistic_of_chances(rows: &[&[f64]], chances: &[f64], ridge: f64) -> Option<Logistic> {
    let width = rows.first()?.len();
    let sound = rows.len() == chances.len()
        && chances.iter().all(|chance| (0.0..=1.0).contains(chance))
        && chances.iter().any(|&chance| chance > 0.0)
        && chances.iter().any(|&chance| chance < 1.0)
        && ridge > 0.0
        && rows.iter().all(|r| r.len() == width && r.iter().all(|x| x.is_finite()));
    if !sound {
        return None;
    }
    let n = rows.len() as f64;
    let at = |x: &[f64], _: Option<&State>| {
        let (weights, intercept) = x.split_at(width);
        let mut slopes: Vec<f64> = weights.iter().map(|w| -ridge * w).chain([0.0]).collect();
        let mut height = -0.5 * ridge * weights.iter().map(|w| w * w).sum::<f64>();
        for (row, &chance) in rows.iter().zip(chances) {
            let odds = intercept[0] + weights.iter().zip(*row).map(|(w, x)| w * x).sum::<f64>();
            // −c·ln(1 + e^−s) − (1 − c)·ln(1 + e^s), without overflow.
            let beyond = chance * (-odds).max(0.0) + (1.0 - chance) * odds.max(0.0);
            height -= (beyond + (-odds.abs()).exp().ln_1p()) / n;
            let off = chance - 1.0 / (1.0 + (-odds).exp());
            slopes.iter_mut().zip(row.iter().chain([&1.0])).for_each(|(slope, x)| *slope += off * x / n);
        }
        height.is_finite().then_some(State { height, slopes })
    };
    let end = climb(vec![0.0; width + 1], &vec![1.0; width + 1], 200, TOLERANCE, at)?;
    let mut weights = end.x;
    let intercept = weights.pop()?;
    Some(Logistic { weights, intercept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Planted weights come back, with a ridge too small to matter.
    #[test]
    fn planted_weights_come_back() {
        let planted = [1.5, -1.0, 0.0];
        let mut draws = Draws::new(3);
        let rows: Vec<Vec<f64>> = (0..8000).map(|_| (0..3).map(|_| draws.normal()).collect()).collect();
        let odds = |row: &[f64]| 0.5 + row.iter().zip(planted).map(|(x, w)| w * x).sum::<f64>();
        let labels: Vec<bool> = rows.iter().map(|r| draws.uniform() < 1.0 / (1.0 + (-odds(r)).exp())).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let fit = logistic(&rows, &labels, 1e-6).unwrap();
        for (found, planted) in fit.weights.iter().zip(planted) {
            assert!((found - planted).abs() < 0.12, "{:?}", fit.weights);
        }
        assert!((fit.intercept - 0.5).abs() < 0.1);
    }

    /// Laws: doubled data give the same fit; turned labels give the opposite one; separable classes stay finite.
    #[test]
    fn laws() {
        let rows = [[0.1, 2.0], [0.4, 1.0], [-0.3, 0.0], [0.2, -1.0]];
        let rows: Vec<&[f64]> = rows.iter().map(|r| &r[..]).collect();
        let labels = [true, true, false, false];
        let fit = logistic(&rows, &labels, 0.1).unwrap();
        assert!(fit.weights.iter().all(|w| w.is_finite()));
        let twice = logistic(&[&rows[..], &rows[..]].concat(), &[labels, labels].concat(), 0.1).unwrap();
        let turned = logistic(&rows, &labels.map(|l| !l), 0.1).unwrap();
        for i in 0..2 {
            assert!((fit.weights[i] - twice.weights[i]).abs() < 1e-4);
            assert!((fit.weights[i] + turned.weights[i]).abs() < 1e-4);
        }
    }
}
