//! `trimtab oversee ladder` through the binary: a ladder of tiny fits, killed and continued, and what it refuses.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::{files, json, refused_before_it_begins, tiny_oversight, trimtab};
use serde_json::Value;
use std::path::Path;

/// Three sizes that have hardly been pretrained, two seeds, few exercises: the shape of it in seconds.
fn tiny(cache: &Path, out: &Path) -> assert_cmd::Command {
    let items = ["--items-a", "--items-b", "--items-v", "--items-t"];
    let mut command = tiny_oversight("ladder", &items, cache, out);
    command.args(["--sizes", "30k,100k,300k", "--methods", "naive,confidence-0.5,filtered-0.5"]);
    command
}

fn rows<'a>(result: &'a Value, method: &'a str) -> Vec<&'a Value> {
    result["summary"]["rows"].as_array().unwrap().iter().filter(|row| row["method"] == method).collect()
}

/// A ladder killed in the middle of its fits, right before and right after the prediction, ends with the same bytes as one that was
/// not; the prediction is written before any fit of the largest student; every pair, control and reading is there, and nothing of
/// two seeds and forty items is reported. The same command again computes nothing and says the same.
#[test]
fn a_ladder_is_whole_continued_and_says_no() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let whole = json(&mut tiny(&at("cache"), &at("whole")));

    let pairs = rows(&whole, "naive");
    assert_eq!(pairs.len(), 6 * 3, "all pairs weak ≤ strong: at the end, stopped by weak labels, and the oracle");
    assert_eq!(pairs.iter().filter(|row| row["read"] == "oracle").count(), 6);
    assert_eq!((rows(&whole, "confidence-0.5").len(), rows(&whole, "filtered-0.5").len()), (18, 18));
    for name in ["without pretraining", "labels of other items", "naive Bayes"] {
        let control = rows(&whole, name);
        assert!(control.len() == 1 && control[0]["control"] == true && control[0]["strong"] == "100k", "{name}");
    }
    assert_eq!(rows(&whole, "chain").len(), 1);
    for row in whole["summary"]["rows"].as_array().unwrap() {
        assert!(row["pgr"]["bootstrap"]["value"].is_null(), "two seeds of forty items: {row}");
        assert_eq!(row["pgr"]["by_seed"].as_array().unwrap().len(), 2, "and nothing is hidden");
    }
    // One pair below the largest student: not enough for three terms, and it says so.
    let said = &whole["summary"]["forecast"]["outcomes"][0];
    assert!(said["pgr"]["reason"].as_str().unwrap().contains("at least 4"), "{said}");
    let page = std::fs::read_to_string(at("whole/report.html")).unwrap();
    assert!(page.contains("Weak-to-strong") && page.contains("class=\"hatch\"") && !page.contains("<script"));
    // `trimtab report` made a page without a single figure of it.
    trimtab().args(["report", &at("whole").display().to_string()]).assert().success();
    assert_eq!(std::fs::read_to_string(at("whole/report.html")).unwrap(), page);

    // Before the prediction, in each seed: 3 + 3 without a student, 2 ceilings, 3 pairs by 3 methods, 2 controls. After it 11.
    let before = 2 * (6 + 2 + 9 + 2);
    for moment in [3, before, before + 1] {
        let mut cut = tiny(&at("cache"), &at("cut"));
        cut.env("TRIMTAB_STOP_AFTER", format!("ladder:{moment}")).assert().failure();
        let none = trimtab().args(["report", &at("cut").display().to_string()]).assert().failure().code(2);
        let said = String::from_utf8_lossy(&none.get_output().stderr).into_owned();
        assert!(said.contains("the ladder is not done") && said.contains("try: "), "{said}");
        let largest = at("cut/ladder/seed-0/ceiling-300k.json").exists();
        assert_eq!(largest, moment > before, "the largest student comes last");
        if largest {
            assert!(at("cut/ladder/prediction.json").exists(), "and after the prediction");
        }
    }
    let continued = json(&mut tiny(&at("cache"), &at("cut")));
    assert_eq!(continued["summary"], whole["summary"]);
    let (want, got) = (files(&at("whole/ladder")), files(&at("cut/ladder")));
    assert!(want == got && want.len() == 2 * 30 + 1, "{} files and {}", want.len(), got.len());
    assert_eq!(json(&mut tiny(&at("cache"), &at("cut"))), continued);

    // A largest student that was there before anything was said of it is no prediction.
    std::fs::remove_file(at("cut/ladder/prediction.json")).unwrap();
    let refused = tiny(&at("cache"), &at("cut")).args(["--lr", "0.002"]).assert().failure().code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("fitting.lr"), "another config is another run: {said}");
}

#[test]
fn what_is_no_ladder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let refused = |args: &[&str], says: &str| refused_before_it_begins("ladder", &out, args, says);
    refused(&["--sizes", "300k,30k"], "the smallest first");
    refused(&["--sizes", "2M,3M"], "two or more of 30k");
    refused(&["--sizes", "30k"], "no ladder");
    refused(&["--methods", "magic"], "there is no method \"magic\"");
    refused(&["--methods", "confidence-7"], "up to 1");
    refused(&["--skills", "hops"], "no such exercises");
    refused(&["--items-t", "3"], "too few or too many");
    refused(&["--lr", "NaN"], "no learning rate");
    refused(&["--set", "pretrain.steps=0"], "pretrain.steps");
    refused(&["--seeds", "0"], "--seeds");
    refused(&["--quick", "--seeds", "7"], "--quick");
}
