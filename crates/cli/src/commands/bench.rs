//! `trimtab bench`: our side of the peer comparison. One JSON line per measured step.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::time::Instant;
use trimtab_alignment::config::{Train, TrainKind};
use trimtab_alignment::example::Example;
use trimtab_alignment::update::Learner;
use trimtab_audit::attack::prompts::{Gcg, Goal, Space, search};
use trimtab_engine::DropoutSeed;
use trimtab_engine::config::ModelConfig;
use trimtab_engine::generate::Sampling;
use trimtab_engine::model::Model;

/// What is timed.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forward, backward and AdamW on random tokens.
    Train(TrainArgs),
    /// Sampling from random prompts.
    Generate(GenerateArgs),
    /// Steps of GCG: a gradient and the losses of candidates; `tokens_per_second` are candidates.
    Gcg(GcgArgs),
}

/// The shapes of the field notes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// d 256, 6 layers, vocabulary 4,096, batch 16×128.
    Tiny,
    /// SmolLM2-135M's, batch 4×256.
    Smol,
}

impl Shape {
    fn config(self) -> ModelConfig {
        let tiny = ModelConfig { eos_token_ids: Vec::new(), max_position_embeddings: 2048, ..ModelConfig::tiny() };
        match self {
            Self::Tiny => ModelConfig {
                vocab_size: 4096,
                hidden_size: 256,
                intermediate_size: 688,
                num_hidden_layers: 6,
                num_attention_heads: 8,
                num_key_value_heads: 4,
                head_dim: 32,
                ..tiny
            },
            Self::Smol => ModelConfig {
                vocab_size: 49_152,
                hidden_size: 576,
                intermediate_size: 1536,
                num_hidden_layers: 30,
                num_attention_heads: 9,
                num_key_value_heads: 3,
                head_dim: 64,
                ..tiny
            },
        }
    }

    fn batch(self) -> (usize, usize) {
        match self {
            Self::Tiny => (16, 128),
            Self::Smol => (4, 256),
        }
    }
}

/// Arguments of `bench train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[arg(long, value_enum)]
    shape: Shape,
    /// Steps after one that is not counted.
    #[arg(long, default_value_t = 5)]
    steps: usize,
}

/// Arguments of `bench generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[arg(long, value_enum)]
    shape: Shape,
    /// Prompts answered side by side.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Prompt length, in tokens.
    #[arg(long, default_value_t = 32)]
    prompt: usize,
    /// Answer length, in tokens.
    #[arg(long, default_value_t = 64)]
    new: usize,
    /// Repetitions after one that is not counted.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Arguments of `bench gcg`.
#[derive(Debug, Args)]
pub struct GcgArgs {
    #[arg(long, value_enum)]
    shape: Shape,
    /// Tokens before the suffix.
    #[arg(long, default_value_t = 32)]
    prefix: usize,
    /// Tokens of the suffix.
    #[arg(long, default_value_t = 20)]
    suffix: usize,
    /// Tokens between the suffix and the target.
    #[arg(long, default_value_t = 8)]
    after: usize,
    /// Tokens of the target.
    #[arg(long, default_value_t = 16)]
    target: usize,
    /// Candidates of a step.
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Steps after one that is not counted.
    #[arg(long, default_value_t = 3)]
    steps: usize,
}

fn tokens(n: usize, vocab: usize, seed: u64) -> Vec<u32> {
    let mut draws = trimtab_run::stream(seed, "bench", 0, 0);
    (0..n).map(|_| draws.below(vocab as u64) as u32).collect()
}

fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// Runs it.
pub fn run(command: &Command) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Train(args) => {
            let config = args.shape.config();
            let (n, length) = args.shape.batch();
            let train = Train { kind: TrainKind::Full, pass_tokens: n * length, clip_norm: 0.0, ..Train::default() };
            let mut learner = Learner::new(Model::random(&config, 0.02, 1), &train, 1);
            for step in 0..=args.steps {
                let examples: Vec<Example> = (0..n)
                    .map(|i| Example::from_text(tokens(length, config.vocab_size, (step * n + i) as u64)))
                    .collect();
                let refs: Vec<&Example> = examples.iter().collect();
                let targets: usize = refs.iter().map(|e| e.rows.len()).sum();
                let begun = Instant::now();
                let loss =
                    learner.next_token(&refs, targets as f64, train.pass_tokens, DropoutSeed::default(), None)?;
                learner.step(1e-4);
                let rate = (n * length) as f64 / begun.elapsed().as_secs_f64();
                if step > 0 {
                    writeln!(
                        out,
                        "{}",
                        json!({"tokens_per_second": rate, "peak_rss_bytes": peak_rss(), "loss": loss})
                    )?;
                }
            }
        }
        Command::Generate(args) => {
            let config = args.shape.config();
            let model = Model::random(&config, 0.02, 1);
            let prompts: Vec<Vec<u32>> =
                (0..args.batch).map(|i| tokens(args.prompt, config.vocab_size, i as u64)).collect();
            for step in 0..=args.runs {
                let sampling =
                    Sampling { temperature: 0.0, max_new_tokens: args.new, batch: args.batch, ..Sampling::default() };
                let begun = Instant::now();
                let answers = model.generate(&prompts, 1, &sampling, &[], |_| true)?;
                let drawn: usize = answers.iter().map(|a| a.tokens.len()).sum();
                let rate = drawn as f64 / begun.elapsed().as_secs_f64();
                if step > 0 {
                    writeln!(
                        out,
                        "{}",
                        json!({"tokens_per_second": rate, "peak_rss_bytes": peak_rss(), "loss": null})
                    )?;
                }
            }
        }
        Command::Gcg(args) => {
            let config = args.shape.config();
            let model = Model::random(&config, 0.02, 1);
            let draw = |n: usize, seed: u64| tokens(n, config.vocab_size, seed);
            let goal = Goal { before: draw(args.prefix, 1), after: draw(args.after, 2), target: draw(args.target, 3) };
            let allowed: Vec<u32> = (0..config.vocab_size as u32).collect();
            let space = Space { allowed: &allowed, fits: &|_| true };
            let gcg = Gcg { steps: 1, width: args.width, top_k: 256, replace: 1, buffer: 0, enough: 0.0 };
            let mut suffix = draw(args.suffix, 4);
            let mut random = trimtab_run::stream(1, "bench", 0, 0);
            for step in 0..=args.steps {
                let begun = Instant::now();
                let found = search(&model, std::slice::from_ref(&goal), &suffix, space, &gcg, &mut random)?;
                // The suffix that the step began from is scored as well, and does not count.
                let rate = (found.scored - 1) as f64 / begun.elapsed().as_secs_f64();
                if step > 0 {
                    let line = json!({"tokens_per_second": rate, "peak_rss_bytes": peak_rss(), "loss": found.loss});
                    writeln!(out, "{line}")?;
                }
                suffix = found.tokens;
            }
        }
    }
    Ok(())
}
