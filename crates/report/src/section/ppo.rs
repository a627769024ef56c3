//! PPO: its curves, what it did to reward on fresh answers, and to next-token prediction.

use crate::chart::{
    captioned,
    dots::{Row, dots},
    line::{Lines, Point, Series, lines},
};
use crate::format::{self, Unit, number};
use crate::html::{Cell, aside, figure, panels, paragraph, table};
use crate::read::Run;
use crate::story::{Change, corpus_change, fresh_change};
use std::collections::BTreeSet;
use trimtab_run::Metric;

/// One run of PPO.
#[derive(Debug, Clone, Copy)]
pub struct Arm<'r> {
    /// Its name on the page.
    pub label: &'static str,
    /// Class of its colour.
    pub class: &'static str,
    /// Its metrics.
    pub metrics: &'r [Metric],
}

/// The runs of PPO that are here: with the next-token term first.
#[must_use]
pub fn arms(run: &Run) -> Vec<Arm<'_>> {
    let ptx = run.manifest.as_ref().and_then(|m| m.config.pointer("/ppo/ptx")).and_then(serde_json::Value::as_f64);
    let (label, class) = if ptx == Some(0.0) { ("PPO", "ppo") } else { ("PPO-ptx", "ptx") };
    let main = Arm { label, class, metrics: run.stage("ppo") };
    let plain = Arm { label: "PPO", class: "ppo", metrics: run.stage("ppo-plain") };
    [main, plain].into_iter().filter(|a| !a.metrics.is_empty()).collect()
}

/// One figure over the steps of a stage.
#[must_use]
pub fn series(label: &str, class: &'static str, metrics: &[Metric], name: &str) -> Series {
    let mut found: Vec<&Metric> = metrics.iter().filter(|m| m.name == name).collect();
    found.sort_by_key(|m| m.step);
    let reason = found
        .iter()
        .find_map(|m| m.reason.clone())
        .or_else(|| found.is_empty().then(|| format!("{name} was not recorded")));
    let points = found.iter().map(|m| Point { x: m.step as f64, y: m.value, interval: m.interval }).collect();
    Series { label: label.to_owned(), class, points, reason }
}

/// The unit that a figure was recorded in.
#[must_use]
pub fn unit_of(metrics: &[Metric], name: &str) -> Unit {
    Unit::named(metrics.iter().find(|m| m.name == name).and_then(|m| m.unit.as_deref()))
}

/// Curves: name, caption, and whether its absence is worth a panel.
const CURVES: [(&str, &str, bool); 7] = [
    ("reward", "Reward of the reward model", true),
    ("gold", "Gold reward", false),
    ("kl", "KL from SFT", true),
    ("entropy", "Entropy", true),
    ("answer_tokens", "Answer length", true),
    ("corpus_loss", "Loss on PPO's held-out text", true),
    ("eos_rate", "Answers that came to their end", false),
];

/// The part of the loop that is PPO.
#[must_use]
pub fn ppo(run: &Run) -> String {
    let arms = arms(run);
    let mut body = String::from("<h3 id=\"ppo\">PPO</h3>\n");
    if arms.is_empty() {
        return body + &paragraph("There is no ppo/metrics.jsonl, so there are no curves of PPO to show.");
    }
    body += &aside(
        "How to read",
        "One panel for each figure, the same steps across all of them. The reward is what was optimised; that it rises says nothing about whether answers got better. n stands under each panel.",
    );
    let mut charts = Vec::new();
    for (name, caption, always) in CURVES {
        let drawn: Vec<Series> = arms.iter().map(|a| series(a.label, a.class, a.metrics, name)).collect();
        if !always && drawn.iter().all(|s| s.points.is_empty()) {
            continue;
        }
        let unit = arms.iter().find(|a| a.metrics.iter().any(|m| m.name == name));
        let unit = unit.map_or(Unit::Of(String::new()), |a| unit_of(a.metrics, name));
        let n = arms.iter().flat_map(|a| a.metrics).find(|m| m.name == name).and_then(|m| m.n).unwrap_or(0);
        let chart = lines(&Lines { across: "step".into(), unit, series: drawn, marks: vec![] });
        charts.push(captioned(caption, &chart) + &format!("<p class=\"kind\">{} a point</p>", format::n(n)));
    }
    body += &panels(&charts);
    let names: Vec<(&str, &str)> = CURVES.iter().map(|c| (c.0, c.1)).collect();
    for arm in &arms {
        body += &steps_table(&format!("{} by step", arm.label), arm.metrics, &names);
    }
    let after = arms[0].label;
    for change in fresh_change(run, after).iter().chain(&corpus_change(run, after)) {
        body += &before_after(change);
    }
    body
}

/// Two dots and a sentence.
fn before_after(change: &Change) -> String {
    let classes = [
        ("sft", &change.from, &change.before),
        (if change.to == "PPO" { "ppo" } else { "ptx" }, &change.to, &change.after),
    ];
    let rows: Vec<Row> = classes
        .into_iter()
        .map(|(class, label, m)| Row {
            label: label.clone(),
            class,
            measured: m.clone(),
            count: format::n(m.n),
            planted: None,
        })
        .collect();
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|r| vec![Cell::text(&r.label), Cell::measured(&r.measured, &change.unit), Cell::number(&r.count)])
        .collect();
    let side = table(change.name, &["", "value, 95 % interval", "prompts or documents"], &cells)
        + &paragraph(&change.evidence());
    figure(&captioned(&change.title(), &dots(&rows, &change.unit)), &side)
}

/// About a dozen steps of several figures as a table; the first and the last are among them.
#[must_use]
pub fn steps_table(caption: &str, metrics: &[Metric], names: &[(&str, &str)]) -> String {
    let there: Vec<&(&str, &str)> = names.iter().filter(|(name, _)| metrics.iter().any(|m| m.name == *name)).collect();
    let steps: BTreeSet<u64> = metrics.iter().filter(|m| there.iter().any(|t| t.0 == m.name)).map(|m| m.step).collect();
    let steps: Vec<u64> = steps.into_iter().collect();
    let every = steps.len().div_ceil(11).max(1);
    let mut rows = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if !i.is_multiple_of(every) && i + 1 != steps.len() {
            continue;
        }
        let mut row = vec![Cell::number(format::count(*step))];
        for (name, _) in &there {
            let found = metrics.iter().rev().find(|m| m.step == *step && m.name == *name);
            row.push(match found {
                None => Cell::text("–"),
                Some(m) => match m.value {
                    Some(v) => Cell::number(unit_of(metrics, name).show(v)),
                    None => Cell::Undefined(m.reason.clone().unwrap_or_else(|| "no reason was recorded".into())),
                },
            });
        }
        rows.push(row);
    }
    let mut columns = vec!["step".to_owned()];
    for (name, words) in &there {
        let unit = unit_of(metrics, name);
        let n = metrics.iter().find(|m| m.name == *name).and_then(|m| m.n);
        let n = n.map_or_else(String::new, |n| format!(", n {}", number(n as f64)));
        let axis = unit.axis();
        columns.push(if axis.is_empty() { format!("{words}{n}") } else { format!("{words}, {axis}{n}") });
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let which = if every == 1 { "every step".into() } else { format!("every {every}th step recorded") };
    table(&format!("{caption} ({which})"), &columns, &rows)
}
