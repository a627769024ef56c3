//! Fields of a record: taking them out by type, with errors that name the field.

use crate::chat::{self, Message};
use crate::json;
use crate::record::Input;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(crate) type Fields = Map<String, Value>;

/// A record that has none of the shapes.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// What is wrong, naming the field.
    pub what: String,
    pub expected: String,
}

impl Misfit {
    pub fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into() }
    }
}

/// Parquet files spell an absent field as null.
pub(crate) fn has(fields: &Fields, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

pub(crate) fn take(fields: &mut Fields, key: &str) -> Option<Value> {
    fields.remove(key).filter(|value| !value.is_null())
}

pub(crate) fn take_text(fields: &mut Fields, key: &str) -> Result<Option<String>, Misfit> {
    match take(fields, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Misfit::new(format!("field {key:?} is {}", json::kind(&other)), "a string")),
    }
}

pub(crate) fn take_number(fields: &mut Fields, key: &str) -> Result<Option<f64>, Misfit> {
    match take(fields, key) {
        None => Ok(None),
        Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(Misfit::new(format!("field {key:?} is {}", json::kind(&value)), "a finite number")),
        },
    }
}

/// A group may be a number in other people's files; here it is a name.
pub(crate) fn take_group(fields: &mut Fields) -> Option<String> {
    match take(fields, "group")? {
        Value::String(name) => Some(name),
        other => Some(other.to_string()),
    }
}

/// What is left of a record, without clashes with the fields that the row writes itself.
pub(crate) fn rest(fields: Fields, own: &[&str]) -> Fields {
    fields
        .into_iter()
        .map(|(key, value)| if own.contains(&key.as_str()) { (format!("source_{key}"), value) } else { (key, value) })
        .collect()
}

/// `{role, content}` or ShareGPT's `{from, value}`.
pub(crate) fn message(value: &Value, key: &str) -> Result<Message, Misfit> {
    let expected = "messages as {role, content} or {from, value}";
    let Value::Object(fields) = value else {
        return Err(Misfit::new(
            format!("field {key:?} holds {} where a message should be", json::kind(value)),
            expected,
        ));
    };
    let mut fields = fields.clone();
    let (role, content) = if has(&fields, "from") {
        (take_text(&mut fields, "from")?, fields.remove("value"))
    } else {
        (take_text(&mut fields, "role")?, fields.remove("content"))
    };
    let Some(role) = role else {
        return Err(Misfit::new(format!("field {key:?} holds a message without \"role\""), expected));
    };
    let role = match role.as_str() {
        "human" | "prompter" => "user".to_owned(),
        "gpt" | "chatgpt" | "bot" | "model" => "assistant".to_owned(),
        _ => role,
    };
    let content = match content {
        None | Some(Value::Null) => {
            return Err(Misfit::new(
                format!("field {key:?} holds a message of {role:?} without \"content\""),
                expected,
            ));
        }
        Some(content) => chat::flatten_content(&content)
            .map_err(|got| Misfit::new(format!("field {key:?} holds a message whose content is {got}"), "text"))?,
    };
    // Null fields are how Parquet pads messages of different shapes.
    fields.retain(|_, value| !value.is_null());
    Ok(Message { role, content, extra: fields })
}

pub(crate) fn messages(value: &Value, key: &str) -> Result<Vec<Message>, Misfit> {
    match value {
        Value::Array(items) => items.iter().map(|item| message(item, key)).collect(),
        Value::Object(_) => Ok(vec![message(value, key)?]),
        other => Err(Misfit::new(format!("field {key:?} is {}", json::kind(other)), "a list of messages")),
    }
}

/// A prompt field: text, or messages.
pub(crate) fn input(value: &Value, key: &str) -> Result<Input, Misfit> {
    match value {
        Value::String(text) => Ok(Input::Text(text.clone())),
        other => messages(other, key).map(Input::Chat),
    }
}

/// Deserialises a record of our own; the error names the field.
pub(crate) fn typed<T: DeserializeOwned>(fields: &Fields) -> Result<T, String> {
    let error = match serde_json::from_value::<T>(Value::Object(fields.clone())) {
        Ok(record) => return Ok(record),
        Err(error) => error.to_string(),
    };
    if let Some(field) = error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return Err(format!("field {field:?} is missing"));
    }
    // serde does not name the field of a wrong type; it is the one without which the complaint is another.
    for key in fields.keys() {
        let mut without = fields.clone();
        without.remove(key);
        let changed = match serde_json::from_value::<T>(Value::Object(without)) {
            Ok(_) => true,
            Err(other) => other.to_string() != error,
        };
        if changed {
            return Err(format!("field {key:?}: {error}"));
        }
    }
    Err(error)
}
