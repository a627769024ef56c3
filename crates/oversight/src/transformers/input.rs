//! What a classifier reads of an input: the scores of some rows, whose weighted sum is the log-odds of class 1.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix A: a task has one text and the head's logit; reward
//! modelling has two answers to a prompt, and p(the first is better) = σ(r(first) − r(second)).
//!
//! 1. Both answers of a pair share one pass over their prompt (the paper makes two), so they see the very same prompt, and a pair costs
//!    one prompt less.
//! 2. A score is read at the last token. There is no padding, so there is no last token to be searched for.

use crate::Error;
use std::ops::Range;
use trimtab_engine::batch::PackedBatch;

/// What a classifier can read.
pub trait Input {
    /// Tokens that it takes in a pass.
    fn tokens(&self) -> usize;

    /// Lays it into a batch: the rows to read, each with the weight of its score in the log-odds.
    ///
    /// # Errors
    /// [`Error::Input`] for a text without tokens: the row of its neighbour would be read.
    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error>;

    /// A block, and what goes into it at each of the tokens that are laid, where that is known: a pass begins there then. Inputs of
    /// one pass know it of the same block, or none of them does.
    fn trunk(&self) -> Option<(usize, &[f32])> {
        None
    }
}

impl Input for [u32] {
    fn tokens(&self) -> usize {
        self.len()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        if self.is_empty() {
            return Err(Error::input("an empty text", "at least one token", "leaving it out"));
        }
        Ok(vec![(batch.push(self).end - 1, 1.0)])
    }
}

impl Input for Vec<u32> {
    fn tokens(&self) -> usize {
        self.len()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        self.as_slice().lay(batch)
    }
}

impl<X: Input + ?Sized> Input for &X {
    fn tokens(&self) -> usize {
        (**self).tokens()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        (**self).lay(batch)
    }

    fn trunk(&self) -> Option<(usize, &[f32])> {
        (**self).trunk()
    }
}

/// A text of which a frozen part of the model has been computed: the blocks below `layer`, which an adapter above them does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trunk<'a> {
    /// Its tokens, at least one.
    pub tokens: &'a [u32],
    /// The first block that is not computed.
    pub layer: usize,
    /// What goes into that block, `[tokens, hidden_size]`.
    pub x: &'a [f32],
}

impl Input for Trunk<'_> {
    fn tokens(&self) -> usize {
        self.tokens.len()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        self.tokens.lay(batch)
    }

    fn trunk(&self) -> Option<(usize, &[f32])> {
        Some((self.layer, self.x))
    }
}

/// A prompt and two answers to it, in the order in which they were drawn: class 1 is "the first is better".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens of each answer, at least one.
    pub answers: [Vec<u32>; 2],
}

impl Input for Pair {
    fn tokens(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(Vec::len).sum::<usize>()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        let ends = lay_answers(&self.prompt, &self.answers, batch)?;
        Ok(ends.into_iter().zip([1.0, -1.0]).collect())
    }
}

/// A prompt and any number of answers to it, to be scored and not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens of each answer, at least one.
    pub answers: Vec<Vec<u32>>,
}

impl Input for Pool {
    fn tokens(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(Vec::len).sum::<usize>()
    }

    fn lay(&self, batch: &mut PackedBatch) -> Result<Vec<(usize, f32)>, Error> {
        Ok(lay_answers(&self.prompt, &self.answers, batch)?.into_iter().map(|row| (row, 1.0)).collect())
    }
}

/// Answers that share their prompt; the row of each one's last token.
fn lay_answers(prompt: &[u32], answers: &[Vec<u32>], batch: &mut PackedBatch) -> Result<Vec<usize>, Error> {
    if answers.iter().any(Vec::is_empty) {
        return Err(Error::input("an empty answer", "at least one token", "leaving its pair out"));
    }
    let answers: Vec<&[u32]> = answers.iter().map(Vec::as_slice).collect();
    let (_, ranges) = batch.push_shared(prompt, &answers);
    Ok(ranges.into_iter().map(|range| range.end - 1).collect())
}

/// Inputs side by side, and what is read of them.
#[derive(Debug)]
pub struct Laid {
    /// The batch.
    pub batch: PackedBatch,
    /// Rows that are read, input by input.
    pub rows: Vec<usize>,
    /// The weight of each row's score.
    weights: Vec<f32>,
    /// Where each input's rows end.
    ends: Vec<usize>,
    /// The block at which a pass begins, and what goes into it.
    trunk: Option<(usize, Vec<f32>)>,
}

impl Laid {
    /// Lays inputs side by side.
    ///
    /// # Errors
    /// [`Error::Input`] as [`Input::lay`].
    pub fn of<X: Input>(inputs: impl IntoIterator<Item = X>) -> Result<Self, Error> {
        let (batch, rows, weights, ends) = (PackedBatch::new(), Vec::new(), Vec::new(), Vec::new());
        let mut laid = Self { batch, rows, weights, ends, trunk: None };
        for input in inputs {
            if let Some((layer, x)) = input.trunk() {
                laid.trunk.get_or_insert_with(|| (layer, Vec::new())).1.extend_from_slice(x);
            }
            for (row, weight) in input.lay(&mut laid.batch)? {
                laid.rows.push(row);
                laid.weights.push(weight);
            }
            laid.ends.push(laid.rows.len());
        }
        Ok(laid)
    }

    /// Where a pass over the batch begins: a block and its input, `[tokens, hidden_size]`; from the tokens where that is not known.
    #[must_use]
    pub fn from(&self) -> Option<(usize, &[f32])> {
        self.trunk.as_ref().map(|(layer, x)| (*layer, x.as_slice()))
    }

    /// The places of each input's rows among [`Self::rows`].
    pub fn items(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.ends.iter().scan(0, |start, &end| Some(std::mem::replace(start, end)..end))
    }

    /// Log-odds of each input from the scores of the rows.
    pub fn log_odds(&self, scores: &[f32]) -> impl Iterator<Item = f64> {
        let of =
            |rows: Range<usize>| rows.map(|row| f64::from(self.weights[row]) * f64::from(scores[row])).sum::<f64>();
        self.items().map(of).collect::<Vec<f64>>().into_iter()
    }

    /// Gradients of the rows' scores from those of the inputs' log-odds.
    #[must_use]
    pub fn d_scores(&self, d_log_odds: &[f64]) -> Vec<f32> {
        let of = |(rows, d): (Range<usize>, &f64)| {
            let d = *d as f32;
            rows.map(|row| self.weights[row] * d).collect::<Vec<f32>>()
        };
        self.items().zip(d_log_odds).flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformers::classifier::{logits, scores, with_head};
    use trimtab_engine::config::ModelConfig;
    use trimtab_engine::model::Model;

    fn model() -> Model {
        with_head(&Model::random(&ModelConfig::tiny(), 0.1, 4), [7, 9])
    }

    /// Law: a pair's log-odds are the difference of the scores of two whole texts, each read alone; swapping the answers changes the sign.
    #[test]
    fn a_pair_is_two_texts() {
        let pair = |a: &[u32], b: &[u32]| Pair { prompt: vec![3, 1, 4], answers: [a.to_vec(), b.to_vec()] };
        let pairs = [pair(&[1, 5], &[9, 2, 6]), pair(&[8], &[8]), pair(&[5, 3], &[1, 5])];
        let model = model();
        let said = logits(&model, &pairs).unwrap();
        for (pair, said) in pairs.iter().zip(&said) {
            let alone: Vec<Vec<u32>> = pair.answers.iter().map(|a| [&pair.prompt[..], a].concat()).collect();
            let alone = logits(&model, &alone).unwrap();
            assert!((said - (alone[0] - alone[1])).abs() < 1e-5, "{said} {alone:?}");
            let swapped = Pair { answers: [pair.answers[1].clone(), pair.answers[0].clone()], ..pair.clone() };
            assert!((logits(&model, &[swapped]).unwrap()[0] + said).abs() < 1e-6);
        }
        assert!(said[1].abs() < 1e-6, "equal answers are equally good");
        let pool = Pool { prompt: vec![3, 1, 4], answers: vec![vec![1, 5], vec![9, 2, 6], vec![8]] };
        let all = scores(&model, &[pool.clone(), pool]).unwrap();
        assert!((all[1][0] - all[1][1] - said[0]).abs() < 1e-6 && all[0].len() == 3);
    }

    /// Law: gradients of log-odds reach each row with its weight.
    #[test]
    fn gradients_have_the_weights_of_the_rows() {
        let pair = Pair { prompt: vec![1], answers: [vec![2], vec![3, 4]] };
        let laid = Laid::of([&pair, &pair]).unwrap();
        assert_eq!(laid.rows, [1, 3, 5, 7]);
        assert_eq!(laid.d_scores(&[0.5, -2.0]), [0.5, -0.5, -2.0, 2.0]);
        assert_eq!(laid.log_odds(&[3.0, 1.0, 0.0, 5.0]).collect::<Vec<_>>(), [2.0, -5.0]);
    }

    #[test]
    fn an_empty_answer_is_refused() {
        let pair = Pair { prompt: vec![1], answers: [vec![2], vec![]] };
        assert!(logits(&model(), &[pair]).unwrap_err().to_string().contains("empty answer"));
    }
}
