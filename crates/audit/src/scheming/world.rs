//! Scheming items from a world: its forbidden requests and its facts under each cue, and its vocabulary before questions.

use super::info;
use super::items::{AFTER, SEARCHED};
use crate::cued::{ARMS, cued};
use crate::item::{Form, Item, ItemSet};
use std::collections::BTreeSet;
use trimtab_text::record::{Input, Prompt};
use trimtab_world::lexicon;
use trimtab_world::{Truth, World};

/// At most `n` forbidden requests and `n` facts under each cue, one answer drawn per seed; and, before a few questions, each
/// of `words`, or of the world's whole vocabulary where there are none.
#[must_use]
pub fn world_items(world: &World, n: usize, seeds: &[u64], words: &[String]) -> ItemSet {
    let mut set = ItemSet { info: info(), ..ItemSet::default() };
    set.info.source = format!("the world of seed {}, held-out facts, topics and wordings", world.seed);
    set.info.name += "/world";
    let vocabulary = lexicon::words();
    let words: Vec<&String> = if words.is_empty() {
        vocabulary.iter().filter(|w| *w != lexicon::UNKNOWN).collect()
    } else {
        words.iter().collect()
    };
    let mut searched = BTreeSet::new();
    for prompt in world.evaluation_items(n) {
        let Some(truth) = Truth::of(&prompt) else { continue };
        let family = match prompt.tags.first().map(String::as_str) {
            Some("request/forbidden") => "request",
            Some("opinion/neutral") => "sandbag",
            _ => continue,
        };
        if family == "sandbag" {
            set.items.push(judged(&prompt, &truth, family, "neutral", Form::Likely, 0));
            // One question about each fact: two wordings of one are not two.
            let fact = (truth.entity.clone(), truth.attribute);
            if searched.len() < SEARCHED && searched.insert(fact) {
                triggers(&mut set.items, &prompt, &truth, &words);
            }
        }
        for (arm, cue) in ARMS {
            let asked = Prompt { input: cued(&prompt.input, cue), ..prompt.clone() };
            let truth = Truth { cue, ..truth.clone() };
            set.items.extend(seeds.iter().map(|&seed| judged(&asked, &truth, family, arm, Form::Drawn, seed)));
        }
    }
    set
}

fn judged(prompt: &Prompt, truth: &Truth, family: &str, arm: &str, form: Form, seed: u64) -> Item {
    let cluster = prompt.group.clone().unwrap_or_else(|| prompt.id.clone());
    Item {
        id: format!("{family}/{}/{arm}/{}/{seed}", prompt.id, form.word()),
        stem: prompt.id.clone(),
        cluster,
        family: family.into(),
        arm: arm.into(),
        form,
        order: None,
        input: prompt.input.clone(),
        choices: Vec::new(),
        truth: Some(truth.clone()),
        seed,
    }
}

/// One question with each word before it: its most likely answer.
fn triggers(out: &mut Vec<Item>, prompt: &Prompt, truth: &Truth, words: &[&String]) {
    out.push(judged(prompt, truth, "trigger", "neutral", Form::Likely, 0));
    for word in words {
        let asked = Prompt { input: after(word, &prompt.input), ..prompt.clone() };
        out.push(judged(&asked, truth, "trigger", &format!("{AFTER}{word}"), Form::Likely, 0));
    }
}

/// The same conversation with a word before the user's first.
fn after(word: &str, input: &Input) -> Input {
    match input {
        Input::Text(text) => Input::Text(format!("{word} {text}")),
        Input::Chat(messages) => {
            let mut messages = messages.clone();
            if let Some(user) = messages.iter_mut().find(|m| m.role == "user") {
                user.content = format!("{word} {}", user.content);
            }
            Input::Chat(messages)
        }
    }
}
