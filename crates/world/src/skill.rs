//! Skills with a difficulty dial, 1 to 5.
//!
//! | skill | difficulty d sets | example at 1 |
//! |---|---|---|
//! | copy, reverse, sort | the length of the list: d + 1 | `reverse kite lamp .` → `lamp kite .` |
//! | add | the largest operand: 9, 14, 19, 29, 49 | `add 3 and 4 .` → `it is 7 .` |
//! | count | the length of the list: d + 3 | `count cup in cup jar cup jar .` → `it is 2 .` |
//! | hops | the links from the first person to the answer: d + 1 | `tell me the town of the friend of zoe .` |
//!
//! Operands are split: a task's key says on which side it is, and the corpus obeys it too.

use crate::lexicon::ITEMS;
use crate::template::Patterns;
use serde::{Deserialize, Serialize};
use trimtab_run::Stream;

/// The largest difficulty.
pub const HARDEST: u32 = 5;
/// The largest operand of an addition at each difficulty.
const LARGEST_OPERAND: [u64; 5] = [9, 14, 19, 29, 49];
/// Numbers to sort are below this.
const SORT_BELOW: u64 = 21;

/// Something to be done rather than known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skill {
    /// Say a list again.
    Copy,
    /// Say a list backwards.
    Reverse,
    /// Put numbers in ascending order.
    Sort,
    /// Add two numbers.
    Add,
    /// Count an item in a list.
    Count,
    /// Follow friends to a fact.
    Hops,
}

impl Skill {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Copy, Self::Reverse, Self::Sort, Self::Add, Self::Count, Self::Hops];

    /// Its name in tags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Reverse => "reverse",
            Self::Sort => "sort",
            Self::Add => "add",
            Self::Count => "count",
            Self::Hops => "hops",
        }
    }

    /// How it is asked for.
    pub fn questions(self) -> Patterns {
        match self {
            Self::Copy => Patterns { train: &["copy {x} .", "repeat {x} ."], held_out: &["echo {x} ."] },
            Self::Reverse => {
                Patterns { train: &["reverse {x} .", "say {x} backwards ."], held_out: &["turn {x} around ."] }
            }
            Self::Sort => Patterns { train: &["sort {x} .", "put {x} in order ."], held_out: &["arrange {x} ."] },
            Self::Add => Patterns {
                train: &["add {x} and {y} .", "what is {x} plus {y} ?"],
                held_out: &["what is the sum of {x} and {y} ?"],
            },
            Self::Count => Patterns {
                train: &["count {y} in {x} .", "how many {y} are in {x} ?"],
                held_out: &["how often is {y} in {x} ?"],
            },
            Self::Hops => crate::template::QUESTIONS,
        }
    }
}

/// A task: operands, and what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The skill.
    pub skill: Skill,
    /// From 1 to [`HARDEST`].
    pub difficulty: u32,
    /// The first operand: a list or a number.
    pub x: String,
    /// The second operand, or nothing.
    pub y: String,
    /// The words that are right.
    pub expected: String,
    /// The operands as a name, equal for tasks that are the same but for the order of an addition.
    pub key: String,
}

impl Task {
    /// A task drawn at random; nothing for [`Skill::Hops`], whose tasks are drawn from the facts of a world.
    ///
    /// `difficulty` is clamped to 1 to [`HARDEST`].
    pub fn draw(skill: Skill, difficulty: u32, random: &mut Stream) -> Option<Self> {
        let difficulty = difficulty.clamp(1, HARDEST);
        let d = difficulty as usize;
        let (x, y, expected, operands) = match skill {
            Skill::Hops => return None,
            Skill::Copy | Skill::Reverse => {
                let mut items = ITEMS.to_vec();
                random.shuffle(&mut items);
                items.truncate(d + 1);
                let x = items.join(" ");
                if skill == Skill::Reverse {
                    items.reverse();
                }
                (x.clone(), String::new(), items.join(" "), x)
            }
            Skill::Sort => {
                let mut numbers: Vec<u64> = (0..SORT_BELOW).collect();
                random.shuffle(&mut numbers);
                numbers.truncate(d + 1);
                let x = joined(&numbers);
                numbers.sort_unstable();
                (x.clone(), String::new(), joined(&numbers), x)
            }
            Skill::Add => {
                let largest = LARGEST_OPERAND[d - 1];
                // One operand is beyond the difficulty below, or the dial would not turn.
                let smallest = if d > 1 { LARGEST_OPERAND[d - 2] + 1 } else { 0 };
                let a = smallest + random.below(largest + 1 - smallest);
                let b = random.below(largest + 1);
                let (x, y) = if random.below(2) == 0 { (a, b) } else { (b, a) };
                (x.to_string(), y.to_string(), (x + y).to_string(), format!("{}+{}", x.min(y), x.max(y)))
            }
            Skill::Count => {
                let mut items = ITEMS.to_vec();
                random.shuffle(&mut items);
                let length = d + 3;
                let hits = random.below(length as u64 + 1) as usize;
                let mut list: Vec<&str> = (0..length).map(|i| items[usize::from(i >= hits)]).collect();
                random.shuffle(&mut list);
                let x = list.join(" ");
                (x.clone(), items[0].to_owned(), hits.to_string(), format!("{} in {x}", items[0]))
            }
        };
        let key = format!("{}/{operands}", skill.word());
        Some(Self { skill, difficulty, x, y, expected, key })
    }
}

fn joined(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "say X again" was held out for copying where "say X backwards" trained reversing: models tuned on the second reversed.
    #[test]
    fn no_held_out_question_begins_as_another_skill_was_taught() {
        let first = |pattern: &'static str| pattern.split(' ').next();
        for skill in Skill::ALL.into_iter().filter(|skill| *skill != Skill::Hops) {
            for other in Skill::ALL.into_iter().filter(|other| *other != skill && *other != Skill::Hops) {
                for held_out in skill.questions().held_out {
                    let clash = other.questions().train.iter().find(|taught| first(taught) == first(held_out));
                    assert_eq!(clash, None, "{held_out}");
                }
            }
        }
    }
}
