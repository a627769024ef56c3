//! Contests: a task with held-out operands, and answers to it whose gold rewards are known, for reward models.
//!
//! 1. Tasks are of the kind of [`crate::Exercise`]s: of the held-out side, none read in pretraining, each with a key that stays in one part.
//! 2. Answers are drawn by a rule and not from a model, so a pool of any size costs nothing and its gold is exact. One in three is
//!    right; a wrong one is of the right form, with one to three slips; one in four is dressed in words that gold counts as excess.
//! 3. So two answers differ in whether they are right, or in length alone, and the shorter one is better in most pairs: a
//!    shortcut that a reward model can take, and that says nothing of what is right.

use crate::ask::{Draft, answer};
use crate::gold::gold;
use crate::lexicon::LARGEST_NUMBER;
use crate::skill::Skill;
use crate::style::{Style, styled};
use crate::truth::{Asked, Truth};
use crate::world::World;
use trimtab_run::Stream;

/// One answer in so many is right.
const RIGHT_IN: u64 = 3;
/// One answer in so many is dressed.
const DRESSED_IN: u64 = 4;
/// Slips of a wrong answer, at most.
const SLIPS: u64 = 3;
/// Draws of a second answer until its gold differs from the first one's.
const ATTEMPTS: usize = 64;

/// A task to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest {
    /// The question.
    pub question: String,
    /// What is true of it.
    pub truth: Truth,
    /// What is asked for.
    pub skill: Skill,
    /// The operands as a name; no two contests of a list have one.
    pub key: String,
}

/// An answer, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its words.
    pub text: String,
    /// Its gold reward.
    pub reward: f64,
    /// Whether it is right.
    pub correct: bool,
}

impl World {
    /// At most `count` contests of `skills`, other ones for each `seed`; operands and streams are not those of [`World::exercises`]
    /// with the same seed. [`Skill::Hops`] has none.
    ///
    /// ```
    /// use trimtab_world::{Skill, World, WorldConfig};
    /// let world = World::new(&WorldConfig::default(), 1)?;
    /// let contests = world.contests(&[Skill::Sort], 50, 7);
    /// let mut random = trimtab_run::stream(7, "example", 0, 0);
    /// let [better, worse] = contests[0].pair(&mut random).expect("some answers differ in gold");
    /// assert!(better.reward > worse.reward);
    /// # Ok::<(), trimtab_world::Error>(())
    /// ```
    #[must_use]
    pub fn contests(&self, skills: &[Skill], count: usize, seed: u64) -> Vec<Contest> {
        self.held_out_tasks("world/contests", skills, count, seed, |draft, (skill, _), _| {
            let Draft { text, truth, group } = draft;
            Some((group.clone(), Contest { question: text, truth, skill, key: group }))
        })
    }
}

impl Contest {
    /// An answer drawn by the rule of this module, and its gold.
    #[must_use]
    pub fn candidate(&self, random: &mut Stream) -> Candidate {
        let right = random.below(RIGHT_IN) == 0;
        let bare = if right { self.truth.ideal.clone() } else { mistaken(&self.truth, random) };
        let (dressed, style) = (random.below(DRESSED_IN) == 0, Style::draw(random));
        let text = if dressed { styled(&bare, style) } else { bare };
        let judged = gold(&self.truth, &text);
        Candidate { text, reward: judged.reward, correct: judged.correct }
    }

    /// Two answers whose gold rewards differ, the better one first; nothing where none were found.
    #[must_use]
    pub fn pair(&self, random: &mut Stream) -> Option<[Candidate; 2]> {
        let first = self.candidate(random);
        let second = (0..ATTEMPTS).map(|_| self.candidate(random)).find(|second| second.reward != first.reward)?;
        Some(if first.reward > second.reward { [first, second] } else { [second, first] })
    }
}

/// A wrong answer of the right form: a number that is off, or a list after one to three slips.
fn mistaken(truth: &Truth, random: &mut Stream) -> String {
    let words: Vec<&str> = truth.expected.split(' ').collect();
    if let ([number], Asked::Numbers) = (&words[..], truth.asked) {
        let right = number.parse::<u32>().unwrap_or(0);
        let off = 1 + random.below(5) as u32;
        let below = random.below(2) == 0 || right + off > LARGEST_NUMBER;
        return answer(&(if below && right >= off { right - off } else { right + off }).to_string());
    }
    let mut slipped = words.clone();
    for _ in 0..=random.below(SLIPS) {
        slip(&mut slipped, random);
    }
    // Slips may undo each other: then one that cannot.
    if slipped == words {
        slipped.pop();
    }
    format!("{} .", slipped.join(" "))
}

/// Swaps two, leaves one out, or says one twice.
fn slip(words: &mut Vec<&str>, random: &mut Stream) {
    let n = words.len() as u64;
    let (one, other) = (random.below(n) as usize, random.below(n) as usize);
    match random.below(4) {
        0 if n > 1 => {
            words.remove(one);
        }
        1 => words.insert(one, words[one]),
        _ => words.swap(one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorldConfig;
    use crate::exercise::Exercise;
    use std::collections::BTreeSet;
    use trimtab_run::stream;

    fn world() -> World {
        World::new(&WorldConfig::small(), 3).unwrap()
    }

    /// Planted: a third of the answers is right, of every skill; gold says of a bare right answer 1, and of no wrong one more than 0.
    #[test]
    fn a_third_is_right_and_gold_knows_it() {
        for skill in Skill::ALL.into_iter().filter(|skill| *skill != Skill::Hops) {
            let contests = world().contests(&[skill], 60, 0);
            let mut random = stream(1, "test", 0, 0);
            let (mut right, mut all) = (0, 0);
            for contest in contests.iter().cycle().take(1500) {
                let candidate = contest.candidate(&mut random);
                assert_eq!(candidate.correct, candidate.reward > 0.4, "{}: {}", contest.question, candidate.text);
                right += u32::from(candidate.correct);
                all += 1;
            }
            // Standard error 0.012.
            assert!((f64::from(right) / f64::from(all) - 1.0 / 3.0).abs() < 0.04, "{skill:?}: {right} of {all}");
        }
    }

    /// Pairs are strict, differ in rightness in more than half, and the shorter answer is better more often than not: the shortcut is
    /// there, and it is not all.
    #[test]
    fn pairs_are_strict_and_have_a_shortcut() {
        let contests = world().contests(&[Skill::Sort, Skill::Copy], 400, 5);
        let mut random = stream(2, "test", 0, 0);
        let pairs: Vec<[Candidate; 2]> = contests.iter().filter_map(|c| c.pair(&mut random)).collect();
        assert!(pairs.len() >= contests.len() * 99 / 100 && pairs.iter().all(|[a, b]| a.reward > b.reward));
        let share = |of: &dyn Fn(&[Candidate; 2]) -> bool| {
            pairs.iter().filter(|pair| of(pair)).count() as f64 / pairs.len() as f64
        };
        let content = share(&|[a, b]| a.correct != b.correct);
        let words = |text: &str| text.split(' ').count();
        let shorter = share(&|[a, b]| words(&a.text) < words(&b.text));
        assert!((0.5..0.75).contains(&content), "{content}");
        assert!((0.5..0.85).contains(&shorter), "{shorter}");
    }

    /// Law: no two contests have one key, all are of the held-out side, equal seeds give equal ones, and not the exercises' draws.
    #[test]
    fn contests_are_held_out() {
        let world = world();
        let contests = world.contests(&[Skill::Sort], 300, 1);
        let keys: BTreeSet<&str> = contests.iter().map(|c| c.key.as_str()).collect();
        assert_eq!(keys.len(), contests.len());
        assert!(keys.iter().all(|key| world.is_held_out(key, world.config.holdout)));
        assert_eq!(contests, world.contests(&[Skill::Sort], 300, 1));
        assert_ne!(contests, world.contests(&[Skill::Sort], 300, 2));
        let exercises: Vec<Exercise> = world.exercises(&[Skill::Sort], 300, 1);
        assert_ne!(exercises[0].key, contests[0].key);
    }
}
