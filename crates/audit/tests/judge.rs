//! The refusal judge against people, and the corrected rate, on published answers where they are at hand (`TRIMTAB_SHARED`, or
//! `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::shared;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use trimtab_audit::judge::refusal::{phrases_anywhere, phrases_prefix};
use trimtab_stats::{Bootstrap, Confusion, Rate, difference_estimator, rogan_gladen};

const MODELS: [&str; 5] = ["gpt4", "llama2new", "llama2orig", "mistralguard", "mistralinstruct"];

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// The answers of one model of XSTest: (prompt is safe, answer, people call it a full refusal).
fn answers(test: &str, model: &str) -> Option<Vec<(bool, String, bool)>> {
    let file = format!("paul-rottger+exaggerated-safety/model_completions/xstest_v2_completions_{model}.csv.gz");
    let text = unpacked(&shared(test, &file)?);
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let at = |name: &str| reader.headers().ok()?.iter().position(|h| h == name);
    let (kind, answer, label) = {
        let mut at = at;
        (at("type").unwrap(), at("completion").unwrap(), at("final_label").unwrap())
    };
    let row = |row: csv::StringRecord| {
        (!row[kind].starts_with("contrast"), row[answer].to_owned(), row[label].starts_with('2'))
    };
    Some(reader.records().map(|r| row(r.unwrap())).collect())
}

fn table<'a>(rows: impl IntoIterator<Item = &'a (bool, String, bool)>, judge: fn(&str) -> bool) -> Confusion {
    let mut table = Confusion::default();
    for (_, answer, refuses) in rows {
        table.count(judge(answer), *refuses);
    }
    table
}

fn counts(table: &Value) -> Confusion {
    let of = |name: &str| table[name].as_u64().unwrap();
    Confusion { true_positive: of("tp"), false_negative: of("fn"), false_positive: of("fp"), true_negative: of("tn") }
}

/// Both rules give the stored counts on 2,250 answers, over all, on safe and unsafe prompts, and for each model; and with
/// them sensitivity, specificity, κ and the rate as measured.
#[test]
fn counts_on_human_labels() {
    let test = "counts_on_human_labels";
    let Some(golden) = shared(test, "derived/golden.json") else { return };
    let golden: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let mut all = Vec::new();
    for model in MODELS {
        let Some(rows) = answers(test, model) else { return };
        assert_eq!(rows.len(), 450);
        for (rule, name) in
            [(phrases_anywhere as fn(&str) -> bool, "phrases_anywhere"), (phrases_prefix, "phrases_as_prefix")]
        {
            assert_eq!(table(&rows, rule), counts(&golden["xstest"][name][model]), "{name} on {model}");
        }
        all.extend(rows);
    }
    let expected = [
        (phrases_anywhere as fn(&str) -> bool, "phrases_anywhere", [724, 259, 133, 1134], [0.737, 0.895, 0.641, 0.381]),
        (phrases_prefix, "phrases_as_prefix", [523, 460, 128, 1139], [0.532, 0.899, 0.448, 0.289]),
    ];
    for (rule, name, [tp, fn_, fp, tn], figures) in expected {
        let found = table(&all, rule);
        let by_hand = Confusion { true_positive: tp, false_negative: fn_, false_positive: fp, true_negative: tn };
        assert_eq!(found, by_hand, "{name}");
        let share = |rate: Rate| rate.measured(0.95).value.unwrap();
        let how = Bootstrap { resamples: 200, ..Bootstrap::default() };
        let kappa = found.kappa(&how);
        let values =
            [share(found.sensitivity()), share(found.specificity()), kappa.value.unwrap(), share(found.judged())];
        for (value, figure) in values.into_iter().zip(figures) {
            assert!((value - figure).abs() < 5e-4, "{name}: {value} {figure}");
        }
        assert!(kappa.interval.unwrap().contains(kappa.value.unwrap()));
        for (part, safe) in [("safe", true), ("contrast", false)] {
            let of = table(all.iter().filter(|row| row.0 == safe), rule);
            assert_eq!(of, counts(&golden["xstest"][name][part]), "{name}, {part}");
        }
    }
}

/// The phrase rule against the verdicts stored beside 2,000 answers, row by row.
#[test]
fn stored_verdicts_row_by_row() {
    let test = "stored_verdicts_row_by_row";
    let Some(runs) = shared(test, "andyrdt+refusal_direction/pipeline/runs") else { return };
    let mut rows = 0;
    for run in std::fs::read_dir(runs).unwrap() {
        for file in std::fs::read_dir(run.unwrap().path().join("completions")).unwrap() {
            let path = file.unwrap().path();
            let evaluated: Value = serde_json::from_str(&unpacked(&path)).unwrap();
            for (i, row) in evaluated["completions"].as_array().unwrap().iter().enumerate() {
                // There a jailbreak is an answer without a phrase; numbers in some files, text in others.
                let stored = row["is_jailbreak_substring_matching"].to_string().replace('"', "");
                let refuses = phrases_anywhere(row["response"].as_str().unwrap());
                assert_eq!(stored, if refuses { "0" } else { "1" }, "{} row {i}", path.display());
                rows += 1;
            }
        }
    }
    assert_eq!(rows, 2000);
}

/// Error rates of the other four models make a rate worse than none: 0.741 for a true 0.469.
#[test]
fn borrowed_error_rates_mislead() {
    let test = "borrowed_error_rates_mislead";
    let Some(tables) =
        MODELS.iter().map(|m| Some(table(&answers(test, m)?, phrases_anywhere))).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let (mut borrowed, mut raw) = (0.0, 0.0);
    for (i, (own, expected)) in tables.iter().zip([0.741, 0.553, 1.075, 0.154, -0.214]).enumerate() {
        let mut others = Confusion::default();
        for other in tables.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, t)| t) {
            others.true_positive += other.true_positive;
            others.false_negative += other.false_negative;
            others.false_positive += other.false_positive;
            others.true_negative += other.true_negative;
        }
        let share = |rate: Rate| rate.measured(0.95).value.unwrap();
        let corrected = rogan_gladen(own.judged(), others.sensitivity(), others.specificity(), 0.95).value.unwrap();
        assert!((corrected - expected).abs() < 1e-3, "{}: {corrected}", MODELS[i]);
        borrowed += (corrected - share(own.labelled())).abs() / 5.0;
        raw += (share(own.judged()) - share(own.labelled())).abs() / 5.0;
    }
    assert!((borrowed - 0.269).abs() < 1e-3 && (raw - 0.097).abs() < 1e-3, "{borrowed} {raw}");
}

/// With 50 or 100 labels of the model's own the corrected rate is closer than the labels alone and than Rogan and Gladen's, and
/// its interval holds the true rate of that model in at least 90 draws of 100; with 10 labels still.
#[test]
fn own_labels_correct_every_model() {
    let test = "own_labels_correct_every_model";
    const DRAWS: u32 = 400;
    for n in [10, 50, 100] {
        // Mean errors over models: corrected, labels alone, Rogan and Gladen where defined.
        let mut errors = [0.0; 3];
        for model in MODELS {
            let Some(mut rows) = answers(test, model) else { return };
            let all = table(&rows, phrases_anywhere);
            let truth = all.labelled().measured(0.95).value.unwrap();
            let (mut inside, mut sums, mut undefined) = (0, [0.0; 3], 0);
            let mut rng = trimtab_run::stream(1, &format!("test/{model}/{n}"), 0, 0);
            for _ in 0..DRAWS {
                for i in 0..n {
                    let j = i + (rng.next_u64() % (rows.len() - i) as u64) as usize;
                    rows.swap(i, j);
                }
                let labelled = table(&rows[..n], phrases_anywhere);
                let corrected = difference_estimator(all.judged(), &labelled, 0.95);
                inside += u32::from(corrected.interval.unwrap().contains(truth));
                sums[0] += (corrected.value.unwrap() - truth).abs();
                sums[1] += (labelled.labelled().measured(0.95).value.unwrap() - truth).abs();
                match rogan_gladen(all.judged(), labelled.sensitivity(), labelled.specificity(), 0.95).value {
                    Some(value) => sums[2] += (value - truth).abs(),
                    None => undefined += 1,
                }
            }
            let share = f64::from(inside) / f64::from(DRAWS);
            println!("{n} labels of {model}: covered {share:.3}, Rogan and Gladen undefined in {undefined} of {DRAWS}");
            assert!(share >= 0.9, "{n} labels of {model}: {share}");
            for (k, (error, sum)) in errors.iter_mut().zip(sums).enumerate() {
                let defined = DRAWS - if k == 2 { undefined } else { 0 };
                *error += sum / f64::from(defined.max(1)) / MODELS.len() as f64;
            }
        }
        println!("{n} labels: mean errors {errors:.3?} (corrected, labels alone, Rogan and Gladen)");
        if n > 10 {
            assert!(errors[0] < errors[1] && errors[0] < errors[2], "{n} labels: {errors:?}");
            let expected = if n == 50 { 0.042 } else { 0.027 };
            assert!((errors[0] - expected).abs() < 0.005, "{n} labels: {errors:?}");
        }
    }
}
