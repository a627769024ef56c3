//! A world: a seed and settings, and the facts and topics that follow from them.

use crate::ask::Draft;
use crate::config::WorldConfig;
use crate::error::Error;
use crate::fact::{Attribute, Fact, Frequency, facts};
use crate::request::{Topic, topics};
use crate::skill::{Skill, Task};
use serde::{Deserialize, Serialize};
use trimtab_run::{Stream, stream};

/// Which side of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What demonstrations and training prompts are made of.
    Train,
    /// What only held-out prompts and the evaluation are made of.
    HeldOut,
}

/// A world with known truth. Everything that it gives is a function of its settings and its seed.
///
/// The two sides of its split share no person as a subject, no chain of friends, no topic, no operands of a task, and no
/// sentence pattern of a question, belief or request. They share the words, the attributes and the skills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct World {
    /// The seed.
    pub seed: u64,
    /// The settings.
    pub config: WorldConfig,
    /// All facts; four to a person, in the order of [`Attribute::ALL`].
    pub facts: Vec<Fact>,
    /// All topics of requests.
    pub topics: Vec<Topic>,
}

impl World {
    /// The world of these settings and this seed.
    ///
    /// # Errors
    /// [`Error::Config`], naming the first key that cannot be right.
    pub fn new(config: &WorldConfig, seed: u64) -> Result<Self, Error> {
        config.check()?;
        Ok(Self { seed, config: config.clone(), facts: facts(config, seed), topics: topics(config, seed) })
    }

    /// The facts of a split with one of these frequencies.
    pub fn facts_of(&self, split: Split, frequencies: &[Frequency]) -> Vec<&Fact> {
        let held_out = split == Split::HeldOut;
        self.facts.iter().filter(|fact| fact.held_out == held_out && frequencies.contains(&fact.frequency)).collect()
    }

    /// The fact about a person's attribute, if there is such a person.
    pub fn fact(&self, entity: &str, attribute: Attribute) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.entity == entity && fact.attribute == attribute)
    }

    /// The fact at the end of `links` friends from `entity`.
    pub fn follow(&self, entity: &str, links: u32, attribute: Attribute) -> Option<&Fact> {
        let mut entity = entity;
        for _ in 0..links {
            entity = &self.fact(entity, Attribute::Friend)?.value;
        }
        self.fact(entity, attribute)
    }

    /// Whether the thing of this name is held out, for things that are drawn and not listed: operands, and pairs of a
    /// fact and a pattern in the corpus. `share` of all names are.
    pub(crate) fn is_held_out(&self, key: &str, share: f64) -> bool {
        stream(self.seed, &format!("world/split/{key}"), 0, 0).uniform() < share
    }

    /// A task of this side, asked with one of the patterns; nothing if no draw out of a hundred is on this side.
    pub(crate) fn task(
        &self,
        split: Split,
        patterns: &[&'static str],
        skill: Skill,
        difficulty: u32,
        random: &mut Stream,
    ) -> Option<Draft> {
        let pattern = patterns[random.below(patterns.len() as u64) as usize];
        for _ in 0..100 {
            if skill == Skill::Hops {
                if let Some(draft) = self.hops(split, pattern, difficulty, random) {
                    return Some(draft);
                }
            } else if let Some(task) = Task::draw(skill, difficulty, random)
                && self.is_held_out(&task.key, self.config.holdout) == (split == Split::HeldOut)
            {
                return Some(Draft::task(&task, pattern));
            }
        }
        None
    }

    /// A question of several hops, if the person drawn leads to a fact that is known: one is asked only where each link
    /// and the fact at the end are frequent.
    fn hops(&self, split: Split, pattern: &'static str, difficulty: u32, random: &mut Stream) -> Option<Draft> {
        let starts = self.facts_of(split, &Frequency::ALL);
        let start = starts[random.below(starts.len() as u64) as usize];
        if start.attribute == Attribute::Friend {
            return None;
        }
        let end = self.follow(&start.entity, difficulty, start.attribute)?;
        (end.frequency == Frequency::Frequent).then(|| Draft::hops(&start.entity, difficulty, end, pattern))
    }
}
