//! The figures of reward modelling, from what its fits came to.
//!
//! 1. A row is one method over seeds; its ceiling has the student's inputs and schedule. Generative fine-tuning stands twice: beside a ceiling
//!    that read the texts too, and beside the one that did not, as in the paper's figure.
//! 2. Beside each PGR stand the accuracies on the pairs of which one answer is right, and on those that differ in length alone: the
//!    second are what a shortcut solves.
//! 3. Shortcuts are scored on T as models are: shorter, longer, and the best rule on the difference of lengths that gold of B teaches. A
//!    ceiling must clear the best of them and the majority. Answers of equal length are half a pair for the first two.
//! 4. Controls recover parts of the naive pair's gap: the same weak model and the same ceiling.

use super::parts::{Pairs, Parts};
use super::plan::{Fit, Method, plan};
use super::press::{Pressed, Selector, Table};
use super::run::Fitted;
use crate::length_rule::LengthRule;
use crate::seed::of_every;
use crate::{Error, Pgr, Rule, Scored, TestSet, Transfer, Trial, WeakJob, WeakScore, pgr, transfer};
use serde::{Deserialize, Serialize};
use trimtab_run::stream;
use trimtab_stats::{Bootstrap, Items as Drawn, Measured, mean_t, wilson};

/// Longer than any answer, so that a difference of lengths is no negative number.
const OFFSET: usize = 1 << 20;

/// A part of T.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stratum {
    /// What tells its pairs apart.
    pub name: String,
    /// Its share of T.
    pub share: Measured,
    /// The weak model's accuracy there.
    pub weak: Measured,
    /// The student's.
    pub student: Measured,
    /// The ceiling's.
    pub ceiling: Measured,
}

/// One method over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which, or which control.
    pub method: String,
    /// The ceiling beside it, as its fit is called.
    pub ceiling: String,
    /// Whether it is a control.
    pub control: bool,
    /// Its figures.
    pub pgr: Pgr,
    /// What it took over.
    pub transfer: Transfer,
    /// Accuracies by what tells the answers apart; empty where nobody knows.
    pub strata: Vec<Stratum>,
    /// Accuracy less that of the naive student, seed by seed; none for that one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_naive: Option<Measured>,
}

/// What needs no reward model, as accuracies on T; n counts seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// The shorter answer is better; equal lengths are half a pair.
    pub shorter: Measured,
    /// The longer one is.
    pub longer: Measured,
    /// The best threshold on the difference of lengths, learnt from gold of B.
    pub length_rule: Measured,
    /// The more frequent class.
    pub majority: Measured,
    /// Share of T whose answers have equal lengths.
    pub equal_lengths: Measured,
    /// The better of majority and length rule, which a ceiling must clear.
    pub to_clear: f64,
}

/// All figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Accuracy on T of the weak model's head before it is fitted.
    pub untaught_weak: Measured,
    /// Of the strong one's.
    pub untaught_strong: Measured,
    /// What needs no reward model.
    pub baselines: Baselines,
    /// Every method and control.
    pub rows: Vec<Row>,
    /// Best-of-n; none where nobody knows the gold of other answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressed: Option<Pressed>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_pressed: Option<String>,
    /// Times that a model was scored on T, over all seeds.
    pub test_looks: u64,
}

/// One seed, its parts and fits.
pub type Seed = crate::Seed<Parts, Fitted>;

/// What is measured.
#[derive(Debug)]
pub struct Figures<'a> {
    seeds: &'a [Seed],
    methods: &'a [Method],
    tests: Vec<TestSet<usize>>,
    drawn: Drawn,
    rule: Rule,
    how: Bootstrap,
    baselines: Baselines,
}

impl<'a> Figures<'a> {
    /// Of seeds whose T are their own, or shared.
    ///
    /// # Errors
    /// [`Error::Input`] for parts that are not whole.
    pub fn new(
        seeds: &'a [Seed],
        methods: &'a [Method],
        drawn: Drawn,
        rule: Rule,
        how: Bootstrap,
    ) -> Result<Self, Error> {
        let test = |seed: &Seed| TestSet::new((0..seed.parts.t.len()).collect(), &seed.parts.t.gold);
        let tests: Vec<TestSet<usize>> = seeds.iter().map(test).collect::<Result<_, _>>()?;
        for seed in seeds {
            seed.whole(seed.parts.t.len(), |fit: &Fitted| vec![fit.test.len()])?;
            let pools: Vec<usize> = seed.parts.pools.iter().map(|judged| judged.pool.answers.len()).collect();
            let pressed = plan(methods).into_iter().filter(|fit| fit.pressed() && !pools.is_empty());
            for fit in pressed.filter_map(|fit| seed.fits.get(&fit.name())) {
                if !fit.pools.iter().map(Vec::len).eq(pools.iter().copied()) {
                    let what = format!("seed {}, fit {}: scores other pools of answers", seed.seed, fit.fit);
                    return Err(Error::input(
                        what,
                        "what this command wrote",
                        "removing the fit's file; it is made again",
                    ));
                }
            }
        }
        let baselines = baselines(seeds, &tests, drawn, how.level)?;
        Ok(Self { seeds, methods, tests, drawn, rule, how, baselines })
    }

    fn scored(&self, place: usize, logits: &[f32]) -> Scored {
        self.tests[place].score_log_odds(logits)
    }

    /// Of every seed what `fit` came to; none where a seed lacks it.
    fn of(&self, fit: &Fit) -> Option<Vec<&'a Fitted>> {
        of_every(self.seeds, &fit.name())
    }

    fn over_seeds(&self, of: impl Fn(usize) -> f64) -> Measured {
        mean_t(&(0..self.seeds.len()).map(of).collect::<Vec<_>>(), self.how.level)
    }

    fn accuracy(&self, fit: &Fit) -> Measured {
        match self.of(fit) {
            Some(fits) => {
                let all: Vec<f64> =
                    (0..fits.len()).map(|place| self.scored(place, &fits[place].test).accuracy()).collect();
                share_of(&all, &self.tests, self.drawn, self.how.level)
            }
            None => Measured::undefined(0, "not run in every seed"),
        }
    }

    /// A student beside a ceiling; none where a fit is missing.
    fn row(&self, method: &str, control: bool, student: &Fit, ceiling: &Fit) -> Option<Row> {
        let (weak, students, ceilings) = (self.of(&Fit::Weak)?, self.of(student)?, self.of(ceiling)?);
        let naive = self.of(&Fit::Student(Method::Naive)).filter(|_| *student != Fit::Student(Method::Naive));
        let trials: Vec<Trial> = self
            .seeds
            .iter()
            .enumerate()
            .map(|(place, seed)| {
                let said = [&weak[place].test[..], &students[place].test, &ceilings[place].test];
                Trial::of_log_odds(seed.seed, &self.tests[place], said, &weak[place].labels, &seed.parts.b.gold)
            })
            .collect();
        Some(Row {
            method: method.to_owned(),
            ceiling: ceiling.name(),
            control,
            pgr: pgr(&trials, self.drawn, self.baselines.to_clear, &self.rule, &self.how),
            transfer: transfer(&trials, self.how.level),
            strata: self.strata(&trials),
            over_naive: naive.map(|naive| {
                self.over_seeds(|place| {
                    trials[place].student.accuracy() - self.scored(place, &naive[place].test).accuracy()
                })
            }),
        })
    }

    fn strata(&self, trials: &[Trial]) -> Vec<Stratum> {
        let known = self.seeds.iter().all(|seed| seed.parts.t.content.iter().all(Option::is_some));
        if !known || trials.is_empty() {
            return Vec::new();
        }
        let stratum = |(name, content): (&str, bool)| {
            let within = |place: usize| {
                let kinds = &self.seeds[place].parts.t.content;
                (0..kinds.len()).filter(|&i| kinds[i] == Some(content)).collect::<Vec<usize>>()
            };
            let accuracy = |of: &dyn Fn(&Trial) -> Vec<bool>| {
                let each = |place: usize| {
                    let (right, within) = (of(&trials[place]), within(place));
                    (!within.is_empty())
                        .then(|| within.iter().filter(|&&i| right[i]).count() as f64 / within.len() as f64)
                };
                match (0..trials.len()).map(each).collect::<Option<Vec<f64>>>() {
                    Some(all) => mean_t(&all, self.how.level),
                    None => Measured::undefined(0, "a seed has no such pair"),
                }
            };
            let weak = |trial: &Trial| match &trial.weak {
                WeakScore::OnTest(scored) => scored.right.clone(),
                WeakScore::OfLabels(_) => Vec::new(),
            };
            Stratum {
                name: name.to_owned(),
                share: self.over_seeds(|place| within(place).len() as f64 / self.seeds[place].parts.t.len() as f64),
                weak: accuracy(&weak),
                student: accuracy(&|trial| trial.student.right.clone()),
                ceiling: accuracy(&|trial| trial.ceiling.right.clone()),
            }
        };
        [("one is right", true), ("length alone", false)].map(stratum).to_vec()
    }

    /// Best-of-n by every model that was pressed, and by its controls.
    fn pressed(&self, ns: &[usize]) -> Result<Pressed, String> {
        if self.seeds.iter().any(|seed| seed.parts.pools.is_empty()) {
            return Err("nobody knows what other answers are worth: gold is known of the world's tasks only".into());
        }
        let gold: Vec<Vec<Vec<f64>>> =
            self.seeds.iter().map(|seed| seed.parts.pools.iter().map(|pool| pool.gold.clone()).collect()).collect();
        let words = |pool: &super::parts::Judged| -> Vec<f64> {
            pool.place.iter().map(|&at| pool.pool.answers[at].len() as f64).collect()
        };
        let words: Vec<Vec<Vec<f64>>> =
            self.seeds.iter().map(|seed| seed.parts.pools.iter().map(words).collect()).collect();
        // Each answer as often as it was drawn.
        let scores = |fits: &[&Fitted]| -> Vec<Vec<Vec<f64>>> {
            let of = |(seed, fitted): (&Seed, &&Fitted)| {
                let pools = seed.parts.pools.iter().zip(&fitted.pools);
                pools.map(|(pool, said)| pool.place.iter().map(|&at| f64::from(said[at])).collect()).collect()
            };
            self.seeds.iter().zip(fits).map(of).collect()
        };
        let named =
            |name: &str, fit: &Fit| self.of(fit).map(|fits| Selector { name: name.to_owned(), scores: scores(&fits) });
        let mut selectors: Vec<Selector> = Vec::new();
        selectors.extend(named("weak", &Fit::Weak));
        for method in self.methods {
            selectors.extend(named(&format!("student, {method}"), &Fit::Student(*method)));
        }
        selectors.extend(named("ceiling", &Fit::Ceiling { generative: false }));
        let dealt = selectors.first().map(|weak| {
            let mut scores = weak.scores.clone();
            for (seed, prompts) in self.seeds.iter().zip(&mut scores) {
                for (prompt, scores) in prompts.iter_mut().enumerate() {
                    stream(seed.seed, "oversight/reward/dealt", prompt as u64, 0).shuffle(scores);
                }
            }
            Selector { name: "control: random".into(), scores }
        });
        selectors.extend(dealt);
        selectors.push(Selector { name: "control: gold".into(), scores: gold.clone() });
        let table = Table::new(&gold, &words, &selectors, ns, self.how);
        let naive = "student, naive";
        let mut pairs = vec![(naive, "weak"), ("ceiling", naive), ("ceiling", "weak"), ("weak", "control: random")];
        pairs.extend([("student, generative", "weak"), ("student, generative", naive)]);
        let pools = || self.seeds.iter().flat_map(|seed| &seed.parts.pools);
        let unlike = |place: usize| {
            let pools = &self.seeds[place].parts.pools;
            let (unlike, all) = pools
                .iter()
                .fold((0, 0), |(unlike, all), pool| (unlike + pool.pool.answers.len(), all + pool.place.len()));
            unlike as f64 / all as f64
        };
        Ok(Pressed {
            prompts: self.seeds.iter().map(|seed| seed.parts.pools.len()).min().unwrap_or(0) as u64,
            answers: pools().map(|pool| pool.place.len()).min().unwrap_or(0) as u64,
            unlike: self.over_seeds(unlike),
            curves: table.curves(),
            contrasts: pairs.into_iter().filter_map(|(of, less)| table.contrast(of, less)).collect(),
        })
    }

    /// All figures; best of each of `ns`, which rise from 1.
    #[must_use]
    pub fn summary(&self, ns: &[usize]) -> Summary {
        let (plain, generative) = (Fit::Ceiling { generative: false }, Fit::Ceiling { generative: true });
        let mut rows: Vec<Row> = Vec::new();
        for method in self.methods {
            let own = if method.generative() { &generative } else { &plain };
            rows.extend(self.row(&method.to_string(), false, &Fit::Student(*method), own));
            if method.generative() {
                rows.extend(self.row(&method.to_string(), false, &Fit::Student(*method), &plain));
            }
        }
        for (name, fit) in [("no pretraining", Fit::Untrained), ("labels of other pairs", Fit::Shuffled)] {
            rows.extend(self.row(name, true, &fit, &plain));
        }
        let (pressed, not_pressed) = match self.pressed(ns) {
            Ok(pressed) => (Some(pressed), None),
            Err(reason) => (None, Some(reason)),
        };
        Summary {
            untaught_weak: self.accuracy(&Fit::UntaughtWeak),
            untaught_strong: self.accuracy(&Fit::UntaughtStrong),
            baselines: self.baselines.clone(),
            rows,
            pressed,
            not_pressed,
            test_looks: self.tests.iter().map(TestSet::asked).sum(),
        }
    }
}

/// A share of T over seeds. Where all seeds have one T and it is the same number in each, seeds say nothing of how sure it is: then the
/// interval is Wilson's over the pairs of T, whose number n is.
fn share_of(by_seed: &[f64], tests: &[TestSet<usize>], drawn: Drawn, level: f64) -> Measured {
    let same = by_seed.windows(2).all(|pair| pair[0] == pair[1]);
    match (by_seed.first(), tests.first()) {
        (Some(share), Some(test)) if same && drawn == Drawn::Shared => {
            let n = test.len() as u64;
            // A pair of equal lengths is half a pair: the interval takes the whole ones.
            match wilson((share * n as f64).round() as u64, n, level) {
                Some(interval) => Measured::new(*share, interval, n),
                None => Measured::undefined(n, "no pairs"),
            }
        }
        _ => mean_t(by_seed, level),
    }
}

/// What needs no reward model, seed by seed.
fn baselines(seeds: &[Seed], tests: &[TestSet<usize>], drawn: Drawn, level: f64) -> Result<Baselines, Error> {
    let (mut shorter, mut rule, mut majority, mut equal) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (seed, test) in seeds.iter().zip(tests) {
        let Parts { b, t, .. } = &seed.parts;
        let differences =
            |pairs: &Pairs| pairs.words.iter().map(|[one, other]| OFFSET + one - other).collect::<Vec<usize>>();
        let (of_b, of_t) = (differences(b), differences(t));
        let learnt = LengthRule::fit(&WeakJob::new(&of_b, &b.gold)?);
        rule.push(test.score(|i| learnt.class(of_t[*i])).accuracy());
        let ties = of_t.iter().filter(|d| **d == OFFSET).count() as f64 / of_t.len() as f64;
        let wins = test.score(|i| of_t[*i] < OFFSET);
        // Of equal lengths the score is "the second": those are taken out, and count half.
        let right = wins.right.iter().zip(&of_t).filter(|(right, d)| **right && **d != OFFSET).count();
        shorter.push(right as f64 / of_t.len() as f64 + 0.5 * ties);
        equal.push(ties);
        majority.push(test.positive_share().max(1.0 - test.positive_share()));
    }
    let longer: Vec<f64> = shorter.iter().map(|share| 1.0 - share).collect();
    let best: Vec<f64> = rule.iter().zip(&majority).map(|(rule, majority)| rule.max(*majority)).collect();
    let [shorter, longer, length_rule, majority, equal_lengths] =
        [&shorter, &longer, &rule, &majority, &equal].map(|of| share_of(of, tests, drawn, level));
    let to_clear = if best.is_empty() { 0.5 } else { best.iter().sum::<f64>() / best.len() as f64 };
    Ok(Baselines { shorter, longer, length_rule, majority, equal_lengths, to_clear })
}

#[cfg(test)]
mod tests {
    use super::super::parts::Judged;
    use super::super::plan::plan;
    use super::*;
    use crate::transformers::{Pair, Pool};
    use crate::{Gold, Labels};
    use std::collections::BTreeMap;

    const METHODS: [Method; 2] = [Method::Naive, Method::Generative];

    /// Fits with planted accuracies on T and planted worth in best-of-n: log-odds are right with a chance, scores are gold with noise.
    fn planted(seeds: u64) -> Vec<Seed> {
        (0..seeds)
            .map(|seed| {
                let mut random = stream(seed, "test/measure", 0, 0);
                let mut pairs = |n: usize| {
                    let pair = Pair { prompt: vec![1], answers: [vec![2], vec![3]] };
                    let gold: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
                    // The better answer is the shorter one in three of four.
                    let shorter = |better_first: &bool| {
                        let first_is_short = (random.below(4) > 0) == *better_first;
                        if first_is_short { [3, 5] } else { [5, 3] }
                    };
                    let words = gold.iter().map(shorter).collect();
                    let content = (0..n).map(|i| Some(i % 3 != 0)).collect();
                    let gold: Labels<Gold> = Labels::gold(&gold);
                    Pairs { weak: vec![pair.clone(); n], strong: vec![pair; n], gold, words, content }
                };
                let (a, b, t) = (pairs(10), pairs(900), pairs(2400));
                let pools: Vec<Judged> = (0..30)
                    .map(|_| Judged {
                        pool: Pool { prompt: vec![1], answers: vec![vec![1]; 32] },
                        place: (0..32).collect(),
                        gold: (0..32).map(|_| random.normal()).collect(),
                    })
                    .collect();
                let parts = Parts { a, b, t, pools };
                let mut fits = BTreeMap::new();
                for fit in plan(&METHODS) {
                    let (accuracy, noise) = match fit {
                        Fit::Weak => (0.80, 4.0),
                        Fit::Student(Method::Naive) => (0.83, 2.0),
                        Fit::Student(_) => (0.86, 1.0),
                        Fit::Ceiling { .. } => (0.92, 0.3),
                        _ => (0.5, 9.0),
                    };
                    let mut random = stream(seed, &fit.name(), 0, 0);
                    let mut said = |pairs: &Pairs| -> Vec<f32> {
                        let one = |gold: bool| if (random.uniform() < accuracy) == gold { 1.0 } else { -1.0 };
                        pairs.gold.classes().into_iter().map(one).collect()
                    };
                    let (test, labels) = (said(&parts.t), said(&parts.b));
                    let pool = |judged: &Judged| {
                        judged.gold.iter().map(|gold| (gold + noise * random.normal()) as f32).collect()
                    };
                    let pools = parts.pools.iter().map(pool).collect();
                    let name = fit.name();
                    fits.insert(name.clone(), Fitted { seed, fit: name, steps: 1, test, labels, pools });
                }
                Seed { seed, parts, fits }
            })
            .collect()
    }

    fn summary(seeds: &[Seed]) -> Summary {
        let how = Bootstrap { resamples: 200, ..Bootstrap::default() };
        Figures::new(seeds, &METHODS, Drawn::Own, Rule::default(), how).unwrap().summary(&[1, 4, 32])
    }

    /// Planted: a quarter and a half of the gap are found with intervals that hold them; shortcut and strata are what was planted; the
    /// better a model, the more the best of 32 by it is worth.
    #[test]
    fn planted_shares_are_found() {
        let found = summary(&planted(5));
        let row = |name: &str| found.rows.iter().find(|row| row.method == name).unwrap();
        for (name, share) in [("naive", 0.25), ("generative", 0.5)] {
            assert_eq!(row(name).pgr.withheld, None, "{:?}", row(name).pgr);
            let interval = row(name).pgr.bootstrap.interval.unwrap();
            assert!(interval.contains(share) && interval.low > 0.0, "{name}: {interval:?}");
        }
        assert_eq!(found.rows.len(), 5, "naive, generative beside two ceilings, two controls");
        assert!(row("generative").over_naive.as_ref().unwrap().interval.unwrap().contains(0.03));
        assert!(
            row("labels of other pairs").control && row("labels of other pairs").pgr.bootstrap.value.unwrap() < -1.0
        );
        let shorter = found.baselines.shorter.interval.unwrap();
        assert!(shorter.contains(0.75) && (found.baselines.to_clear - 0.75).abs() < 0.02, "{shorter:?}");
        assert!((found.baselines.longer.value.unwrap() - 0.25).abs() < 0.02);
        let [content, length] = &row("naive").strata[..] else { panic!("two strata") };
        assert!((content.share.value.unwrap() + length.share.value.unwrap() - 1.0).abs() < 1e-12);
        assert!(
            (content.student.value.unwrap() - 0.83).abs() < 0.02 && (length.weak.value.unwrap() - 0.8).abs() < 0.02
        );

        let pressed = found.pressed.unwrap();
        let at_most =
            |by: &str| pressed.curves.iter().find(|curve| curve.by == by).unwrap().points[2].gold.value.unwrap();
        let order = ["control: random", "weak", "student, naive", "student, generative", "ceiling", "control: gold"];
        assert!(order.windows(2).all(|pair| at_most(pair[0]) < at_most(pair[1])), "{pressed:?}");
        let contrast = pressed.contrasts.iter().find(|c| c.of == "student, naive" && c.less == "weak").unwrap();
        assert!(contrast.gold.interval.unwrap().low > 0.0 && contrast.n == 32, "{contrast:?}");
    }

    /// One T for all seeds: what does not change with the seed is as sure as the pairs of T make it, and not sure beyond doubt.
    #[test]
    fn seeds_that_share_their_test_do_not_make_it_sure() {
        let mut seeds = planted(3);
        let (t, test) = (seeds[0].parts.t.clone(), seeds[0].fits["untaught-weak"].test.clone());
        for seed in &mut seeds {
            seed.parts.t = t.clone();
            seed.fits.entry("untaught-weak".into()).and_modify(|fitted| fitted.test.clone_from(&test));
        }
        let how = Bootstrap { resamples: 100, ..Bootstrap::default() };
        let found = Figures::new(&seeds, &METHODS, Drawn::Shared, Rule::default(), how).unwrap().summary(&[1, 4]);
        for figure in [&found.baselines.shorter, &found.baselines.majority, &found.untaught_weak] {
            let interval = figure.interval.unwrap();
            // 1.96·√(p(1 − p)/2400): 0.017 to 0.020.
            assert!((0.03..0.045).contains(&(interval.high - interval.low)) && figure.n == 2400, "{figure:?}");
        }
    }

    /// A ceiling that length alone reaches has failed, and the row says so.
    #[test]
    fn a_ceiling_below_the_shortcut_is_withheld() {
        let mut seeds = planted(5);
        for seed in &mut seeds {
            let gold = seed.parts.t.gold.classes();
            // Every better answer is the shorter one: length gets all of T.
            seed.parts.t.words = gold.iter().map(|first| if *first { [3, 5] } else { [5, 3] }).collect();
        }
        let found = summary(&seeds);
        let reasons = found.rows[0].pgr.withheld.as_ref().unwrap().reasons.join("; ");
        assert!(reasons.contains("does not clear the baseline"), "{reasons}");
    }

    /// Two seeds are shown and not reported; without pools there is no best-of-n, and a reason.
    #[test]
    fn what_is_not_there_is_not_made_up() {
        let mut seeds = planted(2);
        for seed in &mut seeds {
            seed.parts.pools.clear();
            seed.parts.t.content.fill(None);
            seed.fits.remove("ceiling-generative");
        }
        let found = summary(&seeds);
        assert!(found.pressed.is_none() && found.not_pressed.unwrap().contains("nobody knows"));
        assert_eq!(found.rows.len(), 4, "generative beside the plain ceiling alone");
        assert!(found.rows.iter().all(|row| row.pgr.bootstrap.value.is_none() && row.pgr.by_seed.len() == 2));
        assert!(found.rows.iter().all(|row| row.strata.is_empty()));
        // Fits of other pairs or pools are refused by name.
        let mut seeds = planted(1);
        let figures = |seeds: &[Seed]| {
            let figures = Figures::new(seeds, &METHODS, Drawn::Own, Rule::default(), Bootstrap::default());
            figures.err().map(|e| e.to_string()).unwrap_or_default()
        };
        seeds[0].fits.get_mut("ceiling").unwrap().pools[3].pop();
        assert!(figures(&seeds).contains("fit ceiling: scores other pools"), "{}", figures(&seeds));
        seeds[0].fits.get_mut("ceiling").unwrap().test.pop();
        assert!(figures(&seeds).contains("fit ceiling: says something of 2399 items of 2400"), "{}", figures(&seeds));
    }
}
