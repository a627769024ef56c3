//! Agreement of any number of people, with gaps, on classes, ranks or numbers.
//!
//! Hayes and Krippendorff 2007, *Answering the call for a standard reliability measure for coding data*,
//! [doi:10.1080/19312450709336664](https://doi.org/10.1080/19312450709336664), after Krippendorff 1970:
//!
//! > α = 1 − D_o/D_e
//!
//! D_o is the mean squared distance of two values of one unit, in which a unit of m values has weight m, and D_e that
//! of two values of any units, drawn without putting back.
//!
//! 1. Units with fewer than two values have no pair and are left out everywhere; n counts the others.
//! 2. Krippendorff's ordinal distance from c to k is Σ n(g) over the values g from c to k, less half of n(c) and of
//!    n(k). That is the difference of their mid-ranks among all values, which is how it is computed.
//! 3. The interval is the percentile bootstrap over units or over people, with ordinal distances taken anew in each resample.
//!    Krippendorff draws single pairs instead, as if they were independent; labels of one unit are not. Where people are
//!    drawn, a pair of them weighs the product of how often each was, and nobody agrees with themselves: a unit's mean over
//!    pairs is Σ w·w′·d²/Σ w·w′ over its pairs of unlike people.
//! 4. Two values of one person for one unit are not agreement between people: that is refused with a reason.

use crate::{Bootstrap, Clusters, Measured, measured::not_finite};
use std::collections::{BTreeMap, BTreeSet};

/// How far two values are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// The same or not: classes without an order.
    Nominal,
    /// The difference of mid-ranks among all values: an order without units.
    Ordinal,
    /// The difference itself.
    Interval,
}

/// α of values (person, value) for each unit, at most 1; 0 is chance. Persons are any numbers.
///
/// Undefined, with a reason, where no unit has two values, all values are the same (nothing could have differed), a
/// value is not finite, or a person has two values for one unit.
///
/// ```
/// use trimtab_stats::{Bootstrap, Clusters, Distance, krippendorff_alpha};
/// // Values 0, 0 and 0, 1. Of the 4·3 ordered pairs of values 6 differ; within units, 1·2 of 4: α = 1 − (2/4)/(6/12).
/// let units = [vec![(0, 0.0), (1, 0.0)], vec![(0, 0.0), (1, 1.0)]];
/// let alpha = krippendorff_alpha(&units, Distance::Nominal, Clusters::Items, &Bootstrap::default());
/// assert!(alpha.value.unwrap().abs() < 1e-12);
/// ```
#[must_use]
pub fn krippendorff_alpha(
    units: &[Vec<(usize, f64)>],
    metric: Distance,
    clusters: Clusters,
    how: &Bootstrap,
) -> Measured {
    let values: Vec<f64> = units.iter().flatten().map(|v| v.1).collect();
    if let Some(reason) = not_finite(&values) {
        return Measured::undefined(units.len() as u64, reason);
    }
    for (unit, labels) in units.iter().enumerate() {
        let mut people = BTreeSet::new();
        if let Some((person, _)) = labels.iter().find(|(person, _)| !people.insert(*person)) {
            return Measured::undefined(units.len() as u64, format!("person {person} has two values for unit {unit}"));
        }
    }
    // −0 + 0 is 0, so that the two are one value. Single values are not pairable, and do not count.
    let paired = || units.iter().filter(|u| u.len() > 1);
    let mut sorted: Vec<f64> = paired().flatten().map(|v| v.1 + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let place = |v: f64| sorted.partition_point(|w| *w < v);
    let mut people: BTreeMap<usize, usize> = paired().flatten().map(|v| (v.0, 0)).collect();
    for (number, person) in people.values_mut().enumerate() {
        *person = number;
    }
    let kept: Vec<Vec<(usize, usize)>> =
        paired().map(|unit| unit.iter().map(|&(person, v)| (people[&person], place(v + 0.0))).collect()).collect();
    let n = kept.len() as u64;
    match sorted.len() {
        0 => return Measured::undefined(0, format!("none of {} units has two values", units.len())),
        1 => return Measured::undefined(n, "all values are the same"),
        _ => {}
    }
    // On a scale from 0 to 1, which α does not depend on, so that no square overflows. Halves: the range may be 2·MAX.
    let (low, half_range) = (sorted[0], 0.5 * sorted[sorted.len() - 1] - 0.5 * sorted[0]);
    let mut scores: Vec<f64> = sorted.iter().map(|v| (0.5 * v - 0.5 * low) / half_range).collect();
    let mut counts = vec![0.0; sorted.len()];
    clusters.resample((kept.len(), people.len()), how, |of_units, of_people| {
        let pairable = |unit: &[(usize, usize)]| unit.iter().filter(|v| of_people[v.0] > 0.0).count() > 1;
        let drawn = || kept.iter().zip(of_units).filter(|(unit, w)| **w > 0.0 && pairable(unit));
        counts.fill(0.0);
        for (unit, of_unit) in drawn() {
            for &(person, v) in unit {
                counts[v] += of_unit * of_people[person];
            }
        }
        let total = counts.iter().sum::<f64>();
        if metric == Distance::Ordinal {
            let mut below = 0.0;
            for (score, count) in scores.iter_mut().zip(&counts) {
                *score = (below + 0.5 * count) / total;
                below += count;
            }
        }
        let observed = drawn().map(|(unit, w)| w * within(unit, of_people, metric, &scores)).sum::<f64>() / total;
        let expected = match metric {
            Distance::Nominal => total * total - counts.iter().map(|c| c * c).sum::<f64>(),
            _ => spread(|| counts.iter().copied().zip(scores.iter().copied())),
        } / (total * (total - 1.0));
        // In counts, since a spread may be 1e-33 by rounding where it should be 0.
        (counts.iter().filter(|&&c| c > 0.0).count() > 1).then(|| 1.0 - observed / expected)
    })
}

/// The weight of a unit's values, times the mean squared distance of its pairs of unlike people.
fn within(unit: &[(usize, usize)], of_people: &[f64], metric: Distance, scores: &[f64]) -> f64 {
    let mut values = unit.iter().map(|&(person, v)| (of_people[person], v)).filter(|(w, _)| *w > 0.0);
    let Some((_, first)) = values.next() else { return 0.0 };
    if values.all(|(_, v)| v == first) {
        return 0.0;
    }
    let weighted = || unit.iter().map(|&(person, v)| (of_people[person], v));
    let total = weighted().map(|(w, _)| w).sum::<f64>();
    // Of unlike people: a person has one value here, so that their distance to themselves adds nothing to the sum.
    let pairs = total * total - weighted().map(|(w, _)| w * w).sum::<f64>();
    let sum = match metric {
        Distance::Nominal => {
            weighted().map(|(w, a)| w * weighted().filter(|(_, b)| a != *b).map(|(w, _)| w).sum::<f64>()).sum::<f64>()
        }
        _ => spread(|| weighted().map(|(w, v)| (w, scores[v]))),
    };
    total * sum / pairs
}

/// Σ w·w′·(s − s′)² over the ordered pairs of (weight, score), as 2·total·Σ w·(s − mean)².
fn spread<I: Iterator<Item = (f64, f64)>>(values: impl Fn() -> I) -> f64 {
    let total = values().map(|(w, _)| w).sum::<f64>();
    let mean = values().map(|(w, s)| w * s).sum::<f64>() / total;
    2.0 * total * values().map(|(w, s)| w * (s - mean).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    const FAST: Bootstrap = Bootstrap { level: 0.95, resamples: 200, seed: 5 };
    const ALL: [Distance; 3] = [Distance::Nominal, Distance::Ordinal, Distance::Interval];

    fn value(units: &[Vec<(usize, f64)>], metric: Distance) -> f64 {
        krippendorff_alpha(units, metric, Clusters::Items, &Bootstrap { resamples: 0, ..FAST }).value.unwrap()
    }

    /// Krippendorff's own example, four observers, twelve units, gaps: *Computing Krippendorff's Alpha-Reliability*
    /// 2011, the data with gaps: nominal 0.743, ordinal 0.815, interval 0.849.
    #[test]
    fn krippendorff_2011() {
        let rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."];
        let units: Vec<Vec<(usize, f64)>> = (0..12)
            .map(|u| {
                let at = |row: &str| row.chars().nth(u).and_then(|c| c.to_digit(10)).map(f64::from);
                rows.iter().enumerate().filter_map(|(person, row)| Some((person, at(row)?))).collect()
            })
            .collect();
        for (metric, known) in ALL.into_iter().zip([0.743, 0.815, 0.849]) {
            let alpha = krippendorff_alpha(&units, metric, Clusters::Items, &FAST);
            assert!((alpha.value.unwrap() - known).abs() < 5e-4, "{metric:?}: {alpha:?}");
            assert!(alpha.n == 11 && alpha.interval.unwrap().contains(known)); // one unit has a single value
        }
    }

    /// The definition, pair by pair, with Krippendorff's ordinal formula as he writes it.
    fn by_pairs(units: &[Vec<(usize, f64)>], metric: Distance) -> f64 {
        let units: Vec<&Vec<(usize, f64)>> = units.iter().filter(|u| u.len() > 1).collect();
        let all: Vec<f64> = units.iter().flat_map(|u| u.iter().map(|v| v.1)).collect();
        let count = |x: f64| all.iter().filter(|v| **v == x).count() as f64;
        let squared = |a: f64, b: f64| match metric {
            Distance::Nominal => f64::from(a != b),
            Distance::Interval => (a - b).powi(2),
            Distance::Ordinal => {
                let between = all.iter().filter(|v| a.min(b) <= **v && **v <= a.max(b)).count() as f64;
                (between - 0.5 * (count(a) + count(b))).powi(2)
            }
        };
        let pairs = |x: &[f64]| x.iter().map(|&a| x.iter().map(|&b| squared(a, b)).sum::<f64>()).sum::<f64>();
        let n = all.len() as f64;
        let observed: f64 =
            units.iter().map(|u| pairs(&u.iter().map(|v| v.1).collect::<Vec<_>>()) / (u.len() as f64 - 1.0)).sum();
        1.0 - (observed / n) / (pairs(&all) / (n * (n - 1.0)))
    }

    /// Units of 1 to 4 noisy values of a shared level.
    fn noisy(draws: &mut Draws, units: usize) -> Vec<Vec<(usize, f64)>> {
        (0..units)
            .map(|u| {
                let level = 2.0 * draws.normal();
                (0..=u % 4).map(|person| (person, (level + draws.normal()).round())).collect()
            })
            .collect()
    }

    /// Laws: equal to the definition; people, units and (nominal) classes may be renamed, the interval scale moved and
    /// stretched, the ordinal one by any rising function; agreement is 1.
    #[test]
    fn laws() {
        let units = noisy(&mut Draws::new(25), 60);
        let map = |f: &dyn Fn(f64) -> f64| -> Vec<Vec<(usize, f64)>> {
            units.iter().rev().map(|u| u.iter().rev().map(|&(p, v)| (90 - p, f(v))).collect()).collect()
        };
        for metric in ALL {
            let alpha = value(&units, metric);
            assert!((alpha - by_pairs(&units, metric)).abs() < 1e-12, "{metric:?}");
            let moved = match metric {
                Distance::Nominal => map(&|v| (v * 5.0).rem_euclid(31.0)),
                Distance::Ordinal => map(&f64::exp),
                Distance::Interval => map(&|v| 3.0 - 1e200 * v),
            };
            assert!((value(&moved, metric) - alpha).abs() < 1e-12, "{metric:?}");
            let agreed: Vec<_> = (0..7).map(|u| (0..3).map(|p| (p, 0.1 * f64::from(u))).collect()).collect();
            assert_eq!(value(&agreed, metric), 1.0);
        }
    }

    /// Planted: a level of variance 4 and noise of variance 1 have interval α 4/5, the intraclass correlation.
    #[test]
    fn planted_agreement_is_recovered() {
        let mut draws = Draws::new(26);
        let (mut inside, rounds) = (0, 200);
        for seed in 0..rounds {
            let units: Vec<Vec<(usize, f64)>> = (0..120)
                .map(|_| {
                    let level = 2.0 * draws.normal();
                    (0..3).map(|person| (person, level + draws.normal())).collect()
                })
                .collect();
            let alpha = krippendorff_alpha(&units, Distance::Interval, Clusters::Items, &Bootstrap { seed, ..FAST });
            inside += u32::from(alpha.interval.unwrap().contains(0.8));
        }
        let coverage = f64::from(inside) / rounds as f64;
        assert!((0.87..0.99).contains(&coverage), "{coverage}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        for metric in ALL {
            let reason =
                |units: &[Vec<(usize, f64)>]| krippendorff_alpha(units, metric, Clusters::Items, &FAST).reason.unwrap();
            assert_eq!(reason(&[]), "none of 0 units has two values");
            assert_eq!(reason(&[vec![(0, 1.0)], vec![], vec![(1, 2.0)]]), "none of 3 units has two values");
            assert_eq!(reason(&[vec![(0, 0.0), (1, -0.0)], vec![(0, 3.0)]]), "all values are the same");
            assert_eq!(reason(&[vec![(0, 1.0), (0, 2.0)]]), "person 0 has two values for unit 0");
            assert_eq!(reason(&[vec![(0, 1.0), (1, f64::NAN)]]), "1 of 2 values are not finite");
            assert_eq!(reason(&[vec![(0, 1.0), (1, 2.0)]]), "one unit has no interval");
            let wide = [vec![(0, f64::MAX), (1, f64::MAX)], vec![(0, f64::MIN), (1, 0.0)]];
            assert!(krippendorff_alpha(&wide, metric, Clusters::Items, &FAST).value.unwrap().is_finite());
        }
    }
}
