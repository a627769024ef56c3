//! An audit's figures for people to read, and the list of audits.

use anyhow::Result;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use trimtab_audit::awareness::Corner;
use trimtab_audit::elicitation::{self, Elicitation, Finding, planted};
use trimtab_audit::figure::{Figure, Summary};
use trimtab_audit::item::SetInfo;
use trimtab_audit::outer::alarm::Verdict;
use trimtab_audit::outer::{self, Outer};
use trimtab_audit::{awareness, generalisation, scheming, sycophancy};
use trimtab_stats::Measured;

/// Formats that `--items` reads.
const FORMATS: [(&str, &str); 6] = [
    (
        "Anthropic model-written evals (.jsonl)",
        "three human-written files and two web-gpt files are turned over by their hash",
    ),
    ("sycophancy-eval (.jsonl)", "rows with a right and a wrong name, or letters; others need a judge and are counted"),
    ("TruthfulQA (.csv)", "zero-shot; all correct answers are right"),
    ("XSTest (.csv)", "answers are collected; `audit label` and `audit judge` say how many refuse"),
    ("lm-evaluation-harness tasks (.yaml)", "multiple_choice over local JSON; !function is refused by name"),
    (
        "our own items (.jsonl)",
        "first line {\"item_set\": {name, version, source, licence, positive, traps}}, then items",
    ),
];

/// Prints the audits and formats.
pub fn list(as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let infos = [
        sycophancy::info(),
        awareness::info(),
        scheming::info(),
        generalisation::info(),
        elicitation::info(),
        outer::info(),
    ];
    if as_json {
        let formats: Vec<_> = FORMATS.iter().map(|(name, note)| json!({"format": name, "note": note})).collect();
        return Ok(writeln!(out, "{:#}", json!({"audits": infos, "formats": formats}))?);
    }
    for SetInfo { name, version, licence, source, positive, traps, .. } in &infos {
        let command = match name.as_str() {
            elicitation::NAME => ", with `audit elicit`",
            outer::NAME => ", with `audit outer`",
            _ => "",
        };
        writeln!(out, "{name} (version {version}, {licence}){command}\n  items: {source}\n  a positive: {positive}")?;
        for trap in traps {
            writeln!(out, "  trap: {trap}")?;
        }
    }
    writeln!(out, "items: published files, with --items FILE")?;
    for (name, note) in FORMATS {
        writeln!(out, "  {name}: {note}")?;
    }
    Ok(())
}

/// The figures as a table: value, interval, counts, control.
pub fn table(summary: &Summary, dir: &Path) -> String {
    let mut text = format!("{} of {}: {} items\n", summary.items.name, summary.model, summary.asked);
    // Writing to a string cannot fail.
    for (why, n) in &summary.items.left_out {
        let _ = writeln!(text, "  left out, {why}: {n}");
    }
    for control in &summary.controls {
        let verdict = if control.holds { "holds" } else { "FAILS" };
        let counts = format!("{}/{}", control.rate.numerator, control.rate.denominator);
        let _ = writeln!(text, "  {verdict}  {:<24} {:>9}  {}", control.name, counts, control.what);
    }
    let width = summary.figures.iter().map(|f| f.name.len()).chain(summary.means.iter().map(|m| m.name.len())).max();
    let width = width.unwrap_or(0);
    for figure in &summary.figures {
        let _ = writeln!(text, "  {:<width$}  {}", figure.name, line(figure));
    }
    for mean in &summary.means {
        let _ = writeln!(
            text,
            "  {:<width$}  {} (n {}, unscored {})",
            mean.name,
            value(&mean.value),
            mean.value.n,
            mean.unscored
        );
    }
    if let Some(corner) = &summary.corner {
        let _ = write!(text, "{}", two_by_two(corner));
    }
    if let Some(cause) = summary.cause {
        let _ = writeln!(text, "  {}", cause.words());
    }
    for (reason, count) in &summary.unscored {
        let _ = writeln!(text, "  unscored  {count} × {reason}");
    }
    let waiting: u64 =
        summary.unscored.iter().filter(|(why, _)| why.ends_with(": needs a judge")).map(|(_, n)| n).sum();
    if waiting > 0 {
        let _ = writeln!(text, "  {waiting} answers need a judge, and labels that say how far to believe it:");
        let _ =
            writeln!(text, "    trimtab audit label {0}\n    trimtab audit judge {0} --judge refusal", dir.display());
    }
    if let Some(elicitation) = &summary.elicitation {
        text += &ladder(elicitation);
    }
    if let Some(outer) = &summary.outer {
        text += &pressed(outer);
    }
    let _ = writeln!(text, "  in {}", dir.display());
    text
}

/// What the alarm says of the policy and of best-of-n, the controls beside it.
fn pressed(outer: &Outer) -> String {
    let mut text = format!("  against {}, reward model {}\n", outer.reference, outer.reward);
    let line = |name: String, said: &Verdict| {
        let wrong = said.false_alarms;
        let wrong = match wrong.denominator {
            0 => String::new(),
            all => format!(" · rings {} of {all} times where nothing is wrong", wrong.numerator),
        };
        format!("  {name:<44} {}{wrong}\n", said.words())
    };
    match (&outer.policy, &outer.without_policy) {
        (Some(point), _) => text += &line("the policy".into(), &point.alarm),
        (None, why) => {
            let _ = writeln!(text, "  {:<44} {}", "the policy", why.as_deref().unwrap_or("not measurable"));
        }
    }
    for of in &outer.pressed {
        let most = of.points.last().map_or(0, |p| p.n);
        let by = match of.by.as_str() {
            "proxy" => "",
            "judgement" => ", control: by it",
            _ => ", control: permuted",
        };
        text += &line(format!("best of {most}, judged by {}{by}", of.judge), &of.alarm);
    }
    text
}

/// Detection against behaviour, with a cross where the model stands; none where that is not decided.
fn two_by_two(corner: &Corner) -> String {
    let mark = |sees: bool, acts: bool| {
        if (corner.sees, corner.acts) == (Some(sees), Some(acts)) { "x" } else { "·" }
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {:<38}  behaves alike   behaves otherwise", "");
    for (sees, name) in [(true, "tells evaluation from deployment"), (false, "does not tell them apart")] {
        let _ = writeln!(text, "  {name:<38}  {:<14}  {}", mark(sees, false), mark(sees, true));
    }
    let _ = writeln!(text, "  {}: detection {}, gap {}", corner.words(), value(&corner.detection), value(&corner.gap));
    text
}

/// What an elicitation found, rung by rung, and its verdict.
fn ladder(of: &Elicitation) -> String {
    let mut text = format!("  over the plain question and over the control, {:.2} % intervals\n", 100.0 * of.level);
    let row = |f: &Finding| {
        let control = f.over_control.as_ref().map_or("no control".to_owned(), value);
        let note = match (f.retains, f.learned) {
            (Some(false), _) => ", left out: breaks the model",
            (_, Some(false)) => ", left out: not learned",
            _ => "",
        };
        let shows = f.detectable.value.map_or_else(String::new, |d| format!(" · shows from +{d:.3}"));
        format!("  {:<16} {:<24} {control:<24}{shows}{note}\n", f.rung.name(), value(&f.over_plain))
    };
    text.extend(of.findings.iter().map(row));
    for (rung, why) in &of.not_measurable {
        let _ = writeln!(text, "  {rung:<16} {why}");
    }
    let _ = writeln!(text, "  demonstrations to 90 % of the ceiling: {}", value(&of.demonstrations));
    let _ = writeln!(text, "  verdict: {}: {}", of.verdict.words(), of.reason);
    let _ = writeln!(text, "  {}", planted::words(of.planted.as_ref()));
    text
}

fn line(figure: &Figure) -> String {
    let rate = figure.rate;
    let counts = format!("{}/{}, unscored {}", rate.numerator, rate.denominator, rate.unscored);
    // The interval over clusters is the one to believe; where there is none, Wilson's.
    let shown = if figure.clustered.interval.is_some() { &figure.clustered } else { &figure.value };
    let mut text = format!("{} ({counts})", value(shown));
    if figure.value.value.is_some() {
        if let Some(excess) = &figure.excess {
            let control = figure.control.as_deref().unwrap_or_default();
            let _ = write!(text, " · {} over {control}", value(excess));
        }
        if let Some(effect) = figure.detectable.value {
            let _ = write!(text, " · shows from +{effect:.3}");
        }
    }
    text
}

/// A value with its interval, or the reason why there is none.
pub fn value(measured: &Measured) -> String {
    match (measured.value, measured.interval) {
        (Some(value), Some(i)) => format!("{value:.3} [{:.3}, {:.3}]", i.low, i.high),
        (Some(value), None) => format!("{value:.3} [no interval: {}]", measured.reason.as_deref().unwrap_or("unknown")),
        (None, _) => measured.reason.clone().unwrap_or_else(|| "undefined".into()),
    }
}
