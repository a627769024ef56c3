//! Laws of the annotation service's state: what it keeps for speed is what can be worked out from the log.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use serde_json::json;
use trimtab_people::service::State;
use trimtab_people::service::event::{Event, Item, Judgement, Role, Rules};
use trimtab_run::stream;

fn item(id: &str, calibration: bool) -> Item {
    let answers: Vec<_> = ["a", "b"].iter().map(|id| json!({"id": id, "text": id})).collect();
    let mut item = json!({"id": id, "task": "rank", "prompt": "?", "answers": answers, "overlap": 3});
    if calibration {
        (item["calibration"], item["gold"]) = (json!(true), json!({"a": 1, "b": 2}));
    }
    serde_json::from_value(item).unwrap()
}

/// The judgements that count, item by item, worked out from all judgements.
fn progress(state: &State) -> (u64, u64) {
    state.items.iter().filter(|item| !item.is_gold()).fold((0, 0), |(done, wanted), item| {
        let counting = state.judgements.iter().filter(|j| j.said.item == item.id && state.counts(j)).count() as u64;
        let overlap = u64::from(item.overlap);
        (done + counting.min(overlap), wanted + overlap)
    })
}

#[test]
fn kept_counts_are_those_worked_out_anew() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut draws = stream(seed, "counts", 0, 0);
        let mut state = State::default();
        for at in 0..150_u64 {
            let person = format!("p{}", draws.below(4));
            let invited = |role| Event::Invited {
                person: person.clone(),
                name: person.clone(),
                role,
                quota: None,
                token_sha256: String::new(),
            };
            let event = match draws.below(20) {
                0..=2 => Event::ItemAdded { item: item(&format!("q{at}"), draws.below(6) == 0) },
                3 | 4 => invited(Role::Annotator),
                5 if state.people.contains_key(&person) => Event::Revoked { person: person.clone() },
                6 => {
                    let calibration_pass = [0.0, 0.5, 1.0][draws.below(3) as usize];
                    Event::RulesSet { rules: Rules { calibration_pass, ..Rules::default() } }
                }
                _ if state.items.is_empty() || !state.people.contains_key(&person) => continue,
                _ => {
                    let item = state.items[draws.below(state.items.len() as u64) as usize].id.clone();
                    let mut said = Judgement { item: item.clone(), ..Judgement::default() };
                    match draws.below(4) {
                        0 => said.verdict = Some(trimtab_text::record::Verdict::Skip),
                        1 => said.ranks = [("a".to_owned(), 2), ("b".to_owned(), 1)].into(),
                        _ => said.ranks = [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
                    }
                    said.revises = state.latest(&person, &item).map(|before| before.id.clone());
                    let (judgement, key, person) = (format!("j{at}"), format!("key{at}"), person.clone());
                    Event::Judged { judgement, key, person, said, served_at: 0, late: false }
                }
            };
            state.apply(at, &event).unwrap();
            assert_eq!(state.progress(), progress(&state), "seed {seed}, after {event:?}");
            seen.insert(state.progress().0);
        }
    }
    assert!(seen.len() > 10, "the law was tried on something: {seen:?}");
}
