//! Looking for the refusal direction in a model.

use crate::attack::ask::Subject;
use crate::attack::direction::{Candidate, FEWEST, Passed, Rule, common_suffix, divergence, mean_difference, unit};
use crate::attack::material::Side;
use crate::run::problem;
use serde::{Deserialize, Serialize};
use trimtab_alignment::Error;
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_run::interrupt;

/// Tokens after the instruction that are looked at, at most.
pub(super) const POSITIONS: usize = 8;

/// What was found; `direction.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The rule that it was chosen by.
    pub rule: Rule,
    /// Tokens after the instruction that were looked at.
    pub positions: usize,
    /// Harmful prompts that the model refuses, of how many.
    pub refused: [usize; 2],
    /// Harmless ones that it does not, of how many.
    pub answered: [usize; 2],
    /// Whether means and choice are of those alone; not where the model hardly refuses.
    pub filtered: bool,
    /// Every place that was looked at.
    pub candidates: Vec<Candidate>,
    /// What the rule left of them.
    pub passed: Passed,
    /// The chosen one; none where no candidate fulfils the rule.
    pub chosen: Option<Candidate>,
    /// The difference of means there, as wide as the residual stream; empty without a choice.
    pub direction: Vec<f64>,
}

impl Found {
    /// The direction at length 1.
    #[must_use]
    pub fn unit(&self) -> Option<Vec<f32>> {
        unit(&self.direction)
    }
}

/// Hooks that ablate a unit vector everywhere.
#[must_use]
pub fn ablation(layers: usize, r: &[f32]) -> Vec<Hook> {
    (0..=layers).map(|layer| Hook { layer, at: At::All, action: Action::Ablate(r.to_vec()) }).collect()
}

/// The hook that adds a vector at the input of a block.
#[must_use]
pub fn addition(layer: usize, v: &[f64]) -> Vec<Hook> {
    vec![Hook { layer, at: At::All, action: Action::Add(v.iter().map(|x| *x as f32).collect()) }]
}

/// Looks at every layer and position and chooses by `rule`; without `headroom`, where there is hardly a refusal to remove, the place
/// that induces refusal best. `heard` is told how many candidates are done, of how many.
///
/// # Errors
/// [`Error::Text`] where too few prompts are refused, or answered, for a mean; [`Error::Interrupted`]; what the model meets.
pub fn find(
    subject: &Subject<'_>,
    rule: &Rule,
    headroom: bool,
    mut heard: impl FnMut(u64, u64),
) -> Result<Found, Error> {
    let layers = subject.model().config().num_hidden_layers;
    let width = subject.model().config().hidden_size;
    let prompts =
        |side| subject.material.side(side).into_iter().map(|a| subject.prompt(a)).collect::<Result<Vec<_>, Error>>();
    let (harmful, harmless) = (prompts(Side::HarmfulTrain)?, prompts(Side::HarmlessTrain)?);
    let (harmful_val, harmless_val) = (prompts(Side::HarmfulVal)?, prompts(Side::HarmlessVal)?);
    let kept = |all: Vec<Vec<u32>>, refuses: bool| -> Result<Vec<Vec<u32>>, Error> {
        let scores = subject.refusal_scores(subject.model(), &[], &all)?;
        let keep = scores.into_iter().map(|score| !headroom || (score > 0.0) == refuses);
        Ok(all.into_iter().zip(keep).filter_map(|(prompt, keep)| keep.then_some(prompt)).collect())
    };
    let (of_harmful, of_harmless) = (harmful.len(), harmless.len());
    let (harmful, harmless) = (kept(harmful, true)?, kept(harmless, false)?);
    let (harmful_val, harmless_val) = (kept(harmful_val, true)?, kept(harmless_val, false)?);
    for (left, what) in [
        (harmful.len(), "harmful prompts for the mean are refused"),
        (harmless.len(), "harmless prompts for the mean are answered"),
        (harmful_val.len(), "harmful prompts to choose on are refused"),
        (harmless_val.len(), "harmless prompts to choose on are answered"),
    ] {
        if left < FEWEST {
            let what = format!("{left} {what}: a direction from so few is that of a few prompts");
            return Err(problem(&subject.target.path, what, &format!("at least {FEWEST}"), "more prompts").into());
        }
    }
    let all: Vec<&[u32]> = harmful.iter().chain(&harmless).map(Vec::as_slice).collect();
    let positions = common_suffix(&all).clamp(1, POSITIONS);
    let (of_harm, of_rest) = (subject.activations(&harmful, positions)?, subject.activations(&harmless, positions)?);
    let base = subject.first(subject.model(), &[], &harmless_val)?;
    let mut candidates = Vec::new();
    let mut differences = Vec::new();
    for at in 0..positions {
        for layer in 0..layers {
            if interrupt::requested() {
                return Err(Error::Interrupted { stage: "attack", step: candidates.len() as u64 });
            }
            let at_position = |rows: &[Vec<f32>]| -> Vec<Vec<f32>> {
                rows.iter().map(|row| row[at * width..][..width].to_vec()).collect()
            };
            let (a, b) = (at_position(&of_harm[layer]), at_position(&of_rest[layer]));
            let [a, b] = [&a, &b].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let difference = mean_difference(&a, &b).unwrap_or_default();
            let mut candidate = Candidate {
                position: at as i64 - positions as i64,
                layer,
                refusal_score: f64::NAN,
                steering_score: f64::NAN,
                kl_div_score: f64::NAN,
            };
            // The first layers see no difference at tokens that all prompts share; later ones are no candidates.
            let sound = layer < (rule.layers * layers as f64) as usize;
            if let Some(r) = unit(&difference).filter(|_| sound) {
                let hooks = ablation(layers, &r);
                candidate.refusal_score = mean(&subject.refusal_scores(subject.model(), &hooks, &harmful_val)?);
                let steered = addition(layer, &difference);
                candidate.steering_score = mean(&subject.refusal_scores(subject.model(), &steered, &harmless_val)?);
                let ablated = subject.first(subject.model(), &hooks, &harmless_val)?;
                let kl: Vec<f64> = base.iter().zip(&ablated).map(|(p, q)| divergence(p, q)).collect();
                candidate.kl_div_score = mean(&kl);
            }
            candidates.push(candidate);
            differences.push(difference);
            heard(candidates.len() as u64, (positions * layers) as u64);
        }
    }
    let (mut best, passed) = rule.select(&candidates, layers);
    if !headroom {
        let steering = |i: &usize| candidates[*i].steering_score;
        let sound = (0..candidates.len()).filter(|&i| rule.is_sound(&candidates[i], layers));
        best = sound.max_by(|a, b| steering(a).total_cmp(&steering(b)).then(b.cmp(a)));
    }
    Ok(Found {
        rule: *rule,
        positions,
        refused: [harmful.len(), of_harmful],
        answered: [harmless.len(), of_harmless],
        filtered: headroom,
        // JSON has no NaN: what was not looked at is left out.
        candidates: candidates.iter().copied().filter(|c| c.refusal_score.is_finite()).collect(),
        passed,
        chosen: best.map(|i| candidates[i]),
        direction: best.map(|i| differences[i].clone()).unwrap_or_default(),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
