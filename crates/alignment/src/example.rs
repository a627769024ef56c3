//! Token sequences with training targets, and how they are grouped into passes.

use trimtab_engine::batch::PackedBatch;
use trimtab_text::Encoded;

/// A sequence and the tokens in it that are targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// Rows, counted from the sequence's start, whose next token is a target.
    pub rows: Vec<usize>,
}

impl Example {
    /// From an encoded conversation: every token marked as trained is a target, but a first token nothing predicts.
    pub fn from_encoded(encoded: &Encoded) -> Self {
        let rows = (1..encoded.tokens.len()).filter(|&i| encoded.train[i]).map(|i| i - 1).collect();
        Self { tokens: encoded.tokens.clone(), rows }
    }

    /// From running text: every token but the first is a target.
    pub fn from_text(tokens: Vec<u32>) -> Self {
        let rows = (0..tokens.len().saturating_sub(1)).collect();
        Self { tokens, rows }
    }

    /// Targets in the order of rows.
    pub fn targets(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|&r| self.tokens[r + 1])
    }
}

/// Examples laid end to end, with rows counted from the batch's start.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// The packed tokens.
    pub batch: PackedBatch,
    /// Rows with a target.
    pub rows: Vec<usize>,
    /// Their targets.
    pub targets: Vec<u32>,
}

impl Pack {
    /// Packs the examples.
    pub fn of<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut pack = Self::default();
        for example in examples {
            let at = pack.batch.push(&example.tokens);
            pack.rows.extend(example.rows.iter().map(|r| r + at.start));
            pack.targets.extend(example.targets());
        }
        pack
    }
}

/// Cuts `lengths` into consecutive groups of at most `limit` tokens; a longer one stands alone.
///
/// ```
/// use trimtab_alignment::example::groups;
/// assert_eq!(groups(&[3, 4, 5, 20, 1], 8), [0..2, 2..3, 3..4, 4..5]);
/// ```
pub fn groups(lengths: &[usize], limit: usize) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (i, &length) in lengths.iter().enumerate() {
        if i > start && sum + length > limit {
            out.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += length;
    }
    if start < lengths.len() {
        out.push(start..lengths.len());
    }
    out
}
