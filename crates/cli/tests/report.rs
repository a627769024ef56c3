//! `trimtab report` and `trimtab compare` through the binary: where the page goes, and what a bad run is told.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use std::fs;
use std::path::Path;

fn trimtab() -> assert_cmd::Command {
    assert_cmd::Command::cargo_bin("trimtab").unwrap()
}

fn run(dir: &Path, loss: &str) {
    fs::create_dir_all(dir.join("sft")).unwrap();
    let line = format!("{{\"stage\":\"sft\",\"step\":0,\"name\":\"loss\",\"value\":{loss}}}\n");
    fs::write(dir.join("sft/metrics.jsonl"), line).unwrap();
}

#[test]
fn the_page_is_written_into_the_run_and_its_path_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    run(&a, "2.5");
    run(&b, "2.25");
    let out = trimtab().arg("report").arg(&a).assert().success();
    let printed = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert_eq!(Path::new(printed.trim_end()), a.join("report.html"));
    let page = fs::read_to_string(a.join("report.html")).unwrap();
    assert!(page.contains("2.5") && page.ends_with("</html>\n"));

    let both = dir.path().join("both.html");
    trimtab().arg("compare").args([&a, &b]).arg("--out").arg(&both).assert().success();
    assert!(fs::read_to_string(both).unwrap().contains("a and b"));
}

#[test]
fn a_bad_run_is_the_users_to_mend() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "\"high\"");
    for (path, says) in [(dir.path().to_owned(), "metrics.jsonl:1: "), (dir.path().join("none"), "no file of a run")] {
        let failed = trimtab().arg("report").arg(path).assert().failure().code(2);
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        for part in [says, "error: ", "expected", "try: "] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
