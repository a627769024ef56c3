//! Labels with the help of critics, some of which are sneaky: arithmetic traces whose errors are known by construction.
//!
//! Saunders et al. 2022, *Self-critiquing models for assisting human evaluators*, [arXiv:2206.05802](https://arxiv.org/abs/2206.05802),
//! section 3 (people find more flaws with critiques); McAleese et al. 2024, *LLM critics help catch LLM bugs*,
//! [arXiv:2407.00215](https://arxiv.org/abs/2407.00215) (inserted errors); Kirchner et al. 2024,
//! [arXiv:2407.13692](https://arxiv.org/abs/2407.13692), for the sneaky side.
//!
//! 1. A trace is a running sum of n steps. A flawed one has one step whose result is off; what follows is right of what it was given, so
//!    only a check of that very step can show it.
//! 2. The judge's time is counted in checks, m of n steps, each right with a given chance. He says "flawed" or "right".
//! 3. A critic points at one step of every trace. A helpful one finds the flaw with a chance that is its skill, and else points at a
//!    right step, as it must in a right trace. A sneaky one always points at a right step.
//! 4. There is no text, so nobody is persuaded: what a sneaky critic takes is a check, and what a trusting judge believes about the
//!    rest. It cannot choose a step at which the judge will err, so it is not the worst critic there is.
//! 5. Control: a critic that points at random before a judge who knows it is no critic at all.

use crate::Error;
use crate::critique_law::{Review, Seen, Shares};
use serde::{Deserialize, Serialize};
use trimtab_run::{Stream, stream};

/// Who points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Critic {
    /// Nobody: the judge checks steps at random.
    Unaided,
    /// Control: at a step drawn at random.
    Random,
    /// At the flaw, as often as its skill lets it.
    Helpful,
    /// At a right step.
    Sneaky,
    /// Each trace's critic drawn from helpful and sneaky ones.
    Mixed,
}

/// Settings of the game.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Game {
    /// What is judged, with how many checks.
    pub review: Review,
    /// The chance that a helpful critic finds a flaw.
    pub skill: f64,
    /// Share of sneaky critics among the mixed.
    pub sneaky: f64,
}

/// One judged trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it has an error.
    pub flawed: bool,
    /// Whether the judge said so.
    pub called_flawed: bool,
    /// Whether the wrong step was checked and looked wrong.
    pub flaw_seen: bool,
}

/// The shares of verdicts; an undefined one, as of no flawed trace, is NaN.
///
/// ```
/// use trimtab_oversight::critique::{Verdict, shares};
/// let verdict = |flawed, called_flawed| Verdict { flawed, called_flawed, flaw_seen: flawed && called_flawed };
/// let found = shares(&[verdict(true, true), verdict(true, false), verdict(false, false), verdict(false, false)]);
/// assert_eq!((found.accuracy, found.found, found.false_alarms), (0.75, 0.5, 0.0));
/// ```
#[must_use]
pub fn shares(verdicts: &[Verdict]) -> Shares {
    let share = |among: &dyn Fn(&Verdict) -> bool, of: &dyn Fn(&Verdict) -> bool| {
        let among = || verdicts.iter().filter(|verdict| among(verdict));
        among().filter(|verdict| of(verdict)).count() as f64 / among().count() as f64
    };
    Shares {
        accuracy: share(&|_| true, &|v| v.flawed == v.called_flawed),
        found: share(&|v| v.flawed, &|v| v.called_flawed && v.flaw_seen),
        false_alarms: share(&|v| !v.flawed, &|v| v.called_flawed),
    }
}

impl Game {
    /// # Errors
    /// [`Error::Input`] for a game that cannot be played.
    pub fn check(&self) -> Result<(), Error> {
        self.review.check()?;
        for (name, chance) in [("a critic's skill", self.skill), ("a share of sneaky critics", self.sneaky)] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(Error::input(format!("{name} of {chance}"), "a number from 0 to 1", "0.5"));
            }
        }
        Ok(())
    }

    /// The chance that this critic points at the flaw of a flawed trace.
    #[must_use]
    pub fn hits(&self, critic: Critic) -> f64 {
        match critic {
            Critic::Unaided | Critic::Random => 1.0 / self.review.steps as f64,
            Critic::Helpful => self.skill,
            Critic::Sneaky => 0.0,
            Critic::Mixed => (1.0 - self.sneaky) * self.skill,
        }
    }

    /// What a judge believes of the step pointed at who trusts critics to be helpful with the chance `trust`; of the control he knows it.
    #[must_use]
    pub fn believed(&self, critic: Critic, trust: f64) -> f64 {
        match critic {
            Critic::Unaided | Critic::Random => self.hits(critic),
            Critic::Helpful | Critic::Sneaky | Critic::Mixed => trust * self.skill,
        }
    }

    /// The verdicts on `items` traces of seed `seed`: the same traces, and the same outcome of every check, for every critic and trust.
    ///
    /// ```
    /// use trimtab_oversight::{critique::{Critic, Game, shares}, critique_law::Review};
    /// let review = Review { steps: 20, checks: 4, check_right: 0.95, flawed: 0.5 };
    /// let game = Game { review, skill: 0.8, sneaky: 0.5 };
    /// let accuracy = |critic| Ok::<_, trimtab_oversight::Error>(shares(&game.play(critic, 1.0, 1000, 1)?).accuracy);
    /// assert!(accuracy(Critic::Helpful)? > accuracy(Critic::Sneaky)? + 0.2);
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Game::check`], for no items, and for a trust that is no probability.
    pub fn play(&self, critic: Critic, trust: f64, items: usize, seed: u64) -> Result<Vec<Verdict>, Error> {
        self.check()?;
        if items == 0 || !(0.0..=1.0).contains(&trust) {
            let what = format!("{items} traces before a judge whose trust is {trust}");
            return Err(Error::input(what, "traces, and a trust from 0 to 1", "2000 traces and a trust of 0.5"));
        }
        Ok((0..items as u64)
            .map(|item| self.verdict(critic, trust, &mut stream(seed, "oversight/critique", 0, item)))
            .collect())
    }

    /// One trace. Everything is drawn in one order whoever points, so that arms differ in nothing else.
    fn verdict(&self, critic: Critic, trust: f64, source: &mut Stream) -> Verdict {
        let n = self.review.steps;
        let flaw = (source.uniform() < self.review.flawed).then(|| source.below(n as u64) as usize);
        let steps = trace(n, flaw, source);
        // A check adds anew; where it errs, it says the contrary of what is so.
        let looks_wrong: Vec<bool> =
            steps.iter().map(|step| step.is_right() != (source.uniform() < self.review.check_right)).collect();
        let mut order: Vec<usize> = (0..n).collect();
        source.shuffle(&mut order);
        let (at_random, right_step) = (source.below(n as u64) as usize, source.below(n as u64 - 1) as usize);
        // The right steps of a flawed trace, counted past the flaw.
        let right_step = right_step + usize::from(flaw.is_some_and(|flaw| right_step >= flaw));
        let (finds, is_sneaky) = (source.uniform() < self.skill, source.uniform() < self.sneaky);
        let helpful = flaw.filter(|_| finds).unwrap_or(right_step);
        let pointed = match critic {
            Critic::Unaided => order[0],
            Critic::Random => at_random,
            Critic::Helpful => helpful,
            Critic::Sneaky => right_step,
            Critic::Mixed => {
                if is_sneaky {
                    right_step
                } else {
                    helpful
                }
            }
        };
        let believed = self.believed(critic, trust);
        let checks_pointed = self.review.checks_pointed(believed);
        let others: Vec<usize> = order
            .into_iter()
            .filter(|step| *step != pointed)
            .take(self.review.checks - usize::from(checks_pointed))
            .collect();
        let seen = Seen {
            pointed: checks_pointed.then(|| looks_wrong[pointed]),
            others: others.len(),
            alarms: others.iter().filter(|step| looks_wrong[**step]).count(),
        };
        let checked = |step: usize| (checks_pointed && step == pointed) || others.contains(&step);
        Verdict {
            flawed: steps.iter().any(|step| !step.is_right()),
            called_flawed: self.review.calls_flawed(seen, believed),
            flaw_seen: flaw.is_some_and(|flaw| checked(flaw) && looks_wrong[flaw]),
        }
    }
}

/// A step of a running sum: `before + added = after`, as it is written.
struct Step {
    before: i64,
    added: i64,
    after: i64,
}

impl Step {
    fn is_right(&self) -> bool {
        self.before + self.added == self.after
    }
}

/// A running sum of n numbers from 1 to 99; the result of step `flaw` is off by 1 to 9 either way, and is carried on.
fn trace(n: usize, flaw: Option<usize>, source: &mut Stream) -> Vec<Step> {
    let mut before = 0;
    (0..n)
        .map(|place| {
            let (added, off) = (1 + source.below(99) as i64, 1 + source.below(9) as i64);
            let off = if source.uniform() < 0.5 { off } else { -off };
            let after = before + added + if flaw == Some(place) { off } else { 0 };
            let step = Step { before, added, after };
            before = after;
            step
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAME: Game =
        Game { review: Review { steps: 12, checks: 3, check_right: 0.9, flawed: 0.5 }, skill: 0.7, sneaky: 0.5 };

    /// Known truth: every critic before every judge is as often right, finds and raises as the closed form says.
    #[test]
    fn shares_are_those_of_the_law() {
        use Critic::{Helpful, Mixed, Random, Sneaky, Unaided};
        for game in [GAME, Game { review: Review { check_right: 1.0, flawed: 0.3, checks: 5, ..GAME.review }, ..GAME }]
        {
            for (critic, trust) in [
                (Unaided, 1.0),
                (Random, 1.0),
                (Helpful, 1.0),
                (Sneaky, 1.0),
                (Sneaky, 0.0),
                (Mixed, 1.0),
                (Mixed, 0.5),
            ] {
                let law = game.review.law(game.hits(critic), game.believed(critic, trust));
                let found = shares(&game.play(critic, trust, 20_000, 5).unwrap());
                // Standard errors: 0.0035 of all traces, 0.0065 at most of the rarer sort.
                assert!((found.accuracy - law.accuracy).abs() < 0.012, "{critic:?} {trust}: {found:?} {law:?}");
                assert!((found.found - law.found).abs() < 0.022, "{critic:?} {trust}: {found:?} {law:?}");
                assert!((found.false_alarms - law.false_alarms).abs() < 0.018, "{critic:?} {trust}: {found:?} {law:?}");
            }
        }
    }

    /// Law: a flawed trace has one wrong step, and what follows is right of what it was given.
    #[test]
    fn a_trace_has_the_error_it_was_given() {
        for (item, flaw) in [None, Some(0), Some(4), Some(6)].into_iter().enumerate() {
            let steps = trace(7, flaw, &mut stream(1, "test", 0, item as u64));
            let wrong: Vec<usize> = (0..7).filter(|&i| !steps[i].is_right()).collect();
            assert_eq!(wrong, flaw.into_iter().collect::<Vec<_>>());
            assert!(steps.windows(2).all(|pair| pair[0].after == pair[1].before));
        }
    }

    /// Law: traces do not depend on who points, and a critic of skill 0 is a sneaky one to the last item.
    #[test]
    fn arms_differ_in_nothing_else() {
        let flaws = |critic| GAME.play(critic, 1.0, 300, 2).unwrap().iter().map(|v| v.flawed).collect::<Vec<_>>();
        assert_eq!(flaws(Critic::Unaided), flaws(Critic::Helpful));
        let blind = Game { skill: 0.0, ..GAME };
        assert_eq!(blind.play(Critic::Helpful, 1.0, 300, 2), blind.play(Critic::Sneaky, 1.0, 300, 2));
    }

    #[test]
    fn games_that_cannot_be_played_are_refused() {
        assert!(Game { skill: 1.1, ..GAME }.play(Critic::Helpful, 1.0, 10, 0).is_err());
        assert!(Game { sneaky: f64::NAN, ..GAME }.play(Critic::Helpful, 1.0, 10, 0).is_err());
        assert!(GAME.play(Critic::Helpful, 1.5, 10, 0).is_err());
        assert!(GAME.play(Critic::Helpful, 1.0, 0, 0).is_err());
    }
}
