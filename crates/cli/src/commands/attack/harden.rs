//! `trimtab attack harden MODEL`.

use super::{material, target};
use crate::commands::print_json;
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::{Map, json};
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint;
use trimtab_audit::attack::{STEPS, Subject, harden};
use trimtab_run::{Progress, interrupt, write_atomic};

/// Which model, and where the hardened one goes.
#[derive(Debug, Args)]
pub struct Harden {
    /// An organism's folder, or a stage of a run on the world (`runs/NAME:ppo`): right answers must be known.
    #[arg(value_name = "MODEL")]
    model: String,
    /// The world (world.json) whose forbidden topics are refused; an organism and a stage of a run on the world find their own.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Folder of the hardened model, which any tool loads; one under this name is replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Prints how it went as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Harden, quiet: bool) -> Result<()> {
    if args.model.starts_with("openai:") {
        let advice = "expected a model that is here: training needs its weights\n  try: its folder";
        return Err(Usage(format!("{}: an endpoint has no weights to train\n  {advice}", args.model)).into());
    }
    let organism = Path::new(&args.model).join("organism.json");
    if args.out.canonicalize().is_ok_and(|out| Path::new(&args.model).canonicalize().is_ok_and(|model| model == out)) {
        let advice = "expected another folder than the model's own\n  try: --out hardened";
        return Err(Usage(format!("--out {}: holds the model that is hardened\n  {advice}", args.out.display())).into());
    }
    let material = material(&args.model, args.world.as_deref(), None, None)?;
    interrupt::install()?;
    let target = target(&args.model, quiet)?;
    let subject = Subject::new(&target, &material, 24, false)?;
    let mut progress = Progress::new("harden", 0, STEPS, "steps", quiet);
    let (model, hardened) =
        harden(&subject, |step, loss| progress.step(step, 1.0, &format!("loss under ablation {loss:.3}")))?;
    checkpoint::save(&args.out, &model, Some(subject.tokenizer()?), &Map::new())?;
    write_atomic(&args.out.join("hardened.json"), format!("{:#}\n", json!(hardened)).as_bytes())?;
    // Whose world it is of, so that it is attacked as the model itself is.
    if organism.exists() {
        write_atomic(&args.out.join("organism.json"), &std::fs::read(&organism)?)?;
    }
    progress.finish(&format!(
        "refusals under ablation {:.3} -> {:.3} nats per token, without it and what stays {:.3}",
        hardened.ablated_first, hardened.ablated_last, hardened.plain_last
    ));
    if args.json {
        print_json(&json!({"out": args.out, "hardened": hardened}))?;
    }
    Ok(())
}
