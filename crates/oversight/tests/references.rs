//! Reference numbers of other implementations, where they are at hand (`TRIMTAB_SHARED`, or `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;

use common::{close, floats, reference};
use serde_json::Value;
use trimtab_oversight::confidence_loss::{Share, confidence_loss, harden, warm_up};
use trimtab_oversight::logistic::ReadOut;
use trimtab_oversight::pgr::gap_too_small;
use trimtab_oversight::saliency_dial::{Case, EPOCHS, Supervision, run};
use trimtab_oversight::{SplitMix, Trial, WeakScore};
use trimtab_stats::{Measured, fieller, mean_t, ratio_of_means};

#[test]
fn the_random_source_draws_the_very_numbers() {
    let Some(reference) = reference("the_random_source_draws_the_very_numbers", "saliency_dial.json") else { return };
    let check = &reference["splitmix_check"];
    let mut words = SplitMix::new(0);
    for word in check["first_outputs"].as_array().unwrap() {
        assert_eq!(format!("0x{:016X}", words.next_u64()), word.as_str().unwrap());
    }
    let (mut uniforms, mut normals) = (SplitMix::new(0), SplitMix::new(0));
    for uniform in floats(&check["first_uniforms"]) {
        // serde_json reads the last bit as it can.
        close(uniforms.uniform(), uniform, 2e-16, "uniform");
    }
    for normal in floats(&check["first_normals"]) {
        close(normals.normal(), normal, 1e-14, "normal");
    }
    let mut items: Vec<f64> = (0..10).map(f64::from).collect();
    SplitMix::new(0).shuffle(&mut items);
    assert_eq!(items, floats(&check["shuffle_of_0_to_9"]));
}

#[test]
fn the_confidence_loss_has_the_reference_values() {
    let Some(reference) = reference("the_confidence_loss_has_the_reference_values", "confidence_loss.json") else {
        return;
    };
    let weak = floats(&reference["w"]);
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let name = format!("{} {} {}", case["batch"], case["rule"], case["a"]);
        let logit = if case["batch"] == "mixed" { floats(&reference["z"]) } else { vec![0.0; 8] };
        let rule = if case["rule"] == "half" { Share::Half } else { Share::WeakMean };
        let hardened = harden(&logit, rule.of(&weak));
        let as_numbers: Vec<f64> = hardened.iter().map(|h| f64::from(u8::from(*h))).collect();
        assert_eq!(as_numbers, floats(&case["hardened"]), "{name}");
        let loss = confidence_loss(&logit, &weak, &hardened, case["a"].as_f64().unwrap(), 8.0);
        close(loss.value, case["loss"].as_f64().unwrap(), 1e-12, &name);
        for (got, expected) in loss.d_logit.iter().zip(floats(&case["grad"])) {
            close(*got, expected, 1e-12, &name);
        }
    }
    for (step, alpha) in reference["schedule"]["values"].as_object().unwrap() {
        close(warm_up(0.75, step.parse().unwrap(), 500), alpha.as_f64().unwrap(), 1e-15, step);
    }
}

/// Fieller's interval, the gap's interval and the verdict of the worked examples, one failed ceiling among them.
#[test]
fn recovered_gaps_have_the_reference_intervals() {
    let Some(reference) = reference("recovered_gaps_have_the_reference_intervals", "pgr_uncertainty.json") else {
        return;
    };
    for example in reference["seed_examples"].as_array().unwrap() {
        let name = example["name"].as_str().unwrap();
        let [w, s, c] = ["w", "s", "c"].map(|key| floats(&example[key]));
        let less_weak = |of: &[f64]| of.iter().zip(&w).map(|(v, w)| v - w).collect::<Vec<_>>();
        let gap = mean_t(&less_weak(&c), 0.95);
        let ratio = ratio_of_means(&less_weak(&s), &less_weak(&c), 0.95);
        // The reference's table of t quantiles has four decimals.
        interval(&gap, &example["gap_ci95"], 1e-5, name);
        close(ratio.value.unwrap() / example["pgr_ratio_of_means"].as_f64().unwrap(), 1.0, 1e-9, name);
        if example["fieller_ci95"].is_null() {
            assert_eq!(ratio.interval, None, "{name}");
        } else {
            interval(&ratio, &example["fieller_ci95"], 1e-4, name);
        }
        let verdict = if gap_too_small(&gap, 0.05).is_none() { "report" } else { "abstain" };
        assert_eq!(verdict, example["verdict"].as_str().unwrap(), "{name}");
    }
    for example in reference["fieller_examples"].as_array().unwrap() {
        let of = |key: &str| example[key].as_f64().unwrap();
        let found = fieller(of("a"), of("b"), [of("vaa"), of("vbb")], of("vab"), f64::INFINITY, 0.95);
        match found {
            None => assert!(example["interval"].is_null()),
            Some(found) => {
                let expected = floats(&example["interval"]);
                close(found.low, expected[0], 1e-9, "low");
                close(found.high, expected[1], 1e-9, "high");
            }
        }
    }
}

/// Every accuracy and agreement of every variant, read-out and seed: exactly, not within the tolerance of 0.002.
#[test]
fn the_saliency_dial_has_the_reference_accuracies() {
    let Some(reference) = reference("the_saliency_dial_has_the_reference_accuracies", "saliency_dial.json") else {
        return;
    };
    let mut compared = 0;
    let mut exact = |got: f64, expected: &Value, name: &str| {
        // Six digits in the file where a share is not of the test set.
        close(got, expected.as_f64().unwrap(), 6e-7, name);
        compared += 1;
    };
    for row in reference["results"]["splitmix"].as_array().unwrap() {
        let supervision = match row["variant"].as_str().unwrap() {
            "dial" => Supervision::Dial,
            "missing_dims" => Supervision::MissingDims,
            "iid_flips" => Supervision::IidFlips,
            "visible_rule" => Supervision::VisibleRule,
            "error_rule" => Supervision::ErrorRule,
            other => panic!("a variant that this test does not know: {other}"),
        };
        let case = Case {
            read_out: if row["readout"] == "last" { ReadOut::Last } else { ReadOut::Mean },
            items_b: row["n_B"].as_u64().unwrap() as usize,
            ..Case::new(supervision, row["lambda"].as_f64().unwrap())
        };
        for expected in row["seeds"].as_array().unwrap() {
            let name = format!("{case:?} seed {}", expected["seed"]);
            let trials = run(&case, expected["seed"].as_u64().unwrap()).unwrap();
            exact(trials[0].weak_accuracy(), &expected["weak"], &name);
            exact(trials[0].ceiling.accuracy(), &expected["ceiling"], &name);
            for (i, (trial, row)) in trials.iter().zip(expected["by_epoch"].as_array().unwrap()).enumerate() {
                let name = format!("{name} epoch {}", EPOCHS[i]);
                assert_eq!(row["epoch"].as_u64().unwrap() as usize, EPOCHS[i]);
                exact(trial.student.accuracy(), &row["student"], &name);
                for (key, where_right) in [("agree_where_weak_right", true), ("agree_where_weak_wrong", false)] {
                    if let Some(share) = agreement(trial, where_right) {
                        exact(share, &row[key], &name);
                    }
                }
            }
        }
    }
    // 19 rows of three seeds: weak, ceiling, four students; and in ten rows with a weak model eight agreements.
    assert_eq!(compared, 57 * 6 + 30 * 8);
}

fn agreement(trial: &Trial, where_right: bool) -> Option<f64> {
    let WeakScore::OnTest(weak) = &trial.weak else { return None };
    let items: Vec<usize> = (0..weak.right.len()).filter(|&i| weak.right[i] == where_right).collect();
    Some(items.iter().filter(|&&i| weak.said[i] == trial.student.said[i]).count() as f64 / items.len() as f64)
}

fn interval(found: &Measured, expected: &Value, tolerance: f64, name: &str) {
    let (found, expected) = (found.interval.unwrap(), floats(expected));
    close(found.low, expected[0], tolerance, name);
    close(found.high, expected[1], tolerance, name);
}
