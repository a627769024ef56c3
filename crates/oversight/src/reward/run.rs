//! One fit of the plan: who is taught what, and what is kept of it.
//!
//! 1. Students get the weak model's preferences as `Labels<Weak>` and nothing else ([`StudentJob`]); a ceiling is made beside a student.
//! 2. What is kept are log-odds and scores, not models: on T, on half B where it labels, and on the pools where it is pressed.
//! 3. Generative fine-tuning is next-token prediction of prompts with each of their answers, by the optimiser of pretraining, before the
//!    head is put on. It sees half B's texts and no label. Student and ceiling begin with the same model.

use super::parts::{Pairs, Parts};
use super::plan::{Fit, Method};
use crate::transformers::classifier::{Fitting, Loss, chance, fit, logits, scores, with_drawn_head, with_head};
use crate::transformers::{Input, Pair};
use crate::{Error, Job, Labels, SplitMix, StudentJob, Weak, WeakJob};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::ops::ControlFlow;
use trimtab_engine::model::Model;
use trimtab_run::stream;
use trimtab_world::{Pretrain, pretrain::read_on};

/// What came of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Its seed.
    pub seed: u64,
    /// Its name, as [`Fit::name`] gives it.
    pub fit: String,
    /// Optimiser steps of the reward model; 0 for what has none.
    pub steps: u64,
    /// Log-odds that the first answer is better, on T.
    pub test: Vec<f32>,
    /// The same on half B, of the weak model; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<f32>,
    /// Scores of the answers of each pool that differ; empty for what is not pressed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Vec<f32>>,
}

/// The head that a reward model begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The row of one word in the output matrix less that of another: what the model itself says of an answer.
    Words([u32; 2]),
    /// Drawn anew for each seed.
    Drawn,
}

impl Head {
    fn on(self, base: &Model, seed: u64) -> Model {
        match self {
            Self::Words(marks) => with_head(base, marks),
            Self::Drawn => with_drawn_head(base, stream(seed, "oversight/reward/head", 0, 0).next_u64()),
        }
    }
}

/// What all fits have in common.
#[derive(Debug)]
pub struct Bench {
    /// The small model, pretrained.
    pub weak: Model,
    /// The large one.
    pub strong: Model,
    /// The large one before it was pretrained.
    pub untrained: Model,
    /// The head of all of them.
    pub head: Head,
    /// How reward models are fitted.
    pub fitting: Fitting,
    /// Whether students see the sign of the weak model's preferences only.
    pub hard: bool,
    /// How texts are read before; `steps` is not looked at, it is one pass.
    pub reading: Pretrain,
    /// The last model that has read its texts, and of which seed: its student follows upon its ceiling.
    read: RefCell<Option<(u64, Model)>>,
}

impl Bench {
    /// A bench; see the fields.
    #[must_use]
    pub fn new(
        [weak, strong, untrained]: [Model; 3],
        head: Head,
        fitting: Fitting,
        hard: bool,
        reading: Pretrain,
    ) -> Self {
        Self { weak, strong, untrained, head, fitting, hard, reading, read: RefCell::new(None) }
    }

    /// About how much there is to compute, in parameters times tokens, by the million; for the time left.
    #[must_use]
    pub fn work(&self, fit: &Fit, parts: &Parts) -> u64 {
        let small = matches!(fit, Fit::Weak | Fit::UntaughtWeak);
        let model = if small { &self.weak } else { &self.strong };
        let tokens = |pairs: &Pairs| {
            let side = if small { &pairs.weak } else { &pairs.strong };
            side.iter().map(Input::tokens).sum::<usize>() as u64
        };
        let learnt = match fit {
            Fit::UntaughtWeak | Fit::UntaughtStrong => 0,
            Fit::Weak => 3 * self.fitting.epochs * tokens(&parts.a) + tokens(&parts.b),
            _ => 3 * self.fitting.epochs * tokens(&parts.b),
        };
        // The one that comes first reads for both.
        let read = if matches!(fit, Fit::Ceiling { generative: true }) { 3 * tokens(&parts.b) } else { 0 };
        let pools = if fit.pressed() { parts.pools.iter().map(|p| p.pool.tokens()).sum::<usize>() as u64 } else { 0 };
        let all = learnt + read + pools + tokens(&parts.t);
        model.config().parameter_count() as u64 * all / 1_000_000 + 1
    }

    /// Makes a fit of seed `seed`. `weak` is what the weak model of the seed came to, which students need; `progress` hears the share of
    /// the work that is done and may end it, which gives `None`.
    ///
    /// # Errors
    /// [`Error::Input`] where training diverges, or the weak model is not there.
    pub fn make(
        &self,
        fit: &Fit,
        seed: u64,
        parts: &Parts,
        weak: Option<&Fitted>,
        mut progress: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Fitted>, Error> {
        let run = Run { bench: self, parts, fit, seed };
        let labels = || -> Result<Labels<Weak>, Error> {
            let weak = weak.ok_or_else(|| {
                Error::input("the weak model is not there", "it to be fitted first", "the plan's order")
            })?;
            let soft = Labels::<Weak>::by(&weak.labels, |z| chance(f64::from(*z)))?;
            Ok(if self.hard { soft.hard() } else { soft })
        };
        let (a, b) = (&parts.a, &parts.b);
        match *fit {
            Fit::UntaughtWeak => run.untaught(&self.head.on(&self.weak, seed), &parts.t.weak).map(Some),
            Fit::UntaughtStrong => run.untaught(&self.head.on(&self.strong, seed), &parts.t.strong).map(Some),
            Fit::Weak => run.fitted(&self.weak, &WeakJob::new(&a.weak, &a.gold)?, Loss::Naive, &mut progress),
            Fit::Ceiling { generative } => {
                // The labels of the job are not looked at; they are there because a ceiling is a student with gold.
                let beside = Labels::<Weak>::by(&b.strong, |_| 0.5)?;
                let student = StudentJob::new(&b.strong, &beside)?;
                let job = student.ceiling(&b.gold)?;
                let Some(base) = self.base(generative, seed, parts, &mut progress)? else { return Ok(None) };
                run.fitted(&base, &job, Loss::Naive, &mut progress)
            }
            Fit::Student(method) => {
                let labels = labels()?;
                let job = StudentJob::new(&b.strong, &labels)?;
                let loss = if let Method::Confidence(alpha) = method { Loss::Confidence(alpha) } else { Loss::Naive };
                let Some(base) = self.base(method.generative(), seed, parts, &mut progress)? else { return Ok(None) };
                run.fitted(&base, &job, loss, &mut progress)
            }
            Fit::Untrained => {
                let labels = labels()?;
                run.fitted(&self.untrained, &StudentJob::new(&b.strong, &labels)?, Loss::Naive, &mut progress)
            }
            Fit::Shuffled => {
                let draw = stream(seed, "oversight/reward/shuffled", 0, 0).next_u64();
                let labels = labels()?.shuffled(&mut SplitMix::new(draw));
                run.fitted(&self.strong, &StudentJob::new(&b.strong, &labels)?, Loss::Naive, &mut progress)
            }
        }
    }

    /// The strong model, or what comes of it when it has read the texts of half B.
    fn base(
        &self,
        generative: bool,
        seed: u64,
        parts: &Parts,
        progress: &mut impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Model>, Error> {
        if !generative {
            return Ok(Some(self.strong.clone()));
        }
        if let Some((_, model)) = self.read.borrow().as_ref().filter(|(of, _)| *of == seed) {
            return Ok(Some(model.clone()));
        }
        let texts: Vec<Vec<u32>> = parts.b.strong.iter().flat_map(texts).collect();
        let tokens: usize = texts.iter().map(Vec::len).sum();
        let steps = tokens.div_ceil(self.reading.batch_tokens.max(1)).max(1) as u64;
        let settings = Pretrain { steps, warmup: steps / 10, ..self.reading.clone() };
        let draw = stream(seed, "oversight/reward/reading", 0, 0).next_u64();
        let mut stopped = false;
        let model = read_on(self.strong.base(), &texts, &settings, draw, |_| {
            let go = progress(0.0);
            stopped |= go.is_break();
            go
        })
        .map_err(|e| Error::input(e.to_string(), "texts that the model can read", "smaller --lr-reading"))?;
        if stopped {
            return Ok(None);
        }
        *self.read.borrow_mut() = Some((seed, model.clone()));
        Ok(Some(model))
    }
}

/// A prompt with each of its answers, as running text.
fn texts(pair: &Pair) -> [Vec<u32>; 2] {
    [0, 1].map(|i: usize| [&pair.prompt[..], &pair.answers[i]].concat())
}

/// A fit under way.
struct Run<'a> {
    bench: &'a Bench,
    parts: &'a Parts,
    fit: &'a Fit,
    seed: u64,
}

impl Run<'_> {
    /// A reward model on `base`, fitted to a job, and what it says.
    fn fitted(
        &self,
        base: &Model,
        job: &impl Job<Pair>,
        loss: Loss,
        progress: &mut impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Fitted>, Error> {
        let how = Fitting { snapshots: 1, ..self.bench.fitting };
        let total = job.inputs().len().div_ceil(how.batch.max(1)) as u64 * how.epochs;
        // The order of pairs is the same for all fits of a seed on the same pairs, so that students differ in their labels alone.
        let order = stream(self.seed, "oversight/reward/fit", 0, 0).next_u64();
        let start = self.bench.head.on(base, self.seed);
        let found = fit(start, job, &how, loss, order, |step, _| progress(step as f64 / total as f64))?;
        let Some(last) = found.and_then(|mut snapshots| snapshots.pop()) else { return Ok(None) };
        let small = *self.fit == Fit::Weak;
        let (t, b) = (&self.parts.t, &self.parts.b);
        let mut fitted = self.untaught(&last.model, if small { &t.weak } else { &t.strong })?;
        fitted.steps = last.step;
        if small {
            fitted.labels = short(&logits(&last.model, &b.weak)?);
        }
        if self.fit.pressed() {
            let pools: Vec<_> = self.parts.pools.iter().map(|judged| &judged.pool).collect();
            fitted.pools = scores(&last.model, &pools)?.iter().map(|of| short(of)).collect();
        }
        Ok(Some(fitted))
    }

    fn untaught(&self, model: &Model, t: &[Pair]) -> Result<Fitted, Error> {
        Ok(Fitted {
            seed: self.seed,
            fit: self.fit.name(),
            steps: 0,
            test: short(&logits(model, t)?),
            labels: Vec::new(),
            pools: Vec::new(),
        })
    }
}

fn short(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::Judged;
    use crate::reward::plan::plan;
    use crate::transformers::Pool;
    use std::collections::BTreeMap;
    use trimtab_engine::config::ModelConfig;

    const METHODS: [Method; 3] = [Method::Naive, Method::Generative, Method::Confidence(0.5)];

    /// Pairs of random tokens, of which the answer with the smaller first token is better; `lied` turns gold of half B around.
    fn parts(lied: bool) -> Parts {
        let pairs = |n: usize, seed: u64, lied: bool| {
            let mut random = stream(seed, "test/run", 0, 0);
            let mut answer = || vec![random.below(50) as u32, random.below(50) as u32];
            let of = |answers: [Vec<u32>; 2]| Pair { prompt: vec![51, 52], answers };
            let weak: Vec<Pair> = (0..n).map(|_| of([answer(), answer()])).collect();
            let gold: Vec<bool> = weak.iter().map(|p| (p.answers[0][0] < p.answers[1][0]) != lied).collect();
            let (words, content) = (vec![[2, 2]; n], vec![None; n]);
            Pairs { strong: weak.clone(), weak, gold: Labels::gold(&gold), words, content }
        };
        let pool = Pool { prompt: vec![51], answers: vec![vec![1], vec![2, 3]] };
        let pools = vec![Judged { pool, place: vec![0, 1, 0], gold: vec![1.0, 0.0, 1.0] }];
        Parts { a: pairs(96, 1, false), b: pairs(64, 2, lied), t: pairs(40, 3, false), pools }
    }

    fn bench(head: Head, hard: bool) -> Bench {
        let model = |seed| Model::random(&ModelConfig::tiny(), 0.1, seed);
        let reading = Pretrain { batch_tokens: 64, lr: 1e-3, ..Pretrain::default() };
        Bench::new([model(1), model(2), model(3)], head, Fitting { epochs: 1, ..Fitting::default() }, hard, reading)
    }

    fn all(bench: &Bench, parts: &Parts, fits: &[Fit]) -> BTreeMap<String, Fitted> {
        let mut made: BTreeMap<String, Fitted> = BTreeMap::new();
        for fit in fits {
            let weak = made.get("weak").cloned();
            let found = bench.make(fit, 4, parts, weak.as_ref(), |_| ControlFlow::Continue(())).unwrap().unwrap();
            made.insert(fit.name(), found);
        }
        made
    }

    /// Law: gold of half B turned around changes the ceilings and nothing else, to the last bit: no student, and no reading of texts,
    /// ever saw it.
    #[test]
    fn gold_of_half_b_reaches_ceilings_alone() {
        for (head, hard) in [(Head::Words([7, 9]), false), (Head::Drawn, true)] {
            let list = plan(&METHODS);
            let [honest, lied] = [false, true].map(|lied| all(&bench(head, hard), &parts(lied), &list));
            for fit in &list {
                let same = honest[&fit.name()] == lied[&fit.name()];
                assert_eq!(same, !matches!(fit, Fit::Ceiling { .. }), "{fit:?}");
                assert_eq!(honest[&fit.name()].pools.is_empty(), !fit.pressed(), "{fit:?}");
            }
            let said = |name: &str| &honest[name].test;
            assert_ne!(said("student-naive"), said("student-generative"));
            assert_ne!(said("student-naive"), said("shuffled"));
            assert_ne!(said("ceiling"), said("ceiling-generative"));
        }
    }

    /// Law: the generative student is the same whether its texts were read for it or for its ceiling, as after a kill between the two.
    #[test]
    fn texts_read_anew_are_read_alike() {
        let parts = parts(false);
        let student = Fit::Student(Method::Generative);
        let together =
            all(&bench(Head::Drawn, false), &parts, &[Fit::Weak, Fit::Ceiling { generative: true }, student]);
        let alone = all(&bench(Head::Drawn, false), &parts, &[Fit::Weak, student]);
        assert_eq!(together[&student.name()], alone[&student.name()]);
    }

    /// A student without its weak model, and a fit that was ended.
    #[test]
    fn fits_that_cannot_be() {
        let (bench, parts) = (bench(Head::Drawn, false), parts(false));
        let student = Fit::Student(Method::Naive);
        let none = bench.make(&student, 0, &parts, None, |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(none.contains("the weak model is not there"), "{none}");
        for fit in [Fit::Weak, Fit::Ceiling { generative: true }] {
            assert_eq!(bench.make(&fit, 0, &parts, None, |_| ControlFlow::Break(())).unwrap(), None);
        }
    }
}
