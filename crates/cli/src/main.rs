//! The `trimtab` binary: commands, exit codes, and the one thread pool.

mod base_model;
mod commands;
mod crowd;
mod failure;
mod fetch;
mod next;
mod people_run;
mod pipeline;
mod press;
mod schema;
mod settings;
mod simulate;
mod sweep;
mod world_run;

use clap::Parser;
use commands::Command;
use failure::report;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// Takes a language model through the whole alignment loop and measures what that loop gets wrong.
///
/// Exit codes: 0 done, 1 a threshold failed, 2 something to mend on your side, 3 something to mend on ours,
/// 130 interrupted (the same command continues).
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads to compute with; 0 takes every core.
    #[arg(long, global = true, default_value_t = 0, env = "TRIMTAB_THREADS", value_name = "N")]
    threads: usize,
    /// No progress on standard error.
    #[arg(long, global = true)]
    quiet: bool,
}

fn main() -> ExitCode {
    failure::install_panic_hook();
    // A closed pipe (`trimtab score … | head`) ends us quietly, as it does other tools, instead of as an error.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(cli.threads).build() {
        Ok(pool) => pool,
        Err(e) => return report(&anyhow::anyhow!("--threads {}: {e}", cli.threads)),
    };
    // Inside the pool, so that a parallel loop starts without waking a thread to start it.
    let run = || pool.install(|| commands::run(&cli.command, cli.quiet));
    match std::panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(e)) => report(&e),
        // The hook has said what happened.
        Err(_) => ExitCode::from(failure::INTERNAL),
    }
}
