//! Argilla: records with fields, and responses with a ranking question, as `people export argilla.json` writes them too.

use super::{Found, Given, How, Record, beside, input_of, item, person_of};
use crate::service::event::ItemAnswer;
use serde_json::{Map, Value};
use trimtab_text::Error;
use trimtab_text::record::Verdict;

/// What the field with the prompt is called, the first that is there.
const PROMPTS: [&str; 5] = ["prompt", "instruction", "question", "input", "text"];

pub(super) fn read(record: &Record<'_>, how: &How, found: &mut Found) -> Result<(), Error> {
    let fields = record.fields.get("fields").and_then(Value::as_object);
    let fields = fields.ok_or_else(|| record.wrong("fields", "is missing or no object", "the texts of the record"))?;
    let (prompt, text) = record.text_of(fields, &PROMPTS, "fields")?;
    let id = ["external_id", "id"].iter().find_map(|key| person_of(record.fields.get(*key)));
    let id = id.unwrap_or_else(|| format!("record-{}", record.number));
    let answers: Vec<ItemAnswer> = fields
        .iter()
        .filter(|(name, _)| *name != prompt)
        .filter_map(|(name, text)| Some((name, text.as_str()?)))
        .map(|(name, text)| ItemAnswer { id: name.clone(), text: text.to_owned(), source: Map::new() })
        .collect();
    let input = input_of(record, record.fields.get("messages"), text)?;
    found.items.push(item(id.clone(), input, answers, how));
    match record.fields.get("responses") {
        None | Some(Value::Null) => {}
        Some(Value::Array(responses)) => {
            for response in responses {
                one(record, &id, response, found)?;
            }
        }
        Some(_) => return Err(record.wrong("responses", "is no list", "one response for each person")),
    }
    Ok(())
}

fn one(record: &Record<'_>, item: &str, response: &Value, found: &mut Found) -> Result<(), Error> {
    let status = response.get("status").and_then(Value::as_str).unwrap_or("submitted");
    if status == "draft" || status == "pending" {
        found.leave_out("drafts");
        return Ok(());
    }
    let person = person_of(response.get("user_id"));
    let person = person.ok_or_else(|| record.wrong("responses.user_id", "is missing", "who answered"))?;
    let mut given = Given { item: item.to_owned(), person, ..Given::default() };
    let questions = response.get("values").and_then(Value::as_object);
    let entries = questions.and_then(|questions| {
        let ranking = questions.get("ranking").into_iter().chain(questions.values());
        ranking
            .filter_map(|answer| answer.get("value")?.as_array())
            .find(|list| list.iter().all(|e| e.get("rank").is_some()))
    });
    for entry in entries.into_iter().flatten() {
        let rank = entry.get("rank").and_then(Value::as_u64).and_then(|rank| u32::try_from(rank).ok());
        let id = entry.get("value").and_then(Value::as_str);
        let (Some(id), Some(rank)) = (id, rank) else {
            return Err(record.wrong(
                "responses.values",
                "has an entry without value and rank",
                "an answer's name, and a whole number",
            ));
        };
        if given.ranks.insert(id.to_owned(), rank).is_some() {
            return Err(record.wrong("responses.values", &format!("ranks {id:?} twice"), "each answer once"));
        }
    }
    beside(record, response, &mut given)?;
    if given.ranks.is_empty() && given.verdict.is_none() {
        if status != "discarded" {
            found.leave_out("responses without a ranking");
            return Ok(());
        }
        given.verdict = Some(Verdict::Skip);
    }
    found.given.push(given);
    Ok(())
}
