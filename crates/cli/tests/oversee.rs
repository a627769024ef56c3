//! `trimtab oversee` through the binary: figures with intervals, what is withheld, exit codes.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::trimtab;
use serde_json::Value;
use std::fmt::Write as _;

fn stdout(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

fn json(command: &mut assert_cmd::Command) -> Value {
    serde_json::from_str(&stdout(command)).unwrap()
}

/// Code 2, and what, expected, what to try.
fn refused(command: &mut assert_cmd::Command, says: &[&str]) {
    let failed = command.assert().failure().code(2);
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    for part in says.iter().chain(&["error: "]) {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn row<'a>(result: &'a Value, supervision: &str, lambda: f64, epoch: u64) -> &'a Value {
    let rows = result["rows"].as_array().unwrap();
    rows.iter()
        .find(|r| r["supervision"] == supervision && r["lambda"] == lambda && r["epoch"] == epoch)
        .unwrap_or_else(|| panic!("no row {supervision} {lambda} {epoch}"))
}

/// The audit trail: above zero where the errors are not salient, 0 ± 0.05 where they are, and equal runs equal bytes.
#[test]
fn the_dial_shows_both_ends() {
    let run = |threads: &str| {
        let mut command = assert_cmd::Command::cargo_bin("trimtab").unwrap();
        command.args(["--threads", threads, "oversee", "dial", "--resamples", "200", "--json"]);
        command
    };
    let result = json(&mut run("1"));
    assert_eq!(result["seeds"], serde_json::json!([0, 1, 2, 3, 4]));
    let interval = |row: &Value, which: &str| {
        let interval = &row["pgr"][which]["interval"];
        (interval["low"].as_f64().unwrap(), interval["high"].as_f64().unwrap())
    };
    for which in ["fieller", "bootstrap"] {
        assert!(interval(row(&result, "dial", 0.0, 30), which).0 > 0.5, "{which}");
        let (low, high) = interval(row(&result, "dial", 1.0, 30), which);
        assert!(low > -0.05 && high < 0.05, "{which}: {low} {high}");
    }
    let wrong =
        |lambda| row(&result, "dial", lambda, 30)["transfer"]["agreement_where_wrong"]["value"].as_f64().unwrap();
    assert!(wrong(0.0) < 0.3 && wrong(1.0) > 0.95, "errors are copied only where they are seen");
    let slack = result["misfit"].as_array().unwrap().iter().map(|m| m["slack"]["value"].as_f64().unwrap());
    assert!(slack.clone().count() == 4 && slack.clone().all(|slack| slack > -0.02), "{:?}", slack.collect::<Vec<_>>());
    assert_eq!(result["rows"].as_array().unwrap().len(), 40);
    assert_eq!(json(&mut run("2")), result);
}

/// Three seeds: every row is there, no PGR is, and the reason is a note below the table.
#[test]
fn too_few_seeds_are_shown_and_not_reported() {
    let args = ["oversee", "dial", "--seeds", "3", "--lambda", "0", "--resamples", "100"];
    let text = stdout(trimtab().args(args));
    assert!(text.contains("3 seeds of at least 5") && text.contains("not reportable (1"), "{text}");
    assert_eq!(text.matches("not reportable (1").count(), 7 * 4, "{text}");
    let result = json(trimtab().args(args).arg("--json"));
    let pgr = &row(&result, "dial", 0.0, 3)["pgr"];
    assert!(pgr["fieller"]["value"].is_null(), "never a number that means nothing");
    assert!(pgr["withheld"]["fieller"]["value"].as_f64().unwrap() > 0.5, "and never hidden");
    assert_eq!(pgr["by_seed"].as_array().unwrap().len(), 3);
}

#[test]
fn the_dial_refuses_what_it_cannot_run() {
    refused(trimtab().args(["oversee", "dial", "--seeds", "0"]), &["--seeds"]);
    refused(trimtab().args(["oversee", "dial", "--lambda", "0,NaN"]), &["--lambda NaN", "expected", "try: "]);
    refused(trimtab().args(["oversee", "dial", "--items-t", "0"]), &["items in every set", "try: "]);
    refused(trimtab().args(["oversee", "dial", "--items-b", "9000000"]), &["at most a million", "try: "]);
}

/// Help teaches what the figure is, when it is withheld, and how to begin.
#[test]
fn help_teaches() {
    let text = stdout(trimtab().args(["oversee", "dial", "--help"]));
    for part in ["PGR = (student − weak)/(ceiling − weak)", "fewer than 5 seeds", "Example: trimtab oversee dial"] {
        assert!(text.replace('\n', " ").replace("  ", " ").contains(part), "{part:?} is not in:\n{text}");
    }
}

/// Texts of planted words, `n` of them: even words lean to class 1.
fn texts(n: u32, from: u32) -> String {
    let mut text = String::new();
    for i in from..from + n {
        let gold = i % 2;
        // A few words of the class's own and a few of both, by a fixed pattern that repeats no text.
        let own = |k: u32| (i.wrapping_mul(2_654_435_761).rotate_left(k) % 40) * 2 + gold;
        let _ = write!(text, "{gold} ");
        for k in [3, 7, 11] {
            let _ = write!(text, "w{} ", own(k));
        }
        let _ = writeln!(text, "x{} y{} z{i}", i % 13, i % 31);
    }
    text
}

#[test]
fn texts_give_a_table_and_leaks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (train, test) = (path("train.txt", &texts(1200, 0)), path("test.txt", &texts(400, 5000)));
    let command = |file: &std::path::Path| {
        let mut command = trimtab();
        command.args(["oversee", "weak-to-strong"]).arg(file).args(["--weak-items", "20,200"]);
        command
    };
    let result = json(command(&train).arg("--json"));
    assert_eq!(result["rows"].as_array().unwrap().len(), 4, "two weak models, and the control of each");
    // A ceiling and two pairs of weak model and student, for five seeds, twice; and the rule of lengths once.
    assert_eq!(result["test_looks"], 5 * 2 * (1 + 2 * 2) + 1);
    assert!((0.4..0.6).contains(&result["by_length"].as_f64().unwrap()), "lengths say nothing here");
    let text = stdout(command(&train).arg("--test").arg(&test));
    assert!(text.contains("control: of other items") && text.contains("400 test items of at least 2000"), "{text}");

    let leaking = path("leaking.txt", &format!("{}{}", texts(400, 5000), texts(3, 0)));
    refused(
        command(&train).arg("--test").arg(&leaking),
        &["in two parts by nearly the same text", "B row 1 and T row 401", "--allow-leak"],
    );
    let text = stdout(command(&train).arg("--test").arg(&leaking).arg("--allow-leak"));
    assert!(text.contains("LEAK ALLOWED: 3 pairs"), "{text}");

    refused(&mut command(&dir.path().join("absent.txt")), &["absent.txt", "expected", "try: "]);
    refused(&mut command(&path("bad.txt", "1 good\n0 bad\nmaybe so\n")), &["bad.txt:3", "labels 0 and 1", "try: "]);
    refused(command(&train).args(["--weak-items", "5000"]), &["half A has", "try: "]);
    refused(command(&train).args(["--test-share", "1.5"]), &["shares [-0.5", "try: "]);
    refused(command(&train).args(["--test-share", "0"]), &["0 to test on", "try: "]);

    // Five of six of one class: most texts are left out, and the test is half and half.
    let uneven: String = texts(1200, 0)
        .lines()
        .filter(|l| l.starts_with('1') || l.ends_with('4'))
        .fold(String::new(), |all, l| all + l + "\n");
    let uneven = path("uneven.txt", &uneven);
    let args = ["--weak-items", "20", "--json"];
    let result = json(trimtab().args(["oversee", "weak-to-strong"]).arg(&uneven).args(args));
    assert_eq!(result["rows"][0]["transfer"]["positive"], 0.5);
    assert!(result["left_out_to_balance"].as_u64().unwrap() > 300, "{}", result["left_out_to_balance"]);
}

/// A model beside naive Bayes: rows for every block and a difference for every weak model, from the cache the second time; another
/// pooling is another table. What cannot be asked for is refused.
#[test]
fn a_pretrained_student_stands_beside_naive_bayes() {
    let world = common::World::new();
    let file = world.path("texts.txt");
    std::fs::write(&file, texts(600, 0)).unwrap();
    let command = |args: &[&str]| {
        let mut command = trimtab();
        command.env("TRIMTAB_CACHE", world.path("cache")).args(["oversee", "weak-to-strong"]).arg(&file);
        command.args(["--weak-items", "20,200", "--model"]).arg(world.path("model")).args(args);
        command
    };
    let found = json(&mut command(&["--json"]));
    let (rows, gains) = (found["rows"].as_array().unwrap(), found["pgr_above_naive_bayes"].as_array().unwrap());
    assert_eq!(rows.len(), 2 * 2 * 4, "two weak models, taught and control, naive Bayes and three blocks");
    assert_eq!(gains.len(), 2 * 3);
    for gain in gains {
        // The better weak model is as good as the ceiling: there is no gap to be a share of.
        let known = if gain["weak_items"] == 20 { &gain["pgr"]["interval"]["low"] } else { &gain["pgr"]["reason"] };
        assert!(known.is_number() || known.is_string(), "{gain}");
    }
    assert_eq!(found["pretrained"]["layers"], serde_json::json!([0, 1, 2]));
    // The supervisors are the same.
    let weak = |row: &Value| row["pgr"]["weak"]["value"].clone();
    assert_eq!(weak(&rows[0]), weak(&rows[2]));
    let files = || common::files(&world.path("cache/features"));
    let before = files();
    assert_eq!(before.len(), 3, "600 texts in chunks of 256");
    assert_eq!(json(&mut command(&["--json"])), found);
    assert_eq!(files(), before);
    // A chunk that is cut short or no number is computed again.
    let (name, bytes) = &before[0];
    let chunk = world.path("cache/features").join(name);
    for bad in [bytes[..40].to_vec(), [&f32::NAN.to_le_bytes()[..], &bytes[4..]].concat()] {
        std::fs::write(&chunk, bad).unwrap();
        assert_eq!(json(&mut command(&["--json"])), found);
        assert_eq!(files(), before);
    }
    let last = json(&mut command(&["--json", "--pool", "last", "--layers", "2"]));
    assert_ne!(last["rows"][2]["pgr"]["student"], rows[6]["pgr"]["student"], "another pooling");
    let text = stdout(&mut command(&["--layers", "1"]));
    assert!(text.contains("probe, block 1") && text.contains("PGR less that of naive Bayes"), "{text}");

    refused(&mut command(&["--layers", "3"]), &["--layers 3", "expected 0 to 2", "try: "]);
    refused(&mut command(&["--ridge", "0"]), &["--ridge 0", "try: "]);
    refused(trimtab().args(["oversee", "weak-to-strong"]).arg(&file).args(["--layers", "1"]), &["--model"]);
    let mut absent = trimtab();
    absent.args(["oversee", "weak-to-strong"]).arg(&file).args(["--weak-items", "20", "--model", "absent.gguf"]);
    refused(&mut absent, &["absent.gguf", "try: "]);
    // Sizes are refused before a feature is computed.
    let mut large = trimtab();
    large.args(["oversee", "weak-to-strong"]).arg(&file).args(["--weak-items", "5000", "--model", "absent.gguf"]);
    refused(&mut large, &["half A has", "try: "]);
    std::fs::write(&file, texts(600, 0) + "0 \n").unwrap();
    refused(&mut command(&[]), &["text 601: has no tokens", "try: "]);
}

/// A model fine-tuned by adapters beside naive Bayes and probes: killed between two fits it ends with the same figures, the second time all
/// fits are in the cache, and what cannot be fitted is refused.
#[test]
fn a_fine_tuned_student_stands_beside_naive_bayes() {
    let world = common::World::new();
    let file = world.path("texts.txt");
    std::fs::write(&file, texts(300, 0)).unwrap();
    let command = |cache: &str, args: &[&str]| {
        let mut command = trimtab();
        command.env("TRIMTAB_CACHE", world.path(cache)).args(["oversee", "weak-to-strong"]).arg(&file);
        command.args(["--weak-items", "20,100", "--seeds", "2", "--layers", "1", "--json", "--model"]);
        command.arg(world.path("model")).args(args);
        command
    };
    let found = json(&mut command("cache", &["--lora", "1"]));
    let (rows, gains) = (found["rows"].as_array().unwrap(), found["pgr_above_naive_bayes"].as_array().unwrap());
    let students: Vec<&str> = rows.iter().map(|row| row["student"].as_str().unwrap()).collect();
    assert_eq!(students.iter().filter(|s| **s == "LoRA from block 1").count(), 2, "two weak models: {students:?}");
    assert_eq!((rows.len(), gains.len()), (2 * 2 * 2 + 2, 2 * 2));
    assert_eq!(found["pretrained"]["lora"]["from"], 1);
    let fits = |cache: &str| common::files(&world.path(cache).join("fits"));
    assert_eq!(fits("cache").len(), 2 * (1 + 2), "for each seed the ceiling and two students");
    assert_eq!(json(&mut command("cache", &["--lora", "1"])), found);
    // The student's labels are the weak model's, its ceiling's are gold: another fit each, and no fit is the other's.
    assert_ne!(rows[2]["pgr"]["student"], rows[2]["pgr"]["ceiling"]);

    command("killed", &["--lora", "1"]).env("TRIMTAB_STOP_AFTER", "lora:2").assert().code(137);
    assert_eq!(fits("killed").len(), 2);
    assert_eq!(json(&mut command("killed", &["--lora", "1"])), found);
    assert_eq!(fits("killed"), fits("cache"));
    // Without it nothing of the rest is another.
    let without = json(&mut command("cache", &[]));
    assert_eq!(without["rows"].as_array().unwrap().len(), rows.len() - 2);
    assert_eq!(without["rows"][0], rows[0]);

    refused(&mut command("cache", &["--lora", "2"]), &["--lora 2", "expected 0 to 1", "try: "]);
    refused(&mut command("cache", &["--lora", "1", "--lora-rank", "0"]), &["adapters of rank 0", "try: "]);
    refused(&mut command("cache", &["--lora", "1", "--lora-epochs", "0"]), &["in 0 epochs", "try: "]);
    refused(&mut command("cache", &["--lora-rank", "4"]), &["--lora"]);
}

/// Two sides against each other tell a trusting judge more than chance does, one side tells it nothing; with all in view nothing
/// differs. Equal runs are equal.
#[test]
fn a_debate_beats_a_consultancy_unless_all_is_seen() {
    let run = |args: &[&str]| json(trimtab().args(["oversee", "debate", "--json"]).args(args));
    let found = run(&["--looked-at", "64"]);
    let gain = &found["debate_less_consultancy"][0]["trusting"]["interval"];
    assert!(gain["low"].as_f64().unwrap() > 0.05, "{gain}");
    let all = run(&["--tokens", "16", "--looked-at", "16", "--shown", "16", "--items", "300"]);
    let accuracies: Vec<&Value> = all["rows"].as_array().unwrap().iter().map(|row| &row["trusting"]["value"]).collect();
    assert!(accuracies.len() == 4 && accuracies.iter().all(|a| *a == accuracies[0]), "{accuracies:?}");
    assert_eq!(run(&["--looked-at", "64"]), found);
    assert!(stdout(trimtab().args(["oversee", "debate", "--items", "200"])).contains("consultancy, side at random"));
    refused(trimtab().args(["oversee", "debate", "--shown", "3"]), &["3 shown", "expected", "try: "]);
    refused(trimtab().args(["oversee", "debate", "--looked-at", "2"]), &["2 looked at"]);
    refused(
        trimtab().args(["oversee", "debate", "--tokens", "9000", "--items", "1000000"]),
        &["too many for a minute"],
    );
}

/// The value, or a bound of the interval, of a figure.
fn value(figure: &Value) -> f64 {
    figure["value"].as_f64().unwrap_or_else(|| panic!("no value: {figure}"))
}

fn bounds(figure: &Value) -> (f64, f64) {
    (figure["interval"]["low"].as_f64().unwrap(), figure["interval"]["high"].as_f64().unwrap())
}

/// The only row for which `is` holds.
fn only(result: &Value, is: impl Fn(&Value) -> bool) -> &Value {
    let rows: Vec<&Value> = result["rows"].as_array().unwrap().iter().filter(|row| is(row)).collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0]
}

/// A helpful critic helps, a sneaky one costs whoever trusts it, and one at random is nobody; figures are those of the law, and equal
/// runs are equal.
#[test]
fn a_sneaky_critic_costs_whoever_trusts_it() {
    let run = |args: &[&str]| json(trimtab().args(["oversee", "critique", "--json"]).args(args));
    let found = run(&["--trust", "0,1"]);
    let row =
        |critic: &str, trust: Option<f64>| only(&found, |r| r["critic"] == critic && r["trust"].as_f64() == trust);
    assert!(bounds(&row("helpful", Some(1.0))["less_unaided"]).0 > 0.2);
    assert!(bounds(&row("sneaky", Some(1.0))["less_unaided"]).1 < -0.03);
    assert!(bounds(&row("sneaky", Some(0.0))["less_unaided"]).0 > -0.02, "who trusts nobody loses nothing");
    let (low, high) = bounds(&row("random", None)["less_unaided"]);
    assert!(low <= 0.0 && 0.0 <= high && high - low < 0.05, "the control: {low} {high}");
    let (told, unwary) = (row("mixed", Some(0.5)), row("mixed", Some(1.0)));
    assert!(told["law"]["accuracy"].as_f64().unwrap() > unwary["law"]["accuracy"].as_f64().unwrap());
    for row in found["rows"].as_array().unwrap() {
        for figure in ["accuracy", "found", "false_alarms"] {
            // 10,000 traces: a standard error of 0.007 at most.
            assert!((value(&row[figure]) - row["law"][figure].as_f64().unwrap()).abs() < 0.03, "{row}");
        }
        assert_eq!(row["counts"]["accuracy"]["denominator"], 10_000);
    }
    assert_eq!(run(&["--trust", "0,1"]), found);
    let text = stdout(trimtab().args(["oversee", "critique", "--items", "100", "--seeds", "1"]));
    assert!(text.contains("One seed has no interval"), "{text}");
}

#[test]
fn a_critique_refuses_what_cannot_be_judged() {
    let critique = |args: &[&str], says: &[&str]| refused(trimtab().args(["oversee", "critique"]).args(args), says);
    critique(&["--steps", "0"], &["0 steps", "expected", "try: "]);
    critique(&["--checks", "21"], &["20 steps, 21 checked", "no more than steps", "try: "]);
    critique(&["--checks", "0"], &["0 checked"]);
    critique(&["--check-right", "1.5"], &["1.5", "a chance from 0 to 1"]);
    critique(&["--skill=-0.1"], &["a critic's skill of -0.1"]);
    critique(&["--sneaky", "NaN"], &["sneaky critics of NaN"]);
    critique(&["--trust", "0.5,2"], &["trust is 2", "try: "]);
    critique(&["--flawed", "1"], &["both sorts"]);
    critique(&["--items", "0"], &["--items"]);
    critique(&["--seeds", "0"], &["--seeds"]);
    critique(&["--steps", "1000", "--items", "1000000"], &["too many for a minute"]);
}

/// Queries help, and confidence gets worse by them for who takes answers for independent; not for who was told, and not where the
/// assistant knows nothing.
#[test]
fn queries_help_and_calibration_gets_worse() {
    let run = |args: &[&str]| json(trimtab().args(["oversee", "sandwich", "--json"]).args(args));
    let found = run(&[]);
    let row = |assistant: &str, weighing: &str, budget: u64| {
        only(&found, |r| r["assistant"] == assistant && r["weighing"] == weighing && r["budget"] == budget)
    };
    let eight = row("able", "independent", 8);
    assert!(bounds(&eight["less_alone"]).0 > 0.1 && bounds(&eight["less_assistant"]).0 > 0.02);
    assert!(bounds(&eight["calibration_error"]).0 > value(&row("able", "independent", 0)["calibration_error"]) + 0.1);
    assert!(value(&row("able", "wary", 8)["calibration_error"]) < 0.05);
    assert!(value(&eight["over_reliance"]) > 0.1);
    assert_eq!(value(&row("able", "independent", 0)["over_reliance"]), 0.0);
    let none = &row("able", "independent", 0)["under_reliance"];
    assert!(none["value"].is_null() && none["reason"].as_str().unwrap().contains("nothing was asked"), "{none}");
    for budget in [0, 1, 2, 4, 8] {
        let control = value(&row("knows_nothing", "independent", budget)["less_alone"]);
        assert!(control.abs() < 0.02, "{budget}: {control}");
    }
    for row in found["rows"].as_array().unwrap() {
        assert!((value(&row["accuracy"]) - row["law"].as_f64().unwrap()).abs() < 0.03, "{row}");
    }
    assert_eq!(run(&[]), found);
    let text = stdout(trimtab().args(["oversee", "sandwich", "--items", "100", "--seeds", "1"]));
    assert!(text.contains("One seed has no interval") && text.contains("(1) no such question"), "{text}");
}

#[test]
fn a_sandwich_refuses_what_nobody_can_ask() {
    let sandwich = |args: &[&str], says: &[&str]| refused(trimtab().args(["oversee", "sandwich"]).args(args), says);
    sandwich(&["--budget", "1,5000"], &["--budget 5000", "expected", "try: "]);
    sandwich(&["--budget=-1"], &["--budget"]);
    sandwich(&["--knowledge", "0"], &["knowledge of 0", "try: "]);
    sandwich(&["--plain", "1.1"], &["plain questions: 1.1", "a number from 0 to 1"]);
    sandwich(&["--blind-share", "NaN"], &["NaN", "a number from 0 to 1"]);
    sandwich(&["--shown", "0"], &["0 questions to learn"]);
    sandwich(&["--items", "0"], &["--items"]);
    sandwich(&["--seeds", "0"], &["--seeds"]);
}

/// Errors grow by nodes of exclusive-ors and by depth of the rest, as the closed form says; learning averages out what it cannot express
/// and copies what it can.
#[test]
fn errors_of_a_recursion_grow_by_what_matters() {
    let run = |args: &[&str]| json(trimtab().args(["oversee", "decompose", "--json"]).args(args));
    let found = run(&["--depth", "4"]);
    let row = |xor: f64, arm: &str, shared: Option<f64>| {
        only(&found, |r| r["xor"] == xor && r["arm"] == arm && r["shared"].as_f64() == shared)
    };
    let deepest = |row: &Value| value(&row["error"][3]);
    assert!(deepest(row(1.0, "recursion", Some(0.0))) > 0.35 && deepest(row(0.0, "recursion", Some(0.0))) < 0.2);
    assert!(deepest(row(1.0, "recursion", Some(1.0))) < 0.08, "errors that hang together cancel in pairs");
    for xor in [0.0, 1.0] {
        assert_eq!(deepest(row(xor, "distilled_by_chance", None)), 0.0);
        assert_eq!(deepest(row(xor, "distilled_odd_unseen", None)), 0.0);
        assert!(deepest(row(xor, "distilled_odd_seen", None)) > 0.12, "what can be expressed is copied");
    }
    assert!(
        (deepest(row(1.0, "direct", None)) - 0.5).abs() < 0.03,
        "half of the leaves say nothing of an exclusive-or"
    );
    let other = &row(1.0, "other_items", None)["error"][3];
    assert!(bounds(other).0 < 0.5 && 0.5 < bounds(other).1, "{other}");
    for row in found["rows"].as_array().unwrap() {
        let law = row["law"].as_array().into_iter().flatten();
        for (error, law) in row["error"].as_array().unwrap().iter().zip(law) {
            assert!((value(error) - law.as_f64().unwrap()).abs() < 0.025, "{row}");
        }
    }
    assert_eq!(run(&["--depth", "4"]), found);
    // A table of drawn answers may say the same of all, and then the next one never meets the contrary.
    let all = found["rows"].as_array().unwrap().iter();
    assert!(all.filter(|row| row["arm"] != "other_items").all(|row| row["unlabelled_cells"] == 0));
    let few = stdout(trimtab().args(["oversee", "decompose", "--labels", "20", "--items", "100", "--depth", "2"]));
    assert!(few.contains("taught, odd nodes, seen: no label reached"), "{few}");
    let text = stdout(trimtab().args(["oversee", "decompose", "--items", "100", "--depth", "2", "--seeds", "1"]));
    assert!(text.contains("One seed has no interval") && text.contains("control: direct"), "{text}");
}

#[test]
fn a_decomposition_refuses_what_it_cannot_grow() {
    let decompose = |args: &[&str], says: &[&str]| refused(trimtab().args(["oversee", "decompose"]).args(args), says);
    decompose(&["--depth", "0"], &["depth 0", "expected", "try: "]);
    decompose(&["--depth", "40"], &["depth 40"]);
    decompose(&["--xor", "0,1.5"], &["exclusive-or 1.5", "a number from 0 to 1"]);
    decompose(&["--slip", "NaN"], &["slip NaN"]);
    decompose(&["--shared", "2"], &["shared 2"]);
    decompose(&["--labels", "0"], &["0 labels"]);
    decompose(&["--labels", "1", "--depth", "1"], &["direct judge", "try: "]);
    decompose(&["--items", "0"], &["--items"]);
    decompose(&["--seeds", "0"], &["--seeds"]);
    decompose(&["--depth", "12", "--items", "100000"], &["too many for a minute"]);
}

/// Without a shortcut easy labels are as good as hard ones, with a strong one worse than none; the control teaches nothing, and what is
/// too hard is withheld.
#[test]
fn a_shortcut_turns_easy_labels_against_hard_items() {
    let run =
        |args: &[&str]| json(trimtab().args(["oversee", "easy-to-hard", "--json", "--resamples", "200"]).args(args));
    let found = run(&["--hardness", "0.5,0.9"]);
    let row = |hardness: f64, shortcut: f64, other: bool| {
        only(&found, |r| {
            r["case"]["hardness"] == hardness && r["case"]["shortcut"] == shortcut && r["case"]["other_items"] == other
        })
    };
    let (none, strong) = (row(0.5, 0.0, false), row(0.5, 4.0, false));
    for which in ["fieller", "bootstrap"] {
        let (low, high) = bounds(&none["sgr"][which]);
        assert!(low > 0.8 && high < 1.4, "{which}: {low} {high}");
        assert!(bounds(&strong["sgr"][which]).1 < 0.1, "{which}");
    }
    assert!(bounds(&strong["sgr"]["fieller"]).1 < 0.0, "worse than no labels at all");
    assert!(value(&strong["on_easy"]) > 0.99, "and nothing of it is seen on easy items");
    for row in [none, strong] {
        // 10,000 items: a standard error of 0.005, and what 1500 labels lack.
        for (figure, law) in [("weak", "unsupervised"), ("student", "easy"), ("ceiling", "hard")] {
            let (found, law) = (value(&row["sgr"][figure]), row["law"][law].as_f64().unwrap());
            assert!((found - law).abs() < 0.025, "{figure}: {found} {law}");
        }
    }
    let control = &row(0.5, 0.0, true)["sgr"]["student"];
    assert!(bounds(control).0 < 0.5 && 0.5 < bounds(control).1, "{control}");
    let too_hard = &row(0.9, 0.0, false)["sgr"];
    assert!(
        too_hard["fieller"]["value"].is_null() && too_hard["withheld"]["reasons"].to_string().contains("reaches 0.05")
    );
    assert_eq!(run(&["--hardness", "0.5,0.9"]), found);
    let text = stdout(trimtab().args(["oversee", "easy-to-hard", "--seeds", "1", "--resamples", "100"]));
    assert!(text.contains("not reportable (") && text.contains("1 seed of at least 5"), "{text}");
    assert!(text.contains("One seed has no interval"), "{text}");
}

#[test]
fn easy_to_hard_refuses_what_it_cannot_run() {
    let refuses = |args: &[&str], says: &[&str]| refused(trimtab().args(["oversee", "easy-to-hard"]).args(args), says);
    refuses(&["--hardness", "1"], &["hardness of 1", "expected", "try: "]);
    refuses(&["--shortcut", "0,NaN"], &["shortcut of NaN", "try: "]);
    refuses(&["--signal=-2"], &["signal of -2"]);
    refuses(&["--labels", "0"], &["0 labelled"]);
    refuses(&["--labels", "1"], &["1 items to learn from", "both classes"]);
    refuses(&["--items-t", "0"], &["0 test items"]);
    refuses(&["--items-t", "9000000"], &["too many for a minute"]);
    refuses(&["--seeds", "0"], &["--seeds"]);
}

/// The help of every protocol says what it asks, what its control is, and how to begin.
#[test]
fn help_of_the_protocols_teaches() {
    for command in ["critique", "sandwich", "decompose", "easy-to-hard"] {
        let text = stdout(trimtab().args(["oversee", command, "--help"]));
        for part in ["Control", &format!("Example: trimtab oversee {command}"), "in seconds", "[default: 5]"] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
