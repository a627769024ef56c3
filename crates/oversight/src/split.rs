//! The four parts of an experiment: A and B to learn from, V to stop by, T to be judged on.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 3 and appendix A: the weak model learns on A,
//! labels B and V, the student learns on B; related items stay together; the test set is balanced.
//!
//! 1. A group (one question, one premise, one game) is never divided. Parts are filled in a drawn order of groups, each into the
//!    part that is furthest from its size, so sizes are exact where each group has one item.
//! 2. Nearly the same texts can be made one group beforehand ([`grouped`]), so that a split leaks by no near duplicate either.
//! 3. Only T is balanced, by leaving out a drawn part of its more frequent class; how many is said.

use crate::leak::{NEAR, near_duplicates};
use crate::{Error, SplitMix};
use std::collections::BTreeMap;
use std::fmt;

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Half A: gold labels, for the weak model.
    A,
    /// Half B: weak labels, for the student (and gold ones for its ceiling).
    B,
    /// Validation: weak labels, to stop by.
    V,
    /// Test: gold labels, for scores only.
    T,
}

impl Part {
    /// All parts, in order.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::V, Self::T];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::V => "V",
            Self::T => "T",
        })
    }
}

/// The part of each row, given its group and the shares of A, B, V and T, which need not add up to 1.
///
/// ```
/// use trimtab_oversight::{Part, split};
/// let parts = split(&["q1", "q1", "q2"], [1.0, 1.0, 0.0, 1.0], 7)?;
/// assert_eq!(parts[0], parts[1]); // one group, one part
/// let parts = split(&[1, 2, 3, 4, 5, 6], [1.0, 1.0, 0.0, 1.0], 7)?;
/// for part in [Part::A, Part::B, Part::T] {
///     assert_eq!(parts.iter().filter(|p| **p == part).count(), 2);
/// }
/// # Ok::<(), trimtab_oversight::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] for shares that are negative, not finite, or all 0.
pub fn split<G: Ord>(groups: &[G], shares: [f64; 4], seed: u64) -> Result<Vec<Part>, Error> {
    let total: f64 = shares.iter().sum();
    if !(total > 0.0 && total.is_finite()) || shares.iter().any(|share| *share < 0.0) {
        return Err(Error::input(format!("shares {shares:?}"), "shares from 0 up, one of them above", "0.4,0.4,0,0.2"));
    }
    let wanted = shares.map(|share| share / total * groups.len() as f64);
    let mut rows: BTreeMap<&G, Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        rows.entry(group).or_default().push(row);
    }
    let mut order: Vec<Vec<usize>> = rows.into_values().collect();
    SplitMix::new(seed).shuffle(&mut order);
    let (mut filled, mut parts) = ([0.0; 4], vec![Part::A; groups.len()]);
    for rows in order {
        let missing = |part: usize| wanted[part] - filled[part];
        // The first of the furthest, so that a tie does not hang on the order of comparison.
        let place = (1..4).fold(0, |best, part| if missing(part) > missing(best) { part } else { best });
        filled[place] += rows.len() as f64;
        for row in rows {
            parts[row] = Part::ALL[place];
        }
    }
    Ok(parts)
}

/// A group number for each text such that nearly the same texts ([`NEAR`]) have one: connected components of near duplicates.
///
/// ```
/// use trimtab_oversight::split::grouped;
/// assert_eq!(grouped(&["Good film.", "bad film", "good film"]), [0, 1, 0]);
/// ```
#[must_use]
pub fn grouped(texts: &[&str]) -> Vec<usize> {
    components(texts.len(), near_duplicates(texts, NEAR))
}

/// The finest groups that keep together whatever one of two groupings of the same rows keeps together.
///
/// ```
/// use trimtab_oversight::split::joined;
/// assert_eq!(joined(&[7, 7, 8, 9], &["a", "b", "b", "c"]), [0, 0, 0, 3]);
/// ```
#[must_use]
pub fn joined<G: Ord, H: Ord>(one: &[G], other: &[H]) -> Vec<usize> {
    fn pairs<G: Ord>(groups: &[G]) -> Vec<(usize, usize)> {
        let mut first = BTreeMap::new();
        groups.iter().enumerate().map(|(row, group)| (*first.entry(group).or_insert(row), row)).collect()
    }
    components(one.len().min(other.len()), [pairs(one), pairs(other)].concat())
}

/// For each of `n` rows the first row that is connected with it by `pairs`.
fn components(n: usize, pairs: Vec<(usize, usize)>) -> Vec<usize> {
    let mut group: Vec<usize> = (0..n).collect();
    fn root(group: &mut [usize], mut at: usize) -> usize {
        while group[at] != at {
            group[at] = group[group[at]];
            at = group[at];
        }
        at
    }
    for (one, other) in pairs {
        let (one, other) = (root(&mut group, one), root(&mut group, other));
        // The smaller number wins, so that the numbers do not depend on the order of pairs.
        group[one.max(other)] = one.min(other);
    }
    (0..n).map(|at| root(&mut group, at)).collect()
}

/// The rows, in their order, less a drawn part of those of the more frequent class, so that both are as many.
///
/// ```
/// use trimtab_oversight::split::balanced;
/// let kept = balanced(&[true, true, false, true], 1);
/// assert_eq!(kept.len(), 2);
/// assert!(kept.contains(&2));
/// ```
#[must_use]
pub fn balanced(gold: &[bool], seed: u64) -> Vec<usize> {
    let (mut ones, mut zeros): (Vec<usize>, Vec<usize>) = (0..gold.len()).partition(|&row| gold[row]);
    let few = ones.len().min(zeros.len());
    let mut source = SplitMix::new(seed);
    for rows in [&mut ones, &mut zeros] {
        if rows.len() > few {
            source.shuffle(rows);
            rows.truncate(few);
        }
    }
    let mut kept = [ones, zeros].concat();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::{shared_groups, shared_texts};
    use proptest::prelude::*;

    /// Where every row is its own group, sizes are exact to the row.
    #[test]
    fn single_rows_split_exactly() {
        let groups: Vec<u32> = (0..1000).collect();
        let parts = split(&groups, [0.35, 0.35, 0.1, 0.2], 3).unwrap();
        assert_eq!(Part::ALL.map(|part| parts.iter().filter(|p| **p == part).count()), [350, 350, 100, 200]);
        let again = split(&groups, [0.35, 0.35, 0.1, 0.2], 4).unwrap();
        let same = parts.iter().zip(&again).filter(|(one, other)| one == other).count();
        // Independent splits agree on Σ share² = 0.295 of the rows, ± 0.015.
        assert!((240..350).contains(&same), "{same}");
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        for shares in [[0.0; 4], [-1.0, 2.0, 0.0, 0.0], [f64::NAN, 1.0, 1.0, 1.0], [f64::INFINITY, 0.0, 0.0, 0.0]] {
            assert!(split(&[1, 2], shares, 0).is_err(), "{shares:?}");
        }
    }

    proptest! {
        /// Law: no group and no near duplicate is in two parts, whatever the groups.
        #[test]
        fn a_split_does_not_leak(sets in prop::collection::vec(prop::collection::vec(0u8..6, 1..5), 1..30), seed: u64) {
            let text = |set: &Vec<u8>| set.iter().map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ");
            let texts: Vec<String> = sets.iter().map(text).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let groups = grouped(&texts);
            let parts = split(&groups, [1.0, 1.0, 0.5, 1.0], seed).unwrap();
            let keys: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let by_group: Vec<_> = (0..texts.len()).map(|row| (parts[row], row, keys[row].as_str())).collect();
            let by_text: Vec<_> = (0..texts.len()).map(|row| (parts[row], row, texts[row])).collect();
            prop_assert_eq!(shared_groups(&by_group), None);
            prop_assert_eq!(shared_texts(&by_text), None);
        }

        #[test]
        fn balanced_is_balanced(gold in prop::collection::vec(any::<bool>(), 0..60), seed: u64) {
            let kept = balanced(&gold, seed);
            let ones = kept.iter().filter(|&&row| gold[row]).count();
            prop_assert_eq!(2 * ones, kept.len());
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
