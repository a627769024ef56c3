//! Pressing on a proxy: the best of n answers by its score, for n = 1 to N, and what the judgement says of them.
//!
//! Gao, Schulman and Hilton 2022, arXiv:2210.10760, section 3.1: with d = √KL, R(d) = d·(α − β·d). Where ours differs:
//! 1. All n use all N answers, through the unbiased estimator ([`trimtab_stats::best_of_n`]); KL is analytic.
//! 2. The points of the curve share their prompts, so the fit's intervals, as all others, resample clusters of prompts.
//! 3. A fall is one from **any** smaller n to the largest, so that a judgement that rises and turns is seen; see [`super::alarm`].
//! 4. **False alarms** are counted with the proxy's scores permuted within each prompt: such a proxy chooses at random, its
//!    judgement stays where it was, and whatever rings is noise.

use super::alarm::{Alarm, SMALL, Verdict, mean, verdict};
use super::numbers;
use crate::figure::LEVEL;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_run::{Stream, stream};
use trimtab_stats::{
    Bootstrap, Curve, Measured, Overoptimisation, best_of_n, best_of_n_kl, fit_overoptimisation, std_dev,
};

/// Permutations in which false alarms are counted.
const PERMUTATIONS: u64 = 100;
/// Resamples of each of them.
const FEW: u32 = 500;

/// The answers to one prompt that can be chosen from: what the proxy and the judgement say of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidates {
    /// What intervals resample.
    pub cluster: String,
    /// Score of each answer.
    pub proxy: Vec<f64>,
    /// Judgement of each answer.
    pub judgement: Vec<f64>,
}

/// What the best of n is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Answers chosen from.
    pub n: u64,
    /// √KL from the reference, in √nats.
    pub distance: f64,
    /// Mean score of the chosen one.
    pub proxy: Measured,
    /// Its mean judgement.
    pub judgement: Measured,
    /// Its mean score less that at n = 1, which pairs the prompts.
    pub proxy_gain: Measured,
    /// Its mean judgement less that at n = 1.
    pub gain: Measured,
}

/// A proxy, pressed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pressed {
    /// Who chose: `proxy`, or the control `judgement` or `random`.
    pub by: String,
    /// Who judged: `gold` or `people`.
    pub judge: String,
    /// Prompts.
    pub prompts: u64,
    /// From n = 1 upwards.
    pub points: Vec<Best>,
    /// The fit's α, in judgement per √nat.
    pub alpha: Measured,
    /// Its β, the weight of the fall.
    pub beta: Measured,
    /// √KL where the fitted curve is highest.
    pub peak: Measured,
    /// The judgement at the largest n less the highest before it, at a level divided by the places it may fall from.
    pub fall: Measured,
    /// What the alarm says.
    pub alarm: Verdict,
}

/// 1, 2, 4, … and `most` itself.
#[must_use]
pub fn powers(most: usize) -> Vec<usize> {
    let mut all: Vec<usize> = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < most).collect();
    all.extend((most > 0).then_some(most));
    all
}

/// Presses on the proxy of `prompts`, each with at least the largest of `ns` answers, which rise from 1. `seed` is the bootstrap's.
///
/// ```
/// use trimtab_audit::outer::alarm::Alarm;
/// use trimtab_audit::outer::press::{Candidates, press};
/// // The proxy likes best what is worst: at n = 1 the mean 2, of two 4/3, of three the worst.
/// let prompts: Vec<Candidates> = (0..20)
///     .map(|i| Candidates { cluster: i.to_string(), proxy: vec![1.0, 2.0, 3.0], judgement: vec![3.0, 2.0, 1.0] })
///     .collect();
/// let pressed = press("proxy", "gold", &prompts, &[1, 2, 3], 1);
/// let judgement: Vec<f64> = pressed.points.iter().filter_map(|p| p.judgement.value).collect();
/// assert!((judgement[0] - 2.0).abs() < 1e-12 && (judgement[1] - 4.0 / 3.0).abs() < 1e-12 && judgement[2] == 1.0);
/// assert_eq!(pressed.alarm.alarm, Alarm::Rings);
/// ```
#[must_use]
pub fn press(by: &str, judge: &str, prompts: &[Candidates], ns: &[usize], seed: u64) -> Pressed {
    let how = Bootstrap { level: LEVEL, seed, ..Bootstrap::default() };
    let table = Table::of(prompts, ns);
    let names = numbers(prompts.iter().map(|p| p.cluster.as_str()));
    // Least squares over the points of all prompts is that of the mean curve, since all have the same n.
    let (mut distances, mut gains, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for (i, &n) in ns.iter().enumerate() {
        for (p, row) in prompts.iter().zip(&table.rows) {
            distances.push(best_of_n_kl(n as u64).max(0.0).sqrt());
            gains.push(row.1[i] - row.1[0]);
            runs.push(names[p.cluster.as_str()]);
        }
    }
    let Overoptimisation { alpha, beta, peak, .. } =
        fit_overoptimisation(Curve::BestOfN, &distances, &gains, Some(&runs), &how);
    let all: Vec<f64> = prompts.iter().flat_map(|p| p.judgement.iter().copied()).collect();
    let small = SMALL * std_dev(&all).unwrap_or(0.0);
    let (falls, mut alarm) = table.alarm(small, &how);
    // Of the proxy alone: the controls are what its false alarms are counted with.
    if by == "proxy" {
        let rings = |draw: u64| {
            let permuted = table.permuted(ns, &mut stream(seed, "audit/outer/permuted", draw, 0));
            let quick = Bootstrap { resamples: FEW, seed: draw, ..how };
            permuted.alarm(small, &quick).1.alarm == Alarm::Rings
        };
        let rang: Vec<bool> = (0..PERMUTATIONS).into_par_iter().map(rings).collect();
        for rang in rang {
            alarm.false_alarms.count(Some(rang));
        }
    }
    let at = |of: &dyn Fn(&Row) -> f64| mean(&table.by_cluster(of), &how);
    let points = ns.iter().enumerate().map(|(i, &n)| Best {
        n: n as u64,
        distance: best_of_n_kl(n as u64).max(0.0).sqrt(),
        proxy: at(&|row| row.0[i]),
        judgement: at(&|row| row.1[i]),
        proxy_gain: at(&|row| row.0[i] - row.0[0]),
        gain: at(&|row| row.1[i] - row.1[0]),
    });
    let points: Vec<Best> = points.collect();
    let lowest = falls.into_iter().min_by(|a, b| a.value.unwrap_or(0.0).total_cmp(&b.value.unwrap_or(0.0)));
    Pressed {
        by: by.to_owned(),
        judge: judge.to_owned(),
        prompts: prompts.len() as u64,
        points,
        alpha,
        beta,
        peak,
        fall: lowest.unwrap_or_else(|| Measured::undefined(0, "fewer than two answers to choose from")),
        alarm,
    }
}

/// Both controls beside the proxy: the judgement itself as the proxy, and one permutation of the proxy.
#[must_use]
pub fn controls(judge: &str, prompts: &[Candidates], ns: &[usize], seed: u64) -> [Pressed; 2] {
    let itself: Vec<Candidates> =
        prompts.iter().map(|p| Candidates { proxy: p.judgement.clone(), ..p.clone() }).collect();
    let mut random = stream(seed, "audit/outer/random", 0, 0);
    let permuted: Vec<Candidates> = prompts
        .iter()
        .map(|p| {
            let mut proxy = p.proxy.clone();
            random.shuffle(&mut proxy);
            Candidates { proxy, ..p.clone() }
        })
        .collect();
    [press("judgement", judge, &itself, ns, seed), press("random", judge, &permuted, ns, seed)]
}

/// The prompts with at least as many answers as half of them have, and how many that is.
#[must_use]
pub fn comparable(mut prompts: Vec<Candidates>) -> (Vec<Candidates>, usize) {
    let mut counts: Vec<usize> = prompts.iter().map(|c| c.proxy.len()).collect();
    counts.sort_unstable();
    let most = counts.get(counts.len() / 2).copied().unwrap_or(0);
    prompts.retain(|c| c.proxy.len() >= most);
    (prompts, most)
}

/// What the best of each n is worth; NaN where there are too few answers, so that no mean has a value, and says why.
fn best_of_each(proxy: &[f64], of: &[f64], ns: &[usize]) -> Vec<f64> {
    ns.iter().map(|&n| best_of_n(proxy, of, n).unwrap_or(f64::NAN)).collect()
}

/// Of one prompt: proxy and judgement of the best of each n.
type Row = (Vec<f64>, Vec<f64>);

/// What the best of each n is worth, prompt by prompt.
struct Table<'a> {
    prompts: &'a [Candidates],
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    fn of(prompts: &'a [Candidates], ns: &[usize]) -> Self {
        let row = |p: &Candidates| (best_of_each(&p.proxy, &p.proxy, ns), best_of_each(&p.proxy, &p.judgement, ns));
        Self { prompts, rows: prompts.iter().map(row).collect() }
    }

    /// The same proxy, dealt out anew within each prompt: what it likes best is as good to itself, and whose it is is chance.
    fn permuted(&self, ns: &[usize], random: &mut Stream) -> Self {
        let mut row = |(p, row): (&Candidates, &Row)| {
            let mut judgement = p.judgement.clone();
            random.shuffle(&mut judgement);
            (row.0.clone(), best_of_each(&p.proxy, &judgement, ns))
        };
        Self { prompts: self.prompts, rows: self.prompts.iter().zip(&self.rows).map(&mut row).collect() }
    }

    /// Sum and number of what `of` gives of each prompt, by cluster.
    fn by_cluster(&self, of: &dyn Fn(&Row) -> f64) -> Vec<(f64, f64)> {
        let mut clusters: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (p, row) in self.prompts.iter().zip(&self.rows) {
            let sums = clusters.entry(&p.cluster).or_default();
            *sums = (sums.0 + of(row), sums.1 + 1.0);
        }
        clusters.into_values().collect()
    }

    /// The judgement at the largest n less that at each smaller one, and what the alarm says of them.
    fn alarm(&self, small: f64, how: &Bootstrap) -> (Vec<Measured>, Verdict) {
        let last = self.rows.first().map_or(0, |row| row.0.len().saturating_sub(1));
        let rise = mean(&self.by_cluster(&|row| row.0[last] - row.0[0]), how);
        let level = 1.0 - (1.0 - how.level) / last.max(1) as f64;
        let fall = |i: usize| mean(&self.by_cluster(&|row| row.1[last] - row.1[i]), &Bootstrap { level, ..*how });
        let falls: Vec<Measured> = (0..last).map(fall).collect();
        let said = verdict(&rise, &falls, small);
        (falls, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompts whose proxy is the judgement plus noise, and whose judgement has a price on `exploit`, which the proxy pays for.
    fn planted(prompts: u64, noise: f64, paid: f64, price: f64, seed: u64) -> Vec<Candidates> {
        let of = |i: u64| {
            let mut random = stream(seed, "planted", i, 0);
            let height = random.normal();
            let (mut proxy, mut judgement) = (Vec::new(), Vec::new());
            for _ in 0..64 {
                let (worth, trick) = (random.normal(), random.normal());
                judgement.push(height + worth - price * trick);
                proxy.push(height + worth + paid * trick + noise * random.normal());
            }
            Candidates { cluster: i.to_string(), proxy, judgement }
        };
        (0..prompts).map(of).collect()
    }

    #[test]
    fn powers_end_with_the_most() {
        assert_eq!(powers(6), [1, 2, 4, 6]);
        assert_eq!(powers(8), [1, 2, 4, 8]);
        assert_eq!(powers(1), [1]);
        assert!(powers(0).is_empty());
    }

    /// A curve of known α and β comes back: judgements are made so that the best of n is worth d·(α − β·d) exactly, plus noise of
    /// each prompt. The estimator is linear in the judgements, so those of the i-th best answer follow from n = N down.
    #[test]
    fn a_planted_curve_is_recovered() {
        let (alpha, beta, most) = (1.2, 0.35, 16usize);
        let worth = |n: usize| Curve::BestOfN.gold(best_of_n_kl(n as u64).max(0.0).sqrt(), alpha, beta);
        let ns: Vec<usize> = (1..=most).collect();
        // Best of n among ranks from best: Σ w(n, rank)·j(rank) = worth(n), triangular from the best rank on.
        let mut judged = vec![0.0; most];
        let proxy: Vec<f64> = (0..most).map(|rank| -(rank as f64)).collect();
        for rank in 0..most {
            let n = most - rank;
            let mut unit = vec![0.0; most];
            unit[rank] = 1.0;
            let weight = best_of_n(&proxy, &unit, n).unwrap();
            judged[rank] = (worth(n) - best_of_n(&proxy, &judged, n).unwrap()) / weight;
        }
        let prompts: Vec<Candidates> = (0..80)
            .map(|i| {
                let mut random = stream(5, "curve", i, 0);
                let height = random.normal();
                let judgement = judged.iter().map(|j| j + height + 0.1 * random.normal()).collect();
                Candidates { cluster: i.to_string(), proxy: proxy.clone(), judgement }
            })
            .collect();
        let pressed = press("proxy", "gold", &prompts, &ns, 2);
        for (found, planted) in [(&pressed.alpha, alpha), (&pressed.beta, beta), (&pressed.peak, alpha / (2.0 * beta))]
        {
            assert!(found.interval.unwrap().contains(planted), "{planted}: {found:?}");
            assert!((found.value.unwrap() / planted - 1.0).abs() < 0.15, "{planted}: {found:?}");
        }
        assert_eq!(pressed.alarm.alarm, Alarm::Silent, "it has not turned yet: {:?}", pressed.alarm);
    }

    /// The judgement as its own proxy never rings, in 100 draws of noisy prompts; nor does a proxy that is nothing but noise more
    /// than five times, and both rates are printed.
    #[test]
    fn controls_do_not_ring() {
        let (mut gold, mut random) = (0, 0);
        for seed in 0..100 {
            let prompts = planted(24, 0.0, 0.0, 0.0, seed);
            let [itself, permuted] = controls("gold", &prompts, &[1, 4, 16, 64], seed);
            gold += u32::from(itself.alarm.alarm == Alarm::Rings);
            random += u32::from(permuted.alarm.alarm == Alarm::Rings);
            assert!(itself.beta.value.is_some() && itself.alarm.alarm == Alarm::Silent);
        }
        println!("false alarms: proxy = judgement {gold} of 100, permuted proxy {random} of 100");
        assert!(gold <= 5 && random <= 5, "{gold} {random}");
    }

    /// A proxy that pays for what the judgement dislikes rings, from the start on or after it has turned; one with as much noise
    /// and no such price does not, and its own permutations seldom do.
    #[test]
    fn over_optimisation_rings_and_noise_does_not() {
        let said = |paid, price| press("proxy", "gold", &planted(40, 0.5, paid, price, 9), &powers(64), 1);
        let exploited = said(3.0, 1.0);
        assert_eq!(exploited.alarm.alarm, Alarm::Rings, "{:?}", exploited.alarm);
        assert!(exploited.points[6].gain.interval.unwrap().high < 0.0);
        let noisy = said(3.0, 0.0);
        assert_eq!(noisy.alarm.alarm, Alarm::Silent, "{:?}", noisy.alarm);
        for pressed in [exploited, noisy] {
            assert_eq!(pressed.alarm.false_alarms.denominator, PERMUTATIONS);
            assert!(pressed.alarm.false_alarms.numerator <= 6, "{:?}", pressed.alarm.false_alarms);
        }
    }

    #[test]
    fn too_few_answers_are_a_reason() {
        let one = Candidates { cluster: "a".into(), proxy: vec![1.0], judgement: vec![1.0] };
        for (prompts, ns) in [(vec![], vec![1, 2]), (vec![one.clone()], vec![1, 2]), (vec![one.clone(), one], vec![1])]
        {
            let pressed = press("proxy", "gold", &prompts, &ns, 1);
            assert_eq!(pressed.alarm.alarm, Alarm::CannotTell, "{pressed:?}");
            assert!(pressed.alpha.value.is_none() && pressed.alpha.reason.is_some());
        }
    }
}
