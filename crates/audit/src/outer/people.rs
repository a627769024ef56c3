//! A reward model against people who ranked answers that it was not trained on.
//!
//! 1. **Accuracy** is over pairs that a person put in a strict order, each person's pair once. Pairs that a person ties are no
//!    pairs; pairs without a score, or of equal scores, are unscored. Their numbers stand beside it.
//! 2. **The ceiling** is how often another person orders the same pair alike, where two named people ranked it. A model that knew
//!    what most people think would be above it, since it would lack their noise.
//! 3. **The tail** is the quarter of pairs whose mean score is highest: what pressure on the proxy reaches. Pairs of a large gap are
//!    easier, and gaps are not the same everywhere, so tail and rest are compared among pairs of like gap (quarters of the gap).
//! 4. **The pick**: people's rank of an answer is its share of wins among the answers that they ranked beside it, ties half. With it
//!    as the judgement the ranked answers themselves are pressed on ([`super::press`]).

use super::press::Candidates;
use super::record::{Arm, Record};
use crate::figure::{LEVEL, Scored};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use trimtab_stats::{Bootstrap, Measured, bootstrap_statistic, quantile};

/// Parts of the pairs by the size of their gap, within which tail and rest are compared.
const GAPS: usize = 4;

/// One person's strict pair, as the proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// What intervals resample.
    pub cluster: &'a str,
    /// Score of the better one by the person.
    pub better: Option<f64>,
    /// Score of the worse one.
    pub worse: Option<f64>,
}

impl Pair<'_> {
    /// Whether the proxy orders the pair as the person does; nothing for equal or missing scores.
    #[must_use]
    pub fn right(&self) -> Option<bool> {
        let order = self.better?.partial_cmp(&self.worse?)?;
        (order != Ordering::Equal).then_some(order == Ordering::Greater)
    }
}

/// What people's pairs are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs<'a> {
    /// Strict pairs.
    pub strict: Vec<Pair<'a>>,
    /// Pairs that a person tied.
    pub ties: u64,
}

/// All pairs of all people.
#[must_use]
pub fn pairs(records: &[Record]) -> Pairs<'_> {
    let mut found = Pairs::default();
    for record in records.iter().filter(|r| r.arm == Arm::Ranked) {
        for person in &record.rankings {
            let ranked: Vec<(u32, Option<f64>)> =
                person.ranks.iter().zip(&record.answers).filter_map(|(r, a)| Some(((*r)?, a.proxy))).collect();
            for (i, a) in ranked.iter().enumerate() {
                for b in &ranked[..i] {
                    let (better, worse) = match a.0.cmp(&b.0) {
                        Ordering::Less => (a.1, b.1),
                        Ordering::Greater => (b.1, a.1),
                        Ordering::Equal => {
                            found.ties += 1;
                            continue;
                        }
                    };
                    found.strict.push(Pair { cluster: &record.cluster, better, worse });
                }
            }
        }
    }
    found
}

/// Of the pairs that two named people both put in a strict order, whether they agree.
#[must_use]
pub fn between_people(records: &[Record]) -> Vec<Scored<'_>> {
    let mut found = Vec::new();
    for record in records.iter().filter(|r| r.arm == Arm::Ranked) {
        // A person's last ranking counts: a second one of theirs is not agreement.
        let named: BTreeMap<&str, &Vec<Option<u32>>> =
            record.rankings.iter().filter_map(|r| Some((r.person.as_deref()?, &r.ranks))).collect();
        let people: Vec<&Vec<Option<u32>>> = named.into_values().collect();
        for (i, a) in people.iter().enumerate() {
            for b in &people[..i] {
                for x in 0..a.len() {
                    for y in 0..x {
                        let order = |of: &[Option<u32>]| Some(of[x]?.cmp(&of[y]?)).filter(|o| *o != Ordering::Equal);
                        if let (Some(first), Some(second)) = (order(a), order(b)) {
                            found.push((record.cluster.as_str(), Some(first == second)));
                        }
                    }
                }
            }
        }
    }
    found
}

/// The tail's scored pairs, the rest's, and the accuracy of the first less that of the second among pairs of like gap.
#[must_use]
pub fn tail<'a>(pairs: &[Pair<'a>], seed: u64) -> (Vec<Scored<'a>>, Vec<Scored<'a>>, Measured) {
    let known: Vec<(&'a str, f64, f64, bool)> = pairs
        .iter()
        .filter_map(|p| {
            let (better, worse) = (p.better?, p.worse?);
            Some((p.cluster, f64::midpoint(better, worse), (better - worse).abs(), p.right()?))
        })
        .collect();
    let means: Vec<f64> = known.iter().map(|k| k.1).collect();
    let gaps: Vec<f64> = known.iter().map(|k| k.2).collect();
    let Some(high) = quantile(&means, 0.75) else {
        return (Vec::new(), Vec::new(), Measured::undefined(0, "no pair is scored"));
    };
    let borders: Vec<f64> = (1..GAPS).filter_map(|g| quantile(&gaps, g as f64 / GAPS as f64)).collect();
    let of = |in_tail: bool| known.iter().filter(|k| (k.1 >= high) == in_tail).map(|k| (k.0, Some(k.3))).collect();
    // Of each cluster, by gap: pairs right and all, of the tail and of the rest.
    let mut clusters: BTreeMap<&str, [[f64; 4]; GAPS]> = BTreeMap::new();
    for (cluster, mean, gap, right) in &known {
        let part = borders.iter().filter(|border| *gap > **border).count();
        let at = if *mean >= high { 0 } else { 2 };
        let sums = &mut clusters.entry(cluster).or_insert([[0.0; 4]; GAPS])[part];
        sums[at] += f64::from(u8::from(*right));
        sums[at + 1] += 1.0;
    }
    let clusters: Vec<[[f64; 4]; GAPS]> = clusters.into_values().collect();
    let how = Bootstrap { level: LEVEL, seed, ..Bootstrap::default() };
    let difference = bootstrap_statistic(clusters.len(), &how, |drawn| {
        let mut total = [[0.0; 4]; GAPS];
        for &i in drawn {
            for (sum, of) in total.iter_mut().zip(&clusters[i]) {
                sum.iter_mut().zip(of).for_each(|(a, b)| *a += b);
            }
        }
        // Parts where only one side has pairs compare nothing.
        let both = total.iter().filter(|t| t[1] > 0.0 && t[3] > 0.0);
        let (sum, weight) = both.fold((0.0, 0.0), |(s, w), t| (s + t[1] * (t[0] / t[1] - t[2] / t[3]), w + t[1]));
        (weight > 0.0).then(|| sum / weight)
    });
    (of(true), of(false), difference)
}

/// People's share of wins of each answer: among those that a person ranked beside it, ties half; the mean over people.
/// None where nobody ranked it beside another.
///
/// ```
/// use trimtab_audit::outer::people::shares;
/// let ranks = |r: [Option<u32>; 3]| r.to_vec();
/// // Best of three; tied with one and above none of the others by a second person, who did not rank the last.
/// let shares = shares(&[ranks([Some(1), Some(2), Some(3)]), ranks([Some(1), Some(1), None])], 3);
/// assert_eq!(shares, [Some(0.75), Some(0.5), Some(0.0)]);
/// ```
#[must_use]
pub fn shares(rankings: &[Vec<Option<u32>>], answers: usize) -> Vec<Option<f64>> {
    let of_answer = |answer: usize| {
        let of_person = |ranks: &Vec<Option<u32>>| {
            let own = (*ranks.get(answer)?)?;
            let others: Vec<u32> =
                ranks.iter().enumerate().filter(|(i, _)| *i != answer).filter_map(|(_, r)| *r).collect();
            let won = |other: &u32| match own.cmp(other) {
                Ordering::Less => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Greater => 0.0,
            };
            (!others.is_empty()).then(|| others.iter().map(won).sum::<f64>() / others.len() as f64)
        };
        let of_people: Vec<f64> = rankings.iter().filter_map(of_person).collect();
        trimtab_stats::mean(&of_people)
    };
    (0..answers).map(of_answer).collect()
}

/// Share of wins of each answer of a record.
#[must_use]
pub fn of_record(record: &Record) -> Vec<Option<f64>> {
    let rankings: Vec<Vec<Option<u32>>> = record.rankings.iter().map(|r| r.ranks.clone()).collect();
    shares(&rankings, record.answers.len())
}

/// Ranked answers with score and share of wins, of prompts with two of them at least.
#[must_use]
pub fn candidates(records: &[Record]) -> Vec<Candidates> {
    let of = |record: &Record| {
        let known = record.answers.iter().zip(of_record(record)).filter_map(|(a, share)| Some((a.proxy?, share?)));
        let (proxy, judgement) = known.unzip();
        Candidates { cluster: record.cluster.clone(), proxy, judgement }
    };
    records.iter().filter(|r| r.arm == Arm::Ranked).map(of).filter(|c| c.proxy.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outer::alarm::Alarm;
    use crate::outer::press::{comparable, press};
    use crate::outer::record::{Ranks, Said};
    use trimtab_run::stream;

    /// Records of `k` answers whose worth people see with noise; the proxy sees it through `proxy`.
    fn records(k: usize, people: usize, noise: f64, seed: u64, proxy: impl Fn(f64) -> f64) -> Vec<Record> {
        let of = |i: u64| {
            let mut random = stream(seed, "people", i, 0);
            let worth: Vec<f64> = (0..k).map(|_| random.normal()).collect();
            let rank = |person: usize, random: &mut trimtab_run::Stream| {
                let seen: Vec<f64> = worth.iter().map(|w| w + noise * random.normal()).collect();
                let ranks = seen.iter().map(|s| Some(1 + seen.iter().filter(|o| *o > s).count() as u32)).collect();
                Ranks { person: Some(format!("p{person}")), ranks }
            };
            let rankings = (0..people).map(|p| rank(p, &mut random)).collect();
            let answer = |w: &f64| Said {
                text: String::new(),
                proxy: Some(proxy(*w)),
                unscored: None,
                gold: None,
                kl: None,
                cut: false,
                features: super::super::features::Features::default(),
            };
            Record {
                audit: super::super::NAME.into(),
                item: i.to_string(),
                arm: Arm::Ranked,
                cluster: i.to_string(),
                answers: worth.iter().map(answer).collect(),
                rankings,
            }
        };
        (0..200).map(of).collect()
    }

    fn rate(scored: &[Scored]) -> f64 {
        let rate = crate::figure::count(scored);
        rate.numerator as f64 / rate.denominator as f64
    }

    fn scored<'a>(of: &Pairs<'a>) -> Vec<Scored<'a>> {
        of.strict.iter().map(|p| (p.cluster, p.right())).collect()
    }

    /// A proxy that knows the worth is right as often as people see it, and above what two noisy people agree on; a proxy that
    /// reverses the best answers is caught in the tail; ties, equal and missing scores are counted apart.
    #[test]
    fn accuracy_ceiling_and_tail() {
        let all = records(4, 2, 0.7, 1, |w| w);
        let (found, agree) = (pairs(&all), between_people(&all));
        assert_eq!((found.strict.len(), found.ties, agree.len()), (2400, 0, 1200));
        assert!(rate(&scored(&found)) > rate(&agree) && rate(&agree) > 0.65);
        let (in_tail, rest, difference) = tail(&found.strict, 1);
        assert_eq!(in_tail.len() + rest.len(), 2400);
        assert!(difference.interval.unwrap().contains(0.0), "{difference:?}");

        // What is best by the proxy beyond 1 is worst: it goes up where the worth goes down.
        let fooled = records(4, 2, 0.7, 1, |w| if w < -0.8 { 2.0 - w } else { w });
        let (_, _, difference) = tail(&pairs(&fooled).strict, 1);
        assert!(difference.interval.unwrap().high < -0.2, "{difference:?}");

        let mut few = records(3, 1, 0.0, 2, |w| w);
        few.truncate(1);
        few[0].rankings[0].ranks = vec![Some(1), Some(1), Some(2)];
        few[0].answers[0].proxy = None;
        few[0].answers[1].proxy = few[0].answers[2].proxy;
        let found = pairs(&few);
        assert_eq!((found.strict.len(), found.ties), (2, 1));
        assert!(found.strict.iter().all(|p| p.right().is_none()), "one score is missing and two are equal");
        assert!(between_people(&few).is_empty());
    }

    /// The proxy's pick beats random where the proxy knows, and is beaten where it is turned round: then the alarm rings.
    #[test]
    fn the_pick_among_ranked_answers() {
        let said = |proxy: fn(f64) -> f64| {
            let records = records(4, 2, 0.5, 3, proxy);
            let (candidates, most) = comparable(candidates(&records));
            press("proxy", "people", &candidates, &(1..=most).collect::<Vec<_>>(), 1)
        };
        let (knows, turned) = (said(|w| w), said(|w| -w));
        assert_eq!(knows.points.iter().map(|p| p.n).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!((knows.points[0].judgement.value.unwrap() - 0.5).abs() < 1e-12, "random is a half");
        assert!(knows.points[3].gain.interval.unwrap().low > 0.2);
        assert_eq!((knows.alarm.alarm, turned.alarm.alarm), (Alarm::Silent, Alarm::Rings));
    }
}
