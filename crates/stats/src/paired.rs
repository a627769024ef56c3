//! The difference of two arms measured on the same items.
//!
//! Pairing removes what the items themselves contribute: two checkpoints on one prompt set differ by far less than two
//! prompt sets do. Efron and Tibshirani 1993, section 8; bootstrap as in [`crate::bootstrap`].

use crate::{Bootstrap, Measured, bootstrap_mean};
use std::collections::BTreeMap;

/// The mean of `treated − control` over items, with a percentile interval from resampling items, or clusters of items
/// where `cluster` names one for each.
///
/// Entry i of both slices belongs to item i. Slices of unlike length have no pairs: the result is undefined.
///
/// ```
/// use trimtab_stats::{Bootstrap, paired_difference};
/// // A constant gain is certain, however much the items differ.
/// let gain = paired_difference(&[11.0, 51.0, 91.0], &[10.0, 50.0, 90.0], None, &Bootstrap::default());
/// let interval = gain.interval.unwrap();
/// assert_eq!((gain.value, interval.low, interval.high), (Some(1.0), 1.0, 1.0));
/// ```
#[must_use]
pub fn paired_difference(treated: &[f64], control: &[f64], cluster: Option<&[u64]>, how: &Bootstrap) -> Measured {
    let n = treated.len();
    if control.len() != n || cluster.is_some_and(|c| c.len() != n) {
        let clusters = cluster.map_or(String::new(), |c| format!(" and {} clusters", c.len()));
        return Measured::undefined(0, format!("{n} and {} items{clusters} cannot be paired", control.len()));
    }
    // In order of cluster name, so that the order of items within the slices does not matter to the clusters.
    let mut groups: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for i in 0..n {
        groups.entry(cluster.map_or(i as u64, |c| c[i])).or_default().push(treated[i] - control[i]);
    }
    bootstrap_mean(&groups.into_values().collect::<Vec<_>>(), how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Law: swapping the arms turns value and bounds round.
    #[test]
    fn antisymmetric() {
        let (a, b) = ([1.0, 5.0, 2.0, 8.0], [0.5, 5.5, 1.0, 6.0]);
        let how = Bootstrap::default();
        let (x, y) = (paired_difference(&a, &b, None, &how), paired_difference(&b, &a, None, &how));
        let (i, j) = (x.interval.unwrap(), y.interval.unwrap());
        assert_eq!(x.value, y.value.map(|v| -v));
        assert!((i.low + j.high).abs() < 1e-12 && (i.high + j.low).abs() < 1e-12);
    }

    /// Coverage of a planted difference that is small beside the spread of the items, clustered in fives.
    #[test]
    fn covers_a_planted_difference() {
        let mut draws = Draws::new(8);
        let rounds = 400;
        let inside = (0..rounds)
            .filter(|&round| {
                let (mut a, mut b, mut cluster) = (vec![], vec![], vec![]);
                for c in 0..30u64 {
                    let shared = 0.3 * draws.normal();
                    for _ in 0..5 {
                        let item = 10.0 * draws.normal();
                        b.push(item);
                        a.push(item + 0.2 + shared + 0.3 * draws.normal());
                        cluster.push(c);
                    }
                }
                let how = Bootstrap { level: 0.9, resamples: 300, seed: round };
                let measured = paired_difference(&a, &b, Some(&cluster), &how);
                assert_eq!(measured.n, 30);
                measured.interval.unwrap().contains(0.2)
            })
            .count();
        let coverage = inside as f64 / rounds as f64;
        assert!((0.84..0.95).contains(&coverage), "{coverage}");
    }

    #[test]
    fn unlike_lengths_are_a_reason() {
        let how = Bootstrap::default();
        let reason = |m: Measured| m.reason.unwrap_or_default();
        assert!(reason(paired_difference(&[1.0], &[1.0, 2.0], None, &how)).contains("1 and 2 items"));
        assert!(reason(paired_difference(&[1.0], &[1.0], Some(&[]), &how)).contains("0 clusters"));
        assert!(paired_difference(&[], &[], None, &how).value.is_none());
        assert!(paired_difference(&[f64::INFINITY], &[f64::INFINITY], None, &how).value.is_none());
    }
}
