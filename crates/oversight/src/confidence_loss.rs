//! The auxiliary confidence loss: weak labels, and the student's own confident guess.
//!
//! Burns et al. 2023, *Weak-to-strong generalization*, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), eq. 1 and appendix
//! A.4: L = (1 − α)·CE(f, f_w) + α·CE(f, 1[f > t]), with t such that half of the batch is above it, and α warmed up linearly
//! over the first 20 % of training.
//!
//! Where ours differs from the paper:
//! 1. The threshold is a count, not a number: the ⌊share·n + ½⌋ items with the largest logits are class 1, lower index first
//!    among equals. A comparison with t sends all ties to one class, and before the first step all logits are equal.
//! 2. [`Share::WeakMean`] is what released code does where classes are unbalanced: as many as the weak labels expect.
//!    [`Share::Half`] is the paper.
//! 3. Detached by construction: the hardened targets are an argument, so no gradient can flow through them, and small
//!    micro-batches can be hardened among the last few hundred predictions, where a quantile of 8 would be noise.
//! 4. It is divided by `normaliser`, the item count of the optimiser step, so that accumulation equals one batch.
//! 5. The warm-up is linear throughout; a released version jumps from 0.1 to 1.

/// How many items of a batch are hardened to class 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Half of them: the paper's rule, for balanced data.
    Half,
    /// The mean of the weak labels: the rule of released code, which carries the class prior.
    WeakMean,
}

impl Share {
    /// The share for a batch of weak labels `weak_n`, in [0, 1]; ½ of no labels.
    ///
    /// ```
    /// use trimtab_oversight::confidence_loss::Share;
    /// assert_eq!(Share::Half.of(&[0.9, 0.6]), 0.5);
    /// assert_eq!(Share::WeakMean.of(&[0.9, 0.6]), 0.75);
    /// ```
    #[must_use]
    pub fn of(self, weak_n: &[f64]) -> f64 {
        if self == Self::Half || weak_n.is_empty() { 0.5 } else { weak_n.iter().sum::<f64>() / weak_n.len() as f64 }
    }
}

/// Value in nats and gradient of a loss on the logits of n items.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitLoss {
    /// The loss.
    pub value: f64,
    /// ∂value/∂logit, one entry per item.
    pub d_logit: Vec<f64>,
}

/// The student's own classes: 1 for the ⌊share·n + ½⌋ largest of `logit_n`, lower index first among equals.
///
/// NaN logits sort to an end and show in the loss, not here.
///
/// ```
/// use trimtab_oversight::confidence_loss::harden;
/// assert_eq!(harden(&[0.2, -1.0, 3.0, 0.2], 0.5), [true, false, true, false]); // the tie goes to the lower index
/// assert_eq!(harden(&[0.0; 4], 0.5), [true, true, false, false]); // untrained: half, not all
/// ```
#[must_use]
pub fn harden(logit_n: &[f64], share: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..logit_n.len()).collect();
    // A stable sort keeps equal logits in the order of their indices.
    order.sort_by(|&a, &b| logit_n[b].total_cmp(&logit_n[a]));
    let count = (share * logit_n.len() as f64 + 0.5).floor().max(0.0) as usize;
    let mut hardened = vec![false; logit_n.len()];
    for &place in order.iter().take(count) {
        hardened[place] = true;
    }
    hardened
}

/// Cross-entropy of logits with soft targets: what naive fine-tuning on weak labels minimises.
///
/// Each item costs −tᵢ·log σ(zᵢ) − (1 − tᵢ)·log σ(−zᵢ), divided by `normaliser`; `target_n` in [0, 1].
///
/// ```
/// use trimtab_oversight::confidence_loss::naive_loss;
/// let loss = naive_loss(&[0.0, 0.0], &[1.0, 0.25], 2.0);
/// assert!((loss.value - 2f64.ln()).abs() < 1e-15); // undecided: one bit, whatever the label
/// assert_eq!(loss.d_logit, [-0.25, 0.125]);
/// ```
///
/// # Panics
/// If the slices differ in length, or `normaliser` is not positive: both are errors of the caller, not of the data.
#[must_use]
pub fn naive_loss(logit_n: &[f64], target_n: &[f64], normaliser: f64) -> LogitLoss {
    assert_eq!(logit_n.len(), target_n.len(), "one target per logit");
    assert!(normaliser > 0.0, "normaliser is the item count of the optimiser step, got {normaliser}");
    let mut loss = LogitLoss { value: 0.0, d_logit: Vec::with_capacity(logit_n.len()) };
    for (&logit, &target) in logit_n.iter().zip(target_n) {
        let small = (-logit.abs()).exp();
        let log1p = small.ln_1p();
        let (for_one, for_zero) = ((-logit).max(0.0) + log1p, logit.max(0.0) + log1p);
        let chance = if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        loss.value += (target * for_one + (1.0 - target) * for_zero) / normaliser;
        loss.d_logit.push((chance - target) / normaliser);
    }
    loss
}

/// (1 − α)·CE(f, weak) + α·CE(f, hardened) = CE(f, (1 − α)·weak + α·hardened): the confidence loss, `alpha` in [0, 1].
///
/// With α = 0 value and gradient equal [`naive_loss`] to the last bit.
///
/// ```
/// use trimtab_oversight::confidence_loss::{confidence_loss, harden};
/// let (logit, weak) = ([0.0, 0.0], [0.25, 0.75]);
/// let loss = confidence_loss(&logit, &weak, &harden(&logit, 0.5), 0.5, 2.0);
/// assert_eq!(loss.d_logit, [-0.0625, 0.0625]); // targets 0.625 and 0.375, from ½, over two items
/// ```
///
/// # Panics
/// As [`naive_loss`], and if `hardened_n` has another length.
#[must_use]
pub fn confidence_loss(logit_n: &[f64], weak_n: &[f64], hardened_n: &[bool], alpha: f64, normaliser: f64) -> LogitLoss {
    assert_eq!(weak_n.len(), hardened_n.len(), "one hardened class per weak label");
    let mix = |(&weak, &hard): (&f64, &bool)| (1.0 - alpha) * weak + alpha * f64::from(u8::from(hard));
    let target_n: Vec<f64> = weak_n.iter().zip(hardened_n).map(mix).collect();
    naive_loss(logit_n, &target_n, normaliser)
}

/// α of optimiser step `step` of `total`, from 0: α_max·min(1, step/(0.2·total)).
///
/// ```
/// use trimtab_oversight::confidence_loss::warm_up;
/// assert_eq!(warm_up(0.75, 0, 500), 0.0);
/// assert_eq!(warm_up(0.75, 50, 500), 0.375);
/// assert_eq!(warm_up(0.75, 300, 500), 0.75);
/// ```
#[must_use]
pub fn warm_up(alpha_max: f64, step: u64, total: u64) -> f64 {
    let length = 0.2 * total as f64;
    if length > 0.0 { alpha_max * (step as f64 / length).min(1.0) } else { alpha_max }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIT: [f64; 6] = [-2.0, -0.4, 0.3, 1.4, 0.1, -40.0];
    const WEAK: [f64; 6] = [0.1, 0.6, 0.55, 0.9, 0.7, 0.3];

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let hardened = harden(&LOGIT, Share::Half.of(&WEAK));
        for alpha in [0.0, 0.25, 0.75, 1.0] {
            let loss = confidence_loss(&LOGIT, &WEAK, &hardened, alpha, 6.0);
            for i in 0..LOGIT.len() {
                let at = |h: f64| {
                    let mut moved = LOGIT;
                    moved[i] += h;
                    confidence_loss(&moved, &WEAK, &hardened, alpha, 6.0).value
                };
                let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((numeric - loss.d_logit[i]).abs() < 1e-8, "α {alpha}, item {i}: {numeric}");
            }
        }
    }

    /// Law: α = 0 is naive fine-tuning bit for bit, whatever was hardened; α = 1 does not see the weak labels.
    #[test]
    fn without_alpha_it_is_the_naive_loss() {
        let naive = naive_loss(&LOGIT, &WEAK, 6.0);
        for share in [0.0, 0.3, 0.5, 1.0] {
            let hardened = harden(&LOGIT, share);
            let loss = confidence_loss(&LOGIT, &WEAK, &hardened, 0.0, 6.0);
            assert_eq!(loss.value.to_bits(), naive.value.to_bits());
            assert!(loss.d_logit.iter().zip(&naive.d_logit).all(|(a, b)| a.to_bits() == b.to_bits()));
            let alone = confidence_loss(&LOGIT, &WEAK, &hardened, 1.0, 6.0);
            assert_eq!(alone, confidence_loss(&LOGIT, &[0.5; 6], &hardened, 1.0, 6.0));
        }
    }

    /// Law: the loss is the mixture that eq. 1 writes, and accumulation over micro-batches equals one batch.
    #[test]
    fn it_is_the_mixture_and_it_accumulates() {
        let hardened = harden(&LOGIT, 0.5);
        let own: Vec<f64> = hardened.iter().map(|&h| f64::from(u8::from(h))).collect();
        let whole = confidence_loss(&LOGIT, &WEAK, &hardened, 0.3, 6.0);
        let mixed = 0.7 * naive_loss(&LOGIT, &WEAK, 6.0).value + 0.3 * naive_loss(&LOGIT, &own, 6.0).value;
        assert!((whole.value - mixed).abs() < 1e-12);
        let part =
            |from: usize, to: usize| confidence_loss(&LOGIT[from..to], &WEAK[from..to], &hardened[from..to], 0.3, 6.0);
        let (first, rest) = (part(0, 2), part(2, 6));
        assert!((whole.value - first.value - rest.value).abs() < 1e-12);
        assert_eq!(whole.d_logit, [first.d_logit, rest.d_logit].concat());
    }

    /// Law: exactly the share is hardened, ties or not.
    #[test]
    fn the_share_is_a_count() {
        for n in 0..12 {
            let flat = vec![0.0; n];
            let count = |share| harden(&flat, share).iter().filter(|h| **h).count();
            assert_eq!((count(0.0), count(1.0)), (0, n));
            assert_eq!(count(0.5), n.div_ceil(2));
        }
    }

    #[test]
    fn nan_stays_nan() {
        assert!(naive_loss(&[f64::NAN], &[0.5], 1.0).value.is_nan());
    }
}
