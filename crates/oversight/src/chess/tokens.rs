//! Positions and moves as tokens: a token for each piece on its square, two for a move.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix A.2, prompt with the moves of the game so far.
//!
//! 1. Ours prompts with the position: a model of a laptop cannot follow forty moves, and puzzles from elsewhere come without their games.
//!    What follows the position are moves, in pretraining those of the game to its end.
//! 2. The side to move is always at the bottom, so there is no token for it, and what is learnt of one side holds for the other.
//! 3. A move is the token of the piece where it stands and one of the square it goes to; a pawn becomes a queen unless the second says
//!    otherwise. Castling is the king going to his rook, as the move generator has it.

use super::game::Game;
use cozy_chess::{Board, Color, File, Move, Piece, Rank, Square};

/// Tokens of pieces: own, then the other side's, by kind and square.
const PIECES: u32 = 2 * 6 * 64;

/// Tokens of squares to go to, then of those where a pawn becomes a knight, bishop or rook.
const SQUARES: u32 = 64;

const LESSER: [Piece; 3] = [Piece::Knight, Piece::Bishop, Piece::Rook];

/// Ends a position: moves follow.
const GO: u32 = PIECES + SQUARES + 8 * LESSER.len() as u32;

/// Ends a text.
pub const END: u32 = GO + 1;

/// Number of tokens.
pub const VOCABULARY: usize = END as usize + 1;

/// A move as it is said: the piece, then where to.
pub type Said = [u32; 2];

/// A square as `side`, at the bottom, sees it.
fn seen(square: Square, side: Color) -> Square {
    match side {
        Color::White => square,
        Color::Black => square.flip_rank(),
    }
}

fn piece_token(piece: Piece, color: Color, square: Square, side: Color) -> u32 {
    let own = u32::from(color != side);
    (own * 6 + piece as u32) * 64 + seen(square, side) as u32
}

/// The position, as its side to move sees it: a token for each piece, ascending, and one that ends it.
#[must_use]
pub fn position(board: &Board) -> Vec<u32> {
    let side = board.side_to_move();
    let token = |square: Square| Some(piece_token(board.piece_on(square)?, board.color_on(square)?, square, side));
    let mut tokens: Vec<u32> = board.occupied().into_iter().filter_map(token).collect();
    tokens.sort_unstable();
    tokens.push(GO);
    tokens
}

/// A move of `board`'s side to move, as `side` sees it; none where no piece stands where it begins.
fn said_by(board: &Board, one: Move, side: Color) -> Option<Said> {
    let piece = piece_token(board.piece_on(one.from)?, board.side_to_move(), one.from, side);
    let lesser = one.promotion.and_then(|piece| LESSER.iter().position(|lesser| *lesser == piece));
    let to = match lesser {
        None => PIECES + seen(one.to, side) as u32,
        Some(kind) => PIECES + SQUARES + 8 * kind as u32 + one.to.file() as u32,
    };
    Some([piece, to])
}

/// A move as its own side says it; none where no piece stands where it begins.
#[must_use]
pub fn said(board: &Board, one: Move) -> Option<Said> {
    said_by(board, one, board.side_to_move())
}

/// The legal move of `board` that two tokens say; none where they say none.
///
/// ```
/// use trimtab_oversight::chess::{read, said};
/// let board = cozy_chess::Board::default();
/// let e4 = "e2e4".parse().unwrap();
/// assert_eq!(read(&board, said(&board, e4).unwrap()), Some(e4));
/// assert_eq!(read(&board, [0, 1]), None);
/// ```
#[must_use]
pub fn read(board: &Board, said: Said) -> Option<Move> {
    let side = board.side_to_move();
    let [piece, to] = said;
    if piece >= 6 * 64 || !(PIECES..GO).contains(&to) {
        return None;
    }
    let from = seen(Square::index((piece % 64) as usize), side);
    if board.piece_on(from)? as u32 != piece / 64 {
        return None;
    }
    let last = match side {
        Color::White => Rank::Eighth,
        Color::Black => Rank::First,
    };
    let (to, promotion) = match to - PIECES {
        square @ 0..SQUARES => {
            let to = seen(Square::index(square as usize), side);
            let queen = board.piece_on(from) == Some(Piece::Pawn) && to.rank() == last;
            (to, queen.then_some(Piece::Queen))
        }
        lesser => {
            let lesser = (lesser - SQUARES) as usize;
            (Square::new(File::index(lesser % 8), last), Some(LESSER[lesser / 8]))
        }
    };
    let one = Move { from, to, promotion };
    board.is_legal(one).then_some(one)
}

/// The last `back` moves of a game as a text to read: the position before them, the moves, the end. None of a game that is shorter.
#[must_use]
pub fn ending(game: &Game, back: usize) -> Option<Vec<u32>> {
    let start = game.moves.len().checked_sub(back)?;
    let before = game.positions.get(start)?;
    let side = before.side_to_move();
    let mut text = position(before);
    text.extend((start..game.moves.len()).filter_map(|i| said_by(&game.positions[i], game.moves[i], side)).flatten());
    text.push(END);
    Some(text)
}

/// A text as it looks in a mirror, left for right: chess without castling is the same.
///
/// The pieces stay in ascending order; `answer` is where moves begin.
#[must_use]
pub fn mirrored(text: &[u32], answer: usize) -> Vec<u32> {
    let of = |token: &u32| match *token {
        // The file is the lowest three bits of a square, and a pawn's new kind is said by file.
        token @ ..GO => token ^ 7,
        other => other,
    };
    let mut text: Vec<u32> = text.iter().map(of).collect();
    text[..answer].sort_unstable();
    text
}

#[cfg(test)]
mod tests {
    use super::super::game::{legal, play};
    use super::*;
    use std::collections::BTreeSet;

    /// Law: of every position that is reached each legal move has words of its own, which say it and no other.
    #[test]
    fn moves_are_what_their_words_say() {
        let mut promotions = 0;
        for board in (0..60).flat_map(|number| play(3, number).positions) {
            let moves = legal(&board);
            let words: BTreeSet<Said> = moves.iter().map(|one| said(&board, *one).unwrap()).collect();
            assert_eq!(words.len(), moves.len(), "{board}");
            promotions += moves.iter().filter(|one| one.promotion.is_some()).count();
            for one in moves {
                assert_eq!(read(&board, said(&board, one).unwrap()), Some(one), "{board} {one}");
            }
        }
        assert!(promotions > 20, "{promotions} promotions were looked at");
    }

    /// Law: a position with colours exchanged is the same text, and its moves the same words.
    #[test]
    fn both_sides_look_from_the_bottom() {
        let board: Board = "r3k3/1P6/8/8/8/8/8/4K2R w - - 0 1".parse().unwrap();
        let other: Board = "4k2r/8/8/8/8/8/1p6/R3K3 b - - 0 1".parse().unwrap();
        assert_eq!(position(&board), position(&other));
        assert_eq!(position(&board).len(), 6);
        for (one, same) in [("b7a8n", "b2a1n"), ("b7b8q", "b2b1q"), ("h1h8", "h8h1")] {
            assert_eq!(said(&board, one.parse().unwrap()), said(&other, same.parse().unwrap()));
        }
    }

    /// Law: an ending is the position and the moves to the end; a mirror of a mirror is the text, and says mirrored moves.
    #[test]
    fn endings_and_mirrors() {
        for number in 0..20 {
            let game = play(1, number);
            let text = ending(&game, 5).unwrap();
            let at = text.iter().position(|token| *token == GO).unwrap() + 1;
            assert_eq!((text.len() - at, text.last()), (2 * 5 + 1, Some(&END)));
            let start = &game.positions[game.moves.len() - 5];
            assert_eq!(text[..at], position(start));
            assert_eq!(read(start, [text[at], text[at + 1]]), Some(game.moves[game.moves.len() - 5]));
            assert!(text.iter().all(|token| (*token as usize) < VOCABULARY));
            assert_eq!(mirrored(&mirrored(&text, at), at), text);
            assert_eq!(ending(&game, game.moves.len() + 1), None);
        }
        let board: Board = "4k3/1P6/8/8/8/8/8/4K2R w - - 0 1".parse().unwrap();
        let mirror: Board = "3k4/6P1/8/8/8/8/8/R2K4 w - - 0 1".parse().unwrap();
        let text = position(&board);
        assert_eq!(mirrored(&text, text.len()), position(&mirror));
        for (one, same) in [("b7b8n", "g7g8n"), ("h1h8", "a1a8")] {
            let [one, same] = [(&board, one), (&mirror, same)].map(|(b, m)| said(b, m.parse().unwrap()).unwrap());
            assert_eq!(mirrored(&one, 0), same);
        }
    }

    /// Words that say nothing legal say nothing.
    #[test]
    fn nonsense_is_no_move() {
        let board = Board::default();
        for piece in (0..VOCABULARY as u32).step_by(7).chain([u32::MAX]) {
            for to in (0..VOCABULARY as u32).chain([u32::MAX]) {
                assert!(read(&board, [piece, to]).is_none_or(|one| board.is_legal(one)));
            }
        }
    }
}
