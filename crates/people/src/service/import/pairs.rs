//! Pairs of a better and a worse answer: TRL's columns, and HH-RLHF's two dialogues.

use super::{Found, Given, How, item};
use crate::service::event::ItemAnswer;
use serde_json::Map;
use std::collections::BTreeSet;
use trimtab_run::sha256_bytes;
use trimtab_text::Error;
use trimtab_text::dataset::{Rows, Want, read_bytes};

pub(super) fn read(file: &str, bytes: &[u8], how: &How, found: &mut Found) -> Result<(), Error> {
    let read = read_bytes(file, bytes, Want::Comparisons)?;
    let Rows::Comparisons(pairs) = read.rows else { return Ok(()) };
    let skipped = read.counters.skipped();
    if skipped > 0 {
        found.left_out.insert("pairs of no use: equal answers, or different prompts", skipped);
    }
    let mut seen = BTreeSet::new();
    for pair in pairs {
        // Named by what they say, in an order that says nothing: a name must not tell which one was chosen.
        let mut texts = [pair.chosen.as_str(), pair.rejected.as_str()];
        texts.sort_by_key(|text| sha256_bytes(text.as_bytes()));
        let id = sha256_bytes(format!("{:?}{texts:?}", pair.input()).as_bytes());
        let id = format!("pair-{}", &id[..24]);
        if !seen.insert(id.clone()) {
            found.leave_out("pairs that repeat another");
            continue;
        }
        let name = |text: &str| if text == texts[0] { "a" } else { "b" }.to_owned();
        let answer = |text: &str| ItemAnswer { id: name(text), text: text.to_owned(), source: Map::new() };
        let mut own = item(id.clone(), pair.input().clone(), texts.map(answer).into(), how);
        own.group.clone_from(&pair.group);
        found.items.push(own);
        if let Some(person) = &how.person {
            let second = if pair.tie { 1 } else { 2 };
            let ranks = [(name(&pair.chosen), 1), (name(&pair.rejected), second)].into();
            found.given.push(Given { item: id, person: person.clone(), ranks, ..Given::default() });
        }
    }
    Ok(())
}
