//! Packed batches: one flat array of tokens, cut into segments, with no padding anywhere.

use crate::config::ModelConfig;
use crate::kernels::attention::{Family, Segment};
use std::ops::Range;

/// Why a batch, or what is asked of a pass over it, does not suit a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// There is nothing to compute.
    #[error("batch: holds no tokens\n  expected at least one token\n  try: drop empty sequences before packing")]
    Empty,
    /// A token outside the embedding.
    #[error(
        "token {token} at index {index}: outside the model's vocabulary of {vocab}\n  expected ids below {vocab}\n  try: the tokenizer that belongs to this checkpoint"
    )]
    Token {
        /// The offending id.
        token: u32,
        /// Its index in the batch.
        index: usize,
        /// Rows of the embedding.
        vocab: usize,
    },
    /// A sequence longer than the model's context.
    #[error(
        "sequence of {length} tokens: longer than the model's context of {limit}\n  expected at most {limit} tokens, prompt and answer together\n  try: a shorter prompt, fewer new tokens, or a model with a longer context"
    )]
    TooLong {
        /// Tokens asked for.
        length: usize,
        /// `max_position_embeddings`.
        limit: usize,
    },
    /// A hook at a layer that the model does not have.
    #[error(
        "hook {index}: at layer {layer} of a model of {layers} blocks\n  expected a layer from 0 to {layers} (the final norm's input)\n  try: a layer of this model"
    )]
    HookLayer {
        /// Which hook.
        index: usize,
        /// Where it is.
        layer: usize,
        /// How many blocks there are.
        layers: usize,
    },
    /// A hook whose vector is not as wide as the residual stream.
    #[error(
        "hook {index}: its vector has {width} entries\n  expected {hidden}, the width of the model\n  try: a direction that was found on this model"
    )]
    HookWidth {
        /// Which hook.
        index: usize,
        /// Entries of its vector.
        width: usize,
        /// `hidden_size`.
        hidden: usize,
    },
}

/// Where an answer's tokens stand in a batch: those that it has in common with the answer whose tokens are there, then its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    prompt: Range<usize>,
    common: Range<usize>,
    own: Range<usize>,
}

impl Place {
    /// The rows of the prompt that it answers.
    pub fn prompt(&self) -> Range<usize> {
        self.prompt.clone()
    }

    /// The rows of the answer's tokens, in order.
    pub fn tokens(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        self.common.clone().chain(self.own.clone())
    }

    /// The row of the answer's last token, or the prompt's last where it has none; `None` where that has none either.
    pub fn last(&self) -> Option<usize> {
        self.tokens().next_back().or_else(|| self.prompt.clone().next_back())
    }

    /// The rows that predict the answer's tokens: see [`PackedBatch::predictions`].
    pub fn predictions(&self) -> impl Iterator<Item = usize> + use<> {
        let n = self.common.len() + self.own.len();
        let first = self.prompt.clone().next_back().filter(|_| n > 0);
        first.into_iter().chain(self.tokens().take(n.saturating_sub(1)))
    }
}

/// Sequences laid end to end. Positions restart with each sequence; an answer's go on from its prompt's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedBatch {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    families: Vec<Family>,
}

impl PackedBatch {
    /// A batch of no tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sequence and returns where its tokens stand.
    pub fn push(&mut self, tokens: &[u32]) -> Range<usize> {
        let at = self.append(tokens, 0);
        if !tokens.is_empty() {
            let segment = Segment { tokens: at.clone(), prefix: None };
            self.families.push(Family { tokens: at.clone(), segments: vec![segment] });
        }
        at
    }

    /// Adds a prompt once and the answers that continue it, each blind to the others.
    ///
    /// Returns where the prompt and each answer stand. The row that predicts an answer's first token is the prompt's
    /// last one; see [`PackedBatch::predictions`].
    pub fn push_shared(&mut self, prompt: &[u32], answers: &[&[u32]]) -> (Range<usize>, Vec<Range<usize>>) {
        self.push_branches(prompt, answers.iter().map(|answer| (prompt.len(), *answer)))
    }

    /// Adds a trunk once, and branches that leave it, each after so many of its tokens: sequences that have a beginning in common, of
    /// different lengths. A branch is blind to the rest of the trunk and to the others.
    ///
    /// Returns where the trunk and each branch stand; what a branch continues is the trunk's first tokens.
    ///
    /// # Panics
    /// If a branch leaves the trunk behind its end.
    pub fn push_branches<'a>(
        &mut self,
        trunk: &[u32],
        branches: impl Iterator<Item = (usize, &'a [u32])>,
    ) -> (Range<usize>, Vec<Range<usize>>) {
        let whole = self.append(trunk, 0);
        let mut segments = Vec::with_capacity(branches.size_hint().0 + 1);
        if !whole.is_empty() {
            segments.push(Segment { tokens: whole.clone(), prefix: None });
        }
        let ranges: Vec<_> = branches
            .map(|(after, branch)| {
                assert!(after <= trunk.len(), "a branch leaves a trunk of {} after {after}", trunk.len());
                let at = self.append(branch, after);
                if !at.is_empty() {
                    let prefix = Some(whole.start..whole.start + after).filter(|p| !p.is_empty());
                    segments.push(Segment { tokens: at.clone(), prefix });
                }
                at
            })
            .collect();
        if !segments.is_empty() {
            self.families.push(Family { tokens: whole.start..self.tokens.len(), segments });
        }
        (whole, ranges)
    }

    /// Adds a prompt once and the answers that continue it, as [`PackedBatch::push_shared`], and of an answer only what follows
    /// the tokens that it has in common with one of them, the one with which the batch is shortest. Of answers that repeat
    /// another nothing is added. Rows may stand for several answers then, so what is asked of them repeats too.
    pub fn push_answers(&mut self, prompt: &[u32], answers: &[&[u32]]) -> Vec<Place> {
        let in_common = |a: &[u32], b: &[u32]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let mut unlike: Vec<&[u32]> = Vec::with_capacity(answers.len());
        let mut which = Vec::with_capacity(answers.len());
        for answer in answers {
            which.push(unlike.iter().position(|a| a == answer).unwrap_or(unlike.len()));
            if which.last() == Some(&unlike.len()) {
                unlike.push(answer);
            }
        }
        let spared = |whole: &&[u32]| unlike.iter().map(|a| in_common(a, whole)).sum::<usize>() - whole.len();
        // The first of the best.
        let whole = unlike.iter().copied().rev().max_by_key(spared).unwrap_or_default();
        let common: Vec<usize> = unlike.iter().map(|a| in_common(a, whole)).collect();
        let branches = unlike.iter().zip(&common).map(|(a, &n)| (prompt.len() + n, &a[n..]));
        let (trunk, own) = self.push_branches(&[prompt, whole].concat(), branches);
        let end = trunk.start + prompt.len();
        let place = |i: usize| Place { prompt: trunk.start..end, common: end..end + common[i], own: own[i].clone() };
        which.into_iter().map(place).collect()
    }

    fn append(&mut self, tokens: &[u32], position: usize) -> Range<usize> {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((position..position + tokens.len()).map(|p| p as u32));
        start..self.tokens.len()
    }

    /// All tokens, in order.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Each token's position in its own sequence.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Which tokens attend to which.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The rows that predict the tokens of `answer`, which follows `prompt`: the prompt's last row, then the answer's own.
    ///
    /// Nothing predicts the first token of a sequence without a prompt, so with an empty prompt the answer's first token
    /// has no row and the result is one shorter.
    pub fn predictions(prompt: &Range<usize>, answer: &Range<usize>) -> Vec<usize> {
        let first = if prompt.is_empty() { None } else { Some(prompt.end - 1) };
        let own = answer.start..answer.end.saturating_sub(1).max(answer.start);
        if answer.is_empty() { Vec::new() } else { first.into_iter().chain(own).collect() }
    }

    /// Checks that `config`'s model can read this batch.
    ///
    /// # Errors
    /// [`InputError`] for an empty batch, an unknown token, or a sequence past the context.
    pub fn check(&self, config: &ModelConfig) -> Result<(), InputError> {
        if self.is_empty() {
            return Err(InputError::Empty);
        }
        if let Some((index, &token)) = self.tokens.iter().enumerate().find(|&(_, &t)| t as usize >= config.vocab_size) {
            return Err(InputError::Token { token, index, vocab: config.vocab_size });
        }
        let length = self.positions.iter().max().map_or(0, |&p| p as usize + 1);
        if length > config.max_position_embeddings {
            return Err(InputError::TooLong { length, limit: config.max_position_embeddings });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_start_at_the_prompts_last_row() {
        let mut batch = PackedBatch::new();
        batch.push(&[1, 2]);
        let (prompt, answers) = batch.push_shared(&[3, 4, 5], &[&[6, 7], &[8]]);
        assert_eq!((prompt.clone(), answers.clone()), (2..5, vec![5..7, 7..8]));
        assert_eq!(PackedBatch::predictions(&prompt, &answers[0]), [4, 5]);
        assert_eq!(PackedBatch::predictions(&prompt, &answers[1]), [4]);
        assert_eq!(batch.positions(), [0, 1, 0, 1, 2, 3, 4, 3]);
        assert_eq!(batch.families()[1].segments[2].prefix, Some(2..5));
        assert_eq!(PackedBatch::predictions(&(0..0), &(0..3)), [0, 1]);
    }

    #[test]
    fn what_answers_have_in_common_is_there_once() {
        let mut batch = PackedBatch::new();
        batch.push(&[1]);
        // The second leaves [9] of the first, nothing of its like and of [6, 7], and all of [5].
        let answers: [&[u32]; 7] = [&[6, 7, 9], &[6, 7, 8, 8], &[6, 7, 8, 8], &[6, 7, 8], &[6, 7], &[5], &[]];
        let places = batch.push_answers(&[2, 3], &answers);
        assert_eq!(batch.tokens(), [1, 2, 3, 6, 7, 8, 8, 9, 5]);
        assert_eq!(batch.positions(), [0, 0, 1, 2, 3, 4, 5, 4, 2]);
        let rows: Vec<Vec<usize>> = places.iter().map(|p| p.tokens().collect()).collect();
        let whole = vec![3, 4, 5, 6];
        assert_eq!(rows, [vec![3, 4, 7], whole.clone(), whole, vec![3, 4, 5], vec![3, 4], vec![8], vec![]]);
        let before: Vec<Vec<usize>> = places.iter().map(|p| p.predictions().collect()).collect();
        let of_whole = vec![2, 3, 4, 5];
        assert_eq!(before, [vec![2, 3, 4], of_whole.clone(), of_whole, vec![2, 3, 4], vec![2, 3], vec![2], vec![]]);
        assert_eq!(places.iter().map(Place::last).collect::<Vec<_>>(), [7, 6, 6, 5, 4, 8, 2].map(Some));
        // Without a prompt nothing predicts an answer's first token.
        let mut bare = PackedBatch::new();
        let places = bare.push_answers(&[], &[&[4, 5], &[4, 6], &[9]]);
        assert_eq!(bare.tokens(), [4, 5, 6, 9]);
        assert_eq!(
            places.iter().map(|p| p.predictions().collect()).collect::<Vec<Vec<_>>>(),
            [vec![0], vec![0], vec![]]
        );
        assert!(bare.push_answers(&[], &[]).is_empty() && bare.push_answers(&[], &[&[]])[0].last().is_none());
    }
}
