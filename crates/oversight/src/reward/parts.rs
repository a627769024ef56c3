//! The pairs of one seed: A for the weak reward model, B for the student, T for the scores, and pools of answers to press on.
//!
//! 1. A group (the operands of a task in any order, a prompt with its near duplicates) is in one part only.
//! 2. A pair is given better first; its order is drawn, so that the classes say nothing and the majority is ½ but for chance.
//! 3. Both models may have tokens of their own, since checkpoints of two families do not share a tokenizer.
//! 4. The pools are of tasks of T, so no model has seen their operands; answers that repeat another of their pool are scored once.
//! 5. Of a file, T is drawn once and the seeds divide the rest anew, since files are small; a world has new tasks for every seed.

use crate::leak::shared_groups;
use crate::transformers::parts::group;
use crate::transformers::{Pair, Pool};
use crate::{Error, Gold, Labels, Part, SplitMix, split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_run::stream;
use trimtab_world::{Candidate, Contest, Skill, World, pretrain::encode};

/// Draws the test part of a file, whatever the seed.
const TEST_SEED: u64 = 0x7E57;

/// How many pairs each part has, and how large the pools are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Half A: the weak model learns from it, with gold.
    pub a: usize,
    /// Half B: students and ceilings learn from it.
    pub b: usize,
    /// T.
    pub t: usize,
    /// Tasks of T that have a pool.
    pub pools: usize,
    /// Answers in a pool.
    pub answers: usize,
}

/// A pair as both models read it, the better answer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// Tokens of the weak model.
    pub weak: Pair,
    /// Tokens of the strong one.
    pub strong: Pair,
    /// Words of the better and of the worse answer.
    pub words: [usize; 2],
    /// Whether one of the two is right and the other wrong; none where nobody knows.
    pub content: Option<bool>,
}

/// The pairs of a part, in the order that was drawn for each: class 1 is "the first is better".
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Tokens of the weak model.
    pub weak: Vec<Pair>,
    /// Tokens of the strong one.
    pub strong: Vec<Pair>,
    /// Which first answers are the better ones.
    pub gold: Labels<Gold>,
    /// Words of the first and of the second answer.
    pub words: Vec<[usize; 2]>,
    /// Whether right and wrong, or length alone, tells them apart.
    pub content: Vec<Option<bool>>,
}

impl Pairs {
    /// Pairs in an order that `first` gives: whether the better answer of the i-th stays first.
    fn of<'a>(all: impl IntoIterator<Item = &'a Preference>, first: impl Fn(usize) -> bool) -> Self {
        let mut pairs = Self { weak: vec![], strong: vec![], gold: Labels::gold(&[]), words: vec![], content: vec![] };
        let mut gold = Vec::new();
        for (i, one) in all.into_iter().enumerate() {
            let mut one = one.clone();
            gold.push(first(i));
            if !first(i) {
                one.weak.answers.reverse();
                one.strong.answers.reverse();
                one.words.reverse();
            }
            pairs.weak.push(one.weak);
            pairs.strong.push(one.strong);
            pairs.words.push(one.words);
            pairs.content.push(one.content);
        }
        Self { gold: Labels::gold(&gold), ..pairs }
    }

    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weak.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weak.is_empty()
    }
}

/// A pool of answers to one task, whose gold is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The prompt, and the answers that differ.
    pub pool: Pool,
    /// Of each draw, which of these it is.
    pub place: Vec<usize>,
    /// Gold reward of each draw.
    pub gold: Vec<f64>,
}

/// The parts of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Half A.
    pub a: Pairs,
    /// Half B.
    pub b: Pairs,
    /// Test.
    pub t: Pairs,
    /// Pools; none of pairs from a file, where nobody knows what other answers are worth.
    pub pools: Vec<Judged>,
}

impl Parts {
    /// The parts of seed `seed`, of tasks of `skills`: other ones for each seed.
    ///
    /// ```
    /// use trimtab_oversight::reward::{Parts, Sizes};
    /// use trimtab_world::{Skill, World, WorldConfig};
    /// let world = World::new(&WorldConfig::default(), 1)?;
    /// let sizes = Sizes { a: 40, b: 30, t: 20, pools: 3, answers: 16 };
    /// let parts = Parts::of_world(&world, &[Skill::Sort], &sizes, 0)?;
    /// assert_eq!((parts.a.len(), parts.b.len(), parts.t.len(), parts.pools.len()), (40, 30, 20, 3));
    /// assert_eq!(parts.pools[0].gold.len(), 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] where the world has too few tasks.
    pub fn of_world(world: &World, skills: &[Skill], sizes: &Sizes, seed: u64) -> Result<Self, Error> {
        let wanted = [sizes.a, sizes.b, 0, sizes.t];
        let total: usize = wanted.iter().sum();
        // Some operands are soon used up, and some groups come whole or not at all: draw more than are needed.
        let contests = world.contests(skills, total * 8 / 5 + 50, seed);
        let draw = |i: usize, what: &str| stream(world.seed, what, seed, i as u64);
        let drawn: Vec<(usize, [Candidate; 2])> = contests
            .iter()
            .enumerate()
            .filter_map(|(i, contest)| Some((i, contest.pair(&mut draw(i, "oversight/reward/pair"))?)))
            .collect();
        let groups: Vec<String> = drawn.iter().map(|(i, _)| group(&contests[*i].key)).collect();
        let mut of = rows_of_parts(&groups, wanted.map(|n| n as f64), seed)?;
        for (rows, (part, wanted)) in of.iter_mut().zip(Part::ALL.into_iter().zip(wanted)) {
            // The list goes through skills and difficulties in turn: any cut of it must be any tasks.
            SplitMix::new(seed ^ 0x4EA3).shuffle(rows);
            if rows.len() < wanted {
                let what = format!("part {part} has {} tasks of {wanted}", rows.len());
                return Err(Error::input(what, "a world with enough operands", "smaller parts, or more --skills"));
            }
            rows.truncate(wanted);
        }
        let pairs = |rows: &[usize]| {
            let all = rows.iter().map(|&row| (&contests[drawn[row].0], &drawn[row].1));
            let first = |i: usize| draw(drawn[rows[i]].0, "oversight/reward/order").below(2) == 0;
            Pairs::of(&preferences(all), first)
        };
        let [a, b, _, t] = of;
        let pool = |row: &usize| {
            let at = drawn[*row].0;
            judged(&contests[at], sizes.answers, &mut draw(at, "oversight/reward/pool"))
        };
        let pools = t.iter().take(sizes.pools).map(pool).collect();
        Ok(Self { a: pairs(&a), b: pairs(&b), t: pairs(&t), pools })
    }

    /// The parts of seed `seed`, of pairs with a group each: T once, A and B anew for each seed. Parts have the sizes asked for, or, of
    /// fewer pairs, shares in their proportion.
    ///
    /// # Errors
    /// [`Error::Input`] where a part would be empty.
    pub fn of_pairs(all: &[Preference], groups: &[usize], sizes: &Sizes, seed: u64) -> Result<Self, Error> {
        let [rest, _, _, t] = rows_of_parts(groups, [(sizes.a + sizes.b) as f64, 0.0, 0.0, sizes.t as f64], TEST_SEED)?;
        let keys: Vec<usize> = rest.iter().map(|&row| groups[row]).collect();
        let [a, b, _, _] = rows_of_parts(&keys, [sizes.a as f64, sizes.b as f64, 0.0, 0.0], seed)?;
        let part = |name: Part, mut rows: Vec<usize>, most: usize, seed: u64| {
            SplitMix::new(seed ^ 0x4EA3).shuffle(&mut rows);
            rows.truncate(most);
            if rows.is_empty() {
                let what = format!("part {name} is empty: {} pairs in {} groups", all.len(), distinct(groups));
                return Err(Error::input(what, "groups of pairs for A, B and T", "a file of more prompts"));
            }
            let first = |i: usize| stream(TEST_SEED, "oversight/reward/order", 0, rows[i] as u64).below(2) == 0;
            Ok(Pairs::of(rows.iter().map(|&row| &all[row]), first))
        };
        let of_rest = |rows: Vec<usize>| rows.into_iter().map(|place| rest[place]).collect::<Vec<_>>();
        Ok(Self {
            a: part(Part::A, of_rest(a), sizes.a, seed)?,
            b: part(Part::B, of_rest(b), sizes.b, seed)?,
            t: part(Part::T, t, sizes.t, TEST_SEED)?,
            pools: Vec::new(),
        })
    }
}

/// The rows of each part, which share no group.
fn rows_of_parts<G: Ord + ToString>(groups: &[G], shares: [f64; 4], seed: u64) -> Result<[Vec<usize>; 4], Error> {
    let parts = split(groups, shares, seed)?;
    let keys: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let rows: Vec<_> = keys.iter().enumerate().map(|(row, key)| (parts[row], row, key.as_str())).collect();
    if let Some(leaks) = shared_groups(&rows) {
        return Err(Error::Leak(leaks));
    }
    Ok(Part::ALL.map(|part| (0..groups.len()).filter(|&row| parts[row] == part).collect()))
}

fn distinct(groups: &[usize]) -> usize {
    groups.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Contests with two answers, as both models read them.
fn preferences<'a>(all: impl Iterator<Item = (&'a Contest, &'a [Candidate; 2])>) -> Vec<Preference> {
    let all: Vec<_> = all.collect();
    let texts: Vec<String> = all
        .iter()
        .flat_map(|(contest, [better, worse])| [&contest.question, &better.text, &worse.text].map(Clone::clone))
        .collect();
    let tokens = tokens(&texts);
    let of = |((_, answers), tokens): (&(&Contest, &[Candidate; 2]), &[Vec<u32>])| {
        let pair = Pair { prompt: tokens[0].clone(), answers: [tokens[1].clone(), tokens[2].clone()] };
        let words = [tokens[1].len(), tokens[2].len()];
        Preference { weak: pair.clone(), strong: pair, words, content: Some(answers[0].correct != answers[1].correct) }
    };
    all.iter().zip(tokens.chunks(3)).map(of).collect()
}

/// A pool of `n` answers to a contest.
fn judged(contest: &Contest, n: usize, random: &mut trimtab_run::Stream) -> Judged {
    let drawn: Vec<Candidate> = (0..n).map(|_| contest.candidate(random)).collect();
    let (mut places, mut unlike) = (BTreeMap::new(), vec![contest.question.clone()]);
    let place = drawn.iter().map(|candidate| {
        *places.entry(candidate.text.as_str()).or_insert_with(|| {
            unlike.push(candidate.text.clone());
            unlike.len() - 2
        })
    });
    let place = place.collect();
    let mut answers = tokens(&unlike);
    let prompt = answers.remove(0);
    Judged { pool: Pool { prompt, answers }, place, gold: drawn.iter().map(|candidate| candidate.reward).collect() }
}

/// Token ids of texts of the world, without the end of a document: an answer is scored before anything follows it.
fn tokens(texts: &[String]) -> Vec<Vec<u32>> {
    let mut all = encode(texts);
    for tokens in &mut all {
        tokens.truncate(tokens.len() - 1);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use trimtab_world::WorldConfig;

    /// Law: no prompt is in two parts, seeds have other pairs, equal seeds equal ones; the first answer is as often better as not.
    #[test]
    fn parts_of_a_world_share_nothing() {
        let world = World::new(&WorldConfig::default(), 1).unwrap();
        let sizes = Sizes { a: 300, b: 300, t: 300, pools: 20, answers: 40 };
        let draw = |seed| Parts::of_world(&world, &[Skill::Copy, Skill::Sort], &sizes, seed).unwrap();
        let parts = draw(5);
        let prompts = |pairs: &Pairs| pairs.strong.iter().map(|p| p.prompt.clone()).collect::<BTreeSet<_>>();
        let [a, b, t] = [&parts.a, &parts.b, &parts.t].map(prompts);
        assert!(a.is_disjoint(&b) && a.is_disjoint(&t) && b.is_disjoint(&t));
        assert!(parts.pools.iter().all(|judged| t.contains(&judged.pool.prompt)));
        assert!(parts == draw(5) && parts.t != draw(6).t);
        let first = parts.a.gold.classes().iter().filter(|first| **first).count();
        assert!((120..180).contains(&first), "{first} of 300");
        for judged in &parts.pools {
            let unlike: BTreeSet<_> = judged.pool.answers.iter().collect();
            assert_eq!((unlike.len(), judged.place.len()), (judged.pool.answers.len(), 40));
        }
    }

    /// Law: of a file, T stays and no group is in two parts; the classes follow the order.
    #[test]
    fn parts_of_a_file_keep_their_test() {
        let pair = |i: u32| Pair { prompt: vec![i], answers: [vec![1], vec![2]] };
        let of = |i: u32| Preference { weak: pair(i), strong: pair(i), words: [1, 2], content: None };
        let all: Vec<Preference> = (0..200).map(of).collect();
        let groups: Vec<usize> = (0..200).map(|i| i / 2).collect();
        let sizes = Sizes { a: 60, b: 60, t: 40, pools: 0, answers: 0 };
        let [one, other] = [0, 1].map(|seed| Parts::of_pairs(&all, &groups, &sizes, seed).unwrap());
        assert!(one.t == other.t && one.a != other.a && one.a.len() == 60 && one.t.len() == 40);
        let groups = |pairs: &Pairs| pairs.weak.iter().map(|p| p.prompt[0] / 2).collect::<BTreeSet<_>>();
        assert!(groups(&one.a).is_disjoint(&groups(&one.b)) && groups(&one.t).is_disjoint(&groups(&one.a)));
        for (pair, first) in one.b.weak.iter().zip(one.b.gold.classes()) {
            assert_eq!(pair.answers[0] == [1], first, "the better answer is the one with token 1");
        }
        let few = Parts::of_pairs(&all[..2], &[0, 0], &sizes, 0).unwrap_err().to_string();
        assert!(few.contains("is empty: 2 pairs in 1 groups"), "{few}");
    }
}
