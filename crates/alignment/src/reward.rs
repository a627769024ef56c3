//! Stage 4: a reward model from rankings.
//!
//! Ouyang et al. 2022 (InstructGPT), arXiv:2203.02155, section 3.5, eq. 1. Where ours differs:
//! 1. The model starts from the SFT checkpoint of the run, with LoRA by default, and a head N(0, 1/√(d+1)) as in
//!    "N+ implementation details" (arXiv:2403.17031).
//! 2. All pairs of a prompt are one element of the batch, weighted 1/C(K,2), and its K answers share one pass over the
//!    prompt and over what they begin with alike (the paper batches all pairs too, with K passes). Ties count as half a win each way.
//! 3. The score is read at the answer's last token, its end token where it has one.
//! 4. The labels may be those of the crowd instead of each person's ([`crate::labels`]); held-out figures are always of what
//!    people said, and, where gold is known, of gold on the same prompts.
//! 5. Scores are shifted so that demonstrations average 0 and scaled so that they have standard deviation 1; head, mean
//!    and standard deviation travel with the checkpoint.

use crate::checkpoint::Checkpoint;
use crate::config::{Reward, Train, TrainKind};
use crate::error::Error;
use crate::example::groups;
use crate::labels::{Labelled, Labels, label};
use crate::loss::{PairAccuracy, RankingLoss, SoftPair, Ties, pair_accuracy, ranking_loss, soft_pairs_loss};
use crate::stage::{Resume, Stage, ratio};
use crate::update::Learner;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use trimtab_engine::DropoutSeed;
use trimtab_engine::batch::{PackedBatch, Place};
use trimtab_engine::checkpoint as files;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::Model;
use trimtab_run::{Metric, Progress, stream};
use trimtab_stats::{Measured, mean, std_dev, wilson};
use trimtab_text::record::{Answer, Demonstration, Input, Ranking, Samples, Verdict};
use trimtab_text::split::split_by_group;
use trimtab_text::{Tokenizer, encode_answer};

/// A prompt, its answers and the ranks they were given.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens of each answer, with its end token where it has one.
    pub answers: Vec<Vec<u32>>,
    /// 1 is best; equal is a tie; absent is not ranked.
    pub ranks: Vec<Option<u32>>,
    /// What a crowd makes of its pairs, where that is learned from instead of `ranks`.
    pub soft: Option<Vec<SoftPair>>,
    /// Gold reward of each answer, where it is known: for evaluation only.
    pub gold: Vec<Option<f64>>,
    /// Key of the prompt: splits keep equal keys together.
    pub group: u64,
    /// Where the ranking came from, for figures by source.
    pub source: String,
}

impl Ranked {
    /// Answers to be scored that nobody has ranked.
    #[must_use]
    pub fn unranked(prompt: Vec<u32>, answers: Vec<Vec<u32>>) -> Self {
        let k = answers.len();
        Self { prompt, ranks: vec![None; k], soft: None, gold: vec![None; k], answers, group: 0, source: String::new() }
    }

    /// A given answer in its conversation, as it would have been sampled: up to its end token.
    ///
    /// # Errors
    /// [`Error::Text`] for an answer that the template refuses.
    pub fn given(tokenizer: &Tokenizer, input: &Input, answer: &str) -> Result<Self, Error> {
        let encoded = encode_answer(tokenizer, input, answer)?;
        let end = encoded.train.iter().rposition(|&t| t).map_or(0, |i| i + 1);
        Ok(Self::unranked(Vec::new(), vec![encoded.tokens[..end].to_vec()]))
    }

    /// A record's prompt and answers, to be scored: tokens as they were sampled where the record carries them, else encoded
    /// text, up to its end token; empty for an answer that is empty.
    ///
    /// # Errors
    /// [`Error::Text`] for a prompt or an answer that the template refuses.
    pub fn of_samples(tokenizer: &Tokenizer, record: &Samples) -> Result<Self, Error> {
        let answer = |answer: &Answer| -> Result<Vec<u32>, Error> {
            if !answer.tokens.is_empty() {
                return Ok(answer.tokens.clone());
            }
            let encoded = encode_answer(tokenizer, &record.input, &answer.text)?;
            let start = encoded.answer_start();
            // Nothing after the end token: the reward model sees what the policy would have written.
            let end = encoded.train.iter().rposition(|&t| t).map_or(start, |i| i + 1);
            Ok(encoded.tokens[start..end].to_vec())
        };
        let answers = record.answers.iter().map(answer).collect::<Result<_, _>>()?;
        Ok(Self::unranked(trimtab_text::encode::encode_input(tokenizer, &record.input)?, answers))
    }

    /// The loss of the answers' scores, and its gradient.
    fn loss(&self, scores_k: &[f64]) -> RankingLoss {
        match &self.soft {
            Some(pairs) => soft_pairs_loss(scores_k, pairs),
            None => ranking_loss(scores_k, &self.ranks, Ties::SoftLabel, 0.0),
        }
    }

    fn tokens(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(Vec::len).sum::<usize>()
    }
}

/// A reward model: a scalar head, and the shift and scale of its scores.
#[derive(Debug, Clone)]
pub struct RewardModel {
    /// The model, with its head.
    pub model: Model,
    /// Mean raw score of demonstrations.
    pub mean: f64,
    /// Standard deviation of their raw scores.
    pub std: f64,
}

impl RewardModel {
    /// A raw score in units of reward.
    pub fn reward(&self, raw: f64) -> f64 {
        (raw - self.mean) / self.std
    }
}

/// Gold reward of an answer to a prompt, by the prompt's name and the answer's text.
pub type Gold<'a> = &'a dyn Fn(&str, &str) -> Option<f64>;

/// Answers of rankings as token ids: those that the sampler drew where the record carries them, else encoded text.
/// `gold` is what is known of them. What cannot be used is counted in `dropped`, by reason.
///
/// # Errors
/// [`Error::Text`] for an answer that the template refuses.
pub fn encode_rankings(
    dropped: &mut BTreeMap<String, u64>,
    tokenizer: &Tokenizer,
    rankings: &[Ranking],
    samples: &[Samples],
    max_tokens: usize,
    gold: Option<Gold<'_>>,
) -> Result<Vec<Ranked>, Error> {
    let by_id: std::collections::HashMap<&str, &Samples> = samples.iter().map(|s| (s.id.as_str(), s)).collect();
    let mut out = Vec::new();
    let mut count = |why: &str| *dropped.entry(why.to_owned()).or_default() += 1;
    for ranking in rankings {
        if matches!(ranking.verdict, Some(Verdict::CannotJudge | Verdict::Skip)) {
            count("rankings without a judgement");
            continue;
        }
        let Some(record) = by_id.get(ranking.prompt_id.as_str()) else {
            count("rankings of unknown prompts");
            continue;
        };
        let all = Ranked::of_samples(tokenizer, record)?;
        let mut ranked = Ranked {
            prompt: all.prompt,
            answers: Vec::new(),
            ranks: Vec::new(),
            soft: None,
            gold: Vec::new(),
            group: record.group_key(),
            source: ranking.person.clone().unwrap_or_else(|| "unnamed".into()),
        };
        for id in &ranking.answers {
            let Some(place) = record.answers.iter().position(|a| &a.id == id) else { continue };
            ranked.answers.push(all.answers[place].clone());
            ranked.ranks.push(ranking.ranks.get(id).copied());
            ranked.gold.push(gold.and_then(|gold| gold(&record.id, &record.answers[place].text)));
        }
        if ranked.answers.iter().any(Vec::is_empty) {
            count("rankings with an empty answer");
        } else if ranked.answers.iter().any(|a| a.len() + ranked.prompt.len() > max_tokens) {
            count("rankings longer than reward.max_tokens");
        } else if ranking_loss(&vec![0.0; ranked.ranks.len()], &ranked.ranks, Ties::SoftLabel, 0.0).pairs == 0 {
            count("rankings that compare nothing");
        } else {
            out.push(ranked);
        }
    }
    Ok(out)
}

/// Packs prompts with their answers; returns the row of each answer's last token, prompt by prompt.
fn pack(ranked: &[&Ranked]) -> (PackedBatch, Vec<usize>) {
    let mut batch = PackedBatch::new();
    let mut rows = Vec::new();
    for r in ranked {
        let answers: Vec<&[u32]> = r.answers.iter().map(Vec::as_slice).collect();
        rows.extend(batch.push_answers(&r.prompt, &answers).iter().filter_map(Place::last));
    }
    (batch, rows)
}

/// Raw scores of every answer, prompt by prompt.
///
/// # Errors
/// [`Error::Input`].
pub fn scores(model: &Model, ranked: &[&Ranked], pass_tokens: usize) -> Result<Vec<Vec<f64>>, Error> {
    let lengths: Vec<usize> = ranked.iter().map(|r| r.tokens()).collect();
    let mut trace = Trace::default();
    let mut out = Vec::with_capacity(ranked.len());
    for group in groups(&lengths, pass_tokens) {
        let (batch, rows) = pack(&ranked[group.clone()]);
        model.forward(&batch, &mut trace, Pass { rows: Some(&rows), ..Pass::read() })?;
        let mut raw = model.scores(&trace, &rows).into_iter().map(f64::from);
        out.extend(ranked[group].iter().map(|r| raw.by_ref().take(r.answers.len()).collect::<Vec<f64>>()));
    }
    Ok(out)
}

/// Accuracy on held-out rankings, of the model and of "the longer answer is better".
#[derive(Debug, Clone, Copy, Default)]
struct HeldOut {
    loss: f64,
    model: PairAccuracy,
    length: PairAccuracy,
}

/// Held-out rankings against the scores of their answers.
fn held_out(ranked: &[(&Ranked, &[f64])]) -> HeldOut {
    let mut out = HeldOut::default();
    for (r, s) in ranked {
        out.loss += ranking_loss(s, &r.ranks, Ties::SoftLabel, 0.0).value / ranked.len() as f64;
        out.model.add(pair_accuracy(s, &r.ranks));
        let lengths: Vec<f64> = r.answers.iter().map(|a| a.len() as f64).collect();
        out.length.add(pair_accuracy(&lengths, &r.ranks));
    }
    out
}

fn log_held_out(
    stage: &mut Stage,
    model: &Model,
    held: &[&Ranked],
    step: u64,
    pass_tokens: usize,
) -> Result<(), Error> {
    // What several people ranked is scored once.
    let mut places = BTreeMap::new();
    let mut unlike: Vec<&Ranked> = Vec::new();
    let mut place = Vec::with_capacity(held.len());
    for &r in held {
        place.push(*places.entry((&r.prompt, &r.answers)).or_insert(unlike.len()));
        if place.last() == Some(&unlike.len()) {
            unlike.push(r);
        }
    }
    let scored = scores(model, &unlike, pass_tokens)?;
    let all: Vec<(&Ranked, &[f64])> = held.iter().zip(&place).map(|(r, &i)| (*r, scored[i].as_slice())).collect();
    let mut sources: Vec<&str> = held.iter().map(|r| r.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let everyone = (sources.len() > 1).then_some(None);
    for of in everyone.into_iter().chain(sources.into_iter().map(Some)) {
        let source = of.unwrap_or("everyone");
        let of_source: Vec<_> = all.iter().copied().filter(|(r, _)| of.is_none_or(|of| r.source == of)).collect();
        let seen = held_out(&of_source);
        stage.push(
            &Metric::new("reward", step, &format!("held_out_loss/{source}"), seen.loss)
                .unit("nats")
                .n(of_source.len() as u64),
        )?;
        for (name, accuracy) in [("held_out_accuracy", seen.model), ("length_baseline_accuracy", seen.length)] {
            let name = format!("{name}/{source}");
            // A pair of equal scores is half a pair: the interval takes the whole ones, which is wider.
            let measured = match (accuracy.rate(), wilson(accuracy.correct as u64, accuracy.pairs as u64, 0.95)) {
                (Some(rate), Some(interval)) => Measured::new(rate, interval, accuracy.pairs as u64),
                _ => Measured::undefined(0, "no strictly ranked pair was held out"),
            };
            stage.measured(step, &name, "share", &measured)?;
        }
        stage.count(&format!("held-out pairs without a score/{source}"), seen.model.unscored as u64);
    }
    let gold = gold_accuracy(&unlike, &scored, stage.seed);
    if gold.value.is_some() {
        stage.measured(step, "held_out_accuracy_gold", "share", &gold)?;
    }
    Ok(())
}

/// Of the held-out pairs of answers whose gold rewards differ, the share that the model orders as gold does, each pair once
/// however many people ranked it; clustered by prompt. Undefined where gold is not known.
fn gold_accuracy(items: &[&Ranked], scored: &[Vec<f64>], seed: u64) -> Measured {
    let mut clusters = Vec::new();
    for (r, s) in items.iter().zip(scored) {
        let (mut right, mut pairs) = (0.0, 0.0);
        for i in 0..s.len() {
            for j in 0..i {
                let (Some(a), Some(b)) = (r.gold[i], r.gold[j]) else { continue };
                if a != b {
                    pairs += 1.0;
                    right += if s[i] == s[j] { 0.5 } else { f64::from(u8::from((s[i] > s[j]) == (a > b))) };
                }
            }
        }
        if pairs > 0.0 {
            clusters.push((right, pairs));
        }
    }
    ratio(&clusters, seed)
}

/// Places in `ranked` of the rankings that a reward model learns from, and of those held out: prompts of one group are on one side,
/// and what `config.limit` cuts off is on neither.
#[must_use]
pub fn split(ranked: &[Ranked], config: &Reward, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let used = if config.limit == 0 { ranked.len() } else { config.limit.min(ranked.len()) };
    let groups: Vec<u64> = ranked[..used].iter().map(|r| r.group).collect();
    split_by_group(&groups, config.holdout, seed)
}

/// Trains a reward model on rankings, starting from `start`, and writes `checkpoint/` into the stage's folder.
///
/// # Errors
/// Anything in [`Error`].
pub fn run(
    stage: &mut Stage,
    resume: Option<Resume>,
    start: &Checkpoint,
    start_path: &Path,
    ranked: &[Ranked],
    demonstrations: &[Demonstration],
    config: &Reward,
    train: &Train,
) -> Result<(), Error> {
    let (train_ids, held_ids) = split(ranked, config, stage.seed);
    if train_ids.is_empty() || held_ids.is_empty() {
        return Err(Error::config(
            "data.preferences",
            format!("{} prompts to train on and {} held out", train_ids.len(), held_ids.len()),
            "at least one of each",
            "more rankings, or another reward.holdout",
        ));
    }
    let held: Vec<&Ranked> = held_ids.iter().map(|&i| &ranked[i]).collect();
    let Labelled { ranked: learned, labels, reliability } =
        label(config.labels, &train_ids.iter().map(|&i| &ranked[i]).collect::<Vec<_>>())?;
    if labels != config.labels && labels == Labels::Votes {
        stage.count("prompts learned from as votes: no answers were ranked by two people", learned.len() as u64);
    }
    if learned.is_empty() {
        let expected = "rankings in which at least two answers are ranked";
        return Err(Error::config("reward.labels", "leaves nothing to learn from", expected, "reward.labels=votes"));
    }
    let per_epoch = learned.len().div_ceil(config.batch) as u64;
    let total = per_epoch * config.epochs;
    let mut model = start.model.base();
    model.add_head(1, stream(stage.seed, "reward/head", 0, 0).next_u64());
    let mut learner = Learner::new(model, train, stream(stage.seed, "reward/adapter", 0, 0).next_u64());
    let mut done = 0;
    if let Some(resume) = resume {
        learner.restore(&resume.files.join("learner.f32"))?;
        done = resume.step;
    } else {
        for (person, found) in &reliability {
            stage.measured(0, &format!("reliability/{person}"), "logit", found)?;
        }
        log_held_out(stage, &learner.model, &held, 0, train.pass_tokens)?;
    }
    let mut progress = Progress::new("reward", done, total, "tok", stage.quiet);
    while done < total {
        let (epoch, at) = (done / per_epoch, (done % per_epoch) as usize);
        let mut order: Vec<usize> = (0..learned.len()).collect();
        stream(stage.seed, "reward/order", epoch, 0).shuffle(&mut order);
        let batch: Vec<&Ranked> =
            order.iter().skip(at * config.batch).take(config.batch).map(|&i| &learned[i]).collect();
        let tokens: usize = batch.iter().map(|r| r.tokens()).sum();
        let begun = Instant::now();
        let dropout =
            DropoutSeed((train.dropout > 0.0).then(|| stream(stage.seed, "reward/dropout", done, 0).next_u64()));
        let (loss, accuracy) = accumulate(&mut learner, &batch, train.pass_tokens, dropout)?;
        let lr = config.schedule.lr(config.lr, done, total, config.warmup, 0.0);
        let stepped = learner.step(lr);
        for (what, value) in [("loss", loss), ("gradient norm", stepped.grad_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite { stage: "reward", step: done, what, value });
            }
        }
        stage.push(&Metric::new("reward", done, "loss", loss).unit("nats").n(batch.len() as u64))?;
        if let Some(rate) = accuracy.rate() {
            stage.push(&Metric::new("reward", done, "accuracy", rate).unit("share").n(accuracy.pairs as u64))?;
        }
        stage.log(done, "grad_norm", stepped.grad_norm)?;
        stage.time(done, "tokens_per_second", tokens as f64 / begun.elapsed().as_secs_f64(), "tok/s")?;
        done += 1;
        progress.step(done, tokens as f64, &format!("loss {loss:.3}"));
        stage
            .after_step(done, total, train.checkpoint_every, || (Map::new(), vec![("learner.f32", learner.state())]))?;
    }
    log_held_out(stage, &learner.model, &held, total, train.pass_tokens)?;
    let (mean, std) = normalise(stage, &learner.model, start, start_path, demonstrations, train.pass_tokens)?;
    stage.log(total, "demonstration_score_mean", mean)?;
    stage.log(total, "demonstration_score_std", std)?;
    progress.finish(&format!("trained on {} examples of {} rankings", learned.len(), train_ids.len()));
    save(&stage.dir.join("checkpoint"), &RewardModel { model: learner.model, mean, std }, start, train)
}

/// Adds the gradient of the mean ranking loss of `batch`; returns that loss and the accuracy on the way.
fn accumulate(
    learner: &mut Learner,
    batch: &[&Ranked],
    pass_tokens: usize,
    dropout: DropoutSeed,
) -> Result<(f64, PairAccuracy), Error> {
    let Learner { model, grads, trace, .. } = learner;
    let lengths: Vec<usize> = batch.iter().map(|r| r.tokens()).collect();
    let (mut loss, mut accuracy) = (0.0, PairAccuracy::default());
    for group in groups(&lengths, pass_tokens) {
        let part = &batch[group];
        let (packed, rows) = pack(part);
        model.forward(&packed, trace, Pass { dropout, rows: Some(&rows), ..Pass::train(grads) })?;
        let raw = model.scores(trace, &rows);
        let mut d_scores = Vec::with_capacity(raw.len());
        let mut at = 0;
        for r in part {
            let s: Vec<f64> = raw[at..at + r.answers.len()].iter().map(|&v| f64::from(v)).collect();
            at += r.answers.len();
            let of_prompt = r.loss(&s);
            loss += of_prompt.value / batch.len() as f64;
            accuracy.add(pair_accuracy(&s, &r.ranks));
            d_scores.extend(of_prompt.d_score.iter().map(|d| (d / batch.len() as f64) as f32));
        }
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        model.scores_backward(trace, &rows, &d_scores, &mut d_hidden, grads);
        model.backward(trace, &d_hidden, grads);
    }
    Ok((loss, accuracy))
}

/// Mean and standard deviation of raw scores over demonstrations.
fn normalise(
    stage: &mut Stage,
    model: &Model,
    start: &Checkpoint,
    start_path: &Path,
    demonstrations: &[Demonstration],
    pass_tokens: usize,
) -> Result<(f64, f64), Error> {
    /// Enough for a standard error of 6 % of a standard deviation.
    const MOST: usize = 256;
    let tokenizer = start.tokenizer(start_path)?;
    let mut order: Vec<usize> = (0..demonstrations.len()).collect();
    stream(stage.seed, "reward/normalise", 0, 0).shuffle(&mut order);
    let mut sequences = Vec::new();
    for &i in order.iter().take(MOST) {
        let sequence = Ranked::given(tokenizer, &demonstrations[i].input, &demonstrations[i].completion)?;
        if (1..=model.config().max_position_embeddings).contains(&sequence.tokens()) {
            sequences.push(sequence);
        }
    }
    let scores: Vec<f64> =
        scores(model, &sequences.iter().collect::<Vec<_>>(), pass_tokens)?.into_iter().flatten().collect();
    // Fewer than two demonstrations, or equal scores: shift only.
    Ok((mean(&scores).unwrap_or(0.0), std_dev(&scores).filter(|&s| s > 1e-6).unwrap_or(1.0)))
}

const KEY: &str = "trimtab_reward";

/// Saves a reward model: an adapter with its head in PEFT's layout, or a whole checkpoint, as it was trained.
fn save(path: &Path, reward: &RewardModel, start: &Checkpoint, train: &Train) -> Result<(), Error> {
    let extra = Map::from_iter([(KEY.to_owned(), json!({"mean": reward.mean, "std": reward.std}))]);
    match train.kind {
        TrainKind::Lora => Ok(files::save_adapter(path, &reward.model, "../../sft/checkpoint", &extra)?),
        TrainKind::Full => crate::checkpoint::save(path, &reward.model, start.tokenizer.as_ref(), &extra),
    }
}

/// Loads a reward model that [`run`] wrote; an adapter goes on top of `base`, sharing its parameters.
///
/// # Errors
/// [`Error::Checkpoint`] without a head; [`Error::Missing`] without mean and standard deviation.
pub fn load(path: &Path, base: &Model) -> Result<RewardModel, Error> {
    let (model, extra) = if path.join("adapter_config.json").exists() {
        let mut model = base.base();
        let extra = files::load_adapter_with_head(path, &mut model, 1)?;
        (model, extra)
    } else {
        let params = files::load_folder_with_head(path, 1)?;
        (Model::new(params), files::read_config(path)?.1)
    };
    let field = |name: &str| extra.get(KEY).and_then(|v: &Value| v[name].as_f64()).filter(|v| v.is_finite());
    match (field("mean"), field("std").filter(|&s| s > 0.0)) {
        (Some(mean), Some(std)) => Ok(RewardModel { model, mean, std }),
        _ => Err(Error::Missing {
            path: path.into(),
            problem: format!("has no {KEY}.mean and {KEY}.std"),
            expected: "the shift and scale of its scores, as `trimtab reward` writes them".into(),
            hint: "train it again with `trimtab reward`".into(),
        }),
    }
}
