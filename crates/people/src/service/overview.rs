//! What administrators see: how far the work is, and how much people agree.

use super::event::Millis;
use super::pages::view::{AdminView, ItemRow, ItemView, PersonRow};
use super::show::{conversation, saved, title};
use super::state::{Person, Recorded, State};
use crate::{Agreement, CrowdReport, agreement};
use std::collections::BTreeMap;
use trimtab_stats::{Bootstrap, Measured, RanksOf, Rate, median};

/// Items listed as those on which people disagree most.
const HARDEST: usize = 20;
const HOUR: Millis = 3_600_000;

/// Fewer resamples than in a report: the page should be there at once.
fn quick() -> Bootstrap {
    Bootstrap { resamples: 400, ..Bootstrap::default() }
}

/// The ranks that people gave to one item's answers, a row for each person whose ranking counts.
struct Ranked<'a> {
    place: usize,
    people: Vec<&'a str>,
    ranks: Vec<Vec<Option<u32>>>,
}

fn ranked(state: &State) -> Vec<Ranked<'_>> {
    let of_item = |place: usize| {
        let ids: Vec<&String> = state.items[place].answers.iter().map(|answer| &answer.id).collect();
        let counted = state.by_item[place].values().map(|&number| &state.judgements[number]);
        let counted = counted.filter(|recorded| state.counts(recorded) && !recorded.said.ranks.is_empty());
        let rows = counted.map(|recorded| {
            let ranks = ids.iter().map(|id| recorded.said.ranks.get(*id).copied()).collect();
            (recorded.person.as_str(), ranks)
        });
        let (people, ranks) = rows.unzip();
        Ranked { place, people, ranks }
    };
    (0..state.items.len()).map(of_item).filter(|item| !item.people.is_empty()).collect()
}

/// Pairs of answers that two people both put in a strict order: how many, and on how many they agree.
fn agreeing(a: &[Option<u32>], b: &[Option<u32>]) -> (u64, u64) {
    let both: Vec<(u32, u32)> = a.iter().zip(b).filter_map(|(x, y)| x.zip(*y)).collect();
    let (mut agree, mut all) = (0, 0);
    for (i, (x, y)) in both.iter().enumerate() {
        for (u, v) in &both[i + 1..] {
            if x != u && y != v {
                all += 1;
                agree += u64::from((x < u) == (y < v));
            }
        }
    }
    (agree, all)
}

/// How people agree.
fn agree(items: &[Ranked<'_>]) -> Vec<Agreement> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranks: Vec<Vec<RanksOf>> = Vec::with_capacity(items.len());
    for item in items {
        let mut of_item = Vec::new();
        for (person, row) in item.people.iter().zip(&item.ranks) {
            let next = numbers.len();
            of_item.push((*numbers.entry(person).or_insert(next), row.clone()));
        }
        ranks.push(of_item);
    }
    agreement(&ranks, &quick())
}

fn item_row(state: &State, item: &Ranked<'_>) -> ItemRow {
    let (mut agree, mut all) = (0, 0);
    for (i, a) in item.ranks.iter().enumerate() {
        for b in &item.ranks[i + 1..] {
            let (yes, n) = agreeing(a, b);
            (agree, all) = (agree + yes, all + n);
        }
    }
    let disagreement = match (item.people.len(), all) {
        (0 | 1, _) => Measured::undefined(0, "fewer than two people ranked it"),
        (_, 0) => Measured::undefined(0, "no pair of answers was put in an order by two people"),
        _ => Measured::point((all - agree) as f64 / all as f64, all, "pairs of one item hang together"),
    };
    let known = &state.items[item.place];
    let judged = state.judged(item.place) as u64;
    ItemRow { item: known.id.clone(), title: title(known), judged, wanted: u64::from(known.overlap), disagreement }
}

fn person_row(state: &State, person: &Person, items: &[Ranked<'_>]) -> PersonRow {
    let (mut agree, mut all) = (0, 0);
    for item in items {
        let Some(own) = item.people.iter().position(|name| *name == person.id) else { continue };
        for (_, other) in item.ranks.iter().enumerate().filter(|(i, _)| *i != own) {
            let (yes, n) = agreeing(&item.ranks[own], other);
            (agree, all) = (agree + yes, all + n);
        }
    }
    let (right, gold) = state.gold_pairs(person);
    let rate = |numerator, denominator| Rate { numerator, denominator, unscored: 0 }.measured(0.95);
    let own = person.judged.values().map(|&number| &state.judgements[number]);
    let seconds: Vec<f64> = own.filter_map(|recorded| recorded.said.active_ms).map(|ms| ms as f64 / 1000.0).collect();
    PersonRow {
        person: person.id.clone(),
        name: person.name.clone(),
        role: match person.role {
            super::event::Role::Annotator => "annotator".into(),
            super::event::Role::Admin => "admin".into(),
        },
        done: person.judged.len() as u64,
        gold: rate(right, gold),
        agreement: rate(agree, all),
        reliability: Measured::undefined(0, "too few rankings of the same items"),
        biases: None,
        seconds: median(&seconds),
        signed_in: state.signed_in(&person.id),
        revoked: person.revoked,
    }
}

/// The administrators' page.
pub fn overview(state: &State, now: Millis) -> AdminView {
    let items = ranked(state);
    let mut hours = vec![0; 24];
    for recorded in state.judgements.iter().rev() {
        let ago = now.saturating_sub(recorded.saved_at) / HOUR;
        if ago >= 24 {
            break;
        }
        hours[23 - ago as usize] += 1;
    }
    let mut hardest: Vec<ItemRow> = items.iter().map(|item| item_row(state, item)).collect();
    hardest.retain(|row| row.disagreement.value.is_some_and(|share| share > 0.0));
    hardest
        .sort_by(|a, b| b.disagreement.value.partial_cmp(&a.disagreement.value).unwrap_or(std::cmp::Ordering::Equal));
    hardest.truncate(HARDEST);
    AdminView {
        hours,
        judged: state.progress(),
        agreement: agree(&items),
        people: state.people.values().map(|person| person_row(state, person, &items)).collect(),
        hardest,
        guideline: state.guideline.0.clone(),
        guideline_text: state.guideline.1.clone(),
        invited: None,
    }
}

/// Adds what a crowd report found of each person.
pub fn with_crowd(view: &mut AdminView, crowd: &CrowdReport) {
    for row in &mut view.people {
        if let Some(why) = &crowd.no_fit {
            row.reliability = Measured::undefined(0, why.clone());
        }
        let Some(judge) = crowd.people.iter().find(|judge| judge.person == row.person) else { continue };
        row.reliability = judge.reliability.clone();
        let looked_for = judge.biases.iter().any(|bias| bias.name != "quality" && bias.estimate.value.is_some());
        let found = judge.biases.iter().filter(|bias| bias.found);
        row.biases = looked_for.then(|| found.map(|bias| (bias.name.clone(), bias.estimate.clone())).collect());
    }
}

/// One item with all that was said about it.
pub fn item(state: &State, id: &str) -> Option<ItemView> {
    let place = state.place(id).ok()?;
    let known = &state.items[place];
    let own = ranked(state).into_iter().find(|item| item.place == place);
    let row = own.unwrap_or(Ranked { place, people: vec![], ranks: vec![] });
    let said = state.judgements.iter().filter(|recorded: &&Recorded| recorded.said.item == id);
    let name = |person: &String| state.people.get(person).map_or_else(|| person.clone(), |known| known.name.clone());
    Some(ItemView {
        row: item_row(state, &row),
        prompt: conversation(known),
        answers: known.answers.iter().map(|answer| (answer.id.clone(), answer.text.clone())).collect(),
        judgements: said.map(|recorded| (name(&recorded.person), saved(state, recorded))).collect(),
    })
}
