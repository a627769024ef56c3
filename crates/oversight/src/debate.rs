//! Debate against consultancy in a game of hidden tokens, where the truth and every accuracy are known by construction.
//!
//! Irving, Christiano and Amodei 2018, *AI safety via debate*, [arXiv:1805.00899](https://arxiv.org/abs/1805.00899), section 3.2 (the
//! sparse-pixel game); Kenton et al. 2024, [arXiv:2407.04622](https://arxiv.org/abs/2407.04622), for consultancy with a side drawn at
//! random.
//!
//! 1. n tokens are drawn from N(+δ, 1) or N(−δ, 1), as the truth is; a judge sees k of them and says which. The best that can be
//!    done with all is Φ(δ√n), with k drawn at random Φ(δ√k).
//! 2. A debater argues for a side: of the tokens that it looked at it shows those that speak most for it. In a debate both sides show
//!    k/2 by turns; in a consultancy one side, drawn without regard to the truth, shows k.
//! 3. Two judges: a trusting one, who sums what is shown as if nobody had chosen it, and one fitted on other items of the same
//!    protocol, who has learnt how much a consultant's side is worth. The former is what an unwary person does.
//! 4. Nobody lies: tokens are what they are. So this shows what choosing does, and nothing about false claims.
//! 5. Control: where k = n the judge sees all, and every protocol is the same to the last item.

use crate::{Error, SplitMix};
use serde::{Deserialize, Serialize};
use trimtab_stats::logistic;

/// Who shows tokens to the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Nobody: the judge sees all of them. What can be done at most.
    FullView,
    /// Chance: k tokens drawn at random.
    Random,
    /// One side, drawn at random, all k.
    Consultancy,
    /// Both sides, k/2 each, by turns.
    Debate,
}

impl Protocol {
    /// All four.
    pub const ALL: [Self; 4] = [Self::FullView, Self::Random, Self::Consultancy, Self::Debate];
}

/// Settings of the game.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Game {
    /// n, the tokens of an item.
    pub tokens: usize,
    /// k, those that the judge sees; even, from 2 to n.
    pub shown: usize,
    /// How many tokens a debater looks at, from k to n: its skill.
    pub looked_at: usize,
    /// δ, how much a token says.
    pub signal: f64,
}

/// Whether each item was judged rightly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// By the judge who sums what is shown.
    pub trusting: Vec<bool>,
    /// By the judge who was fitted on other items of the protocol.
    pub fitted: Vec<bool>,
}

impl Game {
    /// # Errors
    /// [`Error::Input`] for a game that cannot be played.
    pub fn check(&self) -> Result<(), Error> {
        let even = self.shown.is_multiple_of(2) && self.shown >= 2;
        if !even || self.shown > self.looked_at || self.looked_at > self.tokens || self.tokens > 10_000 {
            let what = format!("{} tokens, {} looked at, {} shown", self.tokens, self.looked_at, self.shown);
            let expected = "an even number shown, no more than are looked at, of at most 10000 tokens";
            return Err(Error::input(what, expected, "64 tokens, 16 looked at, 4 shown"));
        }
        if !(self.signal.is_finite() && self.signal > 0.0) {
            return Err(Error::input(format!("a signal of {}", self.signal), "a number above 0", "0.2"));
        }
        Ok(())
    }

    /// The judges' verdicts on `items` items of seed `seed`: the same items for every protocol.
    ///
    /// ```
    /// use trimtab_oversight::debate::{Game, Protocol};
    /// let game = Game { tokens: 64, shown: 4, looked_at: 64, signal: 0.2 };
    /// let right = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64;
    /// let debate = game.play(Protocol::Debate, 2000, 1)?;
    /// let consultancy = game.play(Protocol::Consultancy, 2000, 1)?;
    /// assert!(right(&debate.trusting) > right(&consultancy.trusting) + 0.1);
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Game::check`], and for no items.
    pub fn play(&self, protocol: Protocol, items: usize, seed: u64) -> Result<Verdicts, Error> {
        self.check()?;
        let (learn, test) = (self.rounds(protocol, items, seed, 1), self.rounds(protocol, items, seed, 0));
        let rows: Vec<&[f64]> = learn.iter().map(|round| &round.seen[..]).collect();
        let truth: Vec<bool> = learn.iter().map(|round| round.truth).collect();
        let judge = logistic(&rows, &truth, 1e-6).ok_or_else(|| {
            Error::input(format!("{items} items to fit a judge on"), "items of both sides", "a hundred or more")
        })?;
        Ok(Verdicts {
            trusting: test.iter().map(|round| (round.seen[0] > 0.0) == round.truth).collect(),
            fitted: test.iter().map(|round| (judge.log_odds(&round.seen) > 0.0) == round.truth).collect(),
        })
    }

    fn rounds(&self, protocol: Protocol, items: usize, seed: u64, part: u64) -> Vec<Round> {
        (0..items as u64).map(|item| self.round(protocol, &mut SplitMix::new(mixed([seed, part, item])))).collect()
    }

    /// One item. Tokens, sides and looks are drawn in one order whatever the protocol, so that items are the same for all.
    fn round(&self, protocol: Protocol, source: &mut SplitMix) -> Round {
        let truth = source.uniform() < 0.5;
        let shift = if truth { self.signal } else { -self.signal };
        let tokens: Vec<f64> = (0..self.tokens).map(|_| shift + source.normal()).collect();
        let side = if source.uniform() < 0.5 { 1.0 } else { -1.0 };
        let mut looked = [(); 3].map(|()| {
            let mut places: Vec<usize> = (0..self.tokens).collect();
            source.shuffle(&mut places);
            places.truncate(self.looked_at);
            places
        });
        let speaks = |side: f64, places: &mut Vec<usize>| {
            places.sort_by(|&i, &j| (side * tokens[j]).total_cmp(&(side * tokens[i])));
        };
        let (side, shown): (f64, Vec<usize>) = match protocol {
            Protocol::FullView => (0.0, (0..self.tokens).collect()),
            Protocol::Random => (0.0, looked[0][..self.shown].to_vec()),
            Protocol::Consultancy => {
                speaks(side, &mut looked[0]);
                (side, looked[0][..self.shown].to_vec())
            }
            Protocol::Debate => {
                let [one, other, _] = &mut looked;
                speaks(1.0, one);
                speaks(-1.0, other);
                let mut shown: Vec<usize> = Vec::with_capacity(self.shown);
                while shown.len() < self.shown {
                    let of = if shown.len().is_multiple_of(2) { &*one } else { &*other };
                    // A token is shown once. A side that has none left passes its turn to the other.
                    let next = of.iter().chain(one.iter()).chain(other.iter()).find(|place| !shown.contains(place));
                    shown.extend(next);
                }
                (0.0, shown)
            }
        };
        Round { truth, seen: [shown.iter().map(|&place| tokens[place]).sum(), side] }
    }
}

/// What a judge has before it, and the truth.
struct Round {
    truth: bool,
    /// The sum of what is shown, and the side of a consultant: 1, −1, or 0 for none.
    seen: [f64; 2],
}

/// One seed from several numbers.
fn mixed(parts: [u64; 3]) -> u64 {
    parts.into_iter().fold(0, |seed, part| SplitMix::new(seed ^ part).next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_stats::special::normal_cdf;

    const GAME: Game = Game { tokens: 64, shown: 4, looked_at: 64, signal: 0.15 };

    fn rate(flags: &[bool]) -> f64 {
        flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
    }

    /// Known truth: Φ(δ√n) with all, Φ(δ√k) with k at random; a consultant of a random side persuades a trusting judge of anything.
    #[test]
    fn accuracies_are_those_of_construction() {
        let of = |protocol| GAME.play(protocol, 20_000, 3).unwrap();
        // Standard error: 0.0035 at most.
        for (protocol, seen) in [(Protocol::FullView, 64.0f64), (Protocol::Random, 4.0)] {
            let (found, known) = (of(protocol), normal_cdf(0.15 * seen.sqrt()));
            assert!((rate(&found.trusting) - known).abs() < 0.012, "{protocol:?}");
            assert!((rate(&found.fitted) - known).abs() < 0.015, "{protocol:?}");
        }
        let consultancy = of(Protocol::Consultancy);
        assert!((rate(&consultancy.trusting) - 0.5).abs() < 0.012);
        let (debate, random) = (of(Protocol::Debate), of(Protocol::Random));
        assert!(
            rate(&debate.trusting) > rate(&random.trusting) + 0.02,
            "choosing against each other says more than chance"
        );
        assert!(rate(&debate.fitted) > rate(&consultancy.fitted), "half of a debate is a consultancy");
    }

    /// Control: where the judge sees all, protocols are the same item for item.
    #[test]
    fn with_all_in_view_nothing_is_gained() {
        let game = Game { tokens: 8, shown: 8, looked_at: 8, signal: 0.2 };
        let of = |protocol| game.play(protocol, 500, 1).unwrap().trusting;
        let full = of(Protocol::FullView);
        assert!(Protocol::ALL.into_iter().all(|protocol| of(protocol) == full));
    }

    /// A debater who looks at more persuades better: for the truth in a debate, of anything in a consultancy.
    #[test]
    fn skill_helps_the_truth_in_a_debate_alone() {
        let of = |looked_at, protocol| rate(&Game { looked_at, ..GAME }.play(protocol, 20_000, 5).unwrap().trusting);
        assert!(of(64, Protocol::Debate) > of(4, Protocol::Debate) + 0.01);
        assert!(of(64, Protocol::Consultancy) < of(4, Protocol::Consultancy) - 0.02);
    }

    #[test]
    fn games_that_cannot_be_played_are_refused() {
        for game in [
            Game { shown: 3, ..GAME },
            Game { shown: 0, ..GAME },
            Game { looked_at: 2, ..GAME },
            Game { looked_at: 65, ..GAME },
            Game { signal: f64::NAN, ..GAME },
        ] {
            assert!(game.play(Protocol::Debate, 100, 0).is_err(), "{game:?}");
        }
        assert!(GAME.play(Protocol::Debate, 0, 0).is_err());
    }
}
