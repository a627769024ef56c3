//! Reading what `cargo test -- --show-output` prints: counts, names of failures, and tests that skipped themselves.
//!
//! A test that cannot run here (no network, no Python, no data) prints `skipped: NAME: reason` and returns, so that
//! libtest counts it as passed. Its output names it, and it is moved from the passed to the skipped.

use std::collections::BTreeMap;

/// What a run of tests came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    /// Names of the failed tests, or of the steps that failed otherwise.
    pub failed: Vec<String>,
    /// Name and reason of each test that did not run.
    pub skipped: Vec<(String, String)>,
}

impl Tally {
    /// Adds another step's figures.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }

    /// One check that is not a libtest test.
    pub fn check(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed.push(name.to_owned());
        }
    }

    /// Reads the standard output of one `cargo test … -- --show-output`, all its binaries one after the other.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut tally = Self::default();
        // The test whose captured output is being read, and for each such test its reasons.
        let mut speaking: Option<String> = None;
        let mut silent: BTreeMap<String, String> = BTreeMap::new();
        let mut in_failures = false;
        for line in lines {
            if let Some(rest) = line.strip_prefix("test result: ") {
                let count = |word: &str| {
                    let found = rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word));
                    found.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(0)
                };
                tally.passed += count("passed").saturating_sub(silent.len());
                tally.skipped.extend(std::mem::take(&mut silent));
                (speaking, in_failures) = (None, false);
            } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
                speaking = Some(name.to_owned());
            } else if line == "successes:" || line == "failures:" {
                in_failures = line == "failures:";
                speaking = None;
            } else if let (Some(name), false) = (&speaking, in_failures) {
                if let Some((shown, reason)) =
                    line.trim().strip_prefix("skipped: ").and_then(|rest| rest.split_once(": "))
                {
                    let entry = silent.entry(name.clone()).or_default();
                    let reason = if name.ends_with(shown) { reason.to_owned() } else { format!("{shown}: {reason}") };
                    *entry = if entry.is_empty() { reason } else { format!("{entry}; {reason}") };
                }
            } else if let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            {
                if verdict == "FAILED" {
                    tally.failed.push(name.to_owned());
                } else if let Some(reason) = verdict.strip_prefix("ignored") {
                    let reason = reason.trim_start_matches(", ");
                    let reason = if reason.is_empty() { "marked #[ignore]" } else { reason };
                    tally.skipped.push((name.to_owned(), reason.to_owned()));
                }
            }
        }
        tally
    }
}

/// Which lines of such an output are worth showing: not the list of passed tests, and not what they printed.
#[derive(Default)]
pub struct Screen {
    hidden: bool,
}

impl Screen {
    /// Whether to show the next line.
    pub fn shows(&mut self, line: &str) -> bool {
        if line == "successes:" {
            self.hidden = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.hidden = false;
        }
        let dull =
            line.is_empty() || line.starts_with("running ") || line.starts_with("test ") && line.ends_with(" ok");
        let nothing = line.starts_with("test result: ok. 0 passed; 0 failed; 0 ignored");
        !self.hidden && !dull && !nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 5 tests
test a::plain ... ok
test a::slow ... ignored, takes an hour
test a::needs_model ... ok
test a::talks ... ok
test a::wrong ... FAILED

successes:

---- a::needs_model stdout ----
skipped: needs_model: TRIMTAB_SMOLLM2_GGUF is not set

---- a::talks stdout ----
test a::fake ... FAILED
nothing to see

successes:
    a::needs_model
    a::plain
    a::talks

failures:

---- a::wrong stdout ----
skipped: wrong: printed before it failed
thread panicked

failures:
    a::wrong

test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s


running 1 test
test crates/x/src/lib.rs - f (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    #[test]
    fn a_test_that_skipped_itself_is_not_counted_as_passed() {
        let tally = Tally::read(OUTPUT.lines());
        assert_eq!(tally.passed, 3);
        assert_eq!(tally.failed, ["a::wrong"]);
        let slow = ("a::slow".to_owned(), "takes an hour".to_owned());
        let model = ("a::needs_model".to_owned(), "TRIMTAB_SMOLLM2_GGUF is not set".to_owned());
        assert_eq!(tally.skipped, [slow, model]);
    }

    #[test]
    fn failures_are_shown_and_successes_are_not() {
        let mut screen = Screen::default();
        let shown: Vec<&str> = OUTPUT.lines().filter(|line| screen.shows(line)).collect();
        assert!(shown.contains(&"thread panicked") && shown.contains(&"test a::wrong ... FAILED"));
        assert!(!shown.contains(&"nothing to see") && !shown.contains(&"test a::plain ... ok"));
    }
}
