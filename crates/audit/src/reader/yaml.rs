//! YAML as JSON values, from a hostile source.
//!
//! 1. `!function` is refused by the name behind it: it means Python code, which is not run here. So is every other tag of
//!    the file's own.
//! 2. Aliases are refused: a file of a kilobyte can mean a gigabyte through them.
//! 3. Nesting is bounded, one document a file, keys are text and occur once.

use super::problem;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};
use trimtab_text::Error;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// An unfinished list or mapping.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// Reads one document.
pub(super) fn parse(place: &str, text: &str) -> Result<Value, Error> {
    let at = |line: usize| format!("{place}:{line}");
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span): (Event, Span) = event.map_err(|e| {
            problem(&at(e.marker().line()), format!("no YAML: {}", e.info()), "a YAML mapping", "check the indentation")
        })?;
        let line = span.start.line();
        let value = match event {
            Event::Alias(_) => {
                return Err(problem(&at(line), "an alias (*name)", "plain values", "write the value out"));
            }
            Event::Scalar(text, style, _, tag) => {
                refuse_tag(&at(line), tag.as_deref(), &text)?;
                let known = tag.as_deref().map(|t| t.suffix.as_str());
                scalar(&text, style == ScalarStyle::Plain && known != Some("str"))
            }
            Event::SequenceStart(_, tag) | Event::MappingStart(_, tag) if tag.is_some() => {
                refuse_tag(&at(line), tag.as_deref(), "")?;
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                depth(&at(line), open.len())?;
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                depth(&at(line), open.len())?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(list)) => Value::Array(list),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => continue,
            },
            Event::DocumentStart(_) if root.is_some() => {
                return Err(problem(&at(line), "a second document", "one document", "split the file"));
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(value),
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                Some(name) => {
                    if map.insert(name.clone(), value).is_some() {
                        return Err(problem(&at(line), format!("key {name:?} occurs twice"), "each key once", ""));
                    }
                }
                None => match value {
                    Value::String(name) => *key = Some(name),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(problem(&at(line), "a key that is a list or mapping", "text", ""));
                    }
                    other => *key = Some(other.to_string()),
                },
            },
        }
    }
    root.ok_or_else(|| problem(place, "the file is empty", "a YAML mapping", "another file"))
}

fn depth(place: &str, depth: usize) -> Result<(), Error> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(problem(place, format!("nested deeper than {MAX_DEPTH} levels"), "a task", "another file"))
}

fn refuse_tag(place: &str, tag: Option<&Tag>, text: &str) -> Result<(), Error> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() && tag.handle == "!" && tag.suffix == "function" => {
            let what = format!("!function {text}: Python code, which is not run here");
            let hint = format!("write what {text} gives into the data, as columns, and name those instead");
            Err(problem(place, what, "a column's name or a Jinja template", &hint))
        }
        Some(tag) if !tag.is_yaml_core_schema() => {
            let what = format!("the tag {}{}", tag.handle, tag.suffix);
            Err(problem(place, what, "plain values", "remove the tag"))
        }
        _ => Ok(()),
    }
}

/// A plain scalar as the core schema reads it: null, booleans, numbers, else text.
fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        "true" | "True" | "TRUE" if plain => Value::Bool(true),
        "false" | "False" | "FALSE" if plain => Value::Bool(false),
        text if plain => {
            let integer = text.parse::<i64>().map(Value::from);
            let real = || {
                text.parse::<f64>().ok().filter(|v| {
                    v.is_finite() && text.starts_with(['-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                })
            };
            integer.ok().or_else(|| real().map(Value::from)).unwrap_or_else(|| text.into())
        }
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_task_reads_as_json() {
        let text = "task: x\nn: 3\nshare: 0.5\non: true\nnone:\ntext: \"3\"\nlist:\n  - a\n  - {b: c}\nlong: |\n  two\n  lines\n";
        let expected = json!({"task": "x", "n": 3, "share": 0.5, "on": true, "none": null, "text": "3",
            "list": ["a", {"b": "c"}], "long": "two\nlines\n"});
        assert_eq!(parse("t.yaml", text).unwrap(), expected);
    }

    /// What is refused, by name and line.
    #[test]
    fn code_aliases_and_depth_are_refused() {
        let deep = "[".repeat(100);
        for (text, says) in [
            ("task: x\ndoc_to_text: !function utils.doc_to_text\n", "t.yaml:2: !function utils.doc_to_text"),
            ("a: !secret b\n", "!secret"),
            ("a: &x [1]\nb: *x\n", "alias"),
            ("a: 1\na: 2\n", "occurs twice"),
            (deep.as_str(), "deeper"),
            ("a: [1\nb: 2", "t.yaml:"),
            ("", "empty"),
        ] {
            let error = parse("t.yaml", text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = parse("t.yaml", &text);
        }
    }
}
