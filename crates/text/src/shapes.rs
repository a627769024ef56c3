//! One record of a dataset file, in any of the shapes in use, as a typed row.

use crate::chat::Message;
use crate::dataset::{Counters, Document, placeholders};
use crate::fields::{Fields, Misfit, has, input, messages, rest, take, take_group, take_number, take_text, typed};
use crate::json;
use crate::pair::take_pair;
use crate::record::{Comparison, Demonstration, Input, Prompt, Ranking};
use serde_json::Value;

/// Where a record is from, for rows that have no identifier of their own.
pub(crate) struct Context<'a> {
    /// File name without folders and extensions.
    pub stem: &'a str,
    /// Number in the file, from 1.
    pub number: usize,
}

impl Context<'_> {
    fn id(&self, fields: &mut Fields) -> String {
        match fields.remove("id") {
            Some(Value::String(id)) if !id.is_empty() => id,
            Some(Value::Number(id)) => id.to_string(),
            _ => format!("{}:{}", self.stem, self.number),
        }
    }
}

const DEMONSTRATIONS: &[&[&str]] =
    &[&["prompt", "completion"], &["messages"], &["conversations"], &["instruction", "output"], &["prompt", "chosen"]];
const COMPARISONS: &[&[&str]] = &[
    &["prompt", "chosen", "rejected"],
    &["chosen", "rejected"],
    &["prompt", "answers", "ranks"],
    &["conversations", "chosen", "rejected"],
    &["instruction", "chosen", "rejected"],
];
const PROMPTS: &[&[&str]] = &[&["prompt"], &["messages"], &["conversations"], &["instruction"], &["turns"]];

/// The misfit of a record: the field that the nearest shape misses, and all shapes.
fn no_shape(fields: &Fields, shapes: &[&[&str]]) -> Misfit {
    let present = |shape: &&&[&str]| shape.iter().filter(|key| has(fields, key)).count();
    // The first of the nearest, where `max_by_key` would give the last.
    let nearest = shapes.iter().rev().max_by_key(present).copied().unwrap_or_default();
    let missing = nearest.iter().find(|key| !has(fields, key)).copied().unwrap_or("prompt");
    let listed: Vec<String> = shapes.iter().map(|shape| format!("{{{}}}", shape.join(", "))).collect();
    Misfit::new(format!("field {missing:?} is missing"), format!("one of: {}", listed.join(", ")))
}

/// Alpaca's instruction and input as one prompt.
fn instruction(fields: &mut Fields) -> Result<Option<Input>, Misfit> {
    if !has(fields, "instruction") {
        return Ok(None);
    }
    let text = take_text(fields, "instruction")?.unwrap_or_default();
    let input = take_text(fields, "input")?.unwrap_or_default();
    Ok(Some(Input::Text(with_input(&text, &input))))
}

fn with_input(instruction: &str, input: &str) -> String {
    if input.trim().is_empty() { instruction.to_owned() } else { format!("{instruction}\n\n{input}") }
}

/// The prompt that stands beside an answer, from whichever field has it.
pub(crate) fn prompt_of(fields: &mut Fields) -> Result<Option<Input>, Misfit> {
    for key in ["prompt", "messages", "conversations"] {
        if let Some(value) = take(fields, key) {
            return input(&value, key).map(Some);
        }
    }
    instruction(fields)
}

fn is_blank(input: &Input) -> bool {
    match input {
        Input::Text(text) => text.trim().is_empty(),
        Input::Chat(messages) => messages.iter().all(|message| message.content.trim().is_empty()),
    }
}

fn note_placeholders<'a>(texts: impl IntoIterator<Item = &'a str>, counters: &mut Counters) {
    if texts.into_iter().any(|text| !placeholders(text).is_empty()) {
        counters.add("noted.placeholder", 1);
    }
}

pub(crate) fn demonstrations(
    context: &Context<'_>,
    mut fields: Fields,
    counters: &mut Counters,
) -> Result<Vec<Demonstration>, Misfit> {
    if fields.get("label") == Some(&Value::Bool(false)) {
        counters.add("skipped.label_false", 1);
        return Ok(Vec::new());
    }
    let id = context.id(&mut fields);
    let mut answers: Vec<(Input, String)> = Vec::new();
    if has(&fields, "chosen") && has(&fields, "rejected") {
        // In published preference sets `output` may be either side; the chosen one is the demonstration.
        let Some(pair) = take_pair(&mut fields, counters)? else { return Ok(Vec::new()) };
        counters.add("noted.chosen_used_as_completion", 1);
        fields.remove("rejected");
        answers.push((pair.input, pair.chosen));
    } else if has(&fields, "prompt") && has(&fields, "completion") {
        let prompt = take(&mut fields, "prompt").unwrap_or_default();
        let completion = match take(&mut fields, "completion").unwrap_or_default() {
            Value::String(text) => text,
            list => match messages(&list, "completion")?.as_slice() {
                [Message { role, content, .. }] if role == "assistant" => content.clone(),
                _ => {
                    return Err(Misfit::new(
                        "field \"completion\" is not one answer",
                        "text, or one assistant message",
                    ));
                }
            },
        };
        answers.push((input(&prompt, "prompt")?, completion));
    } else if has(&fields, "messages") && has(&fields, "completion") {
        let prompt = take(&mut fields, "messages").unwrap_or_default();
        let completion = take_text(&mut fields, "completion")?.unwrap_or_default();
        answers.push((input(&prompt, "messages")?, completion));
    } else if let Some(key) = ["messages", "conversations"].into_iter().find(|key| has(&fields, key)) {
        let mut turns = messages(&take(&mut fields, key).unwrap_or_default(), key)?;
        let Some(last) = turns.iter().rposition(|turn| turn.role == "assistant") else {
            counters.add("skipped.no_assistant_turn", 1);
            return Ok(Vec::new());
        };
        counters.add("noted.turns_after_last_answer_dropped", (turns.len() - last - 1) as u64);
        turns.truncate(last + 1);
        let completion = turns.pop().map(|turn| turn.content).unwrap_or_default();
        if !turns.iter().any(|turn| turn.role == "user") {
            counters.add("skipped.no_prompt", 1);
            return Ok(Vec::new());
        }
        answers.push((Input::Chat(turns), completion));
    } else if has(&fields, "instruction") && has(&fields, "output") {
        let completion = take_text(&mut fields, "output")?.unwrap_or_default();
        if let Some(prompt) = instruction(&mut fields)? {
            answers.push((prompt, completion));
        }
    } else if has(&fields, "instruction") && has(&fields, "instances") {
        answers.extend(instances(&mut fields)?);
    } else {
        return Err(no_shape(&fields, DEMONSTRATIONS));
    }

    let (author, seconds) = (take_text(&mut fields, "author")?, take_number(&mut fields, "seconds")?);
    let group = take_group(&mut fields);
    let extra = rest(fields, &["prompt", "messages", "completion"]);
    let several = answers.len() > 1;
    let mut rows = Vec::new();
    for (i, (input, completion)) in answers.into_iter().enumerate() {
        if completion.trim().is_empty() {
            counters.add("skipped.empty_completion", 1);
            continue;
        }
        if is_blank(&input) {
            counters.add("skipped.empty_prompt", 1);
            continue;
        }
        note_placeholders([input.plain().as_str(), completion.as_str()], counters);
        let id = if several { format!("{id}.{}", i + 1) } else { id.clone() };
        let (author, group, extra) = (author.clone(), group.clone(), extra.clone());
        rows.push(Demonstration { id, input, completion, author, seconds, group, extra });
    }
    Ok(rows)
}

/// Self-instruct's `instances` of one instruction.
fn instances(fields: &mut Fields) -> Result<Vec<(Input, String)>, Misfit> {
    let text = take_text(fields, "instruction")?.unwrap_or_default();
    let Some(Value::Array(list)) = take(fields, "instances") else {
        return Err(Misfit::new("field \"instances\" is not a list", "a list of {input, output}"));
    };
    list.into_iter()
        .map(|instance| {
            let Value::Object(mut instance) = instance else {
                return Err(Misfit::new("field \"instances\" holds something else than objects", "{input, output}"));
            };
            let input = take_text(&mut instance, "input")?.unwrap_or_default();
            let output = take_text(&mut instance, "output")?
                .ok_or_else(|| Misfit::new("field \"instances\" has one without \"output\"", "{input, output}"))?;
            Ok((Input::Text(with_input(&text, &input)), output))
        })
        .collect()
}

pub(crate) fn comparisons(
    _: &Context<'_>,
    mut fields: Fields,
    counters: &mut Counters,
) -> Result<Vec<Comparison>, Misfit> {
    let mut found: Vec<Comparison> = Vec::new();
    if has(&fields, "answers") && has(&fields, "ranks") && !has(&fields, "chosen") {
        let Some(prompt) = prompt_of(&mut fields)? else { return Err(no_shape(&fields, COMPARISONS)) };
        found.extend(ranked(&mut fields, &prompt)?);
    } else if has(&fields, "chosen") && has(&fields, "rejected") {
        let Some(pair) = take_pair(&mut fields, counters)? else { return Ok(Vec::new()) };
        found.push(Comparison::new(pair.input, pair.chosen, pair.rejected));
    } else {
        return Err(no_shape(&fields, COMPARISONS));
    }

    let (weight, margin) = (take_number(&mut fields, "weight")?.unwrap_or(1.0), take_number(&mut fields, "margin")?);
    if weight < 0.0 {
        return Err(Misfit::new("field \"weight\" is negative", "a number from 0 up"));
    }
    let tie = match take(&mut fields, "tie") {
        None => false,
        Some(Value::Bool(tie)) => tie,
        Some(other) => return Err(Misfit::new(format!("field \"tie\" is {}", json::kind(&other)), "true or false")),
    };
    let group = take_group(&mut fields);
    let extra = rest(fields, &["prompt", "chosen", "rejected"]);
    let mut rows = Vec::new();
    for mut comparison in found {
        if comparison.chosen == comparison.rejected {
            counters.add("skipped.equal_answers", 1);
            continue;
        }
        if is_blank(comparison.input()) {
            counters.add("skipped.empty_prompt", 1);
            continue;
        }
        if comparison.chosen.trim().is_empty() || comparison.rejected.trim().is_empty() {
            counters.add("noted.empty_answer", 1);
        }
        let prompt = comparison.input().plain();
        note_placeholders([prompt.as_str(), comparison.chosen.as_str(), comparison.rejected.as_str()], counters);
        comparison.weight = weight;
        comparison.margin = margin;
        comparison.tie |= tie;
        comparison.group.clone_from(&group);
        comparison.extra.extend(extra.clone());
        rows.push(comparison);
    }
    Ok(rows)
}

/// All pairs of `{prompt, answers, ranks}`: answers as strings or `{id, text}`, ranks as a list or by id.
fn ranked(fields: &mut Fields, prompt: &Input) -> Result<Vec<Comparison>, Misfit> {
    let Some(Value::Array(list)) = take(fields, "answers") else {
        return Err(Misfit::new("field \"answers\" is not a list", "strings, or {id, text}"));
    };
    let mut answers: Vec<(String, String)> = Vec::new();
    for (i, answer) in list.into_iter().enumerate() {
        match answer {
            Value::String(text) => answers.push((i.to_string(), text)),
            Value::Object(mut answer) => {
                let text = take_text(&mut answer, "text")?.ok_or_else(|| {
                    Misfit::new("field \"answers\" has one without \"text\"", "strings, or {id, text}")
                })?;
                let id = match answer.remove("id") {
                    Some(Value::String(id)) => id,
                    Some(Value::Number(id)) => id.to_string(),
                    _ => i.to_string(),
                };
                answers.push((id, text));
            }
            other => {
                return Err(Misfit::new(
                    format!("field \"answers\" holds {}", json::kind(&other)),
                    "strings, or {id, text}",
                ));
            }
        }
    }
    let ranks = take(fields, "ranks").unwrap_or_default();
    let rank_of = |i: usize, id: &str| match &ranks {
        Value::Array(list) => list.get(i),
        Value::Object(by_id) => by_id.get(id),
        _ => None,
    };
    let expected = "one rank for each answer: a list in the order of answers, or an object by answer id";
    match &ranks {
        Value::Array(list) if list.len() == answers.len() => {}
        Value::Object(by_id) if by_id.keys().all(|id| answers.iter().any(|(known, _)| known == id)) => {}
        _ => return Err(Misfit::new("field \"ranks\" does not fit \"answers\"", expected)),
    }
    let mut ranked: Vec<(f64, &String, &String)> = Vec::new();
    for (i, (id, text)) in answers.iter().enumerate() {
        match rank_of(i, id) {
            None | Some(Value::Null) => {}
            Some(rank) => match rank.as_f64() {
                Some(rank) => ranked.push((rank, id, text)),
                None => {
                    return Err(Misfit::new(
                        format!("field \"ranks\" holds {}", json::kind(rank)),
                        "numbers, 1 is best",
                    ));
                }
            },
        }
    }
    let mut pairs = Vec::new();
    for (i, a) in ranked.iter().enumerate() {
        for b in &ranked[i + 1..] {
            let (better, worse) = if b.0 < a.0 { (b, a) } else { (a, b) };
            let mut pair = Comparison::new(prompt.clone(), better.2, worse.2);
            pair.tie = a.0 == b.0;
            pair.extra.insert("chosen_id".into(), better.1.as_str().into());
            pair.extra.insert("rejected_id".into(), worse.1.as_str().into());
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

#[allow(clippy::needless_pass_by_value)] // the signature that all shapes share
pub(crate) fn rankings(_: &Context<'_>, fields: Fields, counters: &mut Counters) -> Result<Vec<Ranking>, Misfit> {
    let expected = "{prompt_id, answers: [ids], shown: [slot to id], ranks: {id: rank}}";
    let ranking: Ranking = typed(&fields).map_err(|what| Misfit::new(what, expected))?;
    ranking.validate().map_err(|(field, what)| Misfit::new(format!("field {field:?} {what}"), expected))?;
    if ranking.ranks.is_empty() {
        counters.add("noted.verdict_without_ranks", 1);
    }
    Ok(vec![ranking])
}

pub(crate) fn prompts(
    context: &Context<'_>,
    mut fields: Fields,
    counters: &mut Counters,
) -> Result<Vec<Prompt>, Misfit> {
    let id = context.id(&mut fields);
    let found = if let Some(turns) = take(&mut fields, "turns") {
        let Some(first) = turns.get(0).and_then(Value::as_str) else {
            return Err(Misfit::new("field \"turns\" is not a list of strings", "the user's turns"));
        };
        let later = turns.as_array().map_or(0, |turns| turns.len() - 1);
        counters.add("noted.later_turns_dropped", later as u64);
        Some(Input::Text(first.to_owned()))
    } else if has(&fields, "instruction") && has(&fields, "instances") {
        let instances = instances(&mut fields)?;
        return Ok(instances
            .into_iter()
            .enumerate()
            .map(|(i, (input, _))| Prompt {
                id: format!("{id}.{}", i + 1),
                input,
                tags: Vec::new(),
                group: None,
                truth: None,
                extra: rest(fields.clone(), &["prompt", "messages"]),
            })
            .collect());
    } else if has(&fields, "chosen") && has(&fields, "rejected") {
        let Some(pair) = take_pair(&mut fields, counters)? else { return Ok(Vec::new()) };
        Some(pair.input)
    } else {
        prompt_of(&mut fields)?
    };
    let Some(mut input) = found else { return Err(no_shape(&fields, PROMPTS)) };
    if let Input::Chat(turns) = &mut input {
        // A prompt ends with the user; an answer after it is not part of it.
        let asked = turns.iter().rposition(|turn| turn.role != "assistant").map_or(0, |last| last + 1);
        turns.truncate(asked);
    }
    if is_blank(&input) {
        counters.add("skipped.no_prompt", 1);
        return Ok(Vec::new());
    }
    note_placeholders([input.plain().as_str()], counters);
    let tags = match take(&mut fields, "tags") {
        None => Vec::new(),
        Some(tags) => serde_json::from_value(tags)
            .map_err(|_| Misfit::new("field \"tags\" is not a list of strings", "a list of strings"))?,
    };
    let (group, truth) = (take_group(&mut fields), take(&mut fields, "truth"));
    let extra = rest(fields, &["prompt", "messages"]);
    Ok(vec![Prompt { id, input, tags, group, truth, extra }])
}

pub(crate) fn document(mut fields: Fields) -> Result<Document, Misfit> {
    match take_text(&mut fields, "text")? {
        Some(text) => Ok(Document { text, extra: fields }),
        None => Err(Misfit::new("field \"text\" is missing", "{text}, or plain text with one document a line")),
    }
}
