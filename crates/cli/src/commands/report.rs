//! `trimtab report RUN` and `trimtab compare RUN RUN`.

use anyhow::Result;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use trimtab_report::Run;
use trimtab_run::write_atomic;

/// A run to report on.
#[derive(Debug, Args)]
pub struct Report {
    /// The run folder, as in runs/NAME.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Where the page goes; RUN/report.html if not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
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
}

/// Writes the report of a run and prints where it is.
pub fn report(args: &Report) -> Result<()> {
    let page = trimtab_report::report(&Run::load(&args.run)?);
    write(&args.out.clone().unwrap_or_else(|| args.run.join("report.html")), &page)
}

/// Writes the comparison of two runs and prints where it is.
pub fn compare(args: &Compare) -> Result<()> {
    write(&args.out, &trimtab_report::compare(&Run::load(&args.first)?, &Run::load(&args.second)?))
}

fn write(path: &Path, page: &str) -> Result<()> {
    write_atomic(path, page.as_bytes())?;
    Ok(writeln!(std::io::stdout(), "{}", path.display())?)
}
