//! The percentile bootstrap, by item or by cluster.
//!
//! Efron 1979; Davison and Hinkley 1997, section 5.3 (percentile) and 3.8 (clusters). Resampling whole clusters keeps
//! what their items have in common: answers to one prompt, comparisons by one person.
//!
//! 1. Bounds are quantiles of the resampled statistic at (1 ± level)/2, definition 7.
//! 2. The estimate of clustered data is the mean over all items (large clusters weigh more), and n counts clusters.
//! 3. Below about ten clusters the interval is too narrow; the caller sees it by n. One cluster has no interval.
//! 4. Draws come from ChaCha8 seeded by the caller: equal calls give equal bits, on any number of threads.

use crate::{Interval, Measured, measured::bad_level, measured::not_finite, quantile::quantile_of_sorted};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Confidence level, in (0, 1).
    pub level: f64,
    /// Number of resamples.
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 95 %, 2,000 resamples, seed 0.
    fn default() -> Self {
        Self { level: 0.95, resamples: 2000, seed: 0 }
    }
}

/// What a measure of agreement between people draws anew: items, for other items and the same people, or people, for other
/// people and the same items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clusters {
    /// Items, with all that was said of them.
    Items,
    /// People, with all that they said. A person who is drawn twice is not compared with themselves, which would be agreement
    /// by construction: a pair of people counts as often as both together were drawn.
    People,
}

impl Clusters {
    /// A statistic of the weights (of each item, of each person), how often each was drawn; n counts what is drawn.
    pub(crate) fn resample(
        self,
        (items, people): (usize, usize),
        how: &Bootstrap,
        mut statistic: impl FnMut(&[f64], &[f64]) -> Option<f64>,
    ) -> Measured {
        let (mut of_items, mut of_people) = (vec![1.0; items], vec![1.0; people]);
        bootstrap_statistic(if self == Self::Items { items } else { people }, how, |drawn| {
            let weights = if self == Self::Items { &mut of_items } else { &mut of_people };
            weights.fill(0.0);
            for &i in drawn {
                weights[i] += 1.0;
            }
            statistic(&of_items, &of_people)
        })
    }
}

/// The mean over all items of all clusters, with an interval from resampling clusters. For independent items, give
/// each its own cluster.
///
/// ```
/// use trimtab_stats::{Bootstrap, bootstrap_mean};
/// let measured = bootstrap_mean(&[vec![1.0, 1.0, 1.0], vec![3.0]], &Bootstrap::default());
/// assert_eq!((measured.value, measured.n), (Some(1.5), 2)); // six over four items; two clusters
/// let interval = measured.interval.unwrap();
/// assert_eq!((interval.low, interval.high), (1.0, 3.0)); // a quarter of the resamples are twice the same cluster
/// ```
#[must_use]
pub fn bootstrap_mean(clusters: &[Vec<f64>], how: &Bootstrap) -> Measured {
    let occupied: Vec<&[f64]> = clusters.iter().map(Vec::as_slice).filter(|c| !c.is_empty()).collect();
    let holes: Vec<f64> = occupied.iter().flat_map(|c| c.iter().copied()).collect();
    if let Some(reason) = not_finite(&holes) {
        return Measured::undefined(occupied.len() as u64, reason);
    }
    // Sums and counts once, instead of every item in every resample.
    let totals: Vec<(f64, f64)> = occupied.iter().map(|c| (c.iter().sum(), c.len() as f64)).collect();
    bootstrap_statistic(totals.len(), how, |drawn| {
        let (sum, count) = drawn.iter().fold((0.0, 0.0), |(s, n), &i| (s + totals[i].0, n + totals[i].1));
        (count > 0.0).then(|| sum / count)
    })
}

/// Any statistic of `units` exchangeable units (items or clusters), which is given the indices drawn, with repeats.
/// The estimate is the statistic of 0, 1, …, units − 1.
///
/// A statistic may be undefined (`None` or not finite). If it is so on the data, so is the result; if it is so on more
/// than one resample in twenty, there is no interval, since leaving resamples out would make it look too sure.
#[must_use]
pub fn bootstrap_statistic(
    units: usize,
    how: &Bootstrap,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Measured {
    let n = units as u64;
    if !(how.level > 0.0 && how.level < 1.0) {
        return Measured::undefined(n, bad_level(how.level));
    }
    if units == 0 {
        return Measured::undefined(0, "no items");
    }
    let mut drawn: Vec<usize> = (0..units).collect();
    let Some(value) = statistic(&drawn).filter(|v| v.is_finite()) else {
        return Measured::undefined(n, "undefined on these items");
    };
    if units == 1 || how.resamples == 0 {
        let reason = if units == 1 { "one unit has no interval" } else { "no resamples were asked for" };
        return Measured::point(value, n, reason);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed);
    let mut values = Vec::new();
    for _ in 0..how.resamples {
        for slot in &mut drawn {
            *slot = below(&mut rng, n) as usize;
        }
        values.extend(statistic(&drawn).filter(|v| v.is_finite()));
    }
    let undefined = how.resamples as usize - values.len();
    if undefined * 20 > how.resamples as usize {
        return Measured::point(value, n, format!("undefined on {undefined} of {} resamples", how.resamples));
    }
    values.sort_by(f64::total_cmp);
    let tail = 0.5 - 0.5 * how.level;
    match (quantile_of_sorted(&values, tail), quantile_of_sorted(&values, 1.0 - tail)) {
        (Some(low), Some(high)) => Measured::new(value, Interval { low, high, level: how.level }, n),
        _ => Measured::point(value, n, "undefined on every resample"),
    }
}

/// Uniform in 0..n, n > 0, without bias (Lemire 2019).
pub(crate) fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    let unfair = n.wrapping_neg() % n;
    loop {
        let wide = u128::from(rng.next_u64()) * u128::from(n);
        if wide as u64 >= unfair {
            return (wide >> 64) as u64;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Draws for the coverage tests of this crate.
    pub(crate) struct Draws(ChaCha8Rng);

    impl Draws {
        pub(crate) fn new(seed: u64) -> Self {
            Self(ChaCha8Rng::seed_from_u64(seed))
        }

        pub(crate) fn uniform(&mut self) -> f64 {
            (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
        }

        pub(crate) fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.uniform()).cos()
        }
    }

    /// One cluster per item.
    fn singletons(x: &[f64]) -> Vec<Vec<f64>> {
        x.iter().map(|&v| vec![v]).collect()
    }

    /// Two items: the resample means are 0, ½ and 1 with chances ¼, ½, ¼, so the 80 % bounds are 0 and 1 and the 40 %
    /// bounds both ½.
    #[test]
    fn two_items_by_hand() {
        let at = |level| {
            let how = Bootstrap { level, resamples: 10_000, seed: 1 };
            bootstrap_mean(&singletons(&[0.0, 1.0]), &how).interval.unwrap()
        };
        assert_eq!((at(0.8).low, at(0.8).high), (0.0, 1.0));
        assert_eq!((at(0.4).low, at(0.4).high), (0.5, 0.5));
    }

    /// Law: equal calls are equal, another seed is another interval around the same value.
    #[test]
    fn seeded() {
        let x = singletons(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        let with = |seed| bootstrap_mean(&x, &Bootstrap { seed, ..Bootstrap::default() });
        assert_eq!(with(1), with(1));
        assert_ne!(with(1).interval, with(2).interval);
        assert_eq!(with(1).value, with(2).value);
    }

    /// Coverage of a planted mean with 40 independent skewed items.
    #[test]
    fn covers_a_planted_mean() {
        let mut draws = Draws::new(5);
        let rounds = 600;
        let inside = (0..rounds)
            .filter(|&round| {
                let x: Vec<f64> = (0..40).map(|_| -(1.0 - draws.uniform()).ln()).collect();
                let how = Bootstrap { level: 0.95, resamples: 400, seed: round };
                bootstrap_mean(&singletons(&x), &how).interval.unwrap().contains(1.0)
            })
            .count();
        // Percentile intervals of an exponential mean at n = 40 cover about 93 %.
        let coverage = inside as f64 / rounds as f64;
        assert!((0.90..0.97).contains(&coverage), "{coverage}");
    }

    /// Coverage with clusters: items that share a cluster effect. By cluster it holds; by item it is far too narrow.
    #[test]
    fn clusters_are_resampled_whole() {
        let mut draws = Draws::new(6);
        let (rounds, mut by_cluster, mut by_item) = (400, 0, 0);
        for round in 0..rounds {
            let clusters: Vec<Vec<f64>> = (0..40)
                .map(|_| {
                    let shared = draws.normal();
                    (0..6).map(|_| shared + 0.5 * draws.normal()).collect()
                })
                .collect();
            let how = Bootstrap { level: 0.95, resamples: 300, seed: round };
            let covers = |c: &[Vec<f64>]| u32::from(bootstrap_mean(c, &how).interval.unwrap().contains(0.0));
            by_cluster += covers(&clusters);
            by_item += covers(&singletons(&clusters.concat()));
        }
        let share = |x: u32| f64::from(x) / rounds as f64;
        assert!((0.90..0.98).contains(&share(by_cluster)), "{}", share(by_cluster));
        assert!(share(by_item) < 0.75, "{}", share(by_item));
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let how = Bootstrap::default();
        assert_eq!(bootstrap_mean(&[], &how).reason.as_deref(), Some("no items"));
        assert_eq!(bootstrap_mean(&[vec![], vec![]], &how).reason.as_deref(), Some("no items"));
        assert_eq!(bootstrap_mean(&[vec![1.0, f64::NAN]], &how).value, None);
        let one = bootstrap_mean(&[vec![1.0, 2.0]], &how);
        assert_eq!((one.value, one.interval, one.n), (Some(1.5), None, 1));
        assert_eq!(bootstrap_mean(&singletons(&[1.0, 2.0]), &Bootstrap { level: 1.0, ..how }).value, None);
        assert_eq!(bootstrap_mean(&singletons(&[1.0, 2.0]), &Bootstrap { resamples: 0, ..how }).interval, None);
        // Defined only where both units were drawn: half of the resamples.
        let shaky = bootstrap_statistic(2, &how, |drawn| (drawn[0] != drawn[1]).then_some(1.0));
        assert!(shaky.interval.is_none() && shaky.reason.is_some_and(|r| r.starts_with("undefined on ")));
        assert_eq!(bootstrap_statistic(2, &how, |_| None).value, None);
    }
}
