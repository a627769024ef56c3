//! Stage `rank` with people at a page: the run opens the service, waits for their rankings, and goes on by itself.

use crate::commands::people::{DoorArgs, TaskArg, of_run, of_samples};
use crate::failure::Usage;
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trimtab_alignment::stage::Stage;
use trimtab_people::service::desk::Desk;
use trimtab_people::service::http::Service;
use trimtab_people::service::{decide, export, log};
use trimtab_run::interrupt;
use trimtab_text::record::{Ranking, Samples};

/// How the page is opened.
#[derive(Debug, Clone)]
pub struct Web {
    /// Where it listens.
    pub door: DoorArgs,
    /// People who rank each prompt.
    pub overlap: u32,
}

/// The rankings that people gave to `samples`, as soon as all are there. Those given before, in this run's store, count.
///
/// # Errors
/// [`Usage`] for more than nine answers; those of the store; interruption, after which the same command goes on.
pub fn collect(stage: &Stage, run: &Path, samples: &[Samples], web: &Web) -> Result<(Vec<Samples>, Vec<Ranking>)> {
    at_most_nine(samples)?;
    let store = of_run(run);
    let desk = Desk::open(log::open(&store.display().to_string())?)?;
    let items = samples.iter().map(|record| of_samples(record.clone(), TaskArg::Rank, web.overlap)).collect();
    desk.ask_now(move |state, _| decide::add_items(state, items)).map_err(|refusal| match refusal {
        decide::Refusal::Conflict(_) => {
            let what = format!("{}: people were asked about other answers before", store.display());
            let advice = "expected the answers of this run's stage sample\n  try: move that file away, or give the run another name";
            anyhow::Error::from(Usage(format!("{what}\n  {advice}")))
        }
        other => other.into(),
    })?;
    let service = Service::bind(desk.clone(), &web.door.door()?)?;
    println!("{}", service.owner_link);
    let progress = || desk.ask_now(|state, _| Ok((vec![], state.progress())));
    let (mut judged, wanted) = progress()?;
    if !stage.quiet {
        eprintln!(
            "[rank] {} of {wanted} rankings still wanted; open the link above, or invite others there",
            wanted - judged
        );
    }
    let done = Arc::new(AtomicBool::new(judged >= wanted));
    let stop = Arc::clone(&done);
    let serving =
        std::thread::spawn(move || service.run(move || stop.load(Ordering::SeqCst) || interrupt::requested()));
    while judged < wanted && !interrupt::requested() && !serving.is_finished() {
        std::thread::sleep(Duration::from_millis(500));
        // A store that cannot write now may come back; the page says so to whoever is at work.
        let Ok((now, _)) = progress() else { continue };
        if now != judged && !stage.quiet {
            eprintln!("[rank] {} of {wanted} rankings still wanted", wanted - now);
        }
        judged = now;
    }
    done.store(true, Ordering::SeqCst);
    match serving.join() {
        Ok(ended) => ended?,
        Err(_) => return Err(anyhow::anyhow!("the annotation service died; what was saved is in {}", store.display())),
    }
    if judged < wanted {
        return Err(trimtab_alignment::Error::Interrupted { stage: "rank", step: judged }.into());
    }
    let asked: std::collections::BTreeSet<String> = samples.iter().map(|record| record.id.clone()).collect();
    let (mut answers, mut rankings) =
        desk.ask_now(|state, _| Ok((vec![], (export::answers(state), state.rankings(false)))))?;
    // The store may hold what an earlier sampling of this run was asked about.
    answers.retain(|record| asked.contains(&record.id));
    rankings.retain(|ranking| asked.contains(&ranking.prompt_id));
    Ok((answers, rankings))
}

/// Refuses prompts with more answers than a page shows.
///
/// # Errors
/// [`Usage`], naming the prompt.
pub fn at_most_nine(samples: &[Samples]) -> Result<()> {
    let Some(record) = samples.iter().find(|record| record.answers.len() > 9) else { return Ok(()) };
    let what = format!("prompt {:?} has {} answers", record.id, record.answers.len());
    let advice = "expected at most 9: nobody can rank more on one page\n  try: --set sample.answers=4";
    Err(Usage(format!("{what}\n  {advice}")).into())
}
