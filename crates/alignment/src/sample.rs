//! Stage 2: several answers to each prompt, from the fine-tuned model.

use crate::checkpoint::Checkpoint;
use crate::config::Sample;
use crate::error::Error;
use crate::stage::{Resume, Stage};
use serde_json::{Map, json};
use std::path::Path;
use std::time::Instant;
use trimtab_engine::generate::{Sampling, Stop};
use trimtab_run::{Progress, stream, write_atomic};
use trimtab_text::encode::encode_input;
use trimtab_text::record::{Answer, Prompt, Samples, write_jsonl};

/// Prompts sampled between two states: large enough to keep the batch full, small enough to lose little.
const BLOCK: usize = 16;

/// Draws `config.answers` answers to each prompt and writes `samples.jsonl` into the stage's folder.
///
/// # Errors
/// Anything in [`Error`].
pub fn run(
    stage: &mut Stage,
    resume: Option<Resume>,
    from: &Checkpoint,
    from_path: &Path,
    prompts: &[Prompt],
    config: &Sample,
) -> Result<(), Error> {
    let tokenizer = from.tokenizer(from_path)?;
    let limit = from.model.config().max_position_embeddings;
    let count = if config.prompts == 0 { prompts.len() } else { config.prompts.min(prompts.len()) };
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    stream(stage.seed, "sample/prompts", 0, 0).shuffle(&mut order);
    order.truncate(count);
    let total = count.div_ceil(BLOCK) as u64;
    let mut records: Vec<Samples> = Vec::new();
    let mut done = 0;
    if let Some(resume) = resume {
        done = resume.step;
        records = trimtab_text::dataset::records(&resume.files.join("samples.jsonl"))?;
    }
    let mut progress = Progress::new("sample", done, total, "tok", stage.quiet);
    while done < total {
        let block: Vec<&Prompt> = order.iter().skip(done as usize * BLOCK).take(BLOCK).map(|&i| &prompts[i]).collect();
        let mut asked = Vec::new();
        for prompt in &block {
            let tokens = encode_input(tokenizer, &prompt.input)?;
            if tokens.len() + config.max_new_tokens > limit {
                stage.count("prompts too long for the context", 1);
            } else {
                asked.push((*prompt, tokens));
            }
        }
        let seed = stream(stage.seed, "sample/answers", done, 0).next_u64();
        let sampling = Sampling {
            temperature: config.temperature,
            max_new_tokens: config.max_new_tokens,
            eos: from.eos.clone(),
            seed,
            batch: config.batch,
            ..Sampling::default()
        };
        let begun = Instant::now();
        let tokens: Vec<Vec<u32>> = asked.iter().map(|(_, t)| t.clone()).collect();
        let answers = from.model.generate(&tokens, config.answers, &sampling, &[], |_| true)?;
        let drawn: usize = answers.iter().map(|a| a.tokens.len()).sum();
        stage.count(
            "answers cut at sample.max_new_tokens",
            answers.iter().filter(|a| a.stop == Stop::Length).count() as u64,
        );
        let mut answers = answers.into_iter().peekable();
        for (i, (prompt, _)) in asked.iter().enumerate() {
            let mut record = Samples {
                id: prompt.id.clone(),
                input: prompt.input.clone(),
                answers: Vec::new(),
                model: Some("sft".into()),
                temperature: Some(f64::from(config.temperature)),
                group: prompt.group.clone(),
                extra: Map::new(),
            };
            while let Some(answer) = answers.next_if(|a| a.prompt == i) {
                record.answers.push(Answer {
                    id: format!("{}/{}", prompt.id, answer.sample),
                    text: tokenizer.decode(&answer.tokens, true)?,
                    tokens: answer.tokens,
                    logprobs: answer.logprobs,
                    seed,
                    stop: if answer.stop == Stop::Eos { "eos".into() } else { "length".into() },
                    extra: Map::new(),
                });
            }
            records.push(record);
        }
        stage.time(done, "tokens_per_second", drawn as f64 / begun.elapsed().as_secs_f64(), "tok/s")?;
        stage.log(done, "mean_answer_tokens", drawn as f64 / (asked.len() * config.answers).max(1) as f64)?;
        done += 1;
        progress.step(done, drawn as f64, &format!("{} answers", records.len() * config.answers));
        let so_far = write_jsonl(&records)?;
        stage.after_step(done, total, 1, || {
            (Map::from_iter([("prompts".to_owned(), json!(records.len()))]), vec![("samples.jsonl", so_far)])
        })?;
    }
    write_atomic(&stage.dir.join("samples.jsonl"), &write_jsonl(&records)?)?;
    progress.finish(&format!("{} prompts, {} answers", records.len(), records.len() * config.answers));
    Ok(())
}
