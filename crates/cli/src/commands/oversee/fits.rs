//! Fits in a run folder, a file each by seed, so that a command that was cut short goes on; and the models that they begin with.

use crate::base_model;
use crate::failure::Usage;
use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use trimtab_alignment::{Error, checkpoint};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::model::Model;
use trimtab_oversight::Seed;
use trimtab_run::{Progress, interrupt, stream, write_atomic};
use trimtab_world::{Pretrain, World};

/// Base models of these settings, from the cache or pretrained, and their folders.
pub(super) fn bases(world: &World, pretrain: &[Pretrain], quiet: bool) -> Result<(Vec<Model>, Vec<PathBuf>)> {
    let (mut bases, mut folders) = (Vec::new(), Vec::new());
    for settings in pretrain {
        let base = base_model::cached(&world.config, settings, world.seed, quiet, || Ok(world.corpus().train))?;
        bases.push(checkpoint::load(&base.checkpoint)?.model);
        folders.push(base.checkpoint);
    }
    Ok((bases, folders))
}

/// A model of this shape with random weights, of the spread with which pretraining begins: the control without pretraining.
pub(super) fn untrained(shape: &ModelConfig, seed: u64) -> Model {
    let draw = stream(seed, "oversight/untrained", 0, 0).next_u64();
    Model::random(shape, 0.02 * (768.0 / shape.hidden_size as f32).sqrt(), draw)
}

/// Fits under way: how much of the work is done, and where they are written.
pub(super) struct Making<'a> {
    /// The stage.
    pub stage: &'static str,
    /// Its folder.
    pub dir: &'a Path,
    /// Its progress.
    pub progress: Progress,
    /// Work done, of the whole.
    pub at: u64,
    /// Fits that are there, over all seeds.
    pub made: u64,
}

impl Making<'_> {
    /// Makes one fit of `cost` and writes it; an interrupt leaves what is written, and the same command goes on. `of` is given what
    /// hears of its progress, and gives nothing where that ended it.
    pub(super) fn make<F: Serialize>(
        &mut self,
        seed: u64,
        name: &str,
        cost: u64,
        of: impl FnOnce(&mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<Option<F>, trimtab_oversight::Error>,
    ) -> Result<F> {
        let label = format!("seed {seed}, {name}");
        let (begun, mut shown) = (self.at, self.at);
        let progress = &mut self.progress;
        let made = of(&mut |share| {
            let now = begun + (share * cost as f64) as u64;
            progress.step(now, now.saturating_sub(shown) as f64, &label);
            shown = shown.max(now);
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.at = begun + cost;
        let Some(made) = made else {
            return Err(Error::Interrupted { stage: self.stage, step: self.made }.into());
        };
        self.progress.step(self.at, self.at.saturating_sub(shown) as f64, &label);
        let folder = folder(self.dir, seed);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        write_atomic(&folder.join(format!("{name}.json")), &serde_json::to_vec(&made)?)?;
        self.made += 1;
        interrupt::stop_point(self.stage, self.made);
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: self.stage, step: self.made }.into());
        }
        Ok(made)
    }
}

/// How the fits of an experiment are made.
pub(super) struct Plan<'a, K, P, F> {
    /// The stage.
    pub stage: &'static str,
    /// Its fits, in an order in which each can be made.
    pub list: Vec<K>,
    /// What a fit is called.
    pub name: &'a dyn Fn(&K) -> String,
    /// What it costs.
    pub work: &'a dyn Fn(&K, &P) -> u64,
    /// Makes it, of a seed that has the fits before it.
    pub make: &'a MakeFit<'a, K, P, F>,
}

/// Makes one fit of a seed; it is given what hears of its progress, and gives nothing where that ended it.
type MakeFit<'a, K, P, F> =
    dyn Fn(&K, &Seed<P, F>, &mut dyn FnMut(f64) -> ControlFlow<()>) -> Result<Option<F>, trimtab_oversight::Error> + 'a;

/// Makes what is not there, seed by seed, and says `done` at the end.
pub(super) fn make_all<K, P, F: Serialize>(
    plan: &Plan<K, P, F>,
    seeds: &mut [Seed<P, F>],
    dir: &Path,
    quiet: bool,
    done: &str,
) -> Result<()> {
    let work = |seed: &Seed<P, F>, missing: bool| -> u64 {
        let of = plan.list.iter().filter(|fit| !(missing && seed.fits.contains_key(&(plan.name)(fit))));
        of.map(|fit| (plan.work)(fit, &seed.parts)).sum()
    };
    let total: u64 = seeds.iter().map(|seed| work(seed, false)).sum();
    let at = total - seeds.iter().map(|seed| work(seed, true)).sum::<u64>();
    let made = seeds.iter().map(|seed| seed.fits.len() as u64).sum();
    let progress = Progress::new(plan.stage, at, total, "work", quiet);
    let mut making = Making { stage: plan.stage, dir, progress, at, made };
    for seed in seeds {
        for fit in &plan.list {
            let name = (plan.name)(fit);
            if seed.fits.contains_key(&name) {
                continue;
            }
            let cost = (plan.work)(fit, &seed.parts);
            let fitted = making.make(seed.seed, &name, cost, |progress| (plan.make)(fit, seed, progress))?;
            seed.fits.insert(name, fitted);
        }
    }
    making.progress.finish(done);
    Ok(())
}

fn folder(dir: &Path, seed: u64) -> PathBuf {
    dir.join(format!("seed-{seed}"))
}

/// What earlier attempts made of a seed, by name.
pub(super) fn known<F: DeserializeOwned>(dir: &Path, seed: u64) -> Result<BTreeMap<String, F>> {
    let folder = folder(dir, seed);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(e).with_context(|| folder.display().to_string()),
    };
    // In the order of their names, so that the first bad file is the same on every machine.
    let paths: BTreeSet<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| folder.display().to_string())?;
    let mut fits = BTreeMap::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let fitted: F = serde_json::from_slice(&bytes).map_err(|e| unreadable(path, &e))?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        fits.insert(name, fitted);
    }
    Ok(fits)
}

/// A file of the run folder that is not what the command wrote.
pub(super) fn unreadable(path: &Path, error: &serde_json::Error) -> Usage {
    let advice = "expected what this command wrote\n  try: removing the file; it is made again";
    Usage(format!("{}: {error}\n  {advice}", path.display()))
}
