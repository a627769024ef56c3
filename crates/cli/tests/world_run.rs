//! The default run through the binary, on a world small enough for a test: whole, repeated, killed and continued.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::{SMALL, files, small_run as run, trimtab};
use std::collections::BTreeSet;

#[test]
fn the_default_run_is_whole_and_repeats_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "first", "cache").assert().success();
    let first = files(&dir.path().join("first/world"));
    let read = |name: &str| {
        let (_, bytes) = first.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8_lossy(bytes).into_owned()
    };
    assert!(read("report.html").ends_with("</html>\n"));
    let checkpoints: BTreeSet<String> = read("evaluation/items.jsonl")
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["checkpoint"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(checkpoints.into_iter().collect::<Vec<_>>(), ["base", "ppo", "ppo_ptx", "sft"]);
    assert!(read("evaluation/planted.json").contains("switch_weight"));
    assert!(read("ppo-plain/metrics.jsonl").contains("ppo.ptx is 0"), "the control has no next-token term");
    assert!(!read("ppo/metrics.jsonl").contains("ppo.ptx is 0"));

    // From the cached base model, and from none.
    for (runs, cache) in [("second", "cache"), ("third", "other-cache")] {
        run(dir.path(), runs, cache).assert().success();
        let again = files(&dir.path().join(runs).join("world"));
        for ((name, bytes), (other, others)) in first.iter().zip(&again) {
            assert!(name == other && bytes == others, "{runs}: {name} differs");
        }
        assert_eq!(first.len(), again.len());
    }

    for moment in ["base:3", "sft:1", "ppo-plain:1", "ppo:1"] {
        let killed = run(dir.path(), "cut", "cut-cache").env("TRIMTAB_STOP_AFTER", moment).assert().failure();
        assert_eq!(killed.get_output().status.code(), Some(137), "{moment}");
    }
    run(dir.path(), "cut", "cut-cache").assert().success();
    for ((name, bytes), (other, others)) in first.iter().zip(&files(&dir.path().join("cut/world"))) {
        assert!(name == other && bytes == others, "after kills {name} differs");
    }

    // The audits of a stage find the run's own world, write into its folder, and come into its report.
    let run = dir.path().join("first/world");
    let audit = |args: &[&str]| {
        let mut command = trimtab();
        command.env("TRIMTAB_CACHE", dir.path().join("cache")).arg("audit").args(args).assert().success();
    };
    let stage = format!("{}:ppo", run.display());
    audit(&[&stage, "--only", "awareness,scheming", "--n", "2"]);
    audit(&["feedback", &run.display().to_string()]);
    trimtab().arg("report").arg(&run).assert().success();
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for part in ["Detection and behaviour", "compliance_gap.drawn", "trigger.same.likely", "false_claim.preferred"] {
        assert!(page.contains(part), "{part}");
    }
    let refused = trimtab().args(["audit", "feedback"]).arg(dir.path()).assert().failure().code(2);
    let text = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(text.contains("no rankings") && text.contains("try: "), "{text}");
}

#[test]
fn settings_of_a_world_that_cannot_be_right_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (setting, says) in [
        ("world.entities=0", "entities"),
        ("pretrain.size=7T", "7T"),
        ("people.overlap=0", "overlap"),
        ("people.kinds.x.skill=1.5", "people.kinds.x.skill"),
        ("world.entitys=4", "entitys"),
        ("evaluation.items=0", "evaluation.items"),
        ("evaluation.tasks=0", "evaluation.tasks"),
        ("evaluation.comparisons=[250, 3]", "evaluation.comparisons"),
        ("extends=\"town\"", "extends"),
        ("data.corpus=x.txt", "data"),
        ("people.agreement=1e9", "people.agreement"),
    ] {
        let failed = run(dir.path(), "bad", "cache").args(["--set", setting]).assert().failure().code(2);
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        assert!(text.contains(says) && text.contains("try: "), "{setting}:\n{text}");
        assert!(!dir.path().join("bad/world/world/world.json").exists(), "{setting}: nothing is begun");
    }
}

/// `trimtab ppo` again with other settings needs what PPO is made from, and not the control that was trained with the old ones.
#[test]
fn ppo_alone_does_not_ask_for_its_control_again() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "runs", "cache").assert().success();
    let mut ppo = trimtab();
    ppo.arg("ppo").arg("--runs").arg(dir.path().join("runs")).env("TRIMTAB_CACHE", dir.path().join("cache"));
    for setting in SMALL.into_iter().chain(["ppo.beta=0.5", "ppo.ptx=0"]) {
        ppo.args(["--set", setting]);
    }
    ppo.assert().success();
    let metrics = std::fs::read_to_string(dir.path().join("runs/world/ppo/metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"gold\"") && metrics.contains("ppo.ptx is 0"));
}

/// A sweep makes a run for each value and seed, takes over what the setting does not touch, and does nothing twice.
#[test]
fn a_sweep_shares_what_its_setting_does_not_touch() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sweep.toml");
    let sections = "extends = \"world\"\nname = \"dial\"\n[sweep]\nkey = \"people.overlap\"\nvalues = [1.0, 3.0]\nseeds = [1, 2]\n";
    std::fs::write(&config, sections).unwrap();
    let sweep = || {
        let mut command = trimtab();
        command.arg("run").arg("--config").arg(&config).arg("--runs").arg(dir.path().join("runs"));
        command.env("TRIMTAB_CACHE", dir.path().join("cache"));
        for setting in
            SMALL.into_iter().chain(["evaluation.control=false", "evaluation.comparisons=[]", "evaluation.tasks=1"])
        {
            command.args(["--set", setting]);
        }
        command
    };
    sweep().assert().success();
    let all = dir.path().join("runs/dial");
    let page = std::fs::read_to_string(all.join("sweep.html")).unwrap();
    let metrics = std::fs::read_to_string(all.join("metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"chain/policy/1\"") && metrics.contains("\"switch/predicted\""), "{metrics}");
    assert!(page.contains("people.overlap") && page.ends_with("</html>\n"));
    let asked = std::fs::read_to_string(all.join("seed-1/1/evaluation/items.jsonl")).unwrap();
    let sums = asked.lines().filter(|line| line.contains("\"sft\"") && line.contains("skill/count/1/")).count();
    assert_eq!(sums, 1, "evaluation.tasks=1 leaves one of each difficulty");
    // What the reward model is asked about the pairs that people ranked, in both parts, or why it is not.
    let evaluation = std::fs::read_to_string(all.join("seed-1/1/evaluation/metrics.jsonl")).unwrap();
    assert!(evaluation.contains("reward_prefers_belief/ranked_learned"), "{evaluation}");
    assert!(evaluation.contains("reward_prefers_belief/ranked_held_out"), "{evaluation}");
    assert!(page.contains("reward model, ranked") && page.contains("reward model, new"));
    for seed in ["seed-1", "seed-2"] {
        let read = |value: &str, file: &str| std::fs::read(all.join(seed).join(value).join(file)).unwrap();
        assert_eq!(read("1", "sample/samples.jsonl"), read("3", "sample/samples.jsonl"));
        assert!(read("1", "rank/rankings.jsonl") != read("3", "rank/rankings.jsonl"));
        assert!(!all.join(seed).join("1/ppo-plain").exists(), "the control was not asked for");
    }
    let before = files(&all);
    sweep().assert().success();
    for ((name, bytes), (other, others)) in before.iter().zip(&files(&all)) {
        assert!(name == other && bytes == others, "the second time {name} differs");
    }
    let bad = sweep().args(["--set", "sweep.values=[-1.0]"]).assert().failure().code(2);
    assert!(String::from_utf8_lossy(&bad.get_output().stderr).contains("sweep"));
}
