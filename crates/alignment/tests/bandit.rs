//! The exact end-to-end check of PPO: on a world small enough to list, the policy must reach
//! π* ∝ π_ref·exp(r/β), the optimum of KL-regularised reward. Rollouts, value model, advantages, clipping and optimiser
//! all have to be right for that; a wrong sign, a token too many, or a leak between answers shows up here.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use trimtab_alignment::config::{Ppo, Train, TrainKind};
use trimtab_alignment::example::Example;
use trimtab_alignment::ppo::step::{Episode, Players, Scorer};
use trimtab_alignment::update::Learner;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::config::ModelConfig;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::Sampling;
use trimtab_engine::model::Model;
use trimtab_engine::optim::{AdamWConfig, Schedule};
use trimtab_engine::readout::LogProbRows;
use trimtab_run::stream;

const VOCAB: u32 = 5;
const EOS: u32 = 0;
const PROMPT: [u32; 2] = [1, 3];
const LONGEST: usize = 2;

fn shape() -> ModelConfig {
    ModelConfig {
        vocab_size: VOCAB as usize,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        tie_word_embeddings: false,
        eos_token_ids: vec![EOS],
        ..ModelConfig::tiny()
    }
}

/// Every answer: up to [`LONGEST`] tokens, ended or cut.
fn answers() -> Vec<Vec<u32>> {
    let mut out = vec![vec![EOS]];
    for a in 1..VOCAB {
        out.extend((0..VOCAB).map(|b| vec![a, b]));
    }
    out
}

fn reward(answer: &[u32]) -> f64 {
    // Nothing that a token-wise rule could fit: it depends on the pair.
    let a = f64::from(answer[0]);
    let b = answer.get(1).map_or(0.0, |&b| f64::from(b));
    (1.7 * a + 0.9 * b * b + 0.3).sin()
}

/// The reward that PPO sees: answers without an end get the missing-end reward.
fn seen(answer: &[u32], config: &Ppo) -> f64 {
    if answer.last() == Some(&EOS) { reward(answer) } else { config.missing_eos_reward }
}

fn logp(model: &Model, answer: &[u32]) -> f64 {
    let mut batch = PackedBatch::new();
    let all = batch.push(&[&PROMPT, answer].concat());
    let rows = PackedBatch::predictions(&(0..PROMPT.len()), &(PROMPT.len()..all.end));
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::read()).unwrap();
    let at = LogProbRows { rows: &rows, targets: answer, temperature: 1.0 };
    model.logprobs(&trace, at, false).logp.iter().map(|&l| f64::from(l)).sum()
}

fn train() -> Train {
    Train {
        kind: TrainKind::Full,
        pass_tokens: 4096,
        adamw: AdamWConfig { eps: 1e-8, ..AdamWConfig::default() },
        ..Train::default()
    }
}

fn config() -> Ppo {
    Ppo {
        steps: 300,
        episodes: 256,
        epochs: 2,
        minibatches: 1,
        beta: 0.5,
        lambda: 1.0,
        lr: 3e-3,
        value_lr: 1e-2,
        value_clip: 0.0,
        missing_eos_reward: -0.5,
        max_new_tokens: LONGEST,
        ptx: 0.0,
        ..Ppo::default()
    }
}

fn players(seed: u64) -> Players<'static> {
    let reference = Model::random(&shape(), 0.3, seed);
    let mut value = reference.base();
    value.add_head(1, seed);
    Players {
        policy: Learner::new(reference.base(), &train(), seed),
        value: Learner::new(value, &train(), seed),
        value_mean_std: (0.0, 1.0),
        reference,
        scorer: Scorer::Function(&|_, answer| reward(answer)),
    }
}

fn rollout(model: &Model, config: &Ppo, seed: u64) -> Vec<Episode> {
    let sampling = Sampling { max_new_tokens: LONGEST, eos: vec![EOS], seed, batch: 64, ..Sampling::default() };
    let drawn = model.generate(&[PROMPT.to_vec()], config.episodes, &sampling, &[], |_| true).unwrap();
    drawn.into_iter().map(|answer| Episode::sampled(PROMPT.to_vec(), answer)).collect()
}

/// Trains and returns KL(π, π*) before and after.
fn run(seed: u64, config: &Ppo) -> (f64, f64, Players<'static>) {
    let mut players = players(seed);
    let list = answers();
    let mut weights: Vec<f64> =
        list.iter().map(|a| (logp(&players.reference, a) + seen(a, config) / config.beta).exp()).collect();
    let total: f64 = weights.iter().sum();
    for w in &mut weights {
        *w /= total;
    }
    let kl = |model: &Model| {
        let p: Vec<f64> = list.iter().map(|a| logp(model, a)).collect();
        assert!((p.iter().map(|l| l.exp()).sum::<f64>() - 1.0).abs() < 1e-4, "the list of answers is complete");
        p.iter().zip(&weights).map(|(l, w)| l.exp() * (l - w.ln())).sum::<f64>()
    };
    let before = kl(&players.policy.model);
    for step in 0..config.steps {
        let mut episodes = rollout(&players.policy.model, config, stream(seed, "bandit", step, 0).next_u64());
        let lr = |peak| Schedule::Linear.lr(peak, step, config.steps, 0, 0.0);
        players
            .step(
                step,
                seed,
                &mut episodes,
                config.beta,
                (lr(config.lr), lr(config.value_lr)),
                config,
                &train(),
                |_| Vec::new(),
            )
            .unwrap();
    }
    let after = kl(&players.policy.model);
    (before, after, players)
}

#[test]
fn ppo_reaches_the_optimum_of_kl_regularised_reward() {
    for seed in 1..=3 {
        let (before, after, _) = run(seed, &config());
        println!("seed {seed}: KL(π, π*) {before:.4} before, {after:.5} after");
        assert!(before > 0.1, "seed {seed}: nothing to learn, KL {before}");
        assert!(after < 1e-2, "seed {seed}: KL(π, π*) = {after}");
    }
}

/// A larger β ends nearer to the reference (rlhf field notes, trap 18: the sign of the KL term).
#[test]
fn larger_kl_weight_stays_nearer_to_the_reference() {
    let distance = |beta| {
        let config = Ppo { beta, steps: 60, ..config() };
        let (_, _, players) = run(7, &config);
        answers()
            .iter()
            .map(|a| {
                let l = logp(&players.policy.model, a);
                l.exp() * (l - logp(&players.reference, a))
            })
            .sum::<f64>()
    };
    let (small, middle, large) = (distance(0.1), distance(0.5), distance(2.5));
    assert!(small > middle && middle > large, "KL to the reference: {small} at β 0.1, {middle} at 0.5, {large} at 2.5");
}

/// γ = 0 never looks at the corpus and changes no bit; γ > 0 changes the policy.
#[test]
fn ptx_weight_zero_is_plain_ppo_bit_for_bit() {
    let text = Example::from_text(vec![1, 2, 3, 4, 2, 1]);
    let policy = |ptx: f64, corpus: bool| {
        let config = Ppo { ptx, ..config() };
        let mut players = players(5);
        for step in 0..3 {
            let mut episodes = rollout(&players.policy.model, &config, step);
            let pieces = |_| {
                assert!(ptx > 0.0, "the corpus is not asked for");
                if corpus { vec![&text] } else { Vec::new() }
            };
            players.step(step, 5, &mut episodes, config.beta, (1e-3, 1e-3), &config, &train(), pieces).unwrap();
        }
        players.policy.state()
    };
    assert_eq!(policy(0.0, true), policy(0.0, false));
    assert_ne!(policy(0.0, true), policy(1.0, true));
}

/// The first pass over fresh answers has ratio one everywhere: nothing is clipped, and the sampler agrees with the trainer.
#[test]
fn first_pass_is_on_policy() {
    let config = Ppo { epochs: 1, ..config() };
    let mut players = players(9);
    let mut episodes = rollout(&players.policy.model, &config, 1);
    let report =
        players.step(0, 9, &mut episodes, config.beta, (1e-3, 1e-3), &config, &train(), |_| Vec::new()).unwrap();
    assert_eq!(report.clip_fraction, 0.0);
    assert_eq!(report.mismatch, 0.0, "sampling and training find the same bits");
    assert!(report.kl.abs() < 1e-6, "KL to the reference is 0 at the start, got {}", report.kl);
}
