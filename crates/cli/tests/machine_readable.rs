//! What programs read: `--json` of commands, and the schema of configs, checked by the schema package of others.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use assert_cmd::Command;
use common::{World, root, trimtab};
use serde_json::Value;

fn json(command: &mut Command) -> Value {
    let done = command.assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_run_gives_its_last_figures_and_one_whole_object() {
    let world = World::new();
    let run = json(world.command("run", "runs").arg("--json"));
    assert_eq!(run["run"], world.path("runs/tiny").to_str().unwrap());
    assert!(std::path::Path::new(run["report"].as_str().unwrap()).is_file());
    for stage in ["sft", "sample", "rank", "reward", "ppo"] {
        assert!(run["stages"][stage]["dropped"].is_object(), "{stage}: {}", run["stages"]);
    }
    // The last value of each metric, as the file has it.
    let lines = std::fs::read_to_string(world.path("runs/tiny/ppo/metrics.jsonl")).unwrap();
    let last =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).rfind(|m| m["name"] == "kl").unwrap();
    assert_eq!(run["stages"]["ppo"]["metrics"]["kl"], last);
    // A stage of its own, done before, says the same; so do a page's commands.
    assert_eq!(json(world.command("ppo", "runs").arg("--json"))["stages"], run["stages"]);
    let page = world.path("page.html");
    let made = json(trimtab().arg("report").arg(world.path("runs/tiny")).arg("--out").arg(&page).arg("--json"));
    assert_eq!(made["page"], page.to_str().unwrap());
    let found = json(trimtab().args(["model", "get", "--json"]).arg(world.path("model")));
    assert_eq!(found["path"], world.path("model").to_str().unwrap());
}

#[test]
fn peoples_commands_give_objects() {
    let world = World::new();
    let samples = r#"{"id": "q", "prompt": "p", "answers": [
        {"id": "a", "text": "x", "tokens": [1], "logprobs": [-1.0], "seed": 1, "stop": "eos"},
        {"id": "b", "text": "y", "tokens": [2], "logprobs": [-1.0], "seed": 2, "stop": "eos"}]}"#
        .replace('\n', "");
    std::fs::write(world.path("samples.jsonl"), samples).unwrap();
    let people = |words: &[&str]| {
        let mut command = trimtab();
        command.arg("people").args(words).arg("--db").arg(world.path("people.db")).arg("--json");
        command
    };
    let brought = json(people(&["import"]).arg(world.path("samples.jsonl")));
    assert_eq!(brought["items"], serde_json::json!({"added": 1, "there_already": 0}));
    assert!(json(&mut people(&["invite", "Ada"]))["link"].as_str().unwrap().contains("/join?invite="));
    let written = json(people(&["export", "rankings.jsonl"]).arg("--out").arg(world.path("exported")));
    assert_eq!(written["files"].as_array().unwrap().len(), 1);
    assert_eq!(json(&mut people(&["rebuild"]))["same"], true);
}

/// Validates each further file, TOML or JSON, against the schema in the first.
const VALIDATE: &str = r#"
import json, sys, tomllib
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        config = tomllib.load(file) if path.endswith(".toml") else json.load(file)
    print(path, "refused" if any(validator.iter_errors(config)) else "taken")
"#;

#[test]
fn the_schema_knows_every_setting_and_refuses_others() {
    let schema = json(trimtab().args(["config", "schema"]));
    let shown = json(trimtab().args(["config", "show", "--json"]));
    every_key(&schema, &schema, &shown, "");

    let test = "the_schema_knows_every_setting_and_refuses_others";
    let Some(python) = std::env::var_os("TRIMTAB_PYTHON") else {
        println!("skipped: {test}: a Python with jsonschema (TRIMTAB_PYTHON) is wanted");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let mut wrong = shown.clone();
    wrong["ppo"]["betta"] = 0.1.into();
    let mut nobody = shown.clone();
    nobody["people"]["overlap"] = "two".into();
    let configs = std::fs::read_dir(root().join("configs")).unwrap().map(|entry| entry.unwrap().path());
    let good: Vec<_> = configs.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    let bad = [write("wrong.json", &wrong), write("nobody.json", &nobody)];
    let output = std::process::Command::new(python)
        .args(["-B", "-c", VALIDATE])
        .arg(write("schema.json", &schema))
        .args(good.iter().chain([&write("shown.json", &shown)]).chain(&bad))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("No module named") {
        println!("skipped: {test}: the Python at TRIMTAB_PYTHON has no jsonschema or is older than 3.11");
        return;
    }
    let said: Vec<bool> = out.lines().map(|line| line.ends_with(" taken")).collect();
    assert_eq!(said, [vec![true; good.len() + 1], vec![false; 2]].concat(), "{out}\n{err}");
}

/// Every key of `value` is a described property of `schema`.
fn every_key(root: &Value, schema: &Value, value: &Value, at: &str) {
    let Some(object) = value.as_object() else { return };
    let name = schema["$ref"].as_str().and_then(|place| place.strip_prefix("#/$defs/"));
    let schema = name.map_or(schema, |name| &root["$defs"][name]);
    // A map of names, such as the kinds of people, describes its values.
    let values = schema.get("additionalProperties").filter(|of| of.is_object());
    for (key, inner) in object {
        let here = format!("{at}.{key}");
        let known = schema["properties"].get(key).or(values).unwrap_or_else(|| panic!("{here} is not in the schema"));
        assert!(values.is_some() || known["description"].as_str().is_some_and(|d| !d.is_empty()), "{here}: {known}");
        every_key(root, known, inner, &here);
    }
}

#[test]
fn data_is_checked_for_what_it_can_be_read_as() {
    let world = World::new();
    let found = json(trimtab().args(["data", "check", "--json"]).arg(world.path("pairs.jsonl")));
    let rows = |kind: &str| found.as_array().unwrap().iter().find(|f| f["kind"] == kind).unwrap()["rows"].clone();
    assert_eq!((rows("comparisons"), rows("demonstrations"), rows("samples")), (32.into(), 32.into(), Value::Null));
    let path = world.path("wrong.jsonl");
    std::fs::write(&path, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n{\"prompt\": 3}\n").unwrap();
    let refused = trimtab().args(["data", "check", "--as", "comparisons"]).arg(&path).assert().failure().code(2);
    let text = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(text.contains("wrong.jsonl:2: field"), "{text}");
    trimtab().args(["data", "check"]).arg(world.path("nowhere")).assert().failure().code(2);
    // The corpus is text, and a document a line.
    let plain = trimtab().args(["data", "check", "--as", "corpus"]).arg(world.path("corpus.txt")).assert().success();
    assert!(plain.get_output().stdout.starts_with(b"corpus: 8 rows"), "{plain:?}");
}
