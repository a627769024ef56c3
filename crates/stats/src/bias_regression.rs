//! What sways each person when they prefer one of two answers, apart from quality.
//!
//! A logistic regression for each person without a constant: with x the differences of covariates between the first and
//! the second answer of a pair (quality, length, slot on the screen, …),
//!
//! > P(the first is preferred) = 1/(1 + exp(−b·x))
//!
//! This is the Bradley–Terry model with covariates of LMSYS's style control
//! ([2024](https://lmsys.org/blog/2024-08-28-style-control/)), for one person at a time. Standard errors are clustered
//! by item as in Cameron and Miller 2015, *A practitioner's guide to cluster-robust inference*,
//! [doi:10.3368/jhr.50.2.317](https://doi.org/10.3368/jhr.50.2.317).
//!
//! 1. All pairs of a ranking may be given: they hang together, and so an item is one unit. Of the choices of the paper,
//!    the cluster jackknife (CR3, section VI.B) is taken, each fit without an item found by one Newton step, and Student's
//!    t with G − k degrees of freedom (G items, k covariates). It is the wide one among them.
//! 2. Nothing is added to make a fit exist. Where covariates tell all preferences apart, where one is a sum of others,
//!    or where there are no more items than covariates, the reason is given. A covariate that never varies for a person
//!    is left out for that person alone.
//! 3. p-values of all people and all covariates that are `tested` are adjusted together by Benjamini and Hochberg
//!    ([`crate::benjamini_hochberg()`]). Quality should not be tested: its many true findings would let false ones of
//!    the others pass. Tests of one person are not independent; the paper on the procedure asks for positive dependence.
//! 4. Quality is an estimate. If its error does not depend on the other covariates, its own coefficient is drawn to 0,
//!    and a covariate's coefficient stays at 0 where it is 0. If answers' length goes along with their quality, the
//!    part of quality that the estimate misses is credited to length: a bias that is not there, and that no number
//!    of pairs removes.
//! 5. Quality must come from others: from the person's own rankings it would explain their bias away. If it comes from
//!    the crowd, the crowd's own bias is in it, and coefficients are relative to the crowd: among people who all like it
//!    long, who does not care for length has a negative coefficient. Where few are biased, fit the crowd again with
//!    the coefficients found as offsets ([`crate::CrowdRanking`]), and regress once more on its scores.
//! 6. Tied pairs have no first. They are left out by the caller, and counted there.
//! 7. Which of two answers is called the first changes nothing, since all differences then change their sign.

use crate::measured::{bad_level, not_finite};
use crate::newton::{Information, ascend, cholesky, dot, solve};
use crate::special::{t_cdf, t_quantile};
use crate::{Interval, Measured, benjamini_hochberg};
use std::collections::BTreeMap;
use std::fmt;

/// Most people.
const MOST_PEOPLE: usize = 1 << 24;

/// A column of the regression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covariate {
    /// What it is: `length`.
    pub name: String,
    /// Whether a coefficient other than 0 is a finding; not so for quality.
    pub tested: bool,
}

impl Covariate {
    /// One that is held constant, and not tested.
    #[must_use]
    pub fn control(name: &str) -> Self {
        Self { name: name.to_owned(), tested: false }
    }

    /// One that is tested.
    #[must_use]
    pub fn bias(name: &str) -> Self {
        Self { name: name.to_owned(), tested: true }
    }
}

/// One person's preference between two answers of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedPair {
    /// The person, from 0.
    pub person: usize,
    /// The item, any number: pairs of one item are one unit.
    pub item: usize,
    /// Whether the first answer was preferred to the second.
    pub first_preferred: bool,
    /// The first answer's value less the second's, for each covariate.
    pub difference: Vec<f64>,
}

/// Why pairs cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum BadPairs {
    /// There are no pairs, or no covariates.
    Empty,
    /// A person beyond those there are.
    OutOfRange {
        /// The index found.
        person: usize,
        /// How many there are.
        people: usize,
    },
    /// A pair with more or fewer differences than covariates.
    Length {
        /// Which of the pairs.
        at: usize,
        /// Differences found.
        found: usize,
        /// Covariates given.
        expected: usize,
    },
    /// A number of people, a level or a rate beyond what it may be, in words.
    Setting(String),
}

impl fmt::Display for BadPairs {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no pairs, or no covariates"),
            Self::OutOfRange { person, people } => write!(f, "person {person} is beyond the {people} there are"),
            Self::Length { at, found, expected } => {
                write!(f, "pair {at} has {found} differences where there are {expected} covariates")
            }
            Self::Setting(words) => write!(f, "{words}"),
        }
    }
}

impl std::error::Error for BadPairs {}

/// What one covariate does to one person's preferences.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    /// The coefficient, in log-odds to a unit of the covariate; n counts items.
    pub estimate: Measured,
    /// Its standard error, clustered by item.
    pub error: Option<f64>,
    /// p-value of its being 0, two-sided.
    pub p: Option<f64>,
    /// That p-value adjusted for all tests of all people; `None` for a control.
    pub adjusted: Option<f64>,
    /// Whether the adjusted p-value is at most the rate.
    pub found: bool,
}

impl Slope {
    fn none(items: u64, reason: &str) -> Self {
        Self { estimate: Measured::undefined(items, reason), error: None, p: None, adjusted: None, found: false }
    }
}

/// One person's regression.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonBias {
    /// By covariate.
    pub slopes: Vec<Slope>,
    /// Pairs given.
    pub pairs: u64,
    /// Items that they are of.
    pub items: u64,
}

/// All people's regressions.
#[derive(Debug, Clone, PartialEq)]
pub struct BiasRegression {
    /// By person.
    pub people: Vec<PersonBias>,
    /// Tests made, for which the p-values were adjusted.
    pub tests: u64,
    /// Tests that could not be made; the slope says why.
    pub untested: u64,
}

/// Regresses each person's preferences on the covariates, with intervals of coverage `level`; findings at the false
/// discovery rate `rate`.
///
/// # Errors
/// No pairs or covariates, an index or a length that does not fit, or a level or rate that is not in (0, 1). What cannot
/// be fitted for one person is no error, but a reason in that person's slopes.
///
/// ```
/// use trimtab_stats::{Covariate, JudgedPair, bias_regression};
/// // The longer of two answers, by 2 words, is preferred in 30 of 40 items: exp(2·b) = 3.
/// let pair = |item| JudgedPair { person: 0, item, first_preferred: item < 30, difference: vec![2.0] };
/// let pairs: Vec<_> = (0..40).map(pair).collect();
/// let fit = bias_regression(1, &[Covariate::bias("length")], &pairs, 0.95, 0.05).unwrap();
/// let slope = &fit.people[0].slopes[0];
/// assert!((slope.estimate.value.unwrap() - 0.5 * 3f64.ln()).abs() < 1e-9 && slope.found);
/// ```
pub fn bias_regression(
    people: usize,
    covariates: &[Covariate],
    pairs: &[JudgedPair],
    level: f64,
    rate: f64,
) -> Result<BiasRegression, BadPairs> {
    if pairs.is_empty() || covariates.is_empty() {
        return Err(BadPairs::Empty);
    }
    if people > MOST_PEOPLE {
        return Err(BadPairs::Setting(format!("{people} people; at most {MOST_PEOPLE} can be fitted")));
    }
    if !(level > 0.0 && level < 1.0) {
        return Err(BadPairs::Setting(bad_level(level)));
    }
    if !(rate > 0.0 && rate < 1.0) {
        return Err(BadPairs::Setting(format!("false discovery rate {rate} is not between 0 and 1")));
    }
    let mut of = vec![Vec::new(); people];
    for (at, pair) in pairs.iter().enumerate() {
        let (person, found, expected) = (pair.person, pair.difference.len(), covariates.len());
        if found != expected {
            return Err(BadPairs::Length { at, found, expected });
        }
        of.get_mut(person).ok_or(BadPairs::OutOfRange { person, people })?.push(pair);
    }
    let mut people: Vec<PersonBias> = of.iter().map(|pairs| regress(covariates, pairs, level)).collect();
    let tested = |(_, covariate): &(&mut Slope, &Covariate)| covariate.tested;
    let slopes = people.iter_mut().flat_map(|p| p.slopes.iter_mut().zip(covariates));
    let (mut with, untested): (Vec<_>, Vec<_>) = slopes.filter(tested).partition(|(slope, _)| slope.p.is_some());
    let p: Vec<f64> = with.iter().filter_map(|(slope, _)| slope.p).collect();
    let (tests, untested) = (p.len() as u64, untested.len() as u64);
    for ((slope, _), adjusted) in with.iter_mut().zip(benjamini_hochberg(&p).unwrap_or_default()) {
        slope.adjusted = Some(adjusted);
        slope.found = adjusted <= rate;
    }
    Ok(BiasRegression { people, tests, untested })
}

fn regress(covariates: &[Covariate], pairs: &[&JudgedPair], level: f64) -> PersonBias {
    let mut by_item: BTreeMap<usize, Vec<(f64, &[f64])>> = BTreeMap::new();
    for pair in pairs {
        let sign = if pair.first_preferred { 1.0 } else { -1.0 };
        by_item.entry(pair.item).or_default().push((sign, &pair.difference));
    }
    let (items, k) = (by_item.len() as u64, covariates.len());
    let all =
        |reason: &str| PersonBias { slopes: vec![Slope::none(items, reason); k], pairs: pairs.len() as u64, items };
    if pairs.is_empty() {
        return all("no pairs");
    }
    let values: Vec<f64> = pairs.iter().flat_map(|p| p.difference.iter().copied()).collect();
    if let Some(reason) = not_finite(&values) {
        return all(&reason);
    }
    // In units of its own size, a covariate's unit does not matter to the search.
    let largest: Vec<f64> = (0..k).map(|j| pairs.iter().fold(0.0f64, |m, p| m.max(p.difference[j].abs()))).collect();
    let columns: Vec<usize> = (0..k).filter(|&j| largest[j] > 0.0).collect();
    let scale: Vec<f64> = columns.iter().map(|&j| largest[j]).collect();
    // Differences turned round so that the preferred answer is the first.
    let turned = |(sign, x): &(f64, &[f64])| columns.iter().map(|&j| sign * (x[j] / largest[j])).collect::<Vec<f64>>();
    let clusters: Vec<Vec<Vec<f64>>> = by_item.values().map(|pairs| pairs.iter().map(turned).collect()).collect();
    let fit = fit(&clusters, columns.len()).map_err(|why| match why {
        NoSlopes::Few => format!("{items} items are too few for {} covariates", columns.len()),
        NoSlopes::Sum(at) => format!("{} is a sum of the covariates before it", covariates[columns[at]].name),
        NoSlopes::Told => "no finite coefficients are best: covariates tell all preferences apart".to_owned(),
        NoSlopes::OneItem => "a coefficient rests on one item alone".to_owned(),
    });
    let mut out = all("this covariate never varies for this person");
    let df = (clusters.len() as f64 - columns.len() as f64).max(1.0);
    for (at, (&j, scale)) in columns.iter().zip(scale).enumerate() {
        out.slopes[j] = match &fit {
            Ok((slopes, errors)) => slope(slopes[at] / scale, errors[at] / scale, df, level, items),
            Err(reason) => Slope::none(items, reason),
        };
    }
    out
}

/// A coefficient with its interval and p-value.
fn slope(slope: f64, error: f64, df: f64, level: f64, items: u64) -> Slope {
    if !(slope.is_finite() && error.is_finite()) {
        return Slope::none(items, "the covariate is too small for a coefficient");
    }
    if error == 0.0 {
        return Slope::none(items, "no item alone would move the coefficient, so its error is unknown");
    }
    let reach = error * t_quantile(0.5 + 0.5 * level, df);
    let interval = Interval { low: slope - reach, high: slope + reach, level };
    let p = (2.0 * t_cdf(-(slope / error).abs(), df)).min(1.0);
    let estimate = Measured::new(slope, interval, items);
    Slope { estimate, error: Some(error), p: Some(p), adjusted: None, found: false }
}

/// Why one person's regression has no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NoSlopes {
    Few,
    /// This column is a linear combination of those before it.
    Sum(usize),
    /// Separation.
    Told,
    OneItem,
}

/// Coefficients and their standard errors, from rows of differences in which the preferred comes first.
fn fit(clusters: &[Vec<Vec<f64>>], k: usize) -> Result<(Vec<f64>, Vec<f64>), NoSlopes> {
    if clusters.len() <= k {
        return Err(NoSlopes::Few);
    }
    let rows: Vec<&Vec<f64>> = clusters.iter().flatten().collect();
    let gram = |n: usize| {
        let product = |i: usize, j: usize| rows.iter().map(|x| x[i] * x[j]).sum::<f64>();
        (0..n * n).map(|at| product(at / n, at % n)).collect::<Vec<f64>>()
    };
    if let Some(at) = (0..k).find(|&at| cholesky(gram(at + 1), at + 1).is_none()) {
        return Err(NoSlopes::Sum(at));
    }
    // ln P = −ln(1 + exp(−b·x)), without overflow.
    let height = |b: &[f64]| rows.iter().map(|x| dot(b, x)).map(|z| z.min(0.0) - (-z.abs()).exp().ln_1p()).sum();
    let derivatives = |b: &[f64], rows: &mut dyn Iterator<Item = &Vec<f64>>| {
        let (mut gradient, mut bend) = (vec![0.0; k], vec![0.0; k * k]);
        for x in rows {
            let miss = 1.0 / (1.0 + dot(b, x).exp());
            for i in 0..k {
                gradient[i] += miss * x[i];
                (0..k).for_each(|j| bend[i * k + j] += miss * (1.0 - miss) * x[i] * x[j]);
            }
        }
        (gradient, bend)
    };
    let local = |b: &[f64]| {
        let (gradient, bend) = derivatives(b, &mut rows.iter().copied());
        let mut information = Information::new(&vec![0; k], 0);
        for i in 0..k {
            (0..=i).for_each(|j| information.add(i, j, bend[i * k + j]));
        }
        information.step(&gradient).map(|step| (gradient, step))
    };
    let slopes = ascend(vec![0.0; k], rows.len() as f64, height, local).map_err(|_| NoSlopes::Told)?.x;
    // Without a cluster the fit moves by −(A − A_c)⁻¹·g_c, to first order.
    let (_, bend) = derivatives(&slopes, &mut rows.iter().copied());
    let mut squares = vec![0.0; k];
    for cluster in clusters {
        let (own, own_bend) = derivatives(&slopes, &mut cluster.iter());
        let rest: Vec<f64> = bend.iter().zip(&own_bend).map(|(a, b)| a - b).collect();
        let moved = solve(&cholesky(rest, k).ok_or(NoSlopes::OneItem)?, own);
        squares.iter_mut().zip(moved).for_each(|(s, m)| *s += m * m);
    }
    let share = (clusters.len() - 1) as f64 / clusters.len() as f64;
    Ok((slopes, squares.into_iter().map(|s| (share * s).sqrt()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Pairs of one person, `each` of an item, with a taste that all pairs of an item share, and `k` covariates.
    fn draw(draws: &mut Draws, items: usize, each: usize, b: &[f64]) -> Vec<JudgedPair> {
        let mut out = vec![];
        for item in 0..items {
            let shared: Vec<f64> = b.iter().map(|_| draws.normal()).collect();
            let mood = draws.normal();
            for _ in 0..each {
                let difference: Vec<f64> = shared.iter().map(|s| s + 0.3 * draws.normal()).collect();
                let first_preferred = dot(b, &difference) + mood + 0.3 * draws.normal() > 0.0;
                out.push(JudgedPair { person: 0, item, first_preferred, difference });
            }
        }
        out
    }

    fn of(pairs: &[JudgedPair], k: usize) -> PersonBias {
        let names = ["a", "b", "c"].map(Covariate::bias);
        bias_regression(1, &names[..k], pairs, 0.95, 0.05).unwrap().people.remove(0)
    }

    /// Size under dependence: pairs of an item agree, and a covariate that does nothing is found about as rarely as it
    /// should be. As independent pairs they would be found far more often.
    #[test]
    fn dependent_pairs_are_one_unit() {
        let mut draws = Draws::new(71);
        let (rounds, mut low, mut low_apart) = (600, 0, 0);
        for _ in 0..rounds {
            let mut pairs = draw(&mut draws, 60, 6, &[0.0, 0.5]);
            let p = |pairs: &[JudgedPair]| of(pairs, 2).slopes[0].p.unwrap();
            low += u32::from(p(&pairs) < 0.05);
            pairs.iter_mut().enumerate().for_each(|(i, pair)| pair.item = i);
            low_apart += u32::from(p(&pairs) < 0.05);
        }
        let share = |n: u32| f64::from(n) / f64::from(rounds);
        assert!((0.02..0.075).contains(&share(low)), "{}", share(low));
        assert!(share(low_apart) > 0.2, "{}", share(low_apart));
    }

    /// Quality measured with error: its coefficient shrinks, and length stays at 0, unless long answers are the better
    /// ones.
    #[test]
    fn error_in_quality() {
        let mut draws = Draws::new(74);
        for (share, few, many) in [(0.0, 0.0, 0.1), (0.8, 0.9, 1.0)] {
            let (rounds, mut low, mut mean) = (200, 0, 0.0);
            for _ in 0..rounds {
                let mut pair = |item| {
                    let (quality, u) = (draws.normal(), draws.uniform());
                    let length = share * quality + (1.0f64 - share * share).sqrt() * draws.normal();
                    let difference = vec![quality + draws.normal(), length];
                    JudgedPair {
                        person: 0,
                        item,
                        first_preferred: u < 1.0 / (1.0 + (-2.0 * quality).exp()),
                        difference,
                    }
                };
                let fit = of(&(0..200).map(&mut pair).collect::<Vec<_>>(), 2);
                mean += fit.slopes[0].estimate.value.unwrap() / f64::from(rounds);
                low += u32::from(fit.slopes[1].p.unwrap() < 0.05);
            }
            let low = f64::from(low) / f64::from(rounds);
            assert!((few..=many).contains(&low) && (0.2..1.2).contains(&mean), "{share}: {low}, quality {mean}");
        }
    }

    /// Laws: which answer comes first, the order of pairs and the names of items change nothing; a covariate in another
    /// unit has the same p, and its coefficient in that unit.
    #[test]
    fn laws() {
        let mut draws = Draws::new(72);
        let pairs = draw(&mut draws, 50, 3, &[0.4, -0.8]);
        let (one, close) = (of(&pairs, 2), |a: f64, b: f64| (a - b).abs() < 1e-9 * (1.0 + a.abs()));
        let mut turned: Vec<JudgedPair> = pairs.iter().rev().cloned().collect();
        for (i, pair) in turned.iter_mut().enumerate() {
            pair.item = 1000 - 7 * pair.item;
            pair.difference[1] *= 1000.0;
            if i % 2 == 0 {
                pair.first_preferred = !pair.first_preferred;
                pair.difference.iter_mut().for_each(|d| *d = -*d);
            }
        }
        let two = of(&turned, 2);
        for (j, unit) in [1.0, 1000.0].into_iter().enumerate() {
            let (a, b) = (&one.slopes[j], &two.slopes[j]);
            assert!(close(a.estimate.value.unwrap(), unit * b.estimate.value.unwrap()));
            assert!(close(a.error.unwrap(), unit * b.error.unwrap()) && close(a.p.unwrap(), b.p.unwrap()));
        }
    }

    #[test]
    fn what_has_no_answer_says_why() {
        let mut draws = Draws::new(73);
        let pairs = draw(&mut draws, 30, 2, &[0.5, 0.5, 0.5]);
        let reasons = |change: &dyn Fn(&mut JudgedPair), pairs: &[JudgedPair]| {
            let mut pairs = pairs.to_vec();
            pairs.iter_mut().for_each(change);
            let fit = of(&pairs, 3);
            fit.slopes.iter().map(|s| s.estimate.reason.clone().unwrap_or_default()).collect::<Vec<_>>()
        };
        let constant = reasons(&|p| p.difference[1] = 0.0, &pairs);
        assert_eq!(constant, ["", "this covariate never varies for this person", ""]);
        let sum = reasons(&|p| p.difference[2] = p.difference[0] - 2.0 * p.difference[1], &pairs);
        assert_eq!(sum, vec!["c is a sum of the covariates before it"; 3]);
        let told = reasons(&|p| p.first_preferred = p.difference[0] > 0.0, &pairs);
        assert_eq!(told, vec!["no finite coefficients are best: covariates tell all preferences apart"; 3]);
        let few = reasons(&|_| (), &pairs[..6]);
        assert_eq!(few, vec!["3 items are too few for 3 covariates"; 3]);
        let nan = reasons(&|p| p.difference[0] += f64::NAN, &pairs[..6]);
        assert_eq!(nan, vec!["6 of 18 values are not finite"; 3]);
        let mut of_one = pairs.clone();
        for p in &mut of_one {
            p.difference[1] = f64::from(u8::from(p.item == 3));
        }
        of_one.iter_mut().filter(|p| p.item == 3).zip([true, false]).for_each(|(p, first)| p.first_preferred = first);
        let one_item = reasons(&|_| (), &of_one);
        assert_eq!(one_item, vec!["a coefficient rests on one item alone"; 3]);
        // Each item says the same twice, both ways round.
        let said = |item, first_preferred| JudgedPair { person: 0, item, first_preferred, difference: vec![1.0] };
        let even = of(&(0..10).flat_map(|item| [said(item, true), said(item, false)]).collect::<Vec<_>>(), 1);
        assert_eq!(even.slopes[0].p, None);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let pair = |person, difference: &[f64]| {
            vec![JudgedPair { person, item: 0, first_preferred: true, difference: difference.to_vec() }]
        };
        let words = |people, names: &[Covariate], pairs: &[JudgedPair], level, rate| {
            bias_regression(people, names, pairs, level, rate).unwrap_err().to_string()
        };
        let a = [Covariate::bias("a")];
        assert_eq!(words(1, &a, &[], 0.95, 0.05), "there are no pairs, or no covariates");
        assert_eq!(words(1, &[], &pair(0, &[]), 0.95, 0.05), "there are no pairs, or no covariates");
        assert_eq!(words(1, &a, &pair(1, &[0.0]), 0.95, 0.05), "person 1 is beyond the 1 there are");
        assert_eq!(
            words(1, &a, &pair(0, &[0.0, 0.0]), 0.95, 0.05),
            "pair 0 has 2 differences where there are 1 covariates"
        );
        assert!(words(1, &a, &pair(0, &[0.0]), 1.0, 0.05).contains("level 1"));
        assert!(words(1, &a, &pair(0, &[0.0]), 0.95, f64::NAN).contains("rate NaN"));
        assert!(words(usize::MAX, &a, &pair(0, &[0.0]), 0.95, 0.05).contains("people"));
        // People without pairs are no error.
        let fit = bias_regression(2, &a, &pair(0, &[0.0]), 0.95, 0.05).unwrap();
        assert_eq!(fit.people[1].slopes[0].estimate.reason.as_deref(), Some("no pairs"));
        assert_eq!((fit.tests, fit.untested), (0, 2));
    }
}
