//! Training and held-out parts, split by group so that no prompt is on both sides.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Splits rows `0..groups.len()` into (training, held out), each in ascending order.
///
/// `groups[i]` is the group of row `i`. Groups go whole to one side, in an order fixed by a hash of (seed, group), until
/// the held-out side has `holdout` of the rows: the count is the nearest that whole groups, taken in that order and
/// skipping those that would overshoot, allow, and is exact where every group has one row. Adding rows to other groups
/// does not change the order. `holdout` outside [0, 1] is clamped; NaN holds nothing out.
///
/// ```
/// use trimtab_text::split::split_by_group;
/// let (train, held_out) = split_by_group(&[7, 7, 8, 9, 9, 10], 0.5, 1);
/// assert_eq!(train.len() + held_out.len(), 6);
/// assert_eq!(held_out.len(), 3);
/// ```
#[must_use]
pub fn split_by_group(groups: &[u64], holdout: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let target = (groups.len() as f64 * holdout.clamp(0.0, 1.0)).round() as usize;
    let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
    for &group in groups {
        *sizes.entry(group).or_default() += 1;
    }
    let mut order: Vec<(u64, u64, usize)> =
        sizes.into_iter().map(|(group, size)| (shuffle_key(seed, group), group, size)).collect();
    order.sort_unstable();

    let (mut held, mut taken) = (std::collections::BTreeSet::new(), 0);
    for (_, group, size) in order {
        if taken + size <= target {
            taken += size;
            held.insert(group);
        }
    }
    (0..groups.len()).partition(|&row| !held.contains(&groups[row]))
}

/// A group's place in the shuffled order.
fn shuffle_key(seed: u64, group: u64) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(group.to_le_bytes()).finalize();
    u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where every row is its own group, the count is exact.
    #[test]
    fn single_rows_split_exactly() {
        let groups: Vec<u64> = (0..1000).collect();
        for (holdout, expected) in
            [(0.0, 0), (0.1, 100), (0.2345, 235), (1.0, 1000), (f64::NAN, 0), (-3.0, 0), (9.0, 1000)]
        {
            assert_eq!(split_by_group(&groups, holdout, 3).1.len(), expected, "holdout {holdout}");
        }
    }

    /// Another seed gives another split; half of the rows move, as under independence.
    #[test]
    fn seeds_are_independent() {
        let groups: Vec<u64> = (0..2000).collect();
        let (a, b) = (split_by_group(&groups, 0.5, 1).1, split_by_group(&groups, 0.5, 2).1);
        let common = a.iter().filter(|row| b.binary_search(row).is_ok()).count();
        // Hypergeometric: mean 500, standard deviation about 11.
        assert!((440..560).contains(&common), "{common} rows in common");
    }

    proptest! {
        #[test]
        fn no_group_on_both_sides_and_nothing_lost(groups in prop::collection::vec(0u64..20, 0..200), holdout in 0.0f64..1.0, seed: u64) {
            let (train, held) = split_by_group(&groups, holdout, seed);
            let mut all = [train.clone(), held.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
            prop_assert!(held.iter().all(|&h| train.iter().all(|&t| groups[t] != groups[h])));
            prop_assert!(held.len() <= (groups.len() as f64 * holdout).round() as usize);
            prop_assert_eq!(split_by_group(&groups, holdout, seed), (train, held));
        }
    }
}
