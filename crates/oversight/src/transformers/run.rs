//! One fit of the plan: who is taught what, and what is kept of it.
//!
//! 1. Students get their labels as `Labels<Weak>` and nothing else ([`StudentJob`]); a ceiling is made beside a student, from the same
//!    items with the same schedule. Early stopping of a student looks at weak labels of V; where it looks at gold, the reading is
//!    kept apart under the name oracle.
//! 2. What is kept are log-odds, not models: on T, on the items that a supervisor labels, and on V.
//! 3. A part of half B is labelled only by models that did not learn on it.

use super::classifier::{Fitting, Loss, Snapshot, Tokens, chance, features, fit, logits, with_head, zero_shot};
use super::parts::{Items, Parts, mark_ids};
use super::plan::{Fit, Method, control_size};
use crate::{Error, Gold, Job, Labels, SplitMix, StudentJob, Weak, WeakJob};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use trimtab_engine::model::Model;
use trimtab_run::stream;
use trimtab_stats::logistic;

/// Ridge of a probe, counted per item.
const RIDGE: f64 = 1e-3;

/// What came of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Its seed.
    pub seed: u64,
    /// Its name, as [`Fit::name`] gives it.
    pub fit: String,
    /// Optimiser steps; 0 for what has none.
    pub steps: u64,
    /// Log-odds of class 1 on T after the last step.
    pub test: Vec<f32>,
    /// The same on the part of half B that it labels; empty for a fit that labels nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<f32>,
    /// The same on V; empty as above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<f32>,
    /// Where agreement with its own kind of labels on V is highest: weak ones for a student, gold for a ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Reading>,
    /// A student where gold on V is highest: not allowed, and shown as an oracle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Reading>,
}

/// A fit read before its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// After this step.
    pub step: u64,
    /// Share of V that agrees with the labels it was chosen by.
    pub agreement: f64,
    /// Log-odds on T.
    pub test: Vec<f32>,
}

/// What all fits have in common.
#[derive(Debug)]
pub struct Ladder {
    /// Names of the sizes, the smallest first.
    pub names: Vec<String>,
    /// A pretrained model of each.
    pub bases: Vec<Model>,
    /// The model of [`control_size`] before it was pretrained.
    pub untrained: Model,
    /// How classifiers are fitted.
    pub fitting: Fitting,
    /// Whether there is a chain.
    pub chain: bool,
}

impl Ladder {
    /// Parts of half B that the chain needs: one for each link.
    #[must_use]
    pub fn parts_of_b(&self) -> usize {
        if self.chain { (self.names.len() - 1).max(1) } else { 1 }
    }

    /// About how much there is to compute, in parameters times passes over items; for the time left.
    #[must_use]
    pub fn work(&self, fit: &Fit, parts: &Parts) -> u64 {
        let parameters = self.bases[fit.size()].config().parameter_count() as u64;
        let learnt = match fit {
            Fit::ZeroShot(_) => 0,
            Fit::Weak(_) => parts.a.texts.len(),
            _ => parts.b[0].texts.len(),
        } as u64;
        let read = parts.t.texts.len() as u64;
        let probes = matches!(fit, Fit::Ceiling { probe: true, .. } | Fit::Student { method: Method::Probe, .. });
        let passes = if probes { learnt } else { 3 * learnt * self.fitting.epochs };
        parameters * (passes + read) / 1_000_000 + 1
    }

    /// Makes a fit of seed `seed`. `known` gives what an earlier fit of the seed came to; `progress` hears the share of the work that
    /// is done and may end it, which gives `None`.
    ///
    /// # Errors
    /// [`Error::Input`] where training diverges, or an earlier fit is not there.
    pub fn make<'k>(
        &self,
        fit: &Fit,
        seed: u64,
        parts: &Parts,
        known: impl Fn(&str) -> Option<&'k Fitted>,
        mut progress: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Fitted>, Error> {
        let supervisor = |fit: Fit| -> Result<&Fitted, Error> {
            let name = fit.name(&self.names);
            known(&name)
                .ok_or_else(|| Error::input(format!("{name} is not there"), "it to be made first", "another plan"))
        };
        let (name, size) = (fit.name(&self.names), fit.size());
        let base = &self.bases[size];
        let run = Run { ladder: self, parts, name: &name, seed };
        let (a, b) = (&parts.a, &parts.b[0]);
        match *fit {
            Fit::ZeroShot(_) => Ok(Some(run.untaught(&zero_shot(base, mark_ids(), &parts.t.slices())?))),
            Fit::Weak(_) => {
                let job = WeakJob::new(&a.texts, &a.gold)?;
                let snapshots = run.fit(base, &job, Loss::Naive, &mut progress)?;
                snapshots.map(|s| run.supervisor(&s, Some(b))).transpose()
            }
            Fit::Ceiling { probe, .. } => {
                // The labels of the job are not looked at; they are there because a ceiling is a student with gold.
                let beside = of_logits(&vec![0.0; b.texts.len()])?;
                let student = StudentJob::new(&b.texts, &beside)?;
                let job = student.ceiling(&b.gold)?;
                if probe {
                    return run.probe(base, &job).map(Some);
                }
                let snapshots = run.fit(base, &job, Loss::Naive, &mut progress)?;
                let stop = Stop::Ceiling(&parts.v.gold);
                snapshots.map(|s| run.read(&s, &stop)).transpose()
            }
            Fit::Student { weak, method, strong } => {
                let by = supervisor(Fit::Weak(weak))?;
                let labels = of_logits(&by.labels)?;
                let (texts, labels) = match method {
                    Method::Filtered(share) => surest(&b.texts, &labels, share)?,
                    _ => (b.texts.clone(), labels),
                };
                let job = StudentJob::new(&texts, &labels)?;
                let loss = match method {
                    Method::Confidence(alpha) => Loss::Confidence(alpha),
                    Method::Probe => return run.probe(base, &job).map(Some),
                    Method::Naive | Method::Filtered(_) => Loss::Naive,
                };
                let Some(snapshots) = run.fit(base, &job, loss, &mut progress)? else { return Ok(None) };
                let on_v = of_logits(&by.validation)?;
                let mut fitted = run.read(&snapshots, &Stop::Student(&on_v, &parts.v.gold))?;
                // The first link of the chain is this student: the next one learns from it on fresh items.
                if self.chain && weak == 0 && strong == 1 && method == Method::Naive && self.names.len() > 2 {
                    let labelled = run.supervisor(&snapshots, parts.b.get(1))?;
                    (fitted.labels, fitted.validation) = (labelled.labels, labelled.validation);
                }
                Ok(Some(fitted))
            }
            Fit::Chain(size) => {
                let below = if size == 2 {
                    Fit::Student { weak: 0, strong: 1, method: Method::Naive }
                } else {
                    Fit::Chain(size - 1)
                };
                let labels = of_logits(&supervisor(below)?.labels)?;
                let job = StudentJob::new(&parts.b[size - 1].texts, &labels)?;
                let snapshots = run.fit(base, &job, Loss::Naive, &mut progress)?;
                snapshots.map(|s| run.supervisor(&s, parts.b.get(size))).transpose()
            }
            Fit::Untrained(_) => {
                let labels = of_logits(&supervisor(Fit::Weak(0))?.labels)?;
                let job = StudentJob::new(&b.texts, &labels)?;
                let snapshots = run.fit(&self.untrained, &job, Loss::Naive, &mut progress)?;
                snapshots.map(|s| run.supervisor(&s, None)).transpose()
            }
            Fit::Shuffled(_) => {
                let labels = of_logits(&supervisor(Fit::Weak(0))?.labels)?.shuffled(&mut SplitMix::new(!seed));
                let job = StudentJob::new(&b.texts, &labels)?;
                let snapshots = run.fit(base, &job, Loss::Naive, &mut progress)?;
                snapshots.map(|s| run.supervisor(&s, None)).transpose()
            }
        }
    }

    /// Size of the students of the controls.
    #[must_use]
    pub fn control(&self) -> usize {
        control_size(self.names.len())
    }
}

/// What a fit is stopped by.
enum Stop<'a> {
    /// Weak labels of V; gold of V for the oracle's row alone.
    Student(&'a Labels<Weak>, &'a Labels<Gold>),
    /// Gold of V, as a ceiling's other labels.
    Ceiling(&'a Labels<Gold>),
}

/// A fit under way.
struct Run<'a> {
    ladder: &'a Ladder,
    parts: &'a Parts,
    name: &'a str,
    seed: u64,
}

impl Run<'_> {
    fn fit(
        &self,
        base: &Model,
        job: &impl Job<Tokens>,
        loss: Loss,
        progress: &mut impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<Vec<Snapshot>>, Error> {
        let how = &self.ladder.fitting;
        let total = job.inputs().len().div_ceil(how.batch.max(1)) as u64 * how.epochs;
        // The order of items is the same for all fits of a seed on the same items, so that students differ in their labels alone.
        let order = stream(self.seed, "oversight/ladder", 0, 0).next_u64();
        fit(with_head(base, mark_ids()), job, how, loss, order, |step, _| progress(step as f64 / total as f64))
    }

    fn untaught(&self, test: &[f64]) -> Fitted {
        Fitted {
            seed: self.seed,
            fit: self.name.to_owned(),
            steps: 0,
            test: short(test),
            labels: Vec::new(),
            validation: Vec::new(),
            stopped: None,
            oracle: None,
        }
    }

    /// The last snapshot, with its labels of `part` where it is to teach.
    fn supervisor(&self, snapshots: &[Snapshot], part: Option<&Items>) -> Result<Fitted, Error> {
        let last = last(snapshots)?;
        let mut fitted = self.untaught(&logits(&last.model, &self.parts.t.slices())?);
        fitted.steps = last.step;
        if let Some(part) = part {
            fitted.labels = short(&logits(&last.model, &part.slices())?);
            fitted.validation = short(&logits(&last.model, &self.parts.v.slices())?);
        }
        Ok(fitted)
    }

    /// The last snapshot, and the one that early stopping keeps.
    fn read(&self, snapshots: &[Snapshot], stop: &Stop) -> Result<Fitted, Error> {
        let mut fitted = self.supervisor(snapshots, None)?;
        let (own, oracle) = match stop {
            Stop::Student(weak, gold) => (weak.classes(), Some(gold.classes())),
            Stop::Ceiling(gold) => (gold.classes(), None),
        };
        let v = self.parts.v.slices();
        let said: Vec<Vec<f64>> = snapshots.iter().map(|s| logits(&s.model, &v)).collect::<Result<_, _>>()?;
        let reading = |labels: &[bool]| -> Result<Option<Reading>, Error> {
            let agreement = |said: &[f64]| {
                said.iter().zip(labels).filter(|(z, label)| (**z > 0.0) == **label).count() as f64 / labels.len() as f64
            };
            let Some((at, agreement)) = first_best(said.iter().map(|said| agreement(said))) else { return Ok(None) };
            let test = if at + 1 == snapshots.len() {
                fitted.test.clone()
            } else {
                short(&logits(&snapshots[at].model, &self.parts.t.slices())?)
            };
            Ok(Some(Reading { step: snapshots[at].step, agreement, test }))
        };
        let (stopped, oracle) = (reading(&own)?, oracle.map(|gold| reading(&gold)).transpose()?.flatten());
        (fitted.stopped, fitted.oracle) = (stopped, oracle);
        Ok(fitted)
    }

    /// A logistic model on the hidden states of `base`, with the job's labels made hard.
    fn probe(&self, base: &Model, job: &impl Job<Tokens>) -> Result<Fitted, Error> {
        let slices: Vec<&[u32]> = job.inputs().iter().map(Vec::as_slice).collect();
        let (learnt, test) = (features(base, &slices)?, features(base, &self.parts.t.slices())?);
        let rows: Vec<&[f64]> = learnt.iter().map(Vec::as_slice).collect();
        let labels: Vec<bool> = job.targets().iter().map(|target| *target > 0.5).collect();
        let model = logistic(&rows, &labels, RIDGE).ok_or_else(|| {
            let what = format!(
                "{}: no probe of {} items with {} of class 1",
                self.name,
                rows.len(),
                labels.iter().filter(|l| **l).count()
            );
            Error::input(what, "items of both classes", "more items, or a weak model that says both")
        })?;
        Ok(self.untaught(&test.iter().map(|row| model.log_odds(row)).collect::<Vec<_>>()))
    }
}

fn last(snapshots: &[Snapshot]) -> Result<&Snapshot, Error> {
    snapshots.last().ok_or_else(|| Error::input("a fit without snapshots", "one after the last step", "--snapshots 1"))
}

/// The place of the first of the largest, and its value; none of none.
fn first_best(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values.enumerate().fold(None, |best, (at, value)| match best {
        Some((_, most)) if most >= value => best,
        _ => Some((at, value)),
    })
}

/// Weak labels from a supervisor's log-odds.
fn of_logits(logits: &[f32]) -> Result<Labels<Weak>, Error> {
    Labels::<Weak>::by(logits, |z| chance(f64::from(*z)))
}

fn short(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The `share` of items of which the weak model is surest, in their order, with its labels; as many of either of its classes.
///
/// Confidence alone would move the class share: a weak model is often surer of one class.
fn surest(texts: &[Tokens], labels: &Labels<Weak>, share: f64) -> Result<(Vec<Tokens>, Labels<Weak>), Error> {
    let (chances, classes) = (labels.chances(), labels.classes());
    let of = |class: bool| {
        let mut rows: Vec<usize> = (0..texts.len()).filter(|&row| classes[row] == class).collect();
        rows.sort_by(|&i, &j| (chances[j] - 0.5).abs().total_cmp(&(chances[i] - 0.5).abs()));
        rows
    };
    let (ones, zeros) = (of(true), of(false));
    let each = ((share * texts.len() as f64 / 2.0).round() as usize).min(ones.len()).min(zeros.len());
    let mut rows = [&ones[..each], &zeros[..each]].concat();
    rows.sort_unstable();
    let kept = Labels::<Weak>::by(&rows, |row| chances[*row])?;
    Ok((rows.iter().map(|&row| texts[row].clone()).collect(), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many of either class, the surest first, in the order of the items.
    #[test]
    fn the_surest_are_kept() {
        let texts: Vec<Tokens> = (0..8).map(|i| vec![i]).collect();
        let chances = [0.9, 0.99, 0.6, 0.8, 0.4, 0.01, 0.7, 0.45];
        let labels = Labels::<Weak>::by(&chances, |c| *c).unwrap();
        let (kept, labels) = surest(&texts, &labels, 0.5).unwrap();
        assert_eq!(kept, [[0], [1], [4], [5]]);
        assert_eq!(labels.chances(), [0.9, 0.99, 0.4, 0.01]);
        // Never more of a class than there are of the other.
        let (kept, _) = surest(&texts, &Labels::<Weak>::by(&chances, |c| c.max(0.5)).unwrap(), 1.0).unwrap();
        assert_eq!(kept.len(), 6);
    }

    #[test]
    fn the_first_of_the_best_is_kept() {
        assert_eq!(first_best([0.5, 0.7, 0.7, 0.6].into_iter()), Some((1, 0.7)));
        assert_eq!(first_best(std::iter::empty()), None);
    }
}
