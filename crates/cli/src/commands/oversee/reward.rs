//! `trimtab oversee reward`: reward models taught by a smaller one's preferences, in a run folder that can be continued.

use super::fits::{self, bases, known, make_all, untrained};
use super::reward_pairs::{Encoder, read};
use super::reward_table::print;
use crate::commands::world::Settings;
use crate::failure::Usage;
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use trimtab_alignment::checkpoint;
use trimtab_engine::model::Model;
use trimtab_oversight::Rule;
use trimtab_oversight::reward::press::powers;
use trimtab_oversight::reward::{Bench, Figures, Fit, Head, Method, Parts, Seed, Sizes, plan};
use trimtab_oversight::transformers::{Fitting, mark_ids};
use trimtab_report::{folder_name, weak_reward_page};
use trimtab_run::{RunFolder, config_hash, interrupt, sha256_file, write_atomic};
use trimtab_stats::{Bootstrap, Items};
use trimtab_world::{Pretrain, Skill, World, pretrain};

/// The stage of the run folder.
const STAGE: &str = "weak-reward";

/// Weak-to-strong in reward modelling.
#[derive(Debug, Args)]
pub struct Reward {
    #[command(flatten)]
    settings: Settings,
    /// Size of the weak reward model.
    #[arg(long, default_value = "100k", value_name = "SIZE")]
    weak: String,
    /// Size of the strong one, which is student and ceiling.
    #[arg(long, default_value = "1M", value_name = "SIZE")]
    strong: String,
    /// What tasks ask for: sort, copy, reverse, add, count; with commas between.
    #[arg(long, value_delimiter = ',', default_value = "sort", value_name = "SKILL,...")]
    skills: Vec<String>,
    /// People's preferences instead of the world's tasks: records of prompt, chosen and rejected.
    #[arg(long, value_name = "FILE", conflicts_with = "skills")]
    pairs: Option<PathBuf>,
    /// Checkpoints instead of sizes, for --pairs: the weak one, a comma, the strong one.
    #[arg(long, value_name = "WEAK,STRONG", value_delimiter = ',', requires = "pairs", conflicts_with_all = ["weak", "strong"])]
    models: Vec<PathBuf>,
    /// Tokens of a prompt with an answer, at most; of --pairs, what is longer is cut, and counted.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=100_000))]
    max_tokens: u32,
    /// Seeds; each draws pairs of its own and fits weak model, students and ceilings anew.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// How students learn: naive, generative (next-token training on half B's texts first), confidence-ALPHA; with commas between.
    /// Naive is always run.
    #[arg(long, value_delimiter = ',', default_value = "naive,generative", value_name = "METHOD,...")]
    methods: Vec<Method>,
    /// What students see of the weak model's preferences.
    #[arg(long, value_enum, default_value_t = LabelsArg::Soft)]
    labels: LabelsArg,
    /// Pairs of half A, for the weak model.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_a: usize,
    /// Pairs of half B, for students and ceilings.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_b: usize,
    /// Pairs of T, for the scores.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_t: usize,
    /// Tasks of T with a pool of answers to choose the best of n from.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pools: usize,
    /// Answers in a pool.
    #[arg(long, default_value_t = 128, value_name = "N")]
    answers: usize,
    /// The largest n of best-of-n.
    #[arg(long, default_value_t = 64, value_name = "N")]
    best_of: usize,
    /// Passes through the pairs of a fit.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    epochs: u64,
    /// Largest learning rate of a fit.
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// Largest learning rate of reading the texts of half B, for the generative method.
    #[arg(long, default_value_t = 1e-3)]
    lr_reading: f64,
    /// Resamples of the bootstraps.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// A look in a minute, of which nothing is reportable: 30k and 100k, two seeds, a tenth of the pairs, and 200 steps of pretraining.
    #[arg(long, conflicts_with_all = ["weak", "strong", "seeds", "items_a", "items_b", "items_t", "pools", "pairs"])]
    quick: bool,
    /// The run folder; the same command continues what is in it.
    #[arg(long, value_name = "DIR", default_value = "runs/oversee-reward")]
    out: PathBuf,
    /// All figures as JSON.
    #[arg(long)]
    json: bool,
}

/// What students see, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum LabelsArg {
    /// The chance that the weak model gives the first answer.
    Soft,
    /// Which answer it prefers.
    Hard,
}

/// What is run, resolved.
struct Plan {
    world: World,
    pretrain: [Pretrain; 2],
    skills: Vec<Skill>,
    seeds: u64,
    methods: Vec<Method>,
    items: Sizes,
    ns: Vec<usize>,
    fitting: Fitting,
    reading: Pretrain,
}

/// Runs or continues it, and prints the figures.
pub fn reward(args: &Reward, quiet: bool) -> Result<()> {
    let plan_of = resolve(args)?;
    // Everything that can be refused is, before anything is begun: a file is read before the folder is made.
    let own = models_of(args)?;
    let given = match (&args.pairs, &own) {
        (Some(path), Some((_, encoders, _))) => Some(read(path, encoders, args.max_tokens as usize)?),
        (Some(path), None) => Some(read(path, &[Encoder::World, Encoder::World], args.max_tokens as usize)?),
        (None, _) => None,
    };
    let file = args.pairs.as_deref().map(sha256_file).transpose()?;
    let config = json!({
        "world": plan_of.world.config, "pretrain": plan_of.pretrain, "skills": plan_of.skills, "pairs_sha256": file, "models": args.models,
        "max_tokens": args.max_tokens, "seeds": plan_of.seeds, "methods": plan_of.methods, "labels": args.labels, "items": plan_of.items,
        "fitting": plan_of.fitting, "reading": plan_of.reading,
    });
    interrupt::install()?;
    let parts = |seed| match &given {
        Some(read) => read.parts(&plan_of.items, seed),
        None => Ok(Parts::of_world(&plan_of.world, &plan_of.skills, &plan_of.items, seed)?),
    };
    let mut seeds = Vec::new();
    for seed in 0..plan_of.seeds {
        seeds.push(Seed { seed, parts: parts(seed)?, fits: BTreeMap::new() });
    }
    let mut run = RunFolder::open_or_create(&args.out, &config, plan_of.world.seed, env!("CARGO_PKG_VERSION"))?;
    let ([weak, strong], mut inputs, head) = if let Some((models, _, folders)) = own {
        (models, folders, Head::Drawn)
    } else {
        let (bases, folders) = bases(&plan_of.world, &plan_of.pretrain, quiet)?;
        let Ok(bases) = <[Model; 2]>::try_from(bases) else { anyhow::bail!("two sizes, and not two base models") };
        (bases, folders, Head::Words(mark_ids()))
    };
    inputs.extend(args.pairs.clone());
    let control = untrained(strong.config(), plan_of.world.seed);
    let parameters = [&weak, &strong].map(|model| model.config().parameter_count());
    let hard = args.labels == LabelsArg::Hard;
    let bench = Bench::new([weak, strong, control], head, plan_of.fitting, hard, plan_of.reading.clone());
    let hash = config_hash(&config);
    let done = run.is_done(STAGE, &hash);
    // A stage that is done would be begun anew: its figures are read again, and nothing is fitted.
    let dir = if done { run.stage_dir(STAGE) } else { run.begin(STAGE, &hash, &inputs)? };
    for seed in &mut seeds {
        seed.fits = known(&dir, seed.seed)?;
    }
    let fits = fits::Plan {
        stage: STAGE,
        list: plan(&plan_of.methods),
        name: &Fit::name,
        work: &|fit, parts| bench.work(fit, parts),
        make: &|fit, seed: &Seed, progress| {
            bench.make(fit, seed.seed, &seed.parts, seed.fits.get(&Fit::Weak.name()), progress)
        },
    };
    make_all(&fits, &mut seeds, &dir, quiet, "all reward models fitted")?;
    let how = Bootstrap { resamples: args.resamples, ..Bootstrap::default() };
    let drawn = if given.is_some() { Items::Shared } else { Items::Own };
    let summary = Figures::new(&seeds, &plan_of.methods, drawn, Rule::default(), how)?.summary(&plan_of.ns);
    // Beside the stage, whose outputs may not change: figures may be computed again with other resamples.
    write_atomic(&args.out.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    let page = weak_reward_page(&folder_name(&args.out), &summary);
    write_atomic(&args.out.join("report.html"), page.as_bytes())?;
    if !done {
        let mut counters = given.as_ref().map(|read| read.counters.clone()).unwrap_or_default();
        counters.insert("looks at T".to_owned(), summary.test_looks);
        run.finish(STAGE, &inputs, &[dir], counters)?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let sizes: Vec<[usize; 3]> =
            seeds.iter().map(|s| [s.parts.a.len(), s.parts.b.len(), s.parts.t.len()]).collect();
        let result = json!({
            "run": args.out, "config": config, "rule": Rule::default(), "resamples": args.resamples, "parameters": parameters, "pairs": given,
            "sizes": sizes, "summary": summary,
        });
        writeln!(out, "{result:#}")?;
    } else {
        let names = names(args, &plan_of);
        write!(out, "{}", print(&summary, &names, given.as_ref(), args.quick))?;
        writeln!(out, "\n{}", args.out.join("report.html").display())?;
    }
    Ok(())
}

/// How the two models are called.
fn names(args: &Reward, plan_of: &Plan) -> [String; 2] {
    match &args.models[..] {
        [weak, strong] => [weak, strong].map(|path| path.display().to_string()),
        _ => plan_of.pretrain.each_ref().map(|settings| settings.size.clone()),
    }
}

/// Models and their tokenizers, where checkpoints were named.
type Own = ([Model; 2], [Encoder; 2], Vec<PathBuf>);

fn models_of(args: &Reward) -> Result<Option<Own>> {
    if args.models.is_empty() {
        return Ok(None);
    }
    let [weak, strong] = &args.models[..] else {
        let advice = "expected two checkpoints\n  try: --models small,large";
        return Err(Usage(format!("--models: {} named\n  {advice}", args.models.len())).into());
    };
    let load = |path: &PathBuf| -> Result<(Model, Encoder)> {
        let found = checkpoint::load(path)?;
        let limit = found.model.config().max_position_embeddings;
        if limit < args.max_tokens as usize {
            let what = format!("{}: reads {limit} tokens, and --max-tokens is {}", path.display(), args.max_tokens);
            return Err(Usage(format!(
                "{what}\n  expected at most what both models read\n  try: --max-tokens {limit}"
            ))
            .into());
        }
        found.tokenizer(path)?;
        let checkpoint::Checkpoint { model, tokenizer, .. } = found;
        let Some(tokenizer) = tokenizer else { anyhow::bail!("a tokenizer that was there is gone") };
        Ok((model, Encoder::Own(Box::new(tokenizer))))
    };
    let ((weak_model, weak_encoder), (strong_model, strong_encoder)) = (load(weak)?, load(strong)?);
    Ok(Some(([weak_model, strong_model], [weak_encoder, strong_encoder], args.models.clone())))
}

fn resolve(args: &Reward) -> Result<Plan> {
    let (world, mut base) = args.settings.resolve()?;
    let (mut weak, mut strong, mut seeds) = (args.weak.clone(), args.strong.clone(), args.seeds);
    let pools = if args.pairs.is_some() { 0 } else { args.pools };
    let mut items = Sizes { a: args.items_a, b: args.items_b, t: args.items_t, pools, answers: args.answers };
    if args.quick {
        (weak, strong, seeds) = ("30k".into(), "100k".into(), 2);
        items = Sizes { a: 200, b: 200, t: 200, pools: 20, answers: args.answers };
        base.steps = base.steps.min(200);
    }
    let known = pretrain::sizes();
    let place = |name: &str| known.iter().position(|size| *size == name);
    if !matches!((place(&weak), place(&strong)), (Some(weak), Some(strong)) if weak < strong) {
        let advice = format!("expected a smaller and a larger of {}\n  try: --weak 100k --strong 1M", known.join(", "));
        return Err(Usage(format!("--weak {weak} --strong {strong}: no such pair of sizes\n  {advice}")).into());
    }
    for (flag, lr) in [("--lr", args.lr), ("--lr-reading", args.lr_reading)] {
        if !(lr > 0.0 && lr.is_finite()) {
            let advice = "expected a number above 0\n  try: 1e-3";
            return Err(Usage(format!("{flag} {lr}: no learning rate\n  {advice}")).into());
        }
    }
    if [items.a, items.b, items.t].iter().any(|n| !(20..=100_000).contains(n)) {
        let what = format!("--items-a, -b, -t {}, {}, {}: too few or too many", items.a, items.b, items.t);
        return Err(
            Usage(format!("{what}\n  expected from 20 to 100000 pairs in each part\n  try: --items-t 2000")).into()
        );
    }
    if args.best_of < 2 || args.best_of > items.answers || (pools > 0 && items.pools > items.t) {
        let what = format!("--best-of {} of --answers {} in --pools {}", args.best_of, items.answers, items.pools);
        let advice = format!(
            "expected from 2 to all answers of a pool, and at most a pool for each of the {} pairs of T",
            items.t
        );
        return Err(Usage(format!("{what}: cannot be\n  {advice}\n  try: --best-of 64 --answers 128")).into());
    }
    let of = |name: &String| Skill::ALL.into_iter().find(|skill| *skill != Skill::Hops && skill.word() == name);
    let skills: Option<Vec<Skill>> = args.skills.iter().map(of).collect();
    let Some(skills) = skills else {
        let advice = "expected some of sort, copy, reverse, add and count\n  try: --skills sort";
        return Err(Usage(format!("--skills {}: no such tasks\n  {advice}", args.skills.join(","))).into());
    };
    let mut methods = vec![Method::Naive];
    for method in &args.methods {
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    let pretrain = [weak, strong].map(|size| Pretrain { size, ..base.clone() });
    pretrain.iter().try_for_each(Pretrain::check)?;
    let fitting = Fitting { epochs: args.epochs, lr: args.lr, snapshots: 1, ..Fitting::default() };
    let reading = Pretrain { lr: args.lr_reading, ..base };
    Ok(Plan { world, pretrain, skills, seeds, methods, items, ns: powers(args.best_of), fitting, reading })
}
