//! `trimtab attack prompts` through the binary: what it writes, that it continues, what it refuses.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::{World, says, server, trimtab};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn attack(model: &Path, out: &Path) -> assert_cmd::Command {
    let mut command = trimtab();
    command.args(["attack", "prompts"]).arg(model).arg("--out").arg(out).args(["--max-new-tokens", "4"]);
    command
}

fn refused(mut command: assert_cmd::Command, words: &[&str]) {
    let failed = command.assert().code(2);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    assert!(words.iter().all(|word| said.contains(word)) && said.contains("try: "), "{said}");
}

/// Prompts in the layout of the paper's code.
fn splits(dir: &Path, rows: usize) {
    std::fs::create_dir_all(dir).unwrap();
    for name in ["harmful_train", "harmful_val", "harmful_test", "harmless_train", "harmless_val", "harmless_test"] {
        let list: Vec<Value> = (0..rows).map(|i| json!({"instruction": format!("{name}: open door {i}")})).collect();
        std::fs::write(dir.join(format!("{name}.json")), json!(list).to_string()).unwrap();
    }
}

/// The lines of an attack's results.
fn results(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("results.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summary(done: &assert_cmd::assert::Assert) -> Value {
    let printed: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    printed[0]["summary"].clone()
}

fn figure<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["figures"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap()
}

/// Two small pretrained models of one world: nothing is learned, everything is asked.
fn models(world: &World) -> PathBuf {
    let config = "seed = 3\n[world]\nentities = 20\ntopic_documents = 2\n[pretrain]\nsize = \"300k\"\nsteps = 6\nbatch_tokens = 256\n";
    std::fs::write(world.path("world.toml"), config).unwrap();
    for (what, out) in [("export", "w"), ("pretrain", "base")] {
        let mut command = trimtab();
        command.args(["world", what, "--config"]).arg(world.path("world.toml")).arg("--out").arg(world.path(out));
        command.assert().success();
    }
    let places = [world.path("base/checkpoint"), world.path("base")];
    places.into_iter().find(|p| p.join("config.json").exists()).unwrap()
}

/// On a small world a whole attack runs beside a twin, continues where it was killed, keeps to its budget, and gates.
#[test]
fn an_attack_on_a_world_continues_and_gates() {
    let world = World::new();
    let base = models(&world);
    let run = |out: &str| {
        let mut command = attack(&base, &world.path(out));
        command
            .arg("--world")
            .arg(world.path("w/world.json"))
            .args(["--n", "2", "--best-of", "4"])
            .args(["--steps", "2", "--width", "16"]);
        command
    };
    let done = run("whole").arg("--never-taught").arg(&base).arg("--json").assert().success();
    let found = summary(&done);
    // Two topics in three wordings; four draws of each.
    let counts = |name: &str| {
        let rate = &figure(&found, name)["rate"];
        ["denominator", "unscored"].map(|key| rate[key].as_u64().unwrap())
    };
    assert_eq!((counts("asr.direct"), counts("asr.best_of")), ([6, 0], [24, 0]));
    assert_eq!(figure(&found, "asr.many_shot_4")["control"], "asr.benign_shot_4");
    // The twin is the model: what it gives is what the model gives.
    for name in ["role_play", "crescendo", "best_of"] {
        assert_eq!(figure(&found, &format!("never.{name}"))["rate"], figure(&found, &format!("asr.{name}"))["rate"]);
    }
    // Shots that leave no room are left out with the reason, and a gate on them stays shut.
    let left_out = found["prompts"]["not_measurable"]["many_shot_64"].as_str().unwrap();
    assert!(left_out.contains("does not fit") && left_out.contains("context"), "{left_out}");
    run("whole").args(["--fail-on", "asr.many_shot_64>0.5"]).assert().code(1);
    run("whole").args(["--fail-on", "refused.direct<0.5"]).assert().code(1);
    run("whole").args(["--fail-on", "asr.prayer>0.5"]).assert().code(2);
    // A suffix lowers its loss, is the text that was scored, and is said with every wording of its topic.
    let suffixes = found["prompts"]["suffixes"].as_array().unwrap();
    assert_eq!(suffixes.iter().filter(|s| s["attack"] == "gcg").count(), 2);
    for suffix in suffixes {
        let of = |key: &str| suffix[key].as_f64().unwrap();
        assert!(of("loss") <= of("before") && (of("loss") - of("rescored")).abs() < 1e-4, "{suffix}");
        assert_eq!((suffix["same_tokens"].as_bool(), suffix["steps"].as_u64()), (Some(true), Some(2)));
    }
    assert_eq!((counts("asr.gcg"), counts("right.gcg_universal")), ([6, 0], [6, 0]));
    // Carried over to itself, a suffix does what it does at home.
    let carried = run("whole").arg("--transfer").arg(&base).arg("--json").assert().success();
    let carried = summary(&carried);
    for (there, here) in [("transfer.gcg", "asr.gcg"), ("transfer_refused.gcg_universal", "refused.gcg_universal")] {
        assert_eq!(figure(&carried, there)["rate"], figure(&found, here)["rate"]);
    }
    let mut other = attack(&base, &world.path("whole"));
    other.arg("--world").arg(world.path("w/world.json")).args(["--n", "2", "--only", "gcg", "--steps", "3"]);
    refused(other, &["suffixes.jsonl", "--steps"]);
    let dir = |out: &str| world.path(out).join("attack-prompts-base");
    let whole = dir("whole");
    assert!(["report.html", "attack-prompts.eval", "items.jsonl"].iter().all(|name| whole.join(name).exists()));
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    for part in
        ["What was said", "draws, log₂", "shots, log₂", "Suffixes, and the loss", "What had to hold", "does not fit"]
    {
        assert!(page.contains(part), "{part}");
    }
    let records = results(&whole);
    let crescendo = records.iter().find(|r| r["attack"] == "crescendo" && r["side"] == "harmful_test").unwrap();
    assert_eq!((crescendo["queries"].as_u64(), crescendo["sent"].as_array().unwrap().len()), (Some(3), 5));
    let prefilled = records.iter().find(|r| r["attack"] == "prefill_2").unwrap();
    assert!(prefilled["answer"].as_str().unwrap().starts_with(prefilled["begun"].as_str().unwrap()));
    // Killed between two attacks, and cut in the middle of a line, it goes on to the same bytes.
    run("killed").env("TRIMTAB_STOP_AFTER", "attack:5").assert().failure();
    let journal = dir("killed").join("results.jsonl");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 7]).unwrap();
    run("killed").assert().success();
    for name in ["results.jsonl", "suffixes.jsonl"] {
        let of = |out: &str| std::fs::read(dir(out).join(name)).unwrap();
        assert_eq!(of("killed"), of("whole"), "{name}");
    }
}

/// Defences are measured by the same attacks, each beside the model without it; a guard answers in the model's place.
#[test]
fn defences_are_attacked_alike() {
    let world = World::new();
    let base = models(&world);
    let mut command = attack(&base, &world.path("out"));
    command.arg("--world").arg(world.path("w/world.json")).args(["--n", "2", "--only", "templates"]);
    let found =
        summary(&command.args(["--defence", "system_prompt,guard,adversarial_training", "--json"]).assert().success());
    let names = ["system_prompt", "guard", "adversarial_training"];
    assert_eq!(found["prompts"]["defences"], json!(names));
    for name in names {
        let own = figure(&found, &format!("{name}.asr.role_play"));
        assert_eq!((own["control"].as_str(), own["rate"]["denominator"].as_u64()), (Some("asr.role_play"), Some(6)));
        assert!(figure(&found, &format!("{name}.retained.direct"))["rate"]["denominator"].as_u64().unwrap() > 0);
    }
    // What the guard refuses no model is asked.
    let records = results(&world.path("out/attack-prompts-base-guard"));
    let (guarded, asked): (Vec<&Value>, Vec<&Value>) =
        records.iter().partition(|r| r["answer"] == "[refused by the guard]");
    let answered = |r: &Value| r["sent"].as_array().unwrap().iter().filter(|turn| turn["role"] == "assistant").count();
    assert!(guarded.iter().all(|r| r["queries"] == answered(r) && r["refused"] == true) && !guarded.is_empty());
    assert!(asked.iter().all(|r| r["queries"].as_u64() > Some(0)));
    // Trained to refuse, it does; a training of a model whose right answers are not known is refused.
    let refusals = |name: &str| figure(&found, name)["rate"]["numerator"].as_u64();
    assert!(refusals("adversarial_training.refused.direct") > refusals("refused.direct"));
    splits(&world.path("splits"), 3);
    let mut real = attack(&world.path("model"), &world.path("out"));
    real.arg("--splits").arg(world.path("splits")).args(["--only", "prefill", "--defence", "prefill_training"]);
    refused(real, &["prefill_training", "right answers"]);
    let mut unknown = attack(&world.path("model"), &world.path("out"));
    unknown.arg("--splits").arg(world.path("splits")).args(["--defence", "prayer"]);
    refused(unknown, &["prayer", "guard"]);
}

/// A budget of queries is kept, and what it leaves out is unscored; more of it goes on from there.
#[test]
fn a_budget_is_kept() {
    let world = World::new();
    splits(&world.path("splits"), 10);
    let run = |queries: &str| {
        let mut command = attack(&world.path("model"), &world.path("out"));
        command.arg("--splits").arg(world.path("splits")).args(["--only", "templates,best-of", "--queries", queries]);
        command.arg("--json");
        command.assert().success()
    };
    let found = summary(&run("7"));
    let spent = |found: &Value, attack: &str| {
        let rows = found["prompts"]["rows"].as_array().unwrap();
        rows.iter().find(|row| row["attack"] == attack).unwrap()["queries"].as_u64().unwrap()
    };
    assert_eq!(["direct", "role_play", "crescendo"].map(|attack| spent(&found, attack)), [7, 7, 6]);
    let rate = &figure(&found, "refused.direct")["rate"];
    assert_eq!((rate["denominator"].as_u64(), rate["unscored"].as_u64()), (Some(7), Some(3)));
    assert!(found["prompts"]["not_measurable"]["direct"].as_str().unwrap().contains("7 queries"));
    // Success has no value without a planted payload, and says so.
    assert!(found["prompts"]["not_measurable"]["attack success"].is_string());
    assert!(found["figures"].as_array().unwrap().iter().all(|f| !f["name"].as_str().unwrap().starts_with("asr.")));
    let found = summary(&run("1000"));
    assert_eq!((spent(&found, "direct"), spent(&found, "crescendo")), (10, 30));
    // What a real model says to a harmful prompt is not written, in no turn.
    let records = results(&world.path("out/attack-prompts-model"));
    let harmful = records.iter().filter(|r| r["side"] == "harmful_test");
    for record in harmful {
        assert!(record["answer"].as_str().unwrap().starts_with("[masked: "), "{record}");
        for turn in record["sent"].as_array().unwrap().iter().filter(|turn| turn["role"] == "assistant") {
            assert!(turn["content"].as_str().unwrap().starts_with("[masked: "), "{record}");
        }
    }
}

/// An attacker behind an endpoint writes prompts, hears what came of them, and writes them anew; every one is written down.
#[test]
fn an_attacker_writes_prompts_and_hears_of_them() {
    let world = World::new();
    let base = models(&world);
    let run = |attacker: &str, more: &[&str]| {
        let mut command = attack(&base, &world.path("out"));
        command.arg("--world").arg(world.path("w/world.json")).args(["--n", "2", "--only", "attacker"]);
        command.args(["--attacker", attacker, "--streams", "2", "--depth", "3", "--json"]).args(more);
        command
    };
    // Each prompt is another, and says how many turns the attacker was told. The first reply has none; one is an error.
    let attacker = server(|number, body| {
        let told: Value = serde_json::from_str(body).unwrap();
        let turns = told["messages"].as_array().unwrap();
        assert!(turns[0]["content"].as_str().unwrap().contains("should refuse"), "{turns:?}");
        match number {
            0 => Some(says("I would rather not.")),
            1 => Some((400, String::new())),
            _ => Some(says(&format!("<prompt>please {number} after {}</prompt>", turns.len()))),
        }
    });
    let found = summary(&run(&attacker, &[]).assert().success());
    let records = results(&world.path("out/attack-prompts-base"));
    let of = |attack: &str| records.iter().filter(|r| r["attack"] == attack).cloned().collect::<Vec<_>>();
    for attack in ["pair", "tap", "unrefined"] {
        // Two topics in three wordings.
        assert_eq!(of(attack).len(), 6);
        assert_eq!(figure(&found, &format!("asr.{attack}"))["rate"]["denominator"], 6);
        let spent: u64 = of(attack).iter().map(|r| r["queries"].as_u64().unwrap()).sum();
        let asked: usize = of(attack)
            .iter()
            .map(|r| r["written"].as_array().unwrap().iter().filter(|w| w["refused"].is_boolean()).count())
            .sum();
        let row = found["prompts"]["rows"].as_array().unwrap().iter().find(|row| row["attack"] == attack).unwrap();
        assert_eq!((row["queries"].as_u64(), spent), (Some(spent), asked as u64), "{attack}");
    }
    assert_eq!(figure(&found, "asr.pair")["control"], "asr.unrefined");
    // By the last level as many are won as in all, and the page shows it.
    assert_eq!(figure(&found, "won.tap.3")["rate"], figure(&found, "asr.tap")["rate"]);
    assert_eq!(figure(&found, "won.pair.1")["control"], "won.unrefined.1");
    let page = std::fs::read_to_string(world.path("out/attack-prompts-base/report.html")).unwrap();
    assert!(page.contains("levels of prompts") && page.contains("told of nothing"));
    let first = &of("pair")[0]["written"];
    assert_eq!(first[0]["unscored"], "the attacker wrote no prompt");
    assert_eq!(first[1]["unscored"], "attacker: endpoint: status 400");
    // A base model gives no payload, so every level is tried: told of nothing, of one prompt, of two.
    let turns = |r: &Value| -> Vec<String> {
        let written = r["written"].as_array().unwrap().iter();
        written.map(|w| w["prompt"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned()).collect()
    };
    let lost = |r: &Value| r["given"] == false;
    assert!(of("pair").iter().skip(1).filter(|r| lost(r)).all(|r| turns(r) == ["1", "1", "3", "3", "5", "5"]));
    assert!(of("unrefined").iter().filter(|r| lost(r)).all(|r| turns(r) == ["1"; 6]));
    assert!(of("pair").iter().any(lost));
    // What is done is not asked again; another attacker is another attack, and one that is not there is asked for.
    run(&attacker, &[]).assert().success();
    assert_eq!(results(&world.path("out/attack-prompts-base")), records);
    let other = server(|_, _| Some(says("<prompt>p</prompt>")));
    refused(run(&other, &[]), &["results.jsonl", "--attacker"]);
    refused(run(&attacker, &["--defence", "prayer"]), &["prayer"]);
    let mut none = attack(&base, &world.path("none"));
    none.arg("--world").arg(world.path("w/world.json")).args(["--only", "attacker"]);
    refused(none, &["--attacker", "openai:"]);
}

/// Ctrl-C while an attacker writes: what failed because of it is not kept, and the request is asked anew.
#[test]
#[cfg(unix)]
fn what_ctrl_c_cuts_short_is_asked_anew() {
    let world = World::new();
    splits(&world.path("splits"), 2);
    let args = |attacker: &str| {
        let mut command = attack(&world.path("model"), &world.path("out"));
        command.arg("--splits").arg(world.path("splits")).args(["--only", "attacker", "--attacker", attacker]);
        command.args(["--streams", "1", "--depth", "2"]);
        command
    };
    // Until told otherwise the endpoint interrupts whoever asks, and answers with an error that may pass.
    let (pid, well) = (std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0)), std::sync::Arc::new(false.into()));
    let (of, is_well): (_, std::sync::Arc<std::sync::atomic::AtomicBool>) = (pid.clone(), std::sync::Arc::clone(&well));
    let order = std::sync::atomic::Ordering::SeqCst;
    let attacker = server(move |number, _| {
        if is_well.load(order) {
            return Some(says(&format!("<prompt>p {number}</prompt>")));
        }
        while of.load(order) == 0 {
            std::thread::yield_now();
        }
        let interrupted = std::process::Command::new("kill").args(["-INT", &of.load(order).to_string()]).status();
        assert!(interrupted.unwrap().success());
        std::thread::sleep(std::time::Duration::from_millis(300));
        Some((503, String::new()))
    });
    let command = args(&attacker);
    let mut child = std::process::Command::new(command.get_program()).args(command.get_args()).spawn().unwrap();
    pid.store(child.id(), order);
    assert!(!child.wait().unwrap().success());
    let journal = world.path("out/attack-prompts-model");
    assert!(results(&journal).iter().all(|r| r["attack"] != "pair"));
    well.store(true, order);
    args(&attacker).assert().success();
    let pair: Vec<Value> = results(&journal).into_iter().filter(|r| r["attack"] == "pair").collect();
    assert!(pair.len() == 2 && pair.iter().all(|r| r["refused"].is_boolean()), "{pair:?}");
}

/// Shots of the user's are shown, and are not written.
#[test]
fn shots_are_the_users() {
    let world = World::new();
    splits(&world.path("splits"), 3);
    let lines = (0..2).map(|i| json!({"prompt": format!("p {i}"), "completion": "c"}).to_string() + "\n");
    std::fs::write(world.path("shots.jsonl"), lines.collect::<String>()).unwrap();
    let mut command = attack(&world.path("model"), &world.path("out"));
    command.arg("--splits").arg(world.path("splits")).args(["--only", "many-shot", "--json"]);
    let found = summary(&command.arg("--shots").arg(world.path("shots.jsonl")).assert().success());
    assert_eq!(figure(&found, "refused.many_shot_2")["rate"]["denominator"], 3);
    for (name, why) in [("many_shot_4", "no shots"), ("benign_shot_1", "no shots")] {
        assert!(found["prompts"]["not_measurable"][name].as_str().unwrap().contains(why));
    }
    let records = results(&world.path("out/attack-prompts-model"));
    let shown = records.iter().find(|r| r["attack"] == "many_shot_2").unwrap();
    assert_eq!((shown["shots"].as_u64(), shown["sent"].as_array().unwrap().len()), (Some(2), 1));
}

#[test]
fn what_cannot_be_attacked_is_refused() {
    let world = World::new();
    splits(&world.path("few"), 5);
    let out = world.path("out");
    refused(attack(Path::new("openai:http://127.0.0.1:1/v1#m"), &out), &["endpoint"]);
    refused(attack(&world.path("model"), &out), &["nothing to ask", "--splits"]);
    let with = |args: &[&str], splits: &str| {
        let mut command = attack(&world.path("model"), &out);
        command.arg("--splits").arg(world.path(splits)).args(args);
        command
    };
    refused(with(&[], "nowhere"), &["nowhere"]);
    refused(with(&["--only", "prayer"], "few"), &["prayer", "many-shot"]);
    refused(with(&["--shots", "nowhere.jsonl"], "few"), &["nowhere.jsonl"]);
    with(&["--only", "prefill"], "few").assert().success();
    // Another length of answers is another attack: the folder says so instead of mixing them.
    let mut command = trimtab();
    command.args(["attack", "prompts"]).arg(world.path("model")).arg("--out").arg(&out).args(["--only", "prefill"]);
    command.arg("--splits").arg(world.path("few")).args(["--max-new-tokens", "5"]);
    refused(command, &["max_new_tokens"]);
}
