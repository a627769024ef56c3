//! A student fine-tuned by adapters on text files: its fits, kept in the cache from call to call.
//!
//! What a fit says of the test's texts is a file under `fits/` in the cache, named by a hash of everything it depends on: Ctrl-C loses one
//! fit, and the same command goes on.

use super::features::{Table, keep, load};
use crate::settings::cache_folder;
use anyhow::Result;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use trimtab_oversight::ladder::{Student, Text};
use trimtab_oversight::transformers::{Trunk, Tuning, trunks, tuned};
use trimtab_oversight::{Error, Job, SeenJob};
use trimtab_run::{Progress, config_hash, interrupt, sha256_bytes};

/// Raised where what is in the cache would be computed otherwise.
const VERSION: u32 = 1;
/// Parts of a fit that its progress counts.
const PARTS: u64 = 1000;

/// All fits of a command.
pub struct Fits<'a> {
    table: &'a Table,
    how: Tuning,
    test: Vec<usize>,
    /// What goes into the first block with adapters, of all texts; made when the first fit is not in the cache.
    trunks: RefCell<Option<Vec<Vec<f32>>>>,
    progress: RefCell<Progress>,
    done: Cell<u64>,
    quiet: bool,
    interrupted: Cell<bool>,
}

/// The student of one seed.
pub struct Lora<'a> {
    /// What it shares with other seeds.
    pub fits: &'a Fits<'a>,
    /// Draws adapters, head and the order of items.
    pub seed: u64,
}

impl<'a> Fits<'a> {
    /// `fits` of them, all of which are asked about the texts at the places `test`.
    pub fn new(table: &'a Table, how: Tuning, test: Vec<usize>, fits: u64, quiet: bool) -> Result<Self> {
        interrupt::install()?;
        let progress = RefCell::new(Progress::new("lora", 0, fits * PARTS, "texts", quiet));
        let (trunks, done, interrupted) = (RefCell::new(None), Cell::new(0), Cell::new(false));
        Ok(Self { table, how, test, trunks, progress, done, quiet, interrupted })
    }

    /// What an error of a fit is to the user: an interrupt, or itself.
    pub fn error(&self, error: Error) -> anyhow::Error {
        if self.interrupted.get() {
            return trimtab_alignment::Error::Interrupted { stage: "lora", step: self.done.get() }.into();
        }
        error.into()
    }

    /// Ends the progress.
    pub fn finish(self) {
        let made = self.done.get();
        self.progress.into_inner().finish(&format!("{made} fits"));
    }

    /// Log-odds of the test's texts after a job.
    fn log_odds(&self, job: &impl Job<usize>, seed: u64) -> Result<Vec<f32>, Error> {
        let file = cache_folder().join("fits").join(self.key(job, seed));
        let said = match load(&file, self.test.len()) {
            Some(said) => said,
            None => self.make(job, seed, &file)?,
        };
        self.done.set(self.done.get() + 1);
        interrupt::stop_point("lora", self.done.get());
        self.progress.borrow_mut().step(self.done.get() * PARTS, 0.0, &format!("seed {seed}"));
        Ok(said)
    }

    fn key(&self, job: &impl Job<usize>, seed: u64) -> String {
        let texts = |places: &[usize]| {
            let of = |place: &usize| self.table.tokens.get(*place).into_iter().flatten().chain([&u32::MAX]);
            sha256_bytes(&places.iter().flat_map(of).flat_map(|t| t.to_le_bytes()).collect::<Vec<u8>>())
        };
        let targets: Vec<u8> = job.targets().iter().flat_map(|target| target.to_le_bytes()).collect();
        let (model, learnt, test) = (&self.table.hash, texts(job.inputs()), texts(&self.test));
        let about = json!({"version": VERSION, "model": model, "how": self.how, "seed": seed, "learnt": learnt, "targets": sha256_bytes(&targets), "test": test});
        config_hash(&about)
    }

    fn make(&self, job: &impl Job<usize>, seed: u64, file: &Path) -> Result<Vec<f32>, Error> {
        if self.trunks.borrow().is_none() {
            *self.trunks.borrow_mut() = Some(self.read()?);
        }
        let trunks = self.trunks.borrow();
        let known = trunks.as_deref().unwrap_or_default();
        let of = |place: &usize| Trunk {
            tokens: self.table.tokens.get(*place).map_or(&[], Vec::as_slice),
            layer: self.how.from,
            x: known.get(*place).map_or(&[], Vec::as_slice),
        };
        let test: Vec<Trunk<'_>> = self.test.iter().map(of).collect();
        let (items, job) = (job.inputs().len() as f64, SeenJob::of(job, of));
        let mut shown = 0.0;
        let said = tuned(&self.table.model, &self.how, &job, &test, seed, |share| {
            let at = self.done.get() * PARTS + (share * PARTS as f64) as u64;
            let more = (share - shown) * items * self.how.fitting.epochs as f64;
            self.progress.borrow_mut().step(at, more, &format!("seed {seed}"));
            shown = share;
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(said) = said else { return Err(self.stopped()) };
        let said: Vec<f32> = said.into_iter().map(|z| z as f32).collect();
        keep(file, &said).map_err(|what| {
            let (expected, hint) = ("a folder to keep fits in".to_owned(), "TRIMTAB_CACHE".to_owned());
            Error::Input { what, expected, hint }
        })?;
        Ok(said)
    }

    /// What goes into the first block with adapters, of all texts.
    fn read(&self) -> Result<Vec<Vec<f32>>, Error> {
        let texts: Vec<&[u32]> = self.table.tokens.iter().map(Vec::as_slice).collect();
        let mut progress = Progress::new("trunks", 0, texts.len() as u64, "tok", self.quiet);
        let made = trunks(&self.table.model, &texts, self.how.from, |done, tokens| {
            progress.step(done as u64, tokens as f64, &format!("{done} texts"));
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        progress.finish(&format!("{} texts up to block {}", texts.len(), self.how.from));
        made.ok_or_else(|| self.stopped())
    }

    fn stopped(&self) -> Error {
        self.interrupted.set(true);
        let (what, expected) = ("interrupted".to_owned(), "a fit that ends".to_owned());
        Error::Input { what, expected, hint: "the same command, which goes on".into() }
    }
}

impl Student for Lora<'_> {
    type Input = usize;

    fn see(&self, text: &Text) -> usize {
        text.place
    }

    fn learn(&self, job: &impl Job<usize>) -> Result<impl Fn(&usize) -> bool, Error> {
        let said = self.fits.log_odds(job, self.seed)?;
        let by_place: BTreeMap<usize, f32> = self.fits.test.iter().copied().zip(said).collect();
        // Nobody else is asked about than the test's texts.
        Ok(move |place: &usize| by_place.get(place).is_some_and(|z| *z > 0.0))
    }
}
