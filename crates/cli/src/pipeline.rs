//! The stages of the loop in their order, each with its inputs and outputs in the run folder.

use crate::commands::people::of_run;
use crate::crowd;
use crate::failure::Usage;
use crate::fetch::{self, ModelSource};
use crate::people_run::{self, Web};
use crate::settings::cache_folder;
use crate::world_run::{WorldRun, distinct};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::config::{Config, Ppo};
use trimtab_alignment::ppo::{self, Corpus, PromptTokens};
use trimtab_alignment::stage::Stage;
use trimtab_alignment::{Error, reward, sample, sft};
use trimtab_people::{Judge, from_pairs, rank};
use trimtab_run::{RunFolder, StageState, config_hash, write_atomic};
use trimtab_text::dataset::{self, Counters};
use trimtab_text::encode::encode_input;
use trimtab_text::record::{Demonstration, Prompt, Ranking, Samples, write_jsonl};

/// The stages of every run, in order.
const LOOP: [&str; 5] = ["sft", "sample", "rank", "reward", "ppo"];
/// The stages of a run on the world: its own before the loop, and plain PPO as the control of PPO-ptx.
const WORLD_LOOP: [&str; 9] = ["world", "base", "sft", "sample", "rank", "reward", "ppo-plain", "ppo", "evaluation"];
/// The stages that leave a checkpoint, as in `runs/NAME:STAGE`.
pub const WITH_CHECKPOINT: [&str; 5] = ["base", "sft", "reward", "ppo-plain", "ppo"];

/// Which stages a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are not done; a run that was started with other settings is refused.
    All,
    /// All that are not done with these settings, which replace those that the run was started with.
    Again,
    /// This one; those before it must be done.
    Only(&'static str),
}

/// A run in progress.
struct Pipeline<'a> {
    config: &'a Config,
    world: Option<&'a WorldRun>,
    web: Option<&'a Web>,
    /// Whether people at a page ranked, now or before.
    by_people: bool,
    folder: RunFolder,
    quiet: bool,
    sources: Sources,
    demonstrations: Vec<Demonstration>,
    dropped: Counters,
    /// Prompts of stages 2 and 5, and those held out; those of the demonstrations where this is empty.
    prompts: Option<[Vec<Prompt>; 2]>,
}

/// Where a run's inputs lie on this machine.
struct Sources {
    model: PathBuf,
    demonstrations: PathBuf,
    preferences: Option<PathBuf>,
    corpus: PathBuf,
}

impl Sources {
    /// What the config names, brought if need be.
    fn of(config: &Config, quiet: bool) -> Result<Self> {
        let model = resolve_model(config, quiet)?;
        let data = |spec: &str| fetch::resolve_dataset(spec, &mut |_, _| {});
        Ok(Self {
            model,
            demonstrations: data(&config.data.demonstrations)?,
            preferences: config.data.preferences.as_deref().map(data).transpose()?,
            corpus: data(&config.data.corpus)?,
        })
    }

    /// What the first two stages of a run on the world leave in its folder.
    fn of_world(dir: &Path) -> Self {
        let world = dir.join("world");
        Self {
            model: dir.join("base").join("checkpoint"),
            demonstrations: world.join("demonstrations.jsonl"),
            preferences: None,
            corpus: world.join("corpus.txt"),
        }
    }
}

/// Runs the stages of `config` in `dir`; on the world where there is one, with people at a page where `web` says so.
///
/// # Errors
/// Whatever a stage meets; what was done stays done.
pub fn run(
    config: &Config,
    world: Option<&WorldRun>,
    web: Option<&Web>,
    dir: &Path,
    which: Which,
    quiet: bool,
) -> Result<()> {
    trimtab_run::interrupt::install()?;
    let mut as_json = serde_json::to_value(config)?;
    if let (Some(world), Value::Object(all)) = (world, &mut as_json) {
        all.insert("world_run".into(), serde_json::to_value(world)?);
    }
    let version = env!("CARGO_PKG_VERSION");
    let sources = if world.is_some() { Sources::of_world(dir) } else { Sources::of(config, quiet)? };
    let read = |sources: &Sources| dataset::demonstrations(&sources.demonstrations);
    // Before the folder exists: data that cannot be read should leave nothing behind.
    let (demonstrations, dropped) = if world.is_some() { Default::default() } else { read(&sources)? };
    // A single stage may be run again with other settings; the whole run says what changed instead.
    let folder = match which {
        Which::All => RunFolder::open_or_create(dir, &as_json, config.seed, version)?,
        Which::Again | Which::Only(_) => RunFolder::open_replacing(dir, &as_json, config.seed, version)?,
    };
    // A later stage alone builds on what people said, without asking them again.
    let later = matches!(which, Which::Only(only) if only != "rank");
    let by_people = web.is_some() || later && of_run(dir).exists();
    let mut run =
        Pipeline { config, world, web, by_people, folder, quiet, sources, demonstrations, dropped, prompts: None };
    let stages = if world.is_some() { &WORLD_LOOP[..] } else { &LOOP };
    for &name in stages {
        if name == "ppo-plain" && world.is_some_and(|w| !w.evaluation.control) {
            continue;
        }
        if world.is_some() && name == "sft" {
            (run.demonstrations, run.dropped) = read(&run.sources)?;
            let records = |file: &str| dataset::records::<Prompt>(&run.dir("world").join(file));
            run.prompts = Some([records("prompts-train.jsonl")?, records("prompts-heldout.jsonl")?]);
        }
        match which {
            Which::All | Which::Again => run.stage(name)?,
            Which::Only(only) if only == name => return run.stage(name),
            // A control, on which no stage that has a command builds.
            Which::Only(_) if name == "ppo-plain" => {}
            Which::Only(only) => run.need(name, only)?,
        }
    }
    let report = dir.join("report.html");
    write_atomic(&report, trimtab_report::report(&trimtab_report::Run::load(dir)?).as_bytes())?;
    run.say(&format!("report: {}", report.display()));
    Ok(())
}

fn resolve_model(config: &Config, quiet: bool) -> Result<PathBuf> {
    let path = |source| match source {
        ModelSource::Folder(path) | ModelSource::Gguf(path) => path,
    };
    let first = fetch::resolve(&config.model.source, &cache_folder(), &mut |_, _| {});
    match (first, &config.model.fallback) {
        (Ok(source), _) => Ok(path(source)),
        (Err(e), Some(fallback)) => {
            if !quiet {
                eprintln!(
                    "{}: not reached, taking {fallback} instead ({})",
                    config.model.source,
                    e.to_string().lines().next().unwrap_or_default()
                );
            }
            Ok(path(fetch::resolve(fallback, &cache_folder(), &mut |_, _| {})?))
        }
        (Err(e), None) => Err(e.into()),
    }
}

impl Pipeline<'_> {
    fn hash(&self, name: &str) -> String {
        let c = self.config;
        let part: Value = match name {
            "sft" => json!([c.seed, c.train, c.sft]),
            "sample" => json!([c.seed, c.sft.holdout, c.sft.limit, c.sample]),
            "rank" if self.by_people => json!([c.seed, "people at a page"]),
            "rank" => json!([c.seed, c.rank, self.world.map(|w| &w.people)]),
            "reward" => json!([c.seed, c.train, c.reward]),
            "world" => json!([c.seed, self.world.map(|w| &w.world)]),
            "base" => json!([c.seed, self.world.map(|w| (&w.world, &w.pretrain))]),
            "evaluation" => json!([c.seed, self.world.map(|w| (&w.world, &w.evaluation)), c.train, c.reward]),
            _ => json!([c.seed, c.train, c.sft.holdout, c.sft.limit, c.ppo]),
        };
        config_hash(&part)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.folder.stage_dir(name)
    }

    fn inputs(&self, name: &str) -> Vec<PathBuf> {
        let sft = self.dir("sft").join("checkpoint");
        let demonstrations = self.sources.demonstrations.clone();
        match name {
            "world" => vec![],
            "base" => vec![self.sources.corpus.clone()],
            "sft" => vec![self.sources.model.clone(), demonstrations],
            "sample" => vec![sft, demonstrations],
            "rank" => [self.dir("sample").join("samples.jsonl"), demonstrations]
                .into_iter()
                .chain(self.sources.preferences.clone())
                .collect(),
            "reward" => vec![
                sft,
                self.dir("rank").join("rankings.jsonl"),
                self.dir("rank").join("answers.jsonl"),
                demonstrations,
            ],
            "evaluation" => ["base", "sft", "reward", "ppo-plain", "ppo"]
                .map(|stage| self.dir(stage).join("checkpoint"))
                .into_iter()
                .filter(|checkpoint| checkpoint.exists())
                .chain([self.dir("sample").join("samples.jsonl"), self.dir("rank").join("rankings.jsonl")])
                .collect(),
            _ => vec![sft, self.dir("reward").join("checkpoint"), demonstrations, self.sources.corpus.clone()],
        }
    }

    /// Refuses to go on when an earlier stage is not done.
    fn need(&self, name: &str, wanted: &str) -> Result<()> {
        match self.folder.state(name, &self.hash(name)) {
            StageState::Done => Ok(()),
            state => {
                let why = match state {
                    StageState::Stale(why) => format!("is out of date: {why}"),
                    StageState::Unfinished => "is not finished".into(),
                    _ => "has not been run".into(),
                };
                Err(Usage(format!("{}: stage {name} {why}\n  expected it done before {wanted}\n  try: `trimtab {name}` with the same --config, or `trimtab run`", self.folder.dir().display())).into())
            }
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    fn stage(&mut self, name: &'static str) -> Result<()> {
        let hash = self.hash(name);
        match self.folder.state(name, &hash) {
            StageState::Done => {
                self.say(&format!("[{name}] done before"));
                return Ok(());
            }
            StageState::Stale(why) => self.say(&format!("[{name}] again: {why}")),
            StageState::Unfinished => self.say(&format!("[{name}] continues")),
            StageState::New => {}
        }
        let inputs = self.inputs(name);
        let dir = self.folder.begin(name, &hash, &inputs)?;
        let (mut stage, resume) = Stage::open(name, &dir, self.config.seed, self.quiet)?;
        let c = self.config;
        match (name, self.world) {
            ("world", Some(world)) => world.write(&mut stage, c.seed)?,
            ("base", Some(world)) => world.pretrain(&mut stage, &self.sources.corpus, c.seed)?,
            ("evaluation", Some(world)) => world.evaluate(&mut stage, self.folder.dir(), c)?,
            ("sft", _) => {
                if resume.is_none() {
                    count_all(&mut stage, &self.dropped);
                }
                let start = checkpoint::load(&self.sources.model)?;
                sft::run(&mut stage, resume, start, &self.sources.model, &self.demonstrations, &c.sft, &c.train)?;
            }
            ("sample", _) => {
                let (path, sft) = self.sft_checkpoint()?;
                sample::run(&mut stage, resume, &sft, &path, &self.prompts().0, &c.sample)?;
            }
            ("rank", _) if self.web.is_some() => self.rank_by_people(&mut stage)?,
            ("rank", Some(world)) => world.rank(&mut stage, self.folder.dir(), c.seed)?,
            ("rank", None) => self.rank(&mut stage)?,
            ("reward", _) => {
                let (path, sft) = self.sft_checkpoint()?;
                let rankings: Vec<Ranking> = dataset::records(&self.dir("rank").join("rankings.jsonl"))?;
                let answers: Vec<Samples> = dataset::records(&self.dir("rank").join("answers.jsonl"))?;
                let limit = c.reward.max_tokens.min(sft.model.config().max_position_embeddings);
                let counted = stage.counters.clone();
                let truths =
                    if self.world.is_some() { WorldRun::truths(self.folder.dir())? } else { BTreeMap::default() };
                let gold = |prompt: &str, text: &str| Some(trimtab_world::gold(truths.get(prompt)?, text).reward);
                let (tokenizer, gold) =
                    (sft.tokenizer(&path)?, self.world.is_some().then_some(&gold as reward::Gold<'_>));
                let ranked = reward::encode_rankings(&mut stage.counters, tokenizer, &rankings, &answers, limit, gold)?;
                if resume.is_some() {
                    stage.counters = counted;
                }
                reward::run(&mut stage, resume, &sft, &path, &ranked, &self.demonstrations, &c.reward, &c.train)?;
                let crowd = serde_json::to_vec(&crowd::of_run(self.folder.dir())?)?;
                write_atomic(&dir.join("people.json"), &crowd)?;
            }
            _ => {
                let (path, sft) = self.sft_checkpoint()?;
                let tokenizer = sft.tokenizer(&path)?;
                let (documents, dropped) = dataset::corpus(&self.sources.corpus)?;
                // The control: the same in everything but the next-token term.
                let config = if name == "ppo-plain" { &Ppo { ptx: 0.0, ..c.ppo.clone() } } else { &c.ppo };
                if resume.is_none() {
                    count_all(&mut stage, &dropped);
                }
                let corpus = Corpus::new(tokenizer, &documents, config, c.seed)?;
                let (train, held) = self.prompts();
                let room = sft.model.config().max_position_embeddings.saturating_sub(c.ppo.max_new_tokens);
                let encode = |prompts: &[Prompt]| -> Result<Vec<PromptTokens>> {
                    let all = prompts
                        .iter()
                        .map(|p| Ok(PromptTokens { id: p.id.clone(), tokens: encode_input(tokenizer, &p.input)? }));
                    all.collect::<Result<Vec<_>>>()
                };
                let (mut prompts, mut held_prompts) = (encode(&train)?, encode(&held)?);
                let before = prompts.len() + held_prompts.len();
                let fits = |p: &PromptTokens| !p.tokens.is_empty() && p.tokens.len() <= room.min(c.sft.max_tokens);
                prompts.retain(fits);
                held_prompts.retain(fits);
                if resume.is_none() {
                    stage.count(
                        "prompts too long for sft.max_tokens",
                        (before - prompts.len() - held_prompts.len()) as u64,
                    );
                }
                if prompts.is_empty() {
                    return Err(Error::config(
                        "data.demonstrations",
                        "no prompt is short enough",
                        "prompts that leave room for an answer",
                        "a larger sft.max_tokens",
                    )
                    .into());
                }
                let reward = reward::load(&self.dir("reward").join("checkpoint"), &sft.model)?;
                let truths =
                    if self.world.is_some() { WorldRun::truths(self.folder.dir())? } else { BTreeMap::default() };
                let gold = |prompt: &str, answer: &[u32]| {
                    let text = tokenizer.decode(answer, true).ok()?;
                    truths.get(prompt).map(|truth| trimtab_world::gold(truth, &text).reward)
                };
                let given = ppo::Inputs {
                    sft: &sft,
                    sft_path: &path,
                    reward,
                    prompts: &prompts,
                    held_prompts: &held_prompts,
                    corpus: &corpus,
                    gold: self.world.is_some().then_some(&gold),
                };
                ppo::run(&mut stage, resume, &given, config, &c.train)?;
            }
        }
        let counters = stage.close()?;
        let outputs: Vec<PathBuf> =
            OUTPUTS.iter().chain(&WORLD_OUTPUTS).map(|o| dir.join(o)).filter(|p| p.exists()).collect();
        self.folder.finish(name, &inputs, &outputs, counters)?;
        Ok(())
    }

    fn sft_checkpoint(&self) -> Result<(PathBuf, Checkpoint)> {
        let path = self.dir("sft").join("checkpoint");
        let sft = checkpoint::load(&path)?;
        Ok((path, sft))
    }

    /// Prompts to sample and learn from, and those held out: the data's own, or those of the demonstrations.
    fn prompts(&self) -> (Vec<Prompt>, Vec<Prompt>) {
        if let Some([train, held]) = &self.prompts {
            return (train.clone(), held.clone());
        }
        let (train, held) = sft::split(&self.demonstrations, &self.config.sft, self.config.seed);
        let of = |ids: Vec<usize>| {
            let mut seen = std::collections::HashSet::new();
            ids.into_iter()
                .map(|i| &self.demonstrations[i])
                .filter(|d| seen.insert(d.group_key()))
                .map(|d| Prompt {
                    id: d.id.clone(),
                    input: d.input.clone(),
                    tags: vec![],
                    group: d.group.clone(),
                    truth: None,
                    extra: serde_json::Map::new(),
                })
                .collect()
        };
        (of(train), of(held))
    }

    fn rank_by_people(&self, stage: &mut Stage) -> Result<()> {
        let Some(web) = self.web else { return Ok(()) };
        let samples = distinct(stage, dataset::records(&self.dir("sample").join("samples.jsonl"))?);
        let (answers, rankings) = people_run::collect(stage, self.folder.dir(), &samples, web)?;
        self.say(&format!("[rank] {}", write_rankings(stage, &answers, &rankings)?));
        Ok(())
    }

    fn rank(&self, stage: &mut Stage) -> Result<()> {
        let (mut answers, mut rankings) = (Vec::new(), Vec::new());
        if let Some(path) = &self.sources.preferences {
            let (pairs, dropped) = dataset::comparisons(path)?;
            count_all(stage, &dropped);
            (answers, rankings) = from_pairs(&pairs, self.config.seed);
        }
        if let Some(judge) = Judge::parse(&self.config.rank.judge)? {
            let samples: Vec<Samples> = dataset::records(&self.dir("sample").join("samples.jsonl"))?;
            let ideal: BTreeMap<String, String> =
                self.demonstrations.iter().map(|d| (d.id.clone(), d.completion.clone())).collect();
            let (ranked, without) = rank(&judge, &samples, &ideal, self.config.seed)?;
            stage.count("sampled prompts without an ideal answer", without);
            answers.extend(samples);
            rankings.extend(ranked);
        }
        self.say(&format!("[rank] {}", write_rankings(stage, &answers, &rankings)?));
        Ok(())
    }
}

/// Writes a ranking stage's records and figures; says what there is, by person.
pub fn write_rankings(stage: &mut Stage, answers: &[Samples], rankings: &[Ranking]) -> Result<String> {
    stage.log(0, "rankings", rankings.len() as f64)?;
    let mut by_person = BTreeMap::<&str, [usize; 3]>::new();
    for ranking in rankings {
        let pairs = ranking.comparisons();
        let of = by_person.entry(ranking.person.as_deref().unwrap_or("unnamed")).or_default();
        of[0] += 1;
        of[1] += pairs.wins.len();
        of[2] += pairs.ties.len();
    }
    let mut said = Vec::new();
    for (person, [n, wins, ties]) in by_person {
        for (what, count) in [("rankings", n), ("strict_pairs", wins), ("ties", ties)] {
            stage.log(0, &format!("{what}/{person}"), count as f64)?;
        }
        said.push(format!("{person}: {n} rankings, {wins} strict pairs, {ties} ties"));
    }
    write_atomic(&stage.dir.join("answers.jsonl"), &write_jsonl(answers)?)?;
    write_atomic(&stage.dir.join("rankings.jsonl"), &write_jsonl(rankings)?)?;
    Ok(said.join("; "))
}

/// What a stage may leave in its folder.
const OUTPUTS: [&str; 8] = [
    "checkpoint",
    "people.json",
    "samples.jsonl",
    "answers.jsonl",
    "rankings.jsonl",
    "eval.jsonl",
    "corpus_loss.jsonl",
    "metrics.jsonl",
];

/// What the stages of a run on the world leave beside that.
const WORLD_OUTPUTS: [&str; 10] = [
    "tokenizer",
    "corpus.txt",
    "corpus-heldout.txt",
    "demonstrations.jsonl",
    "prompts-train.jsonl",
    "prompts-heldout.jsonl",
    "evaluation.jsonl",
    "world.json",
    "items.jsonl",
    "planted.json",
];

fn count_all(stage: &mut Stage, dropped: &Counters) {
    for (what, n) in &dropped.0 {
        stage.count(what, *n);
    }
}
