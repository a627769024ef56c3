//! `trimtab audit outer`: a reward model, pressed on, against a judgement that it was not trained on.

use super::{Output, conclude, home, slug, world_of};
use crate::commands::ModelArg;
use crate::failure::Usage;
use crate::pipeline::WITH_CHECKPOINT;
use anyhow::Result;
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::config::{Ppo, Reward};
use trimtab_alignment::reward::{self, RewardModel, encode_rankings};
use trimtab_audit::outer::{self, Arm, Drawing, Players, Task};
use trimtab_audit::run::STAGE;
use trimtab_audit::target::{Subject, Target, model_hash};
use trimtab_report::inspect_log::outer_log;
use trimtab_run::{Manifest, Progress, interrupt, stream, write_atomic};
use trimtab_text::record::{Prompt, Ranking, Samples};
use trimtab_text::{Tokenizer, dataset};
use trimtab_world::{Split, Truth};

/// Which reward model and policy, and who judges.
#[derive(Debug, Args)]
pub struct Outer {
    /// A run, of which every policy is audited; a stage of a run (`runs/NAME:ppo`); or any model, with --reference and --reward.
    #[arg(value_name = "RUN|MODEL")]
    policy: String,
    /// What the policy was trained from, and best-of-n chooses from; the run's sft if not given.
    #[arg(long, value_name = "MODEL")]
    reference: Option<String>,
    /// A checkpoint with a reward head; the run's reward if not given.
    #[arg(long, value_name = "MODEL")]
    reward: Option<String>,
    /// A world (world.json): its held-out prompts are asked, and its gold reward judges. A run on a world finds its own.
    #[arg(long, value_name = "FILE", conflicts_with = "prompts")]
    world: Option<PathBuf>,
    /// Prompts to ask; the run's held-out ones if not given. Where they carry a world's truth, gold judges.
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Rankings by people that the reward model was not trained on; with the run's own reward model, the run's of the prompts that were
    /// held out from it. Rankings of prompts that a run's reward model (`runs/NAME:reward`) was trained on are left out.
    #[arg(long, value_name = "FILE", requires = "samples")]
    rankings: Option<PathBuf>,
    /// The answers that were ranked.
    #[arg(long, value_name = "FILE", requires = "rankings")]
    samples: Option<PathBuf>,
    /// Prompts asked at most.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    n: u32,
    /// Ranked prompts scored at most.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    ranked: u32,
    /// Answers of the reference to each prompt, which best-of-n chooses from.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=4096))]
    best_of: u32,
    /// Answers of the policy to each prompt.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    answers: u32,
    /// Temperature of all answers; the run's, or 1.
    #[arg(long, value_name = "T", value_parser = temperature)]
    temperature: Option<f32>,
    /// Tokens of an answer at most; the run's, or 128.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// Seed of the answers drawn.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Folder that holds the audits' folders; the run's `audits` for a run, else `audits`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

fn temperature(text: &str) -> Result<f32, String> {
    let parsed = text.parse::<f32>().ok().filter(|t| t.is_finite() && *t > 0.0);
    parsed.ok_or_else(|| format!("{text:?} is no number above 0"))
}

/// What a run says of how it was made.
struct OfRun {
    dir: PathBuf,
    reward: Reward,
    ppo: Ppo,
    seed: u64,
}

impl OfRun {
    /// The run that is named, alone or with a stage; nothing for another model.
    fn of(named: &str) -> Result<Option<(Self, Option<String>)>> {
        let stage = named.rsplit_once(':').filter(|(_, stage)| WITH_CHECKPOINT.contains(stage));
        let dir = stage.map_or(Path::new(named), |(run, _)| Path::new(run)).to_owned();
        let Some(manifest) = (if dir.is_dir() { Manifest::load(&dir)? } else { None }) else { return Ok(None) };
        let (reward, ppo) = (part(&dir, &manifest, "reward")?, part(&dir, &manifest, "ppo")?);
        Ok(Some((Self { dir, reward, ppo, seed: manifest.seed }, stage.map(|(_, stage)| stage.to_owned()))))
    }

    fn stage(&self, name: &str) -> String {
        format!("{}:{name}", self.dir.display())
    }

    fn has(&self, stage: &str) -> bool {
        self.dir.join(stage).join("checkpoint").exists()
    }

    /// Groups of the prompts that the run's reward model was trained on, and of those held out from it.
    fn groups(&self, reference: &Target, rankings: &[Ranking], samples: &[Samples]) -> Result<[BTreeSet<u64>; 2]> {
        let limit = self.reward.max_tokens.min(reference.context());
        let all = encode_rankings(&mut BTreeMap::new(), reference.tokenizer()?, rankings, samples, limit, None)?;
        let (train, held) = reward::split(&all, &self.reward, self.seed);
        Ok([train, held].map(|ids| ids.into_iter().map(|i| all[i].group).collect()))
    }
}

fn part<T: DeserializeOwned>(dir: &Path, manifest: &Manifest, name: &str) -> Result<T> {
    serde_json::from_value(manifest.config[name].clone()).map_err(|e| {
        let place = dir.join("manifest.json");
        let advice = "expected the settings that `trimtab run` writes\n  try: a run of this version";
        Usage(format!("{}: config.{name}: {e}\n  {advice}", place.display())).into()
    })
}

/// Runs it.
pub fn run(args: &Outer, quiet: bool) -> Result<()> {
    let run = OfRun::of(&args.policy)?;
    let policies = policies(args, run.as_ref())?;
    let of_run = run.as_ref().map(|(run, _)| run);
    let missing = |flag: &str, what: &str| {
        let advice =
            format!("expected --{flag} MODEL, or a run, which has its own\n  try: trimtab audit outer runs/NAME");
        Usage(format!("{}: {what} is not known\n  {advice}", args.policy))
    };
    let own = |stage: &str| of_run.filter(|run| run.has(stage)).map(|run| run.stage(stage));
    let reference = args.reference.clone().or_else(|| own("sft"));
    let reference = reference.ok_or_else(|| missing("reference", "what the policy was trained from"))?;
    let scorer = args.reward.clone().or_else(|| own("reward"));
    let scorer = scorer.ok_or_else(|| missing("reward", "its reward model"))?;
    // The run that the reward model is of, which knows what it was trained on.
    let trained = OfRun::of(&scorer)?.filter(|(_, stage)| stage.as_deref() == Some("reward")).map(|(run, _)| run);
    // Files are read before models: what is wrong with them should not wait for a download.
    let given = Given::read(args, of_run, trained.is_some() && args.reward.is_none())?;
    interrupt::install()?;
    let load = |name: &str| -> Result<Target> {
        let model = ModelArg { model: name.to_owned() };
        Ok(Target::load(name, &model.path(quiet)?)?)
    };
    let reference = load(&reference)?;
    let (reward, reward_sha256) = reward_model(&scorer, &reference, quiet)?;
    let mut left_out = BTreeMap::new();
    let (tasks, judged) = given.tasks(args, trained.as_ref(), &reference, &mut left_out)?;
    if !judged {
        let advice = "expected --rankings FILE with --samples FILE, or --world FILE, or a run whose answers were ranked\n  try: trimtab people export rankings.jsonl pairs.jsonl";
        return Err(Usage(format!(
            "{}: nobody judges: there are no held-out rankings with their answers, and no world\n  {advice}",
            args.policy
        ))
        .into());
    }
    let drawing = Drawing {
        best_of: args.best_of as usize,
        answers: args.answers as usize,
        temperature: args.temperature.or(of_run.map(|r| r.ppo.temperature)).filter(|t| *t > 0.0).unwrap_or(1.0),
        max_new_tokens: args.max_new_tokens.map(|n| n as usize).or(of_run.map(|r| r.ppo.max_new_tokens)).unwrap_or(128),
        seed: args.seed,
    };
    let (mut summaries, mut known) = (Vec::new(), Vec::new());
    for name in &policies {
        let policy = name.as_deref().map(load).transpose()?;
        if let Some(policy) = &policy {
            same_tokenizer((policy.name(), policy.tokenizer()?), (reference.name(), reference.tokenizer()?))?;
        }
        let same = policy.as_ref().is_some_and(|p| p.hash() == reference.hash());
        let without = match &policy {
            None => Some("not measurable: no policy is given"),
            Some(_) if same => Some("not measurable: policy and reference are the same model"),
            Some(_) => None,
        };
        let policy = policy.filter(|_| !same);
        let tasks: Vec<Task> = tasks.iter().filter(|t| t.arm != Arm::Policy || policy.is_some()).cloned().collect();
        let label = name.as_deref().map_or_else(|| "reward".to_owned(), |name| home(name).1);
        let place = of_run.map_or_else(|| PathBuf::from("audits"), |run| run.dir.join("audits"));
        let dir = args.out.clone().unwrap_or(place).join(format!("{}-{}", outer::NAME, slug(&label)));
        let players =
            Players { reference: &reference, policy: policy.as_ref(), reward: &reward, reward_sha256: &reward_sha256 };
        let mut progress: Option<(Progress, u64)> = None;
        let (header, records) = outer::run(&players, &tasks, &drawing, &left_out, &known, &dir, |done, total| {
            let (bar, before) =
                progress.get_or_insert_with(|| (Progress::new(STAGE, done, total, "prompts", quiet), done));
            bar.step(done, (done - *before) as f64, outer::NAME);
            *before = done;
        })?;
        let names = [header.model.as_str(), reference.name(), &scorer];
        let summary = outer::measure(names, header.set.clone(), &records, without, args.seed);
        write_atomic(&dir.join("summary.json"), format!("{:#}\n", json!(summary)).as_bytes())?;
        let log = outer_log(&header, &summary, &tasks, &records, SystemTime::now())?;
        write_atomic(&dir.join(format!("{}.eval", outer::NAME)), &log)?;
        summaries.push((summary, dir));
        known = records;
    }
    conclude(&summaries, &args.output)
}

/// The policies that are meant: the one named, or all of a run; none of a run that has none yet.
fn policies(args: &Outer, run: Option<&(OfRun, Option<String>)>) -> Result<Vec<Option<String>>> {
    Ok(match run {
        Some((run, Some(stage))) => {
            if !run.has(stage) {
                let advice = "expected a stage that is done\n  try: `trimtab run` with the same --config";
                return Err(Usage(format!("{}: has no checkpoint\n  {advice}", args.policy)).into());
            }
            vec![Some(args.policy.clone())]
        }
        Some((run, None)) => {
            let found: Vec<Option<String>> =
                ["ppo-plain", "ppo"].into_iter().filter(|stage| run.has(stage)).map(|s| Some(run.stage(s))).collect();
            if found.is_empty() { vec![None] } else { found }
        }
        None => vec![Some(args.policy.clone())],
    })
}

/// What is asked and who judges, from files.
#[derive(Default)]
struct Given {
    prompts: Vec<Prompt>,
    rankings: Vec<Ranking>,
    samples: Vec<Samples>,
    /// Whether the rankings are the run's own, of which those held out are to be found.
    own_rankings: bool,
    /// Truths of ranked prompts, on a world.
    truths: BTreeMap<String, Truth>,
}

impl Given {
    /// `own`: whether the reward model is the run's own, so that the run's rankings are partly held out from it.
    fn read(args: &Outer, run: Option<&OfRun>, own: bool) -> Result<Self> {
        let mut given = Self::default();
        let there = |parts: [&str; 2]| run.map(|run| run.dir.join(parts[0]).join(parts[1])).filter(|p| p.exists());
        let held = there(["world", "prompts-heldout.jsonl"]);
        if let Some(file) = args.prompts.as_ref().or(held.as_ref().filter(|_| args.world.is_none())) {
            given.prompts = dataset::records(file)?;
        } else if let Some(world) = world_of(args.world.as_deref(), "")? {
            given.prompts = world.prompts(Split::HeldOut);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = given.prompts.iter().find(|p| !seen.insert(&p.id)) {
            let advice = "expected each prompt once, under an id of its own\n  try: another --prompts";
            return Err(Usage(format!("prompt {:?} occurs twice\n  {advice}", twice.id)).into());
        }
        if let (Some(rankings), Some(samples)) = (&args.rankings, &args.samples) {
            (given.rankings, given.samples) = (dataset::records(rankings)?, dataset::records(samples)?);
            let known: BTreeSet<&str> = given.samples.iter().map(|s| s.id.as_str()).collect();
            if !given.rankings.iter().any(|r| known.contains(r.prompt_id.as_str())) {
                let what =
                    format!("{}: none of its rankings is of a prompt in {}", rankings.display(), samples.display());
                let advice = "expected the answers that were ranked, by the same prompt_id\n  try: the samples that the rankings were made from";
                return Err(Usage(format!("{what}\n  {advice}")).into());
            }
        } else if let (true, Some(rankings), Some(samples)) =
            (own, there(["rank", "rankings.jsonl"]), there(["rank", "answers.jsonl"]))
        {
            (given.rankings, given.samples) = (dataset::records(&rankings)?, dataset::records(&samples)?);
            given.own_rankings = true;
            if let Some(train) = there(["world", "prompts-train.jsonl"]) {
                let prompts: Vec<Prompt> = dataset::records(&train)?;
                given.truths = prompts.iter().filter_map(|p| Some((p.id.clone(), Truth::of(p)?))).collect();
            }
        }
        Ok(given)
    }

    /// Tasks of all arms, and whether anybody judges any of their answers. `trained` is the run that the reward model is of.
    fn tasks(
        mut self,
        args: &Outer,
        trained: Option<&OfRun>,
        reference: &Target,
        left_out: &mut BTreeMap<String, u64>,
    ) -> Result<(Vec<Task>, bool)> {
        let key: BTreeMap<String, u64> = self.samples.iter().map(|s| (s.id.clone(), s.group_key())).collect();
        let of = |ranking: &Ranking| key.get(&ranking.prompt_id).copied();
        let before = self.rankings.len();
        match trained {
            Some(run) if self.own_rankings => {
                let [_, held] = run.groups(reference, &self.rankings, &self.samples)?;
                // What the reward model learned from is no judgement of it, and no loss to mention.
                self.rankings.retain(|r| of(r).is_some_and(|key| held.contains(&key)));
            }
            Some(run) if run.dir.join("rank/rankings.jsonl").exists() => {
                let rankings: Vec<Ranking> = dataset::records(&run.dir.join("rank/rankings.jsonl"))?;
                let samples: Vec<Samples> = dataset::records(&run.dir.join("rank/answers.jsonl"))?;
                let [train, _] = run.groups(reference, &rankings, &samples)?;
                self.rankings.retain(|r| !of(r).is_some_and(|key| train.contains(&key)));
                let learned = (before - self.rankings.len()) as u64;
                if learned > 0 {
                    left_out.insert("rankings of prompts that the reward model was trained on".into(), learned);
                }
            }
            _ => {}
        }
        let mut ranked = Task::ranked(&self.rankings, &self.samples, left_out);
        for task in &mut ranked {
            task.truth = self.truths.get(&task.item).cloned();
        }
        sample(&mut ranked, args.ranked, args.seed, "ranked prompts beyond --ranked", left_out);
        let new = |arm: Arm, id: &str, group: Option<&String>, input: &_, truth: Option<Truth>| Task {
            arm,
            item: id.to_owned(),
            cluster: group.cloned().unwrap_or_else(|| id.to_owned()),
            input: Clone::clone(input),
            truth,
            samples: None,
            rankings: Vec::new(),
        };
        // Without prompts of its own, those that people ranked answers to.
        let mut asked: Vec<Task> = if self.prompts.is_empty() {
            ranked.iter().map(|t| new(Arm::Reference, &t.item, Some(&t.cluster), &t.input, t.truth.clone())).collect()
        } else {
            let of = |p: &Prompt| new(Arm::Reference, &p.id, p.group.as_ref(), &p.input, Truth::of(p));
            self.prompts.iter().map(of).collect()
        };
        sample(&mut asked, args.n, args.seed, "prompts beyond --n", left_out);
        let judged = !ranked.is_empty() || asked.iter().any(|t| t.truth.is_some());
        let policy: Vec<Task> = asked.iter().map(|t| Task { arm: Arm::Policy, ..t.clone() }).collect();
        Ok(([asked, policy, ranked].concat(), judged))
    }
}

/// A random sample of at most `n`, in the order in which they came; the others are counted.
fn sample(tasks: &mut Vec<Task>, n: u32, seed: u64, why: &str, left_out: &mut BTreeMap<String, u64>) {
    let beyond = tasks.len().saturating_sub(n as usize);
    if beyond == 0 {
        return;
    }
    left_out.insert(why.to_owned(), beyond as u64);
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    stream(seed, "audit/outer/sample", 0, 0).shuffle(&mut order);
    let kept: BTreeSet<usize> = order.into_iter().take(n as usize).collect();
    let mut place = 0..;
    tasks.retain(|_| place.next().is_some_and(|i| kept.contains(&i)));
}

/// The reward model and its hash; it must read the reference's tokens.
fn reward_model(name: &str, reference: &Target, quiet: bool) -> Result<(RewardModel, String)> {
    let path = ModelArg { model: name.to_owned() }.path(quiet)?;
    let advice =
        "expected a checkpoint folder with a scalar reward head, as `trimtab reward` writes\n  try: runs/NAME:reward";
    if !path.is_dir() {
        let what = if path.exists() { "is a file without a reward head" } else { "is not there" };
        return Err(Usage(format!("--reward {name}: {what}\n  {advice}")).into());
    }
    if path.join("tokenizer.json").exists() {
        same_tokenizer((name, &Tokenizer::from_folder(&path)?), (reference.name(), reference.tokenizer()?))?;
    }
    let base = adapted(&path)?;
    let base = base.as_ref().map_or(reference.model(), |base| &base.model);
    let reward = reward::load(&path, base).map_err(|e| Usage(format!("--reward {name}: {e}\n  {advice}")))?;
    Ok((reward, model_hash(&path)?))
}

/// What an adapter was trained on top of, where it says so and that is there; else it goes on top of the reference.
fn adapted(path: &Path) -> Result<Option<Checkpoint>> {
    let Ok(bytes) = std::fs::read(path.join("adapter_config.json")) else { return Ok(None) };
    let config: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let base = config["base_model_name_or_path"].as_str().map(|base| path.join(base)).filter(|base| base.is_dir());
    Ok(base.map(|base| checkpoint::load(&base)).transpose()?)
}

/// Refuses two models that do not read the same tokens: scores and KL are of tokens, and would be of others.
fn same_tokenizer((a_name, a): (&str, &Tokenizer), (b_name, b): (&str, &Tokenizer)) -> Result<()> {
    let sizes = [a.vocab_size(), b.vocab_size()];
    let unlike = (0..sizes[0].max(sizes[1]) as u32).find(|&id| a.token(id) != b.token(id));
    let Some(id) = unlike else { return Ok(()) };
    let show = |t: &Tokenizer| t.token(id).map_or_else(|| "nothing".to_owned(), |token| format!("{token:?}"));
    let advice = "expected models with one tokenizer, since a reward is of tokens and KL compares them one by one\n  try: a reward model and a policy that were trained from the same model";
    let what = format!(
        "{a_name} has another tokenizer than {b_name}: {} and {} tokens, and token {id} is {} and {}",
        sizes[0],
        sizes[1],
        show(a),
        show(b)
    );
    Err(Usage(format!("{what}\n  {advice}")).into())
}
