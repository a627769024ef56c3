//! Rankings from a file of chosen and rejected answers.

use serde_json::Map;
use std::collections::BTreeMap;
use trimtab_run::stream;
use trimtab_text::record::{Answer, Comparison, Ranking, Samples};

/// One ranking of two answers per comparison, and the samples record that holds their texts.
///
/// The file does not say in which order the answers were shown, so a seeded one is recorded, as a page would have
/// shuffled them. A pair marked as a tie gets equal ranks.
pub fn from_pairs(pairs: &[Comparison], seed: u64) -> (Vec<Samples>, Vec<Ranking>) {
    let answer = |id: &str, text: &str| Answer {
        id: id.into(),
        text: text.into(),
        tokens: Vec::new(),
        logprobs: Vec::new(),
        seed: 0,
        stop: "eos".into(),
        extra: Map::new(),
    };
    pairs
        .iter()
        .enumerate()
        .map(|(i, pair)| {
            let id = format!("pair-{i}");
            let [chosen, rejected] = [format!("{id}/chosen"), format!("{id}/rejected")];
            let samples = Samples {
                id: id.clone(),
                input: pair.input().clone(),
                answers: vec![answer(&chosen, &pair.chosen), answer(&rejected, &pair.rejected)],
                model: None,
                temperature: None,
                group: pair.group.clone(),
                extra: Map::new(),
            };
            let mut shown = vec![chosen.clone(), rejected.clone()];
            stream(seed, "rank/shown", 0, i as u64).shuffle(&mut shown);
            let second = if pair.tie { 1 } else { 2 };
            let ranking = Ranking {
                prompt_id: id,
                answers: vec![chosen.clone(), rejected.clone()],
                shown,
                ranks: BTreeMap::from([(chosen, 1), (rejected, second)]),
                person: Some("file".into()),
                at: None,
                seconds: None,
                flags: BTreeMap::new(),
                verdict: None,
                margin: pair.margin,
                guideline: None,
                extra: Map::new(),
            };
            (samples, ranking)
        })
        .unzip()
}
