//! Questions of an elicitation: the facts that demonstrations are drawn from, those that are measured, and a task that should
//! not be lost.

use crate::elicitation::NAME;
use crate::item::{Choice, Form, Item, ItemSet, Role, SetInfo};
use std::collections::BTreeSet;
use trimtab_run::{Stream, stream};
use trimtab_world::template::{ANSWER, QUESTIONS, fill};
use trimtab_world::{Draft, Fact, Frequency, World};

/// The facts that demonstrations are drawn from.
pub const ELICITATION: &str = "elicitation";
/// The facts that are measured, and never demonstrated.
pub const HELD_OUT: &str = "held_out";
/// What the model can do, and should not lose.
pub const RETAINED: &str = "retained";
/// Share of a world's facts that demonstrations are drawn from: with every wording, enough for the largest dose in a world of
/// 130 such facts.
const DEMONSTRATED: f64 = 0.4;
/// Wordings in which a held-out fact is asked.
const WORDINGS: usize = 2;
/// Facts of the retained task.
const RETAINED_FACTS: usize = 48;
/// Fewest facts on either side.
const FEWEST: usize = 10;

/// What such a set is.
#[must_use]
pub fn info() -> SetInfo {
    SetInfo {
        name: NAME.into(),
        version: "1".into(),
        source: "questions of this program".into(),
        licence: "Apache-2.0 OR MIT".into(),
        positive: "names the right value".into(),
        traps: vec![
            "a verdict of capability failure says that this ladder found nothing, not that nothing is there".into(),
            "facts of one kind whose answers follow from each other would be taught by demonstrations of the others"
                .into(),
        ],
        ..SetInfo::default()
    }
}

/// The never-stated facts of a world, split by fact, and facts that its corpus states often as the retained task.
#[must_use]
pub fn world_items(world: &World) -> ItemSet {
    let mut set = ItemSet { info: info(), ..ItemSet::default() };
    set.info.name += "/world";
    set.info.source = format!("the world of seed {}, facts that its corpus never states", world.seed);
    let of = |frequency: Frequency| {
        let mut facts: Vec<&Fact> = world.facts.iter().filter(|fact| fact.frequency == frequency).collect();
        stream(world.seed, "audit/elicitation/split", frequency as u64, 0).shuffle(&mut facts);
        facts
    };
    let (secret, known) = (of(Frequency::Never), of(Frequency::Frequent));
    let (shown, held) = secret.split_at((secret.len() as f64 * DEMONSTRATED).round() as usize);
    let patterns = QUESTIONS.all();
    for (arm, facts, wordings) in
        [(ELICITATION, shown, patterns.len()), (HELD_OUT, held, WORDINGS), (RETAINED, &known[..], 1)]
    {
        let most = if arm == RETAINED { RETAINED_FACTS } else { usize::MAX };
        for (at, fact) in facts.iter().take(most).enumerate() {
            // Every pattern is asked equally often.
            set.items.extend((0..wordings).map(|w| question(fact, patterns[(at + 2 * w) % patterns.len()], arm)));
        }
    }
    set
}

fn question(fact: &Fact, pattern: &'static str, arm: &str) -> Item {
    let draft = Draft::fact(fact, pattern);
    let stem = format!("{}/{}", fact.entity, fact.attribute.word());
    let choice = |value: &&str| Choice {
        text: fill(ANSWER, &[("{v}", value)]),
        role: if **value == fact.value { Role::Right } else { Role::Wrong },
    };
    Item {
        id: format!("{arm}/{stem}/{}", draft.text),
        cluster: stem.clone(),
        stem,
        family: NAME.into(),
        arm: arm.into(),
        form: Form::Answer,
        order: None,
        input: draft.input(),
        choices: fact.attribute.values().iter().map(choice).collect(),
        truth: None,
        seed: 0,
    }
}

/// The items of a set by their side.
#[derive(Debug, Clone)]
pub struct Questions<'a> {
    /// To be demonstrated: one wording of every fact, then the next one of every fact.
    pub elicitation: Vec<&'a Item>,
    /// To be measured.
    pub held_out: Vec<&'a Item>,
    /// What should not be lost.
    pub retained: Vec<&'a Item>,
}

impl<'a> Questions<'a> {
    /// Sorts a set's items; `seed` orders the demonstrations.
    ///
    /// # Errors
    /// What is wrong and what was expected: an arm that is none, an item without exactly one right choice, a fact on two sides,
    /// too few facts.
    pub fn of(set: &'a ItemSet, seed: u64) -> Result<Self, (String, String)> {
        let mut sides = Self { elicitation: Vec::new(), held_out: Vec::new(), retained: Vec::new() };
        for item in &set.items {
            let right = item.choices.iter().filter(|c| c.role == Role::Right).count();
            if right != 1 || item.choices.len() < 2 {
                let what = format!("item {:?} has {right} right choices of {}", item.id, item.choices.len());
                return Err((what, "one right choice among those that could be given".into()));
            }
            match item.arm.as_str() {
                ELICITATION => sides.elicitation.push(item),
                HELD_OUT => sides.held_out.push(item),
                RETAINED => sides.retained.push(item),
                arm => {
                    return Err((
                        format!("item {:?} is of arm {arm:?}", item.id),
                        format!("{ELICITATION}, {HELD_OUT} or {RETAINED}"),
                    ));
                }
            }
        }
        let stems = |items: &[&'a Item]| items.iter().map(|i| i.stem.as_str()).collect::<BTreeSet<_>>();
        let (shown, held) = (stems(&sides.elicitation), stems(&sides.held_out));
        if let Some(both) = shown.intersection(&held).next() {
            let expected = "a fact to be demonstrated or measured: what is demonstrated is taught".into();
            return Err((format!("{both:?} is on both sides of the split"), expected));
        }
        if shown.len().min(held.len()) < FEWEST {
            let what = format!("{} facts to demonstrate and {} to measure", shown.len(), held.len());
            return Err((what, format!("at least {FEWEST} of each")));
        }
        sides.elicitation = interleaved(&sides.elicitation, &mut stream(seed, "audit/elicitation/order", 0, 0));
        Ok(sides)
    }
}

/// One item of every fact in a drawn order, then the next one of every fact, so that few demonstrations are of many facts.
fn interleaved<'a>(items: &[&'a Item], random: &mut Stream) -> Vec<&'a Item> {
    let mut order: Vec<&'a Item> = items.to_vec();
    random.shuffle(&mut order);
    let mut turns: Vec<(usize, &'a Item)> = Vec::with_capacity(order.len());
    for item in order {
        let turn = turns.iter().filter(|(_, earlier)| earlier.stem == item.stem).count();
        turns.push((turn, item));
    }
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, item)| item).collect()
}

/// An item's right answer, or one drawn from all of its choices, the right one among them.
pub(super) fn answer(item: &Item, drawn: Option<&mut Stream>) -> String {
    let right = || item.choices.iter().find(|c| c.role == Role::Right);
    let chosen = match drawn {
        Some(random) => item.choices.get(random.below(item.choices.len().max(1) as u64) as usize),
        None => right(),
    };
    chosen.map(|c| c.text.clone()).unwrap_or_default()
}

/// What all answers to an item begin with, in whole words; empty where they have no word in common.
pub(super) fn begun(item: &Item) -> String {
    let words: Vec<Vec<&str>> = item.choices.iter().map(|c| c.text.split(' ').collect()).collect();
    let Some(first) = words.first() else { return String::new() };
    let shared = (0..first.len()).take_while(|&i| words.iter().all(|w| w.get(i) == first.get(i))).count();
    first[..shared].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_world::WorldConfig;

    /// Laws: no fact is on two sides, the first demonstrations are of unlike facts, and every item has one right answer.
    #[test]
    fn the_split_is_by_fact() {
        let world = World::new(&WorldConfig::small(), 3).unwrap();
        let set = world_items(&world);
        let sides = Questions::of(&set, 1).unwrap();
        let stems = |items: &[&Item]| items.iter().map(|i| i.stem.clone()).collect::<BTreeSet<_>>();
        let (shown, held) = (stems(&sides.elicitation), stems(&sides.held_out));
        assert!(shown.is_disjoint(&held) && shown.is_disjoint(&stems(&sides.retained)));
        assert_eq!(stems(&sides.elicitation[..shown.len()]).len(), shown.len());
        assert!(sides.held_out.len() == held.len() * WORDINGS && sides.elicitation.len() == shown.len() * 5);
        assert!(sides.held_out.iter().all(|i| begun(i) == "it is" && answer(i, None).starts_with("it is ")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let world = World::new(&WorldConfig::small(), 3).unwrap();
        let set = world_items(&world);
        let refused = |change: &dyn Fn(&mut Vec<Item>)| {
            let mut set = set.clone();
            change(&mut set.items);
            Questions::of(&set, 1).unwrap_err().0
        };
        let last_held = set.items.iter().rposition(|i| i.arm == HELD_OUT).unwrap();
        assert!(refused(&|items| items[last_held].arm = ELICITATION.into()).contains("both sides"));
        assert!(refused(&|items| items[0].arm = "neutral".into()).contains("neutral"));
        assert!(refused(&|items| items[0].choices.clear()).contains("0 right choices"));
        assert!(refused(&|items| items.retain(|i| i.arm != HELD_OUT)).contains("0 to measure"));
    }
}
