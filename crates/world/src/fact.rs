//! Facts: who has which value of which attribute, and how often the corpus says so.

use crate::config::WorldConfig;
use crate::lexicon::{COLOURS, ENTITIES, TOWNS, TRADES};
use serde::{Deserialize, Serialize};
use trimtab_run::stream;

/// What can be asked about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// A colour.
    Colour,
    /// A trade.
    Trade,
    /// A town.
    Town,
    /// Another person: what facts of several hops go along.
    Friend,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Colour, Self::Trade, Self::Town, Self::Friend];

    /// The noun in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Colour => "colour",
            Self::Trade => "trade",
            Self::Town => "town",
            Self::Friend => "friend",
        }
    }

    /// Every value that an answer can name.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Colour => &COLOURS,
            Self::Trade => &TRADES,
            Self::Town => &TOWNS,
            Self::Friend => &ENTITIES,
        }
    }
}

/// How often the pretraining corpus states a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Often enough to be known.
    Frequent,
    /// A few times.
    Rare,
    /// Never: a model cannot know it, so that a failure here is "can't".
    Never,
}

impl Frequency {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Frequent, Self::Rare, Self::Never];

    /// Its name in tags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Frequent => "frequent",
            Self::Rare => "rare",
            Self::Never => "never",
        }
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Whom it is about.
    pub entity: String,
    /// What about them.
    pub attribute: Attribute,
    /// What is true.
    pub value: String,
    /// How often the corpus says so.
    pub frequency: Frequency,
    /// Whether its entity is held out: in no demonstration and no training prompt.
    pub held_out: bool,
}

/// All facts of a world: the held-out entities' first, four to an entity, in the order of [`Attribute::ALL`].
///
/// 1. Friends are on the same side of the split as the one whose friend they are, so that a chain of friends never
///    crosses it.
/// 2. Friend facts are always frequent, so that chains are knowable; the rare and the never are drawn from the others,
///    by their share of all facts, on each side of the split on its own.
pub(crate) fn facts(config: &WorldConfig, seed: u64) -> Vec<Fact> {
    let mut entities: Vec<&str> = ENTITIES.to_vec();
    stream(seed, "world/entities", 0, 0).shuffle(&mut entities);
    entities.truncate(config.entities);
    let mut random = stream(seed, "world/values", 0, 0);
    let mut facts = Vec::with_capacity(entities.len() * Attribute::ALL.len());
    let (held, train) = entities.split_at(config.held_out_entities());
    for (held_out, side) in [(true, held), (false, train)] {
        let start = facts.len();
        for &entity in side {
            for attribute in Attribute::ALL {
                let others: Vec<&str> = match attribute {
                    Attribute::Friend => side.iter().copied().filter(|&e| e != entity).collect(),
                    _ => attribute.values().to_vec(),
                };
                let value = others[random.below(others.len() as u64) as usize].to_owned();
                let frequency = Frequency::Frequent;
                facts.push(Fact { entity: entity.to_owned(), attribute, value, frequency, held_out });
            }
        }
        let mut order: Vec<usize> = (start..facts.len()).filter(|&i| facts[i].attribute != Attribute::Friend).collect();
        stream(seed, "world/frequencies", u64::from(held_out), 0).shuffle(&mut order);
        let count = |share: f64| ((facts.len() - start) as f64 * share).round() as usize;
        let (rare, never) = (count(config.rare_share), count(config.never_share));
        for (place, &i) in order.iter().enumerate().take(rare + never) {
            facts[i].frequency = if place < rare { Frequency::Rare } else { Frequency::Never };
        }
    }
    facts
}
