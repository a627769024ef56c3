//! From an error to what a person reads and a script checks.

use std::io::ErrorKind;
use std::process::ExitCode;

/// A mistake in how the program was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Prints the error and gives the exit code: 2 for the user to mend, 3 for us, 130 for Ctrl-C, 0 for a closed pipe.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().filter_map(|e| e.downcast_ref::<std::io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(e) = cause.downcast_ref::<trimtab_alignment::Error>() {
            return match e {
                trimtab_alignment::Error::Interrupted { .. } => 130,
                e if e.is_user() => 2,
                _ => 3,
            };
        }
        let users = cause.is::<Usage>()
            || cause.is::<crate::fetch::Error>()
            || cause.is::<trimtab_text::Error>()
            || cause.is::<trimtab_people::Error>()
            || cause.is::<trimtab_run::Error>()
            || cause.is::<trimtab_engine::checkpoint::Error>()
            || cause.is::<trimtab_engine::batch::InputError>()
            || cause.is::<std::io::Error>();
        if users {
            return 2;
        }
    }
    3
}
