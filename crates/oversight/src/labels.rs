//! Gold and weak labels as different types.
//!
//! Burns et al. 2023, *Weak-to-strong generalization*, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 3: the
//! student sees the weak supervisor's labels and never the truth. Public code keeps both in one table, and some of it still
//! trains the student on gold by mistake.
//!
//! 1. A label is the chance of class 1, so soft and hard labels are one type; gold is 0 or 1. Of tasks with more answers than two
//!    it is the answer itself, such as a move.
//! 2. Weak labels come from a supervisor's answers ([`Labels::by`]), or from gold with errors of a known structure
//!    ([`Labels::flipped`]), which is an experiment on errors and says so.

use crate::{Error, SplitMix};
use std::marker::PhantomData;

/// The source of gold labels: the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gold {}

/// The source of weak labels: a supervisor that errs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weak {}

/// Labels of n items from the source `S`: the chance of class 1 in [0, 1] of each, or an answer `Y`.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels<S, Y = f64> {
    targets: Vec<Y>,
    source: PhantomData<S>,
}

impl<S, Y> Labels<S, Y> {
    fn from_targets(targets: Vec<Y>) -> Self {
        Self { targets, source: PhantomData }
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The label of each item.
    #[must_use]
    pub fn targets(&self) -> &[Y] {
        &self.targets
    }
}

impl<S> Labels<S> {
    /// The chance of class 1 of each item.
    #[must_use]
    pub fn chances(&self) -> &[f64] {
        &self.targets
    }

    /// The more likely class of each item; an undecided one is of class 0.
    #[must_use]
    pub fn classes(&self) -> Vec<bool> {
        self.targets.iter().map(|&chance| chance > 0.5).collect()
    }
}

impl Labels<Gold> {
    /// The truth of each item.
    #[must_use]
    pub fn gold(classes: &[bool]) -> Self {
        Self::from_targets(classes.iter().map(|&class| f64::from(u8::from(class))).collect())
    }
}

impl Labels<Weak> {
    /// What a supervisor says of each input: its chance of class 1.
    ///
    /// ```
    /// use trimtab_oversight::{Labels, Weak};
    /// let long = Labels::<Weak>::by(&["a", "abcd"], |text| if text.len() > 2 { 0.9 } else { 0.2 })?;
    /// assert_eq!(long.chances(), [0.2, 0.9]);
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] where an answer is not a probability: a supervisor that diverged.
    pub fn by<X>(inputs: &[X], supervisor: impl FnMut(&X) -> f64) -> Result<Self, Error> {
        let chances: Vec<f64> = inputs.iter().map(supervisor).collect();
        match chances.iter().position(|chance| !(0.0..=1.0).contains(chance)) {
            None => Ok(Self::from_targets(chances)),
            Some(place) => Err(Error::input(
                format!("weak label {} is {}", place + 1, chances[place]),
                "a probability",
                "a supervisor that has not diverged",
            )),
        }
    }

    /// Gold labels with the errors of a known structure: an experiment on errors, not a supervisor.
    ///
    /// ```
    /// use trimtab_oversight::{Labels, Weak};
    /// let gold = Labels::gold(&[true, true, false]);
    /// assert_eq!(Labels::<Weak>::flipped(&gold, &[false, true, true])?.chances(), [1.0, 0.0, 1.0]);
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] unless there is one flag per label.
    pub fn flipped(gold: &Labels<Gold>, flips: &[bool]) -> Result<Self, Error> {
        same_length(gold.len(), flips.len(), "labels", "flags")?;
        let flip = |(&chance, &flip): (&f64, &bool)| if flip { 1.0 - chance } else { chance };
        Ok(Self::from_targets(gold.targets.iter().zip(flips).map(flip).collect()))
    }

    /// The more likely class of each item as a certain label; an undecided one becomes class 0.
    #[must_use]
    pub fn hard(&self) -> Self {
        Self::from_targets(self.targets.iter().map(|&chance| f64::from(u8::from(chance > 0.5))).collect())
    }
}

impl<Y> Labels<Gold, Y> {
    /// The true answer of each item.
    #[must_use]
    pub fn gold_answers(answers: Vec<Y>) -> Self {
        Self::from_targets(answers)
    }
}

impl<Y: Clone> Labels<Weak, Y> {
    /// A supervisor's answer to each item.
    #[must_use]
    pub fn answers(answers: Vec<Y>) -> Self {
        Self::from_targets(answers)
    }

    /// The same labels on other items, at random: the control that keeps the class share and nothing else.
    #[must_use]
    pub fn shuffled(&self, source: &mut SplitMix) -> Self {
        let mut targets = self.targets.clone();
        source.shuffle(&mut targets);
        Self::from_targets(targets)
    }
}

/// One of each, or an error in words.
pub(crate) fn same_length(left: usize, right: usize, lefts: &str, rights: &str) -> Result<(), Error> {
    if left == right {
        return Ok(());
    }
    let what = format!("{left} {lefts} and {right} {rights}");
    Err(Error::input(what, "one for each", "labels of the very items that are given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_supervisor_is_refused() {
        for bad in [f64::NAN, -0.1, 1.5, f64::INFINITY] {
            let error = Labels::<Weak>::by(&[0.5, bad], |chance| *chance).unwrap_err();
            assert!(error.to_string().contains("weak label 2"), "{error}");
        }
    }

    /// Ties go to one class whatever the source, so that soft, hard and counted labels agree.
    #[test]
    fn an_undecided_label_is_class_0() {
        let labels = Labels::<Weak>::by(&[0.5, 0.500001, 0.2], |chance| *chance).unwrap();
        assert_eq!(labels.classes(), [false, true, false]);
        assert_eq!(labels.hard().chances(), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_shuffle_keeps_the_share() {
        let labels = Labels::<Weak>::by(&[0.1, 0.9, 0.8, 0.3, 0.6], |chance| *chance).unwrap();
        let mut shuffled = labels.shuffled(&mut SplitMix::new(1)).targets;
        shuffled.sort_by(f64::total_cmp);
        assert_eq!(shuffled, [0.1, 0.3, 0.6, 0.8, 0.9]);
    }
}
