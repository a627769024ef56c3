//! `trimtab report RUN` and `trimtab compare RUN RUN`.

use super::print_json;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use trimtab_report::Run;
use trimtab_run::write_atomic;

/// A run to report on.
#[derive(Debug, Args)]
pub struct Report {
    /// The run folder, as in runs/NAME, or the folder of `trimtab oversee ladder` or `oversee reward`.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Where the page goes; RUN/report.html if not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where it is, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Two runs to compare.
#[derive(Debug, Args)]
pub struct Compare {
    /// The run that differences are counted from.
    #[arg(value_name = "RUN")]
    pub first: PathBuf,
    /// The other run.
    #[arg(value_name = "RUN")]
    pub second: PathBuf,
    /// Where the page goes.
    #[arg(long, value_name = "FILE", default_value = "compare.html")]
    pub out: PathBuf,
    /// Where it is, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Writes the report of a run and prints where it is.
pub fn report(args: &Report) -> Result<()> {
    let page = match trimtab_report::oversight_of(&args.run)? {
        Some(page) => page,
        None => trimtab_report::report(&Run::load(&args.run)?),
    };
    write(&args.out.clone().unwrap_or_else(|| args.run.join("report.html")), &page, args.json)
}

/// Writes the comparison of two runs and prints where it is.
pub fn compare(args: &Compare) -> Result<()> {
    write(&args.out, &trimtab_report::compare(&Run::load(&args.first)?, &Run::load(&args.second)?), args.json)
}

fn write(path: &Path, page: &str, as_json: bool) -> Result<()> {
    write_atomic(path, page.as_bytes())?;
    if as_json {
        return print_json(&json!({"page": path}));
    }
    Ok(writeln!(std::io::stdout(), "{}", path.display())?)
}
