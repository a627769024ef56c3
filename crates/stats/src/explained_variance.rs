//! How much of the variance of the returns a value head explains.
//!
//! 1 − Var(R − V)/Var(R), as logged by Baselines' PPO2. A constant error of V does not count against it, so a value
//! head may explain everything and still be biased; the value loss shows that.

use crate::{Measured, measured::not_finite, variance};

/// Explained variance of `returns` by `values`: 1 is perfect, 0 no better than a constant, below 0 worse.
///
/// Undefined for fewer than two returns, equal returns, unlike lengths or values that are not finite. No interval.
///
/// ```
/// use trimtab_stats::explained_variance;
/// assert_eq!(explained_variance(&[1.0, 2.0, 3.0], &[11.0, 12.0, 13.0]).value, Some(1.0));
/// assert_eq!(explained_variance(&[0.0, 0.0], &[1.0, -1.0]).value, Some(0.0));
/// assert_eq!(explained_variance(&[1.0, 2.0], &[5.0, 5.0]).reason.as_deref(), Some("all returns are equal"));
/// ```
#[must_use]
pub fn explained_variance(values: &[f64], returns: &[f64]) -> Measured {
    let n = returns.len() as u64;
    if values.len() != returns.len() {
        return Measured::undefined(n, format!("{} values for {n} returns", values.len()));
    }
    if let Some(reason) = not_finite(values).or_else(|| not_finite(returns)) {
        return Measured::undefined(n, reason);
    }
    if returns.len() < 2 {
        return Measured::undefined(n, "fewer than two returns");
    }
    if returns.iter().all(|r| *r == returns[0]) {
        return Measured::undefined(n, "all returns are equal");
    }
    let errors: Vec<f64> = returns.iter().zip(values).map(|(r, v)| r - v).collect();
    match (variance(&errors), variance(returns)) {
        (Some(left), Some(all)) if all > 0.0 && (left / all).is_finite() => {
            Measured::point(1.0 - left / all, n, "no interval: tokens of one answer are not independent")
        }
        _ => Measured::undefined(n, "the variance of the returns is 0 in floating point"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Planted: returns = signal + noise with variances 3 and 1; the signal explains three quarters.
    #[test]
    fn planted_share() {
        let mut draws = Draws::new(2);
        let signal: Vec<f64> = (0..20_000).map(|_| 3f64.sqrt() * draws.normal()).collect();
        let returns: Vec<f64> = signal.iter().map(|s| 5.0 + s + draws.normal()).collect();
        let ev = explained_variance(&signal, &returns).value.unwrap();
        assert!((ev - 0.75).abs() < 0.01, "{ev}");
        // The signal with its sign turned is worse than nothing: 1 − (4·3 + 1)/4.
        let turned: Vec<f64> = signal.iter().map(|s| -s).collect();
        let ev = explained_variance(&turned, &returns).value.unwrap();
        assert!((ev + 2.25).abs() < 0.08, "{ev}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        for (values, returns) in [
            (&[][..], &[][..]),
            (&[1.0], &[2.0]),
            (&[1.0], &[1.0, 2.0]),
            (&[1.0, f64::NAN], &[1.0, 2.0]),
            (&[1.0, 2.0], &[1e308, -1e308]),
            (&[0.0, 0.0], &[0.0, 5e-324]),
        ] {
            let measured = explained_variance(values, returns);
            assert!(measured.value.is_none() && measured.reason.is_some(), "{values:?} {returns:?}");
        }
    }
}
