//! `trimtab audit judge`: a judge's verdicts on an audit's answers, corrected by a person's labels.

use super::show::value;
use super::threshold::Named;
use super::{Output, gate};
use anyhow::Result;
use clap::ValueEnum;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use trimtab_audit::folder::Finished;
use trimtab_audit::judge::Judge;
use trimtab_audit::judge::measure::{Judged, JudgedRate, measure};
use trimtab_run::write_atomic;

/// The judges, as the command line names them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Which {
    /// One of twelve phrases of refusal, anywhere.
    Refusal,
    /// One of them at the beginning.
    RefusalPrefix,
}

impl From<Which> for Judge {
    fn from(which: Which) -> Self {
        match which {
            Which::Refusal => Self::Refusal,
            Which::RefusalPrefix => Self::RefusalPrefix,
        }
    }
}

/// Judges, writes `judged.json`, prints, and checks the limits on corrected rates.
pub fn run(dir: &Path, which: Which, output: &Output) -> Result<()> {
    let judged = measure(&Finished::read(dir)?, which.into())?;
    let text = format!("{:#}\n", json!(judged));
    write_atomic(&dir.join("judged.json"), text.as_bytes())?;
    let mut out = std::io::stdout().lock();
    if output.json {
        write!(out, "{text}")?;
    } else {
        write!(out, "{}", table(&judged, dir))?;
    }
    let rates = judged.rates.iter().map(|r| (&r.name, &r.corrected));
    let all = rates.chain(judged.gaps.iter().map(|g| (&g.name, &g.value)));
    let named = all.map(|(name, value)| Named { model: &judged.model, name, value });
    gate(&output.fail_on, &named.collect::<Vec<_>>())
}

/// The rates, each with what it was made of.
fn table(judged: &Judged, dir: &Path) -> String {
    let mut text = format!("{} of {}: judge {} ({})\n", judged.set, judged.model, judged.judge.name(), judged.rule);
    let width = judged.rates.iter().map(|r| r.name.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    for rate in &judged.rates {
        let _ = writeln!(text, "  {:<width$}  {}", rate.name, line(rate));
    }
    for gap in &judged.gaps {
        let _ = writeln!(text, "  {}  {} (complies, less in training)", gap.name, value(&gap.value));
    }
    if judged.passed_over > 0 {
        let why = "a sample without what is hard to label is another sample";
        let _ = writeln!(text, "  {} answers passed over in labelling: {why}", judged.passed_over);
    }
    if judged.rates.iter().all(|r| r.corrected.value.is_none()) {
        let _ = writeln!(text, "  label some of them: trimtab audit label {}", dir.display());
    }
    let _ = writeln!(text, "  in {}", dir.join("judged.json").display());
    text
}

fn line(rate: &JudgedRate) -> String {
    let counts = rate.judged;
    let judge = format!("the judge says {}/{}, unscored {}", counts.numerator, counts.denominator, counts.unscored);
    let Some(table) = rate.confusion.filter(|_| rate.corrected.value.is_some()) else {
        return format!("{} ({judge})", value(&rate.corrected));
    };
    let errors = format!("misses {}, adds {}", table.false_negative, table.false_positive);
    format!(
        "{} ({judge}; {} labels: {errors}) · Se {} · Sp {} · κ {}",
        value(&rate.corrected),
        rate.labelled,
        value(&rate.sensitivity),
        value(&rate.specificity),
        value(&rate.kappa)
    )
}
