//! Stage 1: supervised fine-tuning on demonstrations.
//!
//! Ouyang et al. 2022 (InstructGPT), arXiv:2203.02155, section 3.5. Where ours differs:
//! 1. The loss is the sum over answer tokens divided by the answer tokens of the whole optimiser step, so accumulation
//!    equals one big batch (rlhf field notes, trap 1). Prompts carry no loss; the end-of-turn token does.
//! 2. One epoch by default instead of 16, no dropout, LoRA by default.
//! 3. The checkpoint is the last one; it is not chosen by reward-model score.

use crate::checkpoint::{self, Checkpoint};
use crate::config::{Sft, Train};
use crate::error::Error;
use crate::example::Example;
use crate::stage::{Resume, Stage, ratio};
use crate::update::{Learner, negative_log_likelihoods};
use serde_json::Map;
use std::path::Path;
use std::time::Instant;
use trimtab_engine::DropoutSeed;
use trimtab_run::{Metric, Progress, stream};
use trimtab_text::record::Demonstration;
use trimtab_text::split::split_by_group;
use trimtab_text::{Tokenizer, encode_answer};

/// Demonstrations split by prompt: those trained on and those held out.
pub fn split(demonstrations: &[Demonstration], config: &Sft, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let used = if config.limit == 0 { demonstrations.len() } else { config.limit.min(demonstrations.len()) };
    let groups: Vec<u64> = demonstrations[..used].iter().map(Demonstration::group_key).collect();
    split_by_group(&groups, config.holdout, seed)
}

fn encode(
    stage: &mut Stage,
    tokenizer: &Tokenizer,
    rows: &[&Demonstration],
    max_tokens: usize,
) -> Result<Vec<Example>, Error> {
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let encoded = encode_answer(tokenizer, &row.input, &row.completion)?;
        if encoded.tokens.len() > max_tokens {
            stage.count("demonstrations longer than sft.max_tokens", 1);
        } else {
            out.push(Example::from_encoded(&encoded));
        }
    }
    Ok(out)
}

/// Trains `start` on the demonstrations and writes `checkpoint/` into the stage's folder.
///
/// # Errors
/// Anything in [`Error`]; the stage can be continued after [`Error::Interrupted`].
pub fn run(
    stage: &mut Stage,
    resume: Option<Resume>,
    start: Checkpoint,
    start_path: &Path,
    demonstrations: &[Demonstration],
    config: &Sft,
    train: &Train,
) -> Result<(), Error> {
    let tokenizer = start.tokenizer(start_path)?;
    let context = start.model.config().max_position_embeddings;
    let (train_ids, held_ids) = split(demonstrations, config, stage.seed);
    if train_ids.is_empty() || held_ids.is_empty() {
        return Err(Error::config(
            "data.demonstrations",
            format!("{} prompts to train on and {} held out", train_ids.len(), held_ids.len()),
            "at least one of each",
            "more demonstrations, or another sft.holdout",
        ));
    }
    let fresh = resume.is_none();
    let before = stage.counters.clone();
    let limit = config.max_tokens.min(context);
    let pick = |ids: &[usize]| ids.iter().map(|&i| &demonstrations[i]).collect::<Vec<_>>();
    let examples = encode(stage, tokenizer, &pick(&train_ids), limit)?;
    let held = encode(stage, tokenizer, &pick(&held_ids), limit)?;
    if !fresh {
        stage.counters = before;
    }
    let held: Vec<&Example> = held.iter().collect();

    let per_epoch = examples.len().div_ceil(config.batch) as u64;
    let total = per_epoch * config.epochs;
    let adapter_seed = stream(stage.seed, "sft/adapter", 0, 0).next_u64();
    let mut learner = Learner::new(start.model, train, adapter_seed);
    let mut done = 0;
    if let Some(resume) = resume {
        learner.restore(&resume.files.join("learner.f32"))?;
        done = resume.step;
    } else {
        log_held_out(stage, &learner, &held, 0, train.pass_tokens)?;
    }

    let mut progress = Progress::new("sft", done, total, "tok", stage.quiet);
    while done < total {
        let (epoch, at) = (done / per_epoch, (done % per_epoch) as usize);
        let mut order: Vec<usize> = (0..examples.len()).collect();
        stream(stage.seed, "sft/order", epoch, 0).shuffle(&mut order);
        let batch: Vec<&Example> =
            order.iter().skip(at * config.batch).take(config.batch).map(|&i| &examples[i]).collect();
        let targets: usize = batch.iter().map(|e| e.rows.len()).sum();
        let tokens: usize = batch.iter().map(|e| e.tokens.len()).sum();
        let begun = Instant::now();
        let dropout = DropoutSeed((train.dropout > 0.0).then(|| stream(stage.seed, "sft/dropout", done, 0).next_u64()));
        let loss = learner.next_token(&batch, targets as f64, train.pass_tokens, dropout, None)?;
        let lr = config.schedule.lr(config.lr, done, total, config.warmup, 0.0);
        let stepped = learner.step(lr);
        for (what, value) in [("loss", loss), ("gradient norm", stepped.grad_norm)] {
            if !value.is_finite() {
                return Err(Error::NotFinite { stage: "sft", step: done, what, value });
            }
        }
        stage.push(&Metric::new("sft", done, "loss", loss).unit("nats/token").n(targets as u64))?;
        stage.log(done, "grad_norm", stepped.grad_norm)?;
        stage.log(done, "lr", lr)?;
        stage.time(done, "tokens_per_second", tokens as f64 / begun.elapsed().as_secs_f64(), "tok/s")?;
        done += 1;
        progress.step(done, tokens as f64, &format!("loss {loss:.3}"));
        stage
            .after_step(done, total, train.checkpoint_every, || (Map::new(), vec![("learner.f32", learner.state())]))?;
    }
    let held_out = log_held_out(stage, &learner, &held, total, train.pass_tokens)?;
    progress.finish(&format!("held-out loss {held_out:.3} nats/token"));
    checkpoint::save(&stage.dir.join("checkpoint"), &learner.model, start.tokenizer.as_ref(), &Map::new())
}

fn log_held_out(
    stage: &mut Stage,
    learner: &Learner,
    held: &[&Example],
    step: u64,
    pass_tokens: usize,
) -> Result<f64, Error> {
    let nll = negative_log_likelihoods(&learner.model, held, pass_tokens)?;
    let clusters: Vec<(f64, f64)> = nll.iter().map(|&(s, n)| (s, n as f64)).collect();
    let loss = ratio(&clusters, stage.seed);
    stage.measured(step, "held_out_loss", "nats/token", &loss)?;
    Ok(loss.value.unwrap_or(f64::NAN))
}
