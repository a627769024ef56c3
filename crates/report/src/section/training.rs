//! The loop before PPO: demonstrations, people, and the reward model between its length baseline and its ceiling.

use super::{ppo, section};
use crate::chart::{
    captioned,
    dots::{Row, dots},
    line::{Lines, lines},
};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, figure, paragraph, table};
use crate::read::{Run, family, last, measured};
use crate::section::ppo::{series, steps_table, unit_of};
use trimtab_run::Metric;

/// The section.
#[must_use]
pub fn training(run: &Run) -> String {
    let body = sft(run) + &people(run) + &reward(run) + &ppo::ppo(run);
    section("loop", "The loop", &title(run), &body)
}

fn title(run: &Run) -> String {
    let fell = |stage: &str| {
        let s = series("", "", run.stage(stage), "loss");
        let (first, last) = (s.points.first().and_then(|p| p.y), s.points.last().and_then(|p| p.y));
        first.zip(last)
    };
    match (fell("sft"), accuracy(run).first()) {
        (Some((a, b)), Some((_, m))) => format!(
            "SFT's loss went from {} to {} nats per token; the reward model agrees with held-out rankings {} of the time",
            format::number(a),
            format::number(b),
            m.value.map_or("an unknown share".into(), |v| Unit::Share.show(v))
        ),
        (Some((a, b)), None) => {
            format!("SFT's loss went from {} to {} nats per token", format::number(a), format::number(b))
        }
        _ => "How the model was trained".into(),
    }
}

fn curve(stage: &str, metrics: &[Metric], class: &'static str, name: &str, caption: &str) -> String {
    let chart = Lines {
        across: "step".into(),
        unit: unit_of(metrics, name),
        series: vec![series(stage, class, metrics, name)],
        marks: vec![],
    };
    captioned(caption, &lines(&chart))
}

fn sft(run: &Run) -> String {
    let metrics = run.stage("sft");
    let mut body = String::from("<h3 id=\"sft\">Supervised fine-tuning</h3>\n");
    if metrics.is_empty() {
        return body + &paragraph("There is no sft/metrics.jsonl, so its loss cannot be shown.");
    }
    body += &aside(
        "How to read",
        "Loss of each optimiser step on the answers of its batch. Lower is better until held-out loss turns.",
    );
    let names = [("loss", "loss"), ("held_out_loss", "held-out loss"), ("grad_norm", "gradient norm")];
    body + &figure(&curve("SFT", metrics, "sft", "loss", "Loss by step"), &steps_table("SFT by step", metrics, &names))
}

fn people(run: &Run) -> String {
    let metrics = run.stage("rank");
    let mut body = String::from("<h3 id=\"people\">People</h3>\n");
    if metrics.is_empty() {
        return body + &paragraph("There is no rank/metrics.jsonl, so nothing can be said of the people who ranked.");
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut shares = Vec::new();
    for (name, metric) in family(metrics, "") {
        let unit = Unit::named(metric.unit.as_deref());
        let m = measured(metric);
        let label = name.replace('_', " ");
        let planted = run.truth(&[name, &format!("rank/{name}")]);
        rows.push(vec![
            Cell::text(label.clone()),
            Cell::measured(&m, &unit),
            Cell::text(unit.axis()),
            Cell::number(metric.n.map_or_else(|| "–".into(), format::count)),
            Cell::number(planted.map_or_else(|| "–".into(), |v| unit.show(v))),
        ]);
        if unit == Unit::Share && shares.len() < 12 {
            shares.push(Row { label, class: "other", count: format::n(m.n), measured: m, planted });
        }
    }
    let side = table("What people gave", &["", "value, 95 % interval", "unit", "n", "planted"], &rows);
    if shares.is_empty() {
        return body + &side;
    }
    body += &aside("How to read", "Dots are measured, hollow diamonds are what was planted in the simulated people.");
    body + &figure(&captioned("Agreement, reliability and bias", &dots(&shares, &Unit::Share)), &side)
}

/// Final held-out accuracies by source of the rankings.
fn accuracy(run: &Run) -> Vec<(String, trimtab_stats::Measured)> {
    let found = family(run.stage("reward"), "held_out_accuracy");
    found.into_iter().map(|(source, m)| (source.trim_start_matches('/').to_owned(), measured(m))).collect()
}

fn reward(run: &Run) -> String {
    let metrics = run.stage("reward");
    let mut body = String::from("<h3 id=\"reward\">Reward model</h3>\n");
    if metrics.is_empty() {
        return body + &paragraph("There is no reward/metrics.jsonl, so nothing can be said of the reward model.");
    }
    let ceiling = run.truth(&["rm_accuracy_ceiling"]);
    let mut rows = Vec::new();
    let sources = accuracy(run);
    for (i, (source, after)) in sources.iter().enumerate() {
        // Beyond a few sources the first, everyone, stands for their controls.
        let controls = i == 0 || sources.len() <= 4;
        let of = |what: &str| if source.is_empty() { what.to_owned() } else { format!("{what}, {source}") };
        let suffix = if source.is_empty() { String::new() } else { format!("/{source}") };
        let baseline = last(metrics, &format!("length_baseline_accuracy{suffix}"));
        let baseline =
            baseline.map_or_else(|| trimtab_stats::Measured::undefined(0, "no length baseline was recorded"), measured);
        let count = format::n(baseline.n);
        if controls {
            rows.push(Row { label: of("length alone"), class: "control", measured: baseline, count, planted: None });
        }
        let untrained = metrics.iter().find(|m| m.step == 0 && m.name == format!("held_out_accuracy{suffix}"));
        if let Some(m) = untrained.filter(|_| controls) {
            let count = format::n(m.n.unwrap_or(0));
            rows.push(Row { label: of("untrained"), class: "control", measured: measured(m), count, planted: None });
        }
        let count = format::n(after.n);
        rows.push(Row { label: of("reward model"), class: "other", measured: after.clone(), count, planted: ceiling });
    }
    body += &aside(
        "How to read",
        "The share of held-out pairs that are ordered as people ordered them. Grey: a ranker that looks at nothing but length, and the model before training. The hollow diamond is the ceiling that people's own noise allows.",
    );
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|r| vec![Cell::text(&r.label), Cell::measured(&r.measured, &Unit::Share), Cell::number(&r.count)])
        .collect();
    let mut side = table("Held-out accuracy", &["", "accuracy, 95 % interval", "pairs"], &cells);
    side += &paragraph(&match ceiling {
        Some(c) => format!("The ceiling that people's noise allows is {}.", Unit::Share.show(c)),
        None => "No ceiling (rm_accuracy_ceiling) was planted, so how much people's noise allows is not known.".into(),
    });
    if rows.is_empty() {
        body += &paragraph("No held-out accuracy was recorded.");
    } else {
        body += &figure(&captioned("Accuracy between baseline and ceiling", &dots(&rows, &Unit::Share)), &side);
    }
    let names = [("loss", "loss"), ("accuracy", "accuracy on the batch"), ("grad_norm", "gradient norm")];
    body += &figure(
        &curve("reward", metrics, "other", "loss", "Ranking loss by step"),
        &steps_table("Reward model by step", metrics, &names),
    );
    let calibration: Vec<Vec<Cell>> = family(metrics, "")
        .into_iter()
        .filter(|(name, _)| ["calibration", "brier", "ece"].iter().any(|word| name.contains(word)))
        .map(|(name, m)| {
            let unit = Unit::named(m.unit.as_deref());
            vec![
                Cell::text(name.replace('_', " ")),
                Cell::measured(&measured(m), &unit),
                Cell::number(format::n(m.n.unwrap_or(0))),
            ]
        })
        .collect();
    if calibration.is_empty() {
        return body + &paragraph("The calibration of the reward model was not recorded.");
    }
    body + &table("Calibration", &["", "value, 95 % interval", "n"], &calibration)
}
