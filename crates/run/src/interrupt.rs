//! Ctrl-C (and SIGTERM, SIGHUP) as a flag that stages look at between steps, so that a run ends with a checkpoint.

use crate::Error;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Exit code of an interrupted, resumable run.
pub const EXIT_CODE: i32 = 130;

/// Exit code of a process that was killed, as a shell reports it; see [`stop_point`].
const KILLED: i32 = 137;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static STOP_AFTER: OnceLock<Option<(String, u64)>> = OnceLock::new();

/// Installs the handler, unless an earlier call did: the first signal sets the flag, the second ends the process at once
/// with code 130.
///
/// # Errors
/// [`Error::Signal`] if a handler of somebody else's is there already; [`Error::StopAfter`] if TRIMTAB_STOP_AFTER is malformed.
pub fn install() -> Result<(), Error> {
    if let Ok(text) = std::env::var("TRIMTAB_STOP_AFTER") {
        parse_stop(&text).ok_or(Error::StopAfter(text))?;
    }
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
        eprintln!("\nstopping after this step; once more to stop at once (the last checkpoint stays)");
    })
    .map_err(|e| Error::Signal(e.to_string()))
}

/// Whether someone asked to stop: save a checkpoint, then end with [`EXIT_CODE`].
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Asks to stop, as the first Ctrl-C does.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// A moment at which tests may end the process as a kill would: nothing is flushed, no destructor runs.
///
/// Stages call it after each step, before the checkpoint of that step. It does nothing unless the environment variable
/// TRIMTAB_STOP_AFTER is `STAGE:STEP` and names this one.
pub fn stop_point(stage: &str, step: u64) {
    let stop = STOP_AFTER.get_or_init(|| std::env::var("TRIMTAB_STOP_AFTER").ok().as_deref().and_then(parse_stop));
    if stop.as_ref().is_some_and(|(s, n)| s == stage && *n == step) {
        std::process::exit(KILLED);
    }
}

fn parse_stop(text: &str) -> Option<(String, u64)> {
    let (stage, step) = text.split_once(':')?;
    (!stage.is_empty()).then_some((stage.to_owned(), step.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_points_are_stage_and_step() {
        assert_eq!(parse_stop("ppo:3"), Some(("ppo".to_owned(), 3)));
        for bad in ["", "ppo", ":3", "ppo:", "ppo:-1", "ppo:x", "3"] {
            assert_eq!(parse_stop(bad), None, "{bad}");
        }
    }
}
