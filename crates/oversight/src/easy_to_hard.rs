//! Easy-to-hard generalisation: taught on easy items only, tested on hard ones, with a shortcut that works on the easy.
//!
//! Hase et al. 2024, *The unreasonable effectiveness of easy training data for hard tasks*,
//! [arXiv:2401.06751](https://arxiv.org/abs/2401.06751), section 4: the supervision gap recovered, SGR = (easy − unsupervised)/(hard −
//! unsupervised), of accuracies on hard items. Sun et al. 2024, [arXiv:2403.09472](https://arxiv.org/abs/2403.09472).
//!
//! 1. Items are two normal classes with unit noise: six signal numbers of unequal strength, one shortcut, twelve of junk. On hard items the
//!    signal shrinks to (1 − hardness) of itself, in the same direction, and the shortcut says nothing. Labels are right on both.
//! 2. SGR is a PGR whose weak model is the unsupervised one and whose student learnt from easy items, so its intervals and the rule that
//!    withholds it are those of [`mod@crate::pgr`]. The papers have neither; they average ratios over data sets.
//! 3. Unsupervised is the rule that needs no label: the sum of all numbers. In the papers it is a pretrained model with a prompt, which
//!    knows much more.
//! 4. Easy and hard supervision have the same number of items, and cost the same. In the papers hard labels are dearer and noisier, so
//!    what is lost here by teaching the easy is lost by the shortcut alone.
//! 5. Controls: a shortcut of strength 0, and easy items with labels of other items.

use crate::{Error, Labels, TestSet, Trial, WeakScore};
use serde::Serialize;
use trimtab_run::{Stream, stream};
use trimtab_stats::{Logistic, logistic, special::normal_cdf};

/// Numbers of an item that hold the signal.
pub const SIGNAL: usize = 6;
/// Numbers that hold nothing.
pub const JUNK: usize = 12;
/// All numbers of an item: signal, shortcut, junk.
const WIDTH: usize = SIGNAL + 1 + JUNK;
/// Ridge of both fits: without one, easy items that a strong shortcut separates have no finite weights.
const RIDGE: f64 = 1e-2;

/// One experiment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Case {
    /// Length of the signal on easy items, in units of the noise.
    pub signal: f64,
    /// How much of the signal is missing from hard items, from 0 up to and without 1.
    pub hardness: f64,
    /// Strength of the shortcut on easy items, in units of the noise.
    pub shortcut: f64,
    /// Control: easy items are taught with labels of other items.
    pub other_items: bool,
    /// Labelled items, easy for one model and hard for the other.
    pub labels: usize,
    /// Hard test items, and as many easy ones.
    pub items_t: usize,
}

/// Accuracies with labels without end, in closed form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Law {
    /// Of the unsupervised rule on hard items.
    pub unsupervised: f64,
    /// Of easy supervision on hard items.
    pub easy: f64,
    /// Of hard supervision on hard items.
    pub hard: f64,
    /// Of easy supervision on easy items.
    pub on_easy: f64,
    /// (easy − unsupervised)/(hard − unsupervised); none of no gap.
    pub sgr: Option<f64>,
}

/// One seed: unsupervised, easy and hard on hard items as weak model, student and ceiling.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The triple.
    pub trial: Trial,
    /// Accuracy of easy supervision on fresh easy items.
    pub on_easy: f64,
}

/// Strength of each signal number, a vector of length 1: 1, 2, …, 6, scaled.
fn direction() -> [f64; SIGNAL] {
    let length = (1..=SIGNAL).map(|j| (j * j) as f64).sum::<f64>().sqrt();
    std::array::from_fn(|j| (j + 1) as f64 / length)
}

impl Case {
    /// # Errors
    /// [`Error::Input`] for a case that cannot be run.
    pub fn check(&self) -> Result<(), Error> {
        for (name, strength) in [("a signal", self.signal), ("a shortcut", self.shortcut)] {
            if !(0.0..=100.0).contains(&strength) {
                return Err(Error::input(format!("{name} of {strength}"), "a number from 0 to 100", "2"));
            }
        }
        if !(0.0..1.0).contains(&self.hardness) {
            let what = format!("a hardness of {}", self.hardness);
            return Err(Error::input(what, "a number from 0 up to and without 1", "0.5, which halves the signal"));
        }
        let sizes = 1..=1_000_000;
        if !sizes.contains(&self.labels) || !sizes.contains(&self.items_t) {
            let what = format!("{} labelled and {} test items", self.labels, self.items_t);
            return Err(Error::input(what, "from 1 to a million of each", "1500 and 2000"));
        }
        Ok(())
    }

    /// What labels without end give: easy supervision weighs the shortcut as it deserves on easy items, so on hard ones its margin is
    /// (1 − h)·m²/√(m² + s²) of signal m and shortcut s, against (1 − h)·m at best.
    ///
    /// ```
    /// use trimtab_oversight::easy_to_hard::Case;
    /// let case = Case { signal: 2.0, hardness: 0.5, shortcut: 0.0, other_items: false, labels: 1500, items_t: 2000 };
    /// assert!((case.law().hard - 0.8413).abs() < 1e-4); // Φ(1)
    /// assert_eq!(case.law().sgr, Some(1.0)); // no shortcut, nothing lost
    /// let half = Case { shortcut: 12f64.sqrt(), ..case }; // m² + s² = 16: half of the margin
    /// assert!((half.law().easy - 0.6915).abs() < 1e-4); // Φ(½)
    /// ```
    #[must_use]
    pub fn law(&self) -> Law {
        let (on_hard, both) = ((1.0 - self.hardness) * self.signal, self.signal.hypot(self.shortcut));
        let cosine = if both == 0.0 { 1.0 } else { self.signal / both };
        let sum: f64 = direction().iter().sum();
        let unsupervised = normal_cdf(on_hard * sum / (WIDTH as f64).sqrt());
        let hard = normal_cdf(on_hard);
        let (easy, on_easy) =
            if self.other_items { (0.5, 0.5) } else { (normal_cdf(on_hard * cosine), normal_cdf(both)) };
        let gap = hard - unsupervised;
        let sgr = (gap > 0.0).then(|| (easy - unsupervised) / gap);
        Law { unsupervised, easy, hard, on_easy, sgr }
    }

    /// Runs one seed. Hard items, and all noise, are the same for every shortcut.
    ///
    /// ```
    /// use trimtab_oversight::easy_to_hard::Case;
    /// let case = Case { signal: 2.0, hardness: 0.5, shortcut: 4.0, other_items: false, labels: 1000, items_t: 1000 };
    /// let found = case.run(1)?;
    /// assert!(found.on_easy > 0.99 && found.trial.student.accuracy() < 0.75); // sure where it was taught, lost where not
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Case::check`], and for labels of one class only.
    pub fn run(&self, seed: u64) -> Result<Outcome, Error> {
        self.check()?;
        let draw = |part: u64, items: usize, easy: bool| -> (Vec<[f64; WIDTH]>, Vec<bool>) {
            let one = |item: u64| self.item(&mut stream(seed, "oversight/easy-to-hard", part, item), easy);
            (0..items as u64).map(one).unzip()
        };
        let (hard, hard_gold) = draw(0, self.labels, false);
        let (easy, mut easy_gold) = draw(1, self.labels, true);
        if self.other_items {
            stream(seed, "oversight/easy-to-hard-other", 0, 0).shuffle(&mut easy_gold);
        }
        let (taught_easy, taught_hard) = (fit(&easy, &easy_gold)?, fit(&hard, &hard_gold)?);

        let test = |(inputs, gold): (Vec<[f64; WIDTH]>, Vec<bool>)| TestSet::new(inputs, &Labels::gold(&gold));
        let (on_hard, on_easy) = (test(draw(2, self.items_t, false))?, test(draw(3, self.items_t, true))?);
        let trial = Trial {
            seed,
            weak: WeakScore::OnTest(on_hard.score(|x| x.iter().sum::<f64>() > 0.0)),
            student: on_hard.score(|x| taught_easy.log_odds(x) > 0.0),
            ceiling: on_hard.score(|x| taught_hard.log_odds(x) > 0.0),
            positive: on_hard.positive_share(),
            weak_on_b: Vec::new(),
        };
        Ok(Outcome { trial, on_easy: on_easy.score(|x| taught_easy.log_odds(x) > 0.0).accuracy() })
    }

    fn item(&self, source: &mut Stream, easy: bool) -> ([f64; WIDTH], bool) {
        let gold = source.uniform() < 0.5;
        let side = if gold { 1.0 } else { -1.0 };
        let mut numbers: [f64; WIDTH] = std::array::from_fn(|_| source.normal());
        let left = if easy { 1.0 } else { 1.0 - self.hardness };
        for (number, strength) in numbers.iter_mut().zip(direction()) {
            *number += side * left * self.signal * strength;
        }
        if easy {
            numbers[SIGNAL] += side * self.shortcut;
        }
        (numbers, gold)
    }
}

fn fit(inputs: &[[f64; WIDTH]], gold: &[bool]) -> Result<Logistic, Error> {
    let rows: Vec<&[f64]> = inputs.iter().map(|row| &row[..]).collect();
    logistic(&rows, gold, RIDGE).ok_or_else(|| {
        let what = format!("{} items to learn from", inputs.len());
        Error::input(what, "items of both classes", "a hundred or more")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case =
        Case { signal: 2.0, hardness: 0.5, shortcut: 2.0, other_items: false, labels: 20_000, items_t: 20_000 };

    /// Known truth: with many labels all four accuracies are those of the closed form.
    #[test]
    fn accuracies_are_those_of_the_law() {
        for case in [CASE, Case { shortcut: 0.0, ..CASE }, Case { shortcut: 4.0, hardness: 0.25, ..CASE }] {
            let (found, law) = (case.run(2).unwrap(), case.law());
            let trial = &found.trial;
            let pairs = [
                (trial.weak_accuracy(), law.unsupervised),
                (trial.student.accuracy(), law.easy),
                (trial.ceiling.accuracy(), law.hard),
                (found.on_easy, law.on_easy),
            ];
            // Standard error: 0.0035 at most, and a little for the fit.
            assert!(pairs.iter().all(|(found, law)| (found - law).abs() < 0.016), "{case:?} {pairs:?}");
        }
    }

    /// Laws: the hard model does not know of the shortcut; labels of other items teach nothing; a stronger shortcut loses more.
    #[test]
    fn only_the_shortcut_is_to_blame() {
        let small = Case { labels: 1500, items_t: 4000, ..CASE };
        let of = |shortcut| Case { shortcut, ..small }.run(3).unwrap().trial;
        assert_eq!((of(0.0).ceiling, of(0.0).weak), (of(4.0).ceiling, of(4.0).weak));
        let accuracies = [0.0, 1.0, 2.0, 4.0].map(|shortcut| of(shortcut).student.accuracy());
        assert!(accuracies.windows(2).all(|pair| pair[0] > pair[1]), "{accuracies:?}");
        let mean = (0..20)
            .map(|seed| Case { other_items: true, items_t: 1000, ..small }.run(seed).unwrap().trial.student.accuracy())
            .sum::<f64>()
            / 20.0;
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
    }

    #[test]
    fn cases_that_cannot_be_run_are_refused() {
        for case in [
            Case { hardness: 1.0, ..CASE },
            Case { hardness: -0.1, ..CASE },
            Case { shortcut: f64::NAN, ..CASE },
            Case { signal: -1.0, ..CASE },
            Case { labels: 0, ..CASE },
            Case { items_t: 0, ..CASE },
            Case { labels: 1, ..CASE },
        ] {
            assert!(case.run(0).unwrap_err().to_string().contains("try: "), "{case:?}");
        }
    }
}
