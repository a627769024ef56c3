//! What holds when processes really die: killed in the middle of a save, out of room, interrupted from outside.
//!
//! Each test starts this test binary again as a child that runs one of the `child_*` functions.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // a test file: helpers may end a test like any assertion

use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};
use trimtab_run::{Checkpointer, Error, Metrics, RunFolder, interrupt, stream, write_atomic};

/// Where a child works; unset in the parent, and then the `child_*` tests return at once.
const ROOM: &str = "TRIMTAB_TEST_ROOM";

fn room() -> Option<PathBuf> {
    std::env::var_os(ROOM).map(PathBuf::from)
}

fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ROOM, dir).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}

const FILES: usize = 4;

/// Content that tells its step, long enough that a kill lands inside a write now and then.
fn content(step: u64) -> Vec<u8> {
    step.to_le_bytes().repeat(50_000)
}

#[test]
fn child_saves_for_ever() {
    let Some(dir) = room() else { return };
    let c = Checkpointer::new(&dir);
    let first = c.load_latest().unwrap().map_or(0, |(step, ..)| step);
    for step in first + 1.. {
        let bytes = content(step);
        let files: [(&str, &[u8]); FILES] = ["a", "b", "c", "d"].map(|name| (name, bytes.as_slice()));
        c.save(step, &json!(step), &files).unwrap();
    }
}

/// Law: kill -9 at any moment leaves a state whose files all belong to one step, and steps never go back.
#[test]
fn killed_while_saving() {
    let dir = tempfile::tempdir().unwrap();
    let c = Checkpointer::new(dir.path());
    let mut last = 0;
    for round in 0..12 {
        let mut saver: Child = child("child_saves_for_ever", dir.path()).spawn().unwrap();
        wait_until("the child has saved", || c.load_latest().ok().flatten().is_some_and(|(step, ..)| step > last));
        sleep(Duration::from_micros(stream(1, "kill", round, 0).below(30_000)));
        saver.kill().unwrap();
        saver.wait().unwrap();
        let (step, folder, extra) = c.load_latest().unwrap().unwrap();
        assert!(step > last, "step {step} after {last}");
        assert_eq!(extra, json!(step));
        for name in ["a", "b", "c", "d"] {
            assert!(fs::read(folder.join(name)).unwrap() == content(step), "file {name} is not of step {step}");
        }
        last = step;
    }
}

/// A stage of `TRAIN_STEPS` steps with a state, a metric a step and a checkpoint every third; true when it got through.
const TRAIN_STEPS: u64 = 10;

fn small_run(dir: &Path) -> Result<bool, Error> {
    let mut run = RunFolder::open_or_create(dir, &json!({"steps": TRAIN_STEPS}), 5, "0.1.0")?;
    if run.is_done("sft", "h") {
        return Ok(true);
    }
    let stage = run.begin("sft", "h", &[])?;
    let c = Checkpointer::new(&stage);
    let (mut step, mut weight, bytes) = match c.load_latest()? {
        Some((step, folder, extra)) => {
            let bits = fs::read(folder.join("weight")).unwrap().try_into().unwrap();
            (step, f64::from_bits(u64::from_le_bytes(bits)), extra["metrics"].as_u64().unwrap())
        }
        None => (0, 0.0, 0),
    };
    let mut metrics = Metrics::resume(&stage.join("metrics.jsonl"), bytes)?;
    while step < TRAIN_STEPS {
        weight += stream(5, "sft", step, 0).normal();
        metrics.log("sft", step, "weight", weight)?;
        step += 1;
        interrupt::stop_point("sft", step);
        if step % 3 == 0 || interrupt::requested() {
            let extra = json!({"metrics": metrics.len()?});
            c.save(step, &extra, &[("weight", &weight.to_bits().to_le_bytes())])?;
        }
        if interrupt::requested() {
            return Ok(false);
        }
        if std::env::var_os("TRIMTAB_TEST_SLOW").is_some() {
            sleep(Duration::from_millis(100));
        }
    }
    let out = stage.join("weight");
    write_atomic(&out, &weight.to_bits().to_le_bytes())?;
    interrupt::stop_point("sft", TRAIN_STEPS + 1);
    run.finish("sft", &[], &[out, stage.join("metrics.jsonl")], [("dropped".to_owned(), 0)].into())?;
    Ok(true)
}

#[test]
fn child_runs_a_stage() {
    let Some(dir) = room() else { return };
    interrupt::install().unwrap();
    if !small_run(&dir).unwrap() {
        std::process::exit(interrupt::EXIT_CODE);
    }
}

/// Every file under a folder with its content.
fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(everything(&path).into_iter().map(|(p, b)| (Path::new(path.file_name().unwrap()).join(p), b)));
        } else {
            out.push((path.file_name().unwrap().into(), fs::read(&path).unwrap()));
        }
    }
    out.sort();
    out
}

/// Law: killed at any step and continued, a run ends with the same bytes in every file.
#[test]
fn killed_and_continued_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    assert!(small_run(&whole).unwrap());
    for stop in 1..=TRAIN_STEPS + 1 {
        let path = dir.path().join(format!("killed-{stop}"));
        let killed =
            child("child_runs_a_stage", &path).env("TRIMTAB_STOP_AFTER", format!("sft:{stop}")).status().unwrap();
        assert_eq!(killed.code(), Some(137));
        assert!(small_run(&path).unwrap());
        assert_eq!(everything(&path), everything(&whole), "killed at step {stop}");
    }
}

/// The first signal ends the run with a checkpoint and code 130; the same command then continues to the same bytes.
#[test]
fn interrupted_and_continued_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, path) = (dir.path().join("whole"), dir.path().join("interrupted"));
    assert!(small_run(&whole).unwrap());
    let mut running = child("child_runs_a_stage", &path).env("TRIMTAB_TEST_SLOW", "1").spawn().unwrap();
    let metrics = path.join("sft/metrics.jsonl");
    wait_until("the child has begun", || fs::metadata(&metrics).is_ok_and(|m| m.len() > 0));
    let sent = Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(path.join("sft/state.json").exists());
    assert!(small_run(&path).unwrap());
    assert_eq!(everything(&path), everything(&whole));
}

#[test]
fn child_fills_the_disk() {
    let Some(dir) = room() else { return };
    let small = Checkpointer::new(&dir);
    small.save(1, &json!(null), &[("a", b"small")]).unwrap();
    write_atomic(&dir.join("result"), b"old").unwrap();
    let big = vec![1; 1 << 20];
    let messages = [
        write_atomic(&dir.join("result"), &big).unwrap_err().to_string(),
        small.save(2, &json!(null), &[("a", &big)]).unwrap_err().to_string(),
    ];
    fs::write(dir.join("messages"), messages.join("\n---\n")).unwrap();
}

/// Out of room (here: a limit on file sizes), writes fail with advice, the old content stands, and nothing is left over.
#[test]
fn out_of_room() {
    let dir = tempfile::tempdir().unwrap();
    // With SIGXFSZ ignored, the limit of 64 blocks gives an error instead of a signal.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_fills_the_disk";
    let ran = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(ROOM, dir.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    let messages = fs::read_to_string(dir.path().join("messages")).unwrap();
    assert_eq!(messages.matches("expected room on the disk").count(), 2, "{messages}");
    assert_eq!(fs::read(dir.path().join("result")).unwrap(), b"old");
    let (step, folder, _) = Checkpointer::new(dir.path()).load_latest().unwrap().unwrap();
    assert_eq!((step, fs::read(folder.join("a")).unwrap().as_slice()), (1, b"small".as_slice()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "messages, result, state.json, state-1");
}

/// A run that another live process holds is refused; once that process is killed, the run opens.
#[test]
fn the_lock_dies_with_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut holder = child("child_runs_a_stage", &path).env("TRIMTAB_TEST_SLOW", "1").spawn().unwrap();
    wait_until("the child has begun", || path.join("sft/metrics.jsonl").exists());
    let refused = small_run(&path).unwrap_err();
    assert!(
        matches!(&refused, Error::Locked { holder: pid, .. } if pid.contains(&holder.id().to_string())),
        "{refused}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(small_run(&path).unwrap());
}
