//! The smallest difference of two shares that a comparison of this size would find: what "no difference" can mean.
//!
//! Two samples: Fleiss, Levin and Paik 2003, *Statistical Methods for Rates and Proportions*, chapter 4, without
//! continuity correction, which is what R's `power.prop.test` solves. One sample judged twice: Connor 1987,
//! *Biometrics* 43, 207–211.
//!
//! 1. Both are normal approximations; below about ten items on either side of an arm they flatter.
//! 2. Tests are two-sided; the chance of rejecting in the wrong direction does not count as power.

use crate::special::normal_quantile;

/// The smallest increase over the share `p` of the first arm that a second arm shows at confidence `level` (0.95) with
/// chance `power` (0.8), from `n` independent items in each.
///
/// For a decrease, give 1 − p. `None` if even a share of 1 would not do, or if an argument cannot be: p outside of
/// [0, 1), no items, a level outside of (0, 1), a power not between (1 − level)/2 and 1.
///
/// ```
/// use trimtab_stats::minimum_detectable_increase;
/// // 100 items in each arm tell 0.5 from 0.69 four times in five.
/// let effect = minimum_detectable_increase(0.5, [100, 100], 0.95, 0.8).unwrap();
/// assert!((effect - 0.19).abs() < 0.005);
/// assert_eq!(minimum_detectable_increase(0.9, [30, 30], 0.95, 0.8), None); // 74 are needed, even for 0.9 against 1
/// ```
#[must_use]
pub fn minimum_detectable_increase(p: f64, n: [u64; 2], level: f64, power: f64) -> Option<f64> {
    let [z_level, z_power] = quantiles(level, power)?;
    if !(0.0..1.0).contains(&p) || n.contains(&0) {
        return None;
    }
    let [n0, n1] = n.map(|n| n as f64);
    let excess = |delta: f64| {
        let higher = p + delta;
        let pooled = (n0 * p + n1 * higher) / (n0 + n1);
        let se_null = (pooled * (1.0 - pooled) * (1.0 / n0 + 1.0 / n1)).sqrt();
        let se = (p * (1.0 - p) / n0 + higher * (1.0 - higher) / n1).sqrt();
        delta - z_level * se_null - z_power * se
    };
    smallest(1.0 - p, excess)
}

/// The smallest difference of two shares on the same `n` items, of which a share `discordant` differs between the arms,
/// that shows at confidence `level` with chance `power` in McNemar's test.
///
/// `None` if even all of them on one side would not do, or if an argument cannot be, as above; `discordant` is in
/// (0, 1].
///
/// ```
/// use trimtab_stats::minimum_detectable_paired;
/// // Few items differ, so that 100 of them show what two samples of 100 would not.
/// let effect = minimum_detectable_paired(0.1, 100, 0.95, 0.8).unwrap();
/// assert!(effect > 0.08 && effect < 0.09);
/// ```
#[must_use]
pub fn minimum_detectable_paired(discordant: f64, n: u64, level: f64, power: f64) -> Option<f64> {
    let [z_level, z_power] = quantiles(level, power)?;
    if !(discordant > 0.0 && discordant <= 1.0) || n == 0 {
        return None;
    }
    let excess = |delta: f64| {
        let spread = (discordant - delta * delta).max(0.0).sqrt();
        delta * (n as f64).sqrt() - z_level * discordant.sqrt() - z_power * spread
    };
    smallest(discordant, excess)
}

fn quantiles(level: f64, power: f64) -> Option<[f64; 2]> {
    let sound = level > 0.0 && level < 1.0 && power > 0.5 - 0.5 * level && power < 1.0;
    sound.then(|| [normal_quantile(0.5 + 0.5 * level), normal_quantile(power)])
}

/// The root of a function that is negative at 0, by bisection up to `largest`.
fn smallest(largest: f64, excess: impl Fn(f64) -> f64) -> Option<f64> {
    if excess(largest).is_nan() || excess(largest) < 0.0 {
        return None;
    }
    let (mut low, mut high) = (0.0, largest);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// The examples in the manual of R's `power.prop.test` (package stats): 0.50 against 0.75 has power 0.740 with 50 in
    /// each group, and power 0.90 with 76.7; 0.90 against 1 needs at least 74 for power 0.8.
    #[test]
    fn r_manual() {
        let at = |n: u64, power| minimum_detectable_increase(0.5, [n, n], 0.95, power).unwrap();
        assert!((at(50, 0.740) - 0.25).abs() < 2e-4, "{}", at(50, 0.740));
        assert!(at(76, 0.9) > 0.25 && at(77, 0.9) < 0.25);
        let to_one = |n: u64| minimum_detectable_increase(0.9, [n, n], 0.95, 0.8);
        assert!(to_one(73).is_none() && to_one(74).is_some());
    }

    /// Connor 1987, page 209, as worked at powerandsamplesize.com: 0.45 against 0.05 discordant, two-sided 5 %, power
    /// 0.8 need 23 pairs.
    #[test]
    fn connor_1987() {
        let at = |n| minimum_detectable_paired(0.5, n, 0.95, 0.8).unwrap();
        assert!(at(22) > 0.4 && at(23) < 0.4, "{} {}", at(22), at(23));
    }

    /// Law: in simulation, the effect found is shown about as often as asked.
    #[test]
    fn simulated_power() {
        let mut draws = Draws::new(3);
        let (p, n, rounds) = (0.3, [200u64, 120], 4000);
        let delta = minimum_detectable_increase(p, n, 0.95, 0.8).unwrap();
        let shown = (0..rounds)
            .filter(|_| {
                let mut count = |n: u64, p: f64| (0..n).filter(|_| draws.uniform() < p).count() as f64;
                let (x0, x1) = (count(n[0], p), count(n[1], p + delta));
                let [n0, n1] = n.map(|n| n as f64);
                let pooled = (x0 + x1) / (n0 + n1);
                let se = (pooled * (1.0 - pooled) * (1.0 / n0 + 1.0 / n1)).sqrt();
                x1 / n1 - x0 / n0 > 1.959964 * se
            })
            .count();
        let power = shown as f64 / f64::from(rounds);
        assert!((power - 0.8).abs() < 0.025, "{power}");
    }

    /// Laws: more items, less power asked or a lower level find smaller effects.
    #[test]
    fn monotone_and_undefined() {
        let of = |n, level, power| minimum_detectable_increase(0.2, [n, n], level, power).unwrap();
        assert!(of(400, 0.95, 0.8) < of(200, 0.95, 0.8));
        assert!(of(200, 0.9, 0.8) < of(200, 0.95, 0.8) && of(200, 0.95, 0.5) < of(200, 0.95, 0.8));
        assert!(minimum_detectable_paired(0.1, 5, 0.95, 0.8).is_none());
        for (p, n, level, power) in
            [(1.0, 9, 0.95, 0.8), (-0.1, 9, 0.95, 0.8), (0.5, 0, 0.95, 0.8), (0.5, 9, 1.0, 0.8), (0.5, 9, 0.95, 0.02)]
        {
            assert_eq!(minimum_detectable_increase(p, [n, n], level, power), None);
        }
        assert_eq!(minimum_detectable_increase(f64::NAN, [9, 9], 0.95, 0.8), None);
        assert_eq!(minimum_detectable_paired(f64::NAN, 9, 0.95, 0.8), None);
    }
}
