//! Bradley–Terry against a second implementation (goldens/people, by evalica), and what it refuses.

#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use trimtab_stats::{Comparison, NoFit, bradley_terry};

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

/// What has no best fit is refused by its reason, and fitted with a prior where that helps.
#[test]
fn what_has_no_best_fit_is_refused() {
    let (win, tie) = (Comparison::win, Comparison::tie);
    assert_eq!(bradley_terry(3, &[], None), Err(NoFit::Empty));
    assert_eq!(bradley_terry(2, &[Comparison { weight: 0.0, ..win(0, 1) }], None), Err(NoFit::Empty));
    for prior in [None, Some(1.0)] {
        assert_eq!(bradley_terry(2, &[tie(0, 1)], prior), Err(NoFit::OnlyTies));
        assert_eq!(bradley_terry(2, &[win(1, 1)], prior), Err(NoFit::Repeated { answer: 1 }));
        assert_eq!(bradley_terry(2, &[win(0, 2)], prior), Err(NoFit::OutOfRange { answer: 2, answers: 2 }));
        let wrong = bradley_terry(2, &[Comparison { weight: f64::NAN, ..win(0, 1) }], prior);
        assert!(matches!(wrong, Err(NoFit::Weight(_))));
    }
    let apart = [win(0, 1), win(1, 0), win(2, 3), win(3, 2)];
    assert_eq!(bradley_terry(4, &apart, None), Err(NoFit::Disconnected(vec![vec![0, 1], vec![2, 3]])));
    assert_eq!(bradley_terry(4, &apart, Some(1.0)).unwrap().component, [0, 0, 1, 1]);
    assert_eq!(bradley_terry(2, &[win(0, 1)], Some(0.0)), Err(NoFit::Prior(0.0)));
}
