//! Best-of-n without sampling n again and again: what the gold reward of the answer that a proxy likes best would be.
//!
//! The estimator is of Nakano et al. 2021 (WebGPT), [arXiv:2112.09332](https://arxiv.org/abs/2112.09332), appendix I: the
//! mean over all C(N, n) subsets of N samples, in closed form. The KL is of Stiennon et al. 2020,
//! [arXiv:2009.01325](https://arxiv.org/abs/2009.01325), appendix G.3.
//!
//! 1. Ties of the proxy are broken at random, in expectation: answers of equal proxy share their weight evenly.
//! 2. Weights come from a recursion, not from binomial coefficients, which overflow.

/// The expected gold reward of the answer with the highest proxy among `n` drawn without replacement from these.
///
/// With the samples in rising order of proxy, i from 0: Σ C(i, n − 1)·gold₍ᵢ₎ / C(N, n). `None` for n = 0, for fewer
/// than n samples, for unlike lengths, or for values that are not finite.
///
/// ```
/// use trimtab_stats::best_of_n;
/// // Pairs of {a, b, c} by proxy: c wins two of three, b one.
/// let (proxy, gold) = ([1.0, 2.0, 3.0], [9.0, 3.0, 6.0]);
/// assert!((best_of_n(&proxy, &gold, 2).unwrap() - (2.0 * 6.0 + 3.0) / 3.0).abs() < 1e-12);
/// assert!((best_of_n(&proxy, &gold, 1).unwrap() - 6.0).abs() < 1e-12); // the mean
/// assert_eq!(best_of_n(&proxy, &gold, 4), None);
/// ```
#[must_use]
pub fn best_of_n(proxy: &[f64], gold: &[f64], n: usize) -> Option<f64> {
    let total = proxy.len();
    if n == 0 || total < n || gold.len() != total || !proxy.iter().chain(gold).all(|v| v.is_finite()) {
        return None;
    }
    let mut order: Vec<usize> = (0..total).collect();
    order.sort_by(|&a, &b| proxy[b].total_cmp(&proxy[a]));
    // The best of all wins whenever it is drawn, n/N; C(i − 1, n − 1)/C(i, n − 1) = (i − n + 1)/i.
    let (mut weight, mut sum, mut at) = (n as f64 / total as f64, 0.0, 0);
    while at < total && weight > 0.0 {
        let tied = order[at..].iter().take_while(|&&i| proxy[i] == proxy[order[at]]).count();
        let (mut gold_of_tied, mut weight_of_tied) = (0.0, 0.0);
        for place in at..at + tied {
            gold_of_tied += gold[order[place]];
            weight_of_tied += weight;
            let i = total - 1 - place;
            weight = if i < n { 0.0 } else { weight * (i + 1 - n) as f64 / i as f64 };
        }
        sum += weight_of_tied * gold_of_tied / tied as f64;
        at += tied;
    }
    Some(sum)
}

/// KL divergence of best-of-n from the policy that it samples, in nats: ln n − (n − 1)/n.
///
/// Exact where no two answers are alike to the proxy, and else an upper bound (Beirami et al. 2024,
/// [arXiv:2401.01879](https://arxiv.org/abs/2401.01879)). NaN for n = 0.
///
/// ```
/// assert_eq!(trimtab_stats::best_of_n_kl(1), 0.0);
/// assert!((trimtab_stats::best_of_n_kl(2) - (2f64.ln() - 0.5)).abs() < 1e-15);
/// ```
#[must_use]
pub fn best_of_n_kl(n: u64) -> f64 {
    let n = n as f64;
    n.ln() - (n - 1.0) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// The mean over all subsets, each with ties broken evenly, by brute force.
    fn by_enumeration(proxy: &[f64], gold: &[f64], n: u32) -> f64 {
        let (mut sum, mut subsets) = (0.0, 0.0);
        for subset in (0u32..1 << proxy.len()).filter(|s| s.count_ones() == n) {
            let members: Vec<usize> = (0..proxy.len()).filter(|i| subset >> i & 1 == 1).collect();
            let best = members.iter().map(|&i| proxy[i]).fold(f64::MIN, f64::max);
            let winners: Vec<f64> = members.iter().filter(|&&i| proxy[i] == best).map(|&i| gold[i]).collect();
            sum += winners.iter().sum::<f64>() / winners.len() as f64;
            subsets += 1.0;
        }
        sum / subsets
    }

    /// Law: it is the mean over all subsets, with and without ties.
    #[test]
    fn it_is_the_mean_over_all_subsets() {
        let mut draws = Draws::new(12);
        for ties in [false, true] {
            let proxy: Vec<f64> =
                (0..9).map(|_| if ties { (3.0 * draws.uniform()).floor() } else { draws.normal() }).collect();
            let gold: Vec<f64> = (0..9).map(|_| draws.normal()).collect();
            for n in 1..=9 {
                let (fast, slow) = (best_of_n(&proxy, &gold, n).unwrap(), by_enumeration(&proxy, &gold, n as u32));
                assert!((fast - slow).abs() < 1e-12, "n {n}, ties {ties}: {fast} {slow}");
            }
        }
    }

    /// Known values: with proxy = gold, uniform on 1…N, the best of n is n(N + 1)/(n + 1) (the German tank problem).
    #[test]
    fn the_maximum_of_uniform_draws() {
        let x: Vec<f64> = (1..=2000).map(f64::from).collect();
        for n in [1, 2, 16, 512, 2000] {
            let expected = n as f64 * 2001.0 / (n as f64 + 1.0);
            assert!((best_of_n(&x, &x, n).unwrap() / expected - 1.0).abs() < 1e-10, "n {n}");
        }
        // A proxy that says nothing leaves the mean.
        assert!((best_of_n(&vec![0.0; 2000], &x, 100).unwrap() - 1000.5).abs() < 1e-8);
    }

    /// Gao, Schulman and Hilton 2022 (arXiv:2210.10760) put n = 60,000 at a KL of about 10 nats.
    #[test]
    fn gao_2022() {
        assert!((best_of_n_kl(60_000) - 10.0).abs() < 0.01);
        assert!(best_of_n_kl(0).is_nan());
    }

    #[test]
    fn what_has_no_best() {
        assert_eq!(best_of_n(&[], &[], 1), None);
        assert_eq!(best_of_n(&[1.0], &[1.0], 0), None);
        assert_eq!(best_of_n(&[1.0], &[1.0, 2.0], 1), None);
        assert_eq!(best_of_n(&[f64::NAN, 1.0], &[1.0, 2.0], 1), None);
    }
}
