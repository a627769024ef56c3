//! What PPO shares to save work changes nothing: one pass over a prompt for all its answers, and one pass through the
//! blocks below the first adapter for policy, reference, reward and value model.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use trimtab_alignment::config::{Ppo, Train};
use trimtab_alignment::ppo::step::{Episode, Players, Report, Scorer};
use trimtab_alignment::reward::RewardModel;
use trimtab_alignment::update::Learner;
use trimtab_engine::config::ModelConfig;
use trimtab_engine::generate::Sampling;
use trimtab_engine::model::Model;

const PROMPTS: [&[u32]; 3] = [&[1, 3, 5, 2], &[4, 4, 1], &[2, 6, 6, 1, 5]];

fn train() -> Train {
    Train { rank: 4, top_layers: 1, ..Train::default() }
}

fn config() -> Ppo {
    Ppo { epochs: 2, minibatches: 1, ptx: 0.0, beta: 0.1, ..Ppo::default() }
}

fn base() -> Model {
    let shape = ModelConfig { vocab_size: 12, num_hidden_layers: 3, eos_token_ids: vec![0], ..ModelConfig::tiny() };
    Model::random(&shape, 0.3, 11)
}

/// Four answers to each prompt, prompt by prompt.
fn episodes(model: &Model) -> Vec<Episode> {
    let prompts: Vec<Vec<u32>> = PROMPTS.iter().map(|p| p.to_vec()).collect();
    let sampling = Sampling { max_new_tokens: 6, eos: vec![0], seed: 5, batch: 12, ..Sampling::default() };
    let drawn = model.generate(&prompts, 4, &sampling, &[], |_| true).unwrap();
    drawn.into_iter().map(|a| Episode::sampled(prompts[a.prompt].clone(), a)).collect()
}

/// One step of two epochs; its report, and everything the policy learnt.
fn learn(reference: Model, base: &Model, mut episodes: Vec<Episode>) -> (Report, Vec<f32>) {
    let mut scored = base.base();
    scored.add_head(1, 3);
    let reward = RewardModel { model: scored, mean: 0.2, std: 1.5 };
    let mut players = Players {
        policy: Learner::new(base.base(), &train(), 1),
        value: Learner::new(reward.model.clone(), &train(), 2),
        value_mean_std: (reward.mean, reward.std),
        reference,
        scorer: Scorer::Model(&reward),
    };
    let report = players.step(0, 1, &mut episodes, 0.1, (1e-4, 1e-3), &config(), &train(), |_| vec![]).unwrap();
    let state = players.policy.state();
    (report, state[8..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn assert_same(a: &(Report, Vec<f32>), b: &(Report, Vec<f32>)) {
    for (x, y, what) in [
        (a.0.reward, b.0.reward, "reward"),
        (a.0.kl, b.0.kl, "KL"),
        (a.0.entropy, b.0.entropy, "entropy"),
        (a.0.policy_loss, b.0.policy_loss, "policy loss"),
        (a.0.value_loss, b.0.value_loss, "value loss"),
        (a.0.grad_norm_ppo, b.0.grad_norm_ppo, "policy gradient norm"),
        (a.0.grad_norm_value, b.0.grad_norm_value, "value gradient norm"),
    ] {
        assert!((x - y).abs() < 1e-5 * (1.0 + y.abs()), "{what}: {x} and {y}");
    }
    assert!(a.0.grad_norm_ppo > 1e-3, "there is something to learn");
    let worst = a.1.iter().zip(&b.1).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(worst < 2e-6, "a policy weight differs by {worst}");
}

#[test]
fn answers_to_one_prompt_may_share_it() {
    let base = base();
    let together = episodes(&base);
    // The same answers, no two neighbours with one prompt: nothing is shared.
    let apart: Vec<Episode> =
        (0..4).flat_map(|k| (0..3).map(move |p| 4 * p + k)).map(|i| together[i].clone()).collect();
    let (shared, alone) = (learn(base.base(), &base, together), learn(base.base(), &base, apart));
    assert!(shared.0.tokens < alone.0.tokens, "{} and {} tokens", shared.0.tokens, alone.0.tokens);
    assert_same(&shared, &alone);
}

#[test]
fn models_may_share_their_lower_blocks() {
    let base = base();
    // A reference with parameters of its own, equal but not shared, so that nothing is computed in common.
    let apart = Model::new((*base.params).clone());
    assert_same(&learn(base.base(), &base, episodes(&base)), &learn(apart, &base, episodes(&base)));
}
