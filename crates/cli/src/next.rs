//! `trimtab people next`: which items to rank next, those on which reward models trained on the work so far disagree most.
//!
//! An ensemble is trained from the run's SFT checkpoint, each member on rankings drawn with replacement and with a head of its
//! own, and asked about every item that still wants people ([`trimtab_alignment::disagreement`]). What it finds is written
//! to the store as priorities, which a service that runs takes over at its next request.

use crate::commands::people::of_run;
use crate::commands::print_json;
use crate::failure::Usage;
use crate::world_run::load;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_alignment::config::Config;
use trimtab_alignment::disagreement::disagreement;
use trimtab_alignment::reward::{self, Ranked};
use trimtab_alignment::stage::Stage;
use trimtab_people::service::desk::Desk;
use trimtab_people::service::{decide, export, log};
use trimtab_run::{Manifest, stream};
use trimtab_text::record::{Ranking, Samples};

/// `people next`.
#[derive(Debug, Args)]
pub struct Next {
    /// The run, whose store is DIR/people/people.db.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Another store: an SQLite file, or `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// Reward models in the ensemble.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=32))]
    members: u64,
    /// Items to list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// The list as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Usage`] for a run without an SFT checkpoint and a store without rankings; whatever training meets.
pub fn run(c: &Next, quiet: bool) -> Result<()> {
    trimtab_run::interrupt::install()?;
    let config = config(&c.run)?;
    let store = c.db.clone().unwrap_or_else(|| of_run(&c.run).display().to_string());
    let desk = Desk::open(log::open(&store)?)?;
    let (rankings, answers, open) = desk.ask_now(|state, _| {
        let answers = export::answers(state);
        Ok((vec![], (state.rankings(false), answers, state.open())))
    })?;
    let (path, sft) = load(&c.run, "sft")?;
    let models = ensemble(c, &config, (&sft, &path), &rankings, &answers, quiet)?;
    let wanted: std::collections::BTreeSet<&str> = open.iter().map(String::as_str).collect();
    let limit = config.reward.max_tokens.min(sft.model.config().max_position_embeddings);
    let mut asked = Vec::new();
    let mut left_out = 0;
    for record in answers.iter().filter(|record| wanted.contains(record.id.as_str())) {
        let ranked = Ranked::of_samples(sft.tokenizer(&path)?, record)?;
        let fits = |tokens: &Vec<u32>| !tokens.is_empty() && tokens.len() + ranked.prompt.len() <= limit;
        if ranked.answers.iter().all(fits) {
            asked.push((record, ranked));
        } else {
            left_out += 1;
        }
    }
    let items: Vec<&Ranked> = asked.iter().map(|(_, ranked)| ranked).collect();
    let scores = models
        .iter()
        .map(|model| reward::scores(&model.model, &items, config.train.pass_tokens))
        .collect::<Result<Vec<_>, _>>()?;
    let of_item = |i: usize| disagreement(&scores.iter().map(|of| of[i].clone()).collect::<Vec<_>>());
    let mut found: Vec<(String, f64)> =
        asked.iter().enumerate().map(|(i, (record, _))| (record.id.clone(), of_item(i))).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let priorities = found.clone();
    desk.ask_now(move |state, _| decide::prioritise(state, priorities))?;
    if !quiet {
        eprintln!(
            "{store}: {} items have a new place in the queue, from {} rankings and {} reward models; {left_out} with an empty or too long answer keep theirs",
            found.len(),
            rankings.len(),
            models.len()
        );
    }
    let shown = found.iter().take(c.show);
    if c.json {
        let items: Vec<_> =
            shown.map(|(item, disagreement)| json!({"item": item, "disagreement": disagreement})).collect();
        return print_json(&json!({"store": store, "placed": found.len(), "left_out": left_out, "first": items}));
    }
    for (item, disagreement) in shown {
        println!("{disagreement:.4}  {item}");
    }
    Ok(())
}

/// The settings that a run was started with.
fn config(run: &Path) -> Result<Config> {
    let manifest = Manifest::load(run)?.ok_or_else(|| {
        let advice = "expected the folder of a run\n  try: --run runs/NAME";
        Usage(format!("{}: holds no manifest.json\n  {advice}", run.display()))
    })?;
    let mut settings = manifest.config;
    if let Some(all) = settings.as_object_mut() {
        all.remove("world_run");
    }
    serde_json::from_value(settings).with_context(|| format!("{}: config in manifest.json", run.display()))
}

/// The members, trained in a folder that is removed afterwards.
fn ensemble(
    c: &Next,
    config: &Config,
    (sft, path): (&Checkpoint, &Path),
    rankings: &[Ranking],
    answers: &[Samples],
    quiet: bool,
) -> Result<Vec<reward::RewardModel>> {
    let limit = config.reward.max_tokens.min(sft.model.config().max_position_embeddings);
    // Beside the store, which is where there is room to write. What an interrupted command left there is trained anew.
    let scratch = c.run.join("people").join(".ensemble");
    drop(std::fs::remove_dir_all(&scratch));
    let open = |member: u64, seed: u64| -> Result<_> {
        let dir = scratch.join(member.to_string());
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let (stage, resume) = Stage::open("reward", &dir, seed, quiet)?;
        Ok((dir, stage, resume))
    };
    let (_, mut stage, _) = open(c.members, config.seed)?;
    let all = reward::encode_rankings(&mut stage.counters, sft.tokenizer(path)?, rankings, answers, limit, None)?;
    if all.is_empty() {
        let advice = "expected rankings, from which the reward models learn\n  try: some work first";
        return Err(Usage(format!("{}: nobody has ranked anything yet\n  {advice}", c.run.display())).into());
    }
    let mut models = Vec::new();
    for member in 0..c.members {
        let mut draws = stream(config.seed, "people/next", member, 0);
        let (dir, mut stage, resume) = open(member, draws.next_u64())?;
        let drawn: Vec<Ranked> = (0..all.len()).map(|_| all[draws.below(all.len() as u64) as usize].clone()).collect();
        reward::run(&mut stage, resume, sft, path, &drawn, &[], &config.reward, &config.train)?;
        stage.close()?;
        models.push(reward::load(&dir.join("checkpoint"), &sft.model)?);
    }
    std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    Ok(models)
}
