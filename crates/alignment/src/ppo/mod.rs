//! Stage 5: PPO against the reward model, with a term that keeps next-token prediction (PPO-ptx).
//!
//! [`step`] is the algorithm and lists how it differs from its papers; this file feeds it prompts and corpus text, keeps
//! the stage resumable, and measures what came of it: held-out corpus loss before and after, and the reward of fresh
//! answers from the SFT model and from the trained policy to held-out prompts.

mod evaluate;
pub mod step;

use crate::checkpoint::{self, Checkpoint};
use crate::config::{Ppo, Train};
use crate::error::Error;
use crate::example::Example;
use crate::loss::AdaptiveKl;
use crate::reward::RewardModel;
use crate::stage::{Resume, Stage, ratio};
use crate::update::Learner;
use serde_json::{Map, json};
use std::path::Path;
use std::time::Instant;
use step::{Episode, Players, Report, Scorer};
use trimtab_engine::generate::Sampling;
use trimtab_run::{Metric, Progress, stream};
use trimtab_stats::Measured;
use trimtab_text::Tokenizer;
use trimtab_text::dataset::Document;
use trimtab_text::pack::by_document;
use trimtab_text::split::split_by_group;

/// A prompt as the sampler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptTokens {
    /// Its record's id.
    pub id: String,
    /// Its tokens, up to where the assistant speaks.
    pub tokens: Vec<u32>,
}

/// Corpus text in pieces: those the policy is trained on and those held out, split by document.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    /// For the language-modelling term.
    pub train: Vec<Example>,
    /// For the loss that is reported, with the index of each piece's document.
    pub held: Vec<(usize, Example)>,
}

impl Corpus {
    /// Cuts documents into pieces of `config.ptx_length` tokens and splits them by document.
    ///
    /// # Errors
    /// [`Error::Text`] from the tokenizer; [`Error::Config`] if either side would be empty.
    pub fn new(tokenizer: &Tokenizer, documents: &[Document], config: &Ppo, seed: u64) -> Result<Self, Error> {
        let ids: Vec<u64> = (0..documents.len() as u64).collect();
        let (_, held) = split_by_group(&ids, config.ptx_holdout, seed);
        let tokens = documents.iter().map(|d| tokenizer.encode_with_bos(&d.text)).collect::<Result<Vec<_>, _>>()?;
        let (pieces, _) = by_document(&tokens, tokenizer.eos_ids().first().copied(), config.ptx_length);
        let mut corpus = Self::default();
        for piece in pieces.into_iter().filter(|p| p.tokens.len() > 1) {
            if held.contains(&piece.document) {
                corpus.held.push((piece.document, Example::from_text(piece.tokens)));
            } else {
                corpus.train.push(Example::from_text(piece.tokens));
            }
        }
        if corpus.train.is_empty() || corpus.held.is_empty() {
            return Err(Error::config(
                "data.corpus",
                format!("{} pieces to train on and {} held out", corpus.train.len(), corpus.held.len()),
                "at least two documents with text",
                "a longer corpus, or another ppo.ptx_holdout",
            ));
        }
        // A few pieces of every document say more than many of the first.
        stream(seed, "ppo/corpus", 0, 0).shuffle(&mut corpus.held);
        let mut total = 0;
        corpus.held.retain(|(_, e)| {
            let keep = total < config.corpus_eval_tokens;
            total += e.tokens.len();
            keep
        });
        Ok(corpus)
    }
}

/// From a prompt's id and an answer's tokens to what the answer is truly worth, where that is known.
pub type GoldOf<'a> = dyn Fn(&str, &[u32]) -> Option<f64> + 'a;

/// What the stage is given.
pub struct Inputs<'a> {
    /// The SFT checkpoint: where the policy starts, and the reference it is held to.
    pub sft: &'a Checkpoint,
    /// Where it lies.
    pub sft_path: &'a Path,
    /// The reward model, on the SFT checkpoint's parameters where it is an adapter.
    pub reward: RewardModel,
    /// Prompts of rollouts.
    pub prompts: &'a [PromptTokens],
    /// Prompts of the final figures, never rolled out on.
    pub held_prompts: &'a [PromptTokens],
    /// Text.
    pub corpus: &'a Corpus,
    /// Gold, logged each step and never learnt from.
    pub gold: Option<&'a GoldOf<'a>>,
}

/// Trains and measures; writes `checkpoint/`, `eval.jsonl` and `corpus_loss.jsonl` into the stage's folder.
///
/// # Errors
/// Anything in [`Error`].
pub fn run(
    stage: &mut Stage,
    resume: Option<Resume>,
    inputs: &Inputs<'_>,
    config: &Ppo,
    train: &Train,
) -> Result<(), Error> {
    let tokenizer = inputs.sft.tokenizer(inputs.sft_path)?;
    let seed = stage.seed;
    // Dropout stays off: old, new and reference log-probabilities must be of the same function (trap 15).
    let train = &Train { dropout: 0.0, ..train.clone() };
    let policy_seed = stream(seed, "ppo/adapter", 0, 0).next_u64();
    let mut players = Players {
        policy: Learner::new(inputs.sft.model.base(), train, policy_seed),
        value: Learner::new(inputs.reward.model.clone(), train, policy_seed),
        value_mean_std: (inputs.reward.mean, inputs.reward.std),
        reference: inputs.sft.model.base(),
        scorer: Scorer::Model(&inputs.reward),
    };
    let mut kl =
        AdaptiveKl { coefficient: config.beta, target: config.kl_target.unwrap_or(1.0), horizon: config.kl_horizon };
    let mut done = 0;
    if let Some(resume) = resume {
        players.policy.restore(&resume.files.join("policy.f32"))?;
        players.value.restore(&resume.files.join("value.f32"))?;
        kl.coefficient = resume.extra["beta"].as_f64().unwrap_or(config.beta);
        done = resume.step;
    }
    if done == 0 {
        evaluate::log_corpus_loss(stage, &players.policy.model, inputs.corpus, 0, train)?;
    }

    let total = config.steps;
    let pool: Vec<usize> = {
        let mut order: Vec<usize> = (0..inputs.prompts.len()).collect();
        stream(seed, "ppo/prompts", 0, 0).shuffle(&mut order);
        order.truncate(if config.prompts == 0 { order.len() } else { config.prompts });
        order
    };
    let mut progress = Progress::new("ppo", done, total, "tok", stage.quiet);
    while done < total {
        let begun = Instant::now();
        let (asked, mut episodes) = rollout(&players, inputs, &pool, config, seed, done)?;
        let sampled = begun.elapsed();
        let beta = kl.coefficient;
        let lr = |peak| config.schedule.lr(peak, done, total, config.warmup, 0.0);
        let updates = config.epochs * config.minibatches as u64;
        let report = players.step(
            done,
            seed,
            &mut episodes,
            beta,
            (lr(config.lr), lr(config.value_lr)),
            config,
            train,
            |n| corpus_pieces(&inputs.corpus.train, done * updates + n, config, seed),
        )?;
        if config.kl_target.is_some() {
            kl.update(report.kl, episodes.len());
        }
        log_step(
            stage,
            done,
            &report,
            &step::value_explained_variance(&episodes),
            beta,
            lr(config.lr),
            episodes.len(),
        )?;
        log_gold(stage, done, inputs, config, &asked, &episodes)?;
        stage.time(done, "tokens_per_second", report.tokens as f64 / begun.elapsed().as_secs_f64(), "tok/s")?;
        let drawn: usize = episodes.iter().map(|e| e.answer.len()).sum();
        stage.time(done, "sampled_tokens_per_second", drawn as f64 / sampled.as_secs_f64(), "tok/s")?;
        done += 1;
        if done % config.eval_every.max(1) == 0 && done < total {
            evaluate::log_corpus_loss(stage, &players.policy.model, inputs.corpus, done, train)?;
        }
        progress.step(done, report.tokens as f64, &format!("reward {:+.2} KL {:.2} nats", report.reward, report.kl));
        stage.after_step(done, total, train.checkpoint_every, || {
            let extra = Map::from_iter([("beta".to_owned(), json!(kl.coefficient))]);
            (extra, vec![("policy.f32", players.policy.state()), ("value.f32", players.value.state())])
        })?;
    }
    evaluate::log_corpus_loss(stage, &players.policy.model, inputs.corpus, total, train)?;
    evaluate::corpus_pieces(stage, &players, inputs.corpus, train)?;
    let gain = evaluate::fresh_answers(stage, &players, inputs, tokenizer, config, train)?;
    progress.finish(&gain);
    checkpoint::save(&stage.dir.join("checkpoint"), &players.policy.model, Some(tokenizer), &Map::new())
}

/// Fresh answers of the policy to the step's prompts, and which these are: each epoch over the pool is its own
/// permutation of it.
fn rollout(
    players: &Players<'_>,
    inputs: &Inputs<'_>,
    pool: &[usize],
    config: &Ppo,
    seed: u64,
    step: u64,
) -> Result<(Vec<usize>, Vec<Episode>), Error> {
    let wanted = config.episodes / config.answers;
    let mut asked = Vec::with_capacity(wanted);
    let mut at = step * wanted as u64;
    let mut order: (u64, Vec<usize>) = (u64::MAX, Vec::new());
    while asked.len() < wanted {
        let (epoch, within) = (at / pool.len() as u64, (at % pool.len() as u64) as usize);
        if order.0 != epoch {
            order = (epoch, pool.to_vec());
            stream(seed, "ppo/epoch", epoch, 0).shuffle(&mut order.1);
        }
        asked.push(order.1[within]);
        at += 1;
    }
    let prompts: Vec<Vec<u32>> = asked.iter().map(|&i| inputs.prompts[i].tokens.clone()).collect();
    let seed = stream(seed, "ppo/rollout", step, 0).next_u64();
    let episodes = answers(&players.policy.model, &prompts, config.answers, &inputs.sft.eos, config, seed)?;
    Ok((asked, episodes))
}

/// Mean gold of a step's episodes, with its interval over prompts; nothing where no gold is known.
fn log_gold(
    stage: &mut Stage,
    step: u64,
    inputs: &Inputs<'_>,
    config: &Ppo,
    asked: &[usize],
    episodes: &[Episode],
) -> Result<(), Error> {
    let Some(gold) = inputs.gold else { return Ok(()) };
    let of_prompt = |(&prompt, episodes): (&usize, &[Episode])| {
        let known = episodes.iter().filter_map(|e| gold(&inputs.prompts[prompt].id, &e.answer));
        known.fold((0.0, 0.0), |(sum, n), gold| (sum + gold, n + 1.0))
    };
    let clusters: Vec<(f64, f64)> = asked.iter().zip(episodes.chunks(config.answers)).map(of_prompt).collect();
    stage.measured(step, "gold", "gold", &ratio(&clusters, stage.seed))
}

/// `each` answers of `model` to each prompt, prompt by prompt.
fn answers(
    model: &trimtab_engine::model::Model,
    prompts: &[Vec<u32>],
    each: usize,
    eos: &[u32],
    config: &Ppo,
    seed: u64,
) -> Result<Vec<Episode>, Error> {
    let sampling = Sampling {
        temperature: config.temperature,
        max_new_tokens: config.max_new_tokens,
        eos: eos.to_vec(),
        seed,
        batch: config.rollout_batch,
        ..Sampling::default()
    };
    let drawn = model.generate(prompts, each, &sampling, &[], |_| true)?;
    let prompts = prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt, each));
    Ok(prompts.zip(drawn).map(|(prompt, answer)| Episode::sampled(prompt.clone(), answer)).collect())
}

/// Corpus pieces of minibatch number `n` of the run, drawn with replacement up to `config.ptx_tokens` tokens.
fn corpus_pieces<'c>(train: &'c [Example], n: u64, config: &Ppo, seed: u64) -> Vec<&'c Example> {
    let mut draws = stream(seed, "ppo/ptx", n, 0);
    let (mut pieces, mut tokens) = (Vec::new(), 0);
    while tokens < config.ptx_tokens {
        let piece = &train[draws.below(train.len() as u64) as usize];
        tokens += piece.tokens.len();
        pieces.push(piece);
    }
    pieces
}

fn log_step(
    stage: &mut Stage,
    step: u64,
    r: &Report,
    explained: &Measured,
    beta: f64,
    lr: f64,
    n: usize,
) -> Result<(), Error> {
    let figures = [
        ("reward", r.reward, "reward"),
        ("kl", r.kl, "nats/answer"),
        ("kl_k3", r.k3, "nats/answer"),
        ("entropy", r.entropy, "nats/token"),
        ("answer_tokens", r.length, "tokens"),
        ("eos_rate", r.eos_rate, "share"),
        ("clip_fraction", r.clip_fraction, "share"),
        ("policy_loss", r.policy_loss, "1"),
        ("value_loss", r.value_loss, "reward²"),
        ("grad_norm_ppo", r.grad_norm_ppo, "1"),
        ("grad_norm_value", r.grad_norm_value, "1"),
        ("rollout_logprob_difference", r.mismatch, "nats"),
        ("beta", beta, "1"),
        ("lr", lr, "1"),
    ];
    for (name, value, unit) in figures {
        stage.push(&Metric::new("ppo", step, name, value).unit(unit).n(n as u64))?;
    }
    stage.measured(step, "value_explained_variance", "share", explained)?;
    for (name, value) in [("ptx_loss", r.ptx_loss), ("grad_norm_ptx", r.grad_norm_ptx)] {
        match value {
            Some(value) => stage.log(step, name, value)?,
            None => stage.push(&Metric::undefined("ppo", step, name, "ppo.ptx is 0"))?,
        }
    }
    Ok(())
}
