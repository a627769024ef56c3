//! `trimtab attack weights` and `attack harden` through the binary: what they write, that they continue, what they refuse.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::{World, random_model, trimtab};
use serde_json::{Value, json};
use std::path::Path;
use trimtab_alignment::checkpoint;
use trimtab_engine::config::ModelConfig;
use trimtab_engine::model::Model;
use trimtab_text::Tokenizer;

/// Prompts in the layout of the paper's code.
fn splits(dir: &Path, rows: usize) {
    std::fs::create_dir_all(dir).unwrap();
    for name in ["harmful_train", "harmful_val", "harmful_test", "harmless_train", "harmless_val", "harmless_test"] {
        let list: Vec<Value> = (0..rows).map(|i| json!({"instruction": format!("{name}: open door {i}")})).collect();
        std::fs::write(dir.join(format!("{name}.json")), json!(list).to_string()).unwrap();
    }
}

fn attack(model: &Path, out: &Path) -> assert_cmd::Command {
    let mut command = trimtab();
    command.args(["attack", "weights"]).arg(model).arg("--out").arg(out);
    command
}

fn refused(mut command: assert_cmd::Command, words: &[&str]) {
    let failed = command.assert().code(2);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    assert!(words.iter().all(|word| said.contains(word)) && said.contains("try: "), "{said}");
}

/// A random model refuses nothing: there is no headroom, and the direction is added instead.
#[test]
fn without_headroom_nothing_is_removed() {
    let world = World::new();
    splits(&world.path("splits"), 10);
    // Deep enough for a layer below the last fifth to see a difference at the template's tokens.
    let tokenizer = Tokenizer::from_folder(&world.path("tokenizer")).unwrap();
    let config = ModelConfig { num_hidden_layers: 4, ..random_model(&tokenizer, 3).config().clone() };
    let deep = Model::random(&config, 0.05, 3);
    checkpoint::save(&world.path("model"), &deep, Some(&tokenizer), &serde_json::Map::new()).unwrap();
    let mut command = attack(&world.path("model"), &world.path("out"));
    command.arg("--splits").arg(world.path("splits")).args(["--json", "--draws", "2", "--max-new-tokens", "4"]);
    let done = command.assert().success();
    let printed: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let attack_of = &printed[0]["summary"]["attack"];
    assert_eq!(attack_of["headroom"], false);
    assert!(attack_of["not_measurable"]["removing refusals"].as_str().unwrap().contains("no headroom"));
    let edits: Vec<&str> =
        attack_of["rows"].as_array().unwrap().iter().map(|row| row["edit"].as_str().unwrap()).collect();
    assert_eq!(edits, ["none", "added", "random_added"]);
    // What a real model says to a harmful prompt is not written.
    let results = std::fs::read_to_string(world.path("out/attack-weights-model/results.jsonl")).unwrap();
    let harmful = results.lines().filter(|line| line.contains("harmful_test"));
    assert!(harmful.clone().count() == 10 && harmful.clone().all(|line| line.contains("[masked: ")), "{results}");
}

#[test]
fn what_cannot_be_attacked_is_refused() {
    let world = World::new();
    splits(&world.path("few"), 5);
    let out = world.path("out");
    refused(attack(Path::new("openai:http://127.0.0.1:1/v1#m"), &out), &["no weights"]);
    refused(attack(&world.path("model"), &out), &["nothing to ask", "--splits"]);
    let with = |args: &[&str], splits: &str| {
        let mut command = attack(&world.path("model"), &out);
        command.arg("--splits").arg(world.path(splits)).args(args);
        command
    };
    refused(with(&[], "nowhere"), &["nowhere"]);
    refused(with(&["--only", "prayer"], "few"), &["prayer", "kernels"]);
    refused(with(&["--max-new-tokens", "2"], "few"), &["at least 8"]);
    std::fs::write(world.path("few/harmful_val.json"), "[]").unwrap();
    refused(with(&[], "few"), &["harmful_val", "no prompt"]);
}

/// On a small world a whole attack runs, continues where it was killed, and gates.
#[test]
fn an_attack_on_a_world_continues_and_gates() {
    let world = World::new();
    let config = "seed = 3\n[world]\nentities = 20\ntopic_documents = 2\n[pretrain]\nsize = \"300k\"\nsteps = 6\nbatch_tokens = 256\n";
    std::fs::write(world.path("world.toml"), config).unwrap();
    let make = |what: &str, out: &str| {
        let mut command = trimtab();
        command.args(["world", what, "--config"]).arg(world.path("world.toml")).arg("--out").arg(world.path(out));
        command.assert().success();
    };
    make("export", "w");
    make("pretrain", "base");
    let base = [world.path("base/checkpoint"), world.path("base")].into_iter().find(|p| p.join("config.json").exists());
    let run = |out: &str| {
        let mut command = attack(base.as_ref().unwrap(), &world.path(out));
        command.arg("--world").arg(world.path("w/world.json")).args(["--only", "incidental"]);
        command.args(["--draws", "2", "--max-new-tokens", "4"]);
        command
    };
    let whole = run("whole").arg("--json").assert().success();
    let printed: Value = serde_json::from_slice(&whole.get_output().stdout).unwrap();
    let figures = printed[0]["summary"]["figures"].as_array().unwrap();
    let asr = figures.iter().find(|f| f["name"] == "asr.none").unwrap();
    assert_eq!((asr["rate"]["denominator"].as_u64(), asr["clustered"]["n"].as_u64()), (Some(48), Some(16)));
    run("whole").args(["--fail-on", "asr.none<0.5"]).assert().code(1);
    run("whole").args(["--fail-on", "asr.prayer>0.5"]).assert().code(2);
    let files = |out: &str| {
        let dir = world.path(out);
        let dir = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        ["results.jsonl", "edits.jsonl", "summary.json"].map(|name| std::fs::read(dir.join(name)).unwrap())
    };
    run("killed").env("TRIMTAB_STOP_AFTER", "attack:2").assert().failure();
    run("killed").assert().success();
    assert_eq!(files("killed"), files("whole"));

    // A hardened copy refuses more surely under ablation than the model did, and is the same every time.
    let base = base.unwrap();
    let harden = |model: &Path, out: &Path| {
        let mut command = trimtab();
        command.args(["attack", "harden"]).arg(model).arg("--world").arg(world.path("w/world.json"));
        command.arg("--out").arg(out);
        command
    };
    let done = harden(&base, &world.path("hard")).arg("--json").assert().success();
    let printed: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let loss = |name: &str| printed["hardened"][name].as_f64().unwrap();
    assert!(loss("ablated_last") < 0.5 * loss("ablated_first"), "{printed}");
    harden(&base, &world.path("again")).assert().success();
    let weights = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(
        weights(&world.path("hard")) == weights(&world.path("again")) && weights(&world.path("hard")) != weights(&base)
    );
    refused(harden(&base, &base), &["holds the model"]);
    refused(harden(Path::new("openai:http://127.0.0.1:1/v1#m"), &world.path("never")), &["no weights"]);
}
