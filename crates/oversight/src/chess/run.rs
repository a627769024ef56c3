//! One fit of the plan: who is taught what, and what is kept of it.
//!
//! 1. A model says the most likely word twice: the piece, then where to. No move is drawn and none is put right: what is not legal is wrong.
//! 2. Students get moves as `Labels<Weak, Said>` and nothing else; they are the teacher's most likely moves (the paper: greedy, too).
//! 3. A position in a mirror is a position: each is learnt as it stands and mirrored, with the label mirrored.
//! 4. Fits are by the optimiser of pretraining, on the two words of the move alone; all fits of a seed see B in one order.

use super::parts::{Parts, Puzzles};
use super::plan::Fit;
use super::tokens::{Said, mirrored};
use crate::{Error, Job, Labels, SplitMix, StudentJob, Weak, WeakJob};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::Model;
use trimtab_run::stream;
use trimtab_world::{Pretrain, pretrain::answer};

/// Positions in one pass.
const AT_ONCE: usize = 128;

/// What came of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Its seed.
    pub seed: u64,
    /// Its name, as [`Fit::name`] gives it.
    pub fit: String,
    /// Optimiser steps; 0 for what has none.
    pub steps: u64,
    /// Moves on T.
    pub test: Vec<Said>,
    /// On half B, of the weak model and of a chain's step that teaches there; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Said>,
    /// On the next step's puzzles, of what teaches there; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Said>,
    /// On puzzles from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Said>,
}

/// How models are fitted to puzzles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitting {
    /// Passes through the puzzles, each as it stands and mirrored.
    pub epochs: u64,
    /// The optimiser; `size` and `steps` are not looked at.
    pub optimiser: Pretrain,
}

/// What all fits have in common.
#[derive(Debug)]
pub struct Bench {
    /// Names of the sizes, weak first.
    pub names: Vec<String>,
    /// The models that have read, one of each size.
    pub bases: Vec<Model>,
    /// The last size before it read anything.
    pub untrained: Model,
    /// How they are fitted.
    pub fitting: Fitting,
    /// Positions of puzzles from elsewhere.
    pub elsewhere: Vec<Vec<u32>>,
}

impl Bench {
    /// About how much there is to compute, in parameters times tokens, by the million; for the time left.
    #[must_use]
    pub fn work(&self, fit: &Fit, parts: &Parts) -> u64 {
        let tokens = |puzzles: &Puzzles| puzzles.prompts.iter().map(|p| p.len() + 2).sum::<usize>() as u64;
        let learnt = match fit {
            Fit::ZeroShot(_) => 0,
            Fit::Weak => tokens(&parts.a),
            Fit::Chain(size) if size + 1 < self.bases.len() => tokens(&parts.steps[size - 1]),
            _ => tokens(&parts.b),
        };
        let said = tokens(&parts.t) + if *fit == Fit::Weak { tokens(&parts.b) } else { 0 };
        let model = &self.bases[fit.size(self.bases.len())];
        model.config().parameter_count() as u64 * (6 * self.fitting.epochs * learnt + 2 * said) / 1_000_000 + 1
    }

    /// Makes a fit of seed `seed`. `teacher` is what [`Fit::teacher`] came to, where it has one; `progress` hears the share of the work that
    /// is done and may end it, which gives `None`.
    ///
    /// # Errors
    /// [`Error::Input`] where training diverges, or the teacher is not there.
    pub fn make(
        &self,
        fit: &Fit,
        seed: u64,
        parts: &Parts,
        teacher: Option<&Fitted>,
        mut progress: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Fitted>, Error> {
        let last = self.bases.len() - 1;
        let base = if *fit == Fit::Untrained { &self.untrained } else { &self.bases[fit.size(last + 1)] };
        let taught = |of: fn(&Fitted) -> &Vec<Said>| -> Result<Labels<Weak, Said>, Error> {
            let teacher = teacher
                .ok_or_else(|| Error::input("a teacher is not there", "it to be fitted first", "the plan's order"))?;
            Ok(Labels::answers(of(teacher).clone()))
        };
        let mut fitted = |job: &dyn Job<Vec<u32>, Said>| self.fit(base, job, seed, &mut progress);
        let b = &parts.b.prompts;
        let found = match *fit {
            Fit::ZeroShot(_) => Some((base.clone(), 0)),
            Fit::Weak => fitted(&WeakJob::new(&parts.a.prompts, &parts.a.gold)?)?,
            Fit::Ceiling(_) => {
                // The labels of the job are not looked at; they are there because a ceiling is a student with gold.
                let beside = Labels::<Weak, Said>::answers(vec![[0; 2]; b.len()]);
                fitted(&StudentJob::new(b, &beside)?.ceiling(&parts.b.gold)?)?
            }
            Fit::Chain(size) if size < last => {
                fitted(&StudentJob::new(&parts.steps[size - 1].prompts, &taught(|teacher| &teacher.next)?)?)?
            }
            Fit::Direct(_) | Fit::Chain(_) | Fit::Untrained => {
                fitted(&StudentJob::new(b, &taught(|teacher| &teacher.labels)?)?)?
            }
            Fit::Shuffled => {
                let mut source = SplitMix::new(stream(seed, "oversight/chess/shuffled", 0, 0).next_u64());
                fitted(&StudentJob::new(b, &taught(|teacher| &teacher.labels)?.shuffled(&mut source))?)?
            }
        };
        let Some((model, steps)) = found else { return Ok(None) };
        // The step after the weak model is the first, and it is at place 0 of the list.
        let (labels, next) = match *fit {
            Fit::Weak => (Some(b), parts.steps.first()),
            Fit::Chain(size) if size < last => ((size + 1 == last).then_some(b), parts.steps.get(size)),
            _ => (None, None),
        };
        let say = |prompts: Option<&Vec<Vec<u32>>>| match prompts {
            Some(prompts) => moves(&model, prompts),
            None => Ok(Vec::new()),
        };
        Ok(Some(Fitted {
            seed,
            fit: fit.name(&self.names),
            steps,
            test: moves(&model, &parts.t.prompts)?,
            labels: say(labels)?,
            next: say(next.map(|puzzles| &puzzles.prompts))?,
            elsewhere: moves(&model, &self.elsewhere)?,
        }))
    }

    /// A model taught the moves of a job, and its steps; none where `progress` ended it.
    fn fit(
        &self,
        base: &Model,
        job: &dyn Job<Vec<u32>, Said>,
        seed: u64,
        progress: &mut impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<(Model, u64)>, Error> {
        let of = |(prompt, said): (&Vec<u32>, &Said)| {
            let text = [&prompt[..], said].concat();
            [mirrored(&text, prompt.len()), text]
        };
        let texts: Vec<Vec<u32>> = job.inputs().iter().zip(job.targets()).flat_map(of).collect();
        let tokens = texts.iter().map(Vec::len).sum::<usize>() * self.fitting.epochs as usize;
        let steps = tokens.div_ceil(self.fitting.optimiser.batch_tokens.max(1)).max(1) as u64;
        let settings = Pretrain { steps, warmup: steps / 10, ..self.fitting.optimiser.clone() };
        let order = stream(seed, "oversight/chess/fit", 0, 0).next_u64();
        let mut ended = false;
        let model = answer(
            base.base(),
            &texts,
            |text| text.len() - 2,
            &settings,
            order,
            |done| {
                let go = progress(done.step as f64 / steps as f64);
                ended |= go.is_break();
                go
            },
        )
        .map_err(|e| Error::input(e.to_string(), "a fit that does not diverge", "a smaller --lr"))?;
        Ok((!ended).then_some((model, steps)))
    }
}

/// The most likely move after each position, word by word.
///
/// # Errors
/// [`Error::Input`] for a position that the model cannot read.
pub fn moves(model: &Model, prompts: &[Vec<u32>]) -> Result<Vec<Said>, Error> {
    let mut trace = Trace::default();
    let mut most_likely = |texts: &[Vec<u32>]| -> Result<Vec<u32>, Error> {
        let mut batch = PackedBatch::new();
        let rows: Vec<usize> = texts.iter().map(|text| batch.push(text).end - 1).collect();
        model
            .forward(&batch, &mut trace, Pass { rows: Some(&rows), ..Pass::read() })
            .map_err(|e| Error::input(e.to_string(), "positions that the model can read", "its own vocabulary"))?;
        let logits = model.logits(&trace, &rows);
        // Of equals the first, whatever the order of comparison.
        let first = |row: &[f32]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best }) as u32;
        Ok(logits.chunks(model.config().vocab_size).map(first).collect())
    };
    let mut said = Vec::with_capacity(prompts.len());
    for some in prompts.chunks(AT_ONCE) {
        let pieces = most_likely(some)?;
        let begun: Vec<Vec<u32>> =
            some.iter().zip(&pieces).map(|(prompt, piece)| [&prompt[..], &[*piece]].concat()).collect();
        said.extend(pieces.into_iter().zip(most_likely(&begun)?).map(|(piece, to)| [piece, to]));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::super::corpus::{Corpus, shape};
    use super::super::parts::Sizes;
    use super::super::plan::plan;
    use super::*;
    use std::collections::BTreeMap;

    fn parts() -> Parts {
        let sizes = Sizes { depth: 1, a: 60, b: 60, step: 40, steps: 1, t: 40 };
        Parts::new(&Corpus::new(1, 1000), &sizes, 0).unwrap()
    }

    fn bench() -> Bench {
        let model = |seed| Model::random(&shape("30k").unwrap(), 0.1, seed);
        let optimiser = Pretrain { batch_tokens: 128, ..Pretrain::default() };
        Bench {
            names: ["a", "b", "c"].map(str::to_owned).to_vec(),
            bases: vec![model(1), model(2), model(3)],
            untrained: model(4),
            // Enough for models that say different things.
            fitting: Fitting { epochs: 4, optimiser },
            elsewhere: Vec::new(),
        }
    }

    fn all(bench: &Bench, parts: &Parts) -> BTreeMap<String, Fitted> {
        let mut fits: BTreeMap<String, Fitted> = BTreeMap::new();
        for fit in plan(3) {
            let teacher = fit.teacher().and_then(|teacher| fits.get(&teacher.name(&bench.names)));
            let made = bench.make(&fit, 0, parts, teacher, |_| ControlFlow::Continue(())).unwrap().unwrap();
            fits.insert(made.fit.clone(), made);
        }
        fits
    }

    /// Law: gold of half B is seen by ceilings alone. With other gold the ceilings are others and everything else is the same, to the last bit.
    #[test]
    fn students_do_not_see_gold() {
        let bench = bench();
        let (parts, mut other) = (parts(), parts());
        let mut turned = other.b.gold.targets().to_vec();
        turned.rotate_left(1);
        other.b.gold = Labels::gold_answers(turned);
        let (one, changed) = (all(&bench, &parts), all(&bench, &other));
        for (name, fitted) in &one {
            assert_eq!(*fitted == changed[name], !name.starts_with("ceiling"), "{name}");
        }
    }

    /// Who teaches labels what is learnt, and no more.
    #[test]
    fn teachers_label_what_is_needed() {
        let (bench, parts) = (bench(), parts());
        let fits = all(&bench, &parts);
        let counts = |name: &str| (fits[name].labels.len(), fits[name].next.len());
        assert_eq!(counts("weak"), (60, 40));
        assert_eq!(counts("chain-b"), (60, 0));
        assert_eq!(counts("direct-c"), (0, 0));
        assert_ne!(fits["chain-c"], Fitted { fit: "chain-c".into(), ..fits["direct-c"].clone() }, "another teacher");
    }

    /// A model that is taught until it knows says what it was taught: also of the mirror.
    #[test]
    fn moves_that_were_learnt_are_said() {
        let mut bench = bench();
        bench.fitting.epochs = 40;
        let mut parts = parts();
        let few = |puzzles: &mut Puzzles| {
            puzzles.prompts.truncate(12);
            puzzles.boards.truncate(12);
            puzzles.gold = Labels::gold_answers(puzzles.gold.targets()[..12].to_vec());
        };
        few(&mut parts.a);
        parts.t = parts.a.clone();
        let made = bench.make(&Fit::Weak, 0, &parts, None, |_| ControlFlow::Continue(())).unwrap().unwrap();
        assert_eq!(made.test, parts.a.gold.targets());
        assert!(bench.make(&Fit::Direct(1), 0, &parts, None, |_| ControlFlow::Continue(())).is_err());
        assert_eq!(bench.make(&Fit::Weak, 0, &parts, None, |_| ControlFlow::Break(())).unwrap(), None);
    }
}
