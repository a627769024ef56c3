//! `trimtab oversee chess`: moves of a small model teach larger ones, in a run folder that can be continued.

use super::SeedArgs;
use super::chess_puzzles::read;
use super::chess_table::print;
use super::fits::{self, known, make_all, untrained};
use crate::base_model;
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint;
use trimtab_engine::checkpoint::{SaveDtype, save_folder};
use trimtab_engine::model::Model;
use trimtab_oversight::Rule;
use trimtab_oversight::chess::{Bench, Corpus, Figures, Fit, Fitting, Parts, Seed, Sizes, plan, shape};
use trimtab_report::{chess_page, folder_name};
use trimtab_run::{Progress, RunFolder, config_hash, interrupt, sha256_file, stream, write_atomic};
use trimtab_stats::Bootstrap;
use trimtab_world::{Pretrain, pretrain};

/// The stage of the run folder.
const STAGE: &str = "chess";

/// Changes whenever reading games would give other weights for the same settings, so that old cached models are not taken.
const READING: u32 = 1;

/// Of all games that models read; seeds play others.
const CORPUS_SEED: u64 = 1;

/// Weak-to-strong in chess.
#[derive(Debug, Args)]
pub struct Chess {
    /// Sizes: the weak one, then its students, each larger; those between the first and the last are the steps of a chain.
    #[arg(long, value_delimiter = ',', default_value = "30k,100k,300k", value_name = "SIZE,...")]
    sizes: Vec<String>,
    /// Moves to mate, 1 or 2; the first one is asked for.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    mate_in: u8,
    #[command(flatten)]
    seeds: SeedArgs,
    /// Steps of reading games, of 2,048 tokens each, before anything is taught; the same for all sizes.
    #[arg(long, default_value_t = 1500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// Puzzles of half A, for the weak model.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_a: usize,
    /// Puzzles of half B, for students and ceilings, and of each step of the chain before it.
    #[arg(long, default_value_t = 6000, value_name = "N")]
    items_b: usize,
    /// Puzzles of T, for the scores.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_t: usize,
    /// Passes through the puzzles of a fit, each as it stands and mirrored.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    epochs: u64,
    /// Largest learning rate of a fit.
    #[arg(long, default_value_t = 6e-3)]
    lr: f64,
    /// Puzzles that people played, as a test from elsewhere: CSV of the Lichess puzzle database.
    #[arg(long, value_name = "FILE")]
    puzzles: Option<PathBuf>,
    /// Resamples of the bootstraps.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// A look in a minute, of which nothing is reportable: two seeds, a tenth of the puzzles, 50 steps of reading.
    #[arg(long, conflicts_with_all = ["seeds", "steps", "items_a", "items_b", "items_t"])]
    quick: bool,
    /// The run folder; the same command continues what is in it.
    #[arg(long, value_name = "DIR", default_value = "runs/oversee-chess")]
    out: PathBuf,
    /// All figures as JSON.
    #[arg(long)]
    json: bool,
}

/// What is run, resolved.
struct Plan {
    seeds: Vec<u64>,
    sizes: Sizes,
    reading: Vec<Pretrain>,
    fitting: Fitting,
}

/// Runs or continues it, and prints the figures.
pub fn chess(args: &Chess, quiet: bool) -> Result<()> {
    let plan_of = resolve(args)?;
    // Everything that can be refused is, before anything is begun.
    let elsewhere = args.puzzles.as_deref().map(|path| read(path, args.mate_in)).transpose()?;
    let file = args.puzzles.as_deref().map(sha256_file).transpose()?;
    let config = json!({
        "sizes": args.sizes, "seeds": plan_of.seeds, "items": plan_of.sizes, "reading": plan_of.reading, "fitting": plan_of.fitting,
        "puzzles_sha256": file,
    });
    interrupt::install()?;
    let mut run = RunFolder::open_or_create(&args.out, &config, args.seeds.seed, env!("CARGO_PKG_VERSION"))?;
    let corpus = games(&plan_of, quiet)?;
    let (bases, mut inputs) = bases(&plan_of, &corpus, quiet)?;
    inputs.extend(args.puzzles.clone());
    let parameters: Vec<usize> = bases.iter().map(|model| model.config().parameter_count()).collect();
    let control = untrained(bases[bases.len() - 1].config(), CORPUS_SEED);
    let prompts = elsewhere.as_ref().map(|found| found.prompts.clone()).unwrap_or_default();
    let bench = Bench {
        names: args.sizes.clone(),
        bases,
        untrained: control,
        fitting: plan_of.fitting.clone(),
        elsewhere: prompts,
    };
    let hash = config_hash(&config);
    let done = run.is_done(STAGE, &hash);
    // A stage that is done would be begun anew: its figures are read again, and nothing is fitted.
    let dir = if done { run.stage_dir(STAGE) } else { run.begin(STAGE, &hash, &inputs)? };
    let mut seeds = puzzles(&plan_of, &corpus, &dir, quiet)?;
    let (texts, read_games) = (corpus.texts.len(), corpus.games);
    drop(corpus);
    let name = |fit: &Fit| fit.name(&bench.names);
    let fits = fits::Plan {
        stage: STAGE,
        list: plan(bench.names.len()),
        name: &name,
        work: &|fit, parts| bench.work(fit, parts),
        make: &|fit, seed: &Seed, progress| {
            let teacher = fit.teacher().and_then(|teacher| seed.fits.get(&name(&teacher)));
            bench.make(fit, seed.seed, &seed.parts, teacher, progress)
        },
    };
    make_all(&fits, &mut seeds, &dir, quiet, "all models fitted")?;
    let how = Bootstrap { resamples: args.resamples, ..Bootstrap::default() };
    let answers = elsewhere.as_ref().map_or(&[][..], |found| &found.answers);
    let summary = Figures::new(&seeds, &bench.names, args.mate_in, answers, Rule::default(), how)?.summary();
    // Beside the stage, whose outputs may not change: figures may be computed again with other resamples.
    write_atomic(&args.out.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    write_atomic(&args.out.join("report.html"), chess_page(&folder_name(&args.out), &summary).as_bytes())?;
    if !done {
        let mut counters = elsewhere.as_ref().map(|found| found.counters.clone()).unwrap_or_default();
        counters.insert("looks at T".to_owned(), summary.test_looks);
        run.finish(STAGE, &inputs, &[dir], counters)?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let sizes: Vec<[usize; 3]> =
            seeds.iter().map(|s| [s.parts.a.len(), s.parts.b.len(), s.parts.t.len()]).collect();
        let result = json!({
            "run": args.out, "config": config, "rule": Rule::default(), "resamples": args.resamples, "parameters": parameters,
            "texts": texts, "games": read_games, "elsewhere": elsewhere, "sizes": sizes, "summary": summary,
        });
        writeln!(out, "{result:#}")?;
    } else {
        write!(out, "{}", print(&summary, &args.sizes, elsewhere.as_ref(), args.quick))?;
        writeln!(out, "\n{}", args.out.join("report.html").display())?;
    }
    Ok(())
}

/// What models read.
fn games(plan_of: &Plan, quiet: bool) -> Result<Corpus> {
    // All sizes read the same.
    let tokens = plan_of.reading[0].steps as usize * plan_of.reading[0].batch_tokens;
    let mut progress = Progress::new("games", 0, tokens as u64, "tok", quiet);
    let mut shown = 0;
    let found = Corpus::with_progress(CORPUS_SEED, tokens, |share| {
        let now = (share * tokens as f64) as u64;
        progress.step(now, (now - shown) as f64, "self-play");
        shown = now;
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let Some(corpus) = found else { return Err(interrupted(0)) };
    progress.finish(&format!("{} games played, {} endings to read", corpus.games, corpus.texts.len()));
    Ok(corpus)
}

/// The models that have read, from the cache or now.
fn bases(plan_of: &Plan, corpus: &Corpus, quiet: bool) -> Result<(Vec<Model>, Vec<PathBuf>)> {
    let (mut bases, mut folders) = (Vec::new(), Vec::new());
    for reading in &plan_of.reading {
        let shape = shape(&reading.size)?;
        let key = json!(["chess", READING, CORPUS_SEED, reading]);
        let base = base_model::kept(
            &key,
            reading.steps,
            quiet,
            |progress| {
                let draw = stream(CORPUS_SEED, "oversight/chess/weights", 0, 0).next_u64();
                let start = Model::random(&shape, 0.02 * (768.0 / shape.hidden_size as f32).sqrt(), draw);
                Ok(pretrain::read_on(start, &corpus.texts, reading, CORPUS_SEED, progress)?)
            },
            |path, model| Ok(save_folder(path, &model.to_params(), SaveDtype::F32, &serde_json::Map::new())?),
        )?;
        bases.push(checkpoint::load(&base.checkpoint)?.model);
        folders.push(base.checkpoint);
    }
    Ok((bases, folders))
}

/// The puzzles of each seed, and what was made of them before.
fn puzzles(plan_of: &Plan, corpus: &Corpus, dir: &Path, quiet: bool) -> Result<Vec<Seed>> {
    let mut progress = Progress::new("puzzles", 0, plan_of.seeds.len() as u64, "seeds", quiet);
    let (mut seeds, mut games) = (Vec::new(), 0);
    for seed in &plan_of.seeds {
        let parts = Parts::new(corpus, &plan_of.sizes, *seed)?;
        games += parts.games;
        seeds.push(Seed { seed: *seed, parts, fits: known(dir, *seed)? });
        progress.step(seeds.len() as u64, 1.0, &format!("seed {seed}"));
        if interrupt::requested() {
            return Err(interrupted(seeds.len() as u64));
        }
    }
    progress.finish(&format!("{games} games played for puzzles"));
    Ok(seeds)
}

fn interrupted(step: u64) -> anyhow::Error {
    trimtab_alignment::Error::Interrupted { stage: STAGE, step }.into()
}

fn resolve(args: &Chess) -> Result<Plan> {
    let (mut seeds, mut steps) = (args.seeds.list(), args.steps);
    let mut items = [args.items_a, args.items_b, args.items_t];
    if args.quick {
        seeds.truncate(2);
        (steps, items) = (50, [200, 600, 200]);
    }
    let known = pretrain::sizes();
    let places: Option<Vec<usize>> = args.sizes.iter().map(|name| known.iter().position(|size| size == name)).collect();
    if !places.is_some_and(|places| places.len() >= 2 && places.is_sorted_by(|small, large| small < large)) {
        let advice = format!(
            "expected two or more of {}, each larger than the one before\n  try: --sizes 30k,100k,300k",
            known.join(", ")
        );
        return Err(Usage(format!("--sizes {}: no such ladder\n  {advice}", args.sizes.join(","))).into());
    }
    if !(args.lr > 0.0 && args.lr.is_finite()) {
        return Err(
            Usage(format!("--lr {}: no learning rate\n  expected a number above 0\n  try: 6e-3", args.lr)).into()
        );
    }
    if items.iter().any(|n| !(20..=100_000).contains(n)) {
        let what = format!("--items-a, -b, -t {}, {}, {}: too few or too many", items[0], items[1], items[2]);
        let advice = "expected from 20 to 100000 puzzles in each part\n  try: --items-t 2000";
        return Err(Usage(format!("{what}\n  {advice}")).into());
    }
    let [a, b, t] = items;
    let sizes = Sizes { depth: args.mate_in, a, b, step: b, steps: args.sizes.len() - 2, t };
    let reading = args.sizes.iter().map(|size| Pretrain { size: size.clone(), steps, ..Pretrain::default() }).collect();
    // Some forty puzzles, as the paper's batches of 32.
    let optimiser = Pretrain { batch_tokens: 1024, lr: args.lr, ..Pretrain::default() };
    let fitting = Fitting { epochs: args.epochs, optimiser };
    Ok(Plan { seeds, sizes, reading, fitting })
}
