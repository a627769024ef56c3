//! Fitting probes and knowing what they are worth: pure functions of activations.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use trimtab_run::{Stream, stream};
use trimtab_stats::auroc::wins;
use trimtab_stats::{Bootstrap, Measured, auroc, logistic, quantile};

/// Parts that groups are dealt into; a probe is fitted on all but one.
const FOLDS: usize = 6;
/// Shuffles of the labels.
const SHUFFLES: u64 = 200;
/// Penalty of the logistic probe, on features scaled to a mean square of 1.
const RIDGE: f64 = 0.01;
/// Share of unrelated texts that may be taken for positives.
const FALSE_POSITIVES: f64 = 0.01;

/// How a direction is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Mean of positives less mean of negatives.
    DifferenceOfMeans,
    /// Weights of a logistic regression with a ridge.
    Logistic,
}

impl Kind {
    /// As names of figures write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DifferenceOfMeans => "means",
            Self::Logistic => "logistic",
        }
    }
}

/// Texts with a label each, as activations at every layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examples {
    /// Which question each is about, from 0.
    pub groups: Vec<usize>,
    /// Whether each is a positive.
    pub labels: Vec<bool>,
    /// Activations by layer, then by example: `[layers][examples][width]`.
    pub layers: Vec<Vec<Vec<f64>>>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// How it was fitted.
    pub kind: Kind,
    /// The layer chosen, by the texts it was fitted to; the input of that block.
    pub layer: usize,
    /// Area on the texts it was fitted to.
    pub in_sample: f64,
    /// Area on other texts of questions that were left out, with an interval over questions.
    pub held_out: Measured,
    /// The area, largest over layers, that 95 of 100 shuffles stay below.
    pub band: f64,
    /// Shuffles whose largest area reaches the one found, of all, with one added to each.
    pub p: f64,
    /// Share of positives above the threshold that 1 % of unrelated texts pass; nothing without unrelated texts.
    pub recall: Option<f64>,
}

/// A unit-free direction that tells positives from negatives; zero where there are none of one class.
fn direction(kind: Kind, rows: &[&[f64]], labels: &[bool]) -> Vec<f64> {
    let width = rows.first().map_or(0, |r| r.len());
    match kind {
        Kind::DifferenceOfMeans => {
            let count = |of: bool| labels.iter().filter(|l| **l == of).count().max(1) as f64;
            let (positives, negatives) = (count(true), count(false));
            let mut out = vec![0.0; width];
            for (row, &label) in rows.iter().zip(labels) {
                let weight = if label { 1.0 / positives } else { -1.0 / negatives };
                out.iter_mut().zip(*row).for_each(|(o, x)| *o += weight * x);
            }
            out
        }
        Kind::Logistic => {
            let squares: f64 = rows.iter().flat_map(|r| r.iter()).map(|x| x * x).sum();
            let scale = (squares / (rows.len() * width).max(1) as f64).sqrt().max(f64::MIN_POSITIVE);
            let scaled: Vec<Vec<f64>> = rows.iter().map(|r| r.iter().map(|x| x / scale).collect()).collect();
            let scaled: Vec<&[f64]> = scaled.iter().map(Vec::as_slice).collect();
            logistic(&scaled, labels, RIDGE).map_or_else(|| vec![0.0; width], |fit| fit.weights)
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn fold(group: usize) -> usize {
    group % FOLDS
}

/// Scores of `test` at one layer, each from the fit on `train` without its fold.
fn left_out(kind: Kind, layer: usize, train: &Examples, labels: &[bool], test: &Examples) -> Vec<f64> {
    let directions: Vec<Vec<f64>> = (0..FOLDS)
        .map(|out| {
            let kept: Vec<usize> = (0..labels.len()).filter(|&i| fold(train.groups[i]) != out).collect();
            let rows: Vec<&[f64]> = kept.iter().map(|&i| train.layers[layer][i].as_slice()).collect();
            direction(kind, &rows, &kept.iter().map(|&i| labels[i]).collect::<Vec<_>>())
        })
        .collect();
    test.groups.iter().zip(&test.layers[layer]).map(|(g, row)| dot(&directions[fold(*g)], row)).collect()
}

/// Area within folds.
fn area(groups: &[usize], labels: &[bool], scores: &[f64]) -> f64 {
    let (mut won, mut all) = (0.0, 0.0);
    for of in 0..FOLDS {
        let mut part: Vec<(f64, bool)> =
            (0..scores.len()).filter(|&i| fold(groups[i]) == of).map(|i| (scores[i], labels[i])).collect();
        let (w, a) = wins(&mut part);
        won += w;
        all += a;
    }
    if all > 0.0 { won / all } else { 0.5 }
}

/// Fits a probe to `train`, and measures it on `test`, whose groups are those of `train`; `unrelated` texts set the threshold.
/// `seed` draws shuffles and intervals.
#[must_use]
pub fn probe(kind: Kind, train: &Examples, test: &Examples, unrelated: &Examples, seed: u64) -> Probed {
    let areas = |labels: &[bool], on: &Examples, truth: &[bool]| -> Vec<f64> {
        let of = |layer| area(&on.groups, truth, &left_out(kind, layer, train, labels, on));
        (0..train.layers.len()).map(of).collect()
    };
    let validated = areas(&train.labels, train, &train.labels);
    // The first of equals, so that the choice is the same everywhere.
    let layer = (0..validated.len()).rev().max_by(|&a, &b| validated[a].total_cmp(&validated[b])).unwrap_or(0);
    let scores = left_out(kind, layer, train, &train.labels, test);
    let found = area(&test.groups, &test.labels, &scores);

    let all: Vec<&[f64]> = train.layers.get(layer).into_iter().flatten().map(Vec::as_slice).collect();
    let whole = direction(kind, &all, &train.labels);
    let fitted: Vec<f64> = all.iter().map(|row| dot(&whole, row)).collect();
    let (won, pairs) = wins(&mut fitted.iter().copied().zip(train.labels.iter().copied()).collect::<Vec<_>>());

    let groups = train.groups.iter().chain(&test.groups).max().map_or(0, |g| g + 1);
    let mut largest: Vec<f64> = (0..SHUFFLES)
        .into_par_iter()
        .map(|draw| {
            let turned = turns(groups, &mut stream(seed, "audit/probe/shuffle", draw, 0));
            let [labels, truth] = [train, test].map(|on| shuffled(on, &turned));
            areas(&labels, test, &truth).into_iter().fold(0.0, f64::max)
        })
        .collect();
    let reached = largest.iter().filter(|a| **a >= found).count() as f64;
    largest.sort_by(f64::total_cmp);

    let names: Vec<(String, String)> = test.groups.iter().map(|g| (g.to_string(), fold(*g).to_string())).collect();
    let of = |i: usize| auroc::Scored {
        cluster: &names[i].0,
        stratum: &names[i].1,
        positive: test.labels[i],
        score: scores[i],
    };
    let how = Bootstrap { seed, ..Bootstrap::default() };
    let scored: Vec<auroc::Scored<'_>> = (0..scores.len()).map(of).collect();
    Probed {
        kind,
        layer,
        in_sample: if pairs > 0.0 { won / pairs } else { 0.5 },
        held_out: trimtab_stats::auroc(&scored, &how),
        band: quantile(&largest, 0.95).unwrap_or(1.0),
        p: (reached + 1.0) / (SHUFFLES as f64 + 1.0),
        recall: recall(&whole, layer, test, unrelated),
    }
}

/// Which groups have their labels exchanged, each with chance ½.
fn turns(groups: usize, random: &mut Stream) -> Vec<bool> {
    (0..groups).map(|_| random.below(2) == 0).collect()
}

/// Labels with those of some groups exchanged: in what is fitted and in what is measured alike, or a direction along which
/// all pairs differ would be found whatever the labels say.
fn shuffled(on: &Examples, turned: &[bool]) -> Vec<bool> {
    on.labels.iter().zip(&on.groups).map(|(label, g)| *label != turned[*g]).collect()
}

/// Share of positives of `test` above the threshold that one unrelated text in a hundred passes.
fn recall(direction: &[f64], layer: usize, test: &Examples, unrelated: &Examples) -> Option<f64> {
    let score = |rows: &Examples| rows.layers[layer].iter().map(|r| dot(direction, r)).collect::<Vec<_>>();
    if unrelated.groups.is_empty() {
        return None;
    }
    let threshold = quantile(&score(unrelated), 1.0 - FALSE_POSITIVES)?;
    let positives: Vec<f64> = score(test).into_iter().zip(&test.labels).filter(|(_, l)| **l).map(|(s, _)| s).collect();
    let above = positives.iter().filter(|s| **s > threshold).count();
    (!positives.is_empty()).then(|| above as f64 / positives.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of a question, whose positive lies `shift` along one axis at layer 1 and nowhere at layer 0.
    fn pairs(groups: usize, shift: f64, seed: u64) -> Examples {
        let mut random = stream(seed, "test", 0, 0);
        let mut normal = move || (0..12).map(|_| random.uniform()).sum::<f64>() - 6.0;
        let mut out = Examples { layers: vec![Vec::new(); 2], ..Examples::default() };
        for group in 0..groups {
            let own: Vec<f64> = (0..16).map(|_| 3.0 * normal()).collect();
            for label in [true, false] {
                out.groups.push(group);
                out.labels.push(label);
                for layer in 0..2 {
                    let mut row: Vec<f64> = own.iter().map(|x| x + normal()).collect();
                    if label && layer == 1 {
                        row[4] += shift;
                    }
                    out.layers[layer].push(row);
                }
            }
        }
        out
    }

    /// A planted direction is found at its layer, far above the band; without one the area stays within it, although the
    /// probe has a high one on what it was fitted to.
    #[test]
    fn a_planted_direction_is_told_from_none() {
        for kind in [Kind::DifferenceOfMeans, Kind::Logistic] {
            let found = probe(kind, &pairs(48, 14.0, 1), &pairs(48, 14.0, 2), &pairs(60, 0.0, 3), 1);
            assert_eq!(found.layer, 1, "{found:?}");
            assert!(found.held_out.value.unwrap() > 0.95 && found.p < 0.01, "{found:?}");
            assert!(found.held_out.value.unwrap() > found.band && found.recall.unwrap() > 0.5, "{found:?}");
            let none: Vec<Probed> = (10..16)
                .map(|s| probe(kind, &pairs(48, 0.0, s), &pairs(48, 0.0, s + 50), &Examples::default(), 1))
                .collect();
            let above = none.iter().filter(|n| n.held_out.value.unwrap() > n.band).count();
            assert!(above <= 1, "{kind:?}: {above} of 6");
            assert!(none.iter().all(|n| n.recall.is_none()));
            assert!(none.iter().all(|n| n.in_sample > n.held_out.value.unwrap()), "{none:?}");
        }
    }

    /// A direction that is there in what was fitted and not in what is measured has no area: the text was told, not the intent.
    #[test]
    fn what_is_not_in_the_test_is_not_found() {
        let found = probe(Kind::DifferenceOfMeans, &pairs(48, 14.0, 1), &pairs(48, 0.0, 2), &Examples::default(), 1);
        assert!(found.in_sample > 0.95 && found.held_out.value.unwrap() < found.band + 0.1, "{found:?}");
    }
}
