//! Drawing answers and scoring them, so that it can be stopped anywhere and goes on from there.
//!
//! 1. A task is one prompt of one arm, and its answers depend on nothing else: the seed is named by the audit's seed and the prompt,
//!    so policy and reference draw from the same stream of random numbers.
//! 2. A reward model reads the tokens that were drawn, as in training; answers that repeat another of their prompt are scored once.
//! 3. KL is that of a whole answer: the sum over its tokens of ln p(policy) − ln p(reference) at the sampling temperature, whose mean
//!    over the policy's own answers is KL(policy ‖ reference).
//! 4. An answer that was cut at the longest length is scored as it stands, and counted.

use super::features::features;
use super::record::{Arm, Record, Said, Task};
use super::{NAME, info};
use crate::journal::Journal;
use crate::run::{Header, STAGE, Shard, begin, problem};
use crate::target::{Subject, Target};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trimtab_alignment::Error;
use trimtab_alignment::reward::{Ranked, RewardModel, scores};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::{Answer, Sampling, Stop};
use trimtab_engine::readout::LogProbRows;
use trimtab_run::{interrupt, sha256_bytes, stream, write_atomic};
use trimtab_text::encode::encode_input;
use trimtab_world::gold;

/// Tasks between two writes.
const BATCH: usize = 8;
/// Tokens of one pass.
const PASS_TOKENS: usize = 4096;

/// Who plays.
#[derive(Debug, Clone, Copy)]
pub struct Players<'a> {
    /// What the policy was trained from.
    pub reference: &'a Target,
    /// The policy, where there is one.
    pub policy: Option<&'a Target>,
    /// The reward model, which reads the reference's tokens.
    pub reward: &'a RewardModel,
    /// SHA-256 of its files.
    pub reward_sha256: &'a str,
}

/// How answers are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawing {
    /// Answers of the reference to each prompt, which best-of-n chooses from.
    pub best_of: usize,
    /// Answers of the policy to each prompt.
    pub answers: usize,
    /// Temperature of both.
    pub temperature: f32,
    /// Tokens of an answer at most.
    pub max_new_tokens: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Does what `dir` does not hold yet and gives all records, in the order of `tasks`. `heard` is told how many are done, out of how
/// many. `left_out` is what was there and is not asked, by reason; `known` are records of another policy with the same reference, reward
/// model and drawing, whose answers need not be drawn again.
///
/// # Errors
/// [`Error::Text`] for a folder that holds another audit; [`Error::Interrupted`] after Ctrl-C, when everything done is in the
/// folder; what the models meet.
pub fn run(
    players: &Players,
    tasks: &[Task],
    drawing: &Drawing,
    left_out: &BTreeMap<String, u64>,
    known: &[Record],
    dir: &Path,
    mut heard: impl FnMut(u64, u64),
) -> Result<(Header, Vec<Record>), Error> {
    let items = items(players, tasks, drawing);
    let mut set = info();
    set.left_out = left_out.clone();
    let named = players.policy.unwrap_or(players.reference);
    let header = Header {
        audit: NAME.to_owned(),
        model: named.name().to_owned(),
        model_sha256: named.hash().to_owned(),
        set,
        items_sha256: sha256_bytes(&items),
        items: tasks.len() as u64,
        max_new_tokens: drawing.max_new_tokens,
        shard: Shard::WHOLE,
    };
    std::fs::create_dir_all(dir).map_err(|source| trimtab_text::Error::Io { path: dir.to_owned(), source })?;
    let header = begin(dir, header)?;
    if !dir.join("items.jsonl").exists() {
        write_atomic(&dir.join("items.jsonl"), &items)?;
    }
    let path = dir.join("results.jsonl");
    let (mut journal, mut records) = Journal::open::<Record>(&path)?;
    let places: BTreeMap<(Arm, &str), usize> =
        tasks.iter().enumerate().map(|(i, task)| ((task.arm, task.item.as_str()), i)).collect();
    let mut done = BTreeSet::new();
    for (i, record) in records.iter().enumerate() {
        let place = places.get(&(record.arm, record.item.as_str()));
        if place.is_none_or(|place| !done.insert(*place)) {
            let place = Path::new(&format!("{}:{}", path.display(), i + 1)).to_owned();
            let what = format!("item {:?} is not of this audit, or occurs twice", record.item);
            let hint = "remove the folder, so that the audit starts again";
            return Err(problem(&place, what, "each prompt of each arm once", hint).into());
        }
    }
    let known: BTreeMap<(Arm, &str), &Record> =
        known.iter().filter(|r| r.arm != Arm::Policy).map(|r| ((r.arm, r.item.as_str()), r)).collect();
    let pending: Vec<&Task> = tasks.iter().enumerate().filter(|(i, _)| !done.contains(i)).map(|(_, t)| t).collect();
    let (mut count, total) = (records.len() as u64, tasks.len() as u64);
    heard(count, total);
    for (step, batch) in pending.chunks(BATCH).enumerate() {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: STAGE, step: step as u64 });
        }
        let of = |task: &&Task| {
            known
                .get(&(task.arm, task.item.as_str()))
                .map_or_else(|| players.of_task(task, drawing), |r| Ok((*r).clone()))
        };
        let new: Vec<Record> = batch.iter().map(of).collect::<Result<_, _>>()?;
        journal.append(&new)?;
        records.extend(new);
        interrupt::stop_point(STAGE, step as u64);
        count += batch.len() as u64;
        heard(count, total);
    }
    records.sort_by_key(|r| places.get(&(r.arm, r.item.as_str())).copied());
    Ok((header, records))
}

/// `items.jsonl`: a line of everything that decides the answers beside the policy, and then the tasks.
fn items(players: &Players, tasks: &[Task], drawing: &Drawing) -> Vec<u8> {
    let made = json!({"outer": {
        "reference_sha256": players.reference.hash(),
        "reward_sha256": players.reward_sha256,
        "best_of": drawing.best_of,
        "answers": drawing.answers,
        "temperature": drawing.temperature,
        "seed": drawing.seed,
    }});
    let lines = std::iter::once(made.to_string()).chain(tasks.iter().map(|task| json!(task).to_string()));
    lines.flat_map(|line| (line + "\n").into_bytes()).collect()
}

/// An answer's tokens, and what else is known of it.
struct Drawn {
    tokens: Vec<u32>,
    text: String,
    kl: Option<f64>,
    cut: bool,
}

impl Players<'_> {
    fn of_task(&self, task: &Task, drawing: &Drawing) -> Result<Record, Error> {
        let reference = &self.reference.checkpoint;
        let tokenizer = reference.tokenizer(&self.reference.path)?;
        let prompt = encode_input(tokenizer, &task.input)?;
        let drawn: Vec<Drawn> = match (task.arm, &task.samples, self.policy) {
            (Arm::Ranked, Some(samples), _) => {
                let read = Ranked::of_samples(tokenizer, samples)?;
                let texts = samples.answers.iter().map(|a| a.text.clone());
                let both = read.answers.into_iter().zip(texts);
                both.map(|(tokens, text)| Drawn { tokens, text, kl: None, cut: false }).collect()
            }
            (Arm::Policy, _, Some(policy)) => {
                let answers = draw(policy, task, &prompt, drawing.answers, drawing)?;
                let kl = self.kl(&prompt, &answers, drawing.temperature)?;
                texts(policy, answers, kl.into_iter().map(Some))?
            }
            (Arm::Policy, _, None) | (Arm::Ranked, None, _) => Vec::new(),
            (Arm::Reference, ..) => {
                let answers = draw(self.reference, task, &prompt, drawing.best_of, drawing)?;
                texts(self.reference, answers, std::iter::repeat(None))?
            }
        };
        let proxy = self.proxy(&prompt, &drawn)?;
        let said = |(drawn, proxy): (Drawn, Result<f64, &str>)| Said {
            features: features(task.truth.as_ref(), &drawn.text),
            gold: task.truth.as_ref().map(|truth| gold(truth, &drawn.text).reward),
            proxy: proxy.ok(),
            unscored: proxy.err().map(str::to_owned),
            kl: drawn.kl,
            cut: drawn.cut,
            text: drawn.text,
        };
        let mut answers: Vec<Said> = drawn.into_iter().zip(proxy).map(said).collect();
        if answers.is_empty() {
            let none = Drawn { tokens: Vec::new(), text: String::new(), kl: None, cut: false };
            answers.push(said((none, Err("the prompt leaves no room for an answer in the model's context"))));
            answers[0].gold = None;
        }
        let (item, cluster, rankings) = (task.item.clone(), task.cluster.clone(), task.rankings.clone());
        Ok(Record { audit: NAME.to_owned(), item, arm: task.arm, cluster, answers, rankings })
    }

    /// Reward of each answer, or why there is none.
    fn proxy(&self, prompt: &[u32], drawn: &[Drawn]) -> Result<Vec<Result<f64, &'static str>>, Error> {
        let limit = self.reward.model.config().max_position_embeddings;
        let refused = |d: &Drawn| {
            if d.tokens.is_empty() {
                Some("empty answer")
            } else if prompt.is_empty() || prompt.len() + d.tokens.len() > limit {
                Some("longer than the reward model's context")
            } else {
                None
            }
        };
        let unlike: BTreeSet<&[u32]> =
            drawn.iter().filter(|d| refused(d).is_none()).map(|d| d.tokens.as_slice()).collect();
        let unlike: Vec<&[u32]> = unlike.into_iter().collect();
        let mut worth: BTreeMap<&[u32], f64> = BTreeMap::new();
        for part in parts(prompt.len(), &unlike) {
            let ranked = Ranked::unranked(prompt.to_vec(), part.iter().map(|a| a.to_vec()).collect());
            let raw = scores(&self.reward.model, &[&ranked], PASS_TOKENS)?.concat();
            worth.extend(part.iter().copied().zip(raw.into_iter().map(|raw| self.reward.reward(raw))));
        }
        let of = |d: &Drawn| {
            refused(d).map_or(Ok(()), Err)?;
            let worth = worth.get(d.tokens.as_slice()).copied().filter(|w| w.is_finite());
            worth.ok_or("a score that is not finite")
        };
        Ok(drawn.iter().map(of).collect())
    }

    /// Σ over tokens of ln p(policy) − ln p(reference), for each of the policy's answers.
    fn kl(&self, prompt: &[u32], answers: &[Answer], temperature: f32) -> Result<Vec<f64>, Error> {
        let model = &self.reference.checkpoint.model;
        let tokens: Vec<&[u32]> = answers.iter().map(|a| a.tokens.as_slice()).collect();
        let (mut trace, mut out) = (Trace::default(), Vec::with_capacity(answers.len()));
        let mut own = answers.iter();
        for part in parts(prompt.len(), &tokens) {
            let mut batch = PackedBatch::new();
            let (shared, ranges) = batch.push_shared(prompt, part);
            let rows: Vec<usize> = ranges.iter().flat_map(|r| PackedBatch::predictions(&shared, r)).collect();
            let targets: Vec<u32> = part.concat();
            model.forward(&batch, &mut trace, Pass { rows: Some(&rows), ..Pass::read() })?;
            let at = LogProbRows { rows: &rows, targets: &targets, temperature };
            let mut reference = model.logprobs(&trace, at, false).logp.into_iter().map(f64::from);
            for answer in own.by_ref().take(part.len()) {
                let of_policy: f64 = answer.logprobs.iter().map(|l| f64::from(*l)).sum();
                out.push(of_policy - reference.by_ref().take(answer.tokens.len()).sum::<f64>());
            }
        }
        Ok(out)
    }
}

/// Answers in runs of at most [`PASS_TOKENS`] tokens with their prompt; one that is longer goes alone.
fn parts<'a, 'b>(prompt: usize, answers: &'a [&'b [u32]]) -> Vec<&'a [&'b [u32]]> {
    let lengths: Vec<usize> = answers.iter().map(|a| a.len()).collect();
    let room = PASS_TOKENS.saturating_sub(prompt).max(1);
    trimtab_alignment::example::groups(&lengths, room).into_iter().map(|range| &answers[range]).collect()
}

/// Answers of a model to one prompt; none where it leaves no room.
fn draw(who: &Target, task: &Task, prompt: &[u32], samples: usize, drawing: &Drawing) -> Result<Vec<Answer>, Error> {
    if prompt.is_empty() || prompt.len() >= who.checkpoint.model.config().max_position_embeddings {
        return Ok(Vec::new());
    }
    let name = sha256_bytes(task.item.as_bytes());
    let sampling = Sampling {
        temperature: drawing.temperature,
        max_new_tokens: drawing.max_new_tokens,
        eos: who.checkpoint.eos.clone(),
        seed: stream(drawing.seed, &format!("audit/{NAME}/{name}"), 0, 0).next_u64(),
        batch: 64,
        ..Sampling::default()
    };
    // A call of its own: the sampler's streams are named by a prompt's place in the call.
    Ok(who.checkpoint.model.generate(&[prompt.to_vec()], samples, &sampling, &[], |_| true)?)
}

fn texts(who: &Target, answers: Vec<Answer>, kl: impl Iterator<Item = Option<f64>>) -> Result<Vec<Drawn>, Error> {
    let tokenizer = who.checkpoint.tokenizer(&who.path)?;
    let of = |(answer, kl): (Answer, Option<f64>)| {
        let text = tokenizer.decode(&answer.tokens, true)?;
        Ok(Drawn { text, kl, cut: answer.stop == Stop::Length, tokens: answer.tokens })
    };
    answers.into_iter().zip(kl).map(of).collect()
}
