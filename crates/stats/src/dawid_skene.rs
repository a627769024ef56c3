//! The true class of items from the labels of several people, each with errors of their own.
//!
//! Dawid and Skene 1979, *Maximum likelihood estimation of observer error-rates using the EM algorithm*,
//! [doi:10.2307/2346806](https://doi.org/10.2307/2346806). With p(c) the share of items of class c and π(a | c, person)
//! the chance that a person labels an item of class c as a, independently of the others,
//!
//! > P(labels of an item) = Σ p(c)·Π π(a | c, person) over the classes c
//!
//! 1. As in the paper, EM starts from the shares of an item's labels (3.1), and repeated labels by one person count as
//!    given.
//! 2. A pseudo-count may be added to every cell of every person's confusion matrix and to every class. It is the mode
//!    under Dirichlet(1 + count) priors; 0 is the paper. The trace holds the objective that EM then raises: the
//!    log-likelihood, plus count·Σ ln of all these chances.
//! 3. EM finds a peak near the start, which need not be the highest one. The classes keep their names only because the
//!    start gives them: if most labels are wrong, so are the names.
//! 4. Items and people without labels have no posterior and no matrix. They count nowhere.
//! 5. People are taken to err independently, given the class. Where all err on the same hard items, posteriors are far
//!    too sure, and a gain over the majority must be shown on items of known class ([`crate::mcnemar()`]).

use crate::crowd_labels::{BadLabels, CrowdLabels, Em, most_likely, normalise};

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct DawidSkene {
    /// Chance of each class for each item; `None` without labels.
    pub posterior: Vec<Option<Vec<f64>>>,
    /// `confusion[person][true class][label]`, chances whose rows sum to 1. `None` for a person without labels, and for
    /// a true class of which, as far as the posteriors tell, the person has labelled nothing.
    pub confusion: Vec<Vec<Option<Vec<f64>>>>,
    /// Share of each class among the items with labels.
    pub prior: Vec<f64>,
    /// The objective in nats after each iteration: the log-likelihood, plus the smoothing's term. It never falls.
    pub trace: Vec<f64>,
    /// Number of iterations.
    pub iterations: u32,
    /// Whether the objective stopped rising before the iterations ran out.
    pub converged: bool,
}

impl DawidSkene {
    /// The most likely class of each item, of equals the one of smallest index; `None` without labels.
    #[must_use]
    pub fn class(&self) -> Vec<Option<usize>> {
        self.posterior.iter().map(|p| p.as_deref().and_then(most_likely)).collect()
    }
}

/// Dawid and Skene's model by EM.
///
/// # Errors
/// No labels, an index beyond what there is, or a setting that is not a number from 0.
///
/// ```
/// use trimtab_stats::{CrowdLabels, Em, dawid_skene};
/// // Persons 0 and 1 always agree; person 2 says 0 whatever it is. The split items go to 0 and 1's side.
/// let mut labels = vec![];
/// for item in 0..8 {
///     labels.extend([(item, 0, item % 2), (item, 1, item % 2), (item, 2, 0)]);
/// }
/// let fit = dawid_skene(&CrowdLabels { items: 8, people: 3, classes: 2, labels: &labels }, &Em::default()).unwrap();
/// assert_eq!(fit.class(), (0..8).map(|item| Some(item % 2)).collect::<Vec<_>>());
/// let of_1 = fit.confusion[2][1].as_ref().unwrap();
/// assert!(of_1[0] > 0.99 && fit.prior[0] > 0.49 && fit.prior[0] < 0.51);
/// ```
pub fn dawid_skene(labels: &CrowdLabels, how: &Em) -> Result<DawidSkene, BadLabels> {
    how.check()?;
    let (items, classes, people) = (labels.by_item()?, labels.classes, labels.people);
    if labels.labels.is_empty() {
        return Err(BadLabels::Empty);
    }
    let smoothing = how.smoothing;
    let enough = how.tolerance * labels.labels.len() as f64;
    let labelled = items.iter().filter(|item| !item.is_empty()).count() as f64;
    let mut posterior: Vec<Vec<f64>> = items
        .iter()
        .map(|item| {
            let mut shares = vec![0.0; classes];
            for &(_, class) in item {
                shares[class] += 1.0 / item.len() as f64;
            }
            shares
        })
        .collect();
    let mut has_labels = vec![false; people];
    for &(_, person, _) in labels.labels {
        has_labels[person] = true;
    }
    let at = |person: usize, truth: usize, label: usize| (person * classes + truth) * classes + label;
    let (mut chances, mut seen) = (vec![0.0; people * classes * classes], vec![0.0; people * classes]);
    let (mut prior, mut trace, mut converged) = (vec![0.0; classes], Vec::new(), false);
    while trace.len() < how.max_iterations.max(1) as usize && !converged {
        // M: chances from expected counts.
        prior.fill(smoothing);
        chances.fill(0.0);
        for (item, of_item) in items.iter().zip(&posterior).filter(|(item, _)| !item.is_empty()) {
            for (truth, &weight) in of_item.iter().enumerate() {
                prior[truth] += weight;
                for &(person, label) in item {
                    chances[at(person, truth, label)] += weight;
                }
            }
        }
        for x in &mut prior {
            *x /= labelled + smoothing * classes as f64;
        }
        for (row, seen) in chances.chunks_exact_mut(classes).zip(&mut seen) {
            *seen = row.iter().sum::<f64>();
            let total = *seen + smoothing * classes as f64;
            // Without any count every row is as likely, since it is used nowhere.
            let even = 1.0 / classes as f64;
            for x in row {
                *x = if total > 0.0 { (*x + smoothing) / total } else { even };
            }
        }
        // E: posteriors, and the log-likelihood of these chances.
        let mut objective = how.ln_prior(&prior);
        for (matrix, _) in chances.chunks_exact(classes * classes).zip(&has_labels).filter(|(_, has)| **has) {
            objective += how.ln_prior(matrix);
        }
        for (item, of_item) in items.iter().zip(&mut posterior).filter(|(item, _)| !item.is_empty()) {
            for (truth, x) in of_item.iter_mut().enumerate() {
                let ln = item.iter().map(|&(person, label)| chances[at(person, truth, label)].ln()).sum::<f64>();
                *x = prior[truth].ln() + ln;
            }
            objective += normalise(of_item);
        }
        converged = trace.last().is_some_and(|last| objective - last <= enough);
        trace.push(objective);
    }
    let row = |person: usize, truth: usize| {
        let start = at(person, truth, 0);
        (seen[person * classes + truth] > 0.0).then(|| chances[start..start + classes].to_vec())
    };
    Ok(DawidSkene {
        confusion: (0..people).map(|person| (0..classes).map(|truth| row(person, truth)).collect()).collect(),
        posterior: items.iter().zip(posterior).map(|(item, p)| (!item.is_empty()).then_some(p)).collect(),
        prior,
        iterations: trace.len() as u32,
        trace,
        converged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;
    use crate::majority;

    type Triples = Vec<(usize, usize, usize)>;

    /// 400 items of 3 classes (½, ¼, ¼), 6 people of whom four see each item; people 0 to 3 are right with 0.9, 0.8,
    /// 0.7 and 0.6 and else pick evenly, 4 answers 0 nearly always, 5 swaps 1 and 2. (labels, truth).
    fn planted(draws: &mut Draws) -> (Triples, Vec<usize>) {
        let (mut labels, mut truth) = (vec![], vec![]);
        for item in 0..400 {
            let class = [0, 0, 1, 2][(4.0 * draws.uniform()) as usize];
            truth.push(class);
            for person in (0..6).filter(|person| (person + item) % 3 != 0) {
                let (other, u) = ((class + 1 + (2.0 * draws.uniform()) as usize) % 3, draws.uniform());
                let label = match person {
                    4 => {
                        if u < 0.95 {
                            0
                        } else {
                            class
                        }
                    }
                    5 => [0, 2, 1][if u < 0.9 { class } else { other }],
                    _ => {
                        if u < 0.9 - 0.1 * person as f64 {
                            class
                        } else {
                            other
                        }
                    }
                };
                labels.push((item, person, label));
            }
        }
        (labels, truth)
    }

    fn fit(labels: &[(usize, usize, usize)], smoothing: f64) -> DawidSkene {
        let labels = CrowdLabels { items: 400, people: 6, classes: 3, labels };
        dawid_skene(&labels, &Em { smoothing, max_iterations: 3000, tolerance: 1e-12 }).unwrap()
    }

    /// Planted confusion matrices and class shares come back within sampling error, and the classes beat the
    /// majority's.
    #[test]
    fn planted_errors_are_recovered() {
        let (labels, truth) = planted(&mut Draws::new(31));
        let fit = fit(&labels, 0.01);
        let cell = |person: usize, truth: usize, label: usize| fit.confusion[person][truth].as_ref().unwrap()[label];
        for person in 0..4 {
            for class in 0..3 {
                let planted = 0.9 - 0.1 * person as f64;
                assert!((cell(person, class, class) - planted).abs() < 0.14, "{person} {class}");
            }
        }
        assert!(cell(4, 1, 0) > 0.85 && cell(5, 1, 2) > 0.75 && cell(5, 2, 1) > 0.75);
        assert!((fit.prior[0] - 0.5).abs() < 0.08 && fit.converged);
        let right = |class: &[Option<usize>]| class.iter().zip(&truth).filter(|(c, t)| **c == Some(**t)).count();
        let votes = majority(&CrowdLabels { items: 400, people: 6, classes: 3, labels: &labels }).unwrap();
        assert!(right(&fit.class()) > right(&votes.class) + 40, "{} {}", right(&fit.class()), right(&votes.class));
    }

    /// Laws: EM never lowers its objective, smoothed or not; chances sum to 1; another order of labels and other
    /// numbers for items, people and classes give the same fit under those numbers.
    #[test]
    fn laws() {
        let (labels, _) = planted(&mut Draws::new(32));
        for smoothing in [0.0, 0.01, 1.0] {
            let one = fit(&labels, smoothing);
            for pair in one.trace.windows(2) {
                assert!(pair[1] >= pair[0] - 1e-9, "smoothing {smoothing}: {pair:?}");
            }
            let rows =
                one.confusion.iter().flatten().flatten().chain(one.posterior.iter().flatten()).chain([&one.prior]);
            for row in rows {
                assert!(
                    (row.iter().sum::<f64>() - 1.0).abs() < 1e-9 && row.iter().all(|x| (0.0..=1.0 + 1e-12).contains(x))
                );
            }
            let turned: Triples = labels.iter().rev().map(|&(i, p, c)| (399 - i, 5 - p, (c + 1) % 3)).collect();
            let two = fit(&turned, smoothing);
            for item in 0..400 {
                for class in 0..3 {
                    let of = |fit: &DawidSkene, item: usize, class: usize| fit.posterior[item].as_ref().unwrap()[class];
                    assert!((of(&one, item, class) - of(&two, 399 - item, (class + 1) % 3)).abs() < 1e-5);
                }
            }
        }
    }

    /// Law: with everyone agreed the classes are certain, and every matrix is the identity where it is known.
    #[test]
    fn agreement_is_certain() {
        let labels: Triples = (0..400).flat_map(|i| (0..3).map(move |p| (i, p, i % 2))).collect();
        let fit = fit(&labels, 0.0);
        assert_eq!(fit.posterior[3], Some(vec![0.0, 1.0, 0.0]));
        assert_eq!(fit.confusion[1], vec![Some(vec![1.0, 0.0, 0.0]), Some(vec![0.0, 1.0, 0.0]), None]);
        assert_eq!((fit.confusion[4].as_slice(), fit.prior), (&[None, None, None][..], vec![0.5, 0.5, 0.0]));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let of = |items, people, classes, labels: &[_], how: &Em| {
            dawid_skene(&CrowdLabels { items, people, classes, labels }, how).map_err(|e| e.to_string())
        };
        let how = Em::default();
        assert_eq!(of(3, 3, 3, &[], &how).unwrap_err(), "there are no labels");
        assert_eq!(of(0, 0, 0, &[(0, 0, 0)], &how).unwrap_err(), "item 0 is beyond the 0 there are");
        assert_eq!(of(1, 1, 1, &[(0, 1, 0)], &how).unwrap_err(), "person 1 is beyond the 1 there are");
        assert_eq!(of(1, 1, 1, &[(0, 0, 7)], &how).unwrap_err(), "class 7 is beyond the 1 there are");
        assert!(of(usize::MAX, 1, 2, &[(0, 0, 0)], &how).unwrap_err().contains("2²⁸"));
        assert!(of(1, 1, usize::MAX, &[(0, 0, 0)], &how).unwrap_err().contains("2²⁸"));
        let nan = Em { smoothing: f64::NAN, ..how };
        assert_eq!(of(1, 1, 1, &[(0, 0, 0)], &nan).unwrap_err(), "smoothing NaN is not a number from 0 to 10¹²");
        // One label is a fit; an item without any has no class.
        let one = of(2, 1, 2, &[(1, 0, 1)], &Em { max_iterations: 0, ..how }).unwrap();
        assert_eq!((one.class(), one.iterations, one.converged), (vec![None, Some(1)], 1, false));
        let none = majority(&CrowdLabels { items: 2, people: 0, classes: 0, labels: &[] }).unwrap();
        assert_eq!((none.class, none.ties), (vec![None, None], 0));
    }
}
