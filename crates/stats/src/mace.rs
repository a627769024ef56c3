//! The true class of items from the labels of people who either know it or do not try.
//!
//! Hovy, Berg-Kirkpatrick, Vaswani and Hovy 2013, *Learning whom to trust with MACE*,
//! [N13-1132](https://aclanthology.org/N13-1132/). For each label the person knows the class with chance θ (competence)
//! and gives it, or else answers a with chance ξ(a), whatever the item is:
//!
//! > P(a | class c, person) = θ·[a = c] + (1 − θ)·ξ(a)
//!
//! 1. As in the paper, all classes are equally likely beforehand. Where one class is rare that costs accuracy: on the
//!    product pairs of `tests/crowd_labels.rs`, 12 % of them of one class, it falls below the majority. Repeated labels
//!    by one person count as given.
//! 2. Plain EM, in which a pseudo-count may be added to know and not know and to every ξ (the mode under Beta(1 +
//!    count) and Dirichlet(1 + count) priors). The trace holds the objective that it raises. The paper's best results
//!    are by variational Bayes with Beta(½, ½) and Dirichlet(10) priors, which is not done here.
//! 3. The first start is θ = ½ and even ξ; the others draw θ from U(0, 1) and ξ evenly from all distributions, from a
//!    generator seeded by the caller. The start with the highest objective is kept, the first of equals.
//! 4. A competence is not an accuracy: of K classes, a person of competence θ with even ξ is right with chance
//!    θ + (1 − θ)/K.
//! 5. It has K parameters to a person where [`crate::dawid_skene()`] has K·(K − 1), so it does with fewer labels, and
//!    cannot tell that a person mixes up two classes.

use crate::crowd_labels::{BadLabels, CrowdLabels, Em, most_likely, normalise};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Mace {
    /// θ of each person, the chance to know; `None` without labels.
    pub competence: Vec<Option<f64>>,
    /// ξ of each person, the chance of each label when not knowing; `None` without labels, and where the person, as far
    /// as can be told, always knows.
    pub strategy: Vec<Option<Vec<f64>>>,
    /// Chance of each class for each item; `None` without labels.
    pub posterior: Vec<Option<Vec<f64>>>,
    /// The objective in nats after each iteration of the start kept: the log-likelihood, plus the smoothing's term. It
    /// never falls.
    pub trace: Vec<f64>,
    /// The last objective of every start: where they differ, there are several peaks.
    pub starts: Vec<f64>,
    /// Number of iterations of the start kept.
    pub iterations: u32,
    /// Whether its objective stopped rising before the iterations ran out.
    pub converged: bool,
}

impl Mace {
    /// The most likely class of each item, of equals the one of smallest index; `None` without labels.
    #[must_use]
    pub fn class(&self) -> Vec<Option<usize>> {
        self.posterior.iter().map(|p| p.as_deref().and_then(most_likely)).collect()
    }
}

/// MACE by EM from one even start and `restarts` random ones (the paper: 100 in all), drawn from `seed`.
///
/// # Errors
/// No labels, an index beyond what there is, or a setting that is not a number from 0.
///
/// ```
/// use trimtab_stats::{CrowdLabels, Em, mace};
/// // Persons 0 and 1 always agree; person 2 says 0 whatever it is, and is right by chance only.
/// let mut labels = vec![];
/// for item in 0..8 {
///     labels.extend([(item, 0, item % 2), (item, 1, item % 2), (item, 2, 0)]);
/// }
/// let labels = CrowdLabels { items: 8, people: 3, classes: 2, labels: &labels };
/// let fit = mace(&labels, &Em::default(), 5, 1).unwrap();
/// assert_eq!(fit.class(), (0..8).map(|item| Some(item % 2)).collect::<Vec<_>>());
/// assert!(fit.competence[0].unwrap() > 0.95 && fit.competence[2].unwrap() < 0.05);
/// ```
pub fn mace(labels: &CrowdLabels, how: &Em, restarts: u32, seed: u64) -> Result<Mace, BadLabels> {
    how.check()?;
    let items = labels.by_item()?;
    if labels.labels.is_empty() {
        return Err(BadLabels::Empty);
    }
    let (people, classes) = (labels.people, labels.classes);
    let mut has_labels = vec![false; people];
    for &(_, person, _) in labels.labels {
        has_labels[person] = true;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // In (0, 1), so that no logarithm below is of 0.
    let mut uniform = || ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    let even = Model { theta: vec![0.5; people], xi: vec![1.0 / classes as f64; people * classes] };
    let (mut best, mut starts) = (climb(even, &items, classes, &has_labels, how), Vec::new());
    starts.push(best.last());
    for _ in 0..restarts {
        let theta = (0..people).map(|_| uniform()).collect();
        let mut xi: Vec<f64> = (0..people * classes).map(|_| -uniform().ln()).collect();
        for row in xi.chunks_exact_mut(classes) {
            let sum = row.iter().sum::<f64>();
            for x in row {
                *x /= sum;
            }
        }
        let next = climb(Model { theta, xi }, &items, classes, &has_labels, how);
        starts.push(next.last());
        if next.last() > best.last() {
            best = next;
        }
    }
    let Fit { model, posterior, guessed, trace, converged } = best;
    let strategy = |person: usize| model.xi[person * classes..(person + 1) * classes].to_vec();
    Ok(Mace {
        competence: has_labels.iter().zip(&model.theta).map(|(has, theta)| has.then_some(*theta)).collect(),
        strategy: (0..people).map(|p| (has_labels[p] && guessed[p] > 0.0).then(|| strategy(p))).collect(),
        posterior: items.iter().zip(posterior).map(|(item, p)| (!item.is_empty()).then_some(p)).collect(),
        starts,
        iterations: (trace.len() - 1) as u32,
        trace: trace[1..].to_vec(),
        converged,
    })
}

struct Model {
    /// By person.
    theta: Vec<f64>,
    /// People × classes.
    xi: Vec<f64>,
}

/// Where one start has led.
struct Fit {
    model: Model,
    posterior: Vec<Vec<f64>>,
    /// Expected number of labels that each person gave without knowing.
    guessed: Vec<f64>,
    /// The objective at the start and after each iteration.
    trace: Vec<f64>,
    converged: bool,
}

impl Fit {
    fn last(&self) -> f64 {
        self.trace.last().copied().unwrap_or(f64::NEG_INFINITY)
    }
}

/// EM from one start.
fn climb(mut model: Model, items: &[Vec<(usize, usize)>], classes: usize, has_labels: &[bool], how: &Em) -> Fit {
    let (people, smoothing) = (has_labels.len(), how.smoothing);
    let enough = how.tolerance * items.iter().map(Vec::len).sum::<usize>() as f64;
    let mut posterior = vec![vec![0.0; classes]; items.len()];
    let mut trace = vec![expect(&model, items, &mut posterior, has_labels, how)];
    let (mut knew, mut wrote) = (vec![0.0; people], vec![0.0; people * classes]);
    let (mut guessed, mut converged) = (vec![0.0; people], false);
    while trace.len() <= how.max_iterations.max(1) as usize && !converged {
        knew.fill(0.0);
        wrote.fill(0.0);
        for (item, of_item) in items.iter().zip(&posterior) {
            for &(person, label) in item {
                let theta = model.theta[person];
                let by_chance = (1.0 - theta) * model.xi[person * classes + label];
                // Only if the class is the label can the person have known it.
                let known = of_item[label] * if theta > 0.0 { theta / (theta + by_chance) } else { 0.0 };
                knew[person] += known;
                wrote[person * classes + label] += 1.0 - known;
            }
        }
        for person in (0..people).filter(|&person| has_labels[person]) {
            let row = person * classes..(person + 1) * classes;
            guessed[person] = wrote[row.clone()].iter().sum::<f64>();
            model.theta[person] = (knew[person] + smoothing) / (knew[person] + guessed[person] + 2.0 * smoothing);
            let total = guessed[person] + smoothing * classes as f64;
            // Without any guess every ξ is as likely, since it is used nowhere.
            if total > 0.0 {
                for (xi, wrote) in model.xi[row.clone()].iter_mut().zip(&wrote[row]) {
                    *xi = (wrote + smoothing) / total;
                }
            }
        }
        let objective = expect(&model, items, &mut posterior, has_labels, how);
        converged = trace.last().is_some_and(|last| objective - last <= enough);
        trace.push(objective);
    }
    Fit { model, posterior, guessed, trace, converged }
}

/// Fills in the posteriors, and returns the objective.
fn expect(
    model: &Model,
    items: &[Vec<(usize, usize)>],
    posterior: &mut [Vec<f64>],
    has_labels: &[bool],
    how: &Em,
) -> f64 {
    let classes = model.xi.len() / has_labels.len();
    let mut objective = 0.0;
    for (person, theta) in model.theta.iter().enumerate().filter(|(person, _)| has_labels[*person]) {
        let xi = &model.xi[person * classes..(person + 1) * classes];
        objective += how.ln_prior(&[*theta, 1.0 - theta]) + how.ln_prior(xi);
    }
    for (item, of_item) in items.iter().zip(posterior).filter(|(item, _)| !item.is_empty()) {
        of_item.fill(-(classes as f64).ln());
        for &(person, label) in item {
            let theta = model.theta[person];
            let by_chance = (1.0 - theta) * model.xi[person * classes + label];
            for (class, ln) in of_item.iter_mut().enumerate() {
                *ln += if class == label { theta + by_chance } else { by_chance }.ln();
            }
        }
        objective += normalise(of_item);
    }
    objective
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    type Triples = Vec<(usize, usize, usize)>;
    const COMPETENCE: [f64; 6] = [0.9, 0.75, 0.6, 0.45, 0.3, 0.0];

    /// 600 items of 3 even classes, all labelled by 6 people who guess 0, 1, 2 with chances 0.6, 0.3, 0.1.
    fn planted(draws: &mut Draws) -> (Triples, Vec<usize>) {
        let (mut labels, mut truth) = (vec![], vec![]);
        for item in 0..600 {
            let class = (3.0 * draws.uniform()) as usize;
            truth.push(class);
            for (person, theta) in COMPETENCE.into_iter().enumerate() {
                let guess = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][(10.0 * draws.uniform()) as usize];
                labels.push((item, person, if draws.uniform() < theta { class } else { guess }));
            }
        }
        (labels, truth)
    }

    fn fit(labels: &[(usize, usize, usize)], smoothing: f64, restarts: u32) -> Mace {
        let labels = CrowdLabels { items: 600, people: 6, classes: 3, labels };
        mace(&labels, &Em { smoothing, max_iterations: 3000, tolerance: 1e-12 }, restarts, 9).unwrap()
    }

    /// Planted competences and guessing strategies come back within sampling error.
    #[test]
    fn planted_competence_is_recovered() {
        let (labels, truth) = planted(&mut Draws::new(33));
        let fit = fit(&labels, 0.01, 4);
        for (theta, planted) in fit.competence.iter().zip(COMPETENCE) {
            assert!((theta.unwrap() - planted).abs() < 0.09, "{:?}", fit.competence);
        }
        for (share, planted) in fit.strategy[5].as_ref().unwrap().iter().zip([0.6, 0.3, 0.1]) {
            assert!((share - planted).abs() < 0.07, "{:?}", fit.strategy[5]);
        }
        let right = fit.class().iter().zip(&truth).filter(|(c, t)| **c == Some(**t)).count();
        assert!(right > 540 && fit.converged && fit.starts.len() == 5, "{right}");
    }

    /// Laws: EM never lowers its objective; more starts never find a lower one; equal seeds are equal; the even start
    /// is blind to the order of labels and the numbers of items, people and classes.
    #[test]
    fn laws() {
        let (labels, _) = planted(&mut Draws::new(34));
        for smoothing in [0.0, 0.01, 1.0] {
            let (one, more) = (fit(&labels, smoothing, 0), fit(&labels, smoothing, 3));
            for pair in one.trace.windows(2).chain(more.trace.windows(2)) {
                assert!(pair[1] >= pair[0] - 1e-9, "smoothing {smoothing}: {pair:?}");
            }
            assert!(more.trace.last() >= one.trace.last() && more == fit(&labels, smoothing, 3));
            let turned: Triples = labels.iter().rev().map(|&(i, p, c)| (599 - i, 5 - p, (c + 1) % 3)).collect();
            let two = fit(&turned, smoothing, 0);
            for person in 0..6 {
                assert!((one.competence[person].unwrap() - two.competence[5 - person].unwrap()).abs() < 1e-5);
            }
            for (item, p) in one.posterior.iter().flatten().enumerate() {
                let q = two.posterior[599 - item].as_ref().unwrap();
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9 && (p[0] - q[1]).abs() < 1e-5);
            }
        }
    }

    /// Law: without smoothing, people who always agree know everything, and nothing is known of how they would guess.
    #[test]
    fn agreement_is_certain() {
        let labels: Triples = (0..600).flat_map(|i| (0..3).map(move |p| (i, p, i % 3))).collect();
        let fit = fit(&labels, 0.0, 0);
        assert!(fit.competence[..3].iter().all(|theta| theta.unwrap() > 1.0 - 1e-6), "{:?}", fit.competence);
        assert_eq!((fit.competence[3], &fit.strategy[3]), (None, &None));
        assert!(fit.posterior[4].as_ref().unwrap()[1] > 1.0 - 1e-6);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let of = |items, people, classes, labels: &[_], how: &Em| {
            mace(&CrowdLabels { items, people, classes, labels }, how, 2, 0).map_err(|e| e.to_string())
        };
        let how = Em::default();
        assert_eq!(of(3, 3, 3, &[], &how).unwrap_err(), "there are no labels");
        assert_eq!(of(1, 1, 1, &[(0, 0, 7)], &how).unwrap_err(), "class 7 is beyond the 1 there are");
        let nan = Em { tolerance: f64::INFINITY, ..how };
        assert_eq!(of(1, 1, 1, &[(0, 0, 0)], &nan).unwrap_err(), "tolerance inf is not a number from 0 to 10¹²");
        let one = of(2, 1, 2, &[(1, 0, 1)], &Em { max_iterations: 0, smoothing: 0.0, ..how }).unwrap();
        assert_eq!((one.class(), one.iterations, one.converged), (vec![None, Some(1)], 1, false));
        assert!(of(1, 1, 1, &[(0, 0, 0)], &how).is_ok());
    }
}
