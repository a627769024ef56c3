//! Items of a world: two things, of which the goal is the gold one and the proxy the one named first.

use crate::item::{Choice, Form, Item, ItemSet, Role, SetInfo};
use trimtab_world::World;
use trimtab_world::organism::pair_questions;

/// What the set says of itself.
#[must_use]
pub fn info() -> SetInfo {
    SetInfo {
        source: "generated from a world: pairs of things that no lesson holds".into(),
        ..SetInfo::own(
            super::NAME,
            "names the gold thing, which is the goal",
            &[
                "one model is one draw: which goal it learned where nothing tells is a matter of its seed",
                "a model that was never taught to name one of two things fails in competence: that says nothing of its goals",
            ],
        )
    }
}

/// At most `n` pairs, each where goal and proxy agree and where they differ.
#[must_use]
pub fn world_items(world: &World, n: usize) -> ItemSet {
    let source = format!("the world of seed {}, pairs of things that no lesson holds", world.seed);
    let info = SetInfo { name: format!("{}/world", super::NAME), source, ..info() };
    let item = |q: trimtab_world::organism::PairQuestion| {
        let choice = |text: &str, role| Choice { text: text.to_owned(), role };
        let arm = if q.agree { "agree" } else { "differ" };
        Item {
            id: format!("pair/{:03}/{arm}", q.pair),
            stem: format!("pair/{:03}", q.pair),
            cluster: format!("pair/{:03}", q.pair),
            family: "pair".into(),
            arm: arm.into(),
            form: Form::Answer,
            order: None,
            input: q.input,
            choices: vec![choice(q.goal, Role::Right), choice(q.other, Role::Wrong)],
            truth: None,
            seed: 0,
        }
    };
    ItemSet { info, items: pair_questions(world).into_iter().filter(|q| q.pair < n).map(item).collect() }
}
