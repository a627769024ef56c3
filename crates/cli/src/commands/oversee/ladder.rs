//! `trimtab oversee ladder`: transformers taught by smaller ones, in a run folder that can be continued.

use super::fits::{Making, bases, known, unreadable, untrained};
use super::ladder_table::{forecast_lines, print};
use crate::commands::world::Settings;
use crate::failure::Usage;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use trimtab_oversight::Rule;
use trimtab_oversight::transformers::forecast::Forecast;
use trimtab_oversight::transformers::{
    Figures, Fit, Fitting, Ladder as Fits, Method, Parts, Seed, Sizes, Summary, control_size, plan,
};
use trimtab_report::{folder_name, ladder_page};
use trimtab_run::{Progress, RunFolder, config_hash, interrupt, write_atomic};
use trimtab_stats::Bootstrap;
use trimtab_world::{Pretrain, Skill, World, pretrain};

/// The stage of the run folder.
const STAGE: &str = "ladder";

/// Weak-to-strong on the world's ladder of sizes.
#[derive(Debug, Args)]
pub struct Ladder {
    #[command(flatten)]
    settings: Settings,
    /// Sizes of the ladder, the smallest first, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "30k,100k,300k,1M,3M", value_name = "SIZE,...")]
    sizes: Vec<String>,
    /// What exercises ask for: sort, copy, reverse, add, count; with commas between.
    #[arg(long, value_delimiter = ',', default_value = "sort", value_name = "SKILL,...")]
    skills: Vec<String>,
    /// Seeds; each draws exercises of its own and fits weak models, students and ceilings anew.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// How students learn: naive, confidence-ALPHA, filtered-SHARE, probe; with commas between. Naive is always run.
    #[arg(long, value_delimiter = ',', default_value = "naive", value_name = "METHOD,...")]
    methods: Vec<Method>,
    /// Exercises of half A, for the weak models.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_a: usize,
    /// Exercises of half B, for students and ceilings.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_b: usize,
    /// Exercises of V, for early stopping.
    #[arg(long, default_value_t = 500, value_name = "N")]
    items_v: usize,
    /// Exercises of T, for the scores.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_t: usize,
    /// Passes through the items of a fit.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    epochs: u64,
    /// Largest learning rate of a fit.
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
    /// No chain of generations, in which each size teaches the next.
    #[arg(long)]
    no_chain: bool,
    /// Resamples of the bootstrap over seeds and items.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// A look in a minute or two, of which nothing is reportable: 30k, 100k and 300k, two seeds, a fifth of the exercises, and 200
    /// steps of pretraining.
    #[arg(long, conflicts_with_all = ["sizes", "seeds", "items_a", "items_b", "items_v", "items_t"])]
    quick: bool,
    /// The run folder; the same command continues what is in it.
    #[arg(long, value_name = "DIR", default_value = "runs/ladder")]
    out: PathBuf,
    /// All figures as JSON.
    #[arg(long)]
    json: bool,
}

/// What is run, resolved.
struct Plan {
    world: World,
    pretrain: Vec<Pretrain>,
    names: Vec<String>,
    skills: Vec<Skill>,
    seeds: u64,
    methods: Vec<Method>,
    items: Sizes,
    fitting: Fitting,
    chain: bool,
}

/// Runs or continues it, and prints the matrix.
pub fn ladder(args: &Ladder, quiet: bool) -> Result<()> {
    let plan = resolve(args)?;
    let config = json!({
        "world": plan.world.config, "pretrain": plan.pretrain, "sizes": plan.names, "skills": plan.skills, "seeds": plan.seeds, "methods": plan.methods,
        "items": plan.items, "fitting": plan.fitting, "chain": plan.chain,
    });
    interrupt::install()?;
    let mut run = RunFolder::open_or_create(&args.out, &config, plan.world.seed, env!("CARGO_PKG_VERSION"))?;
    let (fits, inputs) = models(&plan, quiet)?;
    let hash = config_hash(&config);
    let done = run.is_done(STAGE, &hash);
    // A stage that is done would be begun anew: its figures are read again, and nothing is fitted.
    let dir = if done { run.stage_dir(STAGE) } else { run.begin(STAGE, &hash, &inputs)? };
    let parts = |seed| Parts::draw(&plan.world, &plan.skills, &plan.items, fits.parts_of_b(), seed);
    let mut seeds = Vec::new();
    for seed in 0..plan.seeds {
        seeds.push(Seed { seed, parts: parts(seed)?, fits: known(&dir, seed)? });
    }
    let how = Bootstrap { resamples: args.resamples, ..Bootstrap::default() };
    let parameters: Vec<usize> = fits.bases.iter().map(|base| base.config().parameter_count()).collect();
    let said = make_all(&plan, &fits, &mut seeds, &parameters, how, &dir, quiet)?;
    let summary =
        Figures::new(&plan.names, &parameters, &plan.methods, &seeds, Rule::default(), how)?.summary(said.as_ref())?;
    // Beside the stage, whose outputs may not change: figures may be computed again with other resamples.
    write_atomic(&args.out.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    write_atomic(&args.out.join("report.html"), ladder_page(&folder_name(&args.out), &summary).as_bytes())?;
    if !done {
        let counters = BTreeMap::from([("looks at T".to_owned(), summary.test_looks)]);
        run.finish(STAGE, &inputs, &[dir], counters)?;
    }
    show(args, &config, &summary)
}

fn show(args: &Ladder, config: &Value, summary: &Summary) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        let result = json!({"run": args.out, "config": config, "rule": Rule::default(), "resamples": args.resamples, "summary": summary});
        writeln!(out, "{result:#}")?;
        return Ok(());
    }
    write!(out, "{}", print(summary, args.quick))?;
    writeln!(out, "\n{}", args.out.join("report.html").display())?;
    Ok(())
}

fn resolve(args: &Ladder) -> Result<Plan> {
    let (world, mut base) = args.settings.resolve()?;
    let mut names = args.sizes.clone();
    let (mut seeds, mut items) =
        (args.seeds, Sizes { a: args.items_a, b: args.items_b, v: args.items_v, t: args.items_t });
    if args.quick {
        names = ["30k", "100k", "300k"].map(str::to_owned).to_vec();
        (seeds, items) = (2, Sizes { a: 400, b: 400, v: 100, t: 400 });
        base.steps = base.steps.min(200);
    }
    let known = pretrain::sizes();
    let place = |name: &String| known.iter().position(|size| size == name);
    let places: Option<Vec<usize>> = names.iter().map(place).collect();
    if places.is_none_or(|places| places.len() < 2 || places.windows(2).any(|pair| pair[0] >= pair[1])) {
        let advice =
            format!("expected two or more of {}, the smallest first\n  try: --sizes 30k,300k", known.join(","));
        return Err(Usage(format!("--sizes {}: no ladder\n  {advice}", names.join(","))).into());
    }
    if !(args.lr > 0.0 && args.lr.is_finite()) {
        return Err(Usage(format!(
            "--lr {}: no learning rate\n  expected a number above 0\n  try: --lr 1e-3",
            args.lr
        ))
        .into());
    }
    if [items.a, items.b, items.v, items.t].iter().any(|n| !(20..=100_000).contains(n)) {
        let advice = "expected from 20 to 100000 exercises in each part\n  try: --items-t 2000";
        return Err(Usage(format!(
            "--items-a, -b, -v, -t {}, {}, {}, {}: too few or too many\n  {advice}",
            items.a, items.b, items.v, items.t
        ))
        .into());
    }
    let of = |name: &String| Skill::ALL.into_iter().find(|skill| *skill != Skill::Hops && skill.word() == name);
    let skills: Option<Vec<Skill>> = args.skills.iter().map(of).collect();
    let Some(skills) = skills else {
        let advice = "expected some of sort, copy, reverse, add and count\n  try: --skills sort";
        return Err(Usage(format!("--skills {}: no such exercises\n  {advice}", args.skills.join(","))).into());
    };
    let mut methods = vec![Method::Naive];
    for method in &args.methods {
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    let pretrain: Vec<Pretrain> = names.iter().map(|size| Pretrain { size: size.clone(), ..base.clone() }).collect();
    pretrain.iter().try_for_each(Pretrain::check)?;
    let fitting = Fitting { epochs: args.epochs, lr: args.lr, ..Fitting::default() };
    Ok(Plan { world, pretrain, names, skills, seeds, methods, items, fitting, chain: !args.no_chain })
}

/// The base models, from the cache or pretrained, and their folders.
fn models(plan: &Plan, quiet: bool) -> Result<(Fits, Vec<PathBuf>)> {
    let (bases, folders) = bases(&plan.world, &plan.pretrain, quiet)?;
    let untrained = untrained(bases[control_size(bases.len())].config(), plan.world.seed);
    let fits = Fits { names: plan.names.clone(), bases, untrained, fitting: plan.fitting, chain: plan.chain };
    Ok((fits, folders))
}

/// Makes what is not there: everything but the largest student, then what is said of it, then the largest student.
///
/// Returns what was said, or nothing where the largest student was there before anything was.
fn make_all(
    plan_of: &Plan,
    fits: &Fits,
    seeds: &mut [Seed],
    parameters: &[usize],
    how: Bootstrap,
    dir: &Path,
    quiet: bool,
) -> Result<Option<Forecast>> {
    let [before, after] = plan(plan_of.names.len(), &plan_of.methods, plan_of.chain);
    let missing = |seeds: &[Seed], list: &[Fit]| -> Vec<(usize, Fit)> {
        let all = (0..seeds.len()).flat_map(|seed| list.iter().map(move |fit| (seed, *fit)));
        all.filter(|(seed, fit)| !seeds[*seed].fits.contains_key(&fit.name(&plan_of.names))).collect()
    };
    let work = |seeds: &[Seed], of: &[(usize, Fit)]| -> u64 {
        of.iter().map(|(s, fit)| fits.work(fit, &seeds[*s].parts)).sum()
    };
    let everything: Vec<(usize, Fit)> =
        (0..seeds.len()).flat_map(|seed| before.iter().chain(&after).map(move |fit| (seed, *fit))).collect();
    let total = work(seeds, &everything);
    let left = work(seeds, &missing(seeds, &before)) + work(seeds, &missing(seeds, &after));
    let progress = Progress::new(STAGE, total - left, total, "work", quiet);
    let made = seeds.iter().map(|seed| seed.fits.len() as u64).sum();
    let mut making = Making { stage: STAGE, dir, progress, at: total - left, made };
    let prediction = dir.join("prediction.json");
    let none_of_after = missing(seeds, &after).len() == seeds.len() * after.len();
    for (place, fit) in missing(seeds, &before) {
        make(plan_of, fits, seeds, place, &fit, &mut making)?;
    }
    let mut said: Option<Forecast> = match std::fs::read(&prediction) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|e| unreadable(&prediction, &e))?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(e).with_context(|| prediction.display().to_string()),
    };
    if said.is_none() && none_of_after && plan_of.names.len() > 2 {
        let found = Figures::new(&plan_of.names, parameters, &plan_of.methods, seeds, Rule::default(), how)?.forecast();
        write_atomic(&prediction, format!("{:#}\n", json!(found)).as_bytes())?;
        for line in forecast_lines(&found) {
            making.progress.say(&line);
        }
        said = Some(found);
    }
    for (place, fit) in missing(seeds, &after) {
        make(plan_of, fits, seeds, place, &fit, &mut making)?;
    }
    making.progress.finish("all pairs fitted");
    Ok(said)
}

/// Makes one fit and keeps it.
fn make(plan: &Plan, fits: &Fits, seeds: &mut [Seed], place: usize, fit: &Fit, making: &mut Making) -> Result<()> {
    let seed = &seeds[place];
    let (name, cost) = (fit.name(&plan.names), fits.work(fit, &seed.parts));
    let fitted = making.make(seed.seed, &name, cost, |progress| {
        fits.make(fit, seed.seed, &seed.parts, |name| seed.fits.get(name), progress)
    })?;
    seeds[place].fits.insert(name, fitted);
    Ok(())
}
