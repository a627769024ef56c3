//! Weak-to-strong in chess: what a student of a weak model's moves recovers, directly and by a chain.

use super::oversight::{controls_of as controls, gap_cell, withheld};
use super::section;
use crate::chart::captioned;
use crate::chart::dots::{Row as Dot, dots};
use crate::format::Unit;
use crate::html::{Cell, aside, figure, page, table};
use trimtab_oversight::chess::{Row, Summary};

/// The page of a run of `trimtab oversee chess` by itself.
#[must_use]
pub fn chess_page(name: &str, summary: &Summary) -> String {
    page(&format!("{name} · trimtab"), &chess(summary))
}

/// The section.
#[must_use]
pub fn chess(summary: &Summary) -> String {
    let share = |m| Cell::measured(m, &Unit::Share);
    let mut body = aside(
        "How to read",
        &format!(
            "Each puzzle has one move that mates in {}, by trying every move. The weak model learnt the answers of other puzzles; a student learnt the weak model's moves alone; its ceiling is the same student taught the answers. In the chain each size is taught by the size below. What is not a legal move is wrong.",
            summary.depth
        ),
    );
    let dot = |model: &trimtab_oversight::chess::Model| Dot {
        label: model.fit.replace('-', " "),
        class: match model.fit.split('-').next() {
            Some("weak") => "base",
            Some("ceiling") => "sft",
            Some("direct") => "ppo",
            Some("chain") => "ptx",
            _ => "control",
        },
        measured: model.right.clone(),
        count: format!("{} seeds", model.right.n),
        planted: None,
    };
    let rows: Vec<Vec<Cell>> = summary
        .models
        .iter()
        .map(|model| vec![Cell::text(&model.fit), share(&model.right), share(&model.legal), share(&model.elsewhere)])
        .collect();
    let elsewhere = if summary.elsewhere == 0 {
        "right elsewhere: none were given".to_owned()
    } else {
        format!("right on {} puzzles from elsewhere", summary.elsewhere)
    };
    body += &figure(
        &captioned(
            "Right on the test puzzles",
            &dots(&summary.models.iter().map(dot).collect::<Vec<_>>(), &Unit::Share),
        ),
        &table("Every model by itself", &["model", "right", "legal moves", &elsewhere], &rows),
    );
    let mut reasons = Vec::new();
    let rows: Vec<Vec<Cell>> = summary.rows.iter().map(|row| cells(row, &mut reasons)).collect();
    let heads = [
        "taught",
        "student",
        "gap recovered",
        "weak",
        "student",
        "ceiling",
        "agrees where right",
        "where wrong",
        "less direct",
    ];
    body += &table("Every student", &heads, &rows);
    body += &withheld(reasons);
    let b = &summary.baselines;
    let needs = [
        ("the most frequent move", &b.majority),
        ("any legal move", &b.legal),
        ("any legal move that gives check", &b.check),
    ];
    let rows: Vec<Vec<Cell>> = needs.into_iter().map(|(name, m)| vec![Cell::text(name), share(m)]).collect();
    body +=
        &table("What needs no learning: accuracy on the same puzzles", &["", "mean over seeds, 95 % interval"], &rows);
    body += &aside(
        "Control",
        &controls(summary.rows.iter().filter(|row| row.control).map(|row| (row.method.as_str(), &row.pgr.student))),
    );
    body += &aside(
        "What a negative result would look like",
        "A student that recovers no more than the same shape that read no games, or a chain that is no better than direct supervision.",
    );
    body += &aside(
        "What this does not show",
        "Anything about players of strength: the games are of two who see one move far, and these models know most of the rules and not all of them.",
    );
    section("oversight", "Weak-to-strong in chess", &title(summary), &body)
}

/// The finding: of the last size, directly and by the chain.
fn title(summary: &Summary) -> String {
    let said = |row: &Row| {
        let gap = &row.pgr.bootstrap;
        let nothing = gap.interval.is_some_and(|interval| interval.contains(0.0));
        gap.value.map(|_| (Unit::Of(String::new()).measured(gap), if nothing { ", which may be nothing" } else { "" }))
    };
    let of = |method: &str| summary.rows.iter().rfind(|row| row.method == method);
    match (of("direct").and_then(said), of("chain").and_then(said)) {
        (Some((direct, so)), Some((chain, then))) => {
            format!(
                "A student of a weak player recovers {direct} of the gap{so}; by way of the sizes between {chain}{then}"
            )
        }
        (Some((direct, so)), None) => format!("A student of a weak player recovers {direct} of the gap{so}"),
        (None, _) => "What a student of a weak player recovers cannot be told here".into(),
    }
}

fn cells(row: &Row, reasons: &mut Vec<String>) -> Vec<Cell> {
    let name = if row.control { format!("control: {}", row.method) } else { row.method.clone() };
    let mut cells = vec![Cell::text(name), Cell::text(&row.student)];
    cells.push(gap_cell(&row.pgr.bootstrap, reasons));
    let a = &row.agreement;
    let figures = [&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling, &a.where_right, &a.where_wrong];
    cells.extend(figures.map(|m| Cell::measured(m, &Unit::Share)));
    cells.push(row.over_direct.as_ref().map_or_else(|| Cell::text("–"), |m| Cell::measured(m, &Unit::Share)));
    cells
}
