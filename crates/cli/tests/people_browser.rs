//! The annotation pages in a real Chromium, driven by Playwright with keyboard and pointer, against the real service.
//!
//! The tests themselves are in `tests/browser`, in Python, since Playwright and axe are. Each of their names is said here.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use assert_cmd::cargo::cargo_bin;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn pytest(module: &str, test: &str) {
    let (Some(python), Some(chromium)) = (std::env::var_os("TRIMTAB_PYTHON"), chromium()) else {
        println!("skipped: {test}: a Python with playwright (TRIMTAB_PYTHON) and Chromium are wanted");
        return;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    if module == "test_pages" {
        let drawn = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "-p", "trimtab-people", "--example", "show_pages", "--"])
            .arg(&pages)
            .current_dir(here)
            .output();
        assert!(drawn.as_ref().is_ok_and(|output| output.status.success()), "{drawn:?}");
    }
    let mut tests = Command::new(python);
    tests
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(here.join("tests/browser").join(format!("{module}.py")))
        .env("TRIMTAB", cargo_bin("trimtab"))
        .env("PAGES", &pages)
        .env("CHROMIUM", chromium);
    // A browser that was told to close a context may never answer, after a test has passed, and nothing limits that wait. Such a
    // run says nothing of the pages, so it is begun once more; a test that fails is never repeated.
    let ended = ends_in_time(&mut tests).or_else(|| {
        println!("{test}: the browser did not answer for {LIMIT:?}; begun once more");
        ends_in_time(&mut tests)
    });
    let Some((success, text)) = ended else { panic!("{module}: twice no end within {LIMIT:?}") };
    if !success && text.trim_end().ends_with("No module named pytest") {
        println!("skipped: {test}: the Python at TRIMTAB_PYTHON has no pytest");
        return;
    }
    assert!(success, "{text}");
}

/// Longest that one module's tests may take; on two busy cores the longest takes two minutes.
const LIMIT: Duration = Duration::from_mins(5);

/// Whether the command succeeded, and what it printed; none where it was killed, with all that it had started, for taking too long.
fn ends_in_time(command: &mut Command) -> Option<(bool, String)> {
    let mut printed = tempfile::tempfile().unwrap();
    let begun = command.stdin(Stdio::null()).stdout(printed.try_clone().unwrap()).stderr(printed.try_clone().unwrap());
    let mut child = begun.process_group(0).spawn().unwrap();
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            printed.seek(SeekFrom::Start(0)).unwrap();
            printed.read_to_string(&mut text).unwrap();
            return Some((status.success(), text));
        }
        if since.elapsed() > LIMIT {
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-9", "--", &group]).status().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// CHROMIUM, or where Debian and others put it.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    named.into_iter().chain(known).find(|path| path.exists())
}

#[test]
fn every_page_is_accessible_fits_and_runs_no_hostile_text() {
    pytest("test_pages", "every_page_is_accessible_fits_and_runs_no_hostile_text");
}

#[test]
fn keys_clicks_and_drags_store_what_was_seen() {
    pytest("test_ranking", "keys_clicks_and_drags_store_what_was_seen");
}

#[test]
fn nothing_is_lost_and_nothing_stored_twice_in_the_browser() {
    pytest("test_saving", "nothing_is_lost_and_nothing_stored_twice_in_the_browser");
}

#[test]
fn the_pages_of_a_running_service_hold() {
    pytest("test_service", "the_pages_of_a_running_service_hold");
}
