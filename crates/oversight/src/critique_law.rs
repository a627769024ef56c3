//! How a judge with few checks weighs what he saw, and how often he is then right: critique in closed form.
//!
//! The question is that of Saunders et al. 2022, *Self-critiquing models for assisting human evaluators*,
//! [arXiv:2206.05802](https://arxiv.org/abs/2206.05802), section 3; the arithmetic is ours.
//!
//! 1. A critic is one number: the chance that the step which it points at in a flawed trace is the wrong one. A helpful critic has
//!    its skill, one that points at random 1/n, a sneaky one 0. No critic is one that points at random and is known to.
//! 2. So trust is one number too: the judge's belief about the first. A judge who is told that a share of critics is sneaky believes
//!    (1 − share)·skill.
//! 3. The judge weighs by Bayes' rule, so whatever he loses he loses by a wrong belief or for want of checks, never by bad sums.

use crate::Error;
use crate::binomial::binomial;
use serde::Serialize;

/// Odds above 1 by less than this are a tie, and a tie is "right".
const TIE: f64 = 1e-9;

/// What a judge has to judge, and with how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Review {
    /// n, the steps of a trace, from 2 up.
    pub steps: usize,
    /// m, the steps that the judge can check, from 1 to n.
    pub checks: usize,
    /// q, the chance that a check says what is so, of right and wrong steps alike.
    pub check_right: f64,
    /// Share of traces that have an error; they have one.
    pub flawed: f64,
}

/// What checking showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether the step pointed at looked wrong; `None` where it was not checked.
    pub pointed: Option<bool>,
    /// How many other steps were checked.
    pub others: usize,
    /// How many of those looked wrong.
    pub alarms: usize,
}

/// How often a judge is right, as shares in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shares {
    /// Of all traces: judged rightly.
    pub accuracy: f64,
    /// Of flawed traces: called flawed, and the wrong step itself looked wrong.
    pub found: f64,
    /// Of right traces: called flawed.
    pub false_alarms: f64,
}

impl Review {
    /// # Errors
    /// [`Error::Input`] for a review that nobody can make.
    pub fn check(&self) -> Result<(), Error> {
        if self.steps < 2 || self.steps > 1000 || self.checks == 0 || self.checks > self.steps {
            let what = format!("{} steps, {} checked", self.steps, self.checks);
            return Err(Error::input(
                what,
                "2 to 1000 steps, and at least one check but no more than steps",
                "20 steps, 4 checked",
            ));
        }
        if !(0.0..=1.0).contains(&self.check_right) {
            let what = format!("checks that are right with a chance of {}", self.check_right);
            return Err(Error::input(what, "a chance from 0 to 1", "0.95"));
        }
        if !(self.flawed > 0.0 && self.flawed < 1.0) {
            let what = format!("a share of {} of flawed traces", self.flawed);
            return Err(Error::input(what, "a share between 0 and 1, so that there are both sorts", "0.5"));
        }
        Ok(())
    }

    /// Whether the step pointed at is worth a check: where the flaw is believed to be there at least as likely as at another step.
    #[must_use]
    pub fn checks_pointed(&self, believed: f64) -> bool {
        believed * self.steps as f64 >= 1.0 - TIE || self.checks == self.steps
    }

    /// Whether the judge calls the trace flawed: prior odds times the sum over steps of (chance that the flaw is there) × (likelihood
    /// ratio of its check), above 1. `believed` is the chance that a flaw is where the critic points, in [0, 1].
    ///
    /// ```
    /// use trimtab_oversight::critique_law::{Review, Seen};
    /// let review = Review { steps: 4, checks: 2, check_right: 0.75, flawed: 0.5 };
    /// // An alarm has the ratio 3, a check without one 1/3. Nothing believed: (3 + 1/3 + 1 + 1)/4 = 4/3, flawed.
    /// let seen = Seen { pointed: Some(false), others: 1, alarms: 1 };
    /// assert!(review.calls_flawed(seen, 0.25));
    /// // A trusted critic pointed at a step that looks right: 0.9·1/3 + 0.1·(3 + 1 + 1)/3 = 0.47, right.
    /// assert!(!review.calls_flawed(seen, 0.9));
    /// ```
    #[must_use]
    pub fn calls_flawed(&self, seen: Seen, believed: f64) -> bool {
        let (alarm, none) = (self.check_right / (1.0 - self.check_right), (1.0 - self.check_right) / self.check_right);
        // A check that never errs has an infinite ratio, which a step without weight must not see.
        let weighed = |weight: f64, ratio: f64| if weight == 0.0 { 0.0 } else { weight * ratio };
        let elsewhere = (1.0 - believed) / (self.steps - 1) as f64;
        let pointed =
            weighed(believed, seen.pointed.map_or(1.0, |looked_wrong| if looked_wrong { alarm } else { none }));
        let quiet = weighed(elsewhere * (seen.others - seen.alarms) as f64, none);
        let alarms = weighed(elsewhere * seen.alarms as f64, alarm);
        let unseen = elsewhere * (self.steps - 1 - seen.others) as f64;
        self.flawed / (1.0 - self.flawed) * (pointed + quiet + alarms + unseen) > 1.0 + TIE
    }

    /// How often a judge who believes `believed` is right about traces whose critic points at the flaw with the chance `hits`.
    ///
    /// ```
    /// use trimtab_oversight::critique_law::Review;
    /// // Two steps, one check that never errs, half of the traces flawed.
    /// let review = Review { steps: 2, checks: 1, check_right: 1.0, flawed: 0.5 };
    /// assert_eq!(review.law(1.0, 1.0).accuracy, 1.0); // led to the flaw
    /// assert_eq!(review.law(0.0, 1.0).accuracy, 0.5); // led away from it, and sure of the critic
    /// assert_eq!(review.law(0.0, 0.0).accuracy, 1.0); // a critic known to be sneaky names a right step
    /// ```
    #[must_use]
    pub fn law(&self, hits: f64, believed: f64) -> Shares {
        let pointed = self.checks_pointed(believed);
        let others = (self.checks - usize::from(pointed)).min(self.steps - 1);
        let (wrong_alarm, others_there) = (1.0 - self.check_right, others as f64 / (self.steps - 1) as f64);
        let (mut called, mut found, mut false_alarms) = (0.0, 0.0, 0.0);
        let looks: &[Option<bool>] = if pointed { &[Some(false), Some(true)] } else { &[None] };
        for &look in looks {
            // The chance of this look at the step pointed at, where that is right and where it is the flaw.
            let looks = |alarm: f64| look.map_or(1.0, |looked_wrong| if looked_wrong { alarm } else { 1.0 - alarm });
            let (if_right, if_flaw) = (looks(wrong_alarm), looks(self.check_right));
            for alarms in 0..=others {
                if !self.calls_flawed(Seen { pointed: look, others, alarms }, believed) {
                    continue;
                }
                let all_right = binomial(alarms, others, wrong_alarm);
                let rest = |alarms: usize| if others == 0 { 0.0 } else { binomial(alarms, others - 1, wrong_alarm) };
                let flaw_alarmed = if alarms == 0 { 0.0 } else { self.check_right * rest(alarms - 1) };
                let flaw_passed = wrong_alarm * rest(alarms);
                false_alarms += if_right * all_right;
                let elsewhere = others_there * (flaw_alarmed + flaw_passed) + (1.0 - others_there) * all_right;
                called += hits * if_flaw * all_right + (1.0 - hits) * if_right * elsewhere;
                let at_pointed = if look == Some(true) { hits * if_flaw * all_right } else { 0.0 };
                found += at_pointed + (1.0 - hits) * if_right * others_there * flaw_alarmed;
            }
        }
        let accuracy = self.flawed * called + (1.0 - self.flawed) * (1.0 - false_alarms);
        Shares { accuracy, found, false_alarms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVIEW: Review = Review { steps: 20, checks: 4, check_right: 0.95, flawed: 0.5 };

    /// Law: no belief serves better than the truth, and the judge's knowledge of the critic is never worth less than nothing.
    #[test]
    fn the_true_belief_is_the_best() {
        for review in [REVIEW, Review { flawed: 0.2, ..REVIEW }, Review { checks: 1, check_right: 0.8, ..REVIEW }] {
            let alone = review.law(0.05, 0.05).accuracy;
            for hits in [0.0, 0.05, 0.2, 0.5, 0.9, 1.0] {
                let best = review.law(hits, hits).accuracy;
                assert!(best >= alone - 1e-12, "{review:?} {hits}");
                for believed in [0.0, 0.05, 0.3, 0.6, 1.0] {
                    assert!(review.law(hits, believed).accuracy <= best + 1e-12, "{review:?} {hits} {believed}");
                }
            }
        }
    }

    /// Law: where every step is checked and no check errs, critics change nothing, whatever they do and whatever is believed
    /// short of certainty.
    #[test]
    fn with_all_checked_critics_change_nothing() {
        let review = Review { steps: 6, checks: 6, check_right: 1.0, flawed: 0.3 };
        for (hits, believed) in [(0.0, 0.9), (1.0, 0.1), (0.5, 0.5)] {
            let shares = review.law(hits, believed);
            assert!((shares.accuracy - 1.0).abs() < 1e-12 && (shares.found - 1.0).abs() < 1e-12, "{hits} {believed}");
        }
    }

    #[test]
    fn reviews_that_cannot_be_made_are_refused() {
        for review in [
            Review { steps: 1, checks: 1, ..REVIEW },
            Review { checks: 0, ..REVIEW },
            Review { checks: 21, ..REVIEW },
            Review { check_right: 1.2, ..REVIEW },
            Review { check_right: f64::NAN, ..REVIEW },
            Review { flawed: 1.0, ..REVIEW },
        ] {
            assert!(review.check().unwrap_err().to_string().contains("try: "), "{review:?}");
        }
    }
}
