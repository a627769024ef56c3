//! Sandwiching: a non-expert who may put a few queries to an assistant that is able, and sometimes wrong with confidence.
//!
//! Bowman et al. 2022, *Measuring progress on scalable oversight for large language models*,
//! [arXiv:2211.03540](https://arxiv.org/abs/2211.03540), sections 2 and 4; Cotra 2021 for the name.
//!
//! 1. The expert is construction: questions have one of two answers, known. The non-expert sees x ~ N(±δ, 1), as the answer is, so
//!    alone he is right with Φ(δ) and his confidence is calibrated.
//! 2. An assistant answers each query anew, right with one chance on plain questions and another on blind ones, a class that nobody can
//!    tell from the rest. Where the latter is below ½, asking again gives the same mistake again.
//! 3. The non-expert takes queries for independent. What one is worth he has learnt on questions whose answers he was shown, so he is not
//!    wrong about the assistant on average, only about how its errors hang together. A wary one weighs by the classes' true chances, as
//!    nobody could; he shows what the mistake costs.
//! 4. People in the paper talk to the assistant and may doubt it; here they count. There is no persuasion.
//! 5. Control: an assistant that knows nothing. Who has learnt what its answers are worth must gain and lose nothing by it.

use crate::Error;
use crate::binomial::binomial;
use crate::reliance::Answer;
use serde::{Deserialize, Serialize};
use trimtab_run::stream;
use trimtab_stats::special::normal_cdf;

/// Who answers the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assistant {
    /// Able on plain questions, confidently wrong on blind ones.
    Able,
    /// Control: right one time in two, whatever is asked.
    KnowsNothing,
}

/// How answers are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighing {
    /// As independent answers of one learnt accuracy.
    Independent,
    /// By the true chances of both classes of questions.
    Wary,
}

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sandwich {
    /// δ, how much the non-expert sees.
    pub knowledge: f64,
    /// The able assistant's chance to be right on a plain question.
    pub plain: f64,
    /// Its chance on a blind one.
    pub blind: f64,
    /// Share of blind questions.
    pub blind_share: f64,
    /// Questions, with their answers, on which the non-expert learns what an answer of the assistant is worth.
    pub shown: usize,
}

/// Log-odds that `right` of `budget` answers add for what they say, where an answer is right with a chance that is `accuracies[i].1` in
/// a share `accuracies[i].0` of questions. Negative where most are against it.
///
/// ```
/// use trimtab_oversight::sandwich::worth;
/// // Two answers for and one against of accuracy ¾: ln 3 once.
/// assert!((worth(2, 3, &[(1.0, 0.75)]) - 3f64.ln()).abs() < 1e-12);
/// // Half of the questions answered always rightly, half always wrongly: nothing, however often one asks.
/// assert_eq!(worth(5, 5, &[(0.5, 1.0), (0.5, 0.0)]), 0.0);
/// ```
#[must_use]
pub fn worth(right: usize, budget: usize, accuracies: &[(f64, f64)]) -> f64 {
    let chance = |right: usize| accuracies.iter().map(|(share, p)| share * binomial(right, budget, *p)).sum::<f64>();
    // By symmetry the ways cancel. An outcome that neither truth allows says nothing.
    let (for_it, against) = (chance(right), chance(budget - right));
    if for_it == against { 0.0 } else { (for_it / against).ln() }
}

impl Sandwich {
    /// # Errors
    /// [`Error::Input`] for settings that nobody can have.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.knowledge > 0.0 && self.knowledge <= 10.0) {
            let what = format!("a knowledge of {}", self.knowledge);
            return Err(Error::input(what, "a number above 0 and up to 10", "0.4, which is right two times in three"));
        }
        let chances = [
            ("plain questions", self.plain),
            ("blind questions", self.blind),
            ("the share of blind ones", self.blind_share),
        ];
        for (name, chance) in chances {
            if !(0.0..=1.0).contains(&chance) {
                return Err(Error::input(format!("{name}: {chance}"), "a number from 0 to 1", "0.9"));
            }
        }
        if !(1..=1_000_000).contains(&self.shown) {
            let what = format!("{} questions to learn the assistant's worth on", self.shown);
            return Err(Error::input(what, "from 1 to a million", "2000"));
        }
        Ok(())
    }

    /// (share of questions, chance of a right answer) of the assistant's classes of questions.
    #[must_use]
    pub fn classes(&self, assistant: Assistant) -> [(f64, f64); 2] {
        let [plain, blind] = match assistant {
            Assistant::Able => [self.plain, self.blind],
            Assistant::KnowsNothing => [0.5, 0.5],
        };
        [(1.0 - self.blind_share, plain), (self.blind_share, blind)]
    }

    /// Share of the assistant's single answers that are right.
    #[must_use]
    pub fn assistant_accuracy(&self, assistant: Assistant) -> f64 {
        self.classes(assistant).iter().map(|(share, chance)| share * chance).sum()
    }

    /// Accuracy with `budget` queries of a non-expert who takes them for independent and of accuracy `believed`, in closed form:
    /// Σ over k right answers of P(k)·Φ(δ + v(k)/2δ), with v the log-odds that they add.
    ///
    /// ```
    /// use trimtab_oversight::sandwich::{Assistant, Sandwich};
    /// use trimtab_stats::special::normal_cdf;
    /// let one = Sandwich { knowledge: 0.5, plain: 1.0, blind: 1.0, blind_share: 0.0, shown: 100 };
    /// assert!((one.law(Assistant::Able, 0, &[(1.0, 0.9)]) - normal_cdf(0.5)).abs() < 1e-12); // no query: alone
    /// assert!((one.law(Assistant::Able, 1, &[(1.0, 0.5)]) - normal_cdf(0.5)).abs() < 1e-12); // believed worthless
    /// assert!((one.law(Assistant::Able, 1, &[(1.0, 0.75)]) - normal_cdf(0.5 + 3f64.ln())).abs() < 1e-12); // δ + ln 3/2δ
    /// ```
    #[must_use]
    pub fn law(&self, assistant: Assistant, budget: usize, believed: &[(f64, f64)]) -> f64 {
        (0..=budget)
            .map(|right| {
                let chance: f64 =
                    self.classes(assistant).iter().map(|(share, p)| share * binomial(right, budget, *p)).sum();
                let added = worth(right, budget, believed) / (2.0 * self.knowledge);
                if chance == 0.0 { 0.0 } else { chance * normal_cdf(self.knowledge + added) }
            })
            .sum()
    }

    /// What the non-expert of seed `seed` believes of one answer of the assistant: (right + 1)/(shown + 2) on the questions shown to him.
    #[must_use]
    pub fn learnt(&self, assistant: Assistant, seed: u64) -> f64 {
        let right = (0..self.shown as u64)
            .filter(|&item| {
                let mut source = stream(seed, "oversight/sandwich", 1, item);
                let chance = self.chance(assistant, source.uniform() < self.blind_share);
                source.uniform() < chance
            })
            .count();
        (right as f64 + 1.0) / (self.shown as f64 + 2.0)
    }

    fn chance(&self, assistant: Assistant, blind: bool) -> f64 {
        let [(_, plain), (_, of_blind)] = self.classes(assistant);
        if blind { of_blind } else { plain }
    }

    /// The answers to `items` questions of seed `seed` with `budget` queries each. Questions, what the non-expert sees, and the first
    /// queries are the same for every budget and weighing.
    ///
    /// ```
    /// use trimtab_oversight::sandwich::{Assistant, Sandwich, Weighing};
    /// let settings = Sandwich { knowledge: 0.4, plain: 0.9, blind: 0.1, blind_share: 0.2, shown: 500 };
    /// let answers = settings.ask(Assistant::Able, Weighing::Independent, 0, 100, 1)?;
    /// assert!(answers.iter().all(|answer| answer.assisted == answer.alone));
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sandwich::check`], for no questions, and for more than 1000 queries.
    pub fn ask(
        &self,
        assistant: Assistant,
        weighing: Weighing,
        budget: usize,
        items: usize,
        seed: u64,
    ) -> Result<Vec<Answer>, Error> {
        self.check()?;
        if items == 0 || budget > 1000 {
            let what = format!("{items} questions with {budget} queries each");
            return Err(Error::input(
                what,
                "at least one question and at most 1000 queries",
                "2000 questions, 8 queries",
            ));
        }
        let believed = match weighing {
            Weighing::Independent => vec![(1.0, self.learnt(assistant, seed))],
            Weighing::Wary => self.classes(assistant).to_vec(),
        };
        let added: Vec<f64> = (0..=budget).map(|right| worth(right, budget, &believed)).collect();
        let one = |item: u64| {
            let mut source = stream(seed, "oversight/sandwich", 0, item);
            let truth = source.uniform() < 0.5;
            let side = if truth { 1.0 } else { -1.0 };
            let seen = 2.0 * self.knowledge * (side * self.knowledge + source.normal());
            let chance = self.chance(assistant, source.uniform() < self.blind_share);
            let first_right = source.uniform() < chance;
            let right =
                (1..budget).filter(|_| source.uniform() < chance).count() + usize::from(first_right && budget > 0);
            let likely = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
            Answer { truth, alone: likely(seen), assisted: likely(seen + side * added[right]), right, first_right }
        };
        Ok((0..items as u64).map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Sandwich = Sandwich { knowledge: 0.4, plain: 0.9, blind: 0.1, blind_share: 0.2, shown: 2000 };

    fn accuracy(answers: &[Answer]) -> f64 {
        answers.iter().filter(|a| (a.assisted > 0.5) == a.truth).count() as f64 / answers.len() as f64
    }

    /// Known truth: accuracy is that of the closed form, for both assistants and both ways to weigh.
    #[test]
    fn accuracies_are_those_of_the_law() {
        for assistant in [Assistant::Able, Assistant::KnowsNothing] {
            for budget in [0, 1, 2, 5] {
                let learnt = SETTINGS.learnt(assistant, 3);
                let of = |weighing| accuracy(&SETTINGS.ask(assistant, weighing, budget, 20_000, 3).unwrap());
                // Standard error: 0.0035.
                let law = SETTINGS.law(assistant, budget, &[(1.0, learnt)]);
                assert!((of(Weighing::Independent) - law).abs() < 0.012, "{assistant:?} {budget} {law}");
                let law = SETTINGS.law(assistant, budget, &SETTINGS.classes(assistant));
                assert!((of(Weighing::Wary) - law).abs() < 0.012, "{assistant:?} {budget} {law}");
            }
        }
    }

    /// Planted: the non-expert learns the assistant's accuracy, and his own is Φ(δ).
    #[test]
    fn what_is_planted_is_learnt() {
        let known = SETTINGS.assistant_accuracy(Assistant::Able);
        assert!((known - 0.74).abs() < 1e-12);
        // Standard error: 0.01.
        assert!((SETTINGS.learnt(Assistant::Able, 1) - known).abs() < 0.035);
        let answers = SETTINGS.ask(Assistant::Able, Weighing::Wary, 3, 20_000, 1).unwrap();
        let alone = answers.iter().filter(|a| (a.alone > 0.5) == a.truth).count() as f64 / 20_000.0;
        let first = answers.iter().filter(|a| a.first_right).count() as f64 / 20_000.0;
        assert!((alone - normal_cdf(0.4)).abs() < 0.012 && (first - known).abs() < 0.012, "{alone} {first}");
    }

    /// Laws: the wary lose by no query; who knows that answers are worth nothing moves by none; more of independent errors is better.
    #[test]
    fn queries_help_whom_they_must() {
        let wary = |budget| SETTINGS.law(Assistant::Able, budget, &SETTINGS.classes(Assistant::Able));
        assert!((0..12).all(|budget| wary(budget + 1) >= wary(budget) - 1e-12));
        let nothing = SETTINGS.ask(Assistant::KnowsNothing, Weighing::Wary, 8, 500, 2).unwrap();
        assert!(nothing.iter().all(|a| (a.assisted - a.alone).abs() < 1e-9));
        let plain = Sandwich { blind_share: 0.0, ..SETTINGS };
        let of = |budget| plain.law(Assistant::Able, budget, &[(1.0, 0.9)]);
        assert!(of(8) > of(4) && of(4) > of(2) && of(8) > 0.98);
    }

    #[test]
    fn settings_that_nobody_can_have_are_refused() {
        for settings in [
            Sandwich { knowledge: 0.0, ..SETTINGS },
            Sandwich { plain: 1.5, ..SETTINGS },
            Sandwich { blind: -0.1, ..SETTINGS },
            Sandwich { blind_share: f64::NAN, ..SETTINGS },
            Sandwich { shown: 0, ..SETTINGS },
        ] {
            assert!(settings.ask(Assistant::Able, Weighing::Wary, 1, 10, 0).is_err(), "{settings:?}");
        }
        assert!(SETTINGS.ask(Assistant::Able, Weighing::Wary, 1, 0, 0).is_err());
        assert!(SETTINGS.ask(Assistant::Able, Weighing::Wary, 1001, 10, 0).is_err());
    }
}
