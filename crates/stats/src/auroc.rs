//! Area under the ROC curve: the chance that a positive scores above a negative, ties half.
//!
//! Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747 (equal to the Mann-Whitney statistic). Where ours differs:
//! 1. Scores are compared **within strata** only: what one question adds to every score is no evidence about the class, and
//!    pairs across questions would count it. Strata weigh by their number of pairs.
//! 2. The interval resamples clusters, whose scores of both classes stay together, instead of the 1982 variance, which takes
//!    scores as independent.

use crate::bootstrap::{Bootstrap, bootstrap_statistic};
use crate::measured::Measured;
use std::collections::BTreeMap;

/// One score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored<'a> {
    /// What is resampled.
    pub cluster: &'a str,
    /// What must be alike for two scores to be compared.
    pub stratum: &'a str,
    /// Whether it is a positive.
    pub positive: bool,
    /// The score, in any unit in which more means positive.
    pub score: f64,
}

/// Pairs of a positive and a negative in which the positive scores higher, ties half, and all pairs.
///
/// ```
/// use trimtab_stats::auroc::wins;
/// // 3 against 1, 2, 3: two wins and a tie; 2 against the same: one win, a tie, a loss.
/// assert_eq!(wins(&mut [(3.0, true), (2.0, true), (1.0, false), (2.0, false), (3.0, false)]), (4.0, 6.0));
/// assert_eq!(wins(&mut [(1.0, true)]), (0.0, 0.0));
/// ```
pub fn wins(scores: &mut [(f64, bool)]) -> (f64, f64) {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut won, mut below, mut positives) = (0.0, 0.0, 0.0);
    for tied in scores.chunk_by(|a, b| a.0 == b.0) {
        let p = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let n = tied.len() as f64 - p;
        won += p * (below + 0.5 * n);
        below += n;
        positives += p;
    }
    (won, positives * below)
}

/// The area over all strata, with an interval over clusters. Undefined where no stratum holds both classes, or a score is
/// not a number.
///
/// ```
/// use trimtab_stats::{Bootstrap, auroc::{Scored, auroc}};
/// let of = |cluster, stratum, positive, score| Scored { cluster, stratum, positive, score };
/// // In "a" 1 of 1 pair is won, in "b" 0 of 1, although every score of "b" is above those of "a".
/// let scores = [of("x", "a", true, 0.2), of("y", "a", false, 0.1), of("x", "b", true, 8.0), of("y", "b", false, 9.0)];
/// assert_eq!(auroc(&scores, &Bootstrap::default()).value, Some(0.5));
/// assert_eq!(auroc(&scores[..1], &Bootstrap::default()).value, None);
/// ```
#[must_use]
pub fn auroc(scores: &[Scored<'_>], how: &Bootstrap) -> Measured {
    let mut clusters: BTreeMap<&str, Vec<&Scored<'_>>> = BTreeMap::new();
    for scored in scores {
        clusters.entry(scored.cluster).or_default().push(scored);
    }
    let clusters: Vec<Vec<&Scored<'_>>> = clusters.into_values().collect();
    if scores.iter().any(|s| s.score.is_nan()) {
        return Measured::undefined(clusters.len() as u64, "a score is not a number");
    }
    bootstrap_statistic(clusters.len(), how, |drawn| {
        let mut strata: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
        for scored in drawn.iter().flat_map(|&i| &clusters[i]) {
            strata.entry(scored.stratum).or_default().push((scored.score, scored.positive));
        }
        let (won, all) = strata.values_mut().fold((0.0, 0.0), |(won, all), stratum| {
            let (w, a) = wins(stratum);
            (won + w, all + a)
        });
        (all > 0.0).then(|| won / all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    fn drawn(shift: f64, seed: u64) -> Vec<(String, bool, f64)> {
        let mut draws = Draws::new(seed);
        let score = |i: usize| {
            let positive = i.is_multiple_of(2);
            (format!("{}", i / 2), positive, draws.normal() + if positive { shift } else { 0.0 })
        };
        (0..120).map(score).collect()
    }

    fn of(scores: &[(String, bool, f64)]) -> Measured {
        let scores: Vec<Scored<'_>> = scores
            .iter()
            .map(|(cluster, positive, score)| Scored { cluster, stratum: "all", positive: *positive, score: *score })
            .collect();
        auroc(&scores, &Bootstrap { resamples: 400, ..Bootstrap::default() })
    }

    /// Planted: two normals one deviation apart have an area of Φ(1/√2) = 0.760, and none apart one of a half.
    #[test]
    fn intervals_cover_the_planted_area() {
        for (shift, area) in [(1.0, 0.760), (0.0, 0.5)] {
            let covered = (0..60).filter(|&seed| of(&drawn(shift, seed)).interval.unwrap().contains(area)).count();
            assert!(covered >= 52, "shift {shift}: {covered} of 60");
        }
    }

    /// Laws: turning every score over turns the area over, and an increasing map changes nothing.
    #[test]
    fn order_is_all_that_counts() {
        let scores = drawn(0.7, 3);
        let value = |f: fn(f64) -> f64| {
            of(&scores.iter().map(|(c, p, s)| (c.clone(), *p, f(*s))).collect::<Vec<_>>()).value.unwrap()
        };
        assert!((value(|s| s) + value(|s| -s) - 1.0).abs() < 1e-12);
        assert_eq!(value(|s| s), value(f64::exp));
    }
}
