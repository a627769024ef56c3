//! What is done to a copy of the weights: noise, and fine-tuning on a few demonstrations.
//!
//! 1. Noise is normal, with a standard deviation in units of each tensor's root mean square: one σ means the same to a norm and
//!    to an embedding.
//! 2. Fine-tuning is of every parameter, by AdamW on the answers alone, with the same number of passes at every dose but a
//!    least number of steps, so that one demonstration is learned too. No text of the model's earlier training is mixed in;
//!    what is lost by it is measured by the retained task.
//! 3. Both start from a fresh copy each time and leave nothing on the disk.

use trimtab_alignment::Error;
use trimtab_alignment::config::{Train, TrainKind};
use trimtab_alignment::example::Example;
use trimtab_alignment::update::Learner;
use trimtab_engine::DropoutSeed;
use trimtab_engine::model::Model;
use trimtab_run::{Stream, stream};
use trimtab_text::record::Input;
use trimtab_text::{Tokenizer, encode_answer};

/// Demonstrations of a step.
const BATCH: usize = 16;
/// Passes over the demonstrations.
const EPOCHS: usize = 16;
/// Fewest steps.
const LEAST_STEPS: usize = 32;
/// Highest learning rate.
const LR: f64 = 5e-4;
/// Steps of warm-up.
const WARMUP: usize = 2;

/// A copy with noise in every weight.
pub(super) fn with_noise(model: &Model, sigma: f64, random: &mut Stream) -> Model {
    let mut noisy = model.base();
    for id in 0..noisy.tensor_count() {
        let Some(tensor) = noisy.tensor_mut(id) else { continue };
        let squares: f64 = tensor.data.iter().map(|&v| f64::from(v).powi(2)).sum();
        let scale = sigma * (squares / tensor.data.len().max(1) as f64).sqrt();
        for value in &mut tensor.data {
            *value += (scale * random.normal()) as f32;
        }
    }
    noisy
}

/// A copy that has learned the demonstrations; `seed` orders them.
///
/// # Errors
/// [`Error::Text`], [`Error::Input`] for demonstrations that do not suit the model; [`Error::NotFinite`].
pub(crate) fn fine_tuned(
    model: &Model,
    tokenizer: &Tokenizer,
    demonstrations: &[(&Input, String)],
    seed: u64,
) -> Result<Model, Error> {
    let limit = model.config().max_position_embeddings;
    let mut examples = Vec::with_capacity(demonstrations.len());
    for (input, answer) in demonstrations {
        let encoded = encode_answer(tokenizer, input, answer)?;
        if encoded.tokens.len() <= limit {
            examples.push(Example::from_encoded(&encoded));
        }
    }
    tuned(model, &examples, seed)
}

/// A copy that has learned these examples; `seed` orders them.
///
/// # Errors
/// [`Error::Input`] for examples that do not suit the model; [`Error::NotFinite`].
pub(crate) fn tuned(model: &Model, examples: &[Example], seed: u64) -> Result<Model, Error> {
    let train = Train { kind: TrainKind::Full, ..Train::default() };
    let mut learner = Learner::new(model.base(), &train, seed);
    let per_epoch = examples.len().div_ceil(BATCH).max(1);
    let steps = if examples.is_empty() { 0 } else { (EPOCHS * per_epoch).max(LEAST_STEPS) };
    for step in 0..steps {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        stream(seed, "audit/elicitation/batches", (step / per_epoch) as u64, 0).shuffle(&mut order);
        let batch: Vec<&Example> =
            order.iter().skip(step % per_epoch * BATCH).take(BATCH).map(|&i| &examples[i]).collect();
        let targets: usize = batch.iter().map(|e| e.rows.len()).sum();
        let loss = learner.next_token(&batch, targets as f64, train.pass_tokens, DropoutSeed(None), None)?;
        if !loss.is_finite() {
            return Err(Error::NotFinite { stage: "elicitation", step: step as u64, what: "loss", value: loss });
        }
        // Up over the warm-up, then down to nothing: the last steps settle.
        let up = ((step + 1) as f64 / WARMUP as f64).min(1.0);
        learner.step(LR * up * (1.0 - step as f64 / steps as f64));
    }
    Ok(learner.model)
}
