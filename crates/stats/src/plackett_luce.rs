//! Scores of answers from rankings of several, with ties and partial rankings.
//!
//! Plackett 1975, [doi:10.2307/2346567](https://doi.org/10.2307/2346567), and Luce 1959: a ranking is a sequence of
//! choices of the best among what is left. With ties as in Turner, van Etten, Firth and Kosmidis 2020, *Modelling
//! rankings in R: the PlackettLuce package*, [arXiv:1810.12068](https://arxiv.org/abs/1810.12068), section 2.2: among the
//! alternatives A, the tied group S is chosen with chance
//!
//! > f(S)/Σ f(S′) over all S′ ⊆ A of at most D answers, f(S) = δ_|S|·(Π αᵢ over S)^(1/|S|), α = exp(score), δ₁ = 1
//!
//! 1. The log-likelihood is concave in the scores and ln δ, and Newton's method finds its peak. All subsets are listed, so
//!    ties are limited: at most 50,000 subsets of the alternatives.
//! 2. D is the size of the largest tie seen. δ of a size that never occurs is 0, its maximum-likelihood value.
//! 3. The package adds pseudo-rankings by default, so that there is always a fit. Here nothing is added: without a prior
//!    the rankings must link every answer to every other and back (Ford 1957), or that is said.
//! 4. Answers that were not ranked are left out, unless the ranking says that they are `below` the others: then they were
//!    there to be chosen, and were not (a top-k ranking, censored). Nothing is assumed of their order.
//! 5. With two answers to a ranking it is the Bradley–Terry model, Davidson's ties included, with ν = δ₂.

use crate::comparison_graph::{components, linked_both_ways};
use crate::newton::{Information, NoFit, ascend};
use std::collections::{BTreeMap, BTreeSet};

/// Most subsets that are listed for one choice.
const SUBSETS: usize = 50_000;

/// One ranking of answers, by index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupRanking {
    /// The groups ranked, best first; answers of one group tie.
    pub groups: Vec<Vec<usize>>,
    /// Answers known to be worse than all of these, in no known order.
    pub below: Vec<usize>,
    /// How often this was seen, from 0.
    pub weight: f64,
}

impl GroupRanking {
    /// One ranking of these groups, best first, that says nothing about other answers.
    #[must_use]
    pub fn of(groups: &[&[usize]]) -> Self {
        Self { groups: groups.iter().map(|g| g.to_vec()).collect(), below: Vec::new(), weight: 1.0 }
    }

    /// One ranking from the rank of each answer: 1 is best, equal is a tie, absent says nothing.
    ///
    /// ```
    /// use trimtab_stats::GroupRanking;
    /// let ranking = GroupRanking::of_ranks(&[Some(2), None, Some(1), Some(2)]);
    /// assert_eq!(ranking.groups, [vec![2], vec![0, 3]]);
    /// ```
    #[must_use]
    pub fn of_ranks(ranks: &[Option<u32>]) -> Self {
        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (answer, rank) in ranks.iter().enumerate() {
            if let Some(rank) = rank {
                groups.entry(*rank).or_default().push(answer);
            }
        }
        Self { groups: groups.into_values().collect(), below: Vec::new(), weight: 1.0 }
    }
}

/// A fitted Plackett–Luce model.
#[derive(Debug, Clone, PartialEq)]
pub struct PlackettLuce {
    /// Log-strengths, whose mean in each component is 0: a difference d within a component means that the odds of being
    /// chosen are exp(d) to 1. `None` for an answer that no choice was about, which happens only with a prior.
    pub scores: Vec<Option<f64>>,
    /// δ for each size of tie that occurs, from 2.
    pub delta: BTreeMap<usize, f64>,
    /// Connected component of each answer, numbered from 0 by their first answer.
    pub component: Vec<usize>,
    /// Log-likelihood in nats, less the penalty of the prior where there is one, after each iteration.
    pub trace: Vec<f64>,
}

impl PlackettLuce {
    /// ln of the chance of a ranking, in nats, given the answers in it.
    ///
    /// `None` where an answer has no score, stands twice, or is tied in a number that has no δ; and where the ranking's
    /// answers are of more than one component.
    #[must_use]
    pub fn ln_chance(&self, ranking: &GroupRanking) -> Option<f64> {
        let sizes: Vec<usize> = self.delta.keys().copied().collect();
        let mut x: Vec<f64> = self.scores.iter().map(|s| s.unwrap_or(0.0)).collect();
        x.extend(self.delta.values().map(|d| d.ln()));
        check(self.scores.len(), ranking).ok()?;
        let named: Vec<usize> = ranking.groups.iter().flatten().chain(&ranking.below).copied().collect();
        let alone = |&i: &usize| self.scores[i].is_some() && self.component[i] == self.component[named[0]];
        let tied = |g: &Vec<usize>| g.len() < 2 || self.delta.contains_key(&g.len());
        if !named.iter().all(alone) || !ranking.groups.iter().all(tied) {
            return None;
        }
        let model = Model::new(self.scores.len(), &[GroupRanking { weight: 1.0, ..ranking.clone() }], &sizes).ok()?;
        Some(model.log_likelihood(&x, None))
    }
}

/// Maximum likelihood from rankings of `answers` answers; with `prior_sd`, the mode under independent N(0, sd²) priors of
/// the scores.
///
/// # Errors
/// Why there is no fit: see [`NoFit`].
///
/// ```
/// use trimtab_stats::{GroupRanking, plackett_luce};
/// // Only the best of three is known: 0 twice, 1 and 2 once each. Strengths are as the shares ½, ¼, ¼.
/// let top = |a: usize, b, c| GroupRanking { below: vec![b, c], ..GroupRanking::of(&[&[a]]) };
/// let first = [top(0, 1, 2), top(0, 1, 2), top(1, 0, 2), top(2, 0, 1)];
/// let fit = plackett_luce(3, &first, None).unwrap();
/// let odds = (fit.scores[0].unwrap() - fit.scores[1].unwrap()).exp();
/// assert!((odds - 2.0).abs() < 1e-9 && (fit.scores[1].unwrap() - fit.scores[2].unwrap()).abs() < 1e-9);
/// // The chance of 0, 1, 2 in this order: ½ · ½.
/// assert!((fit.ln_chance(&GroupRanking::of(&[&[0], &[1], &[2]])).unwrap() - 0.25f64.ln()).abs() < 1e-9);
/// ```
pub fn plackett_luce(answers: usize, rankings: &[GroupRanking], prior_sd: Option<f64>) -> Result<PlackettLuce, NoFit> {
    if let Some(sd) = prior_sd.filter(|sd| !(*sd > 0.0 && sd.is_finite())) {
        return Err(NoFit::Prior(sd));
    }
    for ranking in rankings {
        check(answers, ranking)?;
    }
    let seen = |r: &&GroupRanking| r.weight > 0.0;
    let sizes: BTreeSet<usize> =
        rankings.iter().filter(seen).flat_map(|r| r.groups.iter().map(Vec::len)).filter(|&n| n > 1).collect();
    let sizes: Vec<usize> = sizes.into_iter().collect();
    let model = Model::new(answers, rankings, &sizes)?;
    if model.choices.is_empty() {
        return Err(NoFit::Empty);
    }
    if model.choices.iter().all(|c| c.chosen > 1) {
        return Err(NoFit::OnlyTies);
    }
    let edges = model.edges();
    let component = components(answers, &edges);
    if prior_sd.is_none() {
        linked_both_ways(&component, &edges)?;
    }
    let precision = prior_sd.map(|sd| 1.0 / (sd * sd));
    let weight = model.choices.iter().map(|c| c.weight).sum();
    let local = |x: &[f64]| {
        let (gradient, information) = model.derivatives(x, precision, &component);
        information.step(&gradient).map(|step| (gradient, step))
    };
    let start = vec![0.0; answers + sizes.len()];
    let peak = ascend(start, weight, |x| model.log_likelihood(x, precision), local)?;
    let mut chosen_from = vec![false; answers];
    model.choices.iter().flat_map(|c| &c.from).for_each(|&i| chosen_from[i] = true);
    let scores = (0..answers).map(|i| chosen_from[i].then_some(peak.x[i])).collect();
    let delta = sizes.iter().zip(&peak.x[answers..]).map(|(&size, ln)| (size, ln.exp())).collect();
    Ok(PlackettLuce { scores, delta, component, trace: peak.trace })
}

pub(crate) fn check(answers: usize, ranking: &GroupRanking) -> Result<(), NoFit> {
    if !(ranking.weight >= 0.0 && ranking.weight.is_finite()) {
        return Err(NoFit::Weight(ranking.weight));
    }
    let mut named = BTreeSet::new();
    for &answer in ranking.groups.iter().flatten().chain(&ranking.below) {
        if answer >= answers {
            return Err(NoFit::OutOfRange { answer, answers });
        }
        if !named.insert(answer) {
            return Err(NoFit::Repeated { answer });
        }
    }
    Ok(())
}

/// A choice of the first `chosen` of the answers `from`.
struct Choice {
    from: Vec<usize>,
    chosen: usize,
    weight: f64,
}

struct Model<'a> {
    answers: usize,
    choices: Vec<Choice>,
    /// Sizes of ties, whose ln δ follow the scores among the parameters.
    sizes: &'a [usize],
    /// What can be chosen of so many alternatives, by place.
    subsets: BTreeMap<usize, Vec<Vec<usize>>>,
}

impl<'a> Model<'a> {
    fn new(answers: usize, rankings: &[GroupRanking], sizes: &'a [usize]) -> Result<Self, NoFit> {
        // Equal choices are one, of the sum of their weights.
        let (mut choices, mut subsets) = (BTreeMap::new(), BTreeMap::new());
        for ranking in rankings.iter().filter(|r| r.weight > 0.0) {
            let mut left: Vec<usize> = ranking.groups.iter().flatten().chain(&ranking.below).copied().collect();
            for group in ranking.groups.iter().filter(|g| !g.is_empty()) {
                // The last answer alone is no choice.
                if left.len() > 1 {
                    if let std::collections::btree_map::Entry::Vacant(entry) = subsets.entry(left.len()) {
                        entry.insert(list_subsets(left.len(), sizes)?);
                    }
                    *choices.entry((left.clone(), group.len())).or_insert(0.0) += ranking.weight;
                }
                left.drain(..group.len());
            }
        }
        let choices = choices.into_iter().map(|((from, chosen), weight)| Choice { from, chosen, weight }).collect();
        Ok(Self { answers, choices, sizes, subsets })
    }

    /// Who beats whom: what is chosen beats what is left, and what ties beats each other.
    fn edges(&self) -> Vec<(usize, usize)> {
        let mut edges = BTreeSet::new();
        for choice in &self.choices {
            for &better in &choice.from[..choice.chosen] {
                edges.extend(choice.from.iter().filter(|&&other| other != better).map(|&other| (better, other)));
            }
        }
        edges.into_iter().collect()
    }

    /// ln f of a subset.
    fn ln_worth(&self, x: &[f64], from: &[usize], subset: &[usize]) -> f64 {
        let mean = subset.iter().map(|&at| x[from[at]]).sum::<f64>() / subset.len() as f64;
        let tie = self.tie(subset.len()).map_or(0.0, |at| x[at]);
        mean + tie
    }

    /// Where ln δ of a size stands among the parameters.
    fn tie(&self, size: usize) -> Option<usize> {
        self.sizes.iter().position(|&s| s == size).map(|at| self.answers + at)
    }

    /// ln f of each subset, and ln of their sum.
    fn worths(&self, x: &[f64], choice: &Choice, subsets: &[Vec<usize>]) -> (Vec<f64>, f64) {
        let worths: Vec<f64> = subsets.iter().map(|s| self.ln_worth(x, &choice.from, s)).collect();
        let top = worths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = top + worths.iter().map(|w| (w - top).exp()).sum::<f64>().ln();
        (worths, total)
    }

    fn log_likelihood(&self, x: &[f64], precision: Option<f64>) -> f64 {
        let mut sum = 0.0;
        for choice in &self.choices {
            let total = self.worths(x, choice, &self.subsets[&choice.from.len()]).1;
            let chosen: Vec<usize> = (0..choice.chosen).collect();
            sum += choice.weight * (self.ln_worth(x, &choice.from, &chosen) - total);
        }
        sum - precision.map_or(0.0, |p| 0.5 * p * x[..self.answers].iter().map(|v| v * v).sum::<f64>())
    }

    /// Gradient and information: the features of the choice made less their mean, and the features' covariance.
    fn derivatives(&self, x: &[f64], precision: Option<f64>, component: &[usize]) -> (Vec<f64>, Information) {
        let mut gradient = vec![0.0; x.len()];
        let mut information = Information::new(component, self.sizes.len());
        for choice in &self.choices {
            let subsets = &self.subsets[&choice.from.len()];
            let (worths, total) = self.worths(x, choice, subsets);
            let index: Vec<usize> = choice.from.iter().copied().chain(self.answers..x.len()).collect();
            let n = index.len();
            let (mut mean, mut second) = (vec![0.0; n], vec![0.0; n * n]);
            for (subset, worth) in subsets.iter().zip(worths) {
                let p = (worth - total).exp();
                let features = self.features(subset, choice.from.len());
                for &(a, fa) in &features {
                    mean[a] += p * fa;
                    for &(b, fb) in &features {
                        second[a * n + b] += p * fa * fb;
                    }
                }
            }
            let chosen: Vec<usize> = (0..choice.chosen).collect();
            for (a, f) in self.features(&chosen, choice.from.len()) {
                gradient[index[a]] += choice.weight * f;
            }
            for a in 0..n {
                gradient[index[a]] -= choice.weight * mean[a];
                for b in 0..=a {
                    let covariance = second[a * n + b] - mean[a] * mean[b];
                    information.add(index[a], index[b], choice.weight * covariance);
                }
            }
        }
        match precision {
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

    /// What of a subset multiplies each parameter, by place: first the alternatives, then the sizes of ties.
    fn features(&self, subset: &[usize], alternatives: usize) -> Vec<(usize, f64)> {
        let share = 1.0 / subset.len() as f64;
        let tie = self.tie(subset.len()).map(|at| (at - self.answers + alternatives, 1.0));
        subset.iter().map(|&at| (at, share)).chain(tie).collect()
    }
}

/// All subsets of 0..n of one element, and of each size given.
fn list_subsets(n: usize, sizes: &[usize]) -> Result<Vec<Vec<usize>>, NoFit> {
    let mut out: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    for &size in sizes.iter().filter(|&&size| size <= n) {
        let mut open: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(some) = open.pop() {
            if some.len() == size {
                out.push(some);
            } else {
                let next = some.last().map_or(0, |last| last + 1);
                open.extend((next..=n + some.len() - size).map(|i| some.iter().copied().chain([i]).collect()));
            }
            if out.len() + open.len() > SUBSETS {
                return Err(NoFit::TooManyTies { answers: n, ties: size });
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::tests::differences;

    #[test]
    fn subsets_are_counted() {
        // 6 + 15 + 20.
        let all: BTreeSet<Vec<usize>> = list_subsets(6, &[2, 3]).unwrap().into_iter().collect();
        assert_eq!(all.len(), 41);
        assert_eq!(list_subsets(3, &[2, 5]).unwrap().len(), 6);
        assert_eq!(list_subsets(60, &[30]), Err(NoFit::TooManyTies { answers: 60, ties: 30 }));
    }

    /// The gradient is that of finite differences; along a Newton step it changes by minus itself.
    #[test]
    fn finite_differences() {
        let rankings = [
            GroupRanking::of(&[&[0, 1], &[2], &[3]]),
            GroupRanking { below: vec![1, 0], weight: 2.5, ..GroupRanking::of(&[&[3]]) },
            GroupRanking::of(&[&[2], &[3, 1, 0]]),
        ];
        for precision in [None, Some(0.5)] {
            let model = Model::new(4, &rankings, &[2, 3]).unwrap();
            let x = [0.7, -0.4, 0.1, -0.2, 0.3, -0.5];
            let (gradient, information) = model.derivatives(&x, precision, &[0; 4]);
            for (a, b) in gradient.iter().zip(differences(|x| model.log_likelihood(x, precision), &x)) {
                assert!((a - b).abs() < 1e-8, "{a} {b}");
            }
            let step = information.step(&gradient).unwrap();
            let moved: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + 1e-6 * s).collect();
            for (a, b) in gradient.iter().zip(model.derivatives(&moved, precision, &[0; 4]).0) {
                assert!((a + (b - a) / 1e-6).abs() < 1e-4, "{a} {b}");
            }
        }
    }
}
