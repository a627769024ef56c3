//! How alike rankings are.
//!
//! Kendall 1938, [doi:10.1093/biomet/30.1-2.81](https://doi.org/10.1093/biomet/30.1-2.81); with ties Kendall 1945,
//! [doi:10.1093/biomet/33.3.239](https://doi.org/10.1093/biomet/33.3.239). Of the n pairs of things, C stand in the
//! same order in both rankings, D in opposite ones, and T₁ and T₂ are tied in the first and in the second:
//!
//! > τ_b = (C − D)/√((n − T₁)(n − T₂))
//!
//! For m people, Kendall and Babington Smith 1939,
//! [doi:10.1214/aoms/1177732186](https://doi.org/10.1214/aoms/1177732186), with R the sums of mid-ranks of k things and
//! t the sizes of the ties:
//!
//! > W = 12·Σ (R − R̄)²/(m²·(k³ − k) − m·Σ (t³ − t))
//!
//! 1. A pair that both rankings tie counts in T₁ and in T₂, as in the 1945 paper: it is not agreement.
//! 2. τ and pair agreement of people are means over pairs of people within an item. An item with more people has more
//!    pairs and weighs more. The intervals draw items anew, since pairs within one share people and answers, or people.
//!    W over several items is the mean of each item's W. Where people are drawn, S = Σ (R − R̄)² is m·(m − 1) times the mean
//!    over pairs of unlike people of the covariance of their ranks, and m times that of each with themselves, m the number
//!    of people that the item has: copies of one person would agree by construction.
//! 3. Only answers that both people of a pair have ranked are compared. Nothing is assumed of the others.
//! 4. Pairs are counted one by one, in time that grows with the square of the number of things: for rankings of a few.

use crate::{Bootstrap, Clusters, Measured};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What one person, by number, says of one item's answers: ranks from 1 for the best, equal for ties, `None` where they have
/// not ranked an answer. A shorter list has not ranked the rest.
pub type RanksOf = (usize, Vec<Option<u32>>);

/// Kendall's τ_b of two lists of scores of the same things, from −1 (reversed) to 1 (the same order).
///
/// `None` where one list ties everything (it has no order to compare), where there are fewer than two things, unlike
/// lengths, or values that are not finite.
///
/// ```
/// use trimtab_stats::tau_b;
/// assert_eq!(tau_b(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), Some(1.0 / 3.0)); // two pairs agree, one does not
/// // 1, 2, 2 against 1, 2, 3: two of three pairs agree, one is tied: 2/√(2·3).
/// assert!((tau_b(&[1.0, 2.0, 2.0], &[1.0, 2.0, 3.0]).unwrap() - 2.0 / 6f64.sqrt()).abs() < 1e-12);
/// assert_eq!(tau_b(&[1.0, 1.0], &[1.0, 2.0]), None);
/// ```
#[must_use]
pub fn tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || !x.iter().chain(y).all(|v| v.is_finite()) {
        return None;
    }
    let (mut excess, mut untied_x, mut untied_y) = (0i64, 0u64, 0u64);
    for i in 0..x.len() {
        for j in 0..i {
            let (a, b) = (order(x[i], x[j]), order(y[i], y[j]));
            excess += a * b;
            untied_x += a.unsigned_abs();
            untied_y += b.unsigned_abs();
        }
    }
    let product = untied_x as f64 * untied_y as f64;
    (product > 0.0).then(|| excess as f64 / product.sqrt())
}

/// −1, 0 or 1 as a is below, equal to or above b.
fn order(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

/// Kendall's W of people × things: each person's ranks or scores, all in the same direction. 1 if all have the same
/// order, 0 if the mean ranks of the things do not differ.
///
/// Each row is turned into mid-ranks first. `None` for fewer than two people or things, rows of unlike lengths, values
/// that are not finite, and where every person ties everything.
///
/// ```
/// use trimtab_stats::kendall_w;
/// // Rank sums 2, 5, 5 about 4: squares 4 + 1 + 1; 12·6/(4·24).
/// let w = kendall_w(&[vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 2.0]]);
/// assert!((w.unwrap() - 0.75).abs() < 1e-12);
/// assert_eq!(kendall_w(&[vec![1.0, 2.0, 3.0]]), None);
/// ```
#[must_use]
pub fn kendall_w(people: &[Vec<f64>]) -> Option<f64> {
    let things = people.first()?.len();
    let fits = |row: &Vec<f64>| row.len() == things && row.iter().all(|v| v.is_finite());
    if people.len() < 2 || things < 2 || !people.iter().all(fits) {
        return None;
    }
    let (m, k) = (people.len() as f64, things as f64);
    let (mut sums, mut ties) = (vec![0.0; things], 0.0);
    for row in people {
        let (ranks, tied) = mid_ranks(row);
        sums.iter_mut().zip(ranks).for_each(|(sum, rank)| *sum += rank);
        ties += tied;
    }
    let mean = 0.5 * m * (k + 1.0);
    let spread = sums.iter().map(|r| (r - mean).powi(2)).sum::<f64>();
    let most = m * m * (k * k * k - k) - m * ties;
    (most > 0.0).then(|| 12.0 * spread / most)
}

/// The mid-ranks of a row, and the sum of t³ − t over its ties.
fn mid_ranks(row: &[f64]) -> (Vec<f64>, f64) {
    let mut sorted = row.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut ties = 0.0;
    let mid = |v: &f64| {
        let below = sorted.partition_point(|w| w < v) as f64;
        let tied = sorted.partition_point(|w| w <= v) as f64 - below;
        ties += tied * tied - 1.0; // over the t things of a tie: t³ − t
        below + 0.5 * (tied + 1.0)
    };
    (row.iter().map(mid).collect(), ties)
}

/// The mean τ_b over pairs of people who ranked the same item. n counts items with such a pair, or people in one.
///
/// A pair of people with fewer than two answers in common, or of whom one ties all of those, has no τ and is left out.
/// Undefined, with a reason, where no pair is left.
///
/// ```
/// use trimtab_stats::{Bootstrap, Clusters, mean_tau};
/// let ranks = |person, r: [u32; 3]| (person, r.map(Some).to_vec());
/// // Three pairs of people: the same order, and twice one pair of answers of three reversed.
/// let item = vec![ranks(0, [1, 2, 3]), ranks(1, [1, 2, 3]), ranks(2, [1, 3, 2])];
/// let tau = mean_tau(&[item], Clusters::Items, &Bootstrap::default());
/// assert!((tau.value.unwrap() - (1.0 + 1.0 / 3.0 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn mean_tau(items: &[Vec<RanksOf>], clusters: Clusters, how: &Bootstrap) -> Measured {
    over_pairs_of_people(items, clusters, how, |common, taus| {
        let (x, y): (Vec<f64>, Vec<f64>) = common.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
        taus.extend(tau_b(&x, &y));
    })
}

/// Of the pairs of answers that two people have both put in a strict order, the share on which they agree, over all
/// pairs of people of all items. 1 is full agreement, ½ is chance. n is that of [`mean_tau`].
///
/// Pairs of answers that either person ties are left out. Undefined, with a reason, where none is left.
///
/// ```
/// use trimtab_stats::{Bootstrap, Clusters, pair_agreement};
/// let ranks = |person, r: [u32; 3]| (person, r.map(Some).to_vec());
/// let agreement = |a, b| pair_agreement(&[vec![ranks(0, a), ranks(1, b)]], Clusters::Items, &Bootstrap::default()).value;
/// // Three pairs of answers; the second person ties the last two, and has the first against the third reversed.
/// assert!((agreement([1, 2, 3], [2, 3, 1]).unwrap() - 1.0 / 3.0).abs() < 1e-12); // only 0 before 1
/// assert_eq!(agreement([1, 2, 3], [1, 2, 2]), Some(1.0)); // the tied pair is left out
/// ```
#[must_use]
pub fn pair_agreement(items: &[Vec<RanksOf>], clusters: Clusters, how: &Bootstrap) -> Measured {
    over_pairs_of_people(items, clusters, how, |common, agreed| {
        for (i, (a, b)) in common.iter().enumerate() {
            for (c, d) in &common[..i] {
                let orders = (a.cmp(c), b.cmp(d));
                if orders.0 != Ordering::Equal && orders.1 != Ordering::Equal {
                    agreed.push(f64::from(orders.0 == orders.1));
                }
            }
        }
    })
}

/// Numbers from 0 for those in `people`, in their order.
fn numbers(people: impl Iterator<Item = usize>) -> BTreeMap<usize, usize> {
    let named: BTreeSet<usize> = people.collect();
    named.into_iter().enumerate().map(|(number, person)| (person, number)).collect()
}

/// The mean of what `add` finds in the ranks (first person's, second person's) of the answers that two people have both
/// ranked, over all pairs of unlike people.
fn over_pairs_of_people(
    items: &[Vec<RanksOf>],
    clusters: Clusters,
    how: &Bootstrap,
    add: impl Fn(&[(u32, u32)], &mut Vec<f64>),
) -> Measured {
    /// Of two people on an item: their numbers, and sum and number of what was found.
    struct Pair {
        item: usize,
        people: [usize; 2],
        sum: f64,
        count: f64,
    }
    let (mut pairs, mut kept, mut found) = (Vec::new(), 0, Vec::new());
    for of_item in items {
        let before = pairs.len();
        for (i, (a, first)) in of_item.iter().enumerate() {
            for (b, second) in of_item[..i].iter().filter(|(b, _)| a != b) {
                let common: Vec<(u32, u32)> = first.iter().zip(second).filter_map(|(a, b)| a.zip(*b)).collect();
                found.clear();
                add(&common, &mut found);
                if !found.is_empty() {
                    let (sum, count) = (found.iter().sum(), found.len() as f64);
                    pairs.push(Pair { item: kept, people: [*a, *b], sum, count });
                }
            }
        }
        kept += usize::from(pairs.len() > before);
    }
    if pairs.is_empty() {
        let reason = format!("in none of {} items have two people put the same two answers in an order", items.len());
        return Measured::undefined(0, reason);
    }
    let number = numbers(pairs.iter().flat_map(|pair| pair.people));
    for pair in &mut pairs {
        pair.people = pair.people.map(|person| number[&person]);
    }
    clusters.resample((kept, number.len()), how, |of_items, of_people| {
        let (mut sum, mut count) = (0.0, 0.0);
        for pair in &pairs {
            let weight = of_items[pair.item] * of_people[pair.people[0]] * of_people[pair.people[1]];
            sum += weight * pair.sum;
            count += weight * pair.count;
        }
        (count > 0.0).then(|| sum / count)
    })
}

/// The mean of Kendall's W over items, each ranked whole by at least two people: `items[item]` holds (person, ranks or scores).
/// n counts those items, or the people who ranked them.
///
/// Items that [`kendall_w`] refuses are left out. Undefined, with a reason, where none is left, and where somebody has two
/// rows for an item.
///
/// ```
/// use trimtab_stats::{Bootstrap, Clusters, mean_w};
/// // W is 0.75 in the first (see `kendall_w`) and 1 in the second.
/// let first = vec![(0, vec![1.0, 2.0, 3.0]), (1, vec![1.0, 3.0, 2.0])];
/// let second = vec![(0, vec![2.0, 1.0]), (2, vec![2.0, 1.0])];
/// let w = mean_w(&[first, second], Clusters::Items, &Bootstrap::default());
/// assert!((w.value.unwrap() - 0.875).abs() < 1e-12);
/// ```
#[must_use]
pub fn mean_w(items: &[Vec<(usize, Vec<f64>)>], clusters: Clusters, how: &Bootstrap) -> Measured {
    /// One item: people, covariances of their mid-ranks times the number of things, (t³ − t) of each, and k³ − k.
    struct Item {
        people: Vec<usize>,
        covariance: Vec<f64>,
        ties: Vec<f64>,
        most: f64,
    }
    let mut kept = Vec::new();
    for (place, of_item) in items.iter().enumerate() {
        let mut seen = BTreeSet::new();
        if let Some((person, _)) = of_item.iter().find(|(person, _)| !seen.insert(*person)) {
            return Measured::undefined(items.len() as u64, format!("person {person} has two rows for item {place}"));
        }
        let rows: Vec<Vec<f64>> = of_item.iter().map(|(_, row)| row.clone()).collect();
        if kendall_w(&rows).is_none() {
            continue;
        }
        let (ranks, ties): (Vec<Vec<f64>>, Vec<f64>) = rows.iter().map(|row| mid_ranks(row)).unzip();
        let k = rows[0].len() as f64;
        let centred = |row: &[f64], j: usize| row[j] - 0.5 * (k + 1.0);
        let products = |a: &Vec<f64>, b: &Vec<f64>| (0..rows[0].len()).map(|j| centred(a, j) * centred(b, j)).sum();
        let covariance = ranks.iter().flat_map(|a| ranks.iter().map(move |b| products(a, b))).collect();
        let people = of_item.iter().map(|(person, _)| *person).collect();
        kept.push(Item { people, covariance, ties, most: k * k * k - k });
    }
    if kept.is_empty() {
        return Measured::undefined(0, format!("none of {} items is ranked whole by two people", items.len()));
    }
    let number = numbers(kept.iter().flat_map(|item| item.people.iter().copied()));
    clusters.resample((kept.len(), number.len()), how, |of_items, of_people| {
        let (mut sum, mut count) = (0.0, 0.0);
        for (item, weight) in kept.iter().zip(of_items) {
            let m = item.people.len();
            let w: Vec<f64> = item.people.iter().map(|person| of_people[number[person]]).collect();
            let total = w.iter().sum::<f64>();
            let pairs = total * total - w.iter().map(|w| w * w).sum::<f64>();
            if pairs <= 0.0 || *weight == 0.0 {
                continue;
            }
            let (mut unlike, mut own) = (0.0, 0.0);
            for a in 0..m {
                own += w[a] * item.covariance[a * m + a];
                for b in (0..m).filter(|b| *b != a) {
                    unlike += w[a] * w[b] * item.covariance[a * m + b];
                }
            }
            let people = m as f64;
            let spread = people * (people - 1.0) * unlike / pairs + people * own / total;
            let ties = people * w.iter().zip(&item.ties).map(|(w, t)| w * t).sum::<f64>() / total;
            let most = people * people * item.most - people * ties;
            if most > 0.0 {
                sum += weight * 12.0 * spread / most;
                count += weight;
            }
        }
        (count > 0.0).then(|| sum / count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    const FAST: Bootstrap = Bootstrap { level: 0.95, resamples: 200, seed: 6 };

    /// The example of `scipy.stats.kendalltau`: −0.47140452, that is −√2/3.
    #[test]
    fn scipy_kendalltau() {
        let tau = tau_b(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]).unwrap();
        assert!((tau + 2f64.sqrt() / 3.0).abs() < 1e-12);
    }

    /// Siegel 1956, *Nonparametric Statistics*, chapter 9: three executives rank six applicants, W = 0.16.
    #[test]
    fn siegel_1956() {
        let ranks = [[1.0, 6.0, 3.0, 2.0, 5.0, 4.0], [1.0, 5.0, 6.0, 4.0, 2.0, 3.0], [6.0, 3.0, 2.0, 5.0, 4.0, 1.0]];
        let w = kendall_w(&ranks.map(|r| r.to_vec())).unwrap();
        assert!((w - 0.16).abs() < 5e-3, "{w}");
    }

    /// Law: with two people and no ties W is (1 + ρ)/2 of Spearman's ρ; in general (1 + (m − 1)·mean ρ)/m.
    #[test]
    fn w_is_the_mean_spearman() {
        let mut draws = Draws::new(27);
        let k = 7usize;
        let rows: Vec<Vec<f64>> = (0..5)
            .map(|_| {
                let x: Vec<f64> = (0..k).map(|_| draws.normal()).collect();
                x.iter().map(|v| x.iter().filter(|w| *w <= v).count() as f64).collect()
            })
            .collect();
        let rho = |a: &[f64], b: &[f64]| {
            let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            1.0 - 6.0 * squares / (k.pow(3) - k) as f64
        };
        let pairs: Vec<f64> =
            (0..5).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| rho(&rows[i], &rows[j])).collect();
        let mean = pairs.iter().sum::<f64>() / 10.0;
        assert!((kendall_w(&rows).unwrap() - (1.0 + 4.0 * mean) / 5.0).abs() < 1e-12);
    }

    /// Laws: symmetric, odd under reversal, blind to the order of things, people and to rising functions; 1 for
    /// agreement, ties included.
    #[test]
    fn laws() {
        let mut draws = Draws::new(28);
        let mut row = || -> Vec<f64> { (0..12).map(|_| (5.0 * draws.uniform()).floor()).collect() };
        let (x, y, z) = (row(), row(), row());
        let map = |x: &[f64], f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(v)).collect::<Vec<f64>>();
        let back = |x: &[f64]| x.iter().rev().copied().collect::<Vec<f64>>();
        let tau = tau_b(&x, &y).unwrap();
        assert_eq!(tau_b(&y, &x), Some(tau));
        assert_eq!(tau_b(&back(&map(&x, &f64::exp)), &back(&y)), Some(tau));
        assert_eq!(tau_b(&map(&x, &|v| -v), &y), Some(-tau));
        assert_eq!((tau_b(&x, &x), tau_b(&x, &map(&x, &|v| -v))), (Some(1.0), Some(-1.0)));
        let w = kendall_w(&[x.clone(), y.clone(), z.clone()]).unwrap();
        let turned = kendall_w(&[z, x.clone(), y].map(|r| back(&map(&r, &|v| -3.0 * v))));
        assert!((turned.unwrap() - w).abs() < 1e-12 && w > 0.0 && w < 1.0);
        assert!((kendall_w(&vec![x; 4]).unwrap() - 1.0).abs() < 1e-12);
    }

    /// Planted: two people who each reverse a shared order of two answers with chance p agree with chance p² + (1 −
    /// p)², and their mean τ is twice that less 1.
    #[test]
    fn planted_agreement_is_recovered() {
        let mut draws = Draws::new(29);
        let (p, rounds) = (0.2, 200);
        let planted: f64 = p * p + (1.0 - p) * (1.0 - p);
        let (mut shares, mut taus) = (0, 0);
        for seed in 0..rounds {
            let items: Vec<Vec<RanksOf>> = (0..150)
                .map(|_| {
                    let mut person =
                        || if draws.uniform() < p { vec![Some(2), Some(1)] } else { vec![Some(1), Some(2)] };
                    vec![(0, person()), (1, person()), (2, person())]
                })
                .collect();
            let how = Bootstrap { seed, ..FAST };
            shares += u32::from(pair_agreement(&items, Clusters::Items, &how).interval.unwrap().contains(planted));
            taus += u32::from(mean_tau(&items, Clusters::Items, &how).interval.unwrap().contains(2.0 * planted - 1.0));
        }
        for inside in [shares, taus] {
            let coverage = f64::from(inside) / rounds as f64;
            assert!((0.89..0.99).contains(&coverage), "{coverage}");
        }
    }

    /// Answers that one person has not ranked, ties, and lists that end early are left out by pair, not by item.
    #[test]
    fn gaps_are_left_out() {
        let item = vec![
            (0, vec![Some(1), Some(2), None, Some(3)]),
            (1, vec![Some(2), Some(1), Some(3)]),
            (2, vec![None, None, Some(1), None]),
            (3, vec![Some(4), Some(4), Some(4), Some(9)]),
        ];
        // First and second: answers 0 and 1, opposite. First and fourth: 0, 1, 3 with one tie, two pairs agree.
        let tau = mean_tau(&[item.clone(), vec![]], Clusters::Items, &FAST);
        assert!((tau.value.unwrap() - (1.0 / 6f64.sqrt() - 0.5)).abs() < 1e-12);
        let share = pair_agreement(&[item, vec![]], Clusters::Items, &FAST);
        assert!((share.value.unwrap() - 2.0 / 3.0).abs() < 1e-12 && share.n == 1);
        let one = vec![(0, vec![Some(1)]), (1, vec![Some(1)]), (2, vec![Some(1)])];
        let twice = vec![(0, vec![Some(1), Some(2)]), (0, vec![Some(1), Some(2)])];
        let tau = |items: &[Vec<RanksOf>]| mean_tau(items, Clusters::Items, &FAST);
        for none in [tau(&[one, vec![]]), tau(&[twice]), pair_agreement(&[], Clusters::People, &FAST)] {
            assert!(none.value.is_none() && none.reason.unwrap().starts_with("in none of "));
        }
    }

    /// People differ in how often they reverse a pair, and few of them rank many items: over people the interval covers what a
    /// fresh crowd would agree on, over items it is far too narrow for that.
    #[test]
    fn people_are_drawn_with_all_that_they_said() {
        let mut draws = Draws::new(30);
        // A person follows the shared order with chance ½ or 1: two of them agree with chance ¾² + ¼² in the mean.
        let (rounds, planted) = (150, 0.625);
        let (mut by_person, mut by_item) = (0, 0);
        for seed in 0..rounds {
            let right: Vec<f64> = (0..16).map(|_| if draws.uniform() < 0.5 { 0.5 } else { 1.0 }).collect();
            let item = |draws: &mut Draws| -> Vec<RanksOf> {
                let first = (16.0 * draws.uniform()) as usize;
                let people = (0..4).map(|i| (first + 5 * i) % 16);
                let said = |draws: &mut Draws, p: usize| {
                    let ranks = if draws.uniform() < right[p] { [1, 2] } else { [2, 1] };
                    (p, ranks.map(Some).to_vec())
                };
                people.map(|p| said(draws, p)).collect()
            };
            let items: Vec<Vec<RanksOf>> = (0..300).map(|_| item(&mut draws)).collect();
            let how = Bootstrap { seed, ..FAST };
            let covers = |clusters| pair_agreement(&items, clusters, &how).interval.unwrap().contains(planted);
            by_person += u32::from(covers(Clusters::People));
            by_item += u32::from(covers(Clusters::Items));
        }
        let share = |x: u32| f64::from(x) / rounds as f64;
        assert!((0.87..1.0).contains(&share(by_person)), "{}", share(by_person));
        assert!(share(by_item) < 0.7, "{}", share(by_item));
    }

    /// Laws of the mean W: of one item it is that item's W, ties included, whatever is drawn; everybody alike is 1 in every
    /// resample; and over people its interval holds W, whose copies would else push it up.
    #[test]
    fn mean_w_of_items() {
        let mut draws = Draws::new(31);
        let mut row = |shared: &[f64]| shared.iter().map(|v| (v + 2.0 * draws.normal()).round()).collect::<Vec<f64>>();
        let shared = [1.0, 2.0, 3.0, 4.0, 5.0];
        let rows: Vec<(usize, Vec<f64>)> = (0..12).map(|p| (p, row(&shared))).collect();
        let alone: Vec<Vec<f64>> = rows.iter().map(|r| r.1.clone()).collect();
        for clusters in [Clusters::Items, Clusters::People] {
            let w = mean_w(std::slice::from_ref(&rows), clusters, &FAST);
            assert!((w.value.unwrap() - kendall_w(&alone).unwrap()).abs() < 1e-12);
            let same = vec![
                (0, vec![1.0, 1.0, 2.0]),
                (1, vec![1.0, 1.0, 2.0]),
                (2, vec![1.0, 1.0, 2.0]),
                (3, vec![1.0, 1.0, 2.0]),
            ];
            let all = mean_w(&[same.clone(), same], clusters, &FAST).interval.unwrap();
            assert!((all.low - 1.0).abs() < 1e-12 && (all.high - 1.0).abs() < 1e-12);
        }
        let interval = mean_w(std::slice::from_ref(&rows), Clusters::People, &FAST).interval.unwrap();
        assert!(interval.contains(kendall_w(&alone).unwrap()), "{interval:?}");
        let reason = |items: &[Vec<(usize, Vec<f64>)>]| mean_w(items, Clusters::People, &FAST).reason.unwrap();
        assert_eq!(reason(&[vec![(0, vec![1.0, 2.0])]]), "none of 1 items is ranked whole by two people");
        assert_eq!(reason(&[vec![(3, vec![1.0, 2.0]), (3, vec![1.0, 2.0])]]), "person 3 has two rows for item 0");
    }

    #[test]
    fn what_is_undefined_is_none() {
        for (x, y) in [(&[][..], &[][..]), (&[1.0], &[1.0]), (&[1.0, 2.0], &[1.0]), (&[1.0, f64::NAN], &[1.0, 2.0])] {
            assert_eq!(tau_b(x, y), None);
        }
        let tied = || vec![2.0, 2.0];
        for rows in [vec![], vec![vec![]; 2], vec![tied(); 3], vec![tied(), vec![1.0]], vec![vec![1.0, f64::NAN]; 2]] {
            assert_eq!(kendall_w(&rows), None);
        }
        // One person with an order is enough: rank sums 2.5 and 3.5 about 3, 12·0.5/(4·6 − 2·6).
        assert_eq!(kendall_w(&[tied(), vec![1.0, 2.0]]), Some(0.5));
    }
}
