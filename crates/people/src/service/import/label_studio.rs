//! Label Studio: tasks with a list of answers and `Ranker` annotations, as `people export label-studio.json` writes them too.

use super::{Found, Given, How, Record, beside, input_of, item, person_of, ranks_of, texts_of};
use crate::service::event::ItemAnswer;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trimtab_text::Error;
use trimtab_text::record::Verdict;

/// What the prompt is called in `data`, the first that is there.
const PROMPTS: [&str; 5] = ["prompt", "instruction", "question", "input", "text"];

pub(super) fn read(record: &Record<'_>, how: &How, found: &mut Found) -> Result<(), Error> {
    let data = record.fields.get("data").and_then(Value::as_object);
    let data = data.ok_or_else(|| record.wrong("data", "is missing or no object", "prompt and items"))?;
    let (_, prompt) = record.text_of(data, &PROMPTS, "data")?;
    let id = person_of(data.get("id")).or_else(|| person_of(record.fields.get("id")));
    let id = id.unwrap_or_else(|| format!("record-{}", record.number));
    // The list under `items`, or the only list of objects with identifiers under another name.
    let lists = data.get("items").into_iter().chain(data.values()).filter_map(Value::as_array);
    let list = lists.into_iter().find(|list| !list.is_empty() && list.iter().all(|answer| answer.get("id").is_some()));
    let list = list.ok_or_else(|| record.wrong("data.items", "is missing", "a list of answers with id and body"))?;
    let answer = |answer: &Value| {
        let text = ["body", "text", "html", "title"]
            .iter()
            .find_map(|key| answer.get(*key)?.as_str().filter(|t| !t.is_empty()));
        Some(ItemAnswer {
            id: person_of(answer.get("id"))?,
            text: text.unwrap_or_default().to_owned(),
            source: Map::new(),
        })
    };
    let answers = list.iter().map(answer).collect::<Option<Vec<_>>>();
    let answers = answers.ok_or_else(|| record.wrong("data.items.id", "is neither text nor number", "a name"))?;
    let input = input_of(record, data.get("messages"), prompt)?;
    found.items.push(item(id.clone(), input, answers, how));
    match record.fields.get("annotations") {
        None | Some(Value::Null) => {}
        Some(Value::Array(annotations)) => {
            for annotation in annotations {
                one(record, &id, annotation, found)?;
            }
        }
        Some(_) => return Err(record.wrong("annotations", "is no list", "one annotation for each person")),
    }
    Ok(())
}

fn one(record: &Record<'_>, item: &str, annotation: &Value, found: &mut Found) -> Result<(), Error> {
    let person = person_of(annotation.get("completed_by"));
    let person = person.ok_or_else(|| record.wrong("annotations.completed_by", "is missing", "who answered"))?;
    let seconds = annotation.get("lead_time").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    let mut given = Given { item: item.to_owned(), person, seconds, ..Given::default() };
    let results = annotation.get("result").and_then(Value::as_array).into_iter().flatten();
    let ranker =
        results.filter(|result| result.get("type").is_some_and(|kind| kind == "ranker")).find_map(|r| r.get("value"));
    if let Some(value) = ranker {
        // The ranks that our export puts beside the list, which knows no ties; else the list.
        let order = value.get("ranker").map(|ranker| ranker.get("rank").unwrap_or(ranker));
        given.ranks = match (value.get("ranks"), order.and_then(texts_of)) {
            (Some(ranks), _) => ranks_of(ranks).ok_or_else(|| {
                record.wrong("annotations.ranks", "is no ranking", "answers with whole numbers from 1")
            })?,
            (None, Some(order)) => {
                let count = order.len();
                let ranks: BTreeMap<String, u32> = order.into_iter().zip(1..).collect();
                if ranks.len() != count {
                    return Err(record.wrong("annotations.ranker", "names an answer twice", "each answer once"));
                }
                ranks
            }
            (None, None) => {
                return Err(record.wrong("annotations.ranker", "is no list", "the names of answers, the best first"));
            }
        };
    }
    beside(record, annotation, &mut given)?;
    if given.ranks.is_empty() && given.verdict.is_none() {
        if annotation.get("was_cancelled") != Some(&Value::Bool(true)) {
            found.leave_out("annotations without a ranking");
            return Ok(());
        }
        given.verdict = Some(Verdict::Skip);
    }
    found.given.push(given);
    Ok(())
}
