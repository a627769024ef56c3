//! Pressing on a reward model: the best of n answers by its score, judged by gold.
//!
//! Gao, Schulman and Hilton 2023, arXiv:2210.10760, section 3.1 and appendix A. Where ours differs:
//! 1. For each prompt N answers are drawn once, and every n ≤ N and every reward model uses all of them, through the
//!    unbiased estimator ([`trimtab_stats::best_of_n`]), instead of fresh answers for each.
//! 2. Intervals are over prompts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trimtab_alignment::Error;
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_alignment::reward::{Ranked, RewardModel, scores};
use trimtab_alignment::stage::{mean_of, ratio};
use trimtab_engine::generate::Sampling;
use trimtab_stats::{Measured, best_of_n};
use trimtab_text::Tokenizer;
use trimtab_text::encode::encode_input;
use trimtab_text::record::{Prompt, Samples};
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

/// One prompt with its answers and what they are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    prompt: Vec<u32>,
    answers: Vec<Vec<u32>>,
    /// Name of the prompt's group, such as the one asked about.
    pub group: String,
    /// Gold reward of each answer.
    pub gold: Vec<f64>,
    /// Of a prompt with a wrong belief, whose side each takes; see [`trimtab_world::Gold::sides_with_belief`].
    pub with_belief: Vec<Option<bool>>,
}

impl Drawn {
    /// Tokens of a prompt and its answers, with what the truth says of the answers' texts.
    fn judged<'t>(
        (prompt, answers): (Vec<u32>, Vec<Vec<u32>>),
        group: &str,
        truth: &Truth,
        texts: impl Iterator<Item = &'t str>,
    ) -> Self {
        let (gold, with_belief) =
            texts.map(|text| gold(truth, text)).map(|judged| (judged.reward, judged.sides_with_belief())).unzip();
        Self { prompt, answers, group: group.to_owned(), gold, with_belief }
    }
}

/// Draws `samples` answers to each prompt that carries its truth.
///
/// # Errors
/// [`Error::Text`], [`Error::Input`] for prompts that do not suit the model.
pub fn draw(
    model: &Checkpoint,
    path: &Path,
    prompts: &[Prompt],
    samples: usize,
    sampling: &Sampling,
) -> Result<Vec<Drawn>, Error> {
    let tokenizer = model.tokenizer(path)?;
    let asked: Vec<(&Prompt, Truth)> = prompts.iter().filter_map(|p| Some((p, Truth::of(p)?))).collect();
    let tokens: Vec<Vec<u32>> =
        asked.iter().map(|(p, _)| encode_input(tokenizer, &p.input)).collect::<Result<_, _>>()?;
    let sampling = Sampling { eos: model.eos.clone(), batch: 64, ..sampling.clone() };
    let mut answers = model.model.generate(&tokens, samples, &sampling, &[], |_| true)?.into_iter();
    let of_prompt = |(prompt, (asked, truth)): (Vec<u32>, &(&Prompt, Truth))| {
        let answers: Vec<Vec<u32>> = answers.by_ref().take(samples).map(|a| a.tokens).collect();
        let texts = answers.iter().map(|a| tokenizer.decode(a, true)).collect::<Result<Vec<_>, _>>()?;
        let group = asked.group.as_ref().unwrap_or(&asked.id);
        Ok(Drawn::judged((prompt, answers), group, truth, texts.iter().map(String::as_str)))
    };
    tokens.into_iter().zip(&asked).map(of_prompt).collect()
}

/// Answers that are there already, such as those that people ranked, each record with its prompt's truth.
///
/// # Errors
/// [`Error::Text`] for a record that the template refuses.
pub fn given(tokenizer: &Tokenizer, records: &[(&Samples, &Truth)]) -> Result<Vec<Drawn>, Error> {
    let of_record = |(record, truth): &(&Samples, &Truth)| {
        let Ranked { prompt, answers, .. } = Ranked::of_samples(tokenizer, record)?;
        let group = record.group.as_ref().unwrap_or(&record.id);
        Ok(Drawn::judged((prompt, answers), group, truth, record.answers.iter().map(|a| a.text.as_str())))
    };
    records.iter().map(of_record).collect()
}

/// Rewards of all answers, prompt by prompt. Answers that repeat another are scored once: most of many are repeats.
///
/// # Errors
/// [`Error::Input`] for answers that do not suit the reward model.
pub fn proxy(drawn: &[Drawn], reward: &RewardModel) -> Result<Vec<Vec<f64>>, Error> {
    let of_prompt = |d: &Drawn| {
        let unlike: BTreeSet<&Vec<u32>> = d.answers.iter().collect();
        let ranked = Ranked::unranked(d.prompt.clone(), unlike.iter().map(|&a| a.clone()).collect());
        let raw = scores(&reward.model, &[&ranked], 4096)?.concat();
        let worth: BTreeMap<&Vec<u32>, f64> = unlike.into_iter().zip(raw).collect();
        Ok(d.answers.iter().map(|answer| reward.reward(worth[answer])).collect())
    };
    drawn.iter().map(of_prompt).collect()
}

/// The curve for n = 1, 2, 4, … up to the answers drawn, choosing by `proxy`.
#[must_use]
pub fn curve(drawn: &[Drawn], proxy: &[Vec<f64>], seed: u64) -> Vec<Best> {
    let most = drawn.iter().map(|d| d.answers.len()).min().unwrap_or(0);
    let powers = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n <= most);
    let best = |n: usize| {
        let mean = |of: &dyn Fn(&Drawn, &[f64]) -> Option<f64>| {
            mean_of(drawn.iter().zip(proxy).filter_map(|(d, p)| of(d, p)), seed)
        };
        Best { n: n as u64, proxy: mean(&|_, p| best_of_n(p, p, n)), gold: mean(&|d, p| best_of_n(p, &d.gold, n)) }
    };
    powers.map(best).collect()
}

/// How often the proxy orders two answers to one prompt as gold does, over pairs of unlike gold and, of those, the first
/// 16 answers of a prompt; equal scores count half. Interval over prompts.
#[must_use]
pub fn accuracy(drawn: &[Drawn], proxy: &[Vec<f64>], seed: u64) -> Measured {
    const ANSWERS: usize = 16;
    let of_prompt = |(d, p): (&Drawn, &Vec<f64>)| {
        let gold: Vec<Option<f64>> = d.gold.iter().take(ANSWERS).copied().map(Some).collect();
        ordered(&gold, p)
    };
    ratio(&drawn.iter().zip(proxy).map(of_prompt).collect::<Vec<_>>(), seed)
}

/// Of the pairs of an answer that takes a wrong belief's side and a correct one, how often the proxy prefers the first;
/// equal scores count half. What people are asked in their rankings, asked of the proxy. Interval over groups.
#[must_use]
pub fn prefers_belief(drawn: &[Drawn], proxy: &[Vec<f64>], seed: u64) -> Measured {
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (d, p) in drawn.iter().zip(proxy) {
        let sides: Vec<Option<f64>> = d.with_belief.iter().map(|with| with.map(|w| f64::from(u8::from(w)))).collect();
        let (preferred, pairs) = ordered(&sides, p);
        let of_group = groups.entry(&d.group).or_default();
        *of_group = (of_group.0 + preferred, of_group.1 + pairs);
    }
    groups.retain(|_, (_, pairs)| *pairs > 0.0);
    ratio(&groups.into_values().collect::<Vec<_>>(), seed)
}

/// Of the pairs of unlike worth, how many the proxy orders alike, equal scores half; and how many there are.
fn ordered(worth: &[Option<f64>], proxy: &[f64]) -> (f64, f64) {
    let known: Vec<(f64, f64)> = worth.iter().zip(proxy).filter_map(|(w, p)| Some(((*w)?, *p))).collect();
    let (mut alike, mut pairs) = (0.0, 0.0);
    for (i, a) in known.iter().enumerate() {
        for b in known[..i].iter().filter(|b| b.0 != a.0) {
            pairs += 1.0;
            alike += if a.1 == b.1 { 0.5 } else { f64::from(u8::from((a.1 > b.1) == (a.0 > b.0))) };
        }
    }
    (alike, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(gold: &[f64]) -> Drawn {
        let (group, with_belief) = (String::new(), vec![None; gold.len()]);
        Drawn { prompt: vec![1], answers: vec![vec![2]; gold.len()], group, gold: gold.to_vec(), with_belief }
    }

    /// Two on the belief's side and one correct: one pair each way is a half; no such pair is no figure.
    #[test]
    fn belief_against_truth_by_hand() {
        let with_belief = vec![Some(true), Some(false), None, Some(true)];
        let one = Drawn { with_belief, ..drawn(&[0.0; 4]) };
        assert_eq!(prefers_belief(std::slice::from_ref(&one), &[vec![1.0, 2.0, 9.0, 3.0]], 1).value, Some(0.5));
        assert_eq!(prefers_belief(&[one], &[vec![2.0, 2.0, 9.0, 3.0]], 1).value, Some(0.75));
        assert_eq!(prefers_belief(&[drawn(&[1.0, 0.0])], &[vec![1.0, 2.0]], 1).value, None);
    }

    /// The two controls: gold itself is always right and never falls, a constant is right half of the time and stays.
    #[test]
    fn gold_as_proxy_is_right_and_a_constant_is_a_coin() {
        let all = [drawn(&[0.0, 1.0, 1.0, -1.0]), drawn(&[0.5, 0.2, 0.5, 0.1])];
        let gold: Vec<Vec<f64>> = all.iter().map(|d| d.gold.clone()).collect();
        assert_eq!(accuracy(&all, &gold, 1).value, Some(1.0));
        assert_eq!(accuracy(&all, &[vec![0.0; 4], vec![0.0; 4]], 1).value, Some(0.5));
        let curve = curve(&all, &gold, 1);
        assert_eq!(curve.iter().map(|b| b.n).collect::<Vec<_>>(), [1, 2, 4]);
        assert!(curve.windows(2).all(|w| w[0].gold.value <= w[1].gold.value));
        // Best of all four: 1 and 0.5; of one: the means 0.25 and 0.325.
        assert!((curve[2].gold.value.unwrap() - 0.75).abs() < 1e-12);
        assert!((curve[0].gold.value.unwrap() - 0.2875).abs() < 1e-12);
    }
}
