//! Weak-to-strong reward modelling: what a student of a weak reward model recovers, and what the best of n by each is worth.

use super::oversight::{controls_of as controls, gap_cell, withheld};
use super::section;
use crate::chart::captioned;
use crate::chart::line::{Lines, Point, Series, lines};
use crate::format::{Unit, count, number};
use crate::html::{Cell, aside, figure, page, table};
use trimtab_oversight::reward::press::{Curve, Pressed};
use trimtab_oversight::reward::{Row, Summary};

/// The page of a run of `trimtab oversee reward` by itself.
#[must_use]
pub fn weak_reward_page(name: &str, summary: &Summary) -> String {
    page(&format!("{name} · trimtab"), &weak_reward(summary))
}

/// The section.
#[must_use]
pub fn weak_reward(summary: &Summary) -> String {
    let mut body = aside(
        "How to read",
        "A weak reward model learnt from the truth about other pairs of answers; the student learnt from its preferences alone, the ceiling is the same student taught with the truth. Recovered is the student's share of the way from one to the other, in pairs. The curve asks more: of n answers each model picks the one it likes best, and gold says what that is worth.",
    );
    body += &summary
        .pressed
        .as_ref()
        .map_or_else(|| aside("Best of n", summary.not_pressed.as_deref().unwrap_or("was not asked.")), best_of_n);
    let mut reasons = Vec::new();
    let rows: Vec<Vec<Cell>> = summary.rows.iter().map(|row| cells(row, &mut reasons)).collect();
    let heads =
        ["student", "ceiling", "gap recovered", "weak", "student", "ceiling", "agrees where right", "where wrong"];
    body += &table("Every student: accuracy on test pairs", &heads, &rows);
    body += &withheld(reasons);
    body += &strata(summary);
    let b = &summary.baselines;
    let share = |m| Cell::measured(m, &Unit::Share);
    let needs = [
        ("the shorter answer is better", &b.shorter),
        ("the longer answer is better", &b.longer),
        ("the best rule on the difference of lengths", &b.length_rule),
        ("the more frequent class", &b.majority),
        ("the weak model before it is taught", &summary.untaught_weak),
        ("the strong model before it is taught", &summary.untaught_strong),
    ];
    let rows: Vec<Vec<Cell>> = needs.into_iter().map(|(name, m)| vec![Cell::text(name), share(m)]).collect();
    body += &table(
        "What needs no reward model: accuracy on the same pairs",
        &["", "mean over seeds, 95 % interval"],
        &rows,
    );
    body += &aside(
        "Control",
        &controls(summary.rows.iter().filter(|row| row.control).map(|row| (row.method.as_str(), &row.pgr.student))),
    );
    body += &aside(
        "What a negative result would look like",
        "A student that recovers no more than the same shape without pretraining, or a ceiling that length alone reaches, so that there is nothing to transfer.",
    );
    body += &aside(
        "What this does not show",
        "What a policy trained on these reward models would do, and anything about models that people use: a supervisor of the same family shares its student's blind spots.",
    );
    section("oversight", "Weak-to-strong reward models", &title(summary), &body)
}

/// The finding.
fn title(summary: &Summary) -> String {
    let falls = |curve: &&Curve| curve.fall.interval.is_some_and(|fall| fall.high < 0.0);
    let models = |curve: &&Curve| !curve.by.starts_with("control");
    let pressed = summary.pressed.as_ref().map_or_else(String::new, |pressed| {
        let all = pressed.curves.iter().filter(models).count();
        let fell = pressed.curves.iter().filter(models).filter(falls).count();
        format!("; pressed on by best of n, {fell} of {all} reward models fall for sure")
    });
    let naive = summary.rows.iter().find(|row| !row.control);
    let recovered = naive.map(|row| &row.pgr.bootstrap).filter(|gap| gap.value.is_some());
    match recovered {
        Some(gap) => format!(
            "A student of a weak reward model recovers {} of the gap{pressed}",
            Unit::Of(String::new()).measured(gap)
        ),
        None => format!("What a student of a weak reward model recovers cannot be told here{pressed}"),
    }
}

fn cells(row: &Row, reasons: &mut Vec<String>) -> Vec<Cell> {
    let name = if row.control { format!("control: {}", row.method) } else { row.method.clone() };
    let mut cells = vec![Cell::text(name), Cell::text(&row.ceiling)];
    cells.push(gap_cell(&row.pgr.bootstrap, reasons));
    let t = &row.transfer;
    let figures =
        [&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling, &t.agreement_where_right, &t.agreement_where_wrong];
    cells.extend(figures.map(|m| Cell::measured(m, &Unit::Share)));
    cells
}

/// Accuracies by what tells the answers apart, of the first row that knows it.
fn strata(summary: &Summary) -> String {
    let Some(row) = summary.rows.iter().find(|row| !row.strata.is_empty()) else { return String::new() };
    let rows: Vec<Vec<Cell>> = row
        .strata
        .iter()
        .map(|s| {
            let figures = [&s.share, &s.weak, &s.student, &s.ceiling].map(|m| Cell::measured(m, &Unit::Share));
            [vec![Cell::text(&s.name)], figures.to_vec()].concat()
        })
        .collect();
    let caption = format!("Accuracy by what tells the answers apart, {} student", row.method);
    table(&caption, &["", "share of pairs", "weak", "student", "ceiling"], &rows)
}

fn best_of_n(pressed: &Pressed) -> String {
    let gold = Unit::Of("gold".into());
    // The line of a student is named by its method; a chart has room for no more.
    let label = |by: &str| by.trim_start_matches("student, ").trim_start_matches("control: ").to_owned();
    let class = |by: &str| match by {
        "weak" => "base",
        "ceiling" => "sft",
        "control: random" | "control: gold" => "control",
        "student, naive" => "ppo",
        _ => "ptx",
    };
    let series = |curve: &Curve| Series {
        label: label(&curve.by),
        class: class(&curve.by),
        points: curve
            .points
            .iter()
            .map(|p| Point { x: p.distance, y: p.gold.value, interval: p.gold.interval.map(|i| [i.low, i.high]) })
            .collect(),
        reason: curve.points.iter().find_map(|p| p.gold.reason.clone()),
    };
    let chart = Lines {
        across: "√KL, √nats".into(),
        unit: gold.clone(),
        series: pressed.curves.iter().map(series).collect(),
        marks: vec![],
    };
    let ns: Vec<u64> = pressed.curves.first().map_or_else(Vec::new, |c| c.points.iter().map(|p| p.n).collect());
    let heads: Vec<String> = std::iter::once("chosen by".to_owned())
        .chain(ns.iter().map(|n| format!("n = {n}")))
        .chain(["fall to the largest n".into(), "from n".into()])
        .collect();
    let rows: Vec<Vec<Cell>> = pressed
        .curves
        .iter()
        .map(|curve| {
            let mut cells = vec![Cell::text(&curve.by)];
            cells.extend(curve.points.iter().map(|p| Cell::measured(&p.gold, &gold)));
            cells.push(Cell::measured(&curve.fall, &gold));
            cells.push(curve.fell_from.map_or_else(|| Cell::text("–"), |n| Cell::number(count(n))));
            cells
        })
        .collect();
    let caption = format!(
        "Gold of the best of n answers, {} prompts a seed, {} answers each, a share of {} unlike",
        count(pressed.prompts),
        count(pressed.answers),
        pressed.unlike.value.map_or_else(|| "–".into(), number)
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut out = figure(
        &captioned("Gold of the answer that each model likes best", &lines(&chart)),
        &table(&caption, &heads, &rows),
    );
    let rows: Vec<Vec<Cell>> = pressed
        .contrasts
        .iter()
        .map(|c| {
            vec![
                Cell::text(format!("{} less {}", c.of, c.less)),
                Cell::number(count(c.n)),
                Cell::measured(&c.gold, &gold),
            ]
        })
        .collect();
    out += &table("Differences at the largest n, prompt by prompt", &["", "n", "gold"], &rows);
    out
}
