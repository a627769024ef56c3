//! The figures of chess, from what its fits came to.
//!
//! 1. A student is set beside the weak model that began its chain and the ceiling of its own size; of the chain, its last step is set
//!    beside direct supervision too, on the same puzzles of half B.
//! 2. What needs no learning: the most frequent move, and any legal move; a ceiling must clear both. Any legal check, which knows the rules,
//!    is printed beside them.
//! 3. Beside accuracy stands the share of moves that are legal: a model that does not know the rules cannot be wrong about mates.
//! 4. Puzzles from elsewhere are the same for all seeds, and few: their intervals are over seeds and puzzles.

use super::parts::{Parts, Puzzles};
use super::plan::Fit;
use super::run::Fitted;
use super::tokens::Said;
use crate::seed::of_every;
use crate::{Error, Pgr, Rule, Scored, TestSet, Transfer, Trial, pgr, transfer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_stats::{Bootstrap, Items, Measured, bootstrap_two_level, mean_t};

/// A student over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// How it was taught, or which control.
    pub method: String,
    /// Its size.
    pub student: String,
    /// Whether it is a control.
    pub control: bool,
    /// Its figures.
    pub pgr: Pgr,
    /// What it took over; of moves, agreement alone.
    pub agreement: Agreement,
    /// Accuracy less that of direct supervision of the same size, seed by seed; none for that one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_direct: Option<Measured>,
}

/// Agreement of student and weak model on T; n counts seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Where the weak model is right.
    pub where_right: Measured,
    /// Where it is wrong.
    pub where_wrong: Measured,
    /// Accuracy of the weak labels on half B.
    pub weak_on_b: Measured,
}

/// One model over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its fit.
    pub fit: String,
    /// Accuracy on T.
    pub right: Measured,
    /// Share of its moves on T that are legal.
    pub legal: Measured,
    /// Accuracy on puzzles from elsewhere; any move that mates in time is right.
    pub elsewhere: Measured,
}

/// What needs no learning, as accuracies on T; n counts seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// The most frequent move of half B.
    pub majority: Measured,
    /// Any legal move.
    pub legal: Measured,
    /// Any legal move that gives check.
    pub check: Measured,
    /// The better of the first two, which a ceiling must clear.
    pub to_clear: f64,
}

/// All figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Moves to mate.
    pub depth: u8,
    /// Every student and control.
    pub rows: Vec<Row>,
    /// Every model.
    pub models: Vec<Model>,
    /// What needs no learning.
    pub baselines: Baselines,
    /// Puzzles from elsewhere.
    pub elsewhere: u64,
    /// Times that a model was scored on T, over all seeds.
    pub test_looks: u64,
}

/// One seed, its parts and fits.
pub type Seed = crate::Seed<Parts, Fitted>;

/// What is measured.
#[derive(Debug)]
pub struct Figures<'a> {
    seeds: &'a [Seed],
    names: &'a [String],
    depth: u8,
    /// Moves that are right on each puzzle from elsewhere.
    elsewhere: &'a [Vec<Said>],
    tests: Vec<TestSet<usize, Said>>,
    rule: Rule,
    how: Bootstrap,
    baselines: Baselines,
}

impl<'a> Figures<'a> {
    /// Of seeds whose T are their own.
    ///
    /// # Errors
    /// [`Error::Input`] for parts or fits that are not whole.
    pub fn new(
        seeds: &'a [Seed],
        names: &'a [String],
        depth: u8,
        elsewhere: &'a [Vec<Said>],
        rule: Rule,
        how: Bootstrap,
    ) -> Result<Self, Error> {
        let test = |seed: &Seed| TestSet::of_answers((0..seed.parts.t.len()).collect(), &seed.parts.t.gold);
        let tests: Vec<_> = seeds.iter().map(test).collect::<Result<_, _>>()?;
        for seed in seeds {
            seed.whole(seed.parts.t.len(), |fit: &Fitted| vec![fit.test.len()])?;
            seed.whole(elsewhere.len(), |fit: &Fitted| vec![fit.elsewhere.len()])?;
            let labels = |fit: &Fitted| Some(fit.labels.len()).filter(|n| *n > 0).into_iter().collect();
            seed.whole(seed.parts.b.len(), labels)?;
        }
        let baselines = baselines(seeds, &tests, how.level);
        Ok(Self { seeds, names, depth, elsewhere, tests, rule, how, baselines })
    }

    /// Of every seed what `fit` came to; none where a seed lacks it.
    fn of(&self, fit: Fit) -> Option<Vec<&'a Fitted>> {
        of_every(self.seeds, &fit.name(self.names))
    }

    fn scored(&self, place: usize, fitted: &Fitted) -> Scored<Said> {
        self.tests[place].score(|item| fitted.test[*item])
    }

    fn over_seeds(&self, of: impl Fn(usize) -> f64) -> Measured {
        mean_t(&(0..self.seeds.len()).map(of).collect::<Vec<_>>(), self.how.level)
    }

    /// A student beside the ceiling of its size; none where a fit is missing.
    fn row(&self, method: &str, control: bool, student: Fit) -> Option<Row> {
        let size = student.size(self.names.len());
        let (weak, ceilings, students) = (self.of(Fit::Weak)?, self.of(Fit::Ceiling(size))?, self.of(student)?);
        let direct = self.of(Fit::Direct(size)).filter(|_| student != Fit::Direct(size));
        let trial = |(place, seed): (usize, &Seed)| {
            let said = [weak[place], students[place], ceilings[place]].map(|fitted| self.scored(place, fitted));
            let labels = weak[place].labels.iter().zip(seed.parts.b.gold.targets());
            Trial::of_answers(seed.seed, said, &labels.map(|(said, gold)| said == gold).collect::<Vec<_>>())
        };
        let trials: Vec<Trial> = self.seeds.iter().enumerate().map(trial).collect();
        let Transfer { agreement_where_right, agreement_where_wrong, weak_on_b, .. } =
            transfer(&trials, self.how.level);
        Some(Row {
            method: method.to_owned(),
            student: self.names[size].clone(),
            control,
            pgr: pgr(&trials, Items::Own, self.baselines.to_clear, &self.rule, &self.how),
            agreement: Agreement { where_right: agreement_where_right, where_wrong: agreement_where_wrong, weak_on_b },
            over_direct: direct.map(|direct| {
                self.over_seeds(|place| trials[place].student.accuracy() - self.scored(place, direct[place]).accuracy())
            }),
        })
    }

    fn model(&self, fit: Fit) -> Option<Model> {
        let fits = self.of(fit)?;
        let of = |fitted: &&Fitted| -> Vec<[f64; 1]> {
            let right = fitted.elsewhere.iter().zip(self.elsewhere).map(|(said, answers)| answers.contains(said));
            right.map(|right| [f64::from(u8::from(right))]).collect()
        };
        let elsewhere = if self.elsewhere.is_empty() {
            Measured::undefined(0, "no puzzles from elsewhere were given")
        } else {
            bootstrap_two_level(&fits.iter().map(of).collect::<Vec<_>>(), Items::Shared, &self.how, |[right]| {
                Some(right)
            })
        };
        Some(Model {
            fit: fit.name(self.names),
            right: self.over_seeds(|place| self.scored(place, fits[place]).accuracy()),
            legal: self.over_seeds(|place| self.seeds[place].parts.t.legal(&fits[place].test)),
            elsewhere,
        })
    }

    /// All figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let last = self.names.len() - 1;
        let mut rows: Vec<Row> = (1..=last).filter_map(|size| self.row("direct", false, Fit::Direct(size))).collect();
        rows.extend(self.row("chain", false, Fit::Chain(last)));
        rows.extend(self.row("no pretraining", true, Fit::Untrained));
        rows.extend(self.row("labels of other puzzles", true, Fit::Shuffled));
        let models = super::plan::plan(self.names.len()).into_iter().filter_map(|fit| self.model(fit)).collect();
        Summary {
            depth: self.depth,
            rows,
            models,
            baselines: self.baselines.clone(),
            elsewhere: self.elsewhere.len() as u64,
            test_looks: self.tests.iter().map(TestSet::asked).sum(),
        }
    }
}

fn baselines(seeds: &[Seed], tests: &[TestSet<usize, Said>], level: f64) -> Baselines {
    let most_frequent = |puzzles: &Puzzles| -> Option<Said> {
        let mut counts: BTreeMap<Said, usize> = BTreeMap::new();
        puzzles.gold.targets().iter().for_each(|said| *counts.entry(*said).or_default() += 1);
        counts.into_iter().max_by_key(|(_, n)| *n).map(|(said, _)| said)
    };
    let majority = |(seed, test): (&Seed, &TestSet<usize, Said>)| {
        most_frequent(&seed.parts.b).map_or(f64::NAN, |said| test.score(|_| said).accuracy())
    };
    let random: Vec<[f64; 2]> = seeds.iter().map(|seed| seed.parts.t.at_random()).collect();
    let column = |i: usize| mean_t(&random.iter().map(|one| one[i]).collect::<Vec<_>>(), level);
    let majority = mean_t(&seeds.iter().zip(tests).map(majority).collect::<Vec<_>>(), level);
    let (legal, check) = (column(0), column(1));
    let to_clear = [&majority, &legal].into_iter().filter_map(|one| one.value).fold(0.0, f64::max);
    Baselines { majority, legal, check, to_clear }
}

#[cfg(test)]
mod tests {
    use super::super::corpus::Corpus;
    use super::super::parts::Sizes;
    use super::super::plan::plan;
    use super::*;
    use trimtab_run::stream;

    /// Fits that are right with planted chances, and wrong with a move of their own elsewhere.
    fn planted(seeds: u64, chances: impl Fn(Fit) -> f64) -> (Vec<Seed>, Vec<String>) {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let corpus = Corpus::new(1, 1000);
        let sizes = Sizes { depth: 1, a: 10, b: 400, step: 10, steps: 1, t: 400 };
        let seed = |seed: u64| {
            let parts = Parts::new(&corpus, &sizes, seed).unwrap();
            let fitted = |(number, fit): (usize, Fit)| {
                let mut random = stream(seed, "test/chess", number as u64, 0);
                let wrong = [1000 + number as u32, 0];
                let mut say = |gold: &[Said]| -> Vec<Said> {
                    gold.iter().map(|gold| if random.uniform() < chances(fit) { *gold } else { wrong }).collect()
                };
                let test = say(parts.t.gold.targets());
                let labels = if fit == Fit::Weak { say(parts.b.gold.targets()) } else { Vec::new() };
                let elsewhere = vec![[1, 2], [3, 4]];
                let name = fit.name(&names);
                (name.clone(), Fitted { seed, fit: name, steps: 1, test, labels, next: Vec::new(), elsewhere })
            };
            let fits = plan(3).into_iter().enumerate().map(fitted).collect();
            Seed { seed, parts, fits }
        };
        ((0..seeds).map(seed).collect(), names)
    }

    /// Planted: half of a gap is found, the chain's advantage over direct supervision too; moves elsewhere are counted by what is right there.
    #[test]
    fn planted_shares_are_found() {
        let (seeds, names) = planted(6, |fit| match fit {
            Fit::Weak => 0.3,
            Fit::Ceiling(_) => 0.7,
            Fit::Direct(_) => 0.5,
            Fit::Chain(_) => 0.6,
            Fit::ZeroShot(_) => 0.1,
            Fit::Untrained | Fit::Shuffled => 0.2,
        });
        let elsewhere = [vec![[1, 2], [5, 6]], vec![[9, 9]]];
        let how = Bootstrap { resamples: 300, ..Bootstrap::default() };
        let rule = Rule { items: 400, ..Rule::default() };
        let figures = Figures::new(&seeds, &names, 1, &elsewhere, rule, how).unwrap();
        let summary = figures.summary();
        let methods: Vec<(&str, &str)> = summary.rows.iter().map(|r| (r.method.as_str(), r.student.as_str())).collect();
        assert_eq!(methods[..3], [("direct", "b"), ("direct", "c"), ("chain", "c")]);
        let direct = &summary.rows[1];
        assert!(direct.pgr.withheld.is_none() && direct.pgr.fieller.interval.unwrap().contains(0.5), "{direct:?}");
        let chain = &summary.rows[2];
        assert!(chain.over_direct.as_ref().unwrap().interval.unwrap().contains(0.1), "{chain:?}");
        // Where the weak model is wrong, so is the student, with another move: they agree nowhere there.
        assert_eq!(direct.agreement.where_wrong.value, Some(0.0));
        assert!((direct.agreement.where_right.value.unwrap() - 0.5).abs() < 0.1);
        let weak = summary.models.iter().find(|model| model.fit == "weak").unwrap();
        assert!(weak.right.interval.unwrap().contains(0.3));
        assert!(weak.legal.value.unwrap() < 0.4, "words beyond the vocabulary are no legal move");
        assert_eq!(weak.elsewhere.value, Some(0.5));
        assert!(summary.baselines.to_clear < summary.baselines.check.value.unwrap());
        assert_eq!(summary.elsewhere, 2);
    }

    /// What is missing makes no row; a seed alone is withheld.
    #[test]
    fn what_is_not_there_is_not_made_up() {
        let (mut seeds, names) = planted(1, |_| 0.5);
        seeds[0].fits.remove("ceiling-b");
        seeds[0].fits.values_mut().for_each(|fit| fit.elsewhere.clear());
        let figures = Figures::new(&seeds, &names, 1, &[], Rule::default(), Bootstrap::default()).unwrap();
        let summary = figures.summary();
        assert!(summary.rows.iter().all(|row| row.student == "c" && row.pgr.withheld.is_some()));
        assert!(summary.models[0].elsewhere.reason.as_ref().unwrap().contains("no puzzles"));
        // Moves on other puzzles, from elsewhere or of half B, are refused by name.
        let refused = |seeds: &[Seed], elsewhere: &[Vec<Said>]| {
            let figures = Figures::new(seeds, &names, 1, elsewhere, Rule::default(), Bootstrap::default());
            figures.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(refused(&seeds, &[vec![[1, 2]]]).contains("0 items of 1"));
        let labels = seeds[0].fits.get_mut("weak").unwrap().labels.pop().unwrap();
        assert!(refused(&seeds, &[]).contains("399 items of 400"));
        seeds[0].fits.get_mut("weak").unwrap().labels.push(labels);
        assert_eq!(refused(&seeds, &[]), "");
        // A fit of other items is refused by name, and does not end the program.
        seeds[0].fits.get_mut("weak").unwrap().test.pop();
        let error = Figures::new(&seeds, &names, 1, &[], Rule::default(), Bootstrap::default()).unwrap_err();
        assert!(error.to_string().starts_with("seed 0, fit weak: says something of 399 items of 400"), "{error}");
    }
}
