//! Bradley–Terry against a second implementation (goldens/people, by evalica), and Plackett–Luce against Bradley–Terry.

#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use trimtab_stats::{Comparison, GroupRanking, bradley_terry, plackett_luce};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    answers: usize,
    wins: Vec<(usize, usize, u32)>,
    strengths: Vec<f64>,
}

fn goldens() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/people/bradley_terry.json");
    serde_json::from_str::<Goldens>(&std::fs::read_to_string(path).unwrap()).unwrap().cases
}

fn comparisons(case: &Case) -> Vec<Comparison> {
    let times = |&(winner, loser, n): &(usize, usize, u32)| Comparison {
        weight: f64::from(n),
        ..Comparison::win(winner, loser)
    };
    case.wins.iter().map(times).collect()
}

#[test]
fn bradley_terry_agrees_with_evalica() {
    let cases = goldens();
    assert!(cases.len() > 4);
    for case in cases {
        let fit = bradley_terry(case.answers, &comparisons(&case), None).unwrap();
        let strengths: Vec<f64> = fit.scores.iter().map(|s| s.unwrap().exp()).collect();
        let sum: f64 = strengths.iter().sum();
        for (ours, theirs) in strengths.iter().zip(&case.strengths) {
            assert!((ours / sum - theirs).abs() < 1e-6, "{}: {} against {theirs}", case.name, ours / sum);
        }
        assert!(fit.trace.windows(2).all(|w| w[1] >= w[0] - 1e-9), "{}: the likelihood fell", case.name);
    }
}

/// Two answers to a ranking and no ties: Plackett–Luce is Bradley–Terry.
#[test]
fn plackett_luce_of_pairs_is_bradley_terry() {
    for case in goldens() {
        let rankings = case.wins.iter().flat_map(|&(winner, loser, n)| {
            let ranking = GroupRanking::of(&[&[winner], &[loser]]);
            std::iter::repeat_n(ranking, n as usize)
        });
        let lists = plackett_luce(case.answers, &rankings.collect::<Vec<_>>(), None).unwrap();
        let pairs = bradley_terry(case.answers, &comparisons(&case), None).unwrap();
        for (a, b) in lists.scores.iter().zip(&pairs.scores) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-6, "{}: {a:?} against {b:?}", case.name);
        }
    }
}
