//! A run killed at five different moments and continued ends with the same bytes as one that was not.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

mod common;
use common::{World, files};

#[test]
fn killed_five_times_and_continued_gives_the_same_bytes() {
    let world = World::new();
    world.command("run", "whole").assert().success();
    let want = files(&world.path("whole/tiny"));
    assert!(want.iter().any(|(name, _)| name == "ppo/checkpoint/model.safetensors"), "the run is whole");

    for moment in ["sft:3", "sample:1", "reward:2", "ppo:1", "ppo:3"] {
        world.command("run", "cut").env("TRIMTAB_STOP_AFTER", moment).assert().failure();
    }
    world.command("run", "cut").assert().success();
    let got = files(&world.path("cut/tiny"));
    let names = |f: &[(String, Vec<u8>)]| f.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&got), names(&want));
    for ((name, got), (_, want)) in got.iter().zip(&want) {
        assert!(got == want, "{name} differs between the cut run and the whole one");
    }
    // Again: nothing to do, nothing changed.
    world.command("run", "cut").assert().success();
    assert_eq!(files(&world.path("cut/tiny")), want);
}

#[test]
fn a_changed_setting_is_named_and_a_single_stage_may_be_run_again() {
    let world = World::new();
    world.command("run", "runs").assert().success();
    let changed = world.command("run", "runs").args(["--set", "ppo.ptx=0"]).assert().failure().code(2);
    let said = String::from_utf8(changed.get_output().stderr.clone()).unwrap();
    assert!(said.contains("ppo.ptx"), "{said}");
    let before = std::fs::read(world.path("runs/tiny/reward/metrics.jsonl")).unwrap();
    world.command("ppo", "runs").args(["--set", "ppo.ptx=0"]).assert().success();
    let metrics = std::fs::read_to_string(world.path("runs/tiny/ppo/metrics.jsonl")).unwrap();
    assert!(metrics.contains("ppo.ptx is 0"), "the ptx figures say why they are undefined");
    assert_eq!(before, std::fs::read(world.path("runs/tiny/reward/metrics.jsonl")).unwrap());
}

#[test]
fn a_stage_without_its_input_says_what_to_run() {
    let world = World::new();
    let failed = world.command("ppo", "runs").assert().failure().code(2);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    assert!(said.contains("stage sft has not been run") && said.contains("trimtab sft"), "{said}");
}
