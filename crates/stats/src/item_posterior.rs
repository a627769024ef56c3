//! What several rankings of one item's answers say about their scores, once it is known how reliable each ranker is.
//!
//! Tierney and Kadane 1986, *Accurate approximations for posterior moments and marginal densities*,
//! [doi:10.1080/01621459.1986.10478240](https://doi.org/10.1080/01621459.1986.10478240), section 2 (Laplace's
//! method): near its peak ŝ the posterior of the scores s is taken to be normal, with the curvature that it has there.
//!
//! > ln ∫ exp ψ(s) ds ≈ ψ(ŝ) − ½·ln |H| + const, ψ(s) = Σ ln P(ranking | β·s + offset) − ½·|s|², H = −ψ″(ŝ)
//!
//! 1. Rankings are Plackett–Luce ([`mod@crate::plackett_luce`]) with strengths exp(β·s + offset). ψ is strictly concave,
//!    so that the peak exists, is the only one, and is found by Newton's method whatever the rankings are.
//! 2. The slope of the right side in each β is exact: it follows ŝ and H as they move with β.

use crate::newton::{NoFit, cholesky, dot, largest, solve};
use crate::plackett_luce::GroupRanking;

/// Most answers that may tie: every subset of them is looked at.
const TIED: usize = 12;

/// A choice of the best of several answers, whose chance is a softmax.
struct Choice {
    from: Vec<usize>,
    weight: f64,
}

/// A ranking as its log-likelihood Σ won·x − Σ weight·ln Σ exp(x) over its choices, x = β·s + offset.
pub(crate) struct Told {
    pub(crate) person: usize,
    /// How often each answer was chosen.
    won: Vec<f64>,
    /// By answer.
    offset: Vec<f64>,
    choices: Vec<Choice>,
}

impl Told {
    /// `ranking` has been checked against the number of answers, which is that of the offsets.
    pub(crate) fn new(person: usize, offset: Vec<f64>, ranking: &GroupRanking) -> Result<Self, NoFit> {
        let answers = offset.len();
        let (mut won, mut choices) = (vec![0.0; answers], Vec::new());
        let mut left: Vec<usize> = ranking.groups.iter().flatten().chain(&ranking.below).copied().collect();
        for group in &ranking.groups {
            let tied = group.len();
            if tied > TIED {
                return Err(NoFit::TooManyTies { answers: left.len(), ties: tied });
            }
            // Every order of a tied group is as good: of the choices in which k of its t answers are gone already, one
            // for each subset, each has the weight 1/C(t, k).
            for gone in 0..(1usize << tied) - usize::from(tied > 0) {
                let place = |at: usize| at < tied && gone >> at & 1 == 1;
                let from: Vec<usize> = (0..left.len()).filter(|&at| !place(at)).map(|at| left[at]).collect();
                if from.len() < 2 {
                    continue; // the last answer alone is no choice
                }
                let k = gone.count_ones() as usize;
                let weight = ranking.weight / binomial(tied, k);
                // The one chosen is as often each of the tied answers that are not gone.
                for (at, &answer) in group.iter().enumerate().filter(|(at, _)| !place(*at)) {
                    debug_assert_eq!(answer, left[at]);
                    won[answer] += weight / (tied - k) as f64;
                }
                choices.push(Choice { from, weight });
            }
            left.drain(..tied);
        }
        Ok(Self { person, won, offset, choices })
    }

    /// Whether anything was chosen, so that the ranking says something.
    pub(crate) fn says_something(&self) -> bool {
        self.choices.iter().any(|c| c.weight > 0.0)
    }

    /// The answers that could be chosen.
    fn named(&self) -> impl Iterator<Item = usize> {
        self.choices.iter().flat_map(|c| c.from.iter().copied())
    }
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

/// What a person sees in each answer, x = β·s + offset, and exp(x − top).
#[derive(Default)]
struct Worths {
    x: Vec<f64>,
    top: f64,
    worth: Vec<f64>,
    /// Of the choice looked at last.
    chances: Vec<f64>,
}

impl Worths {
    fn of(&mut self, told: &Told, beta: f64, s: &[f64]) {
        self.x.clear();
        self.x.extend(s.iter().zip(&told.offset).map(|(s, offset)| beta * s + offset));
        self.top = self.x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.worth.clear();
        self.worth.extend(self.x.iter().map(|x| (x - self.top).exp()));
    }

    /// ln Σ exp(x) over the answers of a choice.
    fn ln_sum(&self, from: &[usize]) -> f64 {
        let sum: f64 = from.iter().map(|&a| self.worth[a]).sum();
        if sum > 1e-200 {
            return self.top + sum.ln();
        }
        // All so far below the top that their worths have lost digits.
        let top = from.iter().fold(f64::NEG_INFINITY, |m, &a| m.max(self.x[a]));
        top + from.iter().map(|&a| (self.x[a] - top).exp()).sum::<f64>().ln()
    }

    /// The chance of each answer of a choice.
    fn choose(&mut self, from: &[usize]) {
        let sum: f64 = from.iter().map(|&a| self.worth[a]).sum();
        self.chances.clear();
        if sum > 1e-200 {
            self.chances.extend(from.iter().map(|&a| self.worth[a] / sum));
        } else {
            let ln = self.ln_sum(from);
            self.chances.extend(from.iter().map(|&a| (self.x[a] - ln).exp()));
        }
    }
}

/// An item with its rankings.
pub(crate) struct Item {
    pub(crate) answers: usize,
    pub(crate) rankings: Vec<Told>,
}

/// The normal distribution that stands for the posterior of an item's scores.
#[derive(Clone)]
pub(crate) struct Posterior {
    pub(crate) mode: Vec<f64>,
    /// By rows.
    pub(crate) covariance: Vec<f64>,
    /// ln of the chance of the rankings, in nats, by Laplace's method.
    pub(crate) ln_evidence: f64,
}

/// The posterior of the difference of two scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    /// The chance that it is above 0.
    pub(crate) above: f64,
}

impl Item {
    /// Whether more than one person has ranked it.
    pub(crate) fn shared(&self) -> bool {
        self.rankings.iter().any(|r| r.person != self.rankings[0].person)
    }

    /// Which answers a choice was about, in a ranking of which `counts` is true.
    pub(crate) fn named(&self, counts: impl Fn(&Told) -> bool) -> Vec<bool> {
        let mut named = vec![false; self.answers];
        self.rankings.iter().filter(|r| counts(r)).flat_map(Told::named).for_each(|a| named[a] = true);
        named
    }

    /// ψ.
    fn height(&self, s: &[f64], beta: &[f64], counts: &impl Fn(&Told) -> bool) -> f64 {
        let mut worths = Worths::default();
        let mut sum = -0.5 * dot(s, s);
        for told in self.rankings.iter().filter(|r| counts(r)) {
            worths.of(told, beta[told.person], s);
            sum += dot(&told.won, &worths.x);
            for Choice { from, weight } in &told.choices {
                sum -= weight * worths.ln_sum(from);
            }
        }
        sum
    }

    /// ψ′ and H.
    fn derivatives(&self, s: &[f64], beta: &[f64], counts: &impl Fn(&Told) -> bool) -> (Vec<f64>, Vec<f64>) {
        let n = self.answers;
        let mut gradient: Vec<f64> = s.iter().map(|s| -s).collect();
        let mut information = vec![0.0; n * n];
        (0..n).for_each(|i| information[i * n + i] = 1.0);
        let mut worths = Worths::default();
        for told in self.rankings.iter().filter(|r| counts(r)) {
            let beta = beta[told.person];
            worths.of(told, beta, s);
            gradient.iter_mut().zip(&told.won).for_each(|(g, won)| *g += beta * won);
            for Choice { from, weight } in &told.choices {
                worths.choose(from);
                let chances = &worths.chances;
                for (&i, p) in from.iter().zip(chances) {
                    gradient[i] -= beta * weight * p;
                    information[i * n + i] += beta * beta * weight * p;
                    for (&j, q) in from.iter().zip(chances) {
                        information[i * n + j] -= beta * beta * weight * p * q;
                    }
                }
            }
        }
        (gradient, information)
    }

    /// The posterior given β by person, from the rankings of which `counts` is true; the search for its peak begins at
    /// `start`. `None` if numbers overflow.
    pub(crate) fn posterior(&self, start: &[f64], beta: &[f64], counts: impl Fn(&Told) -> bool) -> Option<Posterior> {
        let n = self.answers;
        let mut mode = start.to_vec();
        let mut height = self.height(&mode, beta, &counts);
        for _ in 0..200 {
            let (gradient, information) = self.derivatives(&mode, beta, &counts);
            let factor = cholesky(information, n)?;
            let step = solve(&factor, gradient.clone());
            let slope = dot(&gradient, &step);
            // ψ tells two points apart down to about 10⁻¹⁴ of its size; Newton's error is then the square of the step.
            if largest(&step) <= 1e-7 {
                mode.iter_mut().zip(&step).for_each(|(m, s)| *m += s);
                let (_, information) = self.derivatives(&mode, beta, &counts);
                let factor = cholesky(information, n)?;
                let ln_det = 2.0 * (0..n).map(|i| factor[i * n + i].ln()).sum::<f64>();
                let mut covariance = vec![0.0; n * n];
                for i in 0..n {
                    let mut unit = vec![0.0; n];
                    unit[i] = 1.0;
                    covariance[i * n..(i + 1) * n].copy_from_slice(&solve(&factor, unit));
                }
                let ln_evidence = self.height(&mode, beta, &counts) - 0.5 * ln_det;
                return ln_evidence.is_finite().then_some(Posterior { mode, covariance, ln_evidence });
            }
            let mut share = 1.0;
            loop {
                let next: Vec<f64> = mode.iter().zip(&step).map(|(m, s)| m + share * s).collect();
                let reached = self.height(&next, beta, &counts);
                if reached >= height + 1e-4 * share * slope - 1e-13 * (1.0 + height.abs()) {
                    (mode, height) = (next, reached);
                    break;
                }
                share *= 0.5;
                if share < 1e-12 {
                    return None;
                }
            }
        }
        None
    }

    /// What is known of the score of answer a less that of b.
    ///
    /// The density of the difference d is that of the scores along the line on which the others' are where the normal
    /// distribution expects them, given d (Rue, Martino and Chopin 2009,
    /// [doi:10.1111/j.1467-9868.2008.00700.x](https://doi.org/10.1111/j.1467-9868.2008.00700.x), section 3.2.2, with
    /// the last factor of equation 12 taken to be constant). Of two answers that is exact, where the normal
    /// distribution knows nothing of how skewed it is: three people who are always right leave little doubt.
    pub(crate) fn difference(
        &self,
        posterior: &Posterior,
        beta: &[f64],
        counts: &impl Fn(&Told) -> bool,
        (a, b): (usize, usize),
    ) -> Option<Difference> {
        let (n, v, mode) = (self.answers, &posterior.covariance, &posterior.mode);
        let way: Vec<f64> = (0..n).map(|i| v[i * n + a] - v[i * n + b]).collect();
        let (variance, centre) = (way[a] - way[b], mode[a] - mode[b]);
        let peak = self.height(mode, beta, counts);
        // Points are multiples of a width, so that 0 is one of them: half of it lies to either side, and the points beside
        // it correct for the density's slope there (Euler and Maclaurin).
        let width = 0.35 * variance.sqrt();
        let density = |k: i64| {
            let share = (k as f64 * width - centre) / variance;
            let s: Vec<f64> = mode.iter().zip(&way).map(|(m, w)| m + share * w).collect();
            (self.height(&s, beta, counts) - peak).exp()
        };
        let start = (centre / width).round() as i64;
        let (mut sum, mut first, mut second, mut above) = (0.0, 0.0, 0.0, 0.0);
        let mut add = |k: i64| {
            let (p, d) = (density(k), k as f64 * width);
            sum += p;
            first += p * d;
            second += p * d * d;
            above += p * match k {
                -1 => -1.0 / 24.0,
                0 => 0.5,
                1 => 25.0 / 24.0,
                _ => f64::from(u8::from(k > 0)),
            };
            // Concave on a logarithmic scale, so that what follows is less still.
            p > 1e-6
        };
        let steps = 10_000;
        let _ = (start..start + steps).all(&mut add);
        let _ = (start - steps..start).rev().all(&mut add);
        let mean = first / sum;
        let difference =
            Difference { mean, sd: (second / sum - mean * mean).sqrt(), above: (above / sum).clamp(0.0, 1.0) };
        (difference.sd > 0.0 && difference.above.is_finite()).then_some(difference)
    }

    /// The slope of the posterior's `ln_evidence` in the β of each ranking.
    pub(crate) fn slopes(&self, posterior: &Posterior, beta: &[f64]) -> Vec<f64> {
        let (n, s, v) = (self.answers, &posterior.mode, &posterior.covariance);
        let mut worths = Worths::default();
        let mut slopes = Vec::with_capacity(self.rankings.len());
        // How ψ′ moves with each ranking's β, and how ln |H| moves with the scores.
        let (mut mixed, mut bends) = (Vec::with_capacity(self.rankings.len()), vec![0.0; n]);
        for told in &self.rankings {
            let beta = beta[told.person];
            worths.of(told, beta, s);
            let mut slope = dot(&told.won, s);
            let mut moves = told.won.clone();
            for Choice { from, weight } in &told.choices {
                worths.choose(from);
                let chances = &worths.chances;
                let row = |i: usize| from.iter().zip(chances).map(|(&j, q)| v[i * n + j] * q).sum::<f64>();
                let rows: Vec<f64> = from.iter().map(|&i| row(i)).collect();
                let mean_score: f64 = from.iter().zip(chances).map(|(&i, p)| s[i] * p).sum();
                let mean_variance: f64 = from.iter().zip(chances).map(|(&i, p)| v[i * n + i] * p).sum();
                let of_mean = dot(&rows, chances);
                slope -= weight * mean_score;
                // The trace of V·(diag p − p·pᵀ) is mean_variance − of_mean.
                let mut ln_det = 2.0 * beta * (mean_variance - of_mean);
                for ((&i, p), row) in from.iter().zip(chances).zip(&rows) {
                    let turn = p * ((v[i * n + i] - mean_variance) - 2.0 * (row - of_mean));
                    ln_det += beta * beta * turn * s[i];
                    bends[i] += weight * beta.powi(3) * turn;
                    moves[i] -= weight * p * (1.0 + beta * (s[i] - mean_score));
                }
                slope -= 0.5 * weight * ln_det;
            }
            slopes.push(slope);
            mixed.push(moves);
        }
        let pull: Vec<f64> = v.chunks_exact(n).map(|row| dot(row, &bends)).collect();
        slopes.iter_mut().zip(&mixed).for_each(|(slope, moves)| *slope -= 0.5 * dot(&pull, moves));
        slopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::tests::differences;

    fn item() -> Item {
        let rankings = [
            GroupRanking::of(&[&[0, 1], &[2], &[3]]),
            GroupRanking { below: vec![1, 0], weight: 2.5, ..GroupRanking::of(&[&[3]]) },
            GroupRanking::of(&[&[2], &[3, 1, 0]]),
            GroupRanking::of(&[&[1], &[0]]),
        ];
        let told = |(person, r): (usize, &GroupRanking)| {
            Told::new(person, vec![0.0, 0.3 * person as f64, -0.5, 0.0], r).unwrap()
        };
        Item { answers: 4, rankings: rankings.iter().enumerate().map(told).collect() }
    }

    /// A tie of two is half a win each way; of three, a third of all wins each, and the last of three is no choice.
    #[test]
    fn ties_by_hand() {
        let told = Told::new(0, vec![0.0; 2], &GroupRanking::of(&[&[0, 1]])).unwrap();
        assert_eq!((told.won, told.choices.len()), (vec![0.5, 0.5], 1));
        let told = Told::new(0, vec![0.0; 3], &GroupRanking::of(&[&[2, 0, 1]])).unwrap();
        assert!(told.won.iter().all(|w| (w - 2.0 / 3.0).abs() < 1e-12) && told.choices.len() == 4);
        assert!((told.choices.iter().map(|c| c.weight).sum::<f64>() - 2.0).abs() < 1e-12);
        let many: Vec<usize> = (0..13).collect();
        assert_eq!(
            Told::new(0, vec![0.0; 13], &GroupRanking::of(&[&many])).err(),
            Some(NoFit::TooManyTies { answers: 13, ties: 13 })
        );
    }

    /// ψ′, H, and the slope of the evidence in β are those of finite differences.
    #[test]
    fn finite_differences() {
        let (item, all) = (item(), |_: &Told| true);
        let (beta, s) = ([0.8, -1.3, 2.0, 0.0], [0.7, -0.4, 0.1, -0.2]);
        let (gradient, information) = item.derivatives(&s, &beta, &all);
        for (i, d) in differences(|s| item.height(s, &beta, &all), &s).into_iter().enumerate() {
            assert!((gradient[i] - d).abs() < 1e-8);
            let bend = differences(|s| item.derivatives(s, &beta, &all).0[i], &s);
            for j in 0..4 {
                assert!((information[i * 4 + j] + bend[j]).abs() < 1e-8);
            }
        }
        let at = |beta: &[f64]| item.posterior(&[0.0; 4], beta, all).unwrap();
        let slopes = item.slopes(&at(&beta), &beta);
        for (slope, d) in slopes.iter().zip(differences(|beta| at(beta).ln_evidence, &beta)) {
            assert!((slope - d).abs() < 1e-7, "{slope} {d}");
        }
    }

    /// Two answers against their integral: ten people of β = 6 say that 0 is above 1, d ~ N(0, 2).
    #[test]
    fn the_difference_of_two_is_exact() {
        let told = |person| Told::new(person, vec![0.0; 2], &GroupRanking::of(&[&[0], &[1]])).unwrap();
        for people in [0, 1, 3, 10] {
            let (item, all) = (Item { answers: 2, rankings: (0..people).map(told).collect() }, |_: &Told| true);
            let beta = vec![6.0; people];
            let posterior = item.posterior(&[0.0; 2], &beta, all).unwrap();
            let found = item.difference(&posterior, &beta, &all, (0, 1)).unwrap();
            let (mut sum, mut first, mut above) = (0.0, 0.0, 0.0);
            for k in -10_000..10_000 {
                let d = (f64::from(k) + 0.5) * 1e-3;
                let p = (-0.25 * d * d).exp() * (1.0 + (-6.0 * d).exp()).powi(-(people as i32));
                sum += p;
                first += p * d;
                above += if d > 0.0 { p } else { 0.0 };
            }
            assert!((found.mean - first / sum).abs() < 2e-3 && (found.above - above / sum).abs() < 2e-3, "{found:?}");
        }
    }

    /// Laplace's method against the integral itself: one pair, ranked once, has the chance ½ whatever β is, and the
    /// method is within a tenth of a nat; its scores mirror each other.
    #[test]
    fn one_pair_by_symmetry() {
        for beta in [0.0, 0.5, 1.0, 3.0, -3.0] {
            let told = Told::new(0, vec![0.0; 2], &GroupRanking::of(&[&[1], &[0]])).unwrap();
            let one = Item { answers: 2, rankings: vec![told] };
            let posterior = one.posterior(&[0.0; 2], &[beta], |_| true).unwrap();
            assert!((posterior.ln_evidence - 0.5f64.ln()).abs() < 0.1, "{}", posterior.ln_evidence);
            assert!((posterior.mode[0] + posterior.mode[1]).abs() < 1e-9 && posterior.mode[1] * beta >= 0.0);
        }
    }
}
