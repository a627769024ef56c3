//! One PPO step on a set of answers, from their rewards to the optimiser.
//!
//! Schulman et al. 2017, arXiv:1707.06347; Ouyang et al. 2022 (InstructGPT), arXiv:2203.02155, eq. 2. Where ours differs:
//! 1. The KL penalty is in the reward, per token, by the k1 estimator; the score lands on the answer's last token.
//! 2. Losses are sums over answer tokens divided by the minibatch's answer tokens; the language-modelling term is a mean
//!    over its own tokens times γ, so γ here is on a token mean (InstructGPT's 27.8 is on its own reduction).
//! 3. Policy and value model are two networks with two optimisers, so no coefficient weighs the value loss.
//! 4. Advantages are whitened over the answer tokens of the whole step, with the unbiased variance.
//! 5. Blocks that no adapter touches are the same in policy, reference, reward and value model: their output is computed
//!    once per answer and reused by all four and by every epoch.
//! 6. Several answers to one prompt share one pass over it and over what they begin with alike, so an answer drawn twice is
//!    read once and counts twice; minibatches are drawn by prompt, so that they stay together.

use crate::config::{Ppo, Train};
use crate::error::Error;
use crate::example::{Example, groups};
use crate::loss::{
    Variance, clipped_policy_loss, clipped_value_loss, entropy_bonus, gae, k1, k3, shaped_reward, whiten,
};
use crate::reward::RewardModel;
use crate::update::Learner;
use std::borrow::Borrow;
use std::ops::Range;
use std::sync::Arc;
use trimtab_engine::DropoutSeed;
use trimtab_engine::batch::{PackedBatch, Place};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::{Answer, Stop};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::Model;
use trimtab_engine::readout::{LogProbGradient, LogProbRows};
use trimtab_run::stream;
use trimtab_stats::{Measured, explained_variance};

/// Largest difference allowed between sampled and recomputed log-probabilities, in nats.
pub const MISMATCH_LIMIT: f64 = 1e-4;

/// What answers are scored with.
pub enum Scorer<'a> {
    /// A reward model, in units of reward.
    Model(&'a RewardModel),
    /// A function of (prompt, answer).
    Function(&'a dyn Fn(&[u32], &[u32]) -> f64),
}

/// The models of PPO.
pub struct Players<'a> {
    /// What is trained.
    pub policy: Learner,
    /// What predicts its reward; its head's output is shifted and scaled like the reward model's.
    pub value: Learner,
    /// Shift and scale of the value head.
    pub value_mean_std: (f64, f64),
    /// The policy before training, frozen.
    pub reference: Model,
    /// What scores answers.
    pub scorer: Scorer<'a>,
}

/// An answer and everything known about it. Per-token vectors have one entry per answer token.
#[derive(Debug, Clone, Default)]
pub struct Episode {
    /// The prompt.
    pub prompt: Vec<u32>,
    /// The answer, with its end token where it has one.
    pub answer: Vec<u32>,
    /// Whether it has one.
    pub ended: bool,
    /// Log-probabilities as sampled.
    pub logp_rollout: Vec<f32>,
    /// Log-probabilities as the trainer computes them.
    pub logp_old: Vec<f64>,
    /// Log-probabilities of the reference.
    pub logp_ref: Vec<f64>,
    /// Entropies of the policy's next-token distributions, in nats.
    pub entropy: Vec<f64>,
    /// Predicted reward to come.
    pub value: Vec<f64>,
    /// The score, before the KL penalty; the missing-end reward where that took its place.
    pub score: f64,
    /// Shaped rewards' advantages, whitened.
    pub advantage: Vec<f64>,
    /// Value targets.
    pub target: Vec<f64>,
    /// Input of the first block that differs between models at the answer's tokens, `[answer tokens, hidden_size]`.
    trunk: Vec<f32>,
    /// The same at the prompt's tokens, `[prompt tokens, hidden_size]`; answers to one prompt hold the same one.
    prompt_trunk: Arc<Vec<f32>>,
}

impl Episode {
    /// An answer as sampled, before anything else is known about it.
    pub fn sampled(prompt: Vec<u32>, answer: Answer) -> Self {
        Self {
            prompt,
            ended: answer.stop == Stop::Eos,
            answer: answer.tokens,
            logp_rollout: answer.logprobs,
            ..Self::default()
        }
    }
}

/// Tokens that each episode adds to a batch: its answer's, and its prompt's unless the episode before has the same.
pub(super) fn lengths<E: Borrow<Episode>>(episodes: &[E]) -> Vec<usize> {
    let prompt = |i: usize| &episodes[i].borrow().prompt;
    (0..episodes.len())
        .map(|i| {
            let shared = i > 0 && prompt(i) == prompt(i - 1);
            episodes[i].borrow().answer.len() + if shared { 0 } else { prompt(i).len() }
        })
        .collect()
}

/// Runs of episodes with one prompt.
fn families<E: Borrow<Episode>>(episodes: &[E]) -> impl Iterator<Item = &[E]> {
    episodes.chunk_by(|a, b| a.borrow().prompt == b.borrow().prompt)
}

/// Means over a step's answers or tokens.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Mean score, before the KL penalty.
    pub reward: f64,
    /// Mean over answers of Σ k1, in nats.
    pub kl: f64,
    /// Mean over answers of Σ k3, in nats.
    pub k3: f64,
    /// Mean entropy per token, in nats.
    pub entropy: f64,
    /// Mean answer length, in tokens.
    pub length: f64,
    /// Share of answers with an end token.
    pub eos_rate: f64,
    /// Share of tokens whose ratio was clipped.
    pub clip_fraction: f64,
    /// Clipped policy loss.
    pub policy_loss: f64,
    /// Clipped value loss.
    pub value_loss: f64,
    /// Language-modelling loss on the step's corpus pieces, in nats per token; `None` for γ = 0.
    pub ptx_loss: Option<f64>,
    /// Gradient norm of the PPO part alone, mean over minibatches.
    pub grad_norm_ppo: f64,
    /// Gradient norm of γ × the language-modelling part alone; `None` for γ = 0.
    pub grad_norm_ptx: Option<f64>,
    /// Gradient norm of the value model.
    pub grad_norm_value: f64,
    /// Largest |sampled − recomputed| log-probability.
    pub mismatch: f64,
    /// Tokens that went through the step, prompts included.
    pub tokens: usize,
}

impl Players<'_> {
    /// The first block that differs between the models: what lies below is shared. 0 where they share no parameters.
    fn first_different_block(&self) -> usize {
        let mut models = vec![&self.policy.model, &self.value.model, &self.reference];
        if let Scorer::Model(reward) = &self.scorer {
            models.push(&reward.model);
        }
        if models.iter().any(|m| !Arc::ptr_eq(&m.params, &self.reference.params)) {
            return 0;
        }
        models.iter().filter_map(|m| m.adapter.as_ref()).map(|a| a.config.first_layer).min().unwrap_or(0)
    }

    /// Fills in log-probabilities, entropies, values and scores, without changing any model.
    fn measure(&self, episodes: &mut [Episode], config: &Ppo, train: &Train) -> Result<(), Error> {
        let d = self.reference.config().hidden_size;
        let shared = self.first_different_block();
        let hooks =
            if shared > 0 { vec![Hook { layer: shared, at: At::All, action: Action::Read }] } else { Vec::new() };
        let mut trace = Trace::default();
        for group in groups(&lengths(episodes), train.pass_tokens) {
            let part = &mut episodes[group];
            let packed = Packed::of(part);
            let at = packed.at(config.temperature);
            let rows = Some(packed.rows.as_slice());
            self.reference.forward(&packed.batch, &mut trace, Pass { hooks: &hooks, rows, ..Pass::read() })?;
            let trunk = trace.reads.pop().unwrap_or_default();
            let logp_ref = self.reference.logprobs(&trace, at, false);
            let pass = |trunk: &'_ Vec<f32>| (!trunk.is_empty()).then_some(shared);
            let from = pass(&trunk).map(|layer| (layer, trunk.as_slice()));
            self.policy.model.forward(&packed.batch, &mut trace, Pass { from, rows, ..Pass::read() })?;
            let policy = self.policy.model.logprobs(&trace, at, true);
            self.value.model.forward(&packed.batch, &mut trace, Pass { from, rows, ..Pass::read() })?;
            let values = self.value.model.scores(&trace, &packed.rows);
            let raw = match &self.scorer {
                Scorer::Model(reward) => {
                    reward.model.forward(
                        &packed.batch,
                        &mut trace,
                        Pass { from, rows: Some(&packed.last), ..Pass::read() },
                    )?;
                    reward.model.scores(&trace, &packed.last)
                }
                Scorer::Function(_) => Vec::new(),
            };
            let (mean, std) = self.value_mean_std;
            for (i, (e, range)) in part.iter_mut().zip(&packed.ranges).enumerate() {
                let widen = |v: &[f32]| v[range.clone()].iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
                e.logp_ref = widen(&logp_ref.logp);
                e.logp_old = widen(&policy.logp);
                e.entropy = widen(&policy.entropy);
                e.value = widen(&values).into_iter().map(|v| (v - mean) / std).collect();
                e.score = match &self.scorer {
                    _ if !e.ended => config.missing_eos_reward,
                    Scorer::Model(reward) => reward.reward(f64::from(raw[i])),
                    Scorer::Function(f) => f(&e.prompt, &e.answer),
                };
            }
            if shared > 0 {
                let row = |at: usize| &trunk[at * d..(at + 1) * d];
                let mut places = packed.places.iter();
                for family in part.chunk_by_mut(|a, b| a.prompt == b.prompt) {
                    let mut prompt_trunk: Option<Arc<Vec<f32>>> = None;
                    for (e, place) in family.iter_mut().zip(places.by_ref()) {
                        let of_prompt = || Arc::new(place.prompt().flat_map(row).copied().collect());
                        e.prompt_trunk = prompt_trunk.get_or_insert_with(of_prompt).clone();
                        e.trunk = place.tokens().flat_map(row).copied().collect();
                    }
                }
            }
        }
        Ok(())
    }

    /// One step: measures the answers, then `config.epochs` passes over them in minibatches.
    ///
    /// `beta` is the KL weight, `lrs` the learning rates of policy and value model, `ptx` gives the corpus pieces of a
    /// minibatch by its number in the step. With `config.ptx` = 0 it is not called, and nothing else changes.
    ///
    /// # Errors
    /// [`Error::Mismatch`], [`Error::NotFinite`], [`Error::Input`].
    #[allow(clippy::too_many_arguments)]
    pub fn step<'e>(
        &mut self,
        step: u64,
        seed: u64,
        episodes: &mut [Episode],
        beta: f64,
        lrs: (f64, f64),
        config: &Ppo,
        train: &Train,
        mut ptx: impl FnMut(u64) -> Vec<&'e Example>,
    ) -> Result<Report, Error> {
        self.measure(episodes, config, train)?;
        let mut report = describe(episodes);
        if report.mismatch >= MISMATCH_LIMIT || report.mismatch.is_nan() {
            return Err(Error::Mismatch { step, difference: report.mismatch, limit: MISMATCH_LIMIT });
        }
        assign_advantages(episodes, beta, config);
        let (shared, d) = (self.first_different_block(), self.reference.config().hidden_size);
        let size = episodes.len().div_ceil(config.minibatches);
        let mut updates = 0u64;
        for epoch in 0..config.epochs {
            let mut order: Vec<&[Episode]> = families(episodes).collect();
            stream(seed, "ppo/order", step, epoch).shuffle(&mut order);
            let order: Vec<&Episode> = order.into_iter().flatten().collect();
            for part in order.chunks(size) {
                let normaliser = part.iter().map(|e| e.answer.len()).sum::<usize>().max(1) as f64;
                for group in groups(&lengths(part), train.pass_tokens) {
                    let packed = Packed::of(&part[group.clone()]);
                    let trunk = (shared > 0).then(|| packed.trunk_of(&part[group.clone()], d));
                    let from = trunk.as_ref().map(|trunk| (shared, trunk.as_slice()));
                    if step >= config.value_only_steps {
                        self.policy_gradient(&part[group.clone()], &packed, from, normaliser, config, &mut report)?;
                    }
                    self.value_gradient(&part[group], &packed, from, normaliser, config, &mut report)?;
                }
                if step >= config.value_only_steps {
                    report.grad_norm_ppo += self.policy.grads.norm();
                    if config.ptx > 0.0 {
                        self.add_ptx(&ptx(updates), config, train, &mut report)?;
                    }
                    let stepped = self.policy.step(lrs.0);
                    not_finite(step, "policy gradient norm", stepped.grad_norm)?;
                }
                let stepped = self.value.step(lrs.1);
                not_finite(step, "value gradient norm", stepped.grad_norm)?;
                report.grad_norm_value += stepped.grad_norm;
                updates += 1;
            }
        }
        let n = updates.max(1) as f64;
        for mean in [
            &mut report.clip_fraction,
            &mut report.policy_loss,
            &mut report.value_loss,
            &mut report.grad_norm_ppo,
            &mut report.grad_norm_value,
        ] {
            *mean /= n;
        }
        for mean in [&mut report.ptx_loss, &mut report.grad_norm_ptx].into_iter().flatten() {
            *mean /= n;
        }
        not_finite(step, "policy loss", report.policy_loss)?;
        Ok(report)
    }

    fn policy_gradient(
        &mut self,
        part: &[&Episode],
        packed: &Packed,
        from: Option<(usize, &[f32])>,
        normaliser: f64,
        config: &Ppo,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Learner { model, grads, trace, .. } = &mut self.policy;
        model.forward(&packed.batch, trace, Pass { from, rows: Some(&packed.rows), ..Pass::train(grads) })?;
        let at = packed.at(config.temperature);
        let wants_entropy = config.entropy > 0.0;
        let read = model.logprobs(trace, at, wants_entropy);
        let logp: Vec<f64> = read.logp.iter().map(|&l| f64::from(l)).collect();
        let gather =
            |f: fn(&Episode) -> &Vec<f64>| part.iter().flat_map(|e| f(e).iter().copied()).collect::<Vec<f64>>();
        let (old, advantage) = (gather(|e| &e.logp_old), gather(|e| &e.advantage));
        let loss = clipped_policy_loss(&logp, &old, &advantage, config.clip, normaliser);
        report.policy_loss += loss.value;
        report.clip_fraction += loss.clip_fraction * logp.len() as f64 / normaliser;
        let d_logp: Vec<f32> = loss.d_logp.iter().map(|&d| d as f32).collect();
        let d_entropy: Vec<f32> = if wants_entropy {
            let entropy: Vec<f64> = read.entropy.iter().map(|&e| f64::from(e)).collect();
            entropy_bonus(&entropy, config.entropy, normaliser).d_entropy.iter().map(|&d| d as f32).collect()
        } else {
            Vec::new()
        };
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        model.logprobs_backward(
            trace,
            at,
            LogProbGradient { d_logp: &d_logp, d_entropy: &d_entropy },
            &mut d_hidden,
            grads,
        );
        model.backward(trace, &d_hidden, grads);
        Ok(())
    }

    fn value_gradient(
        &mut self,
        part: &[&Episode],
        packed: &Packed,
        from: Option<(usize, &[f32])>,
        normaliser: f64,
        config: &Ppo,
        report: &mut Report,
    ) -> Result<(), Error> {
        let (mean, std) = self.value_mean_std;
        let Learner { model, grads, trace, .. } = &mut self.value;
        model.forward(&packed.batch, trace, Pass { from, rows: Some(&packed.rows), ..Pass::train(grads) })?;
        let value: Vec<f64> = model.scores(trace, &packed.rows).iter().map(|&v| (f64::from(v) - mean) / std).collect();
        let gather =
            |f: fn(&Episode) -> &Vec<f64>| part.iter().flat_map(|e| f(e).iter().copied()).collect::<Vec<f64>>();
        let epsilon = (config.value_clip > 0.0).then_some(config.value_clip);
        let loss = clipped_value_loss(&value, &gather(|e| &e.value), &gather(|e| &e.target), epsilon, normaliser);
        report.value_loss += loss.value;
        let d_scores: Vec<f32> = loss.d_value.iter().map(|d| (d / std) as f32).collect();
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        model.scores_backward(trace, &packed.rows, &d_scores, &mut d_hidden, grads);
        model.backward(trace, &d_hidden, grads);
        Ok(())
    }

    /// Adds γ × the gradient of the mean language-modelling loss of `pieces` to the policy's gradients.
    fn add_ptx(&mut self, pieces: &[&Example], config: &Ppo, train: &Train, report: &mut Report) -> Result<(), Error> {
        let targets: usize = pieces.iter().map(|e| e.rows.len()).sum();
        let mut grads = self.policy.fresh_grads();
        let loss = self.policy.next_token(
            pieces,
            targets.max(1) as f64,
            train.pass_tokens,
            DropoutSeed::default(),
            Some(&mut grads),
        )?;
        *report.ptx_loss.get_or_insert(0.0) += loss;
        *report.grad_norm_ptx.get_or_insert(0.0) += config.ptx * grads.norm();
        self.policy.grads.add_scaled(config.ptx as f32, &grads);
        Ok(())
    }
}

fn not_finite(step: u64, what: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() { Ok(()) } else { Err(Error::NotFinite { stage: "ppo", step, what, value }) }
}

/// GAE on KL-shaped rewards, then whitening over all answer tokens.
fn assign_advantages(episodes: &mut [Episode], beta: f64, config: &Ppo) {
    let mut all = Vec::new();
    for e in episodes.iter_mut() {
        let reward = shaped_reward(&e.logp_old, &e.logp_ref, beta, e.score);
        let estimate = gae(&reward, &e.value, config.discount, config.lambda);
        e.target = estimate.return_t;
        all.extend(estimate.advantage_t);
    }
    let mut white = whiten(&all, Variance::Unbiased, true).into_iter();
    for e in episodes {
        e.advantage = white.by_ref().take(e.answer.len()).collect();
    }
}

fn describe(episodes: &[Episode]) -> Report {
    let n = episodes.len().max(1) as f64;
    let tokens = episodes.iter().map(|e| e.answer.len()).sum::<usize>().max(1) as f64;
    let per_episode = |f: &dyn Fn(&Episode) -> f64| episodes.iter().map(f).sum::<f64>() / n;
    let kl =
        |f: fn(f64, f64) -> f64| per_episode(&|e| e.logp_old.iter().zip(&e.logp_ref).map(|(&p, &r)| f(p, r)).sum());
    Report {
        reward: per_episode(&|e| e.score),
        kl: kl(k1),
        k3: kl(k3),
        entropy: episodes.iter().flat_map(|e| &e.entropy).sum::<f64>() / tokens,
        length: tokens / n,
        eos_rate: per_episode(&|e| f64::from(u8::from(e.ended))),
        mismatch: episodes
            .iter()
            .flat_map(|e| e.logp_old.iter().zip(&e.logp_rollout))
            .map(|(a, &b)| (a - f64::from(b)).abs())
            .fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst }),
        tokens: lengths(episodes).iter().sum(),
        ..Report::default()
    }
}

/// Explained variance of value targets that [`Players::step`] has set, by the values before the step.
pub fn value_explained_variance(episodes: &[Episode]) -> Measured {
    let gather =
        |f: fn(&Episode) -> &Vec<f64>| episodes.iter().flat_map(|e| f(e).iter().copied()).collect::<Vec<f64>>();
    explained_variance(&gather(|e| &e.value), &gather(|e| &e.target))
}

/// Episodes laid end to end, what answers to one prompt have in common once.
pub(super) struct Packed {
    pub batch: PackedBatch,
    /// Rows that predict answer tokens, and those tokens.
    pub rows: Vec<usize>,
    pub targets: Vec<u32>,
    /// Each episode's entries in `rows`.
    pub ranges: Vec<Range<usize>>,
    /// The row of each answer's last token.
    pub last: Vec<usize>,
    /// Where each episode stands in the batch.
    places: Vec<Place>,
}

impl Packed {
    pub fn of<E: Borrow<Episode>>(episodes: &[E]) -> Self {
        let mut packed = Self {
            batch: PackedBatch::new(),
            rows: vec![],
            targets: vec![],
            ranges: vec![],
            last: vec![],
            places: vec![],
        };
        for family in families(episodes) {
            let answers: Vec<&[u32]> = family.iter().map(|e| e.borrow().answer.as_slice()).collect();
            let places = packed.batch.push_answers(&family[0].borrow().prompt, &answers);
            for (answer, place) in answers.iter().zip(places) {
                let first = packed.rows.len();
                packed.rows.extend(place.predictions());
                packed.targets.extend_from_slice(answer);
                packed.ranges.push(first..packed.rows.len());
                packed.last.extend(place.last());
                packed.places.push(place);
            }
        }
        packed
    }

    /// What [`Players::measure`] kept of the episodes that are packed here, at their rows, each `d` wide.
    fn trunk_of<E: Borrow<Episode>>(&self, episodes: &[E], d: usize) -> Vec<f32> {
        let mut trunk = vec![0.0; self.batch.len() * d];
        for (e, place) in episodes.iter().zip(&self.places) {
            let Episode { prompt_trunk, trunk: own, .. } = e.borrow();
            let rows = place.prompt().chain(place.tokens());
            let values = prompt_trunk.chunks_exact(d).chain(own.chunks_exact(d));
            rows.zip(values).for_each(|(at, row)| trunk[at * d..(at + 1) * d].copy_from_slice(row));
        }
        trunk
    }

    pub fn at(&self, temperature: f32) -> LogProbRows<'_> {
        LogProbRows { rows: &self.rows, targets: &self.targets, temperature }
    }
}
