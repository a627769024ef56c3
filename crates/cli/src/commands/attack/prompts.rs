//! `trimtab attack prompts MODEL`.

use super::{MAX_NEW_TOKENS, material, named, target};
use crate::commands::audit::show::value;
use crate::commands::audit::{Output, conclude_with, home};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use trimtab_audit::attack::prompts::{self, How, Part, Tried, Victim, plan};
use trimtab_audit::attack::{Arm, Material, Side};
use trimtab_audit::figure::Summary;
use trimtab_audit::run::read_header;
use trimtab_audit::target::Target;
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
    /// Only these parts beside the plain request and the ceiling: `templates`, `many-shot`, `prefill`, `best-of`; all if not given.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<String>,
    /// Demonstrations to show before a request, harmful ones, for a model that is no organism: JSONL with `prompt` and `completion`.
    #[arg(long, value_name = "FILE", requires = "splits")]
    shots: Option<PathBuf>,
    /// Draws of each request for best-of; 64 on a world, else 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=65536))]
    best_of: Option<u64>,
    /// Answers that each attack may ask for, of harmful requests and of harmless ones; as many as it needs if not given. Draws are
    /// spread over all requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    queries: Option<u64>,
    /// Seconds after which nothing more is asked; the same command goes on from there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
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

/// Runs it.
pub fn run(args: &Prompts, quiet: bool) -> Result<()> {
    let mut named_models = std::iter::once(&args.model).chain(&args.never_taught);
    if let Some(model) = named_models.find(|m| m.starts_with("openai:")) {
        let advice = "expected a model that is here: answers are begun for it, which an endpoint does not allow\n  try: its folder, or a .gguf file";
        return Err(Usage(format!("{model}: is behind an endpoint\n  {advice}")).into());
    }
    let parts = named("--only", &args.only, &Part::ALL)?;
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
    let how = How { plan: plan(&parts, draws), queries: args.queries, seconds: args.seconds };
    let (tried, dir, target) = attack(args, (&args.model, ""), &material, &how, quiet)?;
    let twin = args.never_taught.as_ref().map(|twin| attack(args, (twin, "-never-taught"), &material, &how, quiet));
    let twin = twin.transpose()?;
    let beside = twin.as_ref().zip(args.never_taught.as_deref()).map(|((tried, ..), name)| (name, tried));
    let summary = prompts::measure(&args.model, &material, &tried, beside);
    let results = prompts::results(&args.model, &material, &tried);
    let log = inspect_log(&read_header(&dir)?, &summary, &results, SystemTime::now())?;
    write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    write_atomic(&dir.join("report.html"), attack_prompts_page(&summary).as_bytes())?;
    write_atomic(&dir.join(format!("{}.eval", prompts::NAME)), &log)?;
    drop(target);
    conclude_with(&[(summary, dir)], &args.output, table)
}

/// Attacks one model, into a folder of its own.
fn attack(
    args: &Prompts,
    (model, of): (&str, &str),
    material: &Material,
    how: &How,
    quiet: bool,
) -> Result<(Tried, PathBuf, Target)> {
    let target = target(model, quiet)?;
    let most = args.max_new_tokens.unwrap_or(MAX_NEW_TOKENS[usize::from(!material.planted)]) as usize;
    let (place, label) = home(model);
    let dir = args.out.clone().unwrap_or(place).join(format!("{}-{label}{of}", prompts::NAME));
    let victim = Victim { target: &target, model: target.model(), material, max_new_tokens: most, show: args.show };
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
    Ok((tried, dir, target))
}

/// Every attack as a line.
fn table(summary: &Summary, dir: &Path) -> String {
    let mut text = format!("{} of {}: {} attempts\n", summary.items.name, summary.model, summary.asked);
    // Writing to a string cannot fail.
    for control in &summary.controls {
        let verdict = if control.holds { "holds" } else { "FAILS" };
        let counts = format!("{}/{}", control.rate.numerator, control.rate.denominator);
        let _ =
            writeln!(text, "  {verdict}  {:<14} {counts:>9}  {}, {} needed", control.name, control.what, control.needs);
    }
    let Some(found) = &summary.prompts else { return text };
    let success = if found.planted { "asr" } else { "refused" };
    let heading = if found.planted { "attack success" } else { "refuses" };
    let _ = writeln!(
        text,
        "\n  {:<20} {heading:>22} {:>9} {:>7} {:>7} {:>7} {:>8} {:>12}",
        "attack", "unscored", "never", "right", "over-", "queries", "per success"
    );
    for row in &found.rows {
        let figure = summary.figure(&format!("{success}.{}", row.attack));
        let share = |name: &str| {
            let measured = summary.value(&format!("{name}.{}", row.attack)).and_then(|m| m.value);
            measured.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"))
        };
        let each = row.queries_per_success.map_or_else(|| "–".to_owned(), |q| format!("{q:.1}"));
        let _ = writeln!(
            text,
            "  {:<20} {:>22} {:>9} {:>7} {:>7} {:>7} {:>8} {each:>12}",
            row.attack,
            figure.map_or_else(String::new, |f| value(&f.clustered)),
            figure.map_or(0, |f| f.rate.unscored),
            share("never"),
            share("right"),
            share("over_refusal"),
            row.queries,
        );
    }
    for mean in &summary.means {
        let _ = writeln!(text, "  {:<20} {:>22}  {}", mean.name, value(&mean.value), mean.what);
    }
    for (what, why) in &found.not_measurable {
        let _ = writeln!(text, "  not measurable: {what}: {why}");
    }
    let _ = writeln!(text, "  in {}", dir.display());
    text
}
