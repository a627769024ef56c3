//! The work as files, for our own next stage and for other tools.
//!
//! | file | what |
//! |---|---|
//! | `rankings.jsonl`, `answers.jsonl` | our records: rankings, and the answers they are about |
//! | `demonstrations.jsonl` | texts that people wrote or edited, `{prompt, completion}` |
//! | `pairs.jsonl` | `{prompt, chosen, rejected}`, all pairs of each ranking, ties left out, as TRL and others read |
//! | `hh.jsonl` | `{chosen, rejected}` as whole dialogues with `Human:` and `Assistant:`, as HH-RLHF |
//! | `argilla.json` | records with a ranking question and one response for each person |
//! | `label-studio.json` | tasks with a `Ranker` annotation for each person |
//! | `events.jsonl` | the log itself, hashes included |
//!
//! Only work that counts is exported, except for the log. Anonymous, people are `person-1`, `person-2` in an order that has
//! nothing to do with when they joined, times are left out, and so are comments and reasons, in which people may name
//! themselves; the log is not given out anonymously, since its hashes are of what it says.

use super::event::{Item, Task};
use super::state::{Recorded, State};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trimtab_run::sha256_bytes;
use trimtab_text::record::{Answer, Demonstration, Input, Ranking, Samples, join, write_jsonl};

/// A file to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our rankings.
    Rankings,
    /// The answers that the rankings are about.
    Answers,
    /// Texts that people wrote.
    Demonstrations,
    /// `{prompt, chosen, rejected}`.
    Pairs,
    /// `{chosen, rejected}` as dialogues.
    Hh,
    /// Argilla records.
    Argilla,
    /// Label Studio tasks.
    LabelStudio,
}

/// Every file with its format.
pub const FILES: [(&str, Format); 7] = [
    ("rankings.jsonl", Format::Rankings),
    ("answers.jsonl", Format::Answers),
    ("demonstrations.jsonl", Format::Demonstrations),
    ("pairs.jsonl", Format::Pairs),
    ("hh.jsonl", Format::Hh),
    ("argilla.json", Format::Argilla),
    ("label-studio.json", Format::LabelStudio),
];

impl Format {
    /// The format of a file of this name.
    pub fn of_file(name: &str) -> Option<Self> {
        FILES.iter().find(|(file, _)| *file == name).map(|(_, format)| *format)
    }
}

/// The file's bytes.
///
/// # Errors
/// [`trimtab_text::Error`] for a record that would not read back.
pub fn export(state: &State, format: Format, anonymous: bool) -> Result<Vec<u8>, trimtab_text::Error> {
    let names = anonymous.then(|| pseudonyms(state));
    let rankings = || -> Vec<Ranking> {
        let own = state.rankings(false).into_iter();
        own.map(|ranking| names.as_ref().map_or_else(|| ranking.clone(), |names| veiled(ranking.clone(), names)))
            .collect()
    };
    let by_item = || {
        let mut of_item: BTreeMap<String, Vec<Ranking>> = BTreeMap::new();
        for ranking in rankings() {
            of_item.entry(ranking.prompt_id.clone()).or_default().push(ranking);
        }
        of_item
    };
    match format {
        Format::Rankings => write_jsonl(&rankings()),
        Format::Answers => write_jsonl(&answers(state)),
        Format::Demonstrations => write_jsonl(&demonstrations(state, names.as_ref())),
        Format::Pairs | Format::Hh => {
            let mut pairs = join(&rankings(), &answers(state))?;
            pairs.retain(|pair| !pair.tie);
            if format == Format::Pairs {
                return write_jsonl(&pairs);
            }
            let dialogue = |input: &Input, answer: &str| {
                let turns = input.messages().into_iter().map(|message| {
                    let speaker = if message.role == "assistant" { "Assistant" } else { "Human" };
                    format!("\n\n{speaker}: {}", message.content)
                });
                turns.collect::<String>() + "\n\nAssistant: " + answer
            };
            let line = |pair: &trimtab_text::record::Comparison| json!({"chosen": dialogue(pair.input(), &pair.chosen), "rejected": dialogue(pair.input(), &pair.rejected)});
            write_jsonl(&pairs.iter().map(line).collect::<Vec<Value>>())
        }
        Format::Argilla => Ok(document(argilla(state, &by_item()))),
        Format::LabelStudio => Ok(document(label_studio(state, &by_item()))),
    }
}

fn document(records: Vec<Value>) -> Vec<u8> {
    let mut bytes = Value::Array(records).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// Names that say nothing: numbered in the order of a hash.
fn pseudonyms(state: &State) -> BTreeMap<String, String> {
    let mut people: Vec<&String> = state.people.keys().collect();
    // Of all people together, so that the same person has another number in another project.
    let project: String = state.people.values().map(|person| person.name.as_str()).collect();
    people.sort_by_key(|person| sha256_bytes(format!("{project}/{person}").as_bytes()));
    people.into_iter().enumerate().map(|(i, person)| (person.clone(), format!("person-{}", i + 1))).collect()
}

fn veiled(mut ranking: Ranking, names: &BTreeMap<String, String>) -> Ranking {
    ranking.person = ranking.person.and_then(|person| names.get(&person).cloned());
    ranking.at = None;
    for key in ["comment", "reason", "judgement"] {
        ranking.extra.remove(key);
    }
    ranking
}

/// The items that are ranked, as samples.
pub fn answers(state: &State) -> Vec<Samples> {
    let ranked = state.items.iter().filter(|item| item.task == Task::Rank && !item.is_gold());
    ranked.map(samples).collect()
}

fn samples(item: &Item) -> Samples {
    let answer = |answer: &super::event::ItemAnswer| {
        let text = |key: &str| answer.source.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Answer {
            id: answer.id.clone(),
            text: answer.text.clone(),
            tokens: vec![],
            logprobs: vec![],
            seed: answer.source.get("seed").and_then(Value::as_u64).unwrap_or(0),
            stop: text("stop"),
            extra: Map::new(),
        }
    };
    Samples {
        id: item.id.clone(),
        input: item.input.clone(),
        answers: item.answers.iter().map(answer).collect(),
        model: None,
        temperature: None,
        group: item.group.clone(),
        extra: Map::new(),
    }
}

fn demonstrations(state: &State, names: Option<&BTreeMap<String, String>>) -> Vec<Demonstration> {
    let written = state.judgements.iter().filter(|recorded| state.counts(recorded));
    let of = |recorded: &Recorded| {
        let item = state.item(&recorded.said.item).filter(|item| item.task != Task::Rank)?;
        let author = names.map_or_else(|| Some(recorded.person.clone()), |names| names.get(&recorded.person).cloned());
        Some(Demonstration {
            // Several people may write for one item.
            id: format!("{}/{}", item.id, author.as_deref().unwrap_or("?")),
            input: item.input.clone(),
            completion: recorded.said.text.clone()?,
            author,
            seconds: recorded.said.active_ms.map(|ms| ms as f64 / 1000.0),
            group: item.group.clone(),
            extra: Map::new(),
        })
    };
    written.filter_map(of).collect()
}

/// What other tools have no field for, so that a file which comes back says all that it did.
fn beside(of: &mut Value, ranking: &Ranking) {
    if !ranking.extra.contains_key("shown_unknown") {
        of["shown"] = json!(ranking.shown);
    }
    if let Some(verdict) = ranking.verdict {
        of["verdict"] = json!(verdict);
    }
    if let Some(seconds) = ranking.seconds {
        of["seconds"] = json!(seconds);
    }
    if !ranking.flags.is_empty() {
        of["flags"] = json!(ranking.flags);
    }
    if let Some(margin) = ranking.margin {
        of["margin"] = json!(margin);
    }
    for key in ["comment", "reason"] {
        if let Some(words) = ranking.extra.get(key) {
            of[key] = words.clone();
        }
    }
}

/// Items that were ranked, each with its rankings.
fn with_rankings<'a>(
    state: &'a State,
    of_item: &'a BTreeMap<String, Vec<Ranking>>,
) -> impl Iterator<Item = (&'a Item, &'a Vec<Ranking>)> {
    state.items.iter().filter_map(|item| Some((item, of_item.get(&item.id)?)))
}

fn argilla(state: &State, of_item: &BTreeMap<String, Vec<Ranking>>) -> Vec<Value> {
    let record = |(item, rankings): (&Item, &Vec<Ranking>)| {
        // The prompt comes first, under a name that no answer has.
        let names = ["prompt", "instruction", "question", "input", "text"];
        let name = names.iter().find(|name| item.answers.iter().all(|answer| answer.id != **name)).unwrap_or(&"prompt");
        let mut fields = Map::from_iter([((*name).to_owned(), json!(item.input.plain()))]);
        fields.extend(item.answers.iter().map(|answer| (answer.id.clone(), json!(answer.text))));
        let response = |ranking: &Ranking| {
            let ranks: Vec<Value> = ranking.ranks.iter().map(|(id, rank)| json!({"value": id, "rank": rank})).collect();
            let status = if ranking.ranks.is_empty() { "discarded" } else { "submitted" };
            let mut response =
                json!({"user_id": ranking.person, "status": status, "values": {"ranking": {"value": ranks}}});
            beside(&mut response, ranking);
            response
        };
        let responses = rankings.iter().map(response).collect::<Vec<_>>();
        let mut record = json!({"id": item.id, "fields": fields, "responses": responses});
        if let Input::Chat(messages) = &item.input {
            record["messages"] = json!(messages);
        }
        record
    };
    with_rankings(state, of_item).map(record).collect()
}

fn label_studio(state: &State, of_item: &BTreeMap<String, Vec<Ranking>>) -> Vec<Value> {
    let task = |(number, (item, rankings)): (usize, (&Item, &Vec<Ranking>))| {
        let items: Vec<Value> =
            item.answers.iter().map(|answer| json!({"id": answer.id, "title": "", "body": answer.text})).collect();
        let annotation = |ranking: &Ranking| {
            let mut order: Vec<(&u32, &String)> = ranking.ranks.iter().map(|(id, rank)| (rank, id)).collect();
            order.sort();
            let order: Vec<&String> = order.into_iter().map(|(_, id)| id).collect();
            // A Ranker's list has no ties: the ranks stand beside it, so that they can be had back.
            let value = json!({"ranker": {"rank": order}, "ranks": ranking.ranks});
            let mut annotation = json!({
                "completed_by": ranking.person, "was_cancelled": ranking.ranks.is_empty(), "lead_time": ranking.seconds,
                "result": [{"from_name": "rank", "to_name": "prompt", "type": "ranker", "value": value}],
            });
            beside(&mut annotation, ranking);
            annotation
        };
        let mut task = json!({
            "id": number + 1, "data": {"id": item.id, "prompt": item.input.plain(), "items": items},
            "annotations": rankings.iter().map(annotation).collect::<Vec<_>>(),
        });
        if let Input::Chat(messages) = &item.input {
            task["data"]["messages"] = json!(messages);
        }
        task
    };
    with_rankings(state, of_item).enumerate().map(task).collect()
}
