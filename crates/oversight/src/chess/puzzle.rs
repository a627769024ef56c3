//! Positions with exactly one move that mates, or that forces mate in two: right by construction.
//!
//! 1. Every legal move and every reply is tried; nothing is pruned, so the answer is a fact and not an engine's opinion.
//! 2. Puzzles have no right to castle and none to take in passing: what a model is shown is where the pieces stand, and nothing else decides.

use super::game::{Game, legal, mates};
use cozy_chess::util::parse_uci_move;
use cozy_chess::{Board, BoardBuilder, Color, GameStatus, Move};

/// A puzzle.
#[derive(Debug, Clone)]
pub struct Puzzle {
    /// The position.
    pub board: Board,
    /// Moves of the side to move until mate: 1 or 2.
    pub depth: u8,
    /// The one move that begins it.
    pub answer: Move,
    /// The game it is from.
    pub game: u64,
}

/// The position without the right to castle or to take in passing; none where the side that has moved would be in check.
#[must_use]
pub fn bare(board: &Board) -> Option<Board> {
    let mut builder = BoardBuilder::from_board(board);
    builder.en_passant = None;
    for color in [Color::White, Color::Black] {
        *builder.castle_rights_mut(color) = cozy_chess::CastleRights::EMPTY;
    }
    builder.halfmove_clock = 0;
    builder.fullmove_number = 1;
    builder.build().ok()
}

/// All moves that mate at once.
#[must_use]
pub fn mates_in_one(board: &Board) -> Vec<Move> {
    legal(board).into_iter().filter(|one| mates(board, *one)).collect()
}

/// All moves after which every reply can be answered with mate. A move that mates is not among them.
#[must_use]
pub fn mates_in_two(board: &Board) -> Vec<Move> {
    let forces = |one: &Move| {
        let mut after = board.clone();
        after.play_unchecked(*one);
        after.status() == GameStatus::Ongoing
            && legal(&after).into_iter().all(|reply| {
                let mut next = after.clone();
                next.play_unchecked(reply);
                next.status() == GameStatus::Ongoing && legal(&next).into_iter().any(|last| mates(&next, last))
            })
    };
    legal(board).into_iter().filter(forces).collect()
}

/// The one move that mates in `depth`, where it is the only one and nothing is quicker.
#[must_use]
pub fn only_mate(board: &Board, depth: u8) -> Option<Move> {
    let one = mates_in_one(board);
    match (depth, one.as_slice()) {
        (1, [only]) => Some(*only),
        (2, []) => match mates_in_two(board).as_slice() {
            [only] => Some(*only),
            _ => None,
        },
        _ => None,
    }
}

/// The puzzles of a game. Mates in two are looked for where the mover mated soon after, since looking is a thousand times as dear.
#[must_use]
pub fn of_game(game: &Game, number: u64, depth: u8) -> Vec<Puzzle> {
    let near = |ply: usize| {
        depth == 1
            || [2, 4]
                .iter()
                .any(|later| game.positions.get(ply + later).is_some_and(|at| mates(at, game.moves[ply + later])))
    };
    let of = |(ply, board): (usize, &Board)| {
        if !near(ply) {
            return None;
        }
        let board = bare(board)?;
        let answer = only_mate(&board, depth)?;
        Some(Puzzle { board, depth, answer, game: number })
    };
    game.positions.iter().enumerate().filter_map(of).collect()
}

/// A puzzle from elsewhere, of which any move that mates in time is right.
#[derive(Debug, Clone)]
pub struct Published {
    /// The position to solve, without rights.
    pub board: Board,
    /// Every move that mates in `depth`.
    pub answers: Vec<Move>,
}

/// A puzzle as the Lichess database has it: a position, a move of the other side that leads to the puzzle, and the solution's moves.
///
/// Its solution is held against the rules: its first move must be among those that mate in `depth`.
///
/// # Errors
/// In words: a position or a move that is not chess, a solution that does not mate in `depth`, or a position in which castling or taking in
/// passing decides.
pub fn published(fen: &str, moves: &str, depth: u8) -> Result<Published, &'static str> {
    let mut board = Board::from_fen(fen, false).map_err(|_| "not a position")?;
    let mut moves = moves.split_whitespace();
    let mut next = |board: &Board| {
        let text = moves.next().ok_or("no solution")?;
        let one = parse_uci_move(board, text).map_err(|_| "not a move")?;
        if board.is_legal(one) { Ok(one) } else { Err("not a legal move") }
    };
    let before = next(&board)?;
    board.play_unchecked(before);
    let solution = next(&board)?;
    let mating = |board: &Board| if depth == 1 { mates_in_one(board) } else { mates_in_two(board) };
    if !mating(&board).contains(&solution) {
        return Err("its solution does not mate in time");
    }
    let board = bare(&board).ok_or("not a position without rights")?;
    let answers = mating(&board);
    if answers.contains(&solution) {
        Ok(Published { board, answers })
    } else {
        Err("castling or taking in passing decides")
    }
}

#[cfg(test)]
mod tests {
    use super::super::game::play;
    use super::*;

    fn board(fen: &str) -> Board {
        fen.parse().unwrap()
    }

    fn names(moves: &[Move]) -> Vec<String> {
        moves.iter().map(ToString::to_string).collect()
    }

    /// Worked by hand: a back rank, a smothered king, two mates at once.
    #[test]
    fn mates_that_anyone_can_check() {
        assert_eq!(names(&mates_in_one(&board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"))), ["a1a8"]);
        assert_eq!(names(&mates_in_one(&board("6rk/6pp/8/6N1/8/8/8/6K1 w - - 0 1"))), ["g5f7"]);
        let two = board("k7/8/1K6/8/8/8/8/2R4R w - - 0 1");
        assert_eq!((mates_in_one(&two).len(), only_mate(&two, 1)), (2, None));
    }

    /// Worked by hand: two rooks drive a king to the edge.
    #[test]
    fn a_ladder_mates_in_two() {
        let ladder = board("8/7k/R7/1R6/8/8/8/K7 w - - 0 1");
        assert!(mates_in_one(&ladder).is_empty());
        let found = names(&mates_in_two(&ladder));
        assert!(found.contains(&"b5b7".to_owned()), "{found:?}");
        assert_eq!(
            mates_in_two(&board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")).len(),
            0,
            "what mates at once is not in two"
        );
    }

    /// Law: every puzzle of many games has its answer, and no other, by trying everything again from the rules of mate: the king is in
    /// check and no move is legal.
    #[test]
    fn puzzles_have_one_answer() {
        let mated = |board: &Board| legal(board).is_empty() && !board.checkers().is_empty();
        let after = |board: &Board, one: Move| {
            let mut next = board.clone();
            next.play(one);
            next
        };
        let at_once = |board: &Board| legal(board).into_iter().filter(|m| mated(&after(board, *m))).collect::<Vec<_>>();
        let mut found = [0; 2];
        for number in 0..150 {
            let game = play(2, number);
            for puzzle in of_game(&game, number, 1).into_iter().chain(of_game(&game, number, 2)) {
                found[usize::from(puzzle.depth) - 1] += 1;
                assert!(puzzle.board.en_passant().is_none());
                if puzzle.depth == 1 {
                    assert_eq!(at_once(&puzzle.board), [puzzle.answer], "{}", puzzle.board);
                    continue;
                }
                assert!(at_once(&puzzle.board).is_empty());
                let forces = |one: &Move| {
                    let replies = after(&puzzle.board, *one);
                    !legal(&replies).is_empty()
                        && legal(&replies).into_iter().all(|reply| !at_once(&after(&replies, reply)).is_empty())
                };
                let all: Vec<Move> = legal(&puzzle.board).into_iter().filter(forces).collect();
                assert_eq!(all, [puzzle.answer], "{}", puzzle.board);
            }
        }
        assert!(found[0] > 50 && found[1] > 10, "{found:?} puzzles were looked at");
    }

    /// What is not seen decides nothing: with the right to castle gone a castling mate is none.
    #[test]
    fn bare_positions_have_no_rights() {
        let castling = board("8/8/8/8/8/8/4R3/k3K2R w K - 0 1");
        let plain = bare(&castling).unwrap();
        assert_eq!(legal(&castling).len(), legal(&plain).len() + 1);
        let passing = board("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2");
        assert_eq!(legal(&passing).len(), legal(&bare(&passing).unwrap()).len() + 1);
    }

    /// A puzzle of the form that Lichess publishes, made by hand, and what is refused of it.
    #[test]
    fn published_puzzles_are_held_against_the_rules() {
        // Black moves his king away from the pawns, then the rook mates on the back rank.
        let fen = "5k2/5ppp/8/8/8/8/8/R5K1 b - - 0 1";
        let found = published(fen, "f8g8 a1a8", 1).unwrap();
        assert_eq!(names(&found.answers), ["a1a8"]);
        for (fen, moves, depth, reason) in [
            ("8/8", "f8g8 a1a8", 1, "not a position"),
            (fen, "f8g8", 1, "no solution"),
            (fen, "f8g8 nonsense", 1, "not a move"),
            (fen, "f8g8 a1b8", 1, "not a legal move"),
            (fen, "f8g8 a1a7", 1, "its solution does not mate in time"),
            (fen, "f8g8 a1a8", 2, "its solution does not mate in time"),
        ] {
            assert_eq!(published(fen, moves, depth).unwrap_err(), reason, "{moves}");
        }
    }
}
