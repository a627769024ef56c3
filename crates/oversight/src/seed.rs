//! What an experiment has of one seed.

use crate::Error;
use std::collections::BTreeMap;

/// One seed: its parts, and what its fits came to, by name.
#[derive(Debug)]
pub struct Seed<P, F> {
    /// The seed.
    pub seed: u64,
    /// Its parts.
    pub parts: P,
    /// Its fits.
    pub fits: BTreeMap<String, F>,
}

impl<P, F> Seed<P, F> {
    /// Whether every fit says something of each of the test's `items`; `lengths` are those of what a fit says.
    ///
    /// # Errors
    /// [`Error::Input`], naming the first fit that does not: its file is another experiment's, or was changed.
    pub(crate) fn whole(&self, items: usize, lengths: impl Fn(&F) -> Vec<usize>) -> Result<(), Error> {
        for (name, fit) in &self.fits {
            if let Some(other) = lengths(fit).into_iter().find(|length| *length != items) {
                let what = format!("seed {}, fit {name}: says something of {other} items of {items}", self.seed);
                return Err(Error::input(what, "what this command wrote", "removing the fit's file; it is made again"));
            }
        }
        Ok(())
    }
}

/// What the fit of this name came to in every seed; none where a seed lacks it.
pub(crate) fn of_every<'a, P, F>(seeds: &'a [Seed<P, F>], name: &str) -> Option<Vec<&'a F>> {
    seeds.iter().map(|seed| seed.fits.get(name)).collect()
}
