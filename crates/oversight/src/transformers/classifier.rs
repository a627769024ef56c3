//! A transformer as a two-class classifier: one log-odds of each input, read by a linear head.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix A: the output matrix is replaced by a linear
//! head that starts from its rows of two words.
//!
//! Where ours differs from the paper:
//! 1. One logit instead of two: the head starts as the row of the word for class 1 less that of class 0, without a bias. So at step
//!    0 the head says what the model without a head says ([`zero_shot`]), and a softmax over two is the sigmoid of one.
//! 2. Linear warm-up over a tenth of the steps, then to zero in a line (the paper: a cosine); the last step is the model.
//! 3. The order of items is drawn anew for every epoch. Released code keeps one order.
//! 4. With the confidence loss a batch is hardened among the last [`BUFFER`] predictions, since half of 32 is a coarse threshold.
//! 5. Snapshots are taken on the way, for early stopping; nothing here sees the labels they are chosen by.
//! 6. What is read of an input is the input's matter ([`Input`]): the last token of a text, or the difference of two answers' scores.

use super::input::{Input, Laid};
use crate::confidence_loss::{Share, confidence_loss, harden, warm_up};
use crate::{Error, Job};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::{Grads, Model, Trainable};
use trimtab_engine::optim::{AdamW, AdamWConfig, Schedule, clip_scale};
use trimtab_engine::params::Tensor;
use trimtab_run::stream;

/// A text as token ids.
pub type Tokens = Vec<u32>;

/// Predictions among which a batch is hardened, its own among them.
pub const BUFFER: usize = 256;

/// Tokens in one pass, at most; a longer text stands alone.
const PASS_TOKENS: usize = 4096;

/// How a classifier is fitted: the same for weak models, students and ceilings of all sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fitting {
    /// Passes through the items.
    pub epochs: u64,
    /// Items in an optimiser step.
    pub batch: usize,
    /// Largest learning rate.
    pub lr: f64,
    /// Limit of the gradient's norm.
    pub clip_norm: f64,
    /// Snapshots, evenly spaced, the last one after the last step.
    pub snapshots: u64,
}

impl Default for Fitting {
    /// Two epochs of 32, as in the paper's appendix A; the learning rate was chosen by ceilings alone.
    fn default() -> Self {
        Self { epochs: 2, batch: 32, lr: 1e-3, clip_norm: 1.0, snapshots: 4 }
    }
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Cross-entropy with the labels.
    Naive,
    /// The confidence loss of eq. 1, with α up to this and half of the items hardened to class 1.
    Confidence(f64),
}

/// A model after so many optimiser steps.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Steps made.
    pub step: u64,
    /// The classifier.
    pub model: Model,
}

/// `base` with a fresh head: the row of word `marks[0]` in its output matrix less that of `marks[1]`.
#[must_use]
pub fn with_head(base: &Model, marks: [u32; 2]) -> Model {
    let mut model = base.base();
    let (d, table) = (model.config().hidden_size, model.params.get(model.params.lm_head()));
    let row = |mark: u32| &table[mark as usize * d..][..d];
    let data = row(marks[0]).iter().zip(row(marks[1])).map(|(one, other)| one - other).collect();
    model.head = Some(Tensor { name: "score.weight".into(), shape: vec![1, d], data });
    model
}

/// `base` with a head drawn from N(0, 1/√(d + 1)), for a model that knows no words for the classes.
///
/// The spread is that of "The N+ implementation details of RLHF with PPO", [arXiv:2403.17031](https://arxiv.org/abs/2403.17031).
#[must_use]
pub fn with_drawn_head(base: &Model, seed: u64) -> Model {
    let mut model = base.base();
    let d = model.config().hidden_size;
    let (mut random, std) = (stream(seed, "oversight/head", 0, 0), 1.0 / ((d + 1) as f64).sqrt());
    let data = (0..d).map(|_| (std * random.normal()) as f32).collect();
    model.head = Some(Tensor { name: "score.weight".into(), shape: vec![1, d], data });
    model
}

/// Log-odds of class 1 of each input.
///
/// # Errors
/// [`Error::Input`] for what the model cannot read.
pub fn logits<X: Input>(model: &Model, inputs: &[X]) -> Result<Vec<f64>, Error> {
    let mut out = Vec::with_capacity(inputs.len());
    each_pass(model, inputs, |trace, laid| out.extend(laid.log_odds(&model.scores(trace, &laid.rows))))?;
    Ok(out)
}

/// The head's score of each row that an input reads: of each answer to a prompt.
///
/// # Errors
/// [`Error::Input`] for what the model cannot read.
pub fn scores<X: Input>(model: &Model, inputs: &[X]) -> Result<Vec<Vec<f64>>, Error> {
    let mut out = Vec::with_capacity(inputs.len());
    each_pass(model, inputs, |trace, laid| {
        let scores = model.scores(trace, &laid.rows);
        out.extend(laid.items().map(|rows| scores[rows].iter().map(|s| f64::from(*s)).collect::<Vec<f64>>()));
    })?;
    Ok(out)
}

/// The final hidden state at the last token of each text, `hidden_size` numbers each: what a probe sees.
///
/// # Errors
/// [`Error::Input`] for a text that the model cannot read.
pub fn features(model: &Model, texts: &[&[u32]]) -> Result<Vec<Vec<f64>>, Error> {
    let (d, mut out) = (model.config().hidden_size, Vec::with_capacity(texts.len()));
    each_pass(model, texts, |trace, laid| {
        let of = |row: &usize| trace.hidden[row * d..][..d].iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        out.extend(laid.rows.iter().map(of));
    })?;
    Ok(out)
}

/// Log-odds that a model without training gives the word `marks[0]` over `marks[1]` after each text.
///
/// # Errors
/// [`Error::Input`] for a text that the model cannot read.
pub fn zero_shot(base: &Model, marks: [u32; 2], texts: &[&[u32]]) -> Result<Vec<f64>, Error> {
    logits(&with_head(base, marks), texts)
}

/// The chance of class 1 from its log-odds.
#[must_use]
pub fn chance(logit: f64) -> f64 {
    if logit >= 0.0 { 1.0 / (1.0 + (-logit).exp()) } else { logit.exp() / (1.0 + logit.exp()) }
}

/// Fits `start`, which has a head ([`with_head`]), to a job, and returns the snapshots: every parameter of it, or its adapter and its head
/// where it has an adapter. `progress` hears the number
/// of each step and its loss in nats, and may end the fit, which then has no value: `None`.
///
/// Equal arguments give equal weights. `seed` draws the order of items and nothing else.
///
/// # Errors
/// [`Error::Input`] for a job without items, texts that the model cannot read, and a loss that stops being a number.
pub fn fit<X: Input>(
    start: Model,
    job: &impl Job<X>,
    how: &Fitting,
    loss: Loss,
    seed: u64,
    mut progress: impl FnMut(u64, f64) -> ControlFlow<()>,
) -> Result<Option<Vec<Snapshot>>, Error> {
    let (inputs, targets) = (job.inputs(), job.targets());
    if inputs.is_empty() || how.batch == 0 || how.epochs == 0 {
        let what = format!("{} items in {} epochs of batches of {}", inputs.len(), how.epochs, how.batch);
        return Err(Error::input(what, "at least one of each", "more items, or another schedule"));
    }
    let mut model = start;
    let mask = model.mask(if model.adapter.is_some() { Trainable::Adapter } else { Trainable::All });
    let mut grads = Grads::new(&model, &mask);
    let mut optimiser = AdamW::new(&model, &mask, AdamWConfig::default());
    let (mut trace, mut seen) = (Trace::default(), VecDeque::with_capacity(BUFFER + how.batch));
    let per_epoch = inputs.len().div_ceil(how.batch) as u64;
    let total = per_epoch * how.epochs;
    let mut snapshots = Vec::new();
    let mut order: Vec<usize> = Vec::new();
    for step in 0..total {
        let (epoch, at) = (step / per_epoch, (step % per_epoch) as usize * how.batch);
        if at == 0 {
            order = (0..inputs.len()).collect();
            stream(seed, "oversight/order", epoch, 0).shuffle(&mut order);
        }
        let batch = &order[at..(at + how.batch).min(order.len())];
        let weak: Vec<f64> = batch.iter().map(|&i| targets[i]).collect();
        let laid = Laid::of(batch.iter().map(|&i| &inputs[i]))?;
        let pass = Pass { rows: Some(&laid.rows), from: laid.from(), ..Pass::train(&grads) };
        model.forward(&laid.batch, &mut trace, pass).map_err(|e| unreadable(&e))?;
        let said: Vec<f64> = laid.log_odds(&model.scores(&trace, &laid.rows)).collect();
        let alpha = if let Loss::Confidence(most) = loss { warm_up(most, step, total) } else { 0.0 };
        // A weight of 0 is the naive loss to the last bit, whatever is hardened.
        let of = confidence_loss(&said, &weak, &hardened(&mut seen, &said), alpha, batch.len() as f64);
        let d_scores = laid.d_scores(&of.d_logit);
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        model.scores_backward(&trace, &laid.rows, &d_scores, &mut d_hidden, &mut grads);
        model.backward(&mut trace, &d_hidden, &mut grads);
        let norm = grads.norm();
        if !(of.value.is_finite() && norm.is_finite()) {
            let what = format!("loss {} and gradient norm {norm} at step {}", of.value, step + 1);
            return Err(Error::input(what, "finite numbers", "a smaller learning rate"));
        }
        let lr = Schedule::Linear.lr(how.lr, step, total, total / 10, 0.0);
        optimiser.step(&mut model, &grads, lr, clip_scale(norm, how.clip_norm));
        grads.reset();
        let done = step + 1;
        // ⌈k·total/snapshots⌉ steps for the k-th; where there are fewer steps than snapshots, one after each.
        if (done * how.snapshots) / total > (step * how.snapshots) / total || done == total {
            snapshots.push(Snapshot { step: done, model: model.clone() });
        }
        if progress(done, of.value).is_break() && done < total {
            return Ok(None);
        }
    }
    Ok(Some(snapshots))
}

/// Whether each of a batch is in the upper half of the last predictions; `seen` keeps these, the batch's last.
fn hardened(seen: &mut VecDeque<f64>, said: &[f64]) -> Vec<bool> {
    seen.extend(said);
    while seen.len() > BUFFER.max(said.len()) {
        seen.pop_front();
    }
    let all = harden(seen.make_contiguous(), Share::Half.of(&[]));
    all[all.len() - said.len()..].to_vec()
}

/// Runs inputs through the model, a few at a time, and shows each pass with what is read of it.
fn each_pass<X: Input>(model: &Model, inputs: &[X], mut read: impl FnMut(&Trace, &Laid)) -> Result<(), Error> {
    let mut trace = Trace::default();
    let mut start = 0;
    while start < inputs.len() {
        let (mut end, mut tokens) = (start, 0);
        while end < inputs.len() && (end == start || tokens + inputs[end].tokens() <= PASS_TOKENS) {
            tokens += inputs[end].tokens();
            end += 1;
        }
        let laid = Laid::of(&inputs[start..end])?;
        let pass = Pass { rows: Some(&laid.rows), from: laid.from(), ..Pass::read() };
        model.forward(&laid.batch, &mut trace, pass).map_err(|e| unreadable(&e))?;
        read(&trace, &laid);
        start = end;
    }
    Ok(())
}

fn unreadable(error: &trimtab_engine::batch::InputError) -> Error {
    Error::input(error.to_string(), "texts of this model's vocabulary and context", "the model's own tokenizer")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Labels, WeakJob};
    use trimtab_engine::batch::PackedBatch;
    use trimtab_engine::config::ModelConfig;

    const MARKS: [u32; 2] = [7, 9];

    pub fn base() -> Model {
        Model::random(&ModelConfig::tiny(), 0.1, 4)
    }

    /// Texts of random tokens, of class 1 where the first is even: readable at the last token through attention alone.
    pub fn texts(n: usize, seed: u64) -> (Vec<Tokens>, Vec<bool>) {
        let draw = |i: usize| {
            let mut random = stream(seed, "test", i as u64, 0);
            (0..3 + random.below(4)).map(|_| random.below(60) as u32).collect::<Tokens>()
        };
        let texts: Vec<Tokens> = (0..n).map(draw).collect();
        let gold = texts.iter().map(|t| t[0].is_multiple_of(2)).collect();
        (texts, gold)
    }

    fn fitted(n: usize, how: &Fitting, loss: Loss) -> Vec<Snapshot> {
        let (inputs, gold) = texts(n, 1);
        let gold = Labels::gold(&gold);
        let job = WeakJob::new(&inputs, &gold).unwrap();
        fit(with_head(&base(), MARKS), &job, how, loss, 3, |_, _| ControlFlow::Continue(())).unwrap().unwrap()
    }

    fn said(model: &Model, texts: &[Tokens]) -> Vec<f64> {
        logits(model, &texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    /// Planted: a rule that only the first token follows is learnt, and holds on texts that were not seen.
    #[test]
    fn a_planted_rule_is_learnt() {
        let how = Fitting { epochs: 12, lr: 5e-3, ..Fitting::default() };
        let snapshots = fitted(600, &how, Loss::Naive);
        let (inputs, gold) = texts(400, 2);
        let right = |model: &Model| said(model, &inputs).iter().zip(&gold).filter(|(z, g)| (**z > 0.0) == **g).count();
        let last = right(&snapshots[snapshots.len() - 1].model);
        assert!(last > 360, "{last} of 400");
        assert_eq!(snapshots.iter().map(|s| s.step).collect::<Vec<_>>(), [57, 114, 171, 228]);
    }

    /// Law: α = 0 is naive fitting to the last bit of every weight; α above 0 is not.
    #[test]
    fn without_alpha_it_is_naive() {
        let weights = |loss| {
            let last = fitted(96, &Fitting::default(), loss).pop().unwrap().model;
            let all = (0..last.tensor_count()).flat_map(|id| last.tensor(id).unwrap().data.clone());
            all.map(f32::to_bits).collect::<Vec<_>>()
        };
        let naive = weights(Loss::Naive);
        assert_eq!(naive, weights(Loss::Confidence(0.0)));
        assert_ne!(naive, weights(Loss::Confidence(0.5)));
    }

    /// Law: the fresh head says what the model without a head says of the two words, whatever stands beside the text.
    #[test]
    fn the_fresh_head_is_the_model_itself() {
        let (model, (inputs, _)) = (base(), texts(20, 5));
        let by_head = said(&with_head(&model, MARKS), &inputs);
        for (text, by_head) in inputs.iter().zip(by_head) {
            let (mut trace, mut batch) = (Trace::default(), PackedBatch::new());
            batch.push(text);
            model.forward(&batch, &mut trace, Pass::read()).unwrap();
            let z = model.logits(&trace, &[text.len() - 1]);
            let by_words = f64::from(z[MARKS[0] as usize] - z[MARKS[1] as usize]);
            assert!((by_head - by_words).abs() < 1e-5, "{by_head} {by_words}");
            assert!((chance(by_head) - 1.0 / (1.0 + (-by_head).exp())).abs() < 1e-12);
        }
        assert_eq!(features(&model, &[&inputs[0]]).unwrap()[0].len(), model.config().hidden_size);
    }

    /// An ended fit has no value; a job of nothing is refused.
    #[test]
    fn fits_that_do_not_end() {
        let (inputs, gold) = texts(64, 1);
        let gold = Labels::gold(&gold);
        let job = WeakJob::new(&inputs, &gold).unwrap();
        let mut heard = 0;
        let stopped = fit(with_head(&base(), MARKS), &job, &Fitting::default(), Loss::Naive, 3, |step, _| {
            heard = step;
            ControlFlow::Break(())
        });
        assert!(stopped.unwrap().is_none() && heard == 1);
        let (none, labels) = (Vec::<Tokens>::new(), Labels::gold(&[]));
        let job = WeakJob::new(&none, &labels).unwrap();
        assert!(
            fit(with_head(&base(), MARKS), &job, &Fitting::default(), Loss::Naive, 3, |_, _| ControlFlow::Continue(()))
                .is_err()
        );
    }

    #[test]
    fn an_empty_text_is_refused() {
        assert!(
            logits(&with_head(&base(), MARKS), &[vec![1, 2], vec![]]).unwrap_err().to_string().contains("empty text")
        );
    }

    /// Half of the last predictions are of class 1, ties or not.
    #[test]
    fn batches_are_hardened_among_the_last_predictions() {
        let mut seen = VecDeque::new();
        assert_eq!(hardened(&mut seen, &[0.0; 4]), [true, true, false, false]);
        assert_eq!(hardened(&mut seen, &[5.0, 4.0, 3.0, 2.0]), [true; 4], "all above the four before");
        hardened(&mut seen, &vec![-1.0; 1000]);
        assert_eq!(seen.len(), 1000);
        hardened(&mut seen, &[0.0; 2]);
        assert_eq!(seen.len(), BUFFER);
    }
}
