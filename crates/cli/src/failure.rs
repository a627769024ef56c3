//! From an error to what a person reads and a script checks.

use std::io::ErrorKind;
use std::process::ExitCode;

/// A mistake in how the program was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A gate that did not let a model pass.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Threshold(pub String);

/// The exit code of a mistake of ours.
pub const INTERNAL: u8 = 3;

/// A panic is a mistake of ours: one that ends the program says so as an error does, without a backtrace nobody asked for.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map_or_else(|| "an unknown place".into(), ToString::to_string);
        eprintln!(
            "error: internal error at {place}: {what}\n  expected this never to happen; what was saved is safe\n  try: the same command again, and report this message with it"
        );
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    trimtab_text::contain::keep_hook_silent();
}

/// Prints the error and gives the exit code: 1 for a threshold that failed, 2 for the user to mend, 3 for us, 130 for Ctrl-C, 0 for a closed pipe.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().filter_map(|e| e.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", said(error));
    ExitCode::from(code(error))
}

/// What an error and its causes say, each once: one that wraps another often says what that says.
fn said(error: &anyhow::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !said.last().is_some_and(|before| before.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Threshold>() {
            return 1;
        }
        if let Some(e) = cause.downcast_ref::<trimtab_alignment::Error>() {
            return match e {
                trimtab_alignment::Error::Interrupted { .. } => 130,
                e if e.is_user() => 2,
                _ => INTERNAL,
            };
        }
        let users = cause.is::<Usage>()
            || cause.is::<crate::fetch::Error>()
            || cause.is::<trimtab_oversight::Error>()
            || cause.is::<trimtab_text::Error>()
            || cause.is::<trimtab_people::Error>()
            || cause.is::<trimtab_people::service::decide::Refusal>()
            || cause.is::<trimtab_people::service::log::LogError>()
            || cause.is::<trimtab_report::Error>()
            || cause.is::<trimtab_run::Error>()
            || cause.is::<trimtab_world::Error>()
            || cause.is::<trimtab_engine::checkpoint::Error>()
            || cause.is::<trimtab_engine::batch::InputError>()
            || cause.is::<std::io::Error>();
        if users {
            return 2;
        }
    }
    INTERNAL
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: an error of a crate that wraps another's with its own words was printed twice.
    #[test]
    fn what_wraps_another_is_said_once() {
        let inner = || Usage("a.txt: cannot write\n  try: another folder".into());
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Wrapped(#[from] Usage);
        let once = "a.txt: cannot write\n  try: another folder";
        assert_eq!(said(&Wrapped(inner()).into()), once);
        assert_eq!(said(&anyhow::Error::from(Wrapped(inner())).context("the run")), format!("the run: {once}"));
    }
}
