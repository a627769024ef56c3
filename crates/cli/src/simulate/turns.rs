//! The simulated people of a run: at the door of a service of their own, one after another, so that the same seed gives the
//! same rankings.
//!
//! They join, are served and save over HTTP as people at a page do: what a run learns from has passed assignment, leases and
//! the checks of the service. Its log is in memory, since people who are simulated can be asked again.

use super::annotator::{Annotator, Done, Line};
use anyhow::{Result, anyhow};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trimtab_people::service::desk::Desk;
use trimtab_people::service::event::Role;
use trimtab_people::service::http::{Door, Service};
use trimtab_people::service::import::of_samples;
use trimtab_people::service::log::Memory;
use trimtab_people::service::{decide, secret};
use trimtab_people::simulated::rankable;
use trimtab_people::{Counts, Crowd, Values};
use trimtab_run::{Progress, interrupt};
use trimtab_text::record::{Ranking, Samples};

/// How long a save is sent again before the run gives up on its own service.
const PATIENCE: Duration = Duration::from_mins(1);

/// The crowd's rankings of `samples`, each by `crowd.overlap` people, by item and then by person; and what became of the
/// items. People take turns, so that everyone has as many tasks as the others, give or take one, while there are tasks that
/// they have not done.
///
/// # Errors
/// [`trimtab_alignment::Error::Interrupted`]; a service that cannot listen on this machine; an item that it refuses.
pub fn rank(
    crowd: &Crowd,
    values: &Arc<dyn Values + Send + Sync>,
    samples: Vec<Samples>,
    seed: u64,
    quiet: bool,
) -> Result<(Vec<Ranking>, Counts)> {
    let mut counts = Counts::default();
    let samples = rankable(&**values, samples, &mut counts);
    let people = crowd.people();
    let overlap = crowd.overlap.min(people.len()) as u32;
    let desk = Desk::open(Box::<Memory>::default())?;
    let items: Vec<_> = samples.into_iter().map(|record| of_samples(record, overlap)).collect();
    let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let wanted = ids.len() as u64 * u64::from(overlap);
    desk.ask_now(move |state, _| decide::add_items(state, items))?;
    let door = Door { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), public_url: None, limited: false };
    let service = Service::bind(desk.clone(), &door)?;
    let annotators = people.into_iter().map(|(name, person)| {
        let (invite, of_link, of_person) = (secret()?, name.clone(), person.clone());
        let token = invite.clone();
        let id = desk.ask_now(move |state, _| decide::invite(state, &of_link, Role::Annotator, None, &token))?;
        let annotator = Annotator {
            name,
            person: of_person,
            url: service.url.clone(),
            invite,
            keys: secret()?[..16].to_owned(),
            seed,
            pace: 0.0,
            work: Duration::MAX,
            patience: PATIENCE,
            values: Arc::clone(values),
        };
        Ok((id, annotator))
    });
    let annotators: Vec<(String, Annotator)> = annotators.collect::<Result<_>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let serving = std::thread::spawn(move || service.run(move || stopped.load(Ordering::SeqCst)));
    let done = take_turns(&annotators, wanted, quiet);
    stop.store(true, Ordering::SeqCst);
    serving.join().map_err(|_| anyhow!("the annotation service died"))??;
    for one in done? {
        counts.add(&one.counts);
    }
    let mut rankings = desk.ask_now(|state, _| Ok((vec![], state.rankings(false))))?;
    for ranking in &mut rankings {
        let name = annotators.iter().find(|(id, _)| ranking.person.as_ref() == Some(id)).map(|(_, a)| a.name.clone());
        ranking.person = name;
        // When this machine got to it is no fact about them, and would make two equal runs differ.
        ranking.at = None;
    }
    let places: std::collections::BTreeMap<&str, usize> = ids.iter().enumerate().map(|(i, id)| (&**id, i)).collect();
    rankings.sort_by(|a, b| {
        let place = |ranking: &Ranking| places.get(&*ranking.prompt_id).copied();
        place(a).cmp(&place(b)).then_with(|| a.person.cmp(&b.person))
    });
    Ok((rankings, counts))
}

/// Everyone in their order does one task, again and again, until nobody finds one.
fn take_turns(annotators: &[(String, Annotator)], wanted: u64, quiet: bool) -> Result<Vec<Done>> {
    let mut progress = Progress::new("rank", 0, wanted, "rankings", quiet);
    let mut at_work: Vec<(&Annotator, Line<'_>, Done)> = Vec::with_capacity(annotators.len());
    for (_, annotator) in annotators {
        let mut done = Done::default();
        let line = annotator.join(&mut done);
        at_work.push((annotator, line, done));
    }
    let (start, mut saved) = (Instant::now(), 0);
    loop {
        let before = saved;
        for (annotator, line, done) in &mut at_work {
            if interrupt::requested() {
                return Err(trimtab_alignment::Error::Interrupted { stage: "rank", step: saved }.into());
            }
            let of_person = done.acknowledged.len();
            let turn = if done.errors.is_empty() { annotator.one(line, done, start) } else { Ok(()) };
            done.errors.extend(turn.err());
            // Anything that fails here is a fault of ours: these are our people at our own door.
            if let Some(problem) = done.errors.first() {
                return Err(anyhow!("{}: {problem}", annotator.name));
            }
            if done.acknowledged.len() > of_person {
                saved += 1;
                progress.step(saved, 1.0, &annotator.name);
            }
        }
        if saved == before {
            break;
        }
    }
    progress.finish(&format!("{saved} of {wanted} rankings"));
    Ok(at_work.into_iter().map(|(_, _, done)| done).collect())
}
