//! `trimtab audit elicit MODEL`: can't or won't.

use super::endpoint::Endpoint;
use super::{Output, conclude, home, world_of};
use crate::commands::ModelArg;
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::SystemTime;
use trimtab_audit::elicitation::{self, Pupil};
use trimtab_audit::item::ItemSet;
use trimtab_audit::run::read_header;
use trimtab_audit::target::Target;
use trimtab_report::inspect_log::elicitation_log;
use trimtab_run::{Progress, interrupt, write_atomic};

/// Which model, and what it fails.
#[derive(Debug, Args)]
pub struct Elicit {
    /// A folder, a .gguf file, a hub id, `pip:PACKAGE`, a stage of a run (`runs/NAME:ppo`), or an endpoint (`openai:URL#name`), of
    /// which rungs that need weights are not measurable.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Our own item file: arms `elicitation`, `held_out` and `retained`, a fact in one of them alone.
    #[arg(long, value_name = "FILE", conflicts_with = "world")]
    items: Option<PathBuf>,
    /// A world (world.json) whose never-stated facts are asked; a stage of a run on the world finds its own.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Share of right answers, from 0 to 1, of a model without the failure; 1 if not given.
    #[arg(long, value_name = "SHARE")]
    ceiling: Option<f64>,
    /// Folder that holds the audits' folders; the run's `audits` for a stage of a run, else `audits`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs it.
pub fn run(args: &Elicit, quiet: bool) -> Result<()> {
    if let Some(ceiling) = args.ceiling.filter(|c| !(0.0..=1.0).contains(c)) {
        return Err(Usage(format!(
            "--ceiling {ceiling}: no share\n  expected a number from 0 to 1\n  try: --ceiling 0.95"
        ))
        .into());
    }
    let set = match (&args.items, world_of(args.world.as_deref(), &args.model)?) {
        (Some(file), _) => ItemSet::read(file)?,
        (None, Some(world)) => elicitation::world_items(&world),
        (None, None) => {
            let advice = "expected --items FILE or --world world.json\n  try: `trimtab world export` for a world.json";
            return Err(Usage(format!("{}: nothing to ask\n  {advice}", args.model)).into());
        }
    };
    interrupt::install()?;
    let endpoint = Endpoint::of(&args.model)?;
    let model = ModelArg { model: args.model.clone() };
    let target = if endpoint.is_none() { Some(Target::load(&args.model, &model.path(quiet)?)?) } else { None };
    if target.as_ref().is_some_and(|target| !target.has_template()) {
        let advice = "expected a model that holds conversations\n  try: a fine-tuned checkpoint";
        return Err(Usage(format!("{}: has no chat template\n  {advice}", args.model)).into());
    }
    let pupil = match (&target, &endpoint) {
        (Some(target), _) => Pupil::Weights(target),
        (None, Some(endpoint)) => Pupil::Remote(endpoint),
        // One of the two was made above.
        (None, None) => return Ok(()),
    };
    let (place, label) = home(&args.model);
    let dir = args.out.clone().unwrap_or(place).join(format!("{}-{label}", elicitation::NAME));
    let mut progress: Option<Progress> = None;
    let records = elicitation::run(pupil, &set, &dir, |rung, done, total| {
        let bar = progress.get_or_insert_with(|| Progress::new(elicitation::NAME, done - 1, total, "passes", quiet));
        bar.step(done, 1.0, rung);
    })?;
    let summary = elicitation::measure(&args.model, &set, &records, args.ceiling);
    write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    let log = elicitation_log(&read_header(&dir)?, &summary, &set.items, &records, SystemTime::now())?;
    write_atomic(&dir.join(format!("{}.eval", elicitation::NAME)), &log)?;
    conclude(&[(summary, dir)], &args.output)
}
