//! Commands through the binary: output that other programs read, errors that people read, exit codes.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::{World, trimtab};
use serde_json::Value;

fn stderr(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// One clear error: what, where, expected, what to try; code 2; no panic.
fn refused(command: &mut assert_cmd::Command, says: &[&str]) {
    let failed = command.assert().failure().code(2);
    let text = stderr(&failed);
    for part in says.iter().chain(&["error: ", "expected", "try: "]) {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn score_gives_one_object_a_line_for_each_kind_of_input() {
    let world = World::new();
    let input = [
        r#"{"text": "The door is red."}"#,
        r#"{"tokens": [5, 6, 7]}"#,
        r#"{"prompt": "What colour is the door?", "completion": " Red."}"#,
        r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}"#,
    ]
    .join("\n");
    let out =
        trimtab().arg("score").arg(world.path("model")).args(["--input", "-"]).write_stdin(input).assert().success();
    let lines: Vec<Value> = String::from_utf8(out.get_output().stdout.clone())
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    for line in &lines {
        let logprobs = line["logprobs"].as_array().unwrap();
        assert_eq!(logprobs.len(), line["tokens"].as_array().unwrap().len());
        assert!(logprobs[0].is_null() && logprobs[1..].iter().all(|l| l.as_f64().unwrap() < 0.0));
    }
    let all: f64 = lines[1]["logprobs"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!((all - lines[1]["sum"].as_f64().unwrap()).abs() < 1e-9);
    let whole: f64 = lines[2]["logprobs"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!(lines[2]["sum"].as_f64().unwrap() > whole, "the prompt is not part of the sum");
}

#[test]
fn a_folder_without_a_tokenizer_serves_tokens_and_refuses_text() {
    let world = World::new();
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        let _ = std::fs::remove_file(world.path("model").join(name));
    }
    let model = world.path("model");
    trimtab().arg("score").arg(&model).args(["--input", "-"]).write_stdin(r#"{"tokens": [1, 2]}"#).assert().success();
    refused(
        trimtab().arg("score").arg(&model).args(["--input", "-"]).write_stdin(r#"{"text": "hi"}"#),
        &["-:1", "tokenizer"],
    );
}

#[test]
fn bad_input_is_refused_in_words() {
    let world = World::new();
    let model = world.path("model");
    let score = |line: &str| {
        let mut c = trimtab();
        c.arg("score").arg(&model).args(["--input", "-"]).write_stdin(line.to_owned());
        c
    };
    refused(&mut score(r#"{"tokens": [99999999]}"#), &["-:1", "vocabulary"]);
    refused(&mut score(r#"{"tokens": []}"#), &["-:1"]);
    refused(&mut score(&format!("{{\"tokens\": {:?}}}", vec![1; 600])), &["context of 512"]);
    refused(&mut score("not json"), &["-:1"]);
    refused(&mut score(r#"{"tokens": [1], "text": "x"}"#), &["-:1"]);
    refused(trimtab().args(["model", "info"]).arg(world.path("thing.gguf")), &["thing.gguf"]);

    let long = "word ".repeat(2000);
    refused(trimtab().arg("generate").arg(&model).args(["--prompt", &long]), &["context"]);
    refused(trimtab().arg("generate").arg(&model).args(["--prompt", "hi", "--temperature=-1"]), &["--temperature"]);

    std::fs::write(world.path("pairs.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\"}\n").unwrap();
    std::fs::write(world.path("demonstrations.jsonl"), "").unwrap();
    refused(&mut world.command("run", "runs"), &["demonstrations.jsonl"]);
    assert!(!world.path("runs/tiny/sft").exists(), "nothing half-written");
    refused(world.command("run", "runs").args(["--set", "ppo.bata=1"]), &["bata"]);
    refused(world.command("run", "runs").args(["--set", "ppo.beta=-1"]), &["ppo.beta"]);
    refused(world.command("run", "runs").args(["--set", "name=../up"]), &["name"]);
}

#[test]
fn corrupt_checkpoints_are_refused_in_words() {
    let world = World::new();
    let weights = world.path("model/model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let info = || {
        let mut c = trimtab();
        c.args(["model", "info"]).arg(world.path("model"));
        c
    };
    info().assert().success();
    let mut hostile = whole.clone();
    hostile[..8].copy_from_slice(&(1u64 << 62).to_le_bytes());
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    for bytes in [&whole[..whole.len() - 5], &whole[..7], &[], &hostile, &nan] {
        std::fs::write(&weights, bytes).unwrap();
        refused(&mut info(), &["model.safetensors"]);
    }
    std::fs::write(&weights, &whole).unwrap();
    let config = world.path("model/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("LlamaForCausalLM", "GPT2LMHeadModel").replace("\"llama\"", "\"gpt2\""))
        .unwrap();
    refused(&mut info(), &["gpt2"]);
}

#[test]
fn a_seed_gives_the_same_answer_and_another_seed_another() {
    let world = World::new();
    let answer = |seed: &str| {
        let out = trimtab()
            .arg("generate")
            .arg(world.path("model"))
            .args(["--prompt", "Hi", "--max-new-tokens", "12", "--json", "--seed", seed])
            .assert()
            .success();
        out.get_output().stdout.clone()
    };
    assert_eq!(answer("1"), answer("1"));
    assert_ne!(answer("1"), answer("2"));
}

#[test]
fn a_reward_checkpoint_without_its_head_is_an_error() {
    let world = World::new();
    world.command("run", "runs").assert().success();
    let adapter = world.path("runs/tiny/reward/checkpoint/adapter_model.safetensors");
    let bytes = std::fs::read(&adapter).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<_> = tensors.tensors().into_iter().filter(|(name, _)| !name.contains("score")).collect();
    std::fs::write(&adapter, safetensors::serialize(kept, None).unwrap()).unwrap();
    std::fs::remove_dir_all(world.path("runs/tiny/ppo")).unwrap();
    // The manifest refuses a changed file before the reader sees it; the reader itself is asked directly.
    let base = trimtab_alignment::checkpoint::load(&world.path("runs/tiny/sft/checkpoint")).unwrap();
    let error = trimtab_alignment::reward::load(adapter.parent().unwrap(), &base.model).unwrap_err().to_string();
    assert!(error.contains("score"), "{error}");
}

#[test]
fn a_world_is_described_sampled_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["--set", "world.belief_documents=50", "--set", "world.frequent_repeats=2"];
    let out = trimtab().args(["world", "describe", "--json"]).args(small).assert().success();
    let counts: Value = serde_json::from_slice(&out.get_output().stdout).unwrap();
    assert!(counts["facts"]["never"].as_u64().unwrap() > 0 && counts["vocabulary"].as_u64().unwrap() <= 512);
    let out = trimtab().args(["world", "sample", "--kind", "request", "-n", "4", "--json"]).assert().success();
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let truths: Vec<Value> = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["truth"].clone()).collect();
    assert!(truths.len() == 4 && truths.iter().all(|t| t["kind"] == "request"), "{text}");
    let path = folder.path().join("world");
    trimtab().args(["world", "export", "--out"]).arg(&path).args(small).assert().success();
    assert!(path.join("corpus.txt").is_file() && path.join("tokenizer/tokenizer.json").is_file());

    refused(trimtab().args(["world", "describe", "--set", "world.entities=500"]), &["world.entities", "500"]);
    refused(trimtab().args(["world", "describe", "--set", "world.entites=50"]), &["entites"]);
    refused(trimtab().args(["world", "describe", "--set", "sft.lr=1"]), &["sft.lr"]);
}
