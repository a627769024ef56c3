//! The task of the ladder: is this answer to this exercise right? Its items, in parts that share nothing.
//!
//! 1. Exercises are of the world's held-out side ([`World::exercises`]): no document that a model was pretrained on shows their
//!    operands. Half of the answers are right.
//! 2. A group is the set of operands in any order and for any skill, so that a list that is copied in A is not sorted in T.
//! 3. Half B is divided into as many parts as a chain has links, so that each link teaches on items that it was not taught on. The
//!    first is half B of every pair.
//! 4. T is balanced by leaving out items of its more frequent class. A, B and V are balanced by construction, but for chance.

use super::classifier::Tokens;
use crate::leak::shared_groups;
use crate::split::balanced;
use crate::{Error, Gold, Labels, Part, SplitMix, split};
use serde::{Deserialize, Serialize};
use trimtab_world::{Skill, World, marks, pretrain::encode};

/// How many items each part has, at least; T may have a tenth more before it is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Half A: weak models learn from it, with gold.
    pub a: usize,
    /// Each part of half B: students and ceilings learn from one.
    pub b: usize,
    /// V: early stopping looks at it.
    pub v: usize,
    /// T, before it is balanced.
    pub t: usize,
}

/// Items with their truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    /// The texts.
    pub texts: Vec<Tokens>,
    /// Which answers are right.
    pub gold: Labels<Gold>,
}

impl Items {
    /// The texts as slices.
    #[must_use]
    pub fn slices(&self) -> Vec<&[u32]> {
        self.texts.iter().map(Vec::as_slice).collect()
    }
}

/// The parts of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Half A.
    pub a: Items,
    /// Half B in as many parts as were asked for.
    pub b: Vec<Items>,
    /// Validation.
    pub v: Items,
    /// Test.
    pub t: Items,
}

/// Token ids of the words that say right and wrong.
#[must_use]
pub fn mark_ids() -> [u32; 2] {
    marks().map(|mark| encode(&[mark.to_owned()])[0][0])
}

impl Parts {
    /// The parts of seed `seed`, of exercises of `skills`: other ones for each seed, divided by group.
    ///
    /// ```
    /// use trimtab_oversight::transformers::{Parts, Sizes};
    /// use trimtab_world::{Skill, World, WorldConfig};
    /// let world = World::new(&WorldConfig::default(), 1)?;
    /// let parts = Parts::draw(&world, &[Skill::Sort], &Sizes { a: 40, b: 30, v: 10, t: 40 }, 2, 0)?;
    /// assert_eq!((parts.a.texts.len(), parts.b.len(), parts.b[1].texts.len()), (40, 2, 30));
    /// assert_eq!(parts.t.gold.classes().iter().filter(|right| **right).count() * 2, parts.t.texts.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] where the world has too few exercises.
    pub fn draw(world: &World, skills: &[Skill], sizes: &Sizes, parts_of_b: usize, seed: u64) -> Result<Self, Error> {
        let t = sizes.t + sizes.t / 10;
        let wanted = [sizes.a, sizes.b * parts_of_b, sizes.v, t];
        let total: usize = wanted.iter().sum();
        // Some operands are soon used up, and some groups come whole or not at all: draw more than are needed.
        let exercises = world.exercises(skills, total * 8 / 5 + 50, seed);
        let groups: Vec<String> = exercises.iter().map(|e| group(&e.key)).collect();
        let shares = wanted.map(|count| count as f64);
        let parts = split(&groups, shares, seed)?;
        let rows: Vec<_> = groups.iter().enumerate().map(|(row, key)| (parts[row], row, key.as_str())).collect();
        if let Some(leaks) = shared_groups(&rows) {
            return Err(Error::Leak(leaks));
        }
        let mut of = Part::ALL.map(|part| (0..exercises.len()).filter(|&row| parts[row] == part).collect::<Vec<_>>());
        for (rows, (part, wanted)) in of.iter_mut().zip(Part::ALL.into_iter().zip(wanted)) {
            // The list goes through skills and difficulties in turn: any cut of it must be any items.
            SplitMix::new(seed ^ 0x1A77).shuffle(rows);
            if rows.len() < wanted {
                let what = format!("part {part} has {} exercises of {wanted}", rows.len());
                return Err(Error::input(what, "a world with enough operands", "smaller parts, or fewer sizes"));
            }
            rows.truncate(wanted);
        }
        let [a, b, v, t] = of;
        let right = |rows: &[usize]| rows.iter().map(|&row| exercises[row].right).collect::<Vec<_>>();
        let t: Vec<usize> = balanced(&right(&t), seed).into_iter().map(|place| t[place]).collect();
        let items = |rows: &[usize]| {
            let texts: Vec<String> = rows.iter().map(|&row| exercises[row].text.clone()).collect();
            let mut texts = encode(&texts);
            // The end of a document is not a part of an exercise that is still to be marked.
            for text in &mut texts {
                text.truncate(text.len() - 1);
            }
            Items { texts, gold: Labels::gold(&right(rows)) }
        };
        let b = b.chunks(sizes.b.max(1)).map(items).collect();
        Ok(Self { a: items(&a), b, v: items(&v), t: items(&t) })
    }
}

/// The operands of an exercise's key in alphabetical order, without its skill.
pub(crate) fn group(key: &str) -> String {
    let operands = key.split_once('/').map_or(key, |(_, operands)| operands);
    let mut words: Vec<&str> = operands.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use trimtab_world::{Skill, WorldConfig};

    /// Law: no text is in two parts, every seed has other texts, and equal seeds have equal ones.
    #[test]
    fn parts_share_nothing() {
        let world = World::new(&WorldConfig::default(), 1).unwrap();
        let sizes = Sizes { a: 300, b: 200, v: 50, t: 300 };
        let parts = Parts::draw(&world, &[Skill::Copy, Skill::Sort], &sizes, 3, 5).unwrap();
        let all = [&parts.a, &parts.b[0], &parts.b[1], &parts.b[2], &parts.v, &parts.t];
        let distinct: BTreeSet<&Tokens> = all.iter().flat_map(|items| &items.texts).collect();
        assert_eq!(distinct.len(), all.iter().map(|items| items.texts.len()).sum::<usize>());
        assert!(parts.t.texts.len() >= 270, "{}", parts.t.texts.len());
        assert_eq!(parts, Parts::draw(&world, &[Skill::Copy, Skill::Sort], &sizes, 3, 5).unwrap());
        assert_ne!(parts.t, Parts::draw(&world, &[Skill::Copy, Skill::Sort], &sizes, 3, 6).unwrap().t);
    }

    #[test]
    fn the_order_of_operands_is_no_new_group() {
        assert_eq!(group("sort/3 1 2"), group("sort/2 3 1"));
        assert_eq!(group("copy/kite lamp"), group("reverse/lamp kite"));
        assert_ne!(group("add/3+4"), group("add/3+5"));
    }

    #[test]
    fn marks_are_words() {
        let [right, wrong] = mark_ids();
        assert!(right != 0 && wrong != 0 && right != wrong);
    }
}
