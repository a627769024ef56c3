//! Scores of answers from rankings by many people, and how reliable each of these people is.
//!
//! Chen, Bennett, Collins-Thompson and Horvitz 2013, *Pairwise ranking aggregation in a crowdsourced setting* (Crowd-BT),
//! [doi:10.1145/2433396.2433420](https://doi.org/10.1145/2433396.2433420), gives each person a chance η to report a
//! Bradley–Terry comparison the right way round, P(a before b) = η·exp(s_a)/(exp(s_a) + exp(s_b)) +
//! (1 − η)·exp(s_b)/(exp(s_a) + exp(s_b)). Here each person p has a reliability β instead, an inverse temperature, and
//! ranks the answers of an item by Plackett and Luce with strengths exp(β·score):
//!
//! > P(a is chosen first among A | p) = exp(β_p·s_a)/Σ exp(β_p·s_b) over b ∈ A, s ~ N(0, 1), β ~ N(1, sd²)
//!
//! β = 0 is a coin, and β < 0 prefers what the crowd does not. At β = 1 for everyone this is a majority.
//!
//! 1. Crowd-BT compares one pool of answers. Here every item has answers of its own, so that scores mean something only
//!    within an item. Their prior N(0, 1) is what gives β its unit: the scores of two answers are √2 apart, typically.
//!    It also stands in for Crowd-BT's virtual node: an answer that was never compared with another keeps a wide
//!    posterior. β comes out in the unit of a logit; people with normal noise get about 1.7 times what a probit gives.
//! 2. Crowd-BT maximises over scores and η together. With β that fails: small scores beside large β fit as well and cost
//!    nothing, so the scores are integrated out (by Laplace's method, in `item_posterior.rs`), and β is the mode of
//!    what is left. Laplace's method is not exact where items have few rankings: it draws β towards 0, a β of 2 to about
//!    1.8 where five people rank each item and to 1.4 where two do, and β below 0 a little more, since the prior is
//!    around 1. The order of people and the sign stay.
//! 3. Rankings are lists, with ties and with answers `below` ([`GroupRanking`]). Of a tie every order counts as much as
//!    any other, with a total weight of one ranking: of two answers, half a win each way. No parameter says how often
//!    people tie. Who ties answers that the crowd tells apart therefore gets a smaller β.
//! 4. A list read backwards is no Plackett–Luce list (two answers excepted). For adversaries the model is an approximation.
//! 5. Nothing here knows the truth. That the crowd is right is taken from the start, β = 1 for everyone, and from the
//!    prior's mean of 1: where most are wrong, so is every sign; and a taste that all share counts as quality. Groups of
//!    people that share no item each have a sign of their own. Tastes of some are kept out by `offset`.
//! 6. One ranker's items say nothing about β (any order of answers with equal priors is as likely), and do not enter it.
//! 7. Intervals are by the sandwich of White 1982 ([doi:10.2307/1912526](https://doi.org/10.2307/1912526)) with items as
//!    the independent units (all m shared items, m/(m − 1)) and Student's t, of one degree of freedom less than the
//!    person has shared items. They hold also where the rankings are not quite as the model has them, but then for the
//!    β that fits best. As that is drawn towards 0, they cover a planted β up to 1 about as often as they say, and
//!    larger ones less often.
//! 8. Crowd-BT also chooses which pair to ask whom next. That is not here.

use crate::item_posterior::{Difference, Item, Posterior, Told};
use crate::measured::bad_level;
use crate::newton::{NoFit, cholesky, solve};
use crate::plackett_luce::{GroupRanking, check};
use crate::quasi_newton::{Point, climb};
use crate::special::t_quantile;
use crate::{Interval, Measured};
use std::fmt;

/// Where β starts, and its prior's mean.
const TYPICAL: f64 = 1.0;
/// Most people for whom intervals are found, in time cubic in their number.
const PEOPLE: usize = 3000;
/// Most people in all.
const MOST_PEOPLE: usize = 1 << 24;
/// Most answers of an item.
const ANSWERS: usize = 64;

/// One person's ranking of an item's answers.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdRanking {
    /// The item, from 0.
    pub item: usize,
    /// The person, from 0.
    pub person: usize,
    /// Their ranking; answers are numbered from 0 within the item.
    pub ranking: GroupRanking,
    /// What is known to sway this person beside quality, in log-odds, for each answer of the item: the coefficients of
    /// [`crate::bias_regression()`] times the answer's covariates. Empty for nothing.
    pub offset: Vec<f64>,
}

impl CrowdRanking {
    /// A ranking swayed by nothing that is known.
    #[must_use]
    pub fn of(item: usize, person: usize, ranking: GroupRanking) -> Self {
        Self { item, person, ranking, offset: Vec::new() }
    }
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrowdSettings {
    /// Standard deviation of the reliabilities' prior, above 0.
    pub reliability_sd: f64,
    /// Confidence level of the intervals, in (0, 1).
    pub level: f64,
    /// Most steps.
    pub max_iterations: u32,
    /// Slope of the objective below which it counts as flat, in nats to a unit of reliability.
    pub tolerance: f64,
}

impl Default for CrowdSettings {
    /// A prior of N(1, 1), 95 %, 500 steps, 10⁻³ nats.
    fn default() -> Self {
        Self { reliability_sd: 1.0, level: 0.95, max_iterations: 500, tolerance: 1e-3 }
    }
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq)]
pub enum NoCrowdFit {
    /// No ranking says anything.
    Empty,
    /// No item was ranked by two people.
    NothingShared,
    /// An index beyond what there is.
    OutOfRange {
        /// What is counted: item, person.
        what: &'static str,
        /// The index found.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A ranking that cannot be read.
    Ranking {
        /// Which of those given.
        at: usize,
        /// What is wrong with it.
        why: NoFit,
    },
    /// Offsets that are not one finite number for each answer.
    Offset {
        /// Which of the rankings given.
        at: usize,
    },
    /// More than can be fitted.
    TooLarge {
        /// What is counted: people, answers of an item.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A setting that is not a number above 0.
    Setting {
        /// Its name.
        what: &'static str,
        /// The value found.
        value: f64,
    },
    /// Numbers overflow, or lose all their digits, as from weights and offsets beyond all measure.
    Overflow,
}

impl fmt::Display for NoCrowdFit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no rankings"),
            Self::NothingShared => {
                write!(f, "no item was ranked by two people, so nothing tells who is reliable; let items overlap")
            }
            Self::OutOfRange { what, index, count } => write!(f, "{what} {index} is beyond the {count} there are"),
            Self::Ranking { at, why } => write!(f, "ranking {at}: {why}"),
            Self::Offset { at } => write!(f, "ranking {at}: offsets are not one finite number for each answer"),
            Self::TooLarge { what, count, most } => write!(f, "{count} {what}; at most {most} can be fitted"),
            Self::Setting { what, value } => write!(f, "{what} {value} is not a number above 0"),
            Self::Overflow => write!(f, "numbers too large to compute with; look for extreme weights or offsets"),
        }
    }
}

impl std::error::Error for NoCrowdFit {}

/// What is known of the scores of an item's answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemScores {
    /// The scores that are likeliest together, by answer; only differences mean something. `None` for an answer that no
    /// choice was about.
    pub scores: Vec<Option<f64>>,
    /// By pairs (a, b), a < b, in order.
    differences: Vec<Option<Difference>>,
}

impl ItemScores {
    /// Of the rankings for which `counts` is true.
    fn new(item: &Item, beta: &[f64], counts: impl Fn(&Told) -> bool) -> Result<Self, NoCrowdFit> {
        let (n, named) = (item.answers, item.named(&counts));
        let posterior = item.posterior(&vec![0.0; n], beta, &counts).ok_or(NoCrowdFit::Overflow)?;
        let pair = |a: usize, b: usize| item.difference(&posterior, beta, &counts, (a, b));
        let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
        let differences = pairs.map(|(a, b)| (named[a] && named[b]).then(|| pair(a, b)).flatten()).collect();
        let scores = posterior.mode.iter().zip(&named).map(|(s, named)| named.then_some(*s)).collect();
        Ok(Self { scores, differences })
    }

    /// Of the pair with the smaller answer first.
    fn pair(&self, a: usize, b: usize) -> Option<Difference> {
        let (n, first, second) = (self.scores.len(), a.min(b), a.max(b));
        let at = || first * (2 * n - first - 1) / 2 + second - first - 1;
        (first < second && second < n).then(at).and_then(|at| self.differences[at])
    }

    /// Score of answer a less that of b: its mean, given the rankings, and its standard deviation. `None` where either
    /// has no score, or a = b.
    #[must_use]
    pub fn difference(&self, a: usize, b: usize) -> Option<(f64, f64)> {
        let sign = if a < b { 1.0 } else { -1.0 };
        self.pair(a, b).map(|d| (sign * d.mean, d.sd))
    }

    /// The chance that answer a has a higher score than b, given the rankings: a soft label. `None` as for the
    /// difference.
    #[must_use]
    pub fn preference(&self, a: usize, b: usize) -> Option<f64> {
        self.pair(a, b).map(|d| if a < b { d.above } else { 1.0 - d.above })
    }
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdPlackettLuce {
    /// β of each person with its interval; n counts the items shared with others. Undefined without such an item.
    pub reliability: Vec<Measured>,
    /// [`pair_accuracy`] of each person's β and interval.
    pub accuracy: Vec<Measured>,
    /// The answers of each item; `None` for an item without rankings. Items of one ranker take their β too, or 1.
    pub items: Vec<Option<ItemScores>>,
    /// The objective in nats at the start and after each step: ln of the chance of the rankings of shared items with
    /// the scores integrated out, less the penalty of β's prior. It never falls.
    pub trace: Vec<f64>,
    /// Number of steps.
    pub iterations: u32,
    /// Whether the objective was flat, to the tolerance, before the steps ran out.
    pub converged: bool,
    /// β by person, 1 where undefined.
    beta: Vec<f64>,
    /// Number of answers by item.
    answers: Vec<usize>,
}

impl CrowdPlackettLuce {
    /// For each ranking given, its item's scores by all other people who ranked the item, of these rankings; `None`
    /// where nobody else did. People's β stay as fitted, the ranker's own rankings included.
    ///
    /// # Errors
    /// As for the fit, on which these rankings should have been used.
    pub fn scores_by_others(&self, rankings: &[CrowdRanking]) -> Result<Vec<Option<ItemScores>>, NoCrowdFit> {
        let items = prepare(&self.answers, self.beta.len(), rankings)?;
        let others = |r: &CrowdRanking| {
            let (item, other) = (&items[r.item], |told: &Told| told.person != r.person);
            if !item.rankings.iter().any(other) {
                return Ok(None);
            }
            ItemScores::new(item, &self.beta, other).map(Some)
        };
        rankings.iter().map(others).collect()
    }
}

/// The chance that a person of reliability `beta` puts two answers into the order of their scores, where the scores are
/// two draws of the prior: ½ at 0, above it for β > 0 and below it for β < 0.
///
/// ```
/// use trimtab_stats::pair_accuracy;
/// assert!((pair_accuracy(0.0) - 0.5).abs() < 1e-12 && pair_accuracy(1e6) > 0.999);
/// assert!((pair_accuracy(1.5) + pair_accuracy(-1.5) - 1.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn pair_accuracy(beta: f64) -> f64 {
    // ½ + ∫ φ(z)·tanh(β·z/√2) dz over z > 0, by Simpson's rule on z = t², which is fine near 0, where β may be steep.
    let steps = 800;
    let width = 3.0 / f64::from(steps);
    let at = |k: i32| {
        let t = f64::from(k) * width;
        let z = t * t;
        2.0 * t * (-0.5 * z * z).exp() * (beta * z * std::f64::consts::FRAC_1_SQRT_2).tanh()
    };
    let sum: f64 = (1..steps).map(|k| if k % 2 == 1 { 4.0 * at(k) } else { 2.0 * at(k) }).sum();
    0.5 + (sum + at(steps)) * width / 3.0 / std::f64::consts::TAU.sqrt()
}

/// The objective at one β.
struct State {
    posteriors: Vec<Posterior>,
    height: f64,
    gradient: Vec<f64>,
}

impl Point for State {
    fn height(&self) -> f64 {
        self.height
    }

    fn gradient(&self) -> &[f64] {
        &self.gradient
    }
}

struct Model<'a> {
    shared: Vec<&'a Item>,
    precision: f64,
}

impl Model<'_> {
    fn at(&self, beta: &[f64], near: Option<&State>) -> Option<State> {
        let mut gradient: Vec<f64> = beta.iter().map(|b| -self.precision * (b - TYPICAL)).collect();
        let mut height = -0.5 * self.precision * beta.iter().map(|b| (b - TYPICAL).powi(2)).sum::<f64>();
        let mut posteriors = Vec::with_capacity(self.shared.len());
        for (at, item) in self.shared.iter().enumerate() {
            let none = vec![0.0; item.answers];
            let posterior = item.posterior(near.map_or(&none, |n| &n.posteriors[at].mode), beta, |_| true)?;
            height += posterior.ln_evidence;
            for (told, slope) in item.rankings.iter().zip(item.slopes(&posterior, beta)) {
                gradient[told.person] += slope;
            }
            posteriors.push(posterior);
        }
        Some(State { posteriors, height, gradient })
    }

    /// Standard error of each person's β, in words where there is none. `by_person` are their shared items.
    fn standard_errors(&self, beta: &[f64], state: &State, by_person: &[Vec<usize>]) -> Result<Vec<f64>, String> {
        let n = beta.len();
        if n > PEOPLE {
            return Err(format!("intervals of more than {PEOPLE} people take too long"));
        }
        // Each person's column of the curvature, from the slopes of their items a little to either side.
        let mut information = vec![0.0; n * n];
        for (person, items) in by_person.iter().enumerate() {
            information[person * n + person] += self.precision;
            let reach = 1e-4 * (1.0 + beta[person].abs());
            for side in [1.0, -1.0] {
                let mut moved = beta.to_vec();
                moved[person] += side * reach;
                for &at in items {
                    let item = self.shared[at];
                    let posterior = item.posterior(&state.posteriors[at].mode, &moved, |_| true).ok_or("overflow")?;
                    for (told, slope) in item.rankings.iter().zip(item.slopes(&posterior, &moved)) {
                        let part = 0.25 * side * slope / reach;
                        information[told.person * n + person] -= part;
                        information[person * n + told.person] -= part;
                    }
                }
            }
        }
        let factor = cholesky(information, n).ok_or("the objective does not bend downwards here, so it is no peak")?;
        let slopes: Vec<Vec<(usize, f64)>> = self
            .shared
            .iter()
            .zip(&state.posteriors)
            .map(|(i, p)| i.rankings.iter().map(|r| r.person).zip(i.slopes(p, beta)).collect())
            .collect();
        let items = self.shared.len() as f64;
        let error = |person: usize| {
            let mut row = vec![0.0; n];
            row[person] = 1.0;
            let row = solve(&factor, row);
            let moves = |of_item: &Vec<(usize, f64)>| of_item.iter().map(|(p, slope)| row[*p] * slope).sum::<f64>();
            (items / (items - 1.0) * slopes.iter().map(|s| moves(s).powi(2)).sum::<f64>()).sqrt()
        };
        Ok((0..n).map(error).collect())
    }
}

/// The items with what is said about them.
fn prepare(answers: &[usize], people: usize, rankings: &[CrowdRanking]) -> Result<Vec<Item>, NoCrowdFit> {
    let mut items: Vec<Item> = answers.iter().map(|&answers| Item { answers, rankings: Vec::new() }).collect();
    for (at, CrowdRanking { item, person, ranking, offset }) in rankings.iter().enumerate() {
        for (what, &index, count) in [("item", item, answers.len()), ("person", person, people)] {
            if index >= count {
                return Err(NoCrowdFit::OutOfRange { what, index, count });
            }
        }
        let of = answers[*item];
        let wrong = |why| NoCrowdFit::Ranking { at, why };
        check(of, ranking).map_err(wrong)?;
        if of > ANSWERS {
            return Err(NoCrowdFit::TooLarge { what: "answers of an item", count: of, most: ANSWERS });
        }
        let offset = if offset.is_empty() { vec![0.0; of] } else { offset.clone() };
        if offset.len() != of || offset.iter().any(|o| !o.is_finite()) {
            return Err(NoCrowdFit::Offset { at });
        }
        let told = Told::new(*person, offset, ranking).map_err(wrong)?;
        if told.says_something() {
            items[*item].rankings.push(told);
        }
    }
    Ok(items)
}

/// The reliabilities of `people` people and the scores of items' answers; `answers` has the number of answers of each
/// item.
///
/// # Errors
/// Why there is no fit: see [`NoCrowdFit`].
///
/// ```
/// use trimtab_stats::{CrowdRanking, CrowdSettings, GroupRanking, crowd_plackett_luce};
/// // 40 items of two answers. Persons 0 to 3 prefer answer 0, person 4 always answer 1, and person 5 either in turn.
/// let mut rankings = vec![];
/// for item in 0..40 {
///     for person in 0..6 {
///         let worse = person == 4 || person == 5 && item % 2 == 1;
///         let ranking = if worse { GroupRanking::of(&[&[1], &[0]]) } else { GroupRanking::of(&[&[0], &[1]]) };
///         rankings.push(CrowdRanking::of(item, person, ranking));
///     }
/// }
/// let fit = crowd_plackett_luce(&[2; 40], 6, &rankings, &CrowdSettings::default()).unwrap();
/// let beta: Vec<f64> = fit.reliability.iter().map(|r| r.value.unwrap()).collect();
/// assert!(beta[0] > 1.0 && beta[4] < -1.0 && beta[5].abs() < 0.1);
/// assert!(fit.items[7].as_ref().unwrap().preference(0, 1).unwrap() > 0.95);
/// ```
pub fn crowd_plackett_luce(
    answers: &[usize],
    people: usize,
    rankings: &[CrowdRanking],
    how: &CrowdSettings,
) -> Result<CrowdPlackettLuce, NoCrowdFit> {
    for (what, value) in [("reliability_sd", how.reliability_sd), ("tolerance", how.tolerance)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(NoCrowdFit::Setting { what, value });
        }
    }
    if people > MOST_PEOPLE {
        return Err(NoCrowdFit::TooLarge { what: "people", count: people, most: MOST_PEOPLE });
    }
    let items = prepare(answers, people, rankings)?;
    if items.iter().all(|i| i.rankings.is_empty()) {
        return Err(NoCrowdFit::Empty);
    }
    let shared: Vec<&Item> = items.iter().filter(|i| i.shared()).collect();
    if shared.is_empty() {
        return Err(NoCrowdFit::NothingShared);
    }
    let mut by_person: Vec<Vec<usize>> = vec![Vec::new(); people];
    for (at, item) in shared.iter().enumerate() {
        for told in &item.rankings {
            if by_person[told.person].last() != Some(&at) {
                by_person[told.person].push(at);
            }
        }
    }
    let model = Model { shared, precision: how.reliability_sd.powi(-2) };
    // A ranking bends the objective by about one nat to a unit of β squared, or less.
    let inverse: Vec<f64> = by_person.iter().map(|items| 1.0 / (model.precision + items.len() as f64)).collect();
    let start = vec![TYPICAL; people];
    let end = climb(start, &inverse, how.max_iterations, how.tolerance, |x, near| model.at(x, near))
        .ok_or(NoCrowdFit::Overflow)?;
    let errors = if how.level > 0.0 && how.level < 1.0 {
        model.standard_errors(&end.x, &end.point, &by_person)
    } else {
        Err(bad_level(how.level))
    };
    let measured = |person: usize| {
        let (beta, n) = (end.x[person], by_person[person].len() as u64);
        if n == 0 {
            return Measured::undefined(0, "no item was ranked by this person and by another");
        }
        let error = errors.as_ref().map(|errors| errors[person]);
        match error {
            _ if n == 1 => Measured::point(beta, n, "one item has no interval"),
            Ok(error) if error.is_finite() => {
                let reach = error * t_quantile(0.5 + 0.5 * how.level, n as f64 - 1.0);
                Measured::new(beta, Interval { low: beta - reach, high: beta + reach, level: how.level }, n)
            }
            Ok(_) => Measured::point(beta, n, "one shared item has no interval"),
            Err(reason) => Measured::point(beta, n, reason.as_str()),
        }
    };
    let reliability: Vec<Measured> = (0..people).map(measured).collect();
    let accuracy = reliability.iter().map(|r| Measured {
        value: r.value.map(pair_accuracy),
        interval: r.interval.map(|i| Interval { low: pair_accuracy(i.low), high: pair_accuracy(i.high), ..i }),
        ..r.clone()
    });
    let accuracy = accuracy.collect();
    let scores = |item: &Item| {
        let scores = || ItemScores::new(item, &end.x, |_| true);
        (!item.rankings.is_empty()).then(scores).transpose()
    };
    Ok(CrowdPlackettLuce {
        items: items.iter().map(scores).collect::<Result<_, _>>()?,
        reliability,
        accuracy,
        iterations: (end.trace.len() - 1) as u32,
        trace: end.trace,
        converged: end.converged,
        beta: end.x,
        answers: answers.to_vec(),
    })
}
