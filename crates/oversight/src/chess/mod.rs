//! Chess: a weak model's moves in puzzles with one answer teach a strong one.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 4.1 and appendix A.2: models that have read games are
//! fine-tuned to say the best move of a puzzle; the student learns the weak model's greedy moves.
//! [`play`] makes games, [`Corpus`] what is read of them, [`of_game`] the puzzles in them, [`Parts`] the halves of a seed; [`plan()`] says
//! what is fitted, [`Bench`] fits it, [`Figures`] measures it.
//!
//! Where ours differs from the paper:
//! 1. Games and puzzles are self-play of two players who see one move far, and a puzzle's answer is right because every move was tried, not
//!    because an engine says so. Its authors did not release theirs.
//! 2. The prompt is the position, not the moves that led to it ([`tokens`](self::position)).
//! 3. Positions stand in one part only, games too; A and B need not be of one size.
//! 4. The chain through sizes between (the paper's bootstrapping) ends on the very puzzles of direct supervision, with other labels.
//! 5. What a model says without having been taught stands beside everything, and so do puzzles that people played.

mod corpus;
mod game;
mod measure;
mod parts;
mod plan;
mod puzzle;
mod run;
mod tokens;

pub use corpus::{Corpus, shape};
pub use game::{Game, legal, play};
pub use measure::{Agreement, Baselines, Figures, Model, Row, Seed, Summary};
pub use parts::{Parts, Puzzles, Sizes};
pub use plan::{Fit, plan};
pub use puzzle::{Published, Puzzle, bare, mates_in_one, mates_in_two, of_game, only_mate, published};
pub use run::{Bench, Fitted, Fitting, moves};
pub use tokens::{END, Said, VOCABULARY, ending, mirrored, position, read, said};
