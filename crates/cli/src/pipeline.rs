//! The stages of the loop in their order, each with its inputs and outputs in the run folder.

use crate::failure::Usage;
use crate::fetch::{self, ModelSource};
use crate::settings::cache_folder;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::config::Config;
use trimtab_alignment::ppo::{self, Corpus, PromptTokens};
use trimtab_alignment::stage::Stage;
use trimtab_alignment::{Error, reward, sample, sft};
use trimtab_people::{Judge, from_pairs, rank};
use trimtab_run::{RunFolder, StageState, config_hash, write_atomic};
use trimtab_text::dataset::{self, Counters};
use trimtab_text::encode::encode_input;
use trimtab_text::record::{Demonstration, Prompt, Ranking, Samples, write_jsonl};

/// The stages in order.
pub const STAGES: [&str; 5] = ["sft", "sample", "rank", "reward", "ppo"];

/// Which stages a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are not done.
    All,
    /// This one; those before it must be done.
    Only(&'static str),
}

/// A run in progress.
struct Pipeline<'a> {
    config: &'a Config,
    folder: RunFolder,
    quiet: bool,
    model: PathBuf,
    demonstrations_path: PathBuf,
    preferences_path: Option<PathBuf>,
    corpus_path: PathBuf,
    demonstrations: Vec<Demonstration>,
    dropped: Counters,
}

/// Runs the stages of `config` in `dir`.
///
/// # Errors
/// Whatever a stage meets; what was done stays done.
pub fn run(config: &Config, dir: &Path, which: Which, quiet: bool) -> Result<()> {
    trimtab_run::interrupt::install()?;
    let as_json = serde_json::to_value(config)?;
    let version = env!("CARGO_PKG_VERSION");
    let model = resolve_model(config, quiet)?;
    let data = |spec: &str| fetch::resolve_dataset(spec, &mut |_, _| {});
    let demonstrations_path = data(&config.data.demonstrations)?;
    let preferences_path = config.data.preferences.as_deref().map(data).transpose()?;
    let corpus_path = data(&config.data.corpus)?;
    let (demonstrations, dropped) = dataset::demonstrations(&demonstrations_path)?;
    // A single stage may be run again with other settings; the whole run says what changed instead.
    let folder = match which {
        Which::All => RunFolder::open_or_create(dir, &as_json, config.seed, version)?,
        Which::Only(_) => RunFolder::open_replacing(dir, &as_json, config.seed, version)?,
    };
    let mut run = Pipeline {
        config,
        folder,
        quiet,
        model,
        demonstrations_path,
        preferences_path,
        corpus_path,
        demonstrations,
        dropped,
    };
    for name in STAGES {
        match which {
            Which::All => run.stage(name)?,
            Which::Only(only) if only == name => return run.stage(name),
            Which::Only(only) => run.need(name, only)?,
        }
    }
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
            "rank" => json!([c.seed, c.rank]),
            "reward" => json!([c.seed, c.train, c.reward]),
            _ => json!([c.seed, c.train, c.sft.holdout, c.sft.limit, c.ppo]),
        };
        config_hash(&part)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.folder.stage_dir(name)
    }

    fn inputs(&self, name: &str) -> Vec<PathBuf> {
        let sft = self.dir("sft").join("checkpoint");
        let demonstrations = self.demonstrations_path.clone();
        match name {
            "sft" => vec![self.model.clone(), demonstrations],
            "sample" => vec![sft, demonstrations],
            "rank" => [self.dir("sample").join("samples.jsonl"), demonstrations]
                .into_iter()
                .chain(self.preferences_path.clone())
                .collect(),
            "reward" => vec![
                sft,
                self.dir("rank").join("rankings.jsonl"),
                self.dir("rank").join("answers.jsonl"),
                demonstrations,
            ],
            _ => vec![sft, self.dir("reward").join("checkpoint"), demonstrations, self.corpus_path.clone()],
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
        match name {
            "sft" => {
                if resume.is_none() {
                    count_all(&mut stage, &self.dropped);
                }
                let start = checkpoint::load(&self.model)?;
                sft::run(&mut stage, resume, start, &self.model, &self.demonstrations, &c.sft, &c.train)?;
            }
            "sample" => {
                let (path, sft) = self.sft_checkpoint()?;
                sample::run(&mut stage, resume, &sft, &path, &self.prompts().0, &c.sample)?;
            }
            "rank" => self.rank(&mut stage)?,
            "reward" => {
                let (path, sft) = self.sft_checkpoint()?;
                let rankings: Vec<Ranking> = dataset::records(&self.dir("rank").join("rankings.jsonl"))?;
                let answers: Vec<Samples> = dataset::records(&self.dir("rank").join("answers.jsonl"))?;
                let limit = c.reward.max_tokens.min(sft.model.config().max_position_embeddings);
                let counted = stage.counters.clone();
                let ranked = reward::encode_rankings(&mut stage, sft.tokenizer(&path)?, &rankings, &answers, limit)?;
                if resume.is_some() {
                    stage.counters = counted;
                }
                reward::run(&mut stage, resume, &sft, &path, &ranked, &self.demonstrations, &c.reward, &c.train)?;
            }
            _ => {
                let (path, sft) = self.sft_checkpoint()?;
                let tokenizer = sft.tokenizer(&path)?;
                let (documents, dropped) = dataset::corpus(&self.corpus_path)?;
                if resume.is_none() {
                    count_all(&mut stage, &dropped);
                }
                let corpus = Corpus::new(tokenizer, &documents, &c.ppo, c.seed)?;
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
                let given = ppo::Inputs {
                    sft: &sft,
                    sft_path: &path,
                    reward,
                    prompts: &prompts,
                    held_prompts: &held_prompts,
                    corpus: &corpus,
                };
                ppo::run(&mut stage, resume, &given, &c.ppo, &c.train)?;
            }
        }
        let counters = stage.close()?;
        let outputs: Vec<PathBuf> = OUTPUTS.iter().map(|o| dir.join(o)).filter(|p| p.exists()).collect();
        self.folder.finish(name, &inputs, &outputs, counters)?;
        Ok(())
    }

    fn sft_checkpoint(&self) -> Result<(PathBuf, Checkpoint)> {
        let path = self.dir("sft").join("checkpoint");
        let sft = checkpoint::load(&path)?;
        Ok((path, sft))
    }

    /// Prompts of the demonstrations trained on, and of those held out.
    fn prompts(&self) -> (Vec<Prompt>, Vec<Prompt>) {
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

    fn rank(&self, stage: &mut Stage) -> Result<()> {
        let (mut answers, mut rankings) = (Vec::new(), Vec::new());
        if let Some(path) = &self.preferences_path {
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
        stage.log(0, "rankings", rankings.len() as f64)?;
        let mut by_person = BTreeMap::<&str, [usize; 3]>::new();
        for ranking in &rankings {
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
        write_atomic(&stage.dir.join("answers.jsonl"), &write_jsonl(&answers)?)?;
        write_atomic(&stage.dir.join("rankings.jsonl"), &write_jsonl(&rankings)?)?;
        self.say(&format!("[rank] {}", said.join("; ")));
        Ok(())
    }
}

/// What a stage may leave in its folder.
const OUTPUTS: [&str; 7] = [
    "checkpoint",
    "samples.jsonl",
    "answers.jsonl",
    "rankings.jsonl",
    "eval.jsonl",
    "corpus_loss.jsonl",
    "metrics.jsonl",
];

fn count_all(stage: &mut Stage, dropped: &Counters) {
    for (what, n) in &dropped.0 {
        stage.count(what, *n);
    }
}
