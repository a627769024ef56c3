//! Exercises to be marked: a task with held-out operands, somebody's answer, and whether that is right.
//!
//! 1. Operands are of the held-out side, so no document of the corpus shows the task or its answer.
//! 2. One exercise for each set of operands, and half of the answers are wrong ones of the right form: a question alone says
//!    nothing about its mark, and no two exercises share more than their skill.
//! 3. No facts and no hops: there are too few people for thousands of questions that do not hang together.

use crate::ask::Draft;
use crate::skill::{HARDEST, Skill};
use crate::template::{RIGHT, WRONG};
use crate::world::{Split, World};
use std::collections::BTreeSet;
use trimtab_run::{Stream, stream};

/// Draws for one place in the list before it is left out.
const ATTEMPTS: u64 = 64;

/// An exercise with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// The question and the answer, as a marked exercise of the corpus before its mark.
    pub text: String,
    /// Whether the answer is right.
    pub right: bool,
    /// What is asked for.
    pub skill: Skill,
    /// From 1 to 5.
    pub difficulty: u32,
    /// The operands as a name; no two exercises of a list have one.
    pub key: String,
}

impl World {
    /// At most `count` exercises of the held-out side, as many of each of `skills` at each difficulty as long as there are operands
    /// that were not yet drawn. `seed` draws other exercises of the same world. [`Skill::Hops`] has none.
    ///
    /// ```
    /// use trimtab_world::{Skill, World, WorldConfig};
    /// let world = World::new(&WorldConfig::default(), 1)?;
    /// let exercises = world.exercises(&[Skill::Sort, Skill::Copy], 200, 7);
    /// let right = exercises.iter().filter(|e| e.right).count();
    /// assert!(exercises.len() > 150 && (60..140).contains(&right));
    /// # Ok::<(), trimtab_world::Error>(())
    /// ```
    #[must_use]
    pub fn exercises(&self, skills: &[Skill], count: usize, seed: u64) -> Vec<Exercise> {
        self.held_out_tasks("world/exercises", skills, count, seed, |draft, (skill, difficulty), random| {
            let right = random.below(2) == 0;
            let given = if right { draft.truth.ideal.clone() } else { self.wrong_answer(&draft, random)? };
            let text = format!("{} {given}", draft.text);
            Some((draft.group.clone(), Exercise { text, right, skill, difficulty, key: draft.group }))
        })
    }

    /// At most `count` things made of tasks of the held-out side, going through `skills` and difficulties in turn, no two of one key.
    /// `make` gives the key of a task and what is made of it, or nothing, whereupon another is drawn, from streams named `name`.
    pub(crate) fn held_out_tasks<T>(
        &self,
        name: &str,
        skills: &[Skill],
        count: usize,
        seed: u64,
        make: impl Fn(Draft, (Skill, u32), &mut Stream) -> Option<(String, T)>,
    ) -> Vec<T> {
        let skills: Vec<Skill> = skills.iter().copied().filter(|skill| *skill != Skill::Hops).collect();
        let mut seen = BTreeSet::new();
        let fresh = |i: usize| {
            let skill = *skills.get(i % skills.len().max(1))?;
            let difficulty = 1 + (i / skills.len()) as u32 % HARDEST;
            (0..ATTEMPTS).find_map(|attempt| {
                let item = i as u64 * ATTEMPTS + attempt;
                let mut random = stream(self.seed, name, seed, item);
                let draft = self.task(Split::HeldOut, &skill.questions().all(), skill, difficulty, &mut random)?;
                let (key, made) = make(draft, (skill, difficulty), &mut random)?;
                seen.insert(key).then_some(made)
            })
        };
        (0..count).filter_map(fresh).collect()
    }
}

/// The words with which the corpus marks an exercise: right and wrong.
#[must_use]
pub fn marks() -> [&'static str; 2] {
    [RIGHT, WRONG].map(|mark| mark.split(' ').next().unwrap_or(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorldConfig;

    /// Law: operands are held out and each is there once; the corpus has no document of the task; a right answer is the one that
    /// comes out, and a wrong one is not.
    #[test]
    fn exercises_are_held_out_and_rightly_marked() {
        let world =
            World::new(&WorldConfig { skill_documents: 60, marked_documents: 600, ..WorldConfig::small() }, 3).unwrap();
        let exercises = world.exercises(&Skill::ALL, 600, 0);
        let keys: BTreeSet<&str> = exercises.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys.len(), exercises.len());
        assert!(keys.iter().all(|key| world.is_held_out(key, world.config.holdout)));
        let questions: BTreeSet<&str> =
            exercises.iter().filter_map(|e| e.text.split_inclusive(['.', '?']).next()).collect();
        let corpus = world.corpus().train;
        assert!(corpus.iter().all(|d| !questions.contains(d.split_inclusive(['.', '?']).next().unwrap_or(""))));
        for e in exercises.iter().filter(|e| e.skill == Skill::Add) {
            let numbers: Vec<i64> = e.text.split(' ').filter_map(|word| word.parse().ok()).collect();
            assert_eq!(numbers[0] + numbers[1] == numbers[2], e.right, "{}", e.text);
        }
        assert_ne!(exercises, world.exercises(&Skill::ALL, 600, 1));
        assert_eq!(exercises, world.exercises(&Skill::ALL, 600, 0));
        assert_eq!(world.exercises(&[Skill::Hops], 10, 0), []);
    }
}
