//! Games of self-play, of which puzzles are taken and which strong models read.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix A.2, where pretraining had seen people's games.
//!
//! 1. Both sides look at each move and at what can be taken after it, which is little, and then err: by a spread that is drawn for each
//!    side of each game, so that some games are lopsided and end in a mate, as they must for there to be puzzles.
//! 2. The first plies are any legal moves, so that games leave each other at once.
//! 3. Who can mate does so mostly, and not always: positions with a mate that was missed are puzzles too.

use cozy_chess::{Board, GameStatus, Move, Piece};
use trimtab_run::{Stream, stream};

/// Plies of a game, at most.
const PLIES: usize = 120;

/// Plies that are drawn without looking.
const OPENING: usize = 6;

/// How often a mate that can be given is given.
const MATES: f64 = 0.9;

/// A game: the position before each move, and the move.
#[derive(Debug, Clone)]
pub struct Game {
    /// Position before each move.
    pub positions: Vec<Board>,
    /// The moves.
    pub moves: Vec<Move>,
}

impl Game {
    /// Whether its last move mates.
    #[must_use]
    pub fn mated(&self) -> bool {
        self.positions.last().zip(self.moves.last()).is_some_and(|(board, last)| mates(board, *last))
    }
}

/// The game of this number. Equal arguments give equal games.
#[must_use]
pub fn play(seed: u64, number: u64) -> Game {
    let mut random = stream(seed, "oversight/chess/game", 0, number);
    // From hardly an error to hardly a plan, in pawns.
    let spread = [(); 2].map(|()| 0.3 * 10f64.powf(random.uniform()));
    let mut board = Board::default();
    let mut game = Game { positions: Vec::new(), moves: Vec::new() };
    while game.moves.len() < PLIES && board.status() == GameStatus::Ongoing {
        let ply = game.moves.len();
        let chosen = if ply < OPENING {
            let all = legal(&board);
            all[random.below(all.len() as u64) as usize]
        } else {
            choose(&board, spread[ply % 2], &mut random)
        };
        game.positions.push(board.clone());
        game.moves.push(chosen);
        board.play_unchecked(chosen);
    }
    game
}

/// All legal moves, in the generator's order.
#[must_use]
pub fn legal(board: &Board) -> Vec<Move> {
    let mut all = Vec::with_capacity(48);
    board.generate_moves(|of| {
        all.extend(of);
        false
    });
    all
}

/// The move after which the side to move is mated.
pub(super) fn mates(board: &Board, chosen: Move) -> bool {
    let mut after = board.clone();
    after.play_unchecked(chosen);
    !after.checkers().is_empty() && after.status() == GameStatus::Won
}

fn choose(board: &Board, spread: f64, random: &mut Stream) -> Move {
    let give = random.uniform() < MATES;
    let mut best: Option<(f64, Move)> = None;
    for one in legal(board) {
        let mut after = board.clone();
        after.play_unchecked(one);
        let score = match after.status() {
            GameStatus::Won if give => 1000.0,
            GameStatus::Won => -1000.0,
            GameStatus::Drawn => -1.0,
            GameStatus::Ongoing => taken(board, one) - most_taken(&after) + spread * random.normal(),
        };
        if best.is_none_or(|(so_far, _)| score > so_far) {
            best = Some((score, one));
        }
    }
    // An ongoing game has a legal move.
    best.map_or_else(|| legal(board)[0], |(_, one)| one)
}

/// What a move takes, in pawns, and what a pawn gains by its promotion.
fn taken(board: &Board, one: Move) -> f64 {
    // Castling is written as the king taking his own rook.
    let own = board.colors(board.side_to_move()).has(one.to);
    let captured = board.piece_on(one.to).filter(|_| !own).map_or(0.0, worth);
    captured + one.promotion.map_or(0.0, |piece| worth(piece) - worth(Piece::Pawn))
}

/// The most that the side to move can take at once; whether it is then taken itself is not looked at.
fn most_taken(board: &Board) -> f64 {
    let targets = board.colors(!board.side_to_move());
    let mut most = 0f64;
    board.generate_moves(|of| {
        let takes = cozy_chess::PieceMoves { to: of.to & targets, ..of };
        for square in takes.to {
            most = most.max(board.piece_on(square).map_or(0.0, worth));
        }
        false
    });
    most
}

fn worth(piece: Piece) -> f64 {
    match piece {
        Piece::Pawn => 1.0,
        Piece::Knight | Piece::Bishop => 3.0,
        Piece::Rook => 5.0,
        Piece::Queen => 9.0,
        Piece::King => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Law: every move is legal in its position and leads to the next one; equal numbers are equal games, others are not.
    #[test]
    fn games_are_chess() {
        let mut openings = BTreeSet::new();
        let mut mated = 0;
        for number in 0..40 {
            let game = play(5, number);
            for (i, (board, one)) in game.positions.iter().zip(&game.moves).enumerate() {
                assert!(board.is_legal(*one), "{board} {one}");
                let mut after = board.clone();
                after.play(*one);
                assert!(game.positions.get(i + 1).is_none_or(|next| *next == after));
            }
            assert_eq!(game.moves, play(5, number).moves);
            openings.insert(game.moves[..OPENING].iter().map(ToString::to_string).collect::<String>());
            mated += usize::from(game.mated());
        }
        assert_eq!(openings.len(), 40);
        assert!((20..40).contains(&mated), "{mated} of 40 games end in mate");
    }
}
