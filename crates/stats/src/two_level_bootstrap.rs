//! The bootstrap of data with two levels: runs, and items within them.
//!
//! Davison and Hinkley 1997, section 3.8 (nested levels); Owen 2007, *The pigeonhole bootstrap*, Ann. Appl. Stat. 1, 386–411
//! (crossed ones). A figure over training seeds and test items varies with both: an interval over seeds alone says nothing of
//! other items, one over items alone nothing of other seeds.
//!
//! 1. The statistic is of means over groups of means over items, so that groups weigh the same whatever their size.
//! 2. Resampling both levels is conservative: an item's variance is counted at both (Owen 2007, section 3), which for PGR at
//!    five seeds is to be preferred.
//! 3. Below about ten groups the group level is too narrow by (g − 1)/g in variance; give n, and beside it an interval by t.

use crate::bootstrap::below;
use crate::{Bootstrap, Interval, Measured, measured::bad_level, measured::not_finite, quantile::quantile_of_sorted};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

/// What the items of different groups have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Each group has items of its own: they are drawn anew within each drawn group.
    Own,
    /// Item i is the same in every group: items are drawn once for all groups.
    Shared,
}

/// A statistic of K means, from `outcomes[group][item]` of K values each; n counts groups.
///
/// One group has a value and no interval, as has a statistic undefined on more than one resample in twenty.
///
/// ```
/// use trimtab_stats::{Bootstrap, Items, bootstrap_two_level};
/// // Two runs over the same two items: the mean is 2; drawing one run twice and one item twice gives 0 or 4.
/// let runs = [vec![[0.0], [2.0]], vec![[2.0], [4.0]]];
/// let all = bootstrap_two_level(&runs, Items::Shared, &Bootstrap::default(), |[mean]| Some(mean));
/// let interval = all.interval.unwrap();
/// assert_eq!((all.value, all.n), (Some(2.0), 2));
/// assert_eq!((interval.low, interval.high), (0.0, 4.0));
/// ```
#[must_use]
pub fn bootstrap_two_level<const K: usize>(
    outcomes: &[Vec<[f64; K]>],
    items: Items,
    how: &Bootstrap,
    statistic: impl Fn([f64; K]) -> Option<f64>,
) -> Measured {
    let groups = outcomes.len() as u64;
    if !(how.level > 0.0 && how.level < 1.0) {
        return Measured::undefined(groups, bad_level(how.level));
    }
    if outcomes.is_empty() || outcomes.iter().any(Vec::is_empty) {
        return Measured::undefined(groups, "a group has no items");
    }
    let flat: Vec<f64> = outcomes.iter().flatten().flatten().copied().collect();
    if let Some(reason) = not_finite(&flat) {
        return Measured::undefined(groups, reason);
    }
    if items == Items::Shared && outcomes.iter().any(|group| group.len() != outcomes[0].len()) {
        return Measured::undefined(groups, "groups of different sizes cannot share their items");
    }
    let whole: Vec<[f64; K]> = outcomes.iter().map(|group| mean(group.iter().copied(), group.len())).collect();
    let Some(value) = statistic(mean(whole.iter().copied(), whole.len())).filter(|v| v.is_finite()) else {
        return Measured::undefined(groups, "undefined on these items");
    };
    if groups == 1 || how.resamples == 0 {
        let reason = if groups == 1 { "one group has no interval" } else { "no resamples were asked for" };
        return Measured::point(value, groups, reason);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
    let mut values = Vec::with_capacity(how.resamples as usize);
    let mut shared = vec![0; if items == Items::Shared { outcomes[0].len() } else { 0 }];
    for _ in 0..how.resamples {
        for slot in &mut shared {
            *slot = below(&mut rng, outcomes[0].len() as u64) as usize;
        }
        let mut sum = [0.0; K];
        for _ in 0..groups {
            let group = &outcomes[below(&mut rng, groups) as usize];
            let of = match items {
                Items::Shared => mean(shared.iter().map(|&item| group[item]), group.len()),
                Items::Own => {
                    let n = group.len() as u64;
                    mean((0..n).map(|_| group[below(&mut rng, n) as usize]), group.len())
                }
            };
            sum.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        }
        values.extend(statistic(sum.map(|v| v / groups as f64)).filter(|v| v.is_finite()));
    }
    let undefined = how.resamples as usize - values.len();
    if undefined * 20 > how.resamples as usize {
        return Measured::point(value, groups, format!("undefined on {undefined} of {} resamples", how.resamples));
    }
    values.sort_by(f64::total_cmp);
    let tail = 0.5 - 0.5 * how.level;
    match (quantile_of_sorted(&values, tail), quantile_of_sorted(&values, 1.0 - tail)) {
        (Some(low), Some(high)) => Measured::new(value, Interval { low, high, level: how.level }, groups),
        _ => Measured::point(value, groups, "undefined on every resample"),
    }
}

/// Mean of `n` rows, entry by entry.
fn mean<const K: usize>(rows: impl Iterator<Item = [f64; K]>, n: usize) -> [f64; K] {
    let mut sum = [0.0; K];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
    }
    sum.map(|v| v / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Planted: groups differ by sd 1 and items by sd 2, both levels are in the interval's width. The variance of the mean is
    /// 1/G + 4/(G·n) for own items and 1/G + 4/n for shared ones.
    #[test]
    fn both_levels_are_in_the_width() {
        let (groups, items) = (40, 50);
        let mut draws = Draws::new(21);
        for (kind, variance) in [(Items::Own, 1.0 / 40.0 + 4.0 / 2000.0), (Items::Shared, 1.0 / 40.0 + 4.0 / 50.0)] {
            let (mut inside, mut width) = (0, 0.0);
            for seed in 0..200 {
                let shared: Vec<f64> = (0..items).map(|_| 2.0 * draws.normal()).collect();
                let outcomes: Vec<Vec<[f64; 1]>> = (0..groups)
                    .map(|_| {
                        let of_group = 3.0 + draws.normal();
                        let of_item = |i: usize, own: f64| if kind == Items::Shared { shared[i] } else { 2.0 * own };
                        (0..items).map(|i| [of_group + of_item(i, draws.normal())]).collect()
                    })
                    .collect();
                let how = Bootstrap { resamples: 200, seed, ..Bootstrap::default() };
                let interval = bootstrap_two_level(&outcomes, kind, &how, |[m]| Some(m)).interval.unwrap();
                inside += u32::from(interval.contains(3.0));
                width += (interval.high - interval.low) / 200.0;
            }
            let (coverage, expected) = (f64::from(inside) / 200.0, 2.0 * 1.96 * f64::sqrt(variance));
            assert!((0.90..=0.99).contains(&coverage), "{kind:?}: coverage {coverage}");
            assert!((width / expected - 1.0).abs() < 0.1, "{kind:?}: width {width}, expected {expected}");
        }
    }

    /// Law: without variation between items of a group, both kinds are the bootstrap of the groups.
    #[test]
    fn without_items_it_is_the_bootstrap_of_groups() {
        let groups: Vec<Vec<[f64; 2]>> = (0..6).map(|g| vec![[f64::from(g), 1.0]; 3]).collect();
        for kind in [Items::Own, Items::Shared] {
            let ratio = bootstrap_two_level(&groups, kind, &Bootstrap::default(), |[a, b]| Some(a / b));
            let interval = ratio.interval.unwrap();
            assert_eq!(ratio.value, Some(2.5));
            assert!((1.0..1.6).contains(&interval.low) && (3.4..4.1).contains(&interval.high), "{interval:?}");
        }
    }

    #[test]
    fn what_is_undefined_says_why() {
        let of = |outcomes: &[Vec<[f64; 1]>], kind| {
            let how = Bootstrap { resamples: 100, ..Bootstrap::default() };
            bootstrap_two_level(outcomes, kind, &how, |[mean]| Some(1.0 / mean)).reason.unwrap()
        };
        assert_eq!(of(&[], Items::Own), "a group has no items");
        assert_eq!(of(&[vec![[1.0]], vec![]], Items::Own), "a group has no items");
        assert_eq!(of(&[vec![[1.0]]], Items::Own), "one group has no interval");
        assert!(of(&[vec![[1.0]], vec![[1.0], [2.0]]], Items::Shared).contains("different sizes"));
        assert!(of(&[vec![[f64::NAN]], vec![[1.0]]], Items::Own).contains("not finite"));
        assert_eq!(of(&[vec![[1.0]], vec![[-1.0]]], Items::Own), "undefined on these items");
        assert!(of(&[vec![[1.0]], vec![[-1.0]], vec![[1.0]], vec![[1.0]]], Items::Own).contains("resamples"));
    }
}
