//! `trimtab audit rescore`: stored completions, judged again.

use anyhow::Result;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use trimtab_audit::judge::rescore::{Rescored, rescore};
use trimtab_report::rescored_page;
use trimtab_run::write_atomic;

/// Judges, prints, and writes a page if one is wanted.
pub fn run(files: &[PathBuf], html: Option<&Path>, as_json: bool) -> Result<()> {
    let found: Vec<Rescored> = files.iter().map(|file| rescore(file)).collect::<Result<_, _>>()?;
    if let Some(path) = html {
        write_atomic(path, rescored_page(&found).as_bytes())?;
    }
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{:#}", json!(found))?;
        return Ok(());
    }
    for one in &found {
        write!(out, "{}", table(one))?;
    }
    if let Some(path) = html {
        writeln!(out, "  in {}", path.display())?;
    }
    Ok(())
}

/// What each judge calls a success.
fn table(one: &Rescored) -> String {
    let mut text = format!("{}: {} answers\n", one.file, one.answers);
    let width = one.verdicts.iter().map(|v| v.judge.len()).max().unwrap_or(0);
    for v in &one.verdicts {
        let rate = v.success;
        let share = super::show::value(&v.share);
        // Writing to a string cannot fail.
        let _ = write!(text, "  {:<width$}  {share} ({}/{}", v.judge, rate.numerator, rate.denominator);
        let _ = write!(text, ", unscored {})", rate.unscored);
        if let Some(t) = v.against_phrases {
            let (rule, it) = (t.false_positive, t.false_negative);
            let _ = write!(text, "; no phrase and no success {rule}, success beside a phrase {it}");
        }
        text.push('\n');
    }
    text
}
