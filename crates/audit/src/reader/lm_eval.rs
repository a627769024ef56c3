//! Tasks of lm-evaluation-harness: multiple choice over local JSON or JSON Lines, with Jinja templates.
//!
//! Gao et al. 2024, doi:10.5281/zenodo.12608602, as of its task guide. Where ours differs:
//! 1. `!function` is refused by name ([`super::yaml`]): it means Python code.
//! 2. Only `output_type: multiple_choice` and local files (`dataset_path: json`) are read; everything else is refused by
//!    name, instead of being run as something similar. Few-shot examples are not: `num_fewshot` above 0 is refused.
//! 3. `include` must stay below the task's own folder.

use super::{Files, objects, problem, yaml};
use crate::item::{Choice, Form, Item, ItemSet, Role, SetInfo};
use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::{Map, Value};
use std::path::{Component, Path, PathBuf};
use trimtab_run::sha256_bytes;
use trimtab_text::Error;
use trimtab_text::record::Input;

/// Work that one template may do.
const FUEL: u64 = 200_000;
/// Files that include each other.
const MAX_INCLUDES: usize = 8;

/// Reads a task with its data.
pub(super) fn read(path: &Path, files: Files) -> Result<ItemSet, Error> {
    let place = path.display().to_string();
    let task = load(path, files, 0)?;
    let text = |key: &str| task.get(key).and_then(Value::as_str);
    let name = text("task").unwrap_or("task").to_owned();
    match text("output_type") {
        Some("multiple_choice") => {}
        other => {
            let what = format!("output_type is {}", other.map_or("missing".into(), |o| format!("{o:?}")));
            return Err(problem(&place, what, "multiple_choice", "a task whose answers are among listed ones"));
        }
    }
    if let Some(shots) = task.get("num_fewshot").and_then(Value::as_u64).filter(|n| *n > 0) {
        return Err(problem(&place, format!("num_fewshot is {shots}"), "0", "write the examples into doc_to_text"));
    }
    let data = data_file(path, &task)?;
    let rows = objects(&data.display().to_string(), &files(&data)?)?;
    let delimiter = text("target_delimiter").unwrap_or(" ").to_owned();
    let of = |key: &'static str| {
        task.get(key).ok_or_else(|| problem(&place, format!("key {key:?} is missing"), "a column or a template", ""))
    };
    let (ask, target, choice) = (of("doc_to_text")?, of("doc_to_target")?, of("doc_to_choice")?);
    let version = task.get("metadata").and_then(|m| m.get("version")).map_or("none".into(), Value::to_string);
    let info = SetInfo {
        name: format!("lm-eval/{name}"),
        version,
        source: place.clone(),
        licence: "as the task's owner states it".into(),
        positive: "the likeliest option is the target (acc)".into(),
        traps: vec!["options are scored by their sum, without length normalisation (acc, not acc_norm)".into()],
        ..SetInfo::default()
    };
    let mut set = ItemSet { info, ..ItemSet::default() };
    for (line, row) in rows {
        let here = format!("{}:{line}", data.display());
        let field =
            |key: &str, what: String| problem(&here, format!("{key}: {what}"), "what the task's templates name", "");
        let prompt = render(ask, &row).map_err(|e| field("doc_to_text", e))?;
        let prompt = prompt.as_str().map_or_else(|| prompt.to_string(), str::to_owned);
        let choices = match render(choice, &row).map_err(|e| field("doc_to_choice", e))? {
            Value::Array(list) => list,
            other => return Err(field("doc_to_choice", format!("gives {other}, no list"))),
        };
        let choices: Vec<String> =
            choices.iter().map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect();
        let target = render(target, &row).map_err(|e| field("doc_to_target", e))?;
        let right =
            index(&target, &choices).ok_or_else(|| field("doc_to_target", format!("gives {target}, no option")))?;
        let stem = sha256_bytes(prompt.as_bytes())[..16].to_owned();
        let role = |i| if i == right { Role::Right } else { Role::Wrong };
        let item = Item {
            id: format!("{line}"),
            stem: stem.clone(),
            cluster: stem,
            family: name.clone(),
            arm: "neutral".into(),
            form: Form::Open,
            order: None,
            input: Input::Text(prompt),
            choices: choices
                .iter()
                .enumerate()
                .map(|(i, c)| Choice { text: format!("{delimiter}{c}"), role: role(i) })
                .collect(),
            truth: None,
            seed: 0,
        };
        item.check().map_err(|(key, what, _)| field(key, what))?;
        set.items.push(item);
    }
    Ok(set)
}

/// A task with what it includes; its own keys come first.
fn load(path: &Path, files: Files, depth: usize) -> Result<Map<String, Value>, Error> {
    let place = path.display().to_string();
    if depth > MAX_INCLUDES {
        return Err(problem(&place, "includes without an end", "at most eight files", "remove the circle"));
    }
    let Value::Object(mut task) = yaml::parse(&place, &files(path)?)? else {
        return Err(problem(&place, "is no mapping", "keys such as task and output_type", "another file"));
    };
    if let Some(include) = task.remove("include") {
        let name = include.as_str().unwrap_or_default();
        let below = !name.is_empty()
            && Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !below {
            return Err(problem(
                &place,
                format!("include {include}"),
                "a file below the task's folder",
                "copy it there",
            ));
        }
        let base = load(&path.with_file_name(name), files, depth + 1)?;
        for (key, value) in base {
            task.entry(key).or_insert(value);
        }
    }
    Ok(task)
}

/// The local file that a task reads.
fn data_file(path: &Path, task: &Map<String, Value>) -> Result<PathBuf, Error> {
    let place = path.display().to_string();
    let source = task.get("dataset_path").and_then(Value::as_str).unwrap_or_default();
    let expected = "dataset_path: json, and the file under dataset_kwargs.data_files";
    if source != "json" {
        return Err(problem(
            &place,
            format!("dataset_path is {source:?}"),
            expected,
            "download the data as JSON Lines",
        ));
    }
    let files = task.get("dataset_kwargs").and_then(|k| k.get("data_files"));
    let split = task.get("test_split").or_else(|| task.get("validation_split")).and_then(Value::as_str);
    let file = match files {
        Some(Value::String(file)) => Some(file.as_str()),
        Some(Value::Object(splits)) => {
            let chosen = split
                .and_then(|s| splits.get(s))
                .or_else(|| if splits.len() == 1 { splits.values().next() } else { None });
            chosen.and_then(Value::as_str)
        }
        _ => None,
    };
    let file = file.filter(|f| !f.contains("://"));
    let file = file.ok_or_else(|| problem(&place, "dataset_kwargs.data_files names no local file", expected, ""))?;
    // As the harness: relative to where it is run; and beside the task, where that is missing.
    let beside = path.with_file_name(file);
    Ok(if Path::new(file).exists() || !beside.exists() { PathBuf::from(file) } else { beside })
}

/// A template's value for a row: a column, where the text is a column's name; a list of templates; else Jinja, whose
/// output is read as JSON where it is a list or a number.
fn render(template: &Value, row: &Map<String, Value>) -> Result<Value, String> {
    match template {
        Value::String(text) if row.contains_key(text) => Ok(row[text].clone()),
        Value::String(text) => {
            let mut env = Environment::new();
            env.set_fuel(Some(FUEL));
            env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
            let out = env.render_str(text, Serde(row)).map_err(|e| e.to_string())?;
            let parsed: Option<Value> = serde_json::from_str(&out.replace('\'', "\"")).ok();
            Ok(parsed.filter(|v| v.is_array() || v.is_u64()).unwrap_or(Value::String(out)))
        }
        Value::Array(list) => Ok(Value::Array(list.iter().map(|t| render(t, row)).collect::<Result<_, _>>()?)),
        other => Ok(other.clone()),
    }
}

/// Which option the target is: its number, or its text.
fn index(target: &Value, choices: &[String]) -> Option<usize> {
    let number = target.as_u64().map(|n| n as usize).filter(|n| *n < choices.len());
    number.or_else(|| choices.iter().position(|c| Some(c.as_str()) == target.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(yaml: &str, rows: &str) -> Result<ItemSet, Error> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rows.jsonl"), rows).unwrap();
        std::fs::write(dir.path().join("task.yaml"), yaml).unwrap();
        read(&dir.path().join("task.yaml"), &super::super::text_of)
    }

    const TASK: &str = "task: t\noutput_type: multiple_choice\ndataset_path: json\ndataset_kwargs:\n  data_files: rows.jsonl\n\
                        doc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_choice: options\ndoc_to_target: label\nmetadata:\n  version: 2\n";

    #[test]
    fn a_multiple_choice_task() {
        let set = task(TASK, r#"{"q": "Up?", "options": ["yes", "no"], "label": 1}"#).unwrap();
        let item = &set.items[0];
        assert_eq!(item.input.plain(), "Q: Up?\nA:");
        assert_eq!((item.choices[1].text.as_str(), item.choices[1].role), (" no", Role::Right));
        assert_eq!(set.info.version, "2");
        let inline = TASK.replace("doc_to_choice: options", "doc_to_choice: \"{{[q, 'no']}}\"");
        let set = task(&inline, r#"{"q": "Up?", "options": [], "label": "no"}"#).unwrap();
        assert_eq!(set.items[0].choices[0].text, " Up?");
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        let row = r#"{"q": "Up?", "options": ["yes", "no"], "label": 7}"#;
        let function = TASK.replace("doc_to_target: label", "doc_to_target: !function utils.target");
        for (yaml, says) in [
            (function.as_str(), "!function utils.target"),
            (&TASK.replace("multiple_choice", "generate_until"), "generate_until"),
            (&TASK.replace("dataset_path: json", "dataset_path: cais/mmlu"), "cais/mmlu"),
            (&format!("{TASK}num_fewshot: 5\n"), "num_fewshot"),
            (&format!("{TASK}include: ../../etc/passwd\n"), "include"),
            (&format!("{TASK}include: task.yaml\n"), "without an end"),
            (&TASK.replace("{{q}}", "{{missing}}"), "doc_to_text"),
            (TASK, "doc_to_target"),
        ] {
            let error = task(yaml, row).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("expected"), "{says}: {error}");
        }
    }
}
