//! `trimtab generate` and `trimtab chat`.

use super::ModelArg;
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};
use std::time::Instant;
use trimtab_engine::generate::{Sampling, Stop};
use trimtab_text::{Message, Tokenizer, encode_prompt};

/// How to sample.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// Logits are divided by this; 0 takes the likeliest token.
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Keep the K likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Keep the fewest tokens that reach this probability.
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Drop tokens less likely than this share of the likeliest.
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    min_p: f32,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_new_tokens: usize,
    /// Seed of the answer.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    fn sampling(&self, eos: &[u32], batch: usize) -> Result<Sampling> {
        let bad = |name: &str, value: f32, expected: &str| {
            Usage(format!("--{name} {value}: out of range\n  expected {expected}\n  try: leaving it out"))
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(bad("temperature", self.temperature, "a number ≥ 0").into());
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(bad("top-p", self.top_p, "a share in (0, 1]").into());
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return Err(bad("min-p", self.min_p, "a share in [0, 1]").into());
        }
        Ok(Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            max_new_tokens: self.max_new_tokens.max(1),
            eos: eos.to_vec(),
            seed: self.seed,
            batch,
        })
    }
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    model: ModelArg,
    /// What to ask.
    #[arg(long)]
    prompt: String,
    /// Continue the text as it is, without the chat template.
    #[arg(long)]
    raw: bool,
    /// How many answers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    samples: usize,
    /// One JSON object per answer, with tokens and log-probabilities.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Runs it.
pub fn generate(args: &Generate, quiet: bool) -> Result<()> {
    let (path, loaded) = args.model.load(quiet)?;
    let tokenizer = loaded.tokenizer(&path)?;
    let prompt = if args.raw || tokenizer.chat_template().is_none() {
        tokenizer.encode_with_bos(&args.prompt)?
    } else {
        encode_prompt(tokenizer, &[Message::user(&args.prompt)])?
    };
    let sampling = args.sampling.sampling(&loaded.eos, args.samples.clamp(1, 32))?;
    let begun = Instant::now();
    let mut out = std::io::stdout().lock();
    if args.samples == 1 && !args.json {
        let tokens = stream(tokenizer, &loaded, &prompt, &sampling, &mut out)?;
        writeln!(out)?;
        speed(quiet, tokens.len(), begun);
        return Ok(());
    }
    let answers = loaded.model.generate(&[prompt], args.samples, &sampling, &[], |_| true)?;
    speed(quiet, answers.iter().map(|a| a.tokens.len()).sum(), begun);
    for answer in answers {
        let text = tokenizer.decode(&answer.tokens, true)?;
        if args.json {
            let stop = if answer.stop == Stop::Eos { "eos" } else { "length" };
            writeln!(
                out,
                "{}",
                json!({"text": text, "tokens": answer.tokens, "logprobs": answer.logprobs, "stop": stop})
            )?;
        } else {
            writeln!(out, "--- {}\n{text}", answer.sample + 1)?;
        }
    }
    Ok(())
}

/// Writes an answer as it grows and returns its tokens.
fn stream(
    tokenizer: &Tokenizer,
    loaded: &trimtab_alignment::checkpoint::Checkpoint,
    prompt: &[u32],
    sampling: &Sampling,
    out: &mut impl Write,
) -> Result<Vec<u32>> {
    let mut decoder = tokenizer.stream_decoder();
    let mut broken = None;
    let answers = loaded.model.generate(&[prompt.to_vec()], 1, sampling, &[], |p| {
        if !sampling.eos.contains(&p.token)
            && let Some(text) = decoder.push(p.token)
            && let Err(e) = write!(out, "{text}").and_then(|()| out.flush())
        {
            broken = Some(e);
            return false;
        }
        !trimtab_run::interrupt::requested()
    })?;
    if let Some(e) = broken {
        return Err(e.into());
    }
    if let Some(rest) = decoder.finish() {
        write!(out, "{rest}")?;
    }
    Ok(answers.into_iter().next().map(|a| a.tokens).unwrap_or_default())
}

fn speed(quiet: bool, tokens: usize, begun: Instant) {
    if !quiet {
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("[{tokens} tokens, {:.1} tokens/s]", tokens as f64 / seconds);
    }
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub struct Chat {
    #[command(flatten)]
    model: ModelArg,
    /// A system message that opens the conversation.
    #[arg(long)]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Runs it.
pub fn chat(args: &Chat, quiet: bool) -> Result<()> {
    let (path, loaded) = args.model.load(quiet)?;
    let tokenizer = loaded.tokenizer(&path)?;
    trimtab_run::interrupt::install()?;
    let mut messages: Vec<Message> = args.system.iter().map(Message::system).collect();
    let mut lines = std::io::stdin().lock().lines();
    let mut out = std::io::stdout().lock();
    let asks = std::io::stdin().is_terminal() && !quiet;
    let mut turn = 0;
    loop {
        if asks {
            eprint!("you> ");
        }
        let Some(line) = lines.next().transpose()? else { return Ok(()) };
        if line.trim().is_empty() {
            continue;
        }
        messages.push(Message::user(line.trim()));
        let prompt = encode_prompt(tokenizer, &messages)?;
        let mut sampling = args.sampling.sampling(&loaded.eos, 1)?;
        sampling.seed = sampling.seed.wrapping_add(turn);
        turn += 1;
        let begun = Instant::now();
        let tokens = stream(tokenizer, &loaded, &prompt, &sampling, &mut out)?;
        writeln!(out)?;
        speed(quiet, tokens.len(), begun);
        if trimtab_run::interrupt::requested() {
            return Ok(());
        }
        messages.push(Message::assistant(tokenizer.decode(&tokens, true)?));
    }
}
