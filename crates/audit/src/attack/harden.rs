//! A defence against ablation: refusals that are trained while the refusal direction is ablated, so that they do not hang on it.
//!
//! Yu et al. 2024 (ReFAT), [arXiv:2409.20089](https://arxiv.org/abs/2409.20089), section 4. Where ours differs:
//!
//! 1. One direction is ablated at every layer, as the attack does it, from a position and a layer drawn anew every four steps; the
//!    paper ablates each layer's own direction there, in the last three quarters of the layers.
//! 2. Harmful requests are learned both ways in every step, ablated and as they are, instead of one way by a coin.
//! 3. The direction is that of the model as it then is, on requests that are not measured, and its gradient is not followed.
//! 4. Right answers to harmless requests and facts are half of what is learned, without ablation.

use crate::attack::ask::{Subject, activations};
use crate::attack::direction::{common_suffix, mean_difference, unit};
use crate::attack::find::{POSITIONS, ablation};
use crate::attack::material::Side;
use crate::attack::prompts::{lessons, retained};
use crate::run::problem;
use serde::Serialize;
use trimtab_alignment::Error;
use trimtab_alignment::config::{Train, TrainKind};
use trimtab_alignment::example::Example;
use trimtab_alignment::update::Learner;
use trimtab_engine::DropoutSeed;
use trimtab_engine::hooks::Hook;
use trimtab_engine::model::Model;
use trimtab_run::{Stream, interrupt, stream};
use trimtab_text::encode_answer;

/// Seed of the order and of the places.
const SEED: u64 = 1;
/// Steps, each of [`BATCH`] harmful requests and as many of what should stay.
pub const STEPS: u64 = 320;
const BATCH: usize = 8;
/// Steps between directions.
const EVERY: u64 = 4;
/// Requests of each kind of which a direction is the difference of means.
const OF_EACH: usize = 32;
const LR: f64 = 5e-4;
const WARMUP: u64 = 10;

/// How a hardening went; `hardened.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hardened {
    /// Optimiser steps.
    pub steps: u64,
    /// Mean loss of refusals under ablation over the first tenth of the steps, in nats per token.
    pub ablated_first: f64,
    /// The same over the last tenth.
    pub ablated_last: f64,
    /// Loss without ablation, of refusals and of what should stay, over the last tenth.
    pub plain_last: f64,
}

/// A copy of the model that has learned to refuse under ablation. `heard` is told the steps done and the loss under ablation.
///
/// # Errors
/// [`Error::Text`] for a model whose right answers are not known; [`Error::Interrupted`] after Ctrl-C;
/// [`Error::NotFinite`]; what the model meets.
pub fn harden(subject: &Subject<'_>, mut heard: impl FnMut(u64, f64)) -> Result<(Model, Hardened), Error> {
    let (material, tokenizer) = (subject.material, subject.tokenizer()?);
    let unfit = |what: &str| {
        let expected = "a model of a world with forbidden and harmless topics, whose right answers are known";
        Error::from(problem(&subject.target.path, what, expected, "an organism: `trimtab world organism refuser`"))
    };
    if !material.planted {
        return Err(unfit("cannot be trained on refusals and answers"));
    }
    let of = |sides: [Side; 2]| -> Result<Vec<Example>, Error> {
        let shown = lessons(material, sides).into_iter();
        shown.map(|(ask, answer)| Ok(Example::from_encoded(&encode_answer(tokenizer, &ask.input, &answer)?))).collect()
    };
    let harmful = of([Side::HarmfulTrain, Side::HarmfulVal])?;
    let mut stays = of([Side::HarmlessTrain, Side::HarmlessVal])?;
    stays.extend(retained(tokenizer, material)?);
    if harmful.is_empty() || stays.is_empty() {
        return Err(unfit(&format!(
            "its world has {} refusals and {} right answers to learn",
            harmful.len(),
            stays.len()
        )));
    }
    let prompts = |side| material.side(side).into_iter().map(|ask| subject.prompt(ask)).collect::<Result<Vec<_>, _>>();
    let (of_harm, of_rest) = (prompts(Side::HarmfulTrain)?, prompts(Side::HarmlessTrain)?);
    let all: Vec<&[u32]> = of_harm.iter().chain(&of_rest).map(Vec::as_slice).collect();
    let positions = common_suffix(&all).clamp(1, POSITIONS);

    let train = Train { kind: TrainKind::Full, ..Train::default() };
    let mut learner = Learner::new(subject.model().base(), &train, SEED);
    let mut random = stream(SEED, "attack/harden", 0, 0);
    let mut hooks: Vec<Hook> = Vec::new();
    let (mut ablated, mut plain) = (Vec::new(), Vec::new());
    for step in 0..STEPS {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: "attack", step });
        }
        if step % EVERY == 0 {
            let shown = [drawn(&of_harm, OF_EACH, &mut random), drawn(&of_rest, OF_EACH, &mut random)];
            let layers = learner.model.config().num_hidden_layers;
            // The first block's input does not tell prompts apart at tokens that all share.
            let layer = 1 + random.below(layers.saturating_sub(1).max(1) as u64) as usize;
            let at = random.below(positions as u64) as usize;
            if let Some(r) = direction(&learner.model, &shown, positions, (layer.min(layers.saturating_sub(1)), at))? {
                hooks = ablation(layers, &r);
            }
        }
        let batch = drawn(&harmful, BATCH, &mut random);
        let refusals: Vec<&Example> = batch.iter().collect();
        let kept = drawn(&stays, BATCH, &mut random);
        let targets = |examples: &[&Example]| examples.iter().map(|e| e.rows.len()).sum::<usize>() as f64;
        let tokens = train.pass_tokens;
        let under = learner.next_token_under(&hooks, &refusals, targets(&refusals), tokens)?;
        let both: Vec<&Example> = refusals.into_iter().chain(&kept).collect();
        let loss = learner.next_token(&both, targets(&both), tokens, DropoutSeed(None), None)?;
        for (what, value) in [("loss under ablation", under), ("loss", loss)] {
            if !value.is_finite() {
                return Err(Error::NotFinite { stage: "attack", step, what, value });
            }
        }
        let up = ((step + 1) as f64 / WARMUP as f64).min(1.0);
        learner.step(LR * up * (1.0 - step as f64 / STEPS as f64));
        ablated.push(under);
        plain.push(loss);
        heard(step + 1, under);
    }
    let tenth = (STEPS / 10) as usize;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let hardened = Hardened {
        steps: STEPS,
        ablated_first: mean(&ablated[..tenth]),
        ablated_last: mean(&ablated[ablated.len() - tenth..]),
        plain_last: mean(&plain[plain.len() - tenth..]),
    };
    Ok((learner.model, hardened))
}

/// So many, drawn without repeats; all where there are fewer.
fn drawn<T: Clone>(all: &[T], most: usize, random: &mut Stream) -> Vec<T> {
    let mut places: Vec<usize> = (0..all.len()).collect();
    random.shuffle(&mut places);
    places.into_iter().take(most).map(|i| all[i].clone()).collect()
}

/// The unit difference of means at a layer's input and one of the last `positions` tokens; none where the means are equal.
fn direction(
    model: &Model,
    [harmful, harmless]: &[Vec<Vec<u32>>; 2],
    positions: usize,
    (layer, at): (usize, usize),
) -> Result<Option<Vec<f32>>, Error> {
    let width = model.config().hidden_size;
    let rows = |prompts: &[Vec<u32>]| -> Result<Vec<Vec<f32>>, Error> {
        let seen = activations(model, prompts, positions)?.swap_remove(layer);
        Ok(seen.into_iter().map(|row| row[at * width..][..width].to_vec()).collect())
    };
    let (a, b) = (rows(harmful)?, rows(harmless)?);
    let [a, b] = [&a, &b].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    Ok(mean_difference(&a, &b).and_then(|difference| unit(&difference)))
}
