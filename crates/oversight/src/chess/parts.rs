//! The puzzles of one seed: A for the weak model, B for students, one part for each step of a chain, T for the scores.
//!
//! 1. All puzzles of a game are in one part, and no position is in two parts or among what was read in pretraining.
//! 2. Every seed plays games of its own, so its T is its own.

use super::corpus::{Corpus, DRAWN, number_of};
use super::game::{legal, play};
use super::puzzle::{Puzzle, of_game};
use super::tokens::{Said, position, read, said};
use crate::leak::shared_groups;
use crate::{Error, Gold, Labels, Part, split};
use cozy_chess::Board;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use trimtab_run::stream;

/// Puzzles drawn beyond what is needed, so that every part is whole.
const LEFT_OVER: usize = 200;

/// How many puzzles each part has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Moves to mate: 1 or 2.
    pub depth: u8,
    /// Half A: the weak model learns from it, with gold.
    pub a: usize,
    /// Half B: students and ceilings learn from it.
    pub b: usize,
    /// Of each step of the chain between the first and the last.
    pub step: usize,
    /// Steps between the first and the last.
    pub steps: usize,
    /// T.
    pub t: usize,
}

/// Puzzles as a model reads them.
#[derive(Debug, Clone)]
pub struct Puzzles {
    /// Positions as tokens.
    pub prompts: Vec<Vec<u32>>,
    /// The one move of each.
    pub gold: Labels<Gold, Said>,
    /// The positions.
    pub boards: Vec<Board>,
}

impl Puzzles {
    fn of<'a>(puzzles: impl IntoIterator<Item = &'a Puzzle>) -> Self {
        let (mut prompts, mut gold, mut boards) = (Vec::new(), Vec::new(), Vec::new());
        for puzzle in puzzles {
            // A legal move has a piece to begin with.
            let Some(answer) = said(&puzzle.board, puzzle.answer) else { continue };
            prompts.push(position(&puzzle.board));
            gold.push(answer);
            boards.push(puzzle.board.clone());
        }
        Self { prompts, gold: Labels::gold_answers(gold), boards }
    }

    /// Number of puzzles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// Share of answers that are legal moves; NaN of none.
    #[must_use]
    pub fn legal(&self, answers: &[Said]) -> f64 {
        let legal = self.boards.iter().zip(answers).filter(|(board, answer)| read(board, **answer).is_some()).count();
        legal as f64 / self.len() as f64
    }

    /// How often a legal move drawn at random is right, and a legal move that gives check; NaN of none.
    #[must_use]
    pub fn at_random(&self) -> [f64; 2] {
        let of = |board: &Board| {
            let all = legal(board);
            let checks = all.iter().filter(|one| {
                let mut after = board.clone();
                after.play_unchecked(**one);
                !after.checkers().is_empty()
            });
            [1.0 / all.len() as f64, 1.0 / checks.count().max(1) as f64]
        };
        let all: Vec<[f64; 2]> = self.boards.iter().map(of).collect();
        [0, 1].map(|i: usize| all.iter().map(|one| one[i]).sum::<f64>() / all.len() as f64)
    }
}

/// The parts of one seed.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Half A.
    pub a: Puzzles,
    /// Half B.
    pub b: Puzzles,
    /// The steps of the chain.
    pub steps: Vec<Puzzles>,
    /// Test.
    pub t: Puzzles,
    /// Games that were played for them.
    pub games: u64,
}

impl Parts {
    /// The parts of seed `seed`; `corpus` is what models have read.
    ///
    /// ```
    /// use trimtab_oversight::chess::{Corpus, Parts, Sizes};
    /// let corpus = Corpus::new(1, 1000);
    /// let sizes = Sizes { depth: 1, a: 20, b: 30, step: 10, steps: 1, t: 15 };
    /// let parts = Parts::new(&corpus, &sizes, 0)?;
    /// assert_eq!((parts.a.len(), parts.b.len(), parts.steps[0].len(), parts.t.len()), (20, 30, 10, 15));
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] for a depth that is neither 1 nor 2, or a part without puzzles.
    pub fn new(corpus: &Corpus, sizes: &Sizes, seed: u64) -> Result<Self, Error> {
        if !matches!(sizes.depth, 1 | 2)
            || [sizes.a, sizes.b, sizes.t].contains(&0)
            || sizes.steps * sizes.step == 0 && sizes.steps > 0
        {
            let what = format!("mate in {}, parts of {}, {} and {}", sizes.depth, sizes.a, sizes.b, sizes.t);
            return Err(Error::input(what, "mate in 1 or 2, and puzzles in every part", "mate in 1"));
        }
        // The steps of the chain are cut from the third part.
        let wanted = [sizes.a, sizes.b, sizes.steps * sizes.step, sizes.t];
        let source = stream(seed, "oversight/chess/puzzles", 0, 0).next_u64();
        let (mut puzzles, mut known, mut games) = (Vec::new(), HashSet::new(), 0);
        let mut goal = wanted.iter().sum::<usize>() + LEFT_OVER;
        let (groups, parts) = loop {
            while puzzles.len() < goal {
                let of = |number: u64| of_game(&play(source, number), number, sizes.depth);
                let drawn: Vec<Puzzle> = (games..games + DRAWN).into_par_iter().flat_map_iter(of).collect();
                games += DRAWN;
                puzzles.extend(drawn.into_iter().filter(|puzzle| {
                    let tokens = position(&puzzle.board);
                    !corpus.holds(&tokens) && known.insert(number_of(&tokens))
                }));
            }
            let groups: Vec<u64> = puzzles.iter().map(|puzzle| puzzle.game).collect();
            let parts = split(&groups, wanted.map(|n| n as f64), seed)?;
            // A game is in one part whole: a small part may still lack one of its puzzles.
            let enough = |(part, wanted): (Part, usize)| parts.iter().filter(|of| **of == part).count() >= wanted;
            if Part::ALL.into_iter().zip(wanted).all(enough) {
                break (groups, parts);
            }
            goal += LEFT_OVER;
        };
        let keys: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let rows: Vec<_> = keys.iter().enumerate().map(|(row, key)| (parts[row], row, key.as_str())).collect();
        if let Some(leaks) = shared_groups(&rows) {
            return Err(Error::Leak(leaks));
        }
        let of = |part: Part, most: usize| {
            puzzles.iter().zip(&parts).filter(move |(_, of)| **of == part).map(|(p, _)| p).take(most)
        };
        let chain: Vec<&Puzzle> = of(Part::V, wanted[2]).collect();
        Ok(Self {
            a: Puzzles::of(of(Part::A, sizes.a)),
            b: Puzzles::of(of(Part::B, sizes.b)),
            steps: chain.chunks(sizes.step.max(1)).map(|some| Puzzles::of(some.iter().copied())).collect(),
            t: Puzzles::of(of(Part::T, sizes.t)),
            games,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Law: no position is in two parts or was read, seeds have other puzzles, equal seeds equal ones; every answer is legal.
    #[test]
    fn parts_share_nothing() {
        let corpus = Corpus::new(1, 50_000);
        let sizes = Sizes { depth: 1, a: 300, b: 300, step: 100, steps: 2, t: 200 };
        let draw = |seed| Parts::new(&corpus, &sizes, seed).unwrap();
        let parts = draw(3);
        let all = [&parts.a, &parts.b, &parts.steps[0], &parts.steps[1], &parts.t];
        assert_eq!(all.map(Puzzles::len), [300, 300, 100, 100, 200]);
        let mut seen = BTreeSet::new();
        for puzzles in all {
            assert!(puzzles.prompts.iter().all(|prompt| !corpus.holds(prompt) && seen.insert(prompt.clone())));
            assert!((puzzles.legal(puzzles.gold.targets()) - 1.0).abs() < 1e-12);
        }
        assert!(parts.t.prompts == draw(3).t.prompts && parts.t.prompts != draw(4).t.prompts);
        let [any, check] = parts.t.at_random();
        assert!(0.01 < any && any < check && check < 1.0, "{any} {check}");
        assert!(Parts::new(&corpus, &Sizes { depth: 3, ..sizes }, 0).is_err());
        // Parts are whole, also a small one beside large ones.
        let uneven = Parts::new(&corpus, &Sizes { a: 3000, step: 3, t: 20, ..sizes }, 1).unwrap();
        assert_eq!([&uneven.a, &uneven.steps[1], &uneven.t].map(Puzzles::len), [3000, 3, 20]);
    }
}
