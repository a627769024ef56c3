//! A peak of a function of many parameters from its slopes alone, climbing at every step.
//!
//! Nocedal and Wright 2006, *Numerical Optimization*, 2nd edition, algorithm 7.4 (limited-memory BFGS) and equations 3.6
//! (a step must rise enough, and leave little of the slope).
//!
//! 1. The first guess of the inverse curvature is a diagonal given by the caller, scaled by equation 7.20.
//! 2. Pairs of step and change of slope that do not curve downwards are left out, which keeps every direction uphill
//!    where the function is not concave.

use crate::newton::{dot, largest};
use std::collections::VecDeque;

/// Pairs kept.
const MEMORY: usize = 12;

/// A function at one point.
pub(crate) trait Point {
    fn height(&self) -> f64;
    fn gradient(&self) -> &[f64];
}

/// Where the climb has led.
pub(crate) struct Climb<P> {
    pub(crate) x: Vec<f64>,
    pub(crate) point: P,
    /// The height at the start and after each step. It never falls.
    pub(crate) trace: Vec<f64>,
    /// Whether every slope is below the tolerance.
    pub(crate) converged: bool,
}

/// Climbs from `x`, at most `steps` steps, until no slope exceeds `tolerance`. `at` gives the function at a point, near
/// another; `None` there is a point that must not be stepped on. `None` if the start is one.
pub(crate) fn climb<P: Point>(
    mut x: Vec<f64>,
    inverse: &[f64],
    steps: u32,
    tolerance: f64,
    at: impl Fn(&[f64], Option<&P>) -> Option<P>,
) -> Option<Climb<P>> {
    let mut point = at(&x, None)?;
    let mut trace = vec![point.height()];
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..steps {
        if largest(point.gradient()) <= tolerance {
            break;
        }
        let mut way = direction(point.gradient(), inverse, &memory);
        if dot(&way, point.gradient()) <= 0.0 {
            memory.clear();
            way = direction(point.gradient(), inverse, &memory);
        }
        let slope = dot(&way, point.gradient());
        // Too long while it does not rise enough, too short while it still rises steeply; the best so far is kept.
        let (mut short, mut long, mut share, mut next) = (0.0, f64::INFINITY, 1.0, None);
        for _ in 0..40 {
            let there: Vec<f64> = x.iter().zip(&way).map(|(x, w)| x + share * w).collect();
            let enough = point.height() + 1e-4 * share * slope;
            if let Some(reached) = at(&there, Some(&point)).filter(|p| p.height() >= enough) {
                let flat = dot(reached.gradient(), &way) <= 0.9 * slope;
                next = Some((there, reached));
                if flat {
                    break;
                }
                short = share;
            } else {
                long = share;
            }
            share = if long.is_finite() { 0.5 * (short + long) } else { 2.0 * short };
        }
        // Without memory there is nothing left to try: the slopes are rounding.
        let Some((there, next)) = next else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let step: Vec<f64> = there.iter().zip(&x).map(|(a, b)| a - b).collect();
        let falls: Vec<f64> = point.gradient().iter().zip(next.gradient()).map(|(a, b)| a - b).collect();
        if dot(&step, &falls) > 1e-10 * dot(&falls, &falls).sqrt() * dot(&step, &step).sqrt() {
            memory.push_back((step, falls));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (x, point) = (there, next);
        trace.push(point.height());
    }
    let converged = largest(point.gradient()) <= tolerance;
    Some(Climb { x, point, trace, converged })
}

/// The two loops of algorithm 7.4.
fn direction(gradient: &[f64], inverse: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, falls) in memory.iter().rev() {
        let share = dot(step, &q) / dot(step, falls);
        q.iter_mut().zip(falls).for_each(|(q, f)| *q -= share * f);
        shares.push(share);
    }
    let scale = memory.back().map_or(1.0, |(step, falls)| {
        let curved: f64 = falls.iter().zip(inverse).map(|(f, i)| f * f * i).sum();
        dot(step, falls) / curved
    });
    q.iter_mut().zip(inverse).for_each(|(q, i)| *q *= scale * i);
    for ((step, falls), share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(falls, &q) / dot(step, falls);
        q.iter_mut().zip(step).for_each(|(q, s)| *q += (share - back) * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Value(f64, Vec<f64>);

    impl Point for Value {
        fn height(&self) -> f64 {
            self.0
        }

        fn gradient(&self) -> &[f64] {
            &self.1
        }
    }

    /// Rosenbrock's valley, upside down: its one peak is 0 at (1, 1), and the way to it is bent and not concave.
    #[test]
    fn a_bent_ridge_is_climbed() {
        let at = |x: &[f64], _: Option<&Value>| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            let slopes = vec![2.0 * a + 400.0 * x[0] * b, -200.0 * b];
            Some(Value(-a * a - 100.0 * b * b, slopes))
        };
        let climb = climb(vec![-1.2, 1.0], &[1.0, 1.0], 200, 1e-8, at).unwrap();
        assert!((climb.x[0] - 1.0).abs() < 1e-6 && (climb.x[1] - 1.0).abs() < 1e-6 && climb.converged);
        assert!(climb.trace.windows(2).all(|w| w[1] >= w[0]) && climb.trace.len() < 100);
    }

    #[test]
    fn what_is_no_peak() {
        let wall = |_: &[f64], near: Option<&Value>| near.is_none().then(|| Value(0.0, vec![1.0]));
        let stuck = climb(vec![0.0], &[1.0], 50, 1e-8, wall).unwrap();
        assert!(!stuck.converged && stuck.trace == [0.0]);
        assert!(climb(vec![0.0], &[1.0], 50, 1e-8, |_, _: Option<&Value>| None).is_none());
    }
}
