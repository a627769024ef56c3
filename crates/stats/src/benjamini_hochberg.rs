//! Many tests at once: p-values adjusted for the false discovery rate.
//!
//! Benjamini and Hochberg 1995, *Controlling the false discovery rate*, J. R. Statist. Soc. B 57, 289–300. Rejecting
//! every adjusted p ≤ q keeps the expected share of false rejections among all at q, for independent tests and for
//! positively dependent ones (Benjamini and Yekutieli 2001).

/// The adjusted p-values, in the order given: min over j ≥ rank of m·p₍ⱼ₎/j, at most 1.
///
/// `None` if a p-value is not in [0, 1]. A test that could not be made must be left out by the caller, and counted.
///
/// ```
/// use trimtab_stats::benjamini_hochberg;
/// // Three tests: 3·0.01/1, and then 3·0.04/3 is below 3·0.03/2.
/// let adjusted = benjamini_hochberg(&[0.04, 0.01, 0.03]).unwrap();
/// for (got, expected) in adjusted.iter().zip([0.04, 0.03, 0.04]) {
///     assert!((got - expected).abs() < 1e-12);
/// }
/// ```
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Option<Vec<f64>> {
    if !p.iter().all(|p| (0.0..=1.0).contains(p)) {
        return None;
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (below, &i) in order.iter().enumerate().rev() {
        // The quotient first: it is at least 1, so that rounding never takes a p below itself.
        least = least.min(p[i] * (p.len() as f64 / (below + 1) as f64));
        adjusted[i] = least;
    }
    Some(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;
    use crate::special::normal_cdf;

    /// The fifteen p-values of the paper's section 4.1 (thrombolysis for myocardial infarction): four rejections at q =
    /// 0.05, where Bonferroni's procedure makes three.
    #[test]
    fn benjamini_and_hochberg_1995() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let adjusted = benjamini_hochberg(&p).unwrap();
        assert_eq!(adjusted.iter().filter(|&&a| a <= 0.05).count(), 4);
        assert_eq!(p.iter().filter(|&&p| p <= 0.05 / 15.0).count(), 3);
        // 15·0.0095/4; the sixth takes the seventh's 15·0.0298/7.
        assert!((adjusted[3] - 0.035625).abs() < 1e-12 && (adjusted[5] - 0.447 / 7.0).abs() < 1e-12);
    }

    /// Law: rejecting adjusted p ≤ q is the step-up rule of the paper; order in, order out; never below p.
    #[test]
    fn it_is_the_step_up_rule() {
        let mut draws = Draws::new(1);
        for m in [1, 2, 7, 40] {
            let p: Vec<f64> = (0..m).map(|_| draws.uniform().powi(3)).collect();
            let adjusted = benjamini_hochberg(&p).unwrap();
            let mut sorted = p.clone();
            sorted.sort_by(f64::total_cmp);
            for q in [0.01, 0.05, 0.2, 0.7] {
                let last = (1..=m).rev().find(|&k| sorted[k - 1] <= q * k as f64 / m as f64);
                let threshold = last.map_or(-1.0, |k| sorted[k - 1]);
                for i in 0..m {
                    assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                    assert_eq!(adjusted[i] <= q, p[i] <= threshold, "m {m}, q {q}");
                }
            }
        }
    }

    /// The rate it promises: with 60 true nulls of 100, 0.6·q of the rejections are false.
    #[test]
    fn false_discovery_rate_is_kept() {
        let mut draws = Draws::new(2);
        let (mut total, rounds) = (0.0, 400);
        for _ in 0..rounds {
            let p: Vec<f64> = (0..100).map(|i| normal_cdf(draws.normal() - if i < 60 { 0.0 } else { 2.5 })).collect();
            let adjusted = benjamini_hochberg(&p).unwrap();
            let rejected = |range: std::ops::Range<usize>| range.filter(|&i| adjusted[i] <= 0.1).count() as f64;
            total += rejected(0..60) / rejected(0..100).max(1.0);
        }
        let rate = total / f64::from(rounds);
        assert!((rate - 0.06).abs() < 0.01, "{rate}");
    }

    #[test]
    fn what_is_no_probability() {
        assert_eq!(benjamini_hochberg(&[]), Some(vec![]));
        assert_eq!(benjamini_hochberg(&[0.5, 1.5]), None);
        assert_eq!(benjamini_hochberg(&[f64::NAN]), None);
    }
}
