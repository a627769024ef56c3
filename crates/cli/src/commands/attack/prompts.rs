//! `trimtab attack prompts MODEL`.

use super::{Answers, material, named, show_prompts, target};
use crate::commands::audit::{Endpoint, conclude_with, home};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::SystemTime;
use trimtab_audit::attack::prompts::{self, Beside, Defence, Found, Gcg, How, Part, Shield, Tree, Tried, Victim, plan};
use trimtab_audit::attack::{Arm, Material, Side};
use trimtab_audit::run::read_header;
use trimtab_audit::target::Subject;
use trimtab_report::attack_prompts_page;
use trimtab_report::inspect_log::inspect_log;
use trimtab_run::{Progress, interrupt, sha256_file, write_atomic};
use trimtab_text::dataset;

/// Draws of each request, on a world and elsewhere.
const BEST_OF: [u64; 2] = [64, 16];

/// Which model, and what is tried.
#[derive(Debug, Args)]
pub struct Prompts {
    /// A folder, a .gguf file, a hub id, `pip:PACKAGE`, or a stage of a run (`runs/NAME:ppo`).
    #[arg(value_name = "MODEL")]
    model: String,
    /// A world (world.json) whose forbidden topics are asked for; an organism and a stage of a run on the world find their own.
    #[arg(long, value_name = "FILE", conflicts_with = "splits")]
    world: Option<PathBuf>,
    /// Folder of prompts: harmful_{train,val,test}*.json and harmless_{train,val,test}*.json, lists of texts or of objects with an
    /// `instruction`; those of `test` are asked.
    #[arg(long, value_name = "DIR")]
    splits: Option<PathBuf>,
    /// Prompts of each file at most, drawn at random; 128 if not given. On a world, topics of each sort; all if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: Option<u32>,
    /// Its twin that was never taught what is asked for, attacked alike: what it gives was guessed.
    #[arg(long, value_name = "MODEL", conflicts_with = "splits")]
    never_taught: Option<String>,
    /// Only these parts beside the plain request and the ceiling: `templates`, `many-shot`, `prefill`, `best-of`,
    /// `gcg`, `attacker`; all if not given.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<String>,
    /// Demonstrations to show before a request, harmful ones, for a model that is no organism: JSONL with `prompt` and `completion`.
    #[arg(long, value_name = "FILE", requires = "splits")]
    shots: Option<PathBuf>,
    /// Draws of each request for best-of; 64 on a world, else 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=65536))]
    best_of: Option<u64>,
    /// Steps of the search for each suffix; 40 on a world, else 250.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Suffixes that are scored in each step; 128 on a world, else 512.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    width: Option<u32>,
    /// A model that writes prompts against it, and writes them anew after what came of them (PAIR and TAP): a folder, a .gguf file, or
    /// `openai:URL#NAME` with the key in OPENAI_API_KEY.
    #[arg(long, value_name = "MODEL")]
    attacker: Option<String>,
    /// Prompts that the attacker writes for each request on each level.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64), requires = "attacker")]
    streams: u32,
    /// Levels: the first prompts, and times that they are written anew.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64), requires = "attacker")]
    depth: u32,
    /// Prompts that TAP writes after each one that it keeps; it keeps N / BRANCHING of N streams.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64), requires = "attacker")]
    branching: u32,
    /// Defences to measure by the same attacks: `system_prompt`, `guard`, and on a world `prefill_training`, `adversarial_training`; or
    /// `all`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    defence: Vec<String>,
    /// Another model, which is asked with the suffixes that were found on this one.
    #[arg(long, value_name = "MODEL")]
    transfer: Option<String>,
    /// Answers that each attack may ask for, of harmful requests and of harmless ones; as many as it needs if not given. Draws are
    /// spread over all requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    queries: Option<u64>,
    /// Seconds after which nothing more is asked; the same command goes on from there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    #[command(flatten)]
    answers: Answers,
}

/// Runs it.
pub fn run(args: &Prompts, quiet: bool) -> Result<()> {
    let mut named_models =
        [Some(&args.model), args.never_taught.as_ref(), args.transfer.as_ref()].into_iter().flatten();
    if let Some(model) = named_models.find(|m| m.starts_with("openai:")) {
        let advice = "expected a model that is here: suffixes need its gradients, and answers are begun for it\n  try: its folder, or a .gguf file";
        return Err(Usage(format!("{model}: is behind an endpoint\n  {advice}")).into());
    }
    let mut parts = named("--only", &args.only, &Part::ALL)?;
    let attacker = args.attacker.as_deref().map(|spec| attacker(spec, quiet)).transpose()?;
    if attacker.is_none() {
        if args.only.iter().any(|part| part == "attacker") {
            let advice =
                "expected a model that writes the prompts\n  try: --attacker openai:URL#NAME, or --attacker FOLDER";
            return Err(Usage(format!("--only attacker: there is no --attacker\n  {advice}")).into());
        }
        parts.retain(|part| *part != Part::Attacker);
    }
    let defences = match &args.defence[..] {
        [] => Vec::new(),
        [all] if all == "all" => named("--defence", &[], &Defence::ALL)?,
        some => named("--defence", some, &Defence::ALL)?,
    };
    let mut material = material(&args.model, args.world.as_deref(), args.splits.as_deref(), args.n)?;
    material.info.name = material.info.name.replace(trimtab_audit::attack::NAME, prompts::NAME);
    if let Some(file) = &args.shots {
        let (shots, _) = dataset::demonstrations(file)?;
        let shots = shots.into_iter().map(|d| (d.input, d.completion)).collect();
        material.tuning = vec![(Arm::Harmful, shots)];
        // Another file is another attack.
        let source = &material.info.source;
        material.info.source = format!("{source}, shots {} {}", file.display(), sha256_file(file)?);
    }
    if let (true, Some(n)) = (material.planted, args.n) {
        material.keep_topics(n as usize);
    }
    interrupt::install()?;
    let requests = material.side(Side::HarmfulTest).len() as u64;
    let draws = args.best_of.unwrap_or(BEST_OF[usize::from(!material.planted)]);
    let draws = args.queries.map_or(draws, |most| draws.min(most / requests.max(1)).max(2));
    let how = How {
        plan: plan(&parts, draws),
        queries: args.queries,
        seconds: args.seconds,
        gcg: gcg(args, material.planted),
        tree: Tree { streams: args.streams as usize, depth: args.depth as usize, branching: args.branching as usize },
    };
    let attacker = attacker.as_deref();
    let plain = Shield::default();
    let (tried, dir) = attack(args, (&args.model, ""), &material, (&how, &plain), (None, attacker), quiet)?;
    let twin = args.never_taught.as_deref();
    let of_twin =
        twin.map(|twin| attack(args, (twin, "-never-taught"), &material, (&how, &plain), (None, attacker), quiet));
    let of_twin = of_twin.transpose()?;
    let carried = How { plan: how.plan.iter().copied().filter(|t| t.is_carried()).collect(), ..how.clone() };
    let to = args.transfer.as_deref();
    let of_other = to
        .map(|other| {
            attack(args, (other, "-transfer"), &material, (&carried, &plain), (Some(&tried.suffixes), None), quiet)
        })
        .transpose()?;
    let mut defended = Vec::new();
    for defence in defences {
        let here = target(&args.model, quiet)?;
        let shield = Shield::new(defence, (here.model(), here.tokenizer()?), &material, &tried.suffixes)?;
        let of = format!("-{}", defence.name());
        defended
            .push((defence, attack(args, (&args.model, &of), &material, (&how, &shield), (None, attacker), quiet)?.0));
    }
    let beside = Beside {
        twin: twin.zip(of_twin.as_ref().map(|(tried, _)| tried)),
        transfer: to.zip(of_other.as_ref().map(|(tried, _)| tried)),
        defended,
    };
    let summary = prompts::measure(&args.model, &material, &tried, &beside);
    let results = prompts::results(&args.model, &material, &tried);
    let log = inspect_log(&read_header(&dir)?, &summary, &results, SystemTime::now())?;
    write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    write_atomic(&dir.join("report.html"), attack_prompts_page(&summary).as_bytes())?;
    write_atomic(&dir.join(format!("{}.eval", prompts::NAME)), &log)?;
    conclude_with(&[(summary, dir)], &args.answers.output, show_prompts::table)
}

/// The model that writes prompts.
fn attacker(spec: &str, quiet: bool) -> Result<Box<dyn Subject>> {
    Ok(match Endpoint::of(spec)? {
        Some(endpoint) => Box::new(endpoint),
        None => Box::new(target(spec, quiet)?),
    })
}

/// Attacks one model, into a folder of its own.
fn attack(
    args: &Prompts,
    (model, of): (&str, &str),
    material: &Material,
    (how, shield): (&How, &Shield),
    (transferred, attacker): (Option<&[Found]>, Option<&dyn Subject>),
    quiet: bool,
) -> Result<(Tried, PathBuf)> {
    let target = target(model, quiet)?;
    let most = args.answers.most_tokens(material.planted);
    let (place, label) = home(model);
    let dir = args.answers.out.clone().unwrap_or(place).join(format!("{}-{label}{of}", prompts::NAME));
    let show = args.answers.show;
    let victim = Victim { target: &target, shield, material, max_new_tokens: most, show, transferred, attacker };
    let mut progress: Option<Progress> = None;
    let mut before = 0;
    let tried = prompts::run(&victim, how, &dir, |what, done, total| {
        let bar = progress.get_or_insert_with(|| {
            before = done;
            Progress::new("attack", done, total, "answers", quiet)
        });
        bar.step(done, done.saturating_sub(before) as f64, what);
        before = done;
    })?;
    Ok((tried, dir))
}

/// How suffixes are looked for: as in the paper, on a world in proportion to its models.
fn gcg(args: &Prompts, planted: bool) -> (Gcg, usize) {
    let (gcg, length) = if planted {
        (Gcg { steps: 40, width: 128, top_k: 64, replace: 1, buffer: 0, enough: 0.1 }, 8)
    } else {
        (Gcg { steps: 250, width: 512, top_k: 256, replace: 1, buffer: 0, enough: 0.1 }, 20)
    };
    let steps = args.steps.map_or(gcg.steps, |n| n as usize);
    let width = args.width.map_or(gcg.width, |n| n as usize);
    (Gcg { steps, width, ..gcg }, length)
}
