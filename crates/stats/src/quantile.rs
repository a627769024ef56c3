//! Quantiles of a sample.
//!
//! Hyndman and Fan 1996, definition 7: linear between order statistics, the default of R and numpy.

/// The `q` quantile, q in [0, 1]; `None` of nothing, of NaN, or for another q.
///
/// ```
/// use trimtab_stats::quantile;
/// let x = [40.0, 10.0, 20.0, 30.0];
/// assert_eq!(quantile(&x, 0.0), Some(10.0));
/// assert_eq!(quantile(&x, 0.5), Some(25.0));
/// assert_eq!(quantile(&x, 0.9), Some(37.0)); // 0.7 of the way from the third to the fourth
/// ```
#[must_use]
pub fn quantile(x: &[f64], q: f64) -> Option<f64> {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// The middle value; the mean of the two middle ones for an even count.
///
/// ```
/// assert_eq!(trimtab_stats::median(&[5.0, 1.0, 3.0]), Some(3.0));
/// ```
#[must_use]
pub fn median(x: &[f64]) -> Option<f64> {
    quantile(x, 0.5)
}

/// As [`quantile`], of values already in ascending order (by `total_cmp`, so a NaN stands at an end).
pub(crate) fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    if first.is_nan() || last.is_nan() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let at = q * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let (a, b) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    // Not a + part·(b − a) where they are equal: ∞ − ∞ is NaN.
    Some(if a == b || part == 0.0 { a } else { a + part * (b - a) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], q) by hand from its definition: position 7q in 1 1 2 3 4 5 6 9.
    #[test]
    fn positions_by_hand() {
        let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (q, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.5), (0.75, 5.25), (0.95, 7.95), (1.0, 9.0)] {
            assert!((quantile(&x, q).unwrap() - expected).abs() < 1e-12, "q {q}");
        }
    }

    /// Laws: monotone in q, within the range, and mirrored by negation.
    #[test]
    fn monotone_and_mirrored() {
        let x: [f64; 5] = [2.5, -1.0, 7.0, 0.0, 3.0];
        let negated = x.map(|v| -v);
        let values: Vec<f64> = (0..=20).map(|i| quantile(&x, f64::from(i) / 20.0).unwrap()).collect();
        assert!(values.windows(2).all(|w| w[0] <= w[1]));
        for i in 0..=20 {
            let q = f64::from(i) / 20.0;
            assert!((quantile(&x, q).unwrap() + quantile(&negated, 1.0 - q).unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn nothing_and_nan() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(median(&[1.0, -f64::NAN]), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
    }
}
