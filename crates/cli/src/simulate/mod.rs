//! `trimtab people simulate`: simulated people at the door of a running service.
//!
//! One thread for each of them: they wait nearly all the time, as people do, and a thread that waits costs nothing. What is
//! measured is therefore the service, not a queue of ours in front of it.

mod annotator;
mod figures;
pub mod turns;

use crate::commands::people::Store;
use crate::failure::Usage;
use crate::world_run::{Seen, WorldRun};
use annotator::{Annotator, Done, Told};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use figures::Figures;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use trimtab_people::service::desk::Desk;
use trimtab_people::service::event::Role;
use trimtab_people::service::{decide, secret};
use trimtab_people::{Crowd, Perceived, Person, Values};
use trimtab_run::write_atomic;
use trimtab_text::record::{Answer, Samples};

/// Words that stand for one unit of quality, where no truth is known.
const WORDS_PER_UNIT: f64 = 10.0;

/// `people simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The service's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8765")]
    url: String,
    #[command(flatten)]
    store: Store,
    /// People at work at the same time.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2000))]
    annotators: u32,
    /// How long they work, in seconds, from the moment when all have joined.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    seconds: u64,
    /// Mean of the time that each thinks about a task, in seconds; exponential.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pace: f64,
    /// Seed of what they think and of how long they think.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shares of the kinds of people: careful, hurried, agreeable, wordy, adversary. By default 3, 2, 2, 2 and 1.
    #[arg(long, value_name = "NAME=SHARE,…", value_delimiter = ',')]
    kinds: Vec<String>,
    /// How long a save that is not acknowledged is sent again before it counts as an error, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Also writes every acknowledged save to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Length as quality: what can be perceived where no truth is known.
struct Words;

impl Values for Words {
    fn perceive(&self, _: &Samples, answer: &Answer) -> Option<Perceived> {
        let words = answer.text.split_whitespace().count();
        Some(Perceived {
            gold: words as f64 / WORDS_PER_UNIT,
            complexity: 0.0,
            words,
            agrees: None,
            flatters: false,
            false_claim: false,
            harmful: false,
        })
    }
}

/// What these people see: the truth of a world, or words.
fn values(run: Option<&Path>) -> Result<Arc<dyn Values + Send + Sync>> {
    let seen: Option<Seen> = run.map(WorldRun::seen_in).transpose()?.flatten();
    Ok(match seen {
        Some(seen) => Arc::new(seen),
        None => Arc::new(Words),
    })
}

/// So many people of these kinds, each kind by its share: what is left after rounding down goes to the largest remainders.
fn people(kinds: &[String], annotators: usize) -> Result<Vec<(String, Person)>> {
    let known = Crowd::default().kinds;
    let wrong = |what: &str| {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let advice = format!("expected NAME=SHARE with a name of {}", names.join(", "));
        Usage(format!("--kinds: {what}\n  {advice}\n  try: --kinds careful=3,adversary=1"))
    };
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    for kind in kinds {
        let parsed = kind.split_once('=').and_then(|(name, share)| Some((name, share.parse::<f64>().ok()?)));
        let (name, share) = parsed.ok_or_else(|| wrong(&format!("{kind:?} is no share")))?;
        if !known.contains_key(name) {
            return Err(wrong(&format!("there is no kind {name:?}")).into());
        }
        if !share.is_finite() || share < 0.0 {
            return Err(wrong(&format!("{name} has the share {share}")).into());
        }
        shares.insert(name, share);
    }
    if kinds.is_empty() {
        shares = known.iter().map(|(name, person)| (name.as_str(), person.count as f64)).collect();
    }
    let whole: f64 = shares.values().sum();
    if whole <= 0.0 {
        return Err(wrong("is nobody").into());
    }
    let due = |share: f64| share / whole * annotators as f64;
    let mut counts: Vec<(&str, usize, f64)> =
        shares.iter().map(|(&name, &share)| (name, due(share) as usize, due(share).fract())).collect();
    counts.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(b.0)));
    let rounded: usize = counts.iter().map(|kind| kind.1).sum();
    for kind in counts.iter_mut().take(annotators.saturating_sub(rounded)) {
        kind.1 += 1;
    }
    counts.sort_by_key(|kind| kind.0);
    let of_kind = |(name, count, _): (&str, usize, f64)| {
        let person = known[name].clone();
        (1..=count).map(move |i| (format!("{name}-{i}"), person.clone())).collect::<Vec<_>>()
    };
    Ok(counts.into_iter().flat_map(of_kind).collect())
}

/// Runs the command.
///
/// # Errors
/// Wrong settings; a store or service that cannot be reached; an acknowledged judgement that is not in the store.
pub fn run(c: &Simulate, quiet: bool) -> Result<()> {
    if !(0.0..=3600.0).contains(&c.pace) {
        return Err(Usage(format!("--pace {}\n  expected seconds from 0 to 3600\n  try: --pace 1", c.pace)).into());
    }
    let url = c.url.trim_end_matches('/').to_owned();
    let values = values(c.store.run.as_deref())?;
    let people = people(&c.kinds, c.annotators as usize)?;
    let invited = invite(&c.store, &people)?;
    let say = |what: String| {
        if !quiet {
            eprintln!("{what}");
        }
    };
    say(format!("{} people are invited and join {url}", people.len()));
    let together = Arc::new(Barrier::new(people.len() + 1));
    let mut threads = Vec::new();
    for ((name, person), invite) in people.into_iter().zip(invited) {
        let annotator = Annotator {
            name,
            person,
            url: url.clone(),
            invite,
            keys: secret()?[..16].to_owned(),
            seed: c.seed,
            pace: c.pace,
            work: Duration::from_secs(c.seconds),
            patience: Duration::from_secs(c.patience),
            values: Arc::clone(&values),
        };
        let together = Arc::clone(&together);
        // Little is kept on their stacks, and there may be two thousand.
        let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(move || annotator.work(&together));
        threads.push(thread.context("a thread for each of --annotators")?);
    }
    together.wait();
    let start = Instant::now();
    say(format!("all have joined; they work for {} s", c.seconds));
    let done: Vec<Done> = threads
        .into_iter()
        .map(|thread| thread.join().map_err(|_| anyhow!("a simulated person's thread died")))
        .collect::<Result<_>>()?;
    let acknowledged: Vec<&Told> = done.iter().flat_map(|one| &one.acknowledged).collect();
    if let Some(path) = &c.acknowledged {
        let lines: Vec<String> = acknowledged.iter().map(|told| told.line()).collect();
        write_atomic(path, lines.concat().as_bytes())?;
    }
    let lost = lost(&c.store, &acknowledged)?;
    let figures = Figures::of(&done, c.seconds as f64, start.elapsed().as_secs_f64(), lost.len() as u64);
    println!("{}", if c.json { serde_json::to_string(&figures)? } else { figures.to_string() });
    for what in done.iter().flat_map(|one| &one.errors).take(5) {
        say(format!("error: {what}"));
    }
    match lost.first() {
        None => Ok(()),
        Some(first) => Err(anyhow!(
            "{} acknowledged judgements are not in the store once, as they were sent; the first: {first}",
            lost.len()
        )),
    }
}

/// Invites them through the store, which a service may have open, and gives the tokens.
fn invite(store: &Store, people: &[(String, Person)]) -> Result<Vec<String>> {
    let desk = Desk::open(store.known()?)?;
    let invite = |(name, _): &(String, Person)| {
        let token = secret()?;
        let (name, of_link) = (format!("simulated {name}"), token.clone());
        desk.ask_now(move |state, _| decide::invite(state, &name, Role::Annotator, None, &token))?;
        Ok(of_link)
    };
    people.iter().map(invite).collect()
}

/// The acknowledged judgements that the store does not have exactly once, as they were sent.
fn lost(store: &Store, acknowledged: &[&Told]) -> Result<Vec<String>> {
    let desk = Desk::open(store.known()?)?;
    let told: Vec<Told> = acknowledged.iter().map(|&told| told.clone()).collect();
    Ok(desk.ask_now(move |state, _| {
        let mut given: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for recorded in &state.judgements {
            *given.entry((&recorded.person, &recorded.said.item)).or_default() += 1;
        }
        let once = |told: &&Told| {
            let stored = state.by_key(&told.key).filter(|stored| stored.id == told.judgement);
            stored.is_some_and(|stored| {
                stored.said == told.said && given.get(&(&*stored.person, &*stored.said.item)) == Some(&1)
            })
        };
        let lost =
            told.iter().filter(|told| !once(told)).map(|told| format!("{} of {}", told.judgement, told.said.item));
        Ok((vec![], lost.collect()))
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(kinds: &[&str], annotators: usize) -> BTreeMap<String, usize> {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let mut counts = BTreeMap::new();
        for (name, _) in people(&kinds, annotators).unwrap() {
            let kind = name.rsplit_once('-').unwrap().0.to_owned();
            *counts.entry(kind).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn shares_become_so_many_people_in_all() {
        assert_eq!(counts(&[], 200).values().sum::<usize>(), 200);
        assert_eq!(counts(&[], 200)["careful"], 60);
        assert_eq!(counts(&["careful=1", "wordy=1"], 5).values().sum::<usize>(), 5);
        assert_eq!(counts(&["adversary=0.2", "careful=0.8"], 10)["adversary"], 2);
        for wrong in ["careful", "nobody=1", "careful=-1", "careful=x", "careful=0"] {
            assert!(people(&[wrong.to_owned()], 3).is_err(), "{wrong}");
        }
    }
}
