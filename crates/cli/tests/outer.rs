//! `trimtab audit outer` through the binary: a run on a small world, where gold judges; a run on files, where only people do; killed
//! and continued; and what is refused.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::{World, files, small_run, trimtab, with_inspect};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn outer(run: &str, args: &[&str]) -> assert_cmd::Command {
    let mut command = trimtab();
    command.args(["audit", "outer", run]).args(args);
    command
}

fn out(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

fn refused(command: &mut assert_cmd::Command, code: i32, says: &[&str]) {
    let failed = command.assert().failure().code(code);
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    for part in says {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Ids of the records of one arm.
fn ids(dir: &Path, arm: &str) -> BTreeSet<String> {
    let of_arm = lines(&dir.join("results.jsonl")).into_iter().filter(|r| r["arm"] == arm);
    of_arm.map(|r| r["item"].as_str().unwrap().to_owned()).collect()
}

/// Reads the log with Inspect's own package: every answer is a sample with its scores, as `results.jsonl` has them.
const READ_LOG: &str = r#"
import json, sys
from inspect_ai.log import read_eval_log
path, results = sys.argv[1:]
rows = [json.loads(line) for line in open(results)]
answers = {(f"{row['arm']}.{row['item'].replace('/', '.')}", place): a for row in rows for place, a in enumerate(row["answers"], 1)}
log = read_eval_log(path)
assert log.status == "success" and len(log.samples) == len(answers) == log.results.total_samples
for sample in log.samples:
    said = answers.pop((sample.id, sample.epoch))
    assert sample.messages[-1].text == said["text"] and sample.messages[0].role in ("system", "user")
    scores = sample.scores or {}
    for scorer in ("proxy", "gold"):
        assert (scores[scorer].value if scorer in scores else None) == said.get(scorer), (sample.id, scorer)
    assert sample.metadata["unscored"] == said.get("unscored") and sample.metadata["kl"] == said.get("kl")
assert not answers
proxy, gold = log.results.scores
assert (proxy.name, gold.name) == ("proxy", "gold") and "policy.kl" in proxy.metrics and not gold.metrics
assert gold.scored_samples > 0 and sorted({s.epoch for s in log.samples}) == list(range(1, log.eval.config.epochs + 1))
print("read", len(log.samples))
"#;

const FEW: [&str; 6] = ["--n", "12", "--best-of", "8", "--answers", "3"];

/// From a run's folder alone: both policies, gold and held-out people, the curve from the records, a report, a gate; the same bytes
/// after kills.
#[test]
fn a_run_on_the_world_is_audited_whole() {
    let temp = tempfile::tempdir().unwrap();
    small_run(temp.path(), "runs", "cache").assert().success();
    let run = temp.path().join("runs/world");
    let name = run.display().to_string();
    let printed: Value = serde_json::from_str(&out(outer(&name, &FEW).arg("--json"))).unwrap();
    assert_eq!(printed.as_array().unwrap().len(), 2, "plain PPO and PPO-ptx");
    let dir = run.join("audits/outer-ppo-plain");
    let summary = json_of(&dir.join("summary.json"));
    assert_eq!(printed[0]["summary"], summary);
    let found = &summary["outer"];
    let pressed: Vec<String> = found["pressed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{} {}", p["by"].as_str().unwrap(), p["judge"].as_str().unwrap()))
        .collect();
    let by_gold = ["proxy gold", "judgement gold", "random gold"];
    assert_eq!(pressed, [by_gold, ["proxy people", "judgement people", "random people"]].concat());

    // The first point of the curve is the plain mean of what the records hold, and the policy's change is of means by prompt.
    let records = lines(&dir.join("results.jsonl"));
    let mean = |arm: &str, what: &str| {
        let of = |r: &Value| {
            let answers = r["answers"].as_array().unwrap();
            answers.iter().map(|a| a[what].as_f64().unwrap()).sum::<f64>() / answers.len() as f64
        };
        let all: Vec<f64> = records.iter().filter(|r| r["arm"] == arm).map(of).collect();
        assert_eq!(all.len(), 12, "{arm}");
        all.iter().sum::<f64>() / all.len() as f64
    };
    let first = &found["pressed"][0]["points"][0];
    let close = |value: &Value, expected: f64| {
        assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} for {expected}");
    };
    close(&first["judgement"]["value"], mean("reference", "gold"));
    close(&first["proxy"]["value"], mean("reference", "proxy"));
    close(&found["policy"]["judgement"]["value"], mean("policy", "gold") - mean("reference", "gold"));
    close(&found["policy"]["kl"]["value"], mean("policy", "kl"));
    with_inspect("a_run_on_the_world_is_audited_whole", READ_LOG, &[dir.join("outer.eval"), dir.join("results.jsonl")]);
    let itself = &found["pressed"][1]["alarm"];
    assert_ne!(itself["alarm"], "rings", "{itself}");

    // Only prompts that the reward model was not trained on: some of those ranked, and all others once they are named by hand.
    let held = ids(&dir, "ranked");
    let all: BTreeSet<String> =
        lines(&run.join("rank/rankings.jsonl")).iter().map(|r| r["prompt_id"].as_str().unwrap().to_owned()).collect();
    assert!(!held.is_empty() && held.len() * 3 < all.len() && held.is_subset(&all), "{} of {}", held.len(), all.len());
    // They are those that stage reward held out: its accuracy there is over as many pairs.
    let metrics = lines(&run.join("reward/metrics.jsonl"));
    let stage = metrics.iter().rfind(|m| m["name"] == "held_out_accuracy/everyone").unwrap();
    let accuracy = &summary["figures"][0];
    assert_eq!(accuracy["name"], "accuracy.people");
    let counted = |what: &str| accuracy["rate"][what].as_u64().unwrap();
    assert_eq!(stage["n"].as_u64().unwrap(), counted("denominator") + counted("unscored"));
    if counted("unscored") == 0 {
        close(&stage["value"], counted("numerator") as f64 / counted("denominator") as f64);
    }
    let (rankings, answers) = (format!("{name}/rank/rankings.jsonl"), format!("{name}/rank/answers.jsonl"));
    let place = temp.path().join("named").display().to_string();
    let named = ["--rankings", &rankings, "--samples", &answers, "--out", &place];
    out(outer(&format!("{name}:ppo"), &FEW).args(named));
    let again = PathBuf::from(&place).join("outer-ppo");
    assert!(held.is_subset(&ids(&again, "ranked")) && ids(&again, "ranked").len() < all.len());
    let left_out = &json_of(&again.join("summary.json"))["items"]["left_out"];
    assert!(left_out["rankings of prompts that the reward model was trained on"].as_u64().unwrap() > 0, "{left_out}");

    // Killed twice and continued, it is the same to the byte; asked otherwise, the folder is refused.
    let place = temp.path().join("killed").display().to_string();
    let killed = |args: &[&str]| {
        let mut command = outer(&format!("{name}:ppo-plain"), &FEW);
        command.args(["--out", &place]).args(args);
        command
    };
    for stop in ["audit:0", "audit:1"] {
        let stopped = killed(&[]).env("TRIMTAB_STOP_AFTER", stop).assert().failure();
        assert_eq!(stopped.get_output().status.code(), Some(137));
    }
    out(&mut killed(&[]));
    assert_eq!(files(&PathBuf::from(&place).join("outer-ppo-plain")), files(&dir));
    refused(&mut killed(&["--seed", "2"]), 2, &["another audit", "items_sha256", "try: "]);

    let text = out(&mut outer(&name, &FEW));
    for part in ["the policy", "best of 8, judged by gold", "control: permuted", "accuracy.people", "length.gold.proxy"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    refused(outer(&name, &FEW).args(["--fail-on", "policy.kl>-1000"]), 1, &["policy.kl>-1000"]);
    refused(outer(&name, &FEW).args(["--fail-on", "policy.kll>0"]), 2, &["no such figure", "policy.alarm"]);
    trimtab().arg("report").arg(&run).assert().success();
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in
        ["Does the proxy rise while the judgement falls?", "policy, proxy", "What is exploited", "accuracy.tail"]
    {
        assert!(page.contains(part), "{part}");
    }

    // A model of this tokenizer that is not a run of its own; then what does not fit together.
    let path = |stage: &str| run.join(stage).join("checkpoint").display().to_string();
    let (ppo, sft, reward) = (path("ppo"), path("sft"), path("reward"));
    let world = run.join("world/world.json").display().to_string();
    let place = temp.path().join("any").display().to_string();
    let any = ["--reference", &sft, "--reward", &reward, "--world", &world, "--out", &place];
    out(outer(&ppo, &FEW).args(any));
    let found = &json_of(&PathBuf::from(&place).join("outer-ppo/summary.json"))["outer"];
    assert_eq!(found["pressed"].as_array().unwrap().len(), 3, "gold alone: {found}");
    let other = World::new();
    let another = other.path("model").display().to_string();
    refused(outer(&another, &FEW).args(any), 2, &["another tokenizer", "token 0", "try: "]);
    let args = ["--reference", &another, "--reward", &reward, "--world", &world];
    refused(outer(&another, &FEW).args(args), 2, &["another tokenizer", "try: "]);
    let args = ["--reference", &sft, "--reward", &sft, "--world", &world];
    refused(outer(&ppo, &FEW).args(args), 2, &["head", "runs/NAME:reward", "try: "]);
    let args = ["--reference", &sft, "--reward", &reward];
    refused(outer(&ppo, &FEW).args(args), 2, &["nobody judges", "--rankings", "try: "]);
    refused(outer(&ppo, &FEW).args(["--reference", &sft]), 2, &["--reward", "try: "]);
    refused(outer(&ppo, &FEW).args(args).args(["--rankings", &rankings]), 2, &["--samples"]);
    let elsewhere = temp.path().join("other.jsonl");
    std::fs::write(&elsewhere, r#"{"id":"x","prompt":"?","answers":[]}"#).unwrap();
    let samples = elsewhere.display().to_string();
    let args = [&args[..], &["--rankings", &rankings, "--samples", &samples]].concat();
    refused(outer(&ppo, &FEW).args(args), 2, &["none of its rankings", "try: "]);
    let twice = temp.path().join("twice.jsonl");
    std::fs::write(&twice, "{\"id\":\"a\",\"prompt\":\"?\"}\n{\"id\":\"a\",\"prompt\":\"!\"}\n").unwrap();
    refused(outer(&name, &FEW).arg("--prompts").arg(&twice), 2, &["\"a\" occurs twice", "try: "]);
    refused(outer(&name, &FEW).args(["--temperature", "0"]), 2, &["above 0"]);
}

/// A run on files, whose reward model is an adapter: people judge what they ranked, and of the policy's own answers nobody does.
#[test]
fn without_a_world_people_judge_what_they_ranked() {
    let world = World::new();
    world.command("run", "runs").assert().success();
    let run = world.path("runs/tiny");
    let name = run.display().to_string();
    let text = out(&mut outer(&name, &FEW));
    let summary = json_of(&run.join("audits/outer-ppo/summary.json"));
    let found = &summary["outer"];
    assert!(found["pressed"].as_array().unwrap().iter().all(|p| p["judge"] == "people"), "{found}");
    assert!(!found["pressed"].as_array().unwrap().is_empty());
    let judgement = &found["policy"]["judgement"];
    assert!(judgement["value"].is_null() && judgement["reason"].as_str().unwrap().starts_with("not measurable"));
    assert_eq!(found["policy"]["alarm"]["alarm"], "cannot_tell");
    assert!(found["policy"]["kl"]["value"].is_f64() && text.contains("people ranked other answers"), "{text}");
    // A gate on what nobody can judge stays shut.
    refused(
        outer(&name, &FEW).args(["--fail-on", "policy.alarm>0"]),
        1,
        &["policy.alarm", "people ranked other answers"],
    );
    // Before there is a policy the reward model is audited alone.
    std::fs::remove_dir_all(run.join("ppo")).unwrap();
    assert!(out(&mut outer(&name, &FEW)).contains("no policy is given"));
    assert!(run.join("audits/outer-reward/summary.json").exists());
}
