//! What an experiment has of one seed.

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
