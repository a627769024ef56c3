//! A suffix found by greedy coordinate gradient (GCG).
//!
//! Zou et al. 2023, [arXiv:2307.15043](https://arxiv.org/abs/2307.15043), algorithms 1 and 2; defaults for real models are nanoGCG's: 250
//! steps, 512 candidates, 256 tokens a place, one replacement, twenty tokens, those that do not survive retokenisation left out. Where
//! ours differs:
//!
//! 1. Where every single replacement fits into one step, all are tried, and none is drawn: one token is then found exactly.
//! 2. A candidate must retokenise **in its context**, between the request and the template's tokens, and not by itself: the suffix that is
//!    scored is then the suffix that a text can say (nanoGCG#24). If none does, the step is lost, and that is counted.
//! 3. With a buffer, it is sorted, and a candidate enters it only where it beats the worst there (nanoGCG#15); without one the search
//!    always moves to the step's best, as in the paper. What is given back is the best that was ever scored.
//! 4. Of several goals (a universal suffix) all count from the first step, and their gradients are added at length 1; the paper adds
//!    goals one by one.
//! 5. Candidates share what they have in common: the tokens before the suffix, and those of the suffix before the place that they
//!    change, which are computed once for all of them ([`losses`]).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trimtab_alignment::Error;
use trimtab_alignment::example::groups;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::Model;
use trimtab_engine::readout::LogProbRows;
use trimtab_run::{Stream, interrupt};

/// Tokens of one pass.
const PASS_TOKENS: usize = 4096;

/// How a suffix is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gcg {
    /// Steps at most.
    pub steps: usize,
    /// Candidates of a step.
    pub width: usize,
    /// Tokens that are considered for each place.
    pub top_k: usize,
    /// Places that a candidate changes.
    pub replace: usize,
    /// Suffixes that are kept; 0 for the step's best alone.
    pub buffer: usize,
    /// Mean loss of the goals, in nats per token, at which the search has succeeded and ends.
    pub enough: f64,
}

/// What a suffix should bring about: after `before`, the suffix and `after`, the model writes `target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// Tokens before the suffix.
    pub before: Vec<u32>,
    /// Tokens between the suffix and the answer.
    pub after: Vec<u32>,
    /// The answer's beginning.
    pub target: Vec<u32>,
}

/// Which suffixes there are.
#[derive(Clone, Copy)]
pub struct Space<'a> {
    /// Tokens that may be put in.
    pub allowed: &'a [u32],
    /// Whether a suffix survives as text.
    pub fits: &'a dyn Fn(&[u32]) -> bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Suffix {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Its loss as scored in the search: mean over goals of the mean over target tokens, in nats.
    pub loss: f64,
    /// The loss of where the search stood after each step, the start first.
    pub losses: Vec<f64>,
    /// Suffixes that were scored, for all goals together.
    pub scored: u64,
    /// Candidates that would have been another text.
    pub filtered: u64,
}

/// Looks for a suffix in `space`, from `start`.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Input`] for goals that do not fit the model; [`Error::NotFinite`].
pub fn search(
    model: &Model,
    goals: &[Goal],
    start: &[u32],
    space: Space<'_>,
    gcg: &Gcg,
    random: &mut Stream,
) -> Result<Suffix, Error> {
    let mut trace = Trace::default();
    let first = losses(model, goals, &[start.to_vec()], &mut trace)?[0];
    let mut kept: Vec<(f64, Vec<u32>)> = vec![(first, start.to_vec())];
    let mut best = kept[0].clone();
    let mut found = Suffix { tokens: Vec::new(), loss: 0.0, losses: vec![first], scored: 1, filtered: 0 };
    for step in 0..gcg.steps {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: "attack", step: step as u64 });
        }
        if best.0 <= gcg.enough {
            break;
        }
        let from = kept[0].1.clone();
        let gradient = gradient(model, goals, &from, &mut trace)?;
        let mut candidates = candidates(&from, &gradient, space.allowed, gcg, model.config().vocab_size, random);
        let drawn = candidates.len();
        candidates.retain(|suffix| (space.fits)(suffix));
        found.filtered += (drawn - candidates.len()) as u64;
        let scores = losses(model, goals, &candidates, &mut trace)?;
        found.scored += candidates.len() as u64;
        let lowest = scores.iter().copied().zip(candidates).min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(lowest) = lowest {
            if !lowest.0.is_finite() {
                return Err(Error::NotFinite { stage: "attack", step: step as u64, what: "loss", value: lowest.0 });
            }
            if lowest.0 < best.0 {
                best = lowest.clone();
            }
            keep(&mut kept, lowest, gcg.buffer);
        }
        found.losses.push(kept[0].0);
    }
    (found.loss, found.tokens) = best;
    Ok(found)
}

/// Puts a step's best into the buffer, the lowest loss first.
fn keep(kept: &mut Vec<(f64, Vec<u32>)>, new: (f64, Vec<u32>), buffer: usize) {
    if buffer == 0 {
        *kept = vec![new];
    } else if kept.len() < buffer || kept.last().is_some_and(|worst| new.0 < worst.0) {
        if !kept.iter().any(|(_, suffix)| *suffix == new.1) {
            kept.push(new);
        }
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.truncate(buffer);
    }
}

/// Sum over goals of the gradient of their losses, `[suffix, vocab_size]`, each at length 1 so that no goal outshouts the others.
fn gradient(model: &Model, goals: &[Goal], suffix: &[u32], trace: &mut Trace) -> Result<Vec<f32>, Error> {
    let mut sum = vec![0.0f32; suffix.len() * model.config().vocab_size];
    for goal in goals {
        let mut batch = PackedBatch::new();
        batch.push(&[&goal.before[..], suffix, &goal.after, &goal.target].concat());
        let answer = goal.before.len() + suffix.len() + goal.after.len();
        let rows: Vec<usize> = (answer - 1..answer + goal.target.len() - 1).collect();
        let at = LogProbRows { rows: &rows, targets: &goal.target, temperature: 1.0 };
        let places = goal.before.len()..goal.before.len() + suffix.len();
        let found = model.one_hot_gradient(&batch, trace, at, places)?;
        let norm = found.gradient.iter().map(|g| g * g).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        sum.iter_mut().zip(&found.gradient).for_each(|(s, g)| *s += g / norm);
    }
    Ok(sum)
}

/// Suffixes that differ from `from` in `replace` places, by tokens that the gradient promises most of. All of them where one replacement
/// leaves no more than fit; else drawn, without repeats.
fn candidates(
    from: &[u32],
    gradient: &[f32],
    allowed: &[u32],
    gcg: &Gcg,
    vocab: usize,
    random: &mut Stream,
) -> Vec<Vec<u32>> {
    let top = |place: usize| {
        let slope = |token: &u32| gradient[place * vocab + *token as usize];
        let steepest = |a: &u32, b: &u32| slope(a).total_cmp(&slope(b)).then(a.cmp(b));
        let mut tokens: Vec<u32> = allowed.to_vec();
        if gcg.top_k < tokens.len() {
            // A few hundred of a large vocabulary: the rest need no order.
            tokens.select_nth_unstable_by(gcg.top_k, steepest);
            tokens.truncate(gcg.top_k);
        }
        tokens.sort_by(steepest);
        tokens
    };
    let tops: Vec<Vec<u32>> = (0..from.len()).map(top).collect();
    let with = |changes: &[(usize, u32)]| {
        let mut suffix = from.to_vec();
        for (place, token) in changes {
            suffix[*place] = *token;
        }
        suffix
    };
    let singles: usize = tops.iter().map(Vec::len).sum();
    if gcg.replace == 1 && singles <= gcg.width {
        let all: BTreeSet<Vec<u32>> =
            tops.iter().enumerate().flat_map(|(p, top)| top.iter().map(move |t| (p, *t))).map(|c| with(&[c])).collect();
        return all.into_iter().collect();
    }
    let mut all: BTreeSet<Vec<u32>> = BTreeSet::new();
    // A few more draws than are needed: repeats are not scored twice.
    for _ in 0..2 * gcg.width {
        if all.len() == gcg.width || singles == 0 {
            break;
        }
        let mut places: Vec<usize> = (0..from.len()).collect();
        random.shuffle(&mut places);
        let changes: Vec<(usize, u32)> = places
            .into_iter()
            .take(gcg.replace.max(1))
            .map(|place| (place, tops[place][random.below(tops[place].len() as u64) as usize]))
            .collect();
        all.insert(with(&changes));
    }
    all.into_iter().collect()
}

/// The loss of each suffix: mean over goals of the mean over target tokens of −ln p, in nats.
///
/// What a suffix has in common with most, from its first token on, is computed once in a pass: a candidate that exchanges one token
/// costs what stands behind that token.
///
/// # Errors
/// [`Error::Input`] for goals that do not fit the model.
pub fn losses(model: &Model, goals: &[Goal], suffixes: &[Vec<u32>], trace: &mut Trace) -> Result<Vec<f64>, Error> {
    let mut sums = vec![0.0; suffixes.len()];
    let usual = usual(suffixes);
    let shares: Vec<usize> =
        suffixes.iter().map(|suffix| suffix.iter().zip(&usual).take_while(|(a, b)| a == b).count()).collect();
    let most = shares.iter().copied().max().unwrap_or(0);
    for goal in goals {
        let trunk = [&goal.before[..], &usual[..most]].concat();
        let branches: Vec<Vec<u32>> =
            suffixes.iter().zip(&shares).map(|(s, &share)| [&s[share..], &goal.after, &goal.target].concat()).collect();
        let lengths: Vec<usize> = branches.iter().map(Vec::len).collect();
        for pass in groups(&lengths, PASS_TOKENS.saturating_sub(trunk.len())) {
            let mut batch = PackedBatch::new();
            let leave = |i: usize| goal.before.len() + shares[i];
            let (at, places) = batch.push_branches(&trunk, pass.clone().map(|i| (leave(i), branches[i].as_slice())));
            let mut rows = Vec::with_capacity(pass.len() * goal.target.len());
            for (i, place) in pass.clone().zip(&places) {
                let predictions = PackedBatch::predictions(&(at.start..at.start + leave(i)), place);
                rows.extend_from_slice(&predictions[predictions.len() - goal.target.len()..]);
            }
            if goal.target.is_empty() {
                continue;
            }
            model.forward(&batch, trace, Pass { rows: Some(&rows), ..Pass::read() })?;
            let targets = goal.target.repeat(pass.len());
            let at = LogProbRows { rows: &rows, targets: &targets, temperature: 1.0 };
            let logp = model.logprobs(trace, at, false).logp;
            for (i, of) in pass.zip(logp.chunks_exact(goal.target.len())) {
                sums[i] -= of.iter().map(|&l| f64::from(l)).sum::<f64>() / (of.len() * goals.len()) as f64;
            }
        }
    }
    Ok(sums)
}

/// The token that most suffixes have at each place.
fn usual(suffixes: &[Vec<u32>]) -> Vec<u32> {
    let places = suffixes.iter().map(Vec::len).max().unwrap_or(0);
    (0..places)
        .map(|place| {
            let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
            suffixes.iter().filter_map(|s| s.get(place)).for_each(|token| *counts.entry(*token).or_default() += 1);
            counts.into_iter().max_by_key(|(_, n)| *n).map_or(0, |(token, _)| token)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_engine::config::ModelConfig;
    use trimtab_run::stream;

    fn goals() -> Vec<Goal> {
        vec![
            Goal { before: vec![1, 2, 3], after: vec![9, 10], target: vec![11, 12] },
            Goal { before: vec![4, 2], after: vec![9, 10], target: vec![11] },
        ]
    }

    /// The loss of a suffix in a pass of its own, nothing shared and nothing left out.
    fn alone(model: &Model, goal: &Goal, suffix: &[u32], trace: &mut Trace) -> f64 {
        let tokens = [&goal.before[..], suffix, &goal.after, &goal.target].concat();
        let mut batch = PackedBatch::new();
        batch.push(&tokens);
        model.forward(&batch, trace, Pass::read()).unwrap();
        let answer = tokens.len() - goal.target.len();
        let rows: Vec<usize> = (answer - 1..tokens.len() - 1).collect();
        let at = LogProbRows { rows: &rows, targets: &goal.target, temperature: 1.0 };
        let logp = model.logprobs(trace, at, false).logp;
        -logp.iter().map(|&l| f64::from(l)).sum::<f64>() / logp.len() as f64
    }

    const ALL: Gcg = Gcg { steps: 1, width: 61, top_k: 61, replace: 1, buffer: 0, enough: 0.0 };

    /// Law: one token over the whole vocabulary is the optimum, by scoring every token in a pass of its own; so it is of several goals.
    #[test]
    fn one_token_is_the_brute_force_optimum() {
        let model = Model::random(&ModelConfig::tiny(), 0.4, 5);
        let allowed: Vec<u32> = (0..61).collect();
        for goals in [goals(), goals()[..1].to_vec()] {
            let mut trace = Trace::default();
            let one = |token: u32, trace: &mut Trace| -> f64 {
                goals.iter().map(|goal| alone(&model, goal, &[token], trace)).sum::<f64>() / goals.len() as f64
            };
            let brute = (0..61u32).map(|t| (one(t, &mut trace), t)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            let found = search(
                &model,
                &goals,
                &[0],
                Space { allowed: &allowed, fits: &|_| true },
                &ALL,
                &mut stream(1, "test", 0, 0),
            )
            .unwrap();
            assert_eq!(found.tokens, [brute.1]);
            assert!((found.loss - brute.0).abs() < 1e-5, "{} {}", found.loss, brute.0);
        }
    }

    /// Law: what candidates share does not change a bit of their losses, wherever they differ and however many there are.
    #[test]
    fn shared_tokens_change_no_loss() {
        let model = Model::random(&ModelConfig::tiny(), 0.4, 5);
        let mut random = stream(3, "test", 0, 0);
        let from: Vec<u32> = (0..9).map(|_| random.below(61) as u32).collect();
        let mut suffixes: Vec<Vec<u32>> = (0..400)
            .map(|_| {
                let mut suffix = from.clone();
                suffix[random.below(9) as usize] = random.below(61) as u32;
                suffix
            })
            .collect();
        suffixes.extend([vec![1; 9], from.clone(), from[..4].to_vec()]);
        let mut trace = Trace::default();
        let together = losses(&model, &goals(), &suffixes, &mut trace).unwrap();
        for (suffix, loss) in suffixes.iter().zip(together).rev().step_by(7) {
            let alone = goals().iter().map(|goal| alone(&model, goal, suffix, &mut trace) / 2.0).sum::<f64>();
            assert!((alone - loss).abs() < 1e-12, "{suffix:?}: {alone} {loss}");
        }
        let single = losses(&model, &goals(), std::slice::from_ref(&from), &mut trace).unwrap()[0];
        let own = goals().iter().map(|goal| alone(&model, goal, &from, &mut trace) / 2.0).sum::<f64>();
        assert!((single - own).abs() < 1e-12, "one suffix is all trunk: {single} {own}");
    }

    /// Laws: what is found is never worse than the start, nor than any step; what is refused is never taken; equal streams find equal
    /// suffixes; the search gets further than as many random suffixes.
    #[test]
    fn a_search_gets_somewhere() {
        let model = Model::random(&ModelConfig::tiny(), 0.4, 5);
        let allowed: Vec<u32> = (20..61).collect();
        let even = |suffix: &[u32]| suffix.iter().all(|t| t % 2 == 0);
        let gcg = Gcg { steps: 12, width: 24, top_k: 16, ..ALL };
        let run = |buffer: usize| {
            let gcg = Gcg { buffer, ..gcg };
            search(
                &model,
                &goals(),
                &[20; 4],
                Space { allowed: &allowed, fits: &even },
                &gcg,
                &mut stream(1, "test", 0, 0),
            )
            .unwrap()
        };
        for buffer in [0, 3] {
            let found = run(buffer);
            assert_eq!(found, run(buffer));
            assert!(even(&found.tokens) && found.filtered > 0);
            assert!(found.losses.iter().all(|l| found.loss <= *l + 1e-12));
            let mut random = stream(2, "test", 0, 0);
            let any: Vec<Vec<u32>> = (0..found.scored)
                .map(|_| (0..4).map(|_| 20 + 2 * random.below(21) as u32).filter(|t| *t < 61).collect())
                .collect();
            let any: Vec<Vec<u32>> = any.into_iter().filter(|s: &Vec<u32>| s.len() == 4).collect();
            let scores = losses(&model, &goals(), &any, &mut Trace::default()).unwrap();
            let lowest = scores.into_iter().fold(f64::INFINITY, f64::min);
            assert!(found.loss < lowest, "{} {lowest}", found.loss);
        }
        // With a buffer the search never stands at a worse place than before.
        assert!(run(3).losses.windows(2).all(|pair| pair[1] <= pair[0]));
        // It ends once there is no more to gain.
        let done = Gcg { enough: 1e9, ..gcg };
        let found = search(
            &model,
            &goals(),
            &[20; 4],
            Space { allowed: &allowed, fits: &even },
            &done,
            &mut stream(1, "test", 0, 0),
        )
        .unwrap();
        assert_eq!((found.scored, &found.tokens[..]), (1, &[20; 4][..]));
    }
}
