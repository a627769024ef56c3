//! Published item files, where they are at hand (`TRIMTAB_SHARED`, or `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::shared;
use std::collections::BTreeSet;
use std::path::Path;
use trimtab_audit::figure::Summary;
use trimtab_audit::item::{Choice, Form, Item, Order, Role, SetInfo};
use trimtab_audit::published::measure;
use trimtab_audit::reader::read;
use trimtab_audit::result::ResultRecord;
use trimtab_audit::target::Said;
use trimtab_text::record::Input;

/// The matching answer is the behaviour, but for the three human-written files and the two web-gpt ones: by name, and,
/// under any other name, by content.
#[test]
fn signs_of_the_files_are_respected() {
    let test = "signs_of_the_files_are_respected";
    let evals = "anthropics+evals/advanced-ai-risk";
    let turned = [
        "human_generated_evals/power-seeking-inclination",
        "human_generated_evals/survival-instinct",
        "human_generated_evals/wealth-seeking-inclination",
        "human_generated_evals/self-awareness-web-gpt",
        "lm_generated_evals/self-awareness-training-web-gpt",
    ];
    let Some(folder) = shared(test, evals) else { return };
    let mut files = 0;
    for part in ["human_generated_evals", "lm_generated_evals"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{part}/{}", path.file_stem().unwrap().to_str().unwrap());
            let role = |path: &Path| {
                let first = std::fs::read_to_string(path).unwrap();
                let row: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
                let set = read(path).unwrap().set;
                let matching = row["answer_matching_behavior"].as_str().unwrap().to_owned();
                set.items[0].choices.iter().find(|c| c.text == matching).unwrap().role
            };
            let expected = if turned.contains(&name.as_str()) { Role::Negative } else { Role::Positive };
            assert_eq!(role(&path), expected, "{name}");
            let elsewhere = tempfile::tempdir().unwrap();
            let copy = elsewhere.path().join("renamed.jsonl");
            std::fs::copy(&path, &copy).unwrap();
            assert_eq!(role(&copy), expected, "{name} under another name");
            files += 1;
        }
    }
    assert_eq!(files, 33);
}

/// Every row becomes an item or is counted, stems repeat as the manifest says, and both orders have the same words.
#[test]
fn rows_stems_and_orders() {
    let test = "rows_stems_and_orders";
    for (file, rows, repeated) in [
        ("lm_generated_evals/self-awareness-general-ai.jsonl", 1000, Some(212)),
        ("human_generated_evals/survival-instinct.jsonl", 953, None),
    ] {
        let Some(path) = shared(test, &format!("anthropics+evals/advanced-ai-risk/{file}")) else { return };
        let set = read(&path).unwrap().set;
        let plain: Vec<_> = set.items.iter().filter(|i| i.order == Some(Order::Plain)).collect();
        assert_eq!(plain.len(), rows, "{file}");
        let text = std::fs::read_to_string(&path).unwrap();
        let question = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["question"].clone();
        let questions: Vec<String> = text.lines().map(|line| question(line).as_str().unwrap().to_owned()).collect();
        let stems: BTreeSet<&str> = questions.iter().map(|q| q.split("\n\nChoices").next().unwrap()).collect();
        if let Some(repeated) = repeated {
            assert_eq!(rows - stems.len(), repeated, "{file}: as its manifest counts");
        }
        // Stems that differ by white space at their ends are one cluster.
        let trimmed: BTreeSet<&str> = stems.iter().map(|s| s.trim()).collect();
        let clusters: BTreeSet<_> = plain.iter().map(|i| i.cluster.as_str()).collect();
        assert_eq!(clusters.len(), trimmed.len(), "{file}");
        let swapped = set.items.len() - plain.len();
        assert_eq!(
            swapped as u64 + set.info.left_out.values().sum::<u64>(),
            rows as u64,
            "{file}: {:?}",
            set.info.left_out
        );
        for pair in set.items.windows(2).filter(|p| p[1].order == Some(Order::Swapped)) {
            // Letters and not words: some rows have no space after "(A)".
            let sorted = |text: String| {
                let mut letters: Vec<char> = text.chars().collect();
                letters.sort_unstable();
                letters
            };
            assert_eq!(sorted(pair[0].input.plain()), sorted(pair[1].input.plain()), "{file}: {}", pair[0].id);
        }
    }
}

#[test]
fn other_formats_are_read() {
    let test = "other_formats_are_read";
    let Some(path) = shared(test, "ictnlp+TruthX/TruthfulQA/TruthfulQA.csv") else { return };
    let set = read(&path).unwrap().set;
    assert_eq!(set.items.len() as u64 + set.info.left_out.values().sum::<u64>(), 817);
    assert!(set.items.iter().all(|i| i.form == Form::Open && i.choices[0].role == Role::Right));
    let Some(path) = shared(test, "paul-rottger+exaggerated-safety/xstest_prompts.csv") else { return };
    let read_set = read(&path).unwrap();
    assert!(read_set.needs_judge.is_some());
    let safe = read_set.set.items.iter().filter(|i| i.arm == "safe").count();
    assert_eq!((read_set.set.items.len(), safe), (450, 250));
    let Some(path) = shared(test, "nrimsky+LM-exp/datasets/sycophancy_2/sycophancy_ab_choice_data.json") else {
        return;
    };
    assert_eq!(read(&path).unwrap().set.items.iter().filter(|i| i.order == Some(Order::Plain)).count(), 453);
}

/// Twenty statements, of which every other one is endorsed by No.
fn statements(says: impl Fn(usize) -> usize) -> Summary {
    let results: Vec<ResultRecord> = (0..20)
        .map(|i| {
            let roles = if i % 2 == 0 { [Role::Positive, Role::Negative] } else { [Role::Negative, Role::Positive] };
            let choices = [" Yes", " No"].iter().zip(roles).map(|(t, role)| Choice { text: (*t).into(), role });
            let item = Item {
                id: i.to_string(),
                stem: i.to_string(),
                cluster: i.to_string(),
                family: "items".into(),
                arm: "neutral".into(),
                form: Form::Open,
                order: None,
                input: Input::Text(format!("statement {i}")),
                choices: choices.collect(),
                truth: None,
                seed: 0,
            };
            let sums = if says(i) == 0 { vec![-1.0, -2.0] } else { vec![-2.0, -1.0] };
            ResultRecord::of("items", "m", &item, Said::LogProbs(sums))
        })
        .collect();
    measure("m", SetInfo::own("x", "endorsed", &[]), &results, 1)
}

/// Always Yes is a half of a set whose keys are half Yes, and no finding; endorsing every statement is one.
#[test]
fn a_bent_for_one_text_is_no_finding() {
    let always_yes = statements(|_| 0);
    assert!(!always_yes.controls[0].holds);
    let figure = always_yes.figure("positive.open").unwrap();
    assert_eq!((figure.value.value, figure.rate.numerator), (None, 10));
    assert!(figure.value.reason.as_ref().unwrap().contains("\" Yes\""), "{figure:?}");
    let endorses = statements(|i| i % 2);
    assert_eq!(endorses.value("positive.open").unwrap().value, Some(1.0));
    assert!(statements(|i| usize::from(i == 3)).controls[0].holds, "one in twenty is what is asked for");
}
