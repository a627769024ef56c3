//! The value loss of PPO, with the optional clip around the old values.
//!
//! The clip is that of the Baselines PPO2 code, kept by Huang et al. 2024,
//! [arXiv:2403.17031](https://arxiv.org/abs/2403.17031); Schulman et al. 2017,
//! [arXiv:1707.06347](https://arxiv.org/abs/1707.06347), eq. 9, has none. Read by `ppo::update`.
//!
//! Where ours differs:
//! 1. The factor ½ is inside, so the gradient is the plain error v − R; the caller's value coefficient multiplies it.
//! 2. Summed over answer tokens and divided by `normaliser`, the token count of the whole optimiser step.
//! 3. `epsilon: None` is the unclipped loss.

/// Value and gradient of a loss whose inputs are a scalar head's values.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueLoss {
    /// The loss, in squared units of reward.
    pub value: f64,
    /// ∂value/∂value_t, one entry per answer token, in the order given.
    pub d_value: Vec<f64>,
    /// Share of the tokens given whose loss is the clipped branch, in [0, 1]; 0 for no tokens.
    pub clip_fraction: f64,
}

/// Squared error of `value_t` against `return_t`, never less than that of values kept within ε of `old_value_t`.
///
/// Each token costs ½·max((v − R)², (clip(v, v_old ± ε) − R)²) / normaliser. One entry per answer token, all in units
/// of reward.
///
/// ```
/// use trimtab_alignment::loss::clipped_value_loss;
/// // Moving from 0 to the target 1 in one step: within ±0.25 only, so the rest (0.75² / 2) is still charged, and the
/// // gradient is 0 because moving further is not rewarded.
/// let loss = clipped_value_loss(&[1.0], &[0.0], &[1.0], Some(0.25), 1.0);
/// assert_eq!((loss.value, loss.d_value[0], loss.clip_fraction), (0.28125, 0.0, 1.0));
/// let free = clipped_value_loss(&[1.0], &[0.0], &[3.0], None, 1.0);
/// assert_eq!((free.value, free.d_value[0]), (2.0, -2.0));
/// ```
///
/// # Panics
/// If the slices differ in length, or `normaliser` is not positive: both are errors of the caller, not of the data.
#[must_use]
pub fn clipped_value_loss(
    value_t: &[f64],
    old_value_t: &[f64],
    return_t: &[f64],
    epsilon: Option<f64>,
    normaliser: f64,
) -> ValueLoss {
    assert!(
        value_t.len() == old_value_t.len() && value_t.len() == return_t.len(),
        "one entry per answer token in every slice"
    );
    assert!(normaliser > 0.0, "normaliser is the token count of the optimiser step, got {normaliser}");

    let (mut total, mut clipped_tokens) = (0.0, 0usize);
    let mut d_value = Vec::with_capacity(value_t.len());
    for ((&value, &old), &target) in value_t.iter().zip(old_value_t).zip(return_t) {
        let error = value - target;
        let near_old = epsilon.map_or(value, |e| value.max(old - e).min(old + e));
        let clipped_error = near_old - target;
        if clipped_error * clipped_error > error * error {
            // Larger only where the clip moved v, and there it is constant in v.
            total += 0.5 * clipped_error * clipped_error;
            clipped_tokens += 1;
            d_value.push(0.0);
        } else {
            total += 0.5 * error * error;
            d_value.push(error / normaliser);
        }
    }
    let clip_fraction = if d_value.is_empty() { 0.0 } else { clipped_tokens as f64 / d_value.len() as f64 };
    ValueLoss { value: total / normaliser, d_value, clip_fraction }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_close, finite_differences};
    use super::*;

    /// Fixture `vf_clip(v=1,old=.5,ret=.2,eps=.2)`.
    #[test]
    fn fixture_vf_clip() {
        let loss = clipped_value_loss(&[1.0], &[0.5], &[0.2], Some(0.2), 1.0);
        assert!((loss.value - 0.32).abs() < 1e-15);
        assert_close(&loss.d_value, &[0.8], 1e-15);
        assert_eq!(loss.clip_fraction, 0.0);
    }

    /// Away from the kinks the gradient agrees with central differences, clipped or not.
    #[test]
    fn gradient_agrees_with_finite_differences() {
        let (old, target) = ([0.0, 0.5, -1.0, 2.0], [1.0, 0.2, -1.1, 0.0]);
        for epsilon in [None, Some(0.2), Some(1.0)] {
            for value in [[0.1, 0.45, -0.95, 1.9], [0.9, 1.0, 0.7, -0.6], [-1.0, -0.3, -2.5, 3.4]] {
                let loss = |v: &[f64]| clipped_value_loss(v, &old, &target, epsilon, 4.0);
                assert_close(&loss(&value).d_value, &finite_differences(&value, |v| loss(v).value), 1e-8);
            }
        }
    }

    /// Law: a clip never makes the loss smaller, a wide one changes nothing, and nothing is clipped at the old values.
    #[test]
    fn the_clip_is_pessimistic() {
        let (value, old, target) = ([0.9, -0.3, 0.5], [0.0, 0.1, 0.4], [1.0, -0.5, 2.0]);
        let free = clipped_value_loss(&value, &old, &target, None, 3.0);
        assert_eq!(free, clipped_value_loss(&value, &old, &target, Some(1e6), 3.0));
        assert!(clipped_value_loss(&value, &old, &target, Some(0.1), 3.0).value > free.value);
        assert_eq!(
            clipped_value_loss(&old, &old, &target, Some(0.1), 3.0),
            clipped_value_loss(&old, &old, &target, None, 3.0)
        );
    }

    /// Law: micro-batches under one normaliser add up to the whole batch.
    #[test]
    fn accumulation_equals_one_batch() {
        let (value, old, target) = ([0.9, -0.3, 0.5], [0.0, 0.1, 0.4], [1.0, -0.5, 2.0]);
        let whole = clipped_value_loss(&value, &old, &target, Some(0.2), 3.0);
        let a = clipped_value_loss(&value[..1], &old[..1], &target[..1], Some(0.2), 3.0);
        let b = clipped_value_loss(&value[1..], &old[1..], &target[1..], Some(0.2), 3.0);
        assert!((whole.value - a.value - b.value).abs() < 1e-15);
        assert_eq!(whole.d_value, [a.d_value, b.d_value].concat());
    }

    #[test]
    fn nan_shows() {
        assert!(clipped_value_loss(&[f64::NAN], &[0.0], &[1.0], Some(0.2), 1.0).value.is_nan());
    }
}
