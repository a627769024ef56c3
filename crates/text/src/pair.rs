//! Records with `chosen` and `rejected`: finding the prompt that both answer.

use crate::chat::Message;
use crate::dataset::Counters;
use crate::fields::{Fields, Misfit, messages};
use crate::record::Input;
use crate::shapes::prompt_of;
use serde_json::Value;

pub(crate) struct Pair {
    pub input: Input,
    pub chosen: String,
    pub rejected: String,
}

/// One side of a pair before its prompt is known.
enum Side {
    Text(String),
    Turns(Vec<Message>),
}

fn side(value: &Value, key: &str) -> Result<Side, Misfit> {
    match value {
        Value::String(text) => Ok(Side::Text(text.clone())),
        other => messages(other, key).map(Side::Turns),
    }
}

/// The prompt and both answers of a record with `chosen` and `rejected`; none where it is left out, which is counted.
pub(crate) fn take_pair(fields: &mut Fields, counters: &mut Counters) -> Result<Option<Pair>, Misfit> {
    let sides = ["chosen", "rejected"].map(|key| (key, fields.remove(key).unwrap_or_default()));
    let [chosen, rejected] = sides.map(|(key, value)| side(&value, key));
    let prompt = prompt_of(fields)?;
    let (chosen, rejected, implicit) = match (chosen?, rejected?, &prompt) {
        (Side::Text(chosen), Side::Text(rejected), Some(_)) => {
            return Ok(prompt.map(|input| Pair { input, chosen, rejected }));
        }
        (Side::Text(chosen), Side::Text(rejected), None) => {
            let (Some(chosen), Some(rejected)) = (dialogue(&chosen), dialogue(&rejected)) else {
                let expected =
                    "a prompt field, or whole dialogues that begin with \"\\n\\nHuman:\" in chosen and rejected";
                return Err(Misfit::new("field \"prompt\" is missing", expected));
            };
            (chosen, rejected, true)
        }
        (Side::Turns(chosen), Side::Turns(rejected), _) => (chosen, rejected, prompt.is_none()),
        _ => {
            return Err(Misfit::new(
                "field \"rejected\" is of another kind than \"chosen\"",
                "two strings or two lists",
            ));
        }
    };
    let (Some((chosen, before)), Some((rejected, before_rejected))) = (answer(chosen), answer(rejected)) else {
        let what = "field \"chosen\" or \"rejected\" does not end with the assistant";
        return Err(Misfit::new(what, "an assistant message last"));
    };
    if before != before_rejected {
        counters.add("skipped.different_prompts", 1);
        return Ok(None);
    }
    let input = match prompt {
        Some(prompt) if before.is_empty() => prompt,
        // The lists repeat the prompt, or (rarely) go on from it.
        Some(prompt) => {
            let asked = prompt.messages();
            let repeats = before.ends_with(&asked) || before.starts_with(&asked);
            Input::Chat(if repeats { before } else { [asked, before].concat() })
        }
        None => Input::Chat(before),
    };
    if implicit && input.messages().is_empty() {
        counters.add("skipped.no_prompt", 1);
        return Ok(None);
    }
    Ok(Some(Pair { input, chosen, rejected }))
}

/// The last message, if it is the assistant's, and those before it.
fn answer(mut turns: Vec<Message>) -> Option<(String, Vec<Message>)> {
    let last = turns.pop()?;
    (last.role == "assistant").then_some((last.content, turns))
}

/// Reads a dialogue written as `\n\nHuman: ...\n\nAssistant: ...`, as HH-RLHF has it; none if it is not one.
fn dialogue(text: &str) -> Option<Vec<Message>> {
    const SPEAKERS: [(&str, &str); 2] = [("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant")];
    let mut turns: Vec<Message> = Vec::new();
    let mut rest = text;
    SPEAKERS.iter().find(|(marker, _)| rest.starts_with(marker))?;
    while !rest.is_empty() {
        let (marker, role) = SPEAKERS.iter().find(|(marker, _)| rest.starts_with(marker))?;
        rest = &rest[marker.len()..];
        let end = SPEAKERS.iter().filter_map(|(marker, _)| rest.find(marker)).min().unwrap_or(rest.len());
        turns.push(Message::new(*role, rest[..end].trim()));
        rest = &rest[end..];
    }
    Some(turns)
}
