//! A checkpoint folder's tokenizer files: reading them, and making one tokenizer out of what they say together.

use crate::contain::contained;
use crate::error::{Error, Problem};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::models::ModelWrapper;

/// Largest tokenizer or config file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// Builds a tokenizer from its JSON, without truncation, padding and dropout.
pub(crate) fn build(name: &str, json: &Value) -> Result<tokenizers::Tokenizer, Error> {
    let text = json.to_string();
    let problem = |what: String| {
        Error::Tokenizer(Problem::new(
            name,
            what,
            "a tokenizer.json of the tokenizers library",
            "copy the file of the model anew, or convert a slow tokenizer with transformers",
        ))
    };
    // A merge without a result makes the library index out of bounds, so that is looked at before.
    if let Some(merge) = unknown_merge(json) {
        return Err(problem(format!("the merge {merge} makes no token of the vocabulary")));
    }
    let mut tokenizer = contained(|| tokenizers::Tokenizer::from_bytes(text.as_bytes()))
        .ok_or_else(|| problem("does not load: the library gave up on it".into()))?
        .map_err(|e| problem(format!("does not load: {e}")))?;
    tokenizer.with_truncation(None).map_err(|e| problem(e.to_string()))?;
    tokenizer.with_padding(None);
    if let ModelWrapper::BPE(model) = tokenizer.get_model()
        && model.dropout.is_some()
    {
        let mut model = model.clone();
        model.dropout = None;
        tokenizer.with_model(model);
    }
    Ok(tokenizer)
}

/// The first merge of a BPE model whose parts or result are not in the vocabulary.
fn unknown_merge(json: &Value) -> Option<&Value> {
    let model = json.get("model")?;
    let (vocab, merges) = (model.get("vocab")?.as_object()?, model.get("merges")?.as_array()?);
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or_default();
    merges.iter().find(|merge| {
        let parts = match merge {
            Value::String(pair) => pair.split_once(' '),
            Value::Array(pair) => pair.first().and_then(Value::as_str).zip(pair.get(1).and_then(Value::as_str)),
            _ => None,
        };
        // Without parts the library itself says what is wrong.
        parts.is_some_and(|(left, right)| {
            let joined = right.get(prefix.len()..).map(|rest| format!("{left}{rest}"));
            !(vocab.contains_key(left) && vocab.contains_key(right) && joined.is_some_and(|t| vocab.contains_key(&t)))
        })
    })
}

/// Adds to a `tokenizer.json` what only `tokenizer_config.json` says: further added tokens, and which tokens with a
/// role are special.
pub(crate) fn add_config_tokens(
    name: &str,
    json: &mut Value,
    config: &Map<String, Value>,
    roles: &[(&str, Option<String>)],
) -> Result<(), Error> {
    let bad = |what: String| {
        Error::Tokenizer(Problem::new(
            name,
            what,
            "files of one checkpoint",
            "copy all tokenizer files of the model anew",
        ))
    };
    let mut vocabulary: BTreeMap<String, u64> = match json.pointer("/model/vocab") {
        Some(Value::Object(vocab)) => roles
            .iter()
            .filter_map(|(_, text)| text.as_ref())
            .filter_map(|text| Some((text.clone(), vocab.get(text)?.as_u64()?)))
            .collect(),
        _ => BTreeMap::new(),
    };
    let Some(top) = json.as_object_mut() else { return Err(bad("is not a JSON object".into())) };
    let Value::Array(added) = top.entry("added_tokens").or_insert_with(|| json!([])) else {
        return Err(bad("added_tokens is not a list".into()));
    };
    let mut extra: Vec<(u64, Value)> = Vec::new();
    if let Some(Value::Object(more)) = config.get("added_tokens_decoder") {
        for (id, token) in more {
            let id: u64 = id.parse().map_err(|_| bad(format!("added_tokens_decoder has the id {id:?}")))?;
            let known = added.iter().any(|known| known.get("id").and_then(Value::as_u64) == Some(id));
            if !known && let Value::Object(token) = token {
                let flag = |key: &str| token.get(key).and_then(Value::as_bool).unwrap_or(false);
                let entry = json!({
                    "id": id, "content": token.get("content").cloned().unwrap_or_default(),
                    "single_word": flag("single_word"), "lstrip": flag("lstrip"), "rstrip": flag("rstrip"),
                    "normalized": flag("normalized"), "special": flag("special"),
                });
                extra.push((id, entry));
            }
        }
    }
    extra.sort_by_key(|(id, _)| *id);
    added.extend(extra.into_iter().map(|(_, token)| token));
    for text in roles.iter().filter_map(|(_, text)| text.as_ref()) {
        if let Some(token) = added.iter_mut().find(|token| token["content"] == text.as_str()) {
            token["special"] = true.into();
            vocabulary.remove(text);
        }
    }
    // A token with a role that is only a word of the vocabulary would otherwise be readable out of text.
    let mut missing: Vec<(u64, String)> = vocabulary.into_iter().map(|(text, id)| (id, text)).collect();
    missing.sort_unstable();
    for (id, text) in missing {
        added.push(json!({
            "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }));
    }
    Ok(())
}

/// The template of a checkpoint folder and the file it is in.
pub(crate) fn template(path: &Path, config: &Map<String, Value>) -> Result<Option<(String, String)>, Error> {
    let file = path.join("chat_template.jinja");
    if file.exists() {
        let source = String::from_utf8(read(&file)?).map_err(|_| {
            Error::Template(Problem::new(file.display().to_string(), "is not UTF-8", "a Jinja template in UTF-8", ""))
        })?;
        return Ok(Some((file.display().to_string(), source)));
    }
    let place = path.join("tokenizer_config.json").display().to_string();
    let source = match config.get("chat_template") {
        Some(Value::String(source)) => Some(source.clone()),
        Some(Value::Array(named)) => named
            .iter()
            .find(|template| template["name"] == "default")
            .and_then(|template| template["template"].as_str())
            .map(str::to_owned),
        _ => None,
    };
    Ok(source.map(|source| (place, source)))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if size > MAX_FILE {
        let (what, expected) = (format!("{size} bytes long"), format!("at most {MAX_FILE} bytes"));
        return Err(Error::Tokenizer(Problem::new(path.display().to_string(), what, expected, "")));
    }
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

/// A JSON object from a file that may be absent.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>, Error> {
    if !path.exists() {
        return Ok(Map::new());
    }
    match parse_json(&path.display().to_string(), &read(path)?)? {
        Value::Object(fields) => Ok(fields),
        other => {
            let what = format!("holds {}", crate::json::kind(&other));
            Err(Error::Tokenizer(Problem::new(path.display().to_string(), what, "a JSON object", "")))
        }
    }
}

pub(crate) fn parse_json(name: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|e| {
        Error::Tokenizer(Problem::new(name, format!("is not JSON: {e}"), "a complete JSON file", "copy the file anew"))
    })
}
