//! Why a student can pass its supervisor: what it cannot fit of the weak labels is what it gains.
//!
//! Charikar, Pabbaraju and Shiragur 2024, *Quantifying the gain in weak-to-strong generalization*,
//! [arXiv:2405.15116](https://arxiv.org/abs/2405.15116), theorem 1: for squared loss, a convex class of functions that holds the
//! truth, and the student its best fit to the weak labels, err(student, gold) ≤ err(weak, gold) − misfit, where the misfit is
//! err(student, weak).
//!
//! 1. The class here is linear functions of the student's inputs within a ball of weights, so the fit is exact (ridge regression
//!    whose multiplier is found by bisection) and no optimiser's noise is in the inequality.
//! 2. In a linear space the inequality is Pythagoras' equality on the items fitted; in a ball it is one-sided.
//! 3. On fresh items it holds up to sampling error, which [`Misfit::slack`] shows.

/// The three errors of the inequality: mean squared differences of predictions, in squared units of the target.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Misfit {
    /// Weak model against gold.
    pub weak_error: f64,
    /// Student against gold.
    pub student_error: f64,
    /// Student against weak model.
    pub misfit: f64,
}

impl Misfit {
    /// What the inequality leaves: (weak error − misfit) − student error, from 0 up where it holds.
    ///
    /// ```
    /// use trimtab_oversight::misfit::misfit;
    /// // Gold 0, weak (1, 1), student (1, 0), its projection on the first axis: 1 − ½ = ½.
    /// let found = misfit(&[0.0, 0.0], &[1.0, 1.0], &[1.0, 0.0]);
    /// assert_eq!((found.weak_error, found.student_error, found.misfit), (1.0, 0.5, 0.5));
    /// assert_eq!(found.slack(), 0.0);
    /// ```
    #[must_use]
    pub fn slack(&self) -> f64 {
        self.weak_error - self.misfit - self.student_error
    }
}

/// The errors of predictions on the same n items.
///
/// # Panics
/// If the slices differ in length: an error of the caller, not of the data.
#[must_use]
pub fn misfit(gold_n: &[f64], weak_n: &[f64], student_n: &[f64]) -> Misfit {
    assert!(gold_n.len() == weak_n.len() && gold_n.len() == student_n.len(), "one prediction of each per item");
    let error = |one: &[f64], other: &[f64]| {
        one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>() / one.len() as f64
    };
    Misfit {
        weak_error: error(weak_n, gold_n),
        student_error: error(student_n, gold_n),
        misfit: error(student_n, weak_n),
    }
}

/// The weights of norm `radius` at most whose linear function is nearest to the targets in mean square; `inputs` are n rows of d
/// numbers, and there is no constant term. `None` where there is nothing to fit, or a number is not finite.
///
/// ```
/// use trimtab_oversight::misfit::least_squares_in_ball;
/// let inputs = [vec![1.0, 0.0], vec![0.0, 1.0]];
/// let near = |found: Vec<f64>, expected: [f64; 2]| found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-9);
/// assert!(near(least_squares_in_ball(&inputs, &[3.0, 4.0], 10.0).unwrap(), [3.0, 4.0]));
/// assert!(near(least_squares_in_ball(&inputs, &[3.0, 4.0], 1.0).unwrap(), [0.6, 0.8])); // on the sphere
/// ```
#[must_use]
pub fn least_squares_in_ball(inputs: &[Vec<f64>], targets: &[f64], radius: f64) -> Option<Vec<f64>> {
    let d = inputs.first()?.len();
    let (mut gram, mut moment) = (vec![vec![0.0; d]; d], vec![0.0; d]);
    for (input, target) in inputs.iter().zip(targets) {
        for i in 0..d {
            moment[i] += input[i] * target;
            for j in 0..d {
                gram[i][j] += input[i] * input[j];
            }
        }
    }
    let norm = |w: &[f64]| w.iter().map(|v| v * v).sum::<f64>().sqrt();
    // A column of zeros has no weight of its own; the least ridge gives it 0.
    let scale = (0..d).map(|i| gram[i][i]).fold(0.0, f64::max);
    let solve = |ridge: f64| solve(&gram, &moment, ridge);
    let least = solve(scale * 1e-12)?;
    if norm(&least) <= radius {
        return Some(least);
    }
    // The norm falls as the ridge grows, and a ridge of |moment|/radius is always enough.
    let (mut low, mut high) = (0.0, norm(&moment) / radius);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if norm(&solve(middle.max(scale * 1e-12))?) > radius { low = middle } else { high = middle }
    }
    solve(high)
}

/// (gram + ridge·I)⁻¹·moment by Cholesky; `None` where that is not positive definite.
fn solve(gram: &[Vec<f64>], moment: &[f64], ridge: f64) -> Option<Vec<f64>> {
    let d = moment.len();
    let mut lower = vec![vec![0.0; d]; d];
    for i in 0..d {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let left = gram[i][j] + if i == j { ridge } else { 0.0 } - inner;
            if i == j {
                if !(left > 0.0 && left.is_finite()) {
                    return None;
                }
                lower[i][i] = left.sqrt();
            } else {
                lower[i][j] = left / lower[j][j];
            }
        }
    }
    let mut x = moment.to_vec();
    for i in 0..d {
        let inner: f64 = (0..i).map(|k| lower[i][k] * x[k]).sum();
        x[i] = (x[i] - inner) / lower[i][i];
    }
    for i in (0..d).rev() {
        let inner: f64 = (i + 1..d).map(|k| lower[k][i] * x[k]).sum();
        x[i] = (x[i] - inner) / lower[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    fn dot(w: &[f64], x: &[f64]) -> f64 {
        w.iter().zip(x).map(|(w, x)| w * x).sum()
    }

    /// Theorem 1 asserted on the items fitted: equality in a linear space, one-sided in a ball that holds the truth. Weak labels
    /// are linear plus a part that no linear function fits.
    #[test]
    fn the_inequality_holds() {
        let mut source = SplitMix::new(17);
        let mut strict = 0;
        for round in 0..40 {
            let inputs: Vec<Vec<f64>> = (0..80).map(|_| (0..4).map(|_| source.normal()).collect()).collect();
            let gold_weights: Vec<f64> = (0..4).map(|_| source.normal()).collect();
            let bent: Vec<f64> = (0..4).map(|_| 0.8 * source.normal()).collect();
            let gold: Vec<f64> = inputs.iter().map(|x| dot(&gold_weights, x)).collect();
            let weak: Vec<f64> = inputs.iter().zip(&gold).map(|(x, y)| y + dot(&bent, x) + x[0] * x[1]).collect();
            let student = |radius: f64| {
                let fitted = least_squares_in_ball(&inputs, &weak, radius).unwrap();
                misfit(&gold, &weak, &inputs.iter().map(|x| dot(&fitted, x)).collect::<Vec<_>>())
            };
            let free = student(f64::INFINITY);
            assert!(free.slack().abs() < 1e-8 && free.misfit > 0.0, "round {round}: {free:?}");
            let ball = student(dot(&gold_weights, &gold_weights).sqrt());
            assert!(ball.slack() > -1e-6, "round {round}: {ball:?}");
            strict += u32::from(ball.slack() > 1e-3);
        }
        assert!(strict >= 5, "a ball makes it strict where it binds: {strict} of 40");
    }

    /// Law: within the ball the fit is free, outside of it on the sphere, and no nearby point of the ball fits better.
    #[test]
    fn the_fit_is_the_best_of_the_ball() {
        let mut source = SplitMix::new(4);
        let inputs: Vec<Vec<f64>> = (0..60).map(|_| (0..3).map(|_| source.normal()).collect()).collect();
        let targets: Vec<f64> = inputs.iter().map(|x| 2.0 * x[0] - x[2] + 0.3 * source.normal()).collect();
        let loss = |w: &[f64]| inputs.iter().zip(&targets).map(|(x, y)| (dot(w, x) - y).powi(2)).sum::<f64>();
        for radius in [0.5, 1.0, 2.0] {
            let best = least_squares_in_ball(&inputs, &targets, radius).unwrap();
            assert!((dot(&best, &best).sqrt() - radius).abs() < 1e-6);
            for _ in 0..200 {
                let moved: Vec<f64> = best.iter().map(|w| w + 0.05 * source.normal()).collect();
                let norm = dot(&moved, &moved).sqrt();
                let inside: Vec<f64> = moved.iter().map(|w| w * (radius / norm).min(1.0)).collect();
                assert!(loss(&inside) >= loss(&best) - 1e-7);
            }
        }
    }

    #[test]
    fn nothing_to_fit_is_none() {
        assert_eq!(least_squares_in_ball(&[], &[], 1.0), None);
        assert_eq!(least_squares_in_ball(&[vec![f64::NAN]], &[1.0], 1.0), None);
        assert_eq!(least_squares_in_ball(&[vec![0.0], vec![0.0]], &[1.0, 2.0], 1.0), None);
    }
}
