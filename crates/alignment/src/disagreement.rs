//! How much an ensemble of reward models disagrees about a prompt's answers: what to ask people next.
//!
//! Christiano et al. 2017, arXiv:1706.03741, section 2.2.4: of many candidate pairs, ask about those on which the ensemble's
//! predictions have the highest variance. Where ours differs:
//! 1. A prompt's K answers are ranked together, so that its value is the mean over its C(K,2) pairs.
//! 2. A prediction is the Bradley–Terry chance σ(rᵢ − rⱼ), so that two members who are sure of the same order, one of them with
//!    a larger scale, hardly disagree.
//! 3. Highest variance is not highest information: the paper's own ablation (its figure 6) found it to hurt in some tasks.

/// Mean over pairs of answers of the variance over members of the chance that the first is preferred, from 0 to ¼;
/// `scores_mk` holds each member's scores of the same K answers. 0 for fewer than two members or answers.
///
/// ```
/// use trimtab_alignment::disagreement::disagreement;
/// // One member is sure of the first answer, one of the second: chances near 1 and 0, variance ¼.
/// assert!((disagreement(&[vec![50.0, 0.0], vec![0.0, 50.0]]) - 0.25).abs() < 1e-12);
/// // σ(ln 3) = ¾ and σ(−ln 3) = ¼, ¼ from their mean each.
/// let three = 3f64.ln();
/// assert!((disagreement(&[vec![three, 0.0], vec![0.0, three]]) - 0.0625).abs() < 1e-12);
/// // A shift of one member's scores means nothing.
/// assert!(disagreement(&[vec![1.0, 0.0], vec![8.0, 7.0]]) < 1e-12);
/// ```
#[must_use]
pub fn disagreement(scores_mk: &[Vec<f64>]) -> f64 {
    let (members, k) = (scores_mk.len(), scores_mk.iter().map(Vec::len).min().unwrap_or(0));
    if members < 2 || k < 2 {
        return 0.0;
    }
    let mut sum = 0.0;
    for i in 0..k {
        for j in 0..i {
            let chance = |scores: &Vec<f64>| 1.0 / (1.0 + (scores[j] - scores[i]).exp());
            let mean = scores_mk.iter().map(chance).sum::<f64>() / members as f64;
            sum += scores_mk.iter().map(|s| (chance(s) - mean).powi(2)).sum::<f64>() / members as f64;
        }
    }
    sum / (k * (k - 1) / 2) as f64
}
