//! The refusal direction: where it is looked for, how one is chosen, and what choosing asks of a model.
//!
//! Arditi et al. 2024, [arXiv:2406.11717](https://arxiv.org/abs/2406.11717), sections 2.3, 2.4 and appendix C. Where ours differs:
//!
//! 1. Positions after the instruction are those tokens at the end that all prompts share, instead of a list for each model.
//! 2. Refusal tokens are the first tokens of the judge's phrases, or of the world's refusal, instead of a list for each model.
//! 3. Means are of prompts that the model does refuse, and of harmless ones that it does not, as there; how many are left is said,
//!    and below [`FEWEST`] there is no direction.

use serde::{Deserialize, Serialize};

/// Fewest prompts of each sort that a mean may rest on.
pub const FEWEST: usize = 8;

/// A place where the direction was looked for, and how well it does on validation prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Token, counted from the prompt's end: −1 is the last one.
    pub position: i64,
    /// Block whose input it is.
    pub layer: usize,
    /// Mean over harmful prompts of the log-odds of a refusal token at first, after ablation; lower is better.
    pub refusal_score: f64,
    /// The same over harmless prompts, after adding the direction once, at its layer.
    pub steering_score: f64,
    /// Mean divergence of the first token over harmless prompts after ablation, in nats.
    pub kl_div_score: f64,
}

/// What a candidate must fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Largest divergence on harmless prompts, in nats.
    pub most_kl: f64,
    /// Least induced refusal, in log-odds.
    pub least_steering: f64,
    /// Share of the layers, from the first, in which it may lie.
    pub layers: f64,
}

impl Default for Rule {
    /// The paper's: 0.1, 0, 0.8.
    fn default() -> Self {
        Self { most_kl: 0.1, least_steering: 0.0, layers: 0.8 }
    }
}

/// What the rule left of the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// All candidates.
    pub candidates: usize,
    /// Those with three finite scores, in an allowed layer.
    pub sound: usize,
    /// Those of them that fulfil the whole rule.
    pub pass: usize,
}

impl Rule {
    /// Whether a candidate of a model with so many layers may be looked at.
    #[must_use]
    pub fn is_sound(&self, c: &Candidate, layers: usize) -> bool {
        let finite = [c.refusal_score, c.steering_score, c.kl_div_score].iter().all(|s| s.is_finite());
        finite && c.layer < (self.layers * layers as f64) as usize
    }

    /// The index of the candidate with the least refusal after ablation among those that fulfil the rule, the first of equals; none
    /// where none does.
    ///
    /// ```
    /// use trimtab_audit::attack::{Candidate, Rule};
    /// let at = |layer, refusal_score, kl_div_score| Candidate { position: -1, layer, refusal_score, steering_score: 1.0, kl_div_score };
    /// // Layer 9 of 10 is too late, layer 2 diverges too far, of the others layer 5 refuses least.
    /// let all = [at(2, -9.0, 0.5), at(4, -3.0, 0.0), at(5, -4.0, 0.1), at(9, -8.0, 0.0)];
    /// assert_eq!(Rule::default().select(&all, 10).0, Some(2));
    /// assert_eq!(Rule { most_kl: 0.0, ..Rule::default() }.select(&all[..1], 10).0, None);
    /// ```
    #[must_use]
    pub fn select(&self, candidates: &[Candidate], layers: usize) -> (Option<usize>, Passed) {
        let sound = |i: &usize| self.is_sound(&candidates[*i], layers);
        let sound: Vec<usize> = (0..candidates.len()).filter(sound).collect();
        let passes = |i: &usize| {
            let c = &candidates[*i];
            c.kl_div_score <= self.most_kl && c.steering_score >= self.least_steering
        };
        let pass: Vec<usize> = sound.iter().copied().filter(passes).collect();
        let best = pass
            .iter()
            .copied()
            .min_by(|&a, &b| candidates[a].refusal_score.total_cmp(&candidates[b].refusal_score).then(a.cmp(&b)));
        (best, Passed { candidates: candidates.len(), sound: sound.len(), pass: pass.len() })
    }
}

/// The difference of two means of vectors; none of no vectors.
///
/// ```
/// use trimtab_audit::attack::mean_difference;
/// let difference = mean_difference(&[&[2.0, 0.0], &[4.0, 2.0]], &[&[1.0, 1.0]]);
/// assert_eq!(difference, Some(vec![2.0, 0.0]));
/// ```
#[must_use]
pub fn mean_difference(of: &[&[f32]], less: &[&[f32]]) -> Option<Vec<f64>> {
    let width = of.first()?.len();
    let mean = |rows: &[&[f32]]| {
        let mut sum = vec![0.0; width];
        for row in rows {
            sum.iter_mut().zip(row.iter()).for_each(|(s, &x)| *s += f64::from(x));
        }
        for s in &mut sum {
            *s /= rows.len() as f64;
        }
        sum
    };
    less.first()?;
    Some(mean(of).iter().zip(mean(less)).map(|(a, b)| a - b).collect())
}

/// A vector at length 1; none where it has no length.
///
/// ```
/// assert_eq!(trimtab_audit::attack::unit(&[3.0, 4.0]), Some(vec![0.6, 0.8]));
/// assert_eq!(trimtab_audit::attack::unit(&[0.0]), None);
/// ```
#[must_use]
pub fn unit(v: &[f64]) -> Option<Vec<f32>> {
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    (norm > 0.0 && norm.is_finite()).then(|| v.iter().map(|x| (x / norm) as f32).collect())
}

/// Log-odds that the next token is one of `tokens`, from log-probabilities in nats: ln(p + ε) − ln(1 − p + ε), ε = 1e-8.
///
/// ```
/// use trimtab_audit::attack::log_odds;
/// let logp = [0.2f32.ln(), 0.3f32.ln(), 0.5f32.ln()];
/// assert!(log_odds(&logp, &[0, 1]).abs() < 1e-6);
/// ```
#[must_use]
pub fn log_odds(logp: &[f32], tokens: &[u32]) -> f64 {
    const EPSILON: f64 = 1e-8;
    let p: f64 = tokens.iter().filter_map(|&t| logp.get(t as usize)).map(|&l| f64::from(l).exp()).sum();
    (p + EPSILON).ln() - (1.0 - p + EPSILON).max(EPSILON).ln()
}

/// Kullback–Leibler divergence Σ p (ln p − ln q) of two distributions given as log-probabilities, in nats.
///
/// ```
/// use trimtab_audit::attack::divergence;
/// let p = [0.5f32.ln(), 0.5f32.ln()];
/// assert_eq!(divergence(&p, &p), 0.0);
/// // 0.5 ln(0.5/0.25) + 0.5 ln(0.5/0.75) = 0.5 ln(4/3).
/// assert!((divergence(&p, &[0.25f32.ln(), 0.75f32.ln()]) - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-7);
/// ```
#[must_use]
pub fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let term = |(&p, &q): (&f32, &f32)| if p.is_finite() { f64::from(p).exp() * f64::from(p - q) } else { 0.0 };
    p.iter().zip(q).map(term).sum::<f64>().max(0.0)
}

/// How many tokens at their ends all sequences share, but never a whole one: the template after the instruction.
///
/// ```
/// use trimtab_audit::attack::common_suffix;
/// assert_eq!(common_suffix(&[&[5, 1, 2], &[7, 8, 1, 2], &[1, 2]]), 1);
/// assert_eq!(common_suffix(&[]), 0);
/// ```
#[must_use]
pub fn common_suffix(sequences: &[&[u32]]) -> usize {
    let Some(first) = sequences.first() else { return 0 };
    let shortest = sequences.iter().map(|s| s.len()).min().unwrap_or(0).saturating_sub(1);
    let alike = |back: usize| sequences.iter().all(|s| s[s.len() - back] == first[first.len() - back]);
    (1..=shortest).take_while(|&back| alike(back)).count()
}
