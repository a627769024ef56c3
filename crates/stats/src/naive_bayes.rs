//! Naive Bayes on the set of words of a text: the weak model, and the student without pretraining.
//!
//! The Bernoulli-style model of McCallum and Nigam 1998, *A comparison of event models for naive Bayes text classification*.
//!
//! Where ours differs:
//! 1. A word that is absent says nothing (the paper's model also multiplies by its absence), so a text costs its length.
//! 2. Pseudo-count ½ per class and word, 1 per class; a word never seen in training says nothing.
//! 3. Counts are of chances: a label of 0.7 counts 0.7 for class 1 and 0.3 for class 0. Hard labels are whole counts.
//! 4. A score within 10⁻⁹ of 0 is a tie, and a tie is class 0. Ties are frequent at a hundred items, and "above 0" by the last
//!    bit of a sum moves accuracies by 0.008.

use std::collections::HashMap;

/// Pseudo-count of a word in a class.
const ALPHA: f64 = 0.5;
/// Scores this near to 0 are ties.
const TIE: f64 = 1e-9;

/// Numbers for words.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    ids: HashMap<Vec<u8>, u32>,
}

impl Vocabulary {
    /// The words of a text, split at ASCII white space, bytes as they are (no decoding, no lower-casing).
    ///
    /// ```
    /// use trimtab_stats::naive_bayes::Vocabulary;
    /// assert_eq!(Vocabulary::default().words(b"a fine  a"), [0, 1, 0]);
    /// ```
    pub fn words(&mut self, text: &[u8]) -> Vec<u32> {
        let mut words = Vec::new();
        for word in text.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()) {
            let next = self.ids.len() as u32;
            // Most words are known: look first, so that they are not copied.
            let id = self.ids.get(word).copied().unwrap_or(next);
            if id == next {
                self.ids.insert(word.to_vec(), next);
            }
            words.push(id);
        }
        words
    }
}

/// ASCII white space with the vertical tab, which `is_ascii_whitespace` leaves out.
#[must_use]
pub fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The distinct words of a text, ascending, and with `pairs` its distinct pairs of neighbours too.
///
/// ```
/// use trimtab_stats::naive_bayes::features;
/// assert_eq!(features(&[4, 2, 4], false), [2, 4]);
/// assert_eq!(features(&[4, 2, 4], true).len(), 4); // 2, 4, (4, 2), (2, 4)
/// ```
#[must_use]
pub fn features(words: &[u32], pairs: bool) -> Vec<u64> {
    let mut features: Vec<u64> = words.iter().map(|word| u64::from(*word)).collect();
    if pairs {
        // Above every word, since the upper half is at least 1.
        features.extend(words.windows(2).map(|pair| ((u64::from(pair[0]) + 1) << 32) | u64::from(pair[1])));
    }
    features.sort_unstable();
    features.dedup();
    features
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct NaiveBayes {
    prior: f64,
    weights: HashMap<u64, f64>,
}

impl NaiveBayes {
    /// Counts sets of features and the chance that each is of class 1; what has no partner in the other is left out.
    ///
    /// ```
    /// use trimtab_stats::naive_bayes::NaiveBayes;
    /// let model = NaiveBayes::fit(&[vec![7], vec![8]], &[1.0, 0.0]);
    /// // 7 was seen once of once in class 1, never of once in class 0: (1 + ½)/(0 + ½) = 3 to 1.
    /// assert!((model.chance(&[7]) - 0.75).abs() < 1e-12);
    /// assert_eq!(model.chance(&[9]), 0.5); // never seen
    /// ```
    #[must_use]
    pub fn fit(inputs: &[Vec<u64>], targets: &[f64]) -> Self {
        let (mut items, mut counts) = ([0.0; 2], HashMap::<u64, [f64; 2]>::new());
        for (features, &chance) in inputs.iter().zip(targets) {
            for (class, part) in [1.0 - chance, chance].into_iter().enumerate() {
                items[class] += part;
            }
            for feature in features {
                let count = counts.entry(*feature).or_default();
                count[0] += 1.0 - chance;
                count[1] += chance;
            }
        }
        let log = |count: [f64; 2], class: usize| ((count[class] + ALPHA) / (items[class] + 2.0 * ALPHA)).ln();
        let weights = counts.into_iter().map(|(feature, c)| (feature, log(c, 1) - log(c, 0))).collect();
        Self { prior: ((items[1] + 1.0) / (items[0] + 1.0)).ln(), weights }
    }

    /// The chance of class 1 of a set of features, ascending; exactly ½ for a tie.
    #[must_use]
    pub fn chance(&self, features: &[u64]) -> f64 {
        let score = self.prior + features.iter().filter_map(|feature| self.weights.get(feature)).sum::<f64>();
        if score.abs() <= TIE { 0.5 } else { 1.0 / (1.0 + (-score).exp()) }
    }

    /// Whether class 1 is the more likely one; a tie is class 0.
    #[must_use]
    pub fn class(&self, features: &[u64]) -> bool {
        self.chance(features) > 0.5
    }
}
