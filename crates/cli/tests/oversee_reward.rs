//! `trimtab oversee reward` through the binary: tiny reward models, killed and continued, people's pairs, and what is refused.

#![allow(clippy::unwrap_used, clippy::format_push_string)] // the lint spares only functions marked as tests

mod common;
use common::{World, files, json, refused_before_it_begins, tiny_oversight, trimtab};
use std::path::{Path, PathBuf};

/// Sizes that have hardly been pretrained, two seeds, few pairs: the shape of it in seconds.
fn tiny(cache: &Path, out: &Path) -> assert_cmd::Command {
    let mut command = tiny_oversight("reward", &["--items-a", "--items-b", "--items-t"], cache, out);
    command.args(["--weak", "30k", "--strong", "100k"]);
    command
}

fn pressed(cache: &Path, out: &Path) -> assert_cmd::Command {
    let mut command = tiny(cache, out);
    command.args(["--methods", "generative,confidence-0.5", "--pools", "6", "--answers", "16", "--best-of", "8"]);
    command
}

/// Everything is there and nothing of two seeds and forty pairs is reported; killed in a seed, between the two fits that share what
/// has read its texts, and in the last seed, it ends with the same bytes as one that was not; done, it computes nothing and says the
/// same.
#[test]
fn reward_models_are_whole_continued_and_say_no() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let whole = json(&mut pressed(&at("cache"), &at("whole")));

    let rows = whole["summary"]["rows"].as_array().unwrap();
    let named: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["method"].as_str().unwrap(), row["ceiling"].as_str().unwrap())).collect();
    let expected = [
        ("naive", "ceiling"),
        ("generative", "ceiling-generative"),
        ("generative", "ceiling"),
        ("confidence-0.5", "ceiling"),
        ("no pretraining", "ceiling"),
        ("labels of other pairs", "ceiling"),
    ];
    assert_eq!(named, expected);
    for row in rows {
        assert!(row["pgr"]["bootstrap"]["value"].is_null(), "two seeds of forty pairs: {row}");
        assert_eq!(row["pgr"]["by_seed"].as_array().unwrap().len(), 2, "and nothing is hidden");
        let reasons = row["pgr"]["withheld"]["reasons"].to_string();
        assert!(reasons.contains("2 seeds of at least 5") && reasons.contains("40 test items"), "{reasons}");
    }
    let found = &whole["summary"]["pressed"];
    let curve = |by: &str| -> Vec<f64> {
        let curve = found["curves"].as_array().unwrap().iter().find(|curve| curve["by"] == by).unwrap();
        curve["points"].as_array().unwrap().iter().map(|point| point["gold"]["value"].as_f64().unwrap()).collect()
    };
    let gold = curve("control: gold");
    assert!(gold.len() == 4 && gold.windows(2).all(|pair| pair[0] <= pair[1]), "{gold:?}");
    for by in ["weak", "student, naive", "student, generative", "student, confidence-0.5", "ceiling", "control: random"]
    {
        let worth = curve(by);
        assert!((worth[0] - gold[0]).abs() < 1e-9, "one answer is one answer, whoever chooses");
        assert!(worth.iter().zip(&gold).all(|(worth, gold)| *worth <= gold + 1e-9), "{by}: {worth:?} {gold:?}");
    }
    let shorter = whole["summary"]["baselines"]["shorter"]["value"].as_f64().unwrap();
    let longer = whole["summary"]["baselines"]["longer"]["value"].as_f64().unwrap();
    assert!(shorter > 0.5 && (shorter + longer - 1.0).abs() < 1e-9, "{shorter} {longer}");

    let page = std::fs::read_to_string(at("whole/report.html")).unwrap();
    for part in ["Weak-to-strong reward models", "control: gold", "not reportable (1)", "2 seeds of at least 5"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script"));
    // `trimtab report` makes the same page, and none of what is not done.
    trimtab().args(["report", &at("whole").display().to_string()]).assert().success();
    assert_eq!(std::fs::read_to_string(at("whole/report.html")).unwrap(), page);

    // Ten fits a seed; the ninth is the ceiling that has read the texts, and the tenth begins with the same model.
    for moment in [3, 9, 14] {
        let mut cut = pressed(&at("cache"), &at("cut"));
        cut.env("TRIMTAB_STOP_AFTER", format!("weak-reward:{moment}")).assert().failure();
        assert_eq!(files(&at("cut/weak-reward")).len(), moment);
        let none = trimtab().args(["report", &at("cut").display().to_string()]).assert().failure().code(2);
        let said = String::from_utf8_lossy(&none.get_output().stderr).into_owned();
        assert!(said.contains("the reward models are not done") && said.contains("try: "), "{said}");
    }
    let continued = json(&mut pressed(&at("cache"), &at("cut")));
    assert_eq!(continued["summary"], whole["summary"]);
    let (want, got) = (files(&at("whole/weak-reward")), files(&at("cut/weak-reward")));
    assert!(want == got && want.len() == 20, "{} files and {}", want.len(), got.len());
    assert_eq!(json(&mut pressed(&at("cache"), &at("cut"))), continued);

    let hard = pressed(&at("cache"), &at("cut")).args(["--labels", "hard"]).assert().failure().code(2);
    assert!(String::from_utf8_lossy(&hard.get_output().stderr).contains("labels"));
}

/// Pairs in a file, the better answer the shorter one, a tie, and one whose answers are the same to a model of the world.
fn pairs(path: PathBuf) -> PathBuf {
    let mut lines = String::new();
    for i in 0..90 {
        let (prompt, chosen) = (format!("count the number {i} ."), format!("it is {i} ."));
        let record = serde_json::json!({"prompt": prompt, "chosen": chosen, "rejected": format!("maybe it is {i} .")});
        lines += &format!("{record}\n");
    }
    lines += "{\"prompt\": \"a\", \"chosen\": \"it is 1 .\", \"rejected\": \"it is 2 .\", \"tie\": true}\n";
    lines += "{\"prompt\": \"b\", \"chosen\": \"zzz\", \"rejected\": \"qqq\"}\n";
    std::fs::write(&path, lines).unwrap();
    path
}

/// People's pairs: what is left out is counted, there is no best of n and a reason for it; checkpoints read them with their own
/// tokenizers.
#[test]
fn pairs_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let file = pairs(at("pairs.jsonl"));
    let found = json(tiny(&at("cache"), &at("sizes")).arg("--pairs").arg(&file));
    let counters = &found["pairs"]["counters"];
    assert_eq!((found["pairs"]["used"].as_u64(), counters["skipped.ties"].as_u64()), (Some(90), Some(1)));
    assert_eq!(counters["skipped.answers that are the same after encoding and cutting"], 1, "both are unknown words");
    assert!(found["summary"]["pressed"].is_null());
    assert!(found["summary"]["not_pressed"].as_str().unwrap().contains("nobody knows"));
    assert_eq!(found["summary"]["baselines"]["shorter"]["value"], 1.0, "the shortcut that was planted");
    assert_eq!(found["sizes"][0], serde_json::json!([30, 30, 30]));
    assert_eq!(found["sizes"][0], found["sizes"][1]);

    let world = World::new();
    let model = world.dir.path().join("model").display().to_string();
    let mut command = trimtab();
    command.args(["oversee", "reward", "--seeds", "2", "--resamples", "100", "--epochs", "1", "--methods", "naive"]);
    command.arg("--pairs").arg(&file).args(["--models", &format!("{model},{model}")]);
    let said = command.arg("--out").arg(at("own")).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    for part in [
        "91 pairs of",
        "skipped: ties",
        "best of n: not measurable",
        "not reportable",
        "all seeds, w s c",
        "looks at T",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    let mut command = trimtab();
    command.args(["oversee", "reward", "--max-tokens", "600", "--pairs"]).arg(&file);
    let refused =
        command.args(["--models", &format!("{model},{model}")]).arg("--out").arg(at("no")).assert().failure().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("reads 512 tokens"));
}

#[test]
fn what_is_no_reward_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("equal.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n").unwrap();
    std::fs::write(at("half.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\"}\n").unwrap();
    let out = dir.path().join("out");
    let refused = |args: &[&str], says: &str| refused_before_it_begins("reward", &out, args, says);
    refused(&["--weak", "1M", "--strong", "100k"], "no such pair of sizes");
    refused(&["--strong", "2M"], "a smaller and a larger of 30k");
    refused(&["--methods", "magic"], "there is no method \"magic\"");
    refused(&["--skills", "hops"], "no such tasks");
    refused(&["--items-t", "3"], "too few or too many");
    refused(&["--lr", "NaN"], "no learning rate");
    refused(&["--best-of", "256"], "cannot be");
    refused(&["--seeds", "0"], "--seeds");
    refused(&["--quick", "--seeds", "7"], "--quick");
    refused(&["--models", "a,b"], "--pairs");
    refused(&["--pairs", &at("none.jsonl")], "none.jsonl");
    refused(&["--pairs", &at("equal.jsonl")], "no pair can be used");
    refused(&["--pairs", &at("half.jsonl")], "half.jsonl");
    refused(&["--pairs", &at("equal.jsonl"), "--models", "a"], "expected two checkpoints");
    refused(&["--pairs", &at("equal.jsonl"), "--models", "a,b"], "does not exist");
}
