//! Puzzles that people played, from the Lichess database, against the rules as the generator of puzzles has them, where they are at hand.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;

use common::shared;
use trimtab_oversight::chess::{mates_in_one, only_mate, published};

const TEST: &str = "published_solutions_mate_in_time";

/// Of 2,000 puzzles 56 are called mate in one and 305 mate in two. The first move of each solution is among the moves that mate in time by
/// trying every move; four of the first kind have several such moves, as was counted elsewhere.
#[test]
fn published_solutions_mate_in_time() {
    let files = ["kagisearch+llm-chess-puzzles/puzzles.csv", "Arnav17Sharma+Lichess-Puzzle-Generator/puzzles.csv"];
    let (mut ones, mut twos, mut several) = (0, 0, 0);
    for file in files {
        let Some(path) = shared(TEST, &format!("data/oversight/{file}")) else { return };
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("PuzzleId")) {
            let cells: Vec<&str> = line.split(',').collect();
            let has = |theme: &str| cells[7].split(' ').any(|one| one == theme);
            for (depth, theme) in [(1, "mateIn1"), (2, "mateIn2")] {
                if !has(theme) {
                    continue;
                }
                let found =
                    published(cells[1], cells[2], depth).unwrap_or_else(|reason| panic!("{}: {reason}", cells[0]));
                if depth == 1 {
                    ones += 1;
                    several += usize::from(found.answers.len() > 1);
                    assert_eq!(only_mate(&found.board, 1).is_some(), found.answers.len() == 1);
                } else {
                    twos += 1;
                    assert!(mates_in_one(&found.board).is_empty(), "{}: a mate in two that mates at once", cells[0]);
                }
            }
        }
    }
    assert_eq!((ones, twos, several), (56, 305, 4));
}
