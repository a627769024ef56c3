//! Scores of answers from comparisons of two, with ties.
//!
//! Bradley and Terry 1952, *Rank analysis of incomplete block designs*,
//! [doi:10.2307/2334029](https://doi.org/10.2307/2334029), with ties as in Davidson 1970, *On extending the
//! Bradley-Terry model to accommodate ties in paired comparison experiments*,
//! [doi:10.1080/01621459.1970.10481082](https://doi.org/10.1080/01621459.1970.10481082). With strengths π = exp(score):
//!
//! > P(i beats j) = πᵢ/(πᵢ + πⱼ + ν√(πᵢπⱼ)), P(tie) = ν√(πᵢπⱼ)/(πᵢ + πⱼ + ν√(πᵢπⱼ))
//!
//! 1. The log-likelihood is concave in the scores and ln ν, and Newton's method finds its peak; it stops by gradient and
//!    step. (Comparing strengths before and after is easy to get wrong: one library compares an array with itself.)
//! 2. Without a prior there is a best fit only if every answer is linked to every other by a chain of wins, and back (Ford
//!    1957, [doi:10.2307/2308513](https://doi.org/10.2307/2308513)); a tie links both ways. Where there is none, that is
//!    said: no pseudo-count ties together what was never compared.
//! 3. A prior, where given, is normal around 0 for each score (a ridge). Then every graph has a fit; scores of groups that
//!    are not linked must not be compared, and `component` tells the groups apart.
//! 4. Time is cubic in the size of a group: 1,000 answers that are all linked take about a second.

use crate::newton::{Information, NoFit, ascend};
use std::collections::BTreeMap;

/// One comparison of two answers, by index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The answer preferred; of a tie, either.
    pub winner: usize,
    /// The other.
    pub loser: usize,
    /// How often this was seen, from 0; a comparison of weight 0 is as good as none.
    pub weight: f64,
    /// Whether neither was preferred.
    pub tie: bool,
}

impl Comparison {
    /// One win.
    #[must_use]
    pub fn win(winner: usize, loser: usize) -> Self {
        Self { winner, loser, weight: 1.0, tie: false }
    }

    /// One tie.
    #[must_use]
    pub fn tie(one: usize, other: usize) -> Self {
        Self { winner: one, loser: other, weight: 1.0, tie: true }
    }
}

/// A fitted Bradley–Terry model.
#[derive(Debug, Clone, PartialEq)]
pub struct BradleyTerry {
    /// Log-strengths, whose mean in each component is 0: a difference d within a component means that, ties aside, the
    /// odds are exp(d) to 1. `None` for an answer that was never compared, which happens only with a prior.
    pub scores: Vec<Option<f64>>,
    /// The tie parameter ν: equal answers tie with chance ν/(2 + ν). 0 where nothing tied.
    pub nu: f64,
    /// Connected component of each answer, numbered from 0 by their first answer.
    pub component: Vec<usize>,
    /// Log-likelihood in nats, less the penalty of the prior where there is one, after each iteration.
    pub trace: Vec<f64>,
}

/// Maximum likelihood from comparisons of `answers` answers; with `prior_sd`, the mode under independent N(0, sd²) priors
/// of the scores.
///
/// # Errors
/// Why there is no fit: see [`NoFit`].
///
/// ```
/// use trimtab_stats::{Comparison, NoFit, bradley_terry};
/// // Answer 0 beats answer 1 three times in four: the odds are 3, the scores ±½·ln 3.
/// let won = Comparison { weight: 3.0, ..Comparison::win(0, 1) };
/// let fit = bradley_terry(2, &[won, Comparison::win(1, 0)], None).unwrap();
/// assert!((fit.scores[0].unwrap() - 0.5 * 3f64.ln()).abs() < 1e-9);
/// // Six ties beside them: P(tie) = 6/10 = ν√3/(3 + 1 + ν√3), so ν√3 = 6.
/// let ties = Comparison { weight: 6.0, ..Comparison::tie(0, 1) };
/// let fit = bradley_terry(2, &[won, Comparison::win(1, 0), ties], None).unwrap();
/// assert!((fit.nu - 6.0 / 3f64.sqrt()).abs() < 1e-9);
/// // An answer that never loses has no finite score.
/// assert_eq!(bradley_terry(2, &[won], None).unwrap_err(), NoFit::NeverLose(vec![0]));
/// ```
pub fn bradley_terry(answers: usize, comparisons: &[Comparison], prior_sd: Option<f64>) -> Result<BradleyTerry, NoFit> {
    if let Some(sd) = prior_sd.filter(|sd| !(*sd > 0.0 && sd.is_finite())) {
        return Err(NoFit::Prior(sd));
    }
    let pairs = count(answers, comparisons)?;
    let sum = |of: usize| pairs.iter().map(|(_, n)| n[of]).sum::<f64>();
    let (wins, ties) = (sum(0) + sum(1), sum(2));
    if wins == 0.0 {
        return Err(if ties > 0.0 { NoFit::OnlyTies } else { NoFit::Empty });
    }
    let edges: Vec<(usize, usize)> = pairs
        .iter()
        .flat_map(|&((i, j), [won, lost, tied])| {
            [(won + tied > 0.0).then_some((i, j)), (lost + tied > 0.0).then_some((j, i))]
        })
        .flatten()
        .collect();
    let component = components(answers, &edges);
    if prior_sd.is_none() {
        linked_both_ways(&component, &edges)?;
    }
    let model = Model { answers, pairs, ties: ties > 0.0, precision: prior_sd.map(|sd| 1.0 / (sd * sd)) };
    let start = vec![0.0; answers + usize::from(model.ties)];
    let local = |x: &[f64]| {
        let (gradient, information) = model.derivatives(x, &component);
        information.step(&gradient).map(|(step, _)| (gradient, step))
    };
    let peak = ascend(start, wins + ties, |x| model.log_likelihood(x), local)?;
    let mut compared = vec![false; answers];
    for &(i, j) in &edges {
        compared[i] = true;
        compared[j] = true;
    }
    let scores = (0..answers).map(|i| compared[i].then_some(peak.x[i])).collect();
    let nu = peak.x.get(answers).map_or(0.0, |ln_nu| ln_nu.exp());
    Ok(BradleyTerry { scores, nu, component, trace: peak.trace })
}

/// Wins of the first, wins of the second and ties of each pair i < j that was compared.
type Pairs = Vec<((usize, usize), [f64; 3])>;

fn count(answers: usize, comparisons: &[Comparison]) -> Result<Pairs, NoFit> {
    let mut pairs: BTreeMap<(usize, usize), [f64; 3]> = BTreeMap::new();
    for &Comparison { winner, loser, weight, tie } in comparisons {
        if let Some(&index) = [winner, loser].iter().find(|&&i| i >= answers) {
            return Err(NoFit::OutOfRange { what: "answer", index, count: answers });
        }
        if winner == loser {
            return Err(NoFit::Repeated { answer: winner });
        }
        check_weight(weight)?;
        if weight > 0.0 {
            let outcome = if tie { 2 } else { usize::from(winner > loser) };
            pairs.entry((winner.min(loser), winner.max(loser))).or_default()[outcome] += weight;
        }
    }
    Ok(pairs.into_iter().collect())
}

/// Refuses a weight that is not a number from 0.
pub(crate) fn check_weight(weight: f64) -> Result<(), NoFit> {
    if weight >= 0.0 && weight.is_finite() { Ok(()) } else { Err(NoFit::Weight(weight)) }
}

struct Model {
    answers: usize,
    pairs: Pairs,
    /// Whether ln ν is a parameter, the last.
    ties: bool,
    precision: Option<f64>,
}

impl Model {
    /// ln of the chances that the first wins, the second wins, and that they tie.
    fn ln_chances(&self, x: &[f64], i: usize, j: usize) -> [f64; 3] {
        let half = 0.5 * (x[i] - x[j]);
        let ln_nu = if self.ties { x[self.answers] } else { f64::NEG_INFINITY };
        let top = half.abs().max(ln_nu);
        let total = top + [half, -half, ln_nu].iter().map(|v| (v - top).exp()).sum::<f64>().ln();
        [half - total, -half - total, ln_nu - total]
    }

    fn log_likelihood(&self, x: &[f64]) -> f64 {
        let seen = |(&n, ln_p): (&f64, f64)| if n > 0.0 { n * ln_p } else { 0.0 };
        let pair =
            |&((i, j), n): &((usize, usize), [f64; 3])| n.iter().zip(self.ln_chances(x, i, j)).map(seen).sum::<f64>();
        let penalty = self.precision.map_or(0.0, |p| 0.5 * p * x[..self.answers].iter().map(|v| v * v).sum::<f64>());
        self.pairs.iter().map(pair).sum::<f64>() - penalty
    }

    /// Gradient and information. Each comparison is a choice among three, with features (½, 0), (−½, 0) and (0, 1) for
    /// the difference of scores and ln ν.
    fn derivatives(&self, x: &[f64], component: &[usize]) -> (Vec<f64>, Information) {
        let mut gradient = vec![0.0; x.len()];
        let mut information = Information::new(component, usize::from(self.ties));
        for &((i, j), [won, lost, tied]) in &self.pairs {
            let n = won + lost + tied;
            let [p_won, p_lost, p_tied] = self.ln_chances(x, i, j).map(f64::exp);
            let mean = 0.5 * (p_won - p_lost);
            let pull = 0.5 * (won - lost) - n * mean;
            gradient[i] += pull;
            gradient[j] -= pull;
            // ¼·(p_won + p_lost) − mean², without the cancellation.
            let spread = n * (p_won * p_lost + 0.25 * p_tied * (p_won + p_lost));
            information.add(i, i, spread);
            information.add(j, j, spread);
            information.add(i, j, -spread);
            if self.ties {
                let tie = self.answers;
                gradient[tie] += tied - n * p_tied;
                information.add(i, tie, -n * mean * p_tied);
                information.add(j, tie, n * mean * p_tied);
                information.add(tie, tie, n * p_tied * (p_won + p_lost));
            }
        }
        match self.precision {
            Some(precision) => {
                for i in 0..self.answers {
                    gradient[i] -= precision * x[i];
                    information.add(i, i, precision);
                }
            }
            None => information.pin(),
        }
        (gradient, information)
    }
}

/// The connected component of each of `n` nodes, numbered from 0 by their first node; the edges' direction is ignored.
pub(crate) fn components(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let neighbours = neighbours(n, edges.iter().flat_map(|&(i, j)| [(i, j), (j, i)]));
    let mut component = vec![usize::MAX; n];
    let mut found = 0;
    for start in 0..n {
        if component[start] == usize::MAX {
            for (i, reached) in reach(&neighbours, start).into_iter().enumerate() {
                if reached {
                    component[i] = found;
                }
            }
            found += 1;
        }
    }
    component
}

fn neighbours(n: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); n];
    for (from, to) in edges {
        out[from].push(to);
    }
    out
}

fn reach(neighbours: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut reached = vec![false; neighbours.len()];
    let mut open = vec![start];
    reached[start] = true;
    while let Some(at) = open.pop() {
        for &next in &neighbours[at] {
            if !std::mem::replace(&mut reached[next], true) {
                open.push(next);
            }
        }
    }
    reached
}

/// Refuses graphs of "beats" in which some answer has no chain of wins to another: what is not linked at all first.
pub(crate) fn linked_both_ways(component: &[usize], edges: &[(usize, usize)]) -> Result<(), NoFit> {
    let n = component.len();
    let groups = component.iter().max().map_or(0, |last| last + 1);
    if groups > 1 {
        let mut members = vec![Vec::new(); groups];
        component.iter().enumerate().for_each(|(i, &c)| members[c].push(i));
        return Err(NoFit::Disconnected(members));
    }
    if n == 0 {
        return Err(NoFit::Empty);
    }
    let those = |set: &[bool], inside: bool| (0..n).filter(|&i| set[i] == inside).collect::<Vec<usize>>();
    // Nobody outside of what answer 0 beats by a chain is ever beaten from within it; and nobody outside of those who
    // beat answer 0 by a chain ever beats one of them.
    let below = reach(&neighbours(n, edges.iter().copied()), 0);
    if below.contains(&false) {
        return Err(NoFit::NeverLose(those(&below, false)));
    }
    let above = reach(&neighbours(n, edges.iter().map(|&(i, j)| (j, i))), 0);
    if above.contains(&false) {
        return Err(NoFit::NeverLose(those(&above, true)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::tests::differences;

    /// The gradient is that of finite differences, the step that of a Newton step on differences of the gradient.
    #[test]
    fn finite_differences() {
        let some = [((0, 1), [3.0, 1.0, 2.0]), ((1, 2), [0.0, 2.5, 1.0]), ((0, 2), [1.0, 1.0, 0.0])];
        for (ties, precision) in [(true, None), (true, Some(0.5)), (false, Some(0.5))] {
            let pairs = some.map(|(at, n)| (at, if ties { n } else { [n[0], n[1], 0.0] })).to_vec();
            let model = Model { answers: 3, pairs, ties, precision };
            let x = &[0.7, -0.4, 0.1, 0.3][..3 + usize::from(ties)];
            let (gradient, information) = model.derivatives(x, &[0, 0, 0]);
            for (a, b) in gradient.iter().zip(differences(|x| model.log_likelihood(x), x)) {
                assert!((a - b).abs() < 1e-8, "{a} {b}");
            }
            // Along the step the gradient changes by minus itself.
            let (step, _) = information.step(&gradient).unwrap();
            let moved: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + 1e-6 * s).collect();
            for (a, b) in gradient.iter().zip(model.derivatives(&moved, &[0, 0, 0]).0) {
                assert!((a + (b - a) / 1e-6).abs() < 1e-4, "{a} {b}");
            }
        }
    }
}
