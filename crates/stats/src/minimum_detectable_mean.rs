//! The smallest mean difference that paired items would have shown: what "no rise" can mean.
//!
//! The normal approximation of a paired test: a difference δ shows with chance `power` where δ = (z + z')·SE(δ).
//!
//! 1. The standard error is the larger of two: what was observed, and what pairs that are 0 or 1 apart have where a share δ of
//!    them differs, √(δ(1 − δ)/n). Without the second, two arms that say exactly the same would seem to detect anything.
//! 2. Solved for δ: the larger of (z + z')·sd/√n and z²/(n + z²) with z for the sum of both.

use crate::special::normal_quantile;

/// The smallest mean of `n` paired differences with standard deviation `sd` that shows at two-sided confidence `level` with
/// chance `power`. `None` for fewer than two pairs, a deviation that is none, or a level or power that is no probability.
///
/// ```
/// use trimtab_stats::minimum_detectable_mean;
/// // 1.9600 + 0.8416 = 2.8016; 2.8016 · 0.5/10.
/// let effect = minimum_detectable_mean(0.5, 100, 0.95, 0.8).unwrap();
/// assert!((effect - 0.14008).abs() < 1e-5);
/// // Arms that never differed: 2.8016²/(100 + 2.8016²).
/// let floor = minimum_detectable_mean(0.0, 100, 0.95, 0.8).unwrap();
/// assert!((floor - 0.07278).abs() < 1e-5);
/// ```
#[must_use]
pub fn minimum_detectable_mean(sd: f64, n: u64, level: f64, power: f64) -> Option<f64> {
    let sound = level > 0.0 && level < 1.0 && power > 0.5 - 0.5 * level && power < 1.0;
    if n < 2 || !(sd.is_finite() && sd >= 0.0) || !sound {
        return None;
    }
    let z = normal_quantile(0.5 + 0.5 * level) + normal_quantile(power);
    let n = n as f64;
    Some((z * sd / n.sqrt()).max(z * z / (n + z * z)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Law: a planted rise of this size in pairs shows about as often as asked.
    #[test]
    fn simulated_power() {
        let mut draws = Draws::new(21);
        let (n, rounds) = (80u64, 4000);
        // Both arms guess one time in ten, and the second knows a share of the items besides.
        let pair = |draws: &mut Draws, rise: f64| {
            let plain = f64::from(u8::from(draws.uniform() < 0.1));
            let knows = draws.uniform() < rise / 0.9;
            f64::from(u8::from(knows || draws.uniform() < 0.1)) - plain
        };
        let moments = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            (mean, (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt())
        };
        let many: Vec<f64> = (0..40_000).map(|_| pair(&mut draws, 0.18)).collect();
        let effect = minimum_detectable_mean(moments(&many).1, n, 0.95, 0.8).unwrap();
        let shown = (0..rounds)
            .filter(|_| {
                let x: Vec<f64> = (0..n).map(|_| pair(&mut draws, effect)).collect();
                let (mean, sd) = moments(&x);
                mean > 1.96 * sd / (n as f64).sqrt()
            })
            .count();
        let power = shown as f64 / f64::from(rounds);
        assert!((power - 0.8).abs() < 0.05, "{power} at {effect}");
    }

    #[test]
    fn what_has_none() {
        for (sd, n, level, power) in [
            (0.5, 1, 0.95, 0.8),
            (f64::NAN, 9, 0.95, 0.8),
            (-1.0, 9, 0.95, 0.8),
            (0.5, 9, 1.0, 0.8),
            (0.5, 9, 0.95, 0.0),
        ] {
            assert_eq!(minimum_detectable_mean(sd, n, level, power), None);
        }
    }
}
