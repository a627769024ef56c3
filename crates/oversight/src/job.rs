//! Who may be trained on what: the three fits of a weak-to-strong experiment, and the test that judges them.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 3.
//!
//! 1. The weak model learns from gold on half A, the student from the weak model's labels on half B, and the ceiling from
//!    gold on half B. A ceiling is made only beside a student, so it has the student's very inputs; released code trains it
//!    on the other half, which moves the denominator of PGR.
//! 2. A student cannot be made with gold: it does not compile. This is the whole protocol, so it is a doctest:
//!
//! ```
//! use trimtab_oversight::{Labels, StudentJob, Weak};
//! let inputs = [0.3, 0.7];
//! let labels = Labels::<Weak>::by(&inputs, |x| *x)?;
//! StudentJob::new(&inputs, &labels)?;
//! # Ok::<(), trimtab_oversight::Error>(())
//! ```
//!
//! ```compile_fail,E0308
//! use trimtab_oversight::{Labels, StudentJob};
//! let inputs = [0.3, 0.7];
//! let labels = Labels::gold(&[false, true]);
//! StudentJob::new(&inputs, &labels)?; // expected `Labels<Weak>`, found `Labels<Gold>`
//! # Ok::<(), trimtab_oversight::Error>(())
//! ```
//! 3. The truth of T is behind [`TestSet`], which counts how often it was asked, since tuning on T is the usual leak.

use crate::labels::same_length;
use crate::{Error, Gold, Labels, Weak};
use std::cell::Cell;

/// What a learner is given: inputs, and for each the chance of class 1 to aim at, in [0, 1], or the answer `Y`.
pub trait Job<X, Y = f64> {
    /// The inputs, n of them.
    fn inputs(&self) -> &[X];
    /// The target of each.
    fn targets(&self) -> &[Y];
}

/// Fitting the weak model: gold labels of half A.
#[derive(Debug, Clone, Copy)]
pub struct WeakJob<'a, X, Y = f64> {
    inputs: &'a [X],
    labels: &'a Labels<Gold, Y>,
}

/// Fitting the student: weak labels of half B, and no other.
#[derive(Debug, Clone, Copy)]
pub struct StudentJob<'a, X, Y = f64> {
    inputs: &'a [X],
    labels: &'a Labels<Weak, Y>,
}

/// Fitting the ceiling: gold labels of the student's inputs.
#[derive(Debug, Clone, Copy)]
pub struct CeilingJob<'a, X, Y = f64> {
    inputs: &'a [X],
    labels: &'a Labels<Gold, Y>,
}

impl<'a, X, Y> WeakJob<'a, X, Y> {
    /// # Errors
    /// [`Error::Input`] unless there is one label per input.
    pub fn new(inputs: &'a [X], labels: &'a Labels<Gold, Y>) -> Result<Self, Error> {
        same_length(inputs.len(), labels.len(), "inputs", "labels")?;
        Ok(Self { inputs, labels })
    }
}

impl<'a, X, Y> StudentJob<'a, X, Y> {
    /// # Errors
    /// [`Error::Input`] unless there is one label per input.
    pub fn new(inputs: &'a [X], labels: &'a Labels<Weak, Y>) -> Result<Self, Error> {
        same_length(inputs.len(), labels.len(), "inputs", "labels")?;
        Ok(Self { inputs, labels })
    }

    /// The ceiling of this student: the same inputs with gold labels.
    ///
    /// # Errors
    /// [`Error::Input`] unless there is one label per input.
    pub fn ceiling(&self, labels: &'a Labels<Gold, Y>) -> Result<CeilingJob<'a, X, Y>, Error> {
        same_length(self.inputs.len(), labels.len(), "inputs", "labels")?;
        Ok(CeilingJob { inputs: self.inputs, labels })
    }
}

macro_rules! is_a_job {
    ($($job:ident),*) => {$(
        impl<X, Y> Job<X, Y> for $job<'_, X, Y> {
            fn inputs(&self) -> &[X] {
                self.inputs
            }
            fn targets(&self) -> &[Y] {
                self.labels.targets()
            }
        }
    )*};
}
is_a_job!(WeakJob, StudentJob, CeilingJob);

/// A job, its inputs seen otherwise: by their features, say. Its labels are those of the job it is of, and of its kind.
#[derive(Debug, Clone)]
pub struct SeenJob<'a, X, Y = f64> {
    inputs: Vec<X>,
    targets: &'a [Y],
}

impl<'a, X, Y> SeenJob<'a, X, Y> {
    /// `job` with `see` of each input.
    pub fn of<Z>(job: &'a impl Job<Z, Y>, see: impl FnMut(&Z) -> X) -> Self
    where
        Z: 'a,
    {
        Self { inputs: job.inputs().iter().map(see).collect(), targets: job.targets() }
    }
}

impl<X, Y> Job<X, Y> for SeenJob<'_, X, Y> {
    fn inputs(&self) -> &[X] {
        &self.inputs
    }
    fn targets(&self) -> &[Y] {
        self.targets
    }
}

/// The test set T: n items whose truth, a class or an answer `Y`, is seen only as scores, and every look is counted.
#[derive(Debug)]
pub struct TestSet<X, Y = bool> {
    inputs: Vec<X>,
    gold: Vec<Y>,
    asked: Cell<u64>,
}

/// What a model said of each item of T, and whether it was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored<Y = bool> {
    /// The class, or the answer, it said.
    pub said: Vec<Y>,
    /// Whether that is the truth.
    pub right: Vec<bool>,
}

impl<Y> Scored<Y> {
    /// Share of items that are right; NaN of none.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        share(&self.right)
    }
}

impl<X> TestSet<X> {
    /// # Errors
    /// [`Error::Input`] unless there is one label per input.
    pub fn new(inputs: Vec<X>, gold: &Labels<Gold>) -> Result<Self, Error> {
        same_length(inputs.len(), gold.len(), "inputs", "labels")?;
        Ok(Self { inputs, gold: gold.classes(), asked: Cell::new(0) })
    }

    /// Share of class 1; NaN of no items.
    #[must_use]
    pub fn positive_share(&self) -> f64 {
        share(&self.gold)
    }
}

impl<X, Y: Clone + PartialEq> TestSet<X, Y> {
    /// Of a task with answers.
    ///
    /// # Errors
    /// [`Error::Input`] unless there is one label per input.
    pub fn of_answers(inputs: Vec<X>, gold: &Labels<Gold, Y>) -> Result<Self, Error> {
        same_length(inputs.len(), gold.len(), "inputs", "labels")?;
        Ok(Self { inputs, gold: gold.targets().to_vec(), asked: Cell::new(0) })
    }

    /// Scores a model, and counts the look.
    ///
    /// ```
    /// use trimtab_oversight::{Labels, TestSet};
    /// let test = TestSet::new(vec![1, 2, 3, 4], &Labels::gold(&[false, false, true, true]))?;
    /// assert_eq!(test.score(|x| *x > 1).accuracy(), 0.75);
    /// assert_eq!(test.asked(), 1);
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    pub fn score(&self, model: impl FnMut(&X) -> Y) -> Scored<Y> {
        self.asked.set(self.asked.get() + 1);
        let said: Vec<Y> = self.inputs.iter().map(model).collect();
        let right = said.iter().zip(&self.gold).map(|(said, gold)| said == gold).collect();
        Scored { said, right }
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.gold.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gold.is_empty()
    }

    /// How often a model was scored.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.get()
    }
}

impl TestSet<usize> {
    /// Scores a model by its log-odds of class 1, of which the inputs are the places.
    pub(crate) fn score_log_odds(&self, log_odds: &[f32]) -> Scored {
        self.score(|place| log_odds[*place] > 0.0)
    }
}

/// Share of true; NaN of none.
pub(crate) fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_label_per_input() {
        let gold = Labels::gold(&[true, false]);
        assert!(WeakJob::new(&[1.0], &gold).unwrap_err().to_string().contains("1 inputs and 2 labels"));
        let (inputs, more) = ([1.0, 0.0], Labels::gold(&[true, false, true]));
        let labels = Labels::<Weak>::by(&inputs, |x| *x).unwrap();
        let student = StudentJob::new(&inputs, &labels).unwrap();
        assert!(student.ceiling(&more).is_err());
        let ceiling = student.ceiling(&gold).unwrap();
        assert_eq!(ceiling.inputs(), student.inputs());
        assert_eq!(ceiling.targets(), [1.0, 0.0]);
        assert!(TestSet::new(vec![1.0], &gold).is_err());
    }
}
