//! The reward model's loss on pairs whose label is a chance: how likely it is that the first answer is the better one.
//!
//! Bradley and Terry 1952 with the label of a crowd's posterior instead of one person's word; with chances 0, ½ and 1 it is
//! the loss of [`super::ranking`] on strict pairs and on ties (Ouyang et al. 2022, arXiv:2203.02155, eq. 1). Read by `reward`.
//!
//! 1. The cost is the cross-entropy −p·log σ(d) − (1 − p)·log σ(−d) with d the difference of scores. Its minimum is at
//!    d = log(p/(1 − p)) and is the entropy of p, not 0: losses of different labels are not to be compared.
//! 2. Pairs of one prompt are averaged, so that each prompt weighs the same whatever the number of its pairs.

use super::{RankingLoss, neg_log_sigmoid, sigmoid};

/// A pair of answers and the chance that the first is the better one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftPair {
    /// Place of the one answer.
    pub first: usize,
    /// Place of the other.
    pub second: usize,
    /// Chance that the first is better, in [0, 1].
    pub chance: f64,
}

/// Mean cost in nats of one prompt's pairs, and its gradient with respect to the scores; value 0 and no pairs for none.
///
/// ```
/// use trimtab_alignment::loss::{SoftPair, soft_pairs_loss};
/// let pair = |chance| [SoftPair { first: 0, second: 1, chance }];
/// // Undecided scores cost ln 2 whatever the label, and are pulled by the label's distance from ½.
/// let loss = soft_pairs_loss(&[0.0, 0.0], &pair(0.75));
/// assert!((loss.value - 2f64.ln()).abs() < 1e-15);
/// assert_eq!(loss.d_score, [-0.25, 0.25]);
/// // Odds of three to one are met by a difference of ln 3.
/// assert!(soft_pairs_loss(&[3f64.ln(), 0.0], &pair(0.75)).d_score[0].abs() < 1e-15);
/// ```
///
/// # Panics
/// If a pair names an answer that has no score: an error of the caller, not of the data.
#[must_use]
pub fn soft_pairs_loss(scores_k: &[f64], pairs: &[SoftPair]) -> RankingLoss {
    let mut loss = RankingLoss { value: 0.0, d_score: vec![0.0; scores_k.len()], pairs: pairs.len() };
    let share = 1.0 / pairs.len().max(1) as f64;
    for &SoftPair { first, second, chance } in pairs {
        let gap = scores_k[first] - scores_k[second];
        loss.value += share * (chance * neg_log_sigmoid(gap) + (1.0 - chance) * neg_log_sigmoid(-gap));
        let slope = share * (sigmoid(gap) - chance);
        loss.d_score[first] += slope;
        loss.d_score[second] -= slope;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Ties, finite_differences, ranking_loss};

    #[test]
    fn certain_labels_and_halves_are_the_loss_of_a_ranking() {
        let (scores, ranks) = ([0.3, -1.2, 0.8, 0.1], [Some(1), Some(2), Some(2), Some(4)]);
        let mut pairs = Vec::new();
        for first in 0..4 {
            for second in first + 1..4 {
                let chance =
                    if ranks[first] == ranks[second] { 0.5 } else { f64::from(u8::from(ranks[first] < ranks[second])) };
                pairs.push(SoftPair { first, second, chance });
            }
        }
        let (soft, hard) = (soft_pairs_loss(&scores, &pairs), ranking_loss(&scores, &ranks, Ties::SoftLabel, 0.0));
        assert!((soft.value - hard.value).abs() < 1e-12 && soft.pairs == hard.pairs);
        for (a, b) in soft.d_score.iter().zip(&hard.d_score) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let scores = [0.3, -1.2, 0.8];
        let pair = |first, second, chance| SoftPair { first, second, chance };
        let pairs = [pair(0, 1, 0.9), pair(1, 2, 0.2), pair(0, 2, 0.5)];
        let loss = soft_pairs_loss(&scores, &pairs);
        let found = finite_differences(&scores, |s| soft_pairs_loss(s, &pairs).value);
        for (a, b) in loss.d_score.iter().zip(found) {
            assert!((a - b).abs() < 1e-8, "{a} {b}");
        }
        assert!(loss.d_score.iter().sum::<f64>().abs() < 1e-12);
    }
}
