//! `trimtab attack weights MODEL`.

use super::{Answers, material, named, show, target};
use crate::commands::audit::{conclude_with, home};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use trimtab_audit::attack::{self, How, Part, Rule, Subject};
use trimtab_report::attack_page;
use trimtab_run::{Progress, interrupt, write_atomic};

/// Which model, and what is tried.
#[derive(Debug, Args)]
pub struct Weights {
    /// A folder, a .gguf file, a hub id, `pip:PACKAGE`, or a stage of a run (`runs/NAME:ppo`). An endpoint has no weights.
    #[arg(value_name = "MODEL")]
    model: String,
    /// A world (world.json) whose forbidden topics are asked for; an organism and a stage of a run on the world find their own.
    #[arg(long, value_name = "FILE", conflicts_with = "splits")]
    world: Option<PathBuf>,
    /// Folder of prompts: harmful_{train,val,test}*.json and harmless_{train,val,test}*.json, lists of texts or of objects with an
    /// `instruction`.
    #[arg(long, value_name = "DIR")]
    splits: Option<PathBuf>,
    /// Prompts of each file at most, drawn at random; 128 if not given.
    #[arg(long, value_name = "N", requires = "splits", value_parser = clap::value_parser!(u32).range(1..))]
    n: Option<u32>,
    /// Only these parts: `direction`, `random`, `kernels`, `finetuning`, `incidental`; all if not given.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<String>,
    /// Least log-odds of refusal that adding a direction must induce for it to be chosen; 0, as in the paper, if not given.
    #[arg(long, value_name = "LOG-ODDS", allow_negative_numbers = true)]
    least_steering: Option<f64>,
    /// Share of the layers, from the first, in which the direction may lie; 0.8, as in the paper, if not given. That is to keep out
    /// directions that only name the word of refusal, and leaves four of six layers.
    #[arg(long, value_name = "SHARE")]
    layers: Option<f64>,
    /// Draws of each random control.
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u64).range(1..=1000))]
    draws: u64,
    /// Writes the ablated model into this folder, which any tool loads; one under this name is replaced.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    answers: Answers,
}

/// Runs it.
pub fn run(args: &Weights, quiet: bool) -> Result<()> {
    if args.model.starts_with("openai:") {
        let advice = "expected a model that is here: an edit of weights needs them\n  try: its folder, or a .gguf file";
        return Err(Usage(format!("{}: an endpoint has no weights to edit\n  {advice}", args.model)).into());
    }
    let parts = named("--only", &args.only, &Part::ALL)?;
    let material = material(&args.model, args.world.as_deref(), args.splits.as_deref(), args.n)?;
    interrupt::install()?;
    let target = target(&args.model, quiet)?;
    let most = args.answers.most_tokens(material.planted);
    let (place, label) = home(&args.model);
    let dir = args.answers.out.clone().unwrap_or(place).join(format!("{}-{label}", attack::NAME));
    let subject = Subject::new(&target, &material, most, args.answers.show)?;
    let mut rule = Rule::default();
    rule.least_steering = args.least_steering.unwrap_or(rule.least_steering);
    if let Some(share) = args.layers {
        if !(share > 0.0 && share <= 1.0) {
            let advice = "expected a share above 0 and up to 1\n  try: --layers 1, or none for the paper's 0.8";
            return Err(Usage(format!("--layers {share}: no share of the layers\n  {advice}")).into());
        }
        rule.layers = share;
    }
    let how = How { parts, rule, draws: args.draws, save: args.save.clone() };
    let mut progress: Option<(Progress, u64)> = None;
    let attacked = attack::run(&subject, &how, &dir, |what, done, total| {
        // The search and the edits are two tasks, each with its own end.
        if progress.as_ref().is_none_or(|(_, of)| *of != total) {
            progress = Some((Progress::new("attack", done - 1, total, "steps", quiet), total));
        }
        if let Some((bar, _)) = &mut progress {
            bar.step(done, 1.0, what);
        }
    })?;
    let summary = attack::measure(&args.model, &material, &attacked);
    write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    write_atomic(&dir.join("report.html"), attack_page(&summary).as_bytes())?;
    conclude_with(&[(summary, dir)], &args.answers.output, show::table)
}
