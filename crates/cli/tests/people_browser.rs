//! The annotation pages in a real Chromium, driven by Playwright with keyboard and pointer, against the real service.
//!
//! The tests themselves are in `tests/browser`, in Python, since Playwright and axe are. Each of their names is said here.

#![cfg(unix)]

use assert_cmd::cargo::cargo_bin;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let output = Command::new(python)
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(here.join("tests/browser").join(format!("{module}.py")))
        .env("TRIMTAB", cargo_bin("trimtab"))
        .env("PAGES", &pages)
        .env("CHROMIUM", chromium)
        .output();
    let Ok(output) = output else { panic!("pytest could not be started: {output:?}") };
    let text = String::from_utf8_lossy(&output.stdout);
    if text.is_empty() && String::from_utf8_lossy(&output.stderr).contains("No module named pytest") {
        println!("skipped: {test}: the Python at TRIMTAB_PYTHON has no pytest");
        return;
    }
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
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
