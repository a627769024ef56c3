//! `trimtab attack weights MODEL`.

use super::show;
use crate::commands::ModelArg;
use crate::commands::audit::{Output, conclude_with, home, world_of};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use trimtab_audit::attack::{self, How, Material, Part, Rule, Subject};
use trimtab_audit::target::Target;
use trimtab_report::attack_page;
use trimtab_run::{Progress, interrupt, write_atomic};
use trimtab_world::{World, WorldConfig};

/// Tokens of an answer at most, on a world and elsewhere.
const MAX_NEW_TOKENS: [u32; 2] = [24, 64];

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
    /// Writes answers to harmful prompts out as they are, which are masked for models that are no organism.
    #[arg(long)]
    show: bool,
    /// Tokens of an answer at most; 24 on a world, else 64.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// Folder that holds the attack's folder; the run's `audits` for a stage of a run, else `audits`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs it.
pub fn run(args: &Weights, quiet: bool) -> Result<()> {
    if args.model.starts_with("openai:") {
        let advice = "expected a model that is here: an edit of weights needs them\n  try: its folder, or a .gguf file";
        return Err(Usage(format!("{}: an endpoint has no weights to edit\n  {advice}", args.model)).into());
    }
    let parts = parts(&args.only)?;
    let material = match (&args.splits, world(args)?) {
        (Some(folder), _) => Material::of_folder(folder, args.n.map(|n| n as usize), 1)?,
        (None, Some(world)) => Material::of_world(&world),
        (None, None) => {
            let advice = "expected an organism, --world FILE or --splits DIR\n  try: `trimtab world organism refuser` for a model whose payloads are planted";
            return Err(Usage(format!("{}: there is nothing to ask\n  {advice}", args.model)).into());
        }
    };
    interrupt::install()?;
    let model = ModelArg { model: args.model.clone() };
    let target = Target::load(&args.model, &model.path(quiet)?)?;
    if !target.has_template() {
        let advice = "expected a model that holds conversations\n  try: a fine-tuned checkpoint";
        return Err(Usage(format!("{}: has no chat template\n  {advice}", args.model)).into());
    }
    let most = args.max_new_tokens.unwrap_or(MAX_NEW_TOKENS[usize::from(!material.planted)]) as usize;
    let (place, label) = home(&args.model);
    let dir = args.out.clone().unwrap_or(place).join(format!("{}-{label}", attack::NAME));
    let subject = Subject::new(&target, &material, most, args.show)?;
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
    conclude_with(&[(summary, dir)], &args.output, show::table)
}

/// The parts that are wanted.
fn parts(only: &[String]) -> Result<Vec<Part>> {
    if only.is_empty() {
        return Ok(Part::ALL.map(|(_, part)| part).to_vec());
    }
    let of = |name: &String| {
        let known = Part::ALL.into_iter().find(|(word, _)| word == name).map(|(_, part)| part);
        known.ok_or_else(|| {
            let names = Part::ALL.map(|(word, _)| word).join(", ");
            Usage(format!("--only {name}: no such part\n  expected one of {names}\n  try: one of them")).into()
        })
    };
    only.iter().map(of).collect()
}

/// The world of --world, of the run, or of the organism that the model is.
fn world(args: &Weights) -> Result<Option<World>> {
    /// The part of `organism.json` that the world follows from.
    #[derive(Deserialize)]
    struct Made {
        seed: u64,
        world: WorldConfig,
    }
    if let Some(world) = world_of(args.world.as_deref(), &args.model)? {
        return Ok(Some(world));
    }
    let path = Path::new(&args.model).join("organism.json");
    if args.splits.is_some() || !path.exists() {
        return Ok(None);
    }
    let place = path.display();
    let advice = "expected organism.json as `trimtab world organism` writes it\n  try: --world FILE";
    let text = std::fs::read(&path).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    let made: Made = serde_json::from_slice(&text).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    Ok(Some(World::new(&made.world, made.seed)?))
}
