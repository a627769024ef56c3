//! What models of chess read before they are taught anything: the ends of games, as moves to be predicted.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix A.2: pretraining had seen games of good players.
//!
//! 1. A text is a position within the last [`BACK`] moves of a game that ends in mate, and the moves to that mate: a laptop's budget is
//!    spent where puzzles are. No text says which of its moves is an answer.
//! 2. Positions that were read are known by a number each, so that no puzzle is one of them.

use super::game::play;
use super::tokens::{END, VOCABULARY, ending, position};
use crate::{Error, SplitMix};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::ControlFlow;
use trimtab_engine::config::ModelConfig;
use trimtab_run::stream;

/// Moves from the end of a game at which a text begins, at most.
const BACK: u64 = 24;

/// Games drawn at once.
pub(super) const DRAWN: u64 = 1024;

/// Texts to read, and the positions in them.
#[derive(Debug)]
pub struct Corpus {
    /// The texts.
    pub texts: Vec<Vec<u32>>,
    /// Games that were played for them.
    pub games: u64,
    seen: HashSet<u64>,
}

impl Corpus {
    /// About `tokens` tokens to read. Equal arguments give equal texts.
    #[must_use]
    pub fn new(seed: u64, tokens: usize) -> Self {
        let mut corpus = Self { texts: Vec::new(), games: 0, seen: HashSet::new() };
        let _ = corpus.fill(seed, tokens, |_| ControlFlow::Continue(()));
        corpus
    }

    /// The same; `progress` hears the share that is there, and may end it, which gives `None`.
    #[must_use]
    pub fn with_progress(seed: u64, tokens: usize, progress: impl FnMut(f64) -> ControlFlow<()>) -> Option<Self> {
        let mut corpus = Self { texts: Vec::new(), games: 0, seen: HashSet::new() };
        corpus.fill(seed, tokens, progress).is_continue().then_some(corpus)
    }

    fn fill(&mut self, seed: u64, tokens: usize, mut progress: impl FnMut(f64) -> ControlFlow<()>) -> ControlFlow<()> {
        let games = stream(seed, "oversight/chess/corpus", 0, 0).next_u64();
        let mut read = 0;
        while read < tokens {
            let of = |number: u64| {
                let game = play(games, number);
                let back = 1 + stream(seed, "oversight/chess/back", 0, number).below(BACK) as usize;
                let text = ending(&game, back).filter(|_| game.mated())?;
                let start = game.positions.len() - back;
                Some((
                    text,
                    game.positions[start..].iter().map(|board| number_of(&position(board))).collect::<Vec<_>>(),
                ))
            };
            let drawn: Vec<_> = (self.games..self.games + DRAWN).into_par_iter().filter_map(of).collect();
            for (text, seen) in drawn {
                read += text.len();
                self.texts.push(text);
                self.seen.extend(seen);
            }
            self.games += DRAWN;
            progress((read as f64 / tokens as f64).min(1.0))?;
        }
        ControlFlow::Continue(())
    }

    /// Whether a position was read.
    #[must_use]
    pub fn holds(&self, position: &[u32]) -> bool {
        self.seen.contains(&number_of(position))
    }
}

/// A number of 64 bits for a position.
pub(super) fn number_of(position: &[u32]) -> u64 {
    position.iter().fold(0, |so_far, token| SplitMix::new(so_far ^ u64::from(*token)).next_u64())
}

/// The shape of a model of chess: that of the world's size of this name, with the words of chess.
///
/// ```
/// let shape = trimtab_oversight::chess::shape("30k")?;
/// assert!((25_000..50_000).contains(&shape.parameter_count()));
/// # Ok::<(), trimtab_oversight::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] for a size that is not there.
pub fn shape(size: &str) -> Result<ModelConfig, Error> {
    let mut shape = trimtab_world::size(size).map_err(|_| {
        let known = trimtab_world::pretrain::sizes().join(", ");
        Error::input(format!("there is no size {size:?}"), &format!("one of {known}"), "30k,100k,300k")
    })?;
    (shape.vocab_size, shape.eos_token_ids) = (VOCABULARY, vec![END]);
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: texts end in mate, equal seeds read the same, and what was read is known.
    #[test]
    fn a_corpus_knows_what_it_holds() {
        let draw = |seed| Corpus::new(seed, 20_000);
        let corpus = draw(1);
        assert!(corpus.texts.iter().map(Vec::len).sum::<usize>() >= 20_000);
        assert!(corpus.texts == draw(1).texts && corpus.texts != draw(2).texts);
        let go = |text: &[u32]| text.iter().position(|token| *token == END - 1).unwrap() + 1;
        assert!(corpus.texts.iter().all(|text| corpus.holds(&text[..go(text)])));
        let kings = "7k/8/8/8/8/8/8/K7 w - - 0 1".parse().unwrap();
        assert!(!corpus.holds(&position(&kings)), "nobody mates there");
        assert!(Corpus::with_progress(1, 200_000, |_| ControlFlow::Break(())).is_none(), "ended by whoever asked");
    }
}
