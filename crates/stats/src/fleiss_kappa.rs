//! Agreement of several people beyond chance, who need not be the same ones for each item.
//!
//! Fleiss 1971, *Measuring nominal scale agreement among many raters*,
//! [doi:10.1037/h0031619](https://doi.org/10.1037/h0031619):
//!
//! > κ = (P̄ − P̄ₑ)/(1 − P̄ₑ), P̄ₑ = Σ p(c)² over the classes c
//!
//! P̄ is the mean over items of the share of pairs of labels that agree, and p(c) the mean over items of the share of
//! labels of class c.
//!
//! 1. In the paper every item has the same number of labels. Here an item may have any number from 2. Each item weighs
//!    the same in P̄ and in p, however many labels it has; with equal numbers this is the paper's formula.
//! 2. Items with fewer than 2 labels have no pair and are left out of both; n counts the others.
//! 3. The interval is the percentile bootstrap over items, not the paper's standard error, which is for κ = 0.
//!    Who gave which label does not enter κ, so that people cannot be drawn: nominal α ([`crate::krippendorff_alpha()`]) can.
//! 4. Where all labels are one class, P̄ₑ is 1 and κ is 0/0.

use crate::{Bootstrap, Measured, bootstrap_statistic};

/// κ from the number of labels of each class for each item, `counts[item][class]`, at most 1; 0 is chance.
///
/// Undefined, with a reason, where no item has two labels, where items have unlike numbers of classes, and where all
/// labels are of one class.
///
/// ```
/// use trimtab_stats::{Bootstrap, fleiss_kappa};
/// // Pairs that agree: 1 and 1/3. Shares of class 0: 1 and 1/3, mean 2/3; chance (4 + 1)/9.
/// let kappa = fleiss_kappa(&[vec![3, 0], vec![1, 2]], &Bootstrap::default());
/// assert!((kappa.value.unwrap() - (2.0 / 3.0 - 5.0 / 9.0) / (4.0 / 9.0)).abs() < 1e-12); // 0.25
/// assert_eq!(fleiss_kappa(&[vec![3, 0], vec![2, 0]], &Bootstrap::default()).value, None);
/// ```
#[must_use]
pub fn fleiss_kappa(counts: &[Vec<u64>], how: &Bootstrap) -> Measured {
    let classes = counts.first().map_or(0, Vec::len);
    if let Some((item, odd)) = counts.iter().enumerate().find(|(_, c)| c.len() != classes) {
        let reason = format!("item {item} has counts for {} classes and item 0 for {classes}", odd.len());
        return Measured::undefined(0, reason);
    }
    // In f64, so that no sum of large counts wraps.
    let kept: Vec<(f64, Vec<f64>)> = counts
        .iter()
        .filter_map(|item| {
            let labels = item.iter().map(|&c| c as f64).sum::<f64>();
            let pairs = item.iter().map(|&c| c as f64 * (c as f64 - 1.0)).sum::<f64>();
            let shares = item.iter().map(|&c| c as f64 / labels).collect();
            (labels >= 2.0).then(|| (pairs / (labels * (labels - 1.0)), shares))
        })
        .collect();
    let n = kept.len() as u64;
    if kept.is_empty() {
        return Measured::undefined(0, format!("none of {} items has two labels", counts.len()));
    }
    let one_class = |drawn: &[usize]| (0..classes).any(|c| drawn.iter().all(|&i| kept[i].1[c] == 1.0));
    if one_class(&(0..kept.len()).collect::<Vec<_>>()) {
        return Measured::undefined(n, "all labels are of one class");
    }
    bootstrap_statistic(kept.len(), how, |drawn| {
        let items = drawn.len() as f64;
        let observed = drawn.iter().map(|&i| kept[i].0).sum::<f64>() / items;
        let share = |c: usize| drawn.iter().map(|&i| kept[i].1[c]).sum::<f64>() / items;
        let expected = (0..classes).map(|c| share(c).powi(2)).sum::<f64>();
        (!one_class(drawn)).then(|| (observed - expected) / (1.0 - expected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;
    use crate::cohen_kappa;

    const FAST: Bootstrap = Bootstrap { level: 0.95, resamples: 200, seed: 4 };

    fn value(counts: &[Vec<u64>]) -> f64 {
        fleiss_kappa(counts, &Bootstrap { resamples: 0, ..FAST }).value.unwrap()
    }

    /// Fleiss 1971, table 1: 30 patients, 6 psychiatrists each, 5 diagnoses; κ 0.430.
    #[test]
    fn fleiss_1971() {
        let table = "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 \
                     00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006";
        let digit = |d: char| u64::from(d.to_digit(10).unwrap());
        let counts: Vec<Vec<u64>> = table.split_whitespace().map(|row| row.chars().map(digit).collect()).collect();
        assert!(counts.len() == 30 && counts.iter().all(|row| row.iter().sum::<u64>() == 6));
        assert!((value(&counts) - 0.430).abs() < 5e-4, "{}", value(&counts));
    }

    /// Laws: perfect agreement is 1; classes may be renamed, items reordered, and items with one label added.
    #[test]
    fn laws() {
        let mut draws = Draws::new(23);
        let counts: Vec<Vec<u64>> = (0..40).map(|_| (0..4).map(|_| (4.0 * draws.uniform()) as u64).collect()).collect();
        let kappa = value(&counts);
        let mut renamed: Vec<Vec<u64>> = counts.iter().rev().map(|c| c.iter().rev().copied().collect()).collect();
        renamed.extend([vec![0, 1, 0, 0], vec![0; 4]]);
        assert!((value(&renamed) - kappa).abs() < 1e-12);
        assert_eq!(value(&[vec![3, 0], vec![0, 7], vec![2, 0]]), 1.0);
        assert_eq!(fleiss_kappa(&counts, &FAST), fleiss_kappa(&counts, &FAST));
    }

    /// Law: two people who use the classes equally often have Cohen's κ, since only then do both expect the same.
    #[test]
    fn two_people_with_equal_shares_have_cohens_kappa() {
        let pairs = [(0, 0), (0, 0), (1, 1), (2, 2), (0, 1), (1, 0), (1, 2), (2, 1)];
        let counts: Vec<Vec<u64>> =
            pairs.iter().map(|&(a, b)| (0..3).map(|c| u64::from(a == c) + u64::from(b == c)).collect()).collect();
        let cohen = cohen_kappa(&pairs, &FAST).value.unwrap();
        assert!((value(&counts) - cohen).abs() < 1e-12);
    }

    /// People who see the true class with chance q and otherwise guess evenly: κ = q², with 2 to 5 labels an item.
    #[test]
    fn planted_agreement_is_recovered() {
        let mut draws = Draws::new(24);
        let (q, rounds) = (0.6, 200);
        let mut inside = 0;
        for seed in 0..rounds {
            let counts: Vec<Vec<u64>> = (0..150)
                .map(|i| {
                    let mut item = vec![0; 3];
                    let truth = (3.0 * draws.uniform()) as usize;
                    for _ in 0..2 + i % 4 {
                        let guess = (3.0 * draws.uniform()) as usize;
                        item[if draws.uniform() < q { truth } else { guess }] += 1;
                    }
                    item
                })
                .collect();
            let how = Bootstrap { seed, ..FAST };
            inside += u32::from(fleiss_kappa(&counts, &how).interval.unwrap().contains(q * q));
        }
        let coverage = f64::from(inside) / rounds as f64;
        assert!((0.89..0.99).contains(&coverage), "{coverage}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        let reason = |counts: &[Vec<u64>]| fleiss_kappa(counts, &FAST).reason.unwrap();
        assert_eq!(reason(&[]), "none of 0 items has two labels");
        assert_eq!(reason(&[vec![1, 0], vec![], vec![0, 1]]), "item 1 has counts for 0 classes and item 0 for 2");
        assert_eq!(reason(&[vec![1, 0], vec![0, 0]]), "none of 2 items has two labels");
        assert_eq!(reason(&[vec![2, 0], vec![3, 0], vec![0, 1]]), "all labels are of one class");
        assert_eq!(reason(&[vec![2, 1]]), "one unit has no interval");
        assert!(fleiss_kappa(&[vec![u64::MAX, u64::MAX], vec![1, 1]], &FAST).value.unwrap().is_finite());
    }
}
