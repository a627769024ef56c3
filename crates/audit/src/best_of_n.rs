//! Pressing on a reward model: the best of n answers by its score, judged by gold.
//!
//! Gao, Schulman and Hilton 2023, arXiv:2210.10760, section 3.1 and appendix A. Where ours differs:
//! 1. For each prompt N answers are drawn once, and every n ≤ N uses all of them through the unbiased estimator
//!    ([`trimtab_stats::best_of_n`]), instead of fresh answers for every n.
//! 2. Intervals are over prompts.

use std::path::Path;
use trimtab_alignment::Error;
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_alignment::reward::{Ranked, RewardModel, scores};
use trimtab_alignment::stage::ratio;
use trimtab_engine::generate::Sampling;
use trimtab_stats::{Measured, best_of_n};
use trimtab_text::encode::encode_input;
use trimtab_text::record::Prompt;
use trimtab_world::{Truth, gold};

/// What the best of n is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Answers chosen from.
    pub n: u64,
    /// Mean score of the chosen one, in units of reward.
    pub proxy: Measured,
    /// Its mean gold reward.
    pub gold: Measured,
}

/// Scores and gold rewards of one prompt's answers, in the same order.
struct Drawn {
    proxy: Vec<f64>,
    gold: Vec<f64>,
}

/// Draws `samples` answers to each prompt at T = 1 and gives the curve for n = 1, 2, 4, … up to `samples`.
///
/// # Errors
/// [`Error::Text`], [`Error::Input`] for prompts that do not suit the model.
pub fn curve(
    model: &Checkpoint,
    path: &Path,
    reward: &RewardModel,
    prompts: &[Prompt],
    samples: usize,
    max_new_tokens: usize,
    seed: u64,
) -> Result<Vec<Best>, Error> {
    let tokenizer = model.tokenizer(path)?;
    let asked: Vec<(&Prompt, Truth)> = prompts.iter().filter_map(|p| Some((p, Truth::of(p)?))).collect();
    let tokens: Vec<Vec<u32>> =
        asked.iter().map(|(p, _)| encode_input(tokenizer, &p.input)).collect::<Result<_, _>>()?;
    let sampling = Sampling { max_new_tokens, eos: model.eos.clone(), seed, batch: 64, ..Sampling::default() };
    let drawn = model.model.generate(&tokens, samples, &sampling, &[], |_| true)?;
    let mut of_prompt: Vec<Drawn> = Vec::with_capacity(asked.len());
    for ((prompt, (_, truth)), answers) in tokens.iter().zip(&asked).zip(drawn.chunks(samples)) {
        let ranked = Ranked {
            prompt: prompt.clone(),
            answers: answers.iter().map(|a| a.tokens.clone()).collect(),
            ranks: vec![None; answers.len()],
            group: 0,
            source: String::new(),
        };
        let raw = scores(&reward.model, &[&ranked], 4096)?;
        let proxy = raw.into_iter().flatten().map(|raw| reward.reward(raw)).collect();
        let texts = answers.iter().map(|a| tokenizer.decode(&a.tokens, true)).collect::<Result<Vec<_>, _>>()?;
        of_prompt.push(Drawn { proxy, gold: texts.iter().map(|text| gold(truth, text).reward).collect() });
    }
    let mut curve = Vec::new();
    let mut n = 1;
    while n <= samples {
        let mean = |of: &dyn Fn(&Drawn) -> Option<f64>| {
            ratio(&of_prompt.iter().filter_map(of).map(|value| (value, 1.0)).collect::<Vec<_>>(), seed)
        };
        curve.push(Best {
            n: n as u64,
            proxy: mean(&|d| best_of_n(&d.proxy, &d.proxy, n)),
            gold: mean(&|d| best_of_n(&d.proxy, &d.gold, n)),
        });
        n *= 2;
    }
    Ok(curve)
}
