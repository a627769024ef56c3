//! Agreement of two people beyond chance.
//!
//! Cohen 1960, *A coefficient of agreement for nominal scales*,
//! [doi:10.1177/001316446002000104](https://doi.org/10.1177/001316446002000104):
//!
//! > κ = (p_o − p_e)/(1 − p_e), p_e = Σ p₁(c)·p₂(c) over the classes c
//!
//! p_o is the share of items that both put in one class, and p₁, p₂ are the shares of each person's classes.
//!
//! 1. The paper gives a standard error for large samples. Here the interval is the percentile bootstrap over items,
//!    with the shares of the classes taken anew in each resample.
//! 2. Every disagreement counts the same (no weights). For ordered classes see [`crate::krippendorff_alpha()`].
//! 3. Where all labels of both are one class, p_e is 1 and κ is 0/0: agreement that could not have failed says nothing.
//! 4. κ depends on how common the classes are. Compare two of them only on like items.

use crate::{Bootstrap, Measured, bootstrap_statistic};
use std::collections::BTreeMap;

/// κ of two people from the classes (first person's, second person's) that they gave to each item, at most 1; 0 is
/// chance.
///
/// Undefined, with a reason, for no items and where both give one and the same class to every item.
///
/// ```
/// use trimtab_stats::{Bootstrap, cohen_kappa};
/// // Ten items: both say 0 four times and 1 three times; 0 against 1 twice, 1 against 0 once.
/// let mut pairs = vec![(0, 0); 4];
/// pairs.extend([(1, 1), (1, 1), (1, 1), (0, 1), (0, 1), (1, 0)]);
/// // Observed 0.7; expected 0.6·0.5 + 0.4·0.5 = 0.5: κ = 0.2/0.5.
/// let kappa = cohen_kappa(&pairs, &Bootstrap::default());
/// assert!((kappa.value.unwrap() - 0.4).abs() < 1e-12);
/// assert_eq!(cohen_kappa(&[(1, 1), (1, 1)], &Bootstrap::default()).value, None);
/// ```
#[must_use]
pub fn cohen_kappa(pairs: &[(usize, usize)], how: &Bootstrap) -> Measured {
    // Classes may be any numbers: only those that occur are counted.
    let mut classes: BTreeMap<usize, usize> = pairs.iter().flat_map(|&(a, b)| [(a, 0), (b, 0)]).collect();
    for (place, index) in classes.values_mut().enumerate() {
        *index = place;
    }
    if classes.len() == 1 {
        return Measured::undefined(pairs.len() as u64, "both people give one class to every item");
    }
    let places: Vec<(usize, usize)> = pairs.iter().map(|(a, b)| (classes[a], classes[b])).collect();
    let (mut first, mut second) = (vec![0u64; classes.len()], vec![0u64; classes.len()]);
    bootstrap_statistic(places.len(), how, |drawn| {
        first.fill(0);
        second.fill(0);
        let mut same = 0u64;
        for &(a, b) in drawn.iter().map(|&i| &places[i]) {
            first[a] += 1;
            second[b] += 1;
            same += u64::from(a == b);
        }
        let n = drawn.len() as f64;
        let expected = first.iter().zip(&second).map(|(&a, &b)| a as f64 / n * (b as f64 / n)).sum::<f64>();
        // In counts, since a sum of rounded shares need not be 1 where it should be.
        let one_class = first.iter().zip(&second).any(|(&a, &b)| a as usize == drawn.len() && a == b);
        (!one_class).then(|| (same as f64 / n - expected) / (1.0 - expected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    const FAST: Bootstrap = Bootstrap { level: 0.95, resamples: 200, seed: 3 };

    fn value(pairs: &[(usize, usize)]) -> f64 {
        cohen_kappa(pairs, &Bootstrap { resamples: 0, ..FAST }).value.unwrap()
    }

    /// Cohen 1968, doi:10.1037/h0026256, table 1: two diagnosticians, 200 patients, three classes; unweighted κ 0.492.
    #[test]
    fn cohen_1968() {
        let table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]];
        let mut pairs = vec![];
        for (a, row) in table.iter().enumerate() {
            for (b, &count) in row.iter().enumerate() {
                pairs.extend(std::iter::repeat_n((a, b), count));
            }
        }
        assert_eq!(pairs.len(), 200);
        assert!((value(&pairs) - 0.492).abs() < 5e-4, "{}", value(&pairs));
    }

    /// Laws: perfect agreement is 1; the people may swap, the classes may be renamed and the items reordered.
    #[test]
    fn laws() {
        let mut draws = Draws::new(21);
        let mut class = || (4.0 * draws.uniform()) as usize;
        let mut pairs: Vec<(usize, usize)> = (0..60).map(|_| (class(), class())).collect();
        pairs.extend((0..30).map(|i| (i % 4, i % 4)));
        let kappa = value(&pairs);
        let swapped: Vec<_> = pairs.iter().map(|&(a, b)| (b, a)).collect();
        let renamed: Vec<_> = pairs.iter().rev().map(|&(a, b)| (usize::MAX - 7 * a, usize::MAX - 7 * b)).collect();
        assert!((value(&swapped) - kappa).abs() < 1e-12 && (value(&renamed) - kappa).abs() < 1e-12);
        let same: Vec<_> = pairs.iter().map(|&(a, _)| (a, a)).collect();
        assert_eq!(value(&same), 1.0);
        assert_eq!(cohen_kappa(&pairs, &FAST), cohen_kappa(&pairs, &FAST));
    }

    /// Two people who each see the true class, one of three, with chance q and otherwise guess evenly: κ = q².
    #[test]
    fn planted_agreement_is_recovered() {
        let mut draws = Draws::new(22);
        let (q, rounds) = (0.7, 200);
        let mut inside = 0;
        for seed in 0..rounds {
            let pairs: Vec<(usize, usize)> = (0..200)
                .map(|_| {
                    let mut class = || (3.0 * draws.uniform()) as usize;
                    let (truth, a, b) = (class(), class(), class());
                    let mut sees = |guess| if draws.uniform() < q { truth } else { guess };
                    (sees(a), sees(b))
                })
                .collect();
            let how = Bootstrap { seed, ..FAST };
            inside += u32::from(cohen_kappa(&pairs, &how).interval.unwrap().contains(q * q));
        }
        let coverage = f64::from(inside) / rounds as f64;
        assert!((0.89..0.99).contains(&coverage), "{coverage}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        assert_eq!(cohen_kappa(&[], &FAST).reason.as_deref(), Some("no items"));
        let one = cohen_kappa(&[(5, 5); 9], &FAST);
        assert_eq!((one.value, one.n), (None, 9));
        assert!(one.reason.unwrap().contains("one class"));
        // Different classes, each always: nothing agrees and nothing was expected to.
        assert_eq!(cohen_kappa(&[(0, 1); 4], &FAST).value, Some(0.0));
        assert_eq!(cohen_kappa(&[(0, 1)], &FAST).interval, None);
    }
}
