//! The shortcut that needs no words: telling the classes apart by length.
//!
//! 1. One threshold, one direction, both the best for the gold labels it learns from. In pairs of answers "the shorter one" is
//!    right in up to 60 %; a ceiling that does not clear this rule shows length, not language.
//! 2. Among equally good rules the smallest threshold is taken, and "longer is class 1" before the contrary.

use crate::Job;

/// Class 1 from a length on, or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRule {
    /// Least length of the longer side.
    pub threshold: usize,
    /// Whether the longer side is class 1.
    pub longer: bool,
}

impl LengthRule {
    /// The best rule for a job whose inputs are lengths.
    ///
    /// ```
    /// use trimtab_oversight::{Labels, WeakJob, length_rule::LengthRule};
    /// let (lengths, gold) = ([2, 9, 3, 7], Labels::gold(&[true, false, true, false]));
    /// let rule = LengthRule::fit(&WeakJob::new(&lengths, &gold)?);
    /// assert_eq!(rule, LengthRule { threshold: 7, longer: false }); // short texts are class 1
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    pub fn fit(job: &impl Job<usize>) -> Self {
        let mut items: Vec<(usize, f64)> = job.inputs().iter().copied().zip(job.targets().iter().copied()).collect();
        items.sort_by_key(|item| item.0);
        // Of "class 1 from here on": the ones at or after it and the zeros before it are right.
        let mut right: f64 = items.iter().map(|item| item.1).sum();
        let n = items.len() as f64;
        let mut best = (right, Self { threshold: 0, longer: true });
        let mut consider = |right: f64, threshold: usize| {
            for (right, longer) in [(right, true), (n - right, false)] {
                if right > best.0 {
                    best = (right, Self { threshold, longer });
                }
            }
        };
        consider(right, 0);
        for (place, &(length, target)) in items.iter().enumerate() {
            right += 1.0 - 2.0 * target;
            if items.get(place + 1).is_none_or(|next| next.0 > length) {
                consider(right, items.get(place + 1).map_or(length + 1, |next| next.0));
            }
        }
        best.1
    }

    /// Whether a text of this length is class 1.
    #[must_use]
    pub fn class(self, length: usize) -> bool {
        (length >= self.threshold) == self.longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labels, SplitMix, WeakJob};

    /// Law: no threshold in either direction is right more often.
    #[test]
    fn no_other_rule_is_better() {
        let mut source = SplitMix::new(2);
        for n in [1, 2, 7, 40] {
            for _ in 0..30 {
                let lengths: Vec<usize> = (0..n).map(|_| source.below(9)).collect();
                let gold: Vec<bool> = (0..n).map(|_| source.below(2) == 1).collect();
                let labels = Labels::gold(&gold);
                let found = LengthRule::fit(&WeakJob::new(&lengths, &labels).unwrap());
                let right =
                    |rule: LengthRule| lengths.iter().zip(&gold).filter(|(l, g)| rule.class(**l) == **g).count();
                for threshold in 0..11 {
                    for longer in [true, false] {
                        assert!(right(found) >= right(LengthRule { threshold, longer }), "{lengths:?} {gold:?}");
                    }
                }
            }
        }
    }
}
