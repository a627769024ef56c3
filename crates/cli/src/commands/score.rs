//! `trimtab score`: log-probabilities of given tokens, one JSON object a line.

use super::ModelArg;
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::readout::LogProbRows;
use trimtab_text::{Message, encode_chat, encode_pair};

/// Arguments of `score`.
#[derive(Debug, Args)]
pub struct Score {
    #[command(flatten)]
    model: ModelArg,
    /// Input, JSONL; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Logits are divided by this.
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
}

/// One line of input.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Pair { prompt: String, completion: String },
    Chat { messages: Vec<Message> },
    Tokens { tokens: Vec<u32> },
    Text { text: String },
}

/// Runs it.
pub fn score(args: &Score, quiet: bool) -> Result<()> {
    if !(args.temperature > 0.0 && args.temperature.is_finite()) {
        return Err(Usage(format!(
            "--temperature {}: out of range\n  expected a number above 0\n  try: leaving it out",
            args.temperature
        ))
        .into());
    }
    let (path, loaded) = args.model.load(quiet)?;
    let place = args.input.display().to_string();
    let input: Box<dyn BufRead> = if place == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(&args.input)
            .map_err(|e| Usage(format!("{place}: {e}\n  expected a JSONL file\n  try: another --input")))?;
        Box::new(BufReader::new(file))
    };
    let mut out = std::io::stdout().lock();
    let mut trace = Trace::default();
    for (i, line) in input.split(b'\n').enumerate() {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let here = |e: String| {
            Usage(format!(
                "{place}:{}: {e}\n  expected one of {{\"text\"}}, {{\"tokens\"}}, {{\"prompt\", \"completion\"}}, {{\"messages\"}}\n  try: `trimtab score --help`",
                i + 1
            ))
        };
        let parsed: Line = serde_json::from_slice(&line).map_err(|e| here(e.to_string()))?;
        let (tokens, counted) = encode(parsed, &loaded, &path).map_err(|e| here(e.to_string()))?;
        let mut batch = PackedBatch::new();
        batch.push(&tokens);
        loaded.model.forward(&batch, &mut trace, Pass::read()).map_err(|e| here(e.to_string()))?;
        let rows: Vec<usize> = (0..tokens.len() - 1).collect();
        let at = LogProbRows { rows: &rows, targets: &tokens[1..], temperature: args.temperature };
        let logp = loaded.model.logprobs(&trace, at, false).logp;
        let sum: f64 = logp.iter().zip(&counted[1..]).filter(|(_, c)| **c).map(|(l, _)| f64::from(*l)).sum();
        let logprobs: Vec<Option<f32>> = std::iter::once(None).chain(logp.into_iter().map(Some)).collect();
        writeln!(out, "{}", json!({"tokens": tokens, "logprobs": logprobs, "sum": sum}))?;
    }
    Ok(())
}

/// Token ids of a line, and which of them `sum` counts.
fn encode(line: Line, loaded: &Checkpoint, path: &std::path::Path) -> Result<(Vec<u32>, Vec<bool>)> {
    Ok(match line {
        Line::Tokens { tokens } => {
            let n = tokens.len();
            (tokens, vec![true; n])
        }
        Line::Text { text } => {
            let tokens = loaded.tokenizer(path)?.encode_with_bos(&text)?;
            let n = tokens.len();
            (tokens, vec![true; n])
        }
        Line::Pair { prompt, completion } => {
            let e = encode_pair(loaded.tokenizer(path)?, &prompt, &completion)?;
            (e.tokens, e.train)
        }
        Line::Chat { messages } => {
            let e = encode_chat(loaded.tokenizer(path)?, &messages)?;
            (e.tokens, e.train)
        }
    })
}
