//! The figures of a ladder, from what its fits came to.
//!
//! 1. A row is one student of one supervisor by one method, over seeds, read at one place; nothing is left out because it is bad.
//! 2. A student that was stopped early is set against a ceiling that was stopped early, by its own kind of labels.
//! 3. Controls recover parts of the gap of the pair beside which they stand: the same weak model and the same ceiling.
//! 4. T is seen as scores only, and every look is counted.

use super::classifier::chance;
use super::forecast::{Forecast, Pair, Score, forecast, score};
use super::parts::{Items, Parts};
use super::plan::{Fit, Method, control_size};
use super::run::{Fitted, Reading};
use crate::length_rule::LengthRule;
use crate::naive_bayes::features;
use crate::seed::of_every;
use crate::{Error, Labels, Pgr, Rule, Scored, StudentJob, TestSet, Transfer, Trial, Weak, WeakJob, pgr, transfer};
use serde::{Deserialize, Serialize};
use trimtab_stats::{Bootstrap, Items as Drawn, Measured, brier, expected_calibration_error, mean_t, median};

/// Level of the prediction's intervals.
const FORECAST_LEVEL: f64 = 0.9;

/// Where a fit is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAt {
    /// After its last step.
    Last,
    /// Where it agrees best with weak labels of V.
    WeakLabels,
    /// Where it agrees best with gold of V: an oracle, not a method.
    Oracle,
}

/// One student of one supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Who labels.
    pub weak: String,
    /// Who learns.
    pub strong: String,
    /// By which method, or which control.
    pub method: String,
    /// Whether it is a control.
    pub control: bool,
    /// Where it is read.
    pub read: ReadAt,
    /// Its figures.
    pub pgr: Pgr,
    /// What it took over.
    pub transfer: Transfer,
    /// Expected calibration error of the student on T, ten bins; mean over seeds.
    pub student_ece: Measured,
    /// Brier score of the student on T.
    pub student_brier: Measured,
    /// Accuracy less that of the naive student of the same pair, seed by seed; none for that one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_naive: Option<Measured>,
}

/// A size by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: usize,
    /// Accuracy on T without training.
    pub zero_shot: Measured,
    /// With gold of half A.
    pub weak: Measured,
    /// With gold of half B.
    pub ceiling: Measured,
}

/// A chain through all sizes against direct supervision of the largest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Accuracy on T of the chain's last student less that of the direct one, seed by seed.
    pub over_direct: Measured,
    /// Correlation (φ) of the last student's errors with the first supervisor's.
    pub phi_chain: Measured,
    /// The same of the direct student.
    pub phi_direct: Measured,
    /// The former less the latter, seed by seed.
    pub phi_difference: Measured,
}

/// All figures of a ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The sizes, the smallest first.
    pub sizes: Vec<Rung>,
    /// Every student.
    pub rows: Vec<Row>,
    /// Accuracy on T of the better of majority and length, learnt with gold: what a ceiling must clear.
    pub baseline: f64,
    /// Naive pairs weak < strong that are reported, and their median PGR.
    pub reported: Measured,
    /// Of these, the number whose two intervals lie above 0.
    pub above_zero: usize,
    /// A chain, where one was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// What was said of the largest student beforehand, beside what came; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Score>,
    /// Times that a model was scored on T, over all seeds.
    pub test_looks: u64,
}

/// One seed, its parts and fits.
pub type Seed = crate::Seed<Parts, Fitted>;

/// What is measured.
#[derive(Debug)]
pub struct Figures<'a> {
    names: &'a [String],
    parameters: &'a [usize],
    methods: &'a [Method],
    seeds: &'a [Seed],
    tests: Vec<TestSet<usize>>,
    rule: Rule,
    how: Bootstrap,
    baseline: f64,
}

impl<'a> Figures<'a> {
    /// Of sizes with these names and numbers of parameters.
    ///
    /// # Errors
    /// [`Error::Input`] for parts that are not whole.
    pub fn new(
        names: &'a [String],
        parameters: &'a [usize],
        methods: &'a [Method],
        seeds: &'a [Seed],
        rule: Rule,
        how: Bootstrap,
    ) -> Result<Self, Error> {
        let test = |seed: &Seed| TestSet::new((0..seed.parts.t.texts.len()).collect(), &seed.parts.t.gold);
        let tests: Vec<TestSet<usize>> = seeds.iter().map(test).collect::<Result<_, _>>()?;
        for seed in seeds {
            let read = |reading: &Option<super::run::Reading>| reading.as_ref().map(|reading| reading.test.len());
            let lengths = |fit: &Fitted| {
                [Some(fit.test.len()), read(&fit.stopped), read(&fit.oracle)].into_iter().flatten().collect()
            };
            seed.whole(seed.parts.t.texts.len(), lengths)?;
        }
        let mut figures = Self { names, parameters, methods, seeds, tests, rule, how, baseline: 0.5 };
        figures.baseline = figures.baseline()?;
        Ok(figures)
    }

    /// The better of majority and length over seeds, the length's rule learnt from gold of half B.
    fn baseline(&self) -> Result<f64, Error> {
        let mut all = Vec::with_capacity(2 * self.seeds.len());
        for (seed, test) in self.seeds.iter().zip(&self.tests) {
            let lengths = |items: &Items| items.texts.iter().map(Vec::len).collect::<Vec<usize>>();
            let (b, t) = (lengths(&seed.parts.b[0]), lengths(&seed.parts.t));
            let rule = LengthRule::fit(&WeakJob::new(&b, &seed.parts.b[0].gold)?);
            let (by_length, positive) = (test.score(|i| rule.class(t[*i])).accuracy(), test.positive_share());
            all.push(by_length.max(positive).max(1.0 - positive));
        }
        Ok(if all.is_empty() { 0.5 } else { all.iter().sum::<f64>() / all.len() as f64 })
    }

    fn scored(&self, place: usize, logits: &[f32]) -> Scored {
        self.tests[place].score_log_odds(logits)
    }

    /// Of every seed what `fit` came to; none where a seed lacks it.
    fn of(&self, fit: &Fit) -> Option<Vec<&'a Fitted>> {
        of_every(self.seeds, &fit.name(self.names))
    }

    fn accuracy(&self, fit: &Fit) -> Measured {
        let Some(fits) = self.of(fit) else { return Measured::undefined(0, "not run in every seed") };
        let all: Vec<f64> = fits.iter().enumerate().map(|(i, f)| self.scored(i, &f.test).accuracy()).collect();
        mean_t(&all, self.how.level)
    }

    /// The row of students with these log-odds on T, beside a ceiling with those; none where a fit is missing.
    fn row(
        &self,
        weak: usize,
        strong: usize,
        label: &Label,
        students: &[&[f32]],
        ceilings: &[&[f32]],
    ) -> Option<(Row, Vec<Trial>)> {
        let supervisors = self.of(&Fit::Weak(weak))?;
        let trials: Vec<Trial> = self
            .seeds
            .iter()
            .enumerate()
            .map(|(place, seed)| {
                let said = [&supervisors[place].test, students[place], ceilings[place]];
                Trial::of_log_odds(
                    seed.seed,
                    &self.tests[place],
                    said,
                    &supervisors[place].labels,
                    &seed.parts.b[0].gold,
                )
            })
            .collect();
        let calibration = |of: fn(&[Outcome]) -> f64| {
            let of_seed = |(place, seed): (usize, &Seed)| {
                let chances = students[place].iter().map(|z| chance(f64::from(*z)));
                of(&chances.zip(seed.parts.t.gold.classes()).collect::<Vec<Outcome>>())
            };
            mean_t(&self.seeds.iter().enumerate().map(of_seed).collect::<Vec<_>>(), self.how.level)
        };
        let row = Row {
            weak: self.names[weak].clone(),
            strong: self.names[strong].clone(),
            method: label.method.clone(),
            control: label.control,
            read: label.read,
            pgr: pgr(&trials, Drawn::Own, self.baseline, &self.rule, &self.how),
            transfer: transfer(&trials, self.how.level),
            student_ece: calibration(|said| expected_calibration_error(said, 10).error.value.unwrap_or(f64::NAN)),
            student_brier: calibration(|said| brier(said).value.unwrap_or(f64::NAN)),
            over_naive: None,
        };
        Some((row, trials))
    }

    /// The rows of one pair by one method, at each place where it is read.
    fn pair(&self, weak: usize, strong: usize, method: Method) -> Vec<Row> {
        let probe = method == Method::Probe;
        let fits = (self.of(&Fit::Student { weak, strong, method }), self.of(&Fit::Ceiling { strong, probe }));
        let (Some(students), Some(ceilings)) = fits else { return Vec::new() };
        let naive = self.of(&Fit::Student { weak, strong, method: Method::Naive }).filter(|_| method != Method::Naive);
        let mut rows = Vec::new();
        for read in [ReadAt::Last, ReadAt::WeakLabels, ReadAt::Oracle] {
            let student = |fit: &&'a Fitted| read_at(fit, read);
            let ceiling = |fit: &&'a Fitted| {
                if read == ReadAt::Last { Some(&fit.test[..]) } else { tests_of(fit.stopped.as_ref()) }
            };
            let students: Option<Vec<&[f32]>> = students.iter().map(student).collect();
            let ceilings: Option<Vec<&[f32]>> = ceilings.iter().map(ceiling).collect();
            let (Some(students), Some(ceilings)) = (students, ceilings) else { continue };
            let label = Label { method: method.to_string(), control: false, read };
            let Some((mut row, trials)) = self.row(weak, strong, &label, &students, &ceilings) else { continue };
            row.over_naive = naive.as_ref().map(|naive| {
                let over = |(place, trial): (usize, &Trial)| {
                    trial.student.accuracy() - self.scored(place, &naive[place].test).accuracy()
                };
                mean_t(&trials.iter().enumerate().map(over).collect::<Vec<_>>(), self.how.level)
            });
            rows.push(row);
        }
        rows
    }

    /// The controls beside the pair of the smallest model and the student of controls.
    fn controls(&self) -> Result<Vec<Row>, Error> {
        let strong = control_size(self.names.len());
        let (Some(ceilings), Some(supervisors)) =
            (self.of(&Fit::Ceiling { strong, probe: false }), self.of(&Fit::Weak(0)))
        else {
            return Ok(Vec::new());
        };
        let ceilings = tests(ceilings);
        let mut rows = Vec::new();
        for (method, fit) in
            [("without pretraining", Fit::Untrained(strong)), ("labels of other items", Fit::Shuffled(strong))]
        {
            if let Some(students) = self.of(&fit) {
                let students = tests(students);
                let label = Label { method: method.to_owned(), control: true, read: ReadAt::Last };
                rows.extend(self.row(0, strong, &label, &students, &ceilings).map(|(row, _)| row));
            }
        }
        let bayes: Vec<Vec<f32>> = self
            .seeds
            .iter()
            .zip(&supervisors)
            .map(|(seed, supervisor)| naive_bayes(&seed.parts, &supervisor.labels))
            .collect::<Result<_, _>>()?;
        let students: Vec<&[f32]> = bayes.iter().map(Vec::as_slice).collect();
        let label = Label { method: "naive Bayes".to_owned(), control: true, read: ReadAt::Last };
        rows.extend(self.row(0, strong, &label, &students, &ceilings).map(|(row, _)| row));
        Ok(rows)
    }

    /// The chain against direct supervision, and its row.
    fn chain(&self) -> Option<(Chain, Row)> {
        let top = self.names.len() - 1;
        let chained = self.of(&Fit::Chain(top))?;
        let direct = self.of(&Fit::Student { weak: 0, strong: top, method: Method::Naive })?;
        let (weak, ceilings) = (self.of(&Fit::Weak(0))?, self.of(&Fit::Ceiling { strong: top, probe: false })?);
        let (mut over, mut phis) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
        for place in 0..self.seeds.len() {
            let [chained, direct, weak] = [&chained, &direct, &weak].map(|fits| self.scored(place, &fits[place].test));
            over.push(chained.accuracy() - direct.accuracy());
            let (by_chain, by_direct) = (phi(&chained.right, &weak.right), phi(&direct.right, &weak.right));
            phis[0].extend(by_chain);
            phis[1].extend(by_direct);
            phis[2].extend(by_chain.zip(by_direct).map(|(one, other)| one - other));
        }
        let label = Label { method: "chain".to_owned(), control: false, read: ReadAt::Last };
        let (row, _) = self.row(0, top, &label, &tests(chained), &tests(ceilings))?;
        let [phi_chain, phi_direct, phi_difference] = phis.map(|of| mean_t(&of, self.how.level));
        Some((Chain { over_direct: mean_t(&over, self.how.level), phi_chain, phi_direct, phi_difference }, row))
    }

    /// Of a naive pair PGR as a prediction needs it: withheld for its gap, its ceiling or a collapse, and not for few seeds or items.
    fn usable(&self, weak: usize, strong: usize) -> Measured {
        let fits = [Fit::Student { weak, strong, method: Method::Naive }, Fit::Ceiling { strong, probe: false }];
        let [Some(students), Some(ceilings)] = fits.map(|fit| self.of(&fit).map(tests)) else {
            return Measured::undefined(0, "not run in every seed");
        };
        let label = Label { method: "naive".to_owned(), control: false, read: ReadAt::Last };
        let Some((_, trials)) = self.row(weak, strong, &label, &students, &ceilings) else {
            return Measured::undefined(0, "not run in every seed");
        };
        let rule = Rule { seeds: 2, items: 1, ..self.rule };
        pgr(&trials, Drawn::Own, self.baseline, &rule, &self.how).bootstrap
    }

    fn named_pair(&self, weak: usize, strong: usize) -> Pair {
        Pair {
            weak: self.names[weak].clone(),
            strong: self.names[strong].clone(),
            log_ratio: (self.parameters[strong] as f64 / self.parameters[weak] as f64).ln(),
            weak_accuracy: self.accuracy(&Fit::Weak(weak)).value.unwrap_or(f64::NAN),
        }
    }

    /// What the pairs of smaller students say of the pairs into the largest. Nothing of the largest as a student is looked at.
    #[must_use]
    pub fn forecast(&self) -> Forecast {
        let top = self.names.len() - 1;
        let pairs = (1..top).flat_map(|strong| (0..strong).map(move |weak| (weak, strong)));
        let known: Vec<(Pair, f64)> = pairs
            .filter_map(|(weak, strong)| Some((self.named_pair(weak, strong), self.usable(weak, strong).value?)))
            .collect();
        let asked: Vec<Pair> = (0..top).map(|weak| self.named_pair(weak, top)).collect();
        forecast(&known, &asked, FORECAST_LEVEL)
    }

    /// All figures; `said` is what was said of the largest student beforehand.
    ///
    /// # Errors
    /// [`Error::Input`] where weak labels are no probabilities.
    pub fn summary(&self, said: Option<&Forecast>) -> Result<Summary, Error> {
        let sizes = self.names.len();
        let mut rows: Vec<Row> = Vec::new();
        for strong in 0..sizes {
            for weak in 0..=strong {
                rows.extend(self.methods.iter().flat_map(|method| self.pair(weak, strong, *method)));
            }
        }
        rows.extend(self.controls()?);
        let (chain, row) = self.chain().unzip();
        rows.extend(row);
        let shown = |row: &&Row| row.method == "naive" && row.read == ReadAt::Last && row.weak != row.strong;
        let reported: Vec<&Row> = rows.iter().filter(shown).filter(|row| row.pgr.withheld.is_none()).collect();
        let values: Vec<f64> = reported.iter().filter_map(|row| row.pgr.bootstrap.value).collect();
        let n = values.len() as u64;
        let above = |row: &&&Row| {
            [&row.pgr.fieller, &row.pgr.bootstrap].iter().all(|figure| figure.interval.is_some_and(|i| i.low > 0.0))
        };
        let above_zero = reported.iter().filter(above).count();
        let score = said.map(|said| {
            let place = |name: &str| self.names.iter().position(|known| known == name);
            score(said, |weak, strong| match (place(weak), place(strong)) {
                (Some(weak), Some(strong)) => self.usable(weak, strong),
                _ => Measured::undefined(0, "no such pair"),
            })
        });
        let rung = |size: usize| Rung {
            name: self.names[size].clone(),
            parameters: self.parameters[size],
            zero_shot: self.accuracy(&Fit::ZeroShot(size)),
            weak: self.accuracy(&Fit::Weak(size)),
            ceiling: self.accuracy(&Fit::Ceiling { strong: size, probe: false }),
        };
        Ok(Summary {
            sizes: (0..sizes).map(rung).collect(),
            baseline: self.baseline,
            reported: median(&values).map_or_else(
                || Measured::undefined(0, "no pair of different sizes is reported"),
                |value| Measured::point(value, n, "the median of the pairs that are reported"),
            ),
            above_zero,
            chain,
            forecast: score,
            test_looks: self.tests.iter().map(TestSet::asked).sum(),
            rows,
        })
    }
}

/// A chance that was given, and whether it came true.
type Outcome = (f64, bool);

/// How a row is called.
struct Label {
    method: String,
    control: bool,
    read: ReadAt,
}

/// Log-odds on T after the last step, seed by seed.
fn tests(fits: Vec<&Fitted>) -> Vec<&[f32]> {
    fits.into_iter().map(|fit| &fit.test[..]).collect()
}

fn tests_of(reading: Option<&Reading>) -> Option<&[f32]> {
    reading.map(|reading| &reading.test[..])
}

fn read_at(fit: &Fitted, read: ReadAt) -> Option<&[f32]> {
    match read {
        ReadAt::Last => Some(&fit.test),
        ReadAt::WeakLabels => tests_of(fit.stopped.as_ref()),
        ReadAt::Oracle => tests_of(fit.oracle.as_ref()),
    }
}

/// Log-odds on T of naive Bayes on words and pairs of neighbours, taught with the same soft labels.
fn naive_bayes(parts: &Parts, labels: &[f32]) -> Result<Vec<f32>, Error> {
    let seen = |items: &Items| items.texts.iter().map(|text| features(text, true)).collect::<Vec<_>>();
    let (b, t) = (seen(&parts.b[0]), seen(&parts.t));
    let labels = Labels::<Weak>::by(labels, |z| chance(f64::from(*z)))?;
    let model = crate::naive_bayes::fit(&StudentJob::new(&b, &labels)?);
    // A tie stays one: the log-odds of ½ are 0.
    let log_odds = |chance: f64| (chance.clamp(1e-12, 1.0 - 1e-12) / (1.0 - chance.clamp(1e-12, 1.0 - 1e-12))).ln();
    Ok(t.iter().map(|text| log_odds(model.chance(text)) as f32).collect())
}

/// Correlation of two flags over items; none where one of them does not vary.
fn phi(one: &[bool], other: &[bool]) -> Option<f64> {
    let n = one.len() as f64;
    let share = |of: &dyn Fn(usize) -> bool| (0..one.len()).filter(|&i| of(i)).count() as f64 / n;
    let (a, b, both) = (share(&|i| one[i]), share(&|i| other[i]), share(&|i| one[i] && other[i]));
    let variance = a * (1.0 - a) * b * (1.0 - b);
    (variance > 0.0).then(|| (both - a * b) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;
    use crate::transformers::plan::plan;
    use std::collections::BTreeMap;

    const NAMES: [&str; 3] = ["s", "m", "l"];

    /// Fits with planted accuracies: weak models 0.65, 0.75, 0.85, ceilings 0.9, and students `part` of the way between the two.
    fn planted(seeds: u64, part: f64) -> Vec<Seed> {
        let names = NAMES.map(str::to_owned);
        (0..seeds)
            .map(|seed| {
                let mut source = SplitMix::new(seed + 1);
                let mut items = |n: usize| {
                    let gold: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
                    let texts = (0..n).map(|_| vec![source.below(50) as u32, source.below(50) as u32]).collect();
                    Items { texts, gold: Labels::gold(&gold) }
                };
                let parts = Parts { a: items(10), b: vec![items(800), items(800)], v: items(20), t: items(2400) };
                let mut source = SplitMix::new(seed + 1000);
                let mut said = |items: &Items, accuracy: f64| -> Vec<f32> {
                    let one = |gold: bool| if (source.uniform() < accuracy) == gold { 1.0 } else { -1.0 };
                    items.gold.classes().into_iter().map(one).collect()
                };
                let weak = [0.65, 0.75, 0.85];
                let mut fits = BTreeMap::new();
                for fit in plan(3, &[Method::Naive], true).concat() {
                    let accuracy = match fit {
                        Fit::Weak(size) => weak[size],
                        Fit::Ceiling { .. } => 0.95,
                        Fit::Student { weak: by, .. } => weak[by] + part * (0.95 - weak[by]),
                        Fit::Chain(_) => weak[0] + part * (0.95 - weak[0]) + 0.05,
                        Fit::ZeroShot(_) | Fit::Untrained(_) => 0.6,
                        Fit::Shuffled(_) => 0.5,
                    };
                    let name = fit.name(&names);
                    let (labels, test) = (said(&parts.b[0], accuracy), said(&parts.t, accuracy));
                    let early = Reading { step: 1, agreement: 0.5, test: test.clone() };
                    let (stopped, oracle) = (Some(early.clone()), Some(early));
                    fits.insert(
                        name.clone(),
                        Fitted { seed, fit: name, steps: 1, test, labels, validation: vec![], stopped, oracle },
                    );
                }
                Seed { seed, parts, fits }
            })
            .collect()
    }

    fn summary(seeds: &[Seed], said: bool) -> Summary {
        let names = NAMES.map(str::to_owned);
        let how = Bootstrap { resamples: 200, ..Bootstrap::default() };
        let figures = Figures::new(&names, &[100, 300, 1000], &[Method::Naive], seeds, Rule::default(), how).unwrap();
        let forecast = figures.forecast();
        figures.summary(said.then_some(&forecast)).unwrap()
    }

    /// Planted: students recover half of the gap, and the matrix says so with intervals that hold it; the control of other items is
    /// below 0, the chain is above the direct student by what was planted.
    #[test]
    fn planted_shares_are_found() {
        let found = summary(&planted(5, 0.5), true);
        let naive: Vec<&Row> = found.rows.iter().filter(|r| r.method == "naive" && r.read == ReadAt::Last).collect();
        assert_eq!(naive.len(), 6, "all pairs weak ≤ strong");
        for row in &naive {
            assert_eq!(row.pgr.withheld, None, "{row:?}");
            let interval = row.pgr.bootstrap.interval.unwrap();
            assert!(interval.contains(0.5) && interval.low > 0.2, "{} → {}: {interval:?}", row.weak, row.strong);
        }
        assert_eq!((found.reported.n, found.above_zero), (3, 3));
        let control = |name: &str| found.rows.iter().find(|r| r.control && r.method == name).unwrap();
        assert!(control("labels of other items").pgr.bootstrap.value.unwrap() < -0.3);
        assert!(control("naive Bayes").pgr.student.value.unwrap() < 0.6, "words are at random");
        let chain = found.chain.unwrap();
        assert!(chain.over_direct.interval.unwrap().contains(0.05), "{:?}", chain.over_direct);
        // One pair of smaller students is no ground for three terms.
        assert!(found.forecast.unwrap().outcomes.iter().all(|o| o.said.pgr.value.is_none() && o.inside.is_none()));
        assert!(found.test_looks > 30);
    }

    /// Two seeds: every row is there, none is reported; a fit that is missing takes its pair along and no other.
    #[test]
    fn what_is_not_there_is_not_made_up() {
        let mut seeds = planted(2, 0.5);
        let found = summary(&seeds, false);
        assert!(found.rows.iter().all(|row| row.pgr.bootstrap.value.is_none()));
        assert_eq!((found.reported.value, found.above_zero), (None, 0));
        seeds[1].fits.remove("student-s-l-naive");
        let less = summary(&seeds, false);
        assert_eq!(less.rows.len(), found.rows.len() - 4, "three readings and the chain, which it is set against");
        assert!(less.chain.is_none());
    }

    #[test]
    fn phi_is_a_correlation() {
        let flags = [true, true, false, false];
        assert_eq!(phi(&flags, &flags), Some(1.0));
        assert_eq!(phi(&flags, &[false, false, true, true]), Some(-1.0));
        assert_eq!(phi(&flags, &[true, false, true, false]), Some(0.0));
        assert_eq!(phi(&flags, &[true; 4]), None);
    }
}
