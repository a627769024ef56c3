//! The reward model's loss: all pairs of one prompt's ranking.
//!
//! Ouyang et al. 2022, [arXiv:2203.02155](https://arxiv.org/abs/2203.02155), eq. 1; Bradley and Terry 1952. The
//! optional margin is that of Touvron et al. 2023, [arXiv:2307.09288](https://arxiv.org/abs/2307.09288), eq. 2.
//! Read by `reward`.
//!
//! Where ours differs from the paper:
//! 1. A pair with a tie is either dropped, as in the paper, or has the soft label ½: the mean of the costs of both
//!    orders, whose minimum is at equal scores. A margin does not apply to a tie.
//! 2. Answers without a rank (`None`) form no pairs.
//! 3. The divisor is the number of pairs that count, which is C(K, 2) for a complete strict ranking. So a prompt with
//!    ties or gaps weighs as much as any other prompt; with C(K, 2) it would weigh less.
//! 4. Only differences of scores enter, so the scores of one prompt may be shifted freely; the head is centred later.

use super::{neg_log_sigmoid, sigmoid};

/// What a pair of equal ranks teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Nothing: the pair does not count.
    Drop,
    /// That both answers deserve the same score: label ½.
    SoftLabel,
}

/// Value and gradient of the ranking loss of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingLoss {
    /// Mean cost of the pairs that count, in nats; 0 where none counts.
    pub value: f64,
    /// ∂value/∂score, one entry per answer, in the order given; sums to 0.
    pub d_score: Vec<f64>,
    /// How many pairs counted; 0 means that this prompt teaches nothing, and is to be reported as such.
    pub pairs: usize,
}

/// The loss of K scores of one prompt against the ranks given to the same K answers.
///
/// `ranks_k`: 1 is best, equal numbers are ties, `None` is not ranked. `margin` is the least score difference asked of
/// a strict pair, 0 for none. With i ranked above j, each pair costs −log σ(sᵢ − sⱼ − margin), over the pairs' count.
///
/// ```
/// use trimtab_alignment::loss::{Ties, ranking_loss};
/// // Undecided scores: ln 2 a pair, and the better answer is pushed up by one half.
/// let loss = ranking_loss(&[0.0, 0.0], &[Some(1), Some(2)], Ties::Drop, 0.0);
/// assert!((loss.value - 2f64.ln()).abs() < 1e-15);
/// assert_eq!((loss.d_score, loss.pairs), (vec![-0.5, 0.5], 1));
/// // A tie counts only with the soft label, and equal scores are then its optimum.
/// let tied = [Some(1), Some(1)];
/// assert_eq!(ranking_loss(&[0.0, 0.0], &tied, Ties::Drop, 0.0).pairs, 0);
/// assert_eq!(ranking_loss(&[0.0, 0.0], &tied, Ties::SoftLabel, 0.0).d_score, [0.0, 0.0]);
/// ```
///
/// # Panics
/// If the slices differ in length: an error of the caller, not of the data.
#[must_use]
pub fn ranking_loss(scores_k: &[f64], ranks_k: &[Option<u32>], ties: Ties, margin: f64) -> RankingLoss {
    assert_eq!(scores_k.len(), ranks_k.len(), "one score and one rank (or none) per answer");
    let mut loss = RankingLoss { value: 0.0, d_score: vec![0.0; scores_k.len()], pairs: 0 };
    for (better, worse, tied) in ranked_pairs(ranks_k) {
        let gap = scores_k[better] - scores_k[worse];
        let (cost, slope) = match (tied, ties) {
            (true, Ties::Drop) => continue,
            (true, Ties::SoftLabel) => {
                (0.5 * (neg_log_sigmoid(gap) + neg_log_sigmoid(-gap)), 0.5 * (sigmoid(gap) - sigmoid(-gap)))
            }
            (false, _) => (neg_log_sigmoid(gap - margin), -sigmoid(margin - gap)),
        };
        loss.value += cost;
        loss.d_score[better] += slope;
        loss.d_score[worse] -= slope;
        loss.pairs += 1;
    }
    if loss.pairs > 0 {
        let pairs = loss.pairs as f64;
        loss.value /= pairs;
        loss.d_score.iter_mut().for_each(|d| *d /= pairs);
    }
    loss
}

/// How often scores order a prompt's answers as its ranks do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairAccuracy {
    /// Pairs ordered as the ranks order them; a pair of equal scores is half a pair.
    pub correct: f64,
    /// Strictly ranked pairs with two comparable scores.
    pub pairs: usize,
    /// Strictly ranked pairs left out because a score is NaN.
    pub unscored: usize,
}

impl PairAccuracy {
    /// Adds another prompt's pairs.
    pub fn add(&mut self, other: Self) {
        self.correct += other.correct;
        self.pairs += other.pairs;
        self.unscored += other.unscored;
    }

    /// `correct / pairs`, in [0, 1]; `None` without pairs.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.correct / self.pairs as f64)
    }
}

/// Counts the strictly ranked pairs of one prompt that the scores put in the same order. Ties in rank do not count.
///
/// ```
/// use trimtab_alignment::loss::pair_accuracy;
/// // Best to worst by rank; the scores swap the last two: 2 of 3 pairs agree.
/// let counted = pair_accuracy(&[3.0, 1.0, 2.0], &[Some(1), Some(2), Some(3)]);
/// assert_eq!((counted.correct, counted.pairs), (2.0, 3));
/// ```
///
/// # Panics
/// If the slices differ in length: an error of the caller, not of the data.
#[must_use]
pub fn pair_accuracy(scores_k: &[f64], ranks_k: &[Option<u32>]) -> PairAccuracy {
    assert_eq!(scores_k.len(), ranks_k.len(), "one score and one rank (or none) per answer");
    let mut counted = PairAccuracy::default();
    for (better, worse, tied) in ranked_pairs(ranks_k) {
        if tied {
            continue;
        }
        match scores_k[better].partial_cmp(&scores_k[worse]) {
            None => {
                counted.unscored += 1;
                continue;
            }
            Some(std::cmp::Ordering::Greater) => counted.correct += 1.0,
            Some(std::cmp::Ordering::Equal) => counted.correct += 0.5,
            Some(std::cmp::Ordering::Less) => {}
        }
        counted.pairs += 1;
    }
    counted
}

/// (better, worse, tied) for every pair in which both answers are ranked, in the order of the answers.
fn ranked_pairs(ranks_k: &[Option<u32>]) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
    (0..ranks_k.len()).flat_map(move |i| {
        (i + 1..ranks_k.len()).filter_map(move |j| {
            let (a, b) = (ranks_k[i]?, ranks_k[j]?);
            Some(if a <= b { (i, j, a == b) } else { (j, i, false) })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, finite_differences};
    use super::*;

    const ONE_TO_FOUR: [Option<u32>; 4] = [Some(1), Some(2), Some(3), Some(4)];

    /// Fixture `rm_all_pairs_mean(1/C(K,2))` of `rm_scores`, whose last two are misordered.
    #[test]
    fn fixture_all_pairs() {
        let loss = ranking_loss(&[1.2, 0.4, -0.3, 0.1], &ONE_TO_FOUR, Ties::Drop, 0.0);
        assert!((loss.value - 0.45506763579998316).abs() < 1e-15);
        assert_eq!(loss.pairs, 6);
        assert_eq!(pair_accuracy(&[1.2, 0.4, -0.3, 0.1], &ONE_TO_FOUR).correct, 5.0);
    }

    /// Fixtures `rm_pair_1.2_0.4`, `rm_pair_margin0.5` and `rm_tie_soft_label_0.5_pair`.
    #[test]
    fn fixture_single_pairs() {
        let scores = [1.2, 0.4];
        let value = |ranks: &[Option<u32>], margin| ranking_loss(&scores, ranks, Ties::SoftLabel, margin).value;
        let strict = [Some(1), Some(2)];
        let expected = [0.3711006659477777, 0.5543552444685271, 0.7711006659477777];
        assert_close(&[value(&strict, 0.0), value(&strict, 0.5), value(&[Some(3), Some(3)], 0.5)], &expected, 1e-15);
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let scores = [0.3, -1.2, 2.0, 0.25, 0.9];
        let ranks = [Some(2), Some(1), Some(2), None, Some(7)];
        for ties in [Ties::Drop, Ties::SoftLabel] {
            for margin in [0.0, 0.5] {
                let loss = |s: &[f64]| ranking_loss(s, &ranks, ties, margin);
                let got = loss(&scores);
                assert_close(&got.d_score, &finite_differences(&scores, |s| loss(s).value), 1e-9);
                assert_eq!(got.d_score[3], 0.0, "an unranked answer is not trained on");
                assert!(got.d_score.iter().sum::<f64>().abs() < 1e-15);
                assert_eq!(got.pairs, if ties == Ties::Drop { 5 } else { 6 });
            }
        }
    }

    /// Law: shifting all scores of a prompt changes nothing, and neither does the order in which answers are listed.
    #[test]
    fn shift_and_permutation() {
        let (scores, ranks) = ([0.5, -0.25, 1.0], [Some(2), Some(3), Some(1)]);
        let loss = ranking_loss(&scores, &ranks, Ties::Drop, 0.0);
        let shifted = ranking_loss(&scores.map(|s| s + 8.0), &ranks, Ties::Drop, 0.0);
        assert_eq!(loss, shifted);
        let turned = ranking_loss(&[1.0, 0.5, -0.25], &[Some(1), Some(2), Some(3)], Ties::Drop, 0.0);
        assert!((loss.value - turned.value).abs() < 1e-15);
        assert_close(&[loss.d_score[2], loss.d_score[0], loss.d_score[1]], &turned.d_score, 1e-15);
    }

    /// Law: only the order of the rank numbers matters, and a zero head costs ln 2 whatever K is.
    #[test]
    fn ranks_are_ordinal_and_a_zero_head_costs_ln_2() {
        let scores = [0.1, 0.2, 0.3];
        let a = ranking_loss(&scores, &[Some(1), Some(2), Some(3)], Ties::Drop, 0.0);
        let b = ranking_loss(&scores, &[Some(0), Some(10), Some(u32::MAX)], Ties::Drop, 0.0);
        assert_eq!(a, b);
        for k in 2..10u32 {
            let ranks: Vec<_> = (0..k).map(Some).collect();
            let loss = ranking_loss(&vec![0.0; k as usize], &ranks, Ties::Drop, 0.0);
            assert!((loss.value - 2f64.ln()).abs() < 1e-14);
            assert_eq!(loss.pairs as u32, k * (k - 1) / 2);
        }
    }

    /// Recovery: gradient descent on comparisons drawn from planted Bradley-Terry scores finds them again.
    #[test]
    fn planted_scores_are_recovered() {
        // Exact expected comparisons instead of draws: i wins against j in a share σ(tᵢ − tⱼ) of the time.
        let truth = [1.0, 0.0, -0.5];
        let mut scores = [0.0; 3];
        for _ in 0..4000 {
            let mut gradient = [0.0; 3];
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                for (win, lose) in [(i, j), (j, i)] {
                    let mut ranks = [None; 3];
                    (ranks[win], ranks[lose]) = (Some(1), Some(2));
                    let d = ranking_loss(&scores, &ranks, Ties::Drop, 0.0).d_score;
                    (0..3).for_each(|k| gradient[k] += sigmoid(truth[win] - truth[lose]) * d[k]);
                }
            }
            (0..3).for_each(|k| scores[k] -= 0.3 * gradient[k]);
        }
        assert!((scores[0] - scores[1] - 1.0).abs() < 1e-6 && (scores[1] - scores[2] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn nothing_to_compare() {
        for ranks in [vec![], vec![Some(1)], vec![None, Some(2)], vec![Some(4), Some(4)]] {
            let scores = vec![1.0; ranks.len()];
            let loss = ranking_loss(&scores, &ranks, Ties::Drop, 0.0);
            assert_eq!((loss.value, loss.pairs), (0.0, 0));
            assert!(loss.d_score.iter().all(|&d| d == 0.0));
            assert_eq!(pair_accuracy(&scores, &ranks).rate(), None);
        }
    }

    #[test]
    fn equal_scores_are_half_right_and_nan_is_counted_apart() {
        assert_eq!(pair_accuracy(&[0.0; 4], &ONE_TO_FOUR).rate(), Some(0.5));
        let counted = pair_accuracy(&[f64::NAN, 1.0, 0.0], &[Some(1), Some(2), Some(3)]);
        assert_eq!((counted.correct, counted.pairs, counted.unscored), (1.0, 1, 2));
        assert!(ranking_loss(&[f64::NAN, 1.0], &[Some(1), Some(2)], Ties::Drop, 0.0).value.is_nan());
    }
}
