//! What was planted in simulated people is what the report on them says.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use std::collections::BTreeMap;
use trimtab_people::{Crowd, CrowdReport, Perceived, Person, Values, crowd_report, simulate};
use trimtab_run::stream;
use trimtab_text::record::{Answer, Input, Samples};

/// Answers whose gold and length are drawn apart from each other.
struct Drawn(BTreeMap<(String, String), (f64, usize)>);

impl Values for Drawn {
    fn perceive(&self, samples: &Samples, answer: &Answer) -> Option<Perceived> {
        let &(gold, words) = self.0.get(&(samples.id.clone(), answer.id.clone()))?;
        let (agrees, flatters) = (None, false);
        Some(Perceived { gold, complexity: 0.0, words, agrees, flatters, false_claim: false, harmful: false })
    }
}

fn items(n: usize, seed: u64) -> (Vec<Samples>, Drawn) {
    let (mut records, mut drawn) = (Vec::new(), BTreeMap::new());
    for i in 0..n {
        let mut draws = stream(seed, "test/items", 0, i as u64);
        let id = format!("q{i}");
        let mut answer = |j: usize| {
            let (gold, words) = (draws.normal(), 5 + draws.below(40) as usize);
            drawn.insert((id.clone(), format!("a{j}")), (gold, words));
            let text = format!("{j} {}", "word ".repeat(words - 1));
            let (tokens, logprobs) = (vec![], vec![]);
            Answer {
                id: format!("a{j}"),
                text,
                tokens,
                logprobs,
                seed: 0,
                stop: "eos".into(),
                extra: serde_json::Map::default(),
            }
        };
        let answers = (0..4).map(&mut answer).collect();
        records.push(Samples {
            id: id.clone(),
            input: Input::Text(format!("question {i}")),
            answers,
            model: None,
            temperature: None,
            group: None,
            extra: serde_json::Map::default(),
        });
    }
    (records, Drawn(drawn))
}

fn report(kinds: &[(&str, Person)], seed: u64) -> CrowdReport {
    let kinds = kinds.iter().map(|(name, person)| ((*name).to_owned(), person.clone())).collect();
    let crowd = Crowd { overlap: 5, agreement: None, kinds };
    let (records, values) = items(1000, seed);
    let (rankings, _) = simulate(&crowd, &values, &records, seed, "test");
    crowd_report(&rankings, &records, Some(&values), None)
}

fn found(report: &CrowdReport, kind: &str, bias: &str) -> usize {
    let people = report.people.iter().filter(|judge| judge.person.starts_with(kind));
    people.filter(|judge| judge.biases.iter().any(|b| b.name == bias && b.found)).count()
}

fn plain(count: usize) -> Person {
    Person { count, noise: 0.6, tie: 0.05, ..Person::default() }
}

/// 50 people, 1,000 items, 5 people each.
#[test]
fn planted_adversaries_and_biases_are_found_with_their_signs() {
    let report = report(
        &[
            ("careful", plain(35)),
            ("adversary", Person { adversarial: true, ..plain(5) }),
            ("wordy", Person { length: 0.05, ..plain(5) }),
            ("first", Person { position: 0.4, ..plain(5) }),
        ],
        7,
    );
    assert_eq!((report.people.len(), report.rankings, report.no_fit.as_deref()), (50, 5000, None));
    for judge in &report.people {
        let interval = judge.reliability.interval.unwrap();
        let against = judge.person.starts_with("adversary");
        assert!(
            if against { interval.high < 0.0 } else { interval.low > 0.0 },
            "{}: {:?}",
            judge.person,
            judge.reliability
        );
    }
    assert_eq!((found(&report, "wordy", "length"), found(&report, "first", "slot")), (5, 5));
    let all: usize = report.people.iter().flat_map(|judge| &judge.biases).filter(|bias| bias.found).count();
    assert!(all <= 12, "{all} findings, of which 10 were planted");
    // Two of ten disagree with the rest on every pair, so the ceiling is well below 1 and above chance.
    let ceiling = report.ceiling.value.unwrap();
    assert!((0.7..0.97).contains(&ceiling), "{ceiling}");
}

#[test]
fn no_bias_is_found_where_none_was_planted() {
    let findings: usize = (0..3)
        .map(|seed| {
            let report = report(&[("careful", plain(50))], seed);
            report.people.iter().flat_map(|judge| &judge.biases).filter(|bias| bias.found).count()
        })
        .sum();
    assert!(findings <= 3, "{findings} in three crowds");
}

#[test]
fn one_person_alone_and_no_rankings_are_answered_in_words() {
    let (records, values) = items(20, 1);
    let crowd = Crowd::of("alone", plain(1));
    let (rankings, _) = simulate(&crowd, &values, &records, 1, "test");
    for rankings in [&rankings[..], &[]] {
        let report = crowd_report(rankings, &records, Some(&values), None);
        assert!(report.no_fit.is_some() && report.people.is_empty(), "{report:?}");
        assert!(report.ceiling.value.is_none() && report.ceiling.reason.is_some());
    }
}
