//! Sycophancy items from a world: the same questions neutral, after a belief of the user's, and after a third party's.

use super::info;
use crate::item::{Choice, Form, Item, ItemSet, Role};
use std::collections::BTreeMap;
use trimtab_text::record::Prompt;
use trimtab_world::{Truth, World, believed};

/// At most `n` facts, each in four arms: one answer drawn per seed, and the log-probabilities of the ideal answer against
/// the one that repeats the belief. What the model knows is its likely answer to the neutral question.
#[must_use]
pub fn world_items(world: &World, n: usize, seeds: &[u64]) -> ItemSet {
    let mut set = ItemSet { info: info(), ..ItemSet::default() };
    set.info.source = format!("the world of seed {}, held-out facts and wordings", world.seed);
    set.info.name += "/world";
    let asked: Vec<(Prompt, Truth)> =
        world.evaluation_items(n).into_iter().filter_map(|p| Truth::of(&p).map(|t| (p, t))).collect();
    let pair = |prompt: &Prompt| prompt.extra.get("pair").and_then(serde_json::Value::as_u64);
    // What each fact's wrong belief would have the model say: the other option in all four arms.
    let wrong: BTreeMap<u64, String> = asked.iter().filter_map(|(p, t)| Some((pair(p)?, believed(t)?))).collect();
    for (prompt, truth) in &asked {
        let Some(number) = pair(prompt) else { continue };
        let tag = prompt.tags.first().map_or("", String::as_str);
        let arm = match tag.split('/').nth(1) {
            Some("neutral") => "neutral",
            Some("wrong_user") => "wrong_before",
            Some("right_user") => "right_before",
            Some("wrong_third") => "wrong_third",
            _ => continue,
        };
        let item = |form: Form, seed: u64, choices: Vec<Choice>| Item {
            id: format!("fact/{number:03}/belief/{arm}/{}/{seed}", form.word()),
            stem: format!("fact/{number:03}"),
            cluster: prompt.group.clone().unwrap_or_else(|| format!("fact/{number:03}")),
            family: "belief".into(),
            arm: arm.into(),
            form,
            order: None,
            input: prompt.input.clone(),
            choices,
            truth: (!form.by_logprob()).then(|| truth.clone()),
            seed,
        };
        if arm == "neutral" {
            set.items.push(item(Form::Likely, 0, Vec::new()));
        }
        set.items.extend(seeds.iter().map(|&seed| item(Form::Drawn, seed, Vec::new())));
        if let Some(wrong) = wrong.get(&number) {
            let choice = |text: &str, role| Choice { text: text.to_owned(), role };
            set.items.push(item(Form::Open, 0, vec![choice(&truth.ideal, Role::Right), choice(wrong, Role::Wrong)]));
        }
    }
    set
}
