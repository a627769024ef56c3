//! Weak-to-strong on a ladder: who passes which supervisor, beside the controls and what was said beforehand.

use super::oversight_chess::chess_page;
use super::oversight_reward::weak_reward_page;
use super::section;
use crate::Error;
use crate::chart::captioned;
use crate::chart::matrix::{Square, matrix};
use crate::format::{Unit, number};
use crate::html::{Cell, aside, figure, page, table};
use crate::read::whole;
use serde::de::DeserializeOwned;
use std::path::Path;
use trimtab_oversight::transformers::forecast::Score;
use trimtab_oversight::transformers::{ReadAt, Row, Summary};
use trimtab_stats::Measured;

/// The page of a ladder by itself.
#[must_use]
pub fn ladder_page(name: &str, summary: &Summary) -> String {
    page(&format!("{name} · trimtab"), &ladder(summary))
}

/// The page of a folder that `trimtab oversee ladder`, `oversee reward` or `oversee chess` wrote, from its `summary.json`; none where it is another's.
///
/// # Errors
/// [`Error`] for a summary that cannot be read, or is not there yet.
pub fn oversight_of(dir: &Path) -> Result<Option<String>, Error> {
    let name = folder_name(dir);
    if dir.join("ladder").is_dir() {
        let expected = "the figures that `trimtab oversee ladder` writes when it is done";
        return Ok(Some(ladder_page(&name, &summary(dir, "the ladder is not done", expected)?)));
    }
    if dir.join("weak-reward").is_dir() {
        let expected = "the figures that `trimtab oversee reward` writes when it is done";
        return Ok(Some(weak_reward_page(&name, &summary(dir, "the reward models are not done", expected)?)));
    }
    if dir.join("chess").is_dir() {
        let expected = "the figures that `trimtab oversee chess` writes when it is done";
        return Ok(Some(chess_page(&name, &summary(dir, "the puzzles are not done", expected)?)));
    }
    Ok(None)
}

fn summary<T: DeserializeOwned>(dir: &Path, undone: &str, expected: &'static str) -> Result<T, Error> {
    whole(dir, "summary.json", expected)?.ok_or_else(|| Error::Malformed {
        place: dir.join("summary.json").display().to_string(),
        problem: format!("is not there: {undone}"),
        expected,
    })
}

/// What a folder is called on its page.
pub fn folder_name(dir: &Path) -> String {
    dir.file_name().map_or_else(|| "ladder".into(), |name| name.to_string_lossy().into_owned())
}

/// The section.
#[must_use]
pub fn ladder(summary: &Summary) -> String {
    let share = Unit::Share;
    let names: Vec<&str> = summary.sizes.iter().map(|size| size.name.as_str()).collect();
    let mut body = aside(
        "How to read",
        "Each square is a student (across) of a supervisor (down) that saw the truth of other items. The number is the gap recovered: 0 is no better than its supervisor, 1 as good as the same student taught with the truth. Below it the 95 % interval over seeds and test items. Hatched: the gap is too small, or the runs too few, for the number to mean anything; the table says which.",
    );
    let squares: Vec<Square> = summary
        .rows
        .iter()
        .filter(|row| row.method == "naive" && row.read == ReadAt::Last)
        .map(|row| Square { down: row.weak.clone(), across: row.strong.clone(), measured: row.pgr.bootstrap.clone() })
        .collect();
    let sizes: Vec<Vec<Cell>> = summary
        .sizes
        .iter()
        .map(|size| {
            let figures = [&size.zero_shot, &size.weak, &size.ceiling].map(|m| Cell::measured(m, &share));
            [vec![Cell::text(&size.name), Cell::number(crate::format::count(size.parameters as u64))], figures.to_vec()]
                .concat()
        })
        .collect();
    body += &figure(
        &captioned("Gap recovered, supervisor down, student across", &matrix(&names, &squares)),
        &table(
            "Each size by itself: accuracy on the test",
            &["size", "parameters", "without training", "weak: truth of A", "ceiling: truth of B"],
            &sizes,
        ),
    );
    body += &aside("Control", &controls(summary));
    let mut reasons = Vec::new();
    let rows: Vec<Vec<Cell>> = summary.rows.iter().map(|row| cells(row, &mut reasons)).collect();
    body += &table(
        "Every student",
        &[
            "student of",
            "student",
            "method",
            "read",
            "gap recovered",
            "weak",
            "student",
            "ceiling",
            "agrees where right",
            "where wrong",
            "calibration error",
        ],
        &rows,
    );
    body += &withheld(reasons);
    if let Some(chain) = &summary.chain {
        let of = Unit::Of(String::new());
        let rows = [
            ("accuracy: chain less direct", &chain.over_direct),
            ("errors like the first supervisor's: chain", &chain.phi_chain),
            ("the same: direct", &chain.phi_direct),
            ("the same: chain less direct", &chain.phi_difference),
        ];
        let rows: Vec<Vec<Cell>> =
            rows.into_iter().map(|(name, m)| vec![Cell::text(name), Cell::measured(m, &of)]).collect();
        body += &table(
            "A chain through all sizes against direct supervision",
            &["", "mean over seeds, 95 % interval"],
            &rows,
        );
    }
    body += &summary
        .forecast
        .as_ref()
        .map_or_else(|| aside("Prediction", "Nothing was said of the largest student before it was run."), forecast);
    body += &aside(
        "What a negative result would look like",
        "A pretrained student that recovers no more than naive Bayes or than the same shape without pretraining, or prediction intervals that miss half of the pairs.",
    );
    body += &aside(
        "What this does not show",
        "Anything about models that people use: the task is of a small made-up world, and a supervisor of the same family shares its student's blind spots.",
    );
    section("oversight", "Weak-to-strong", &title(summary), &body)
}

/// The finding.
fn title(summary: &Summary) -> String {
    let pairs = summary.reported.n;
    match summary.reported.value {
        None => "No pair of sizes is far enough apart, in runs enough, to say what a student recovers".into(),
        Some(median) => format!(
            "Students recover {} of the gap in the median of {pairs} {} that can be reported; surely more than nothing in {}",
            number(median),
            if pairs == 1 { "pair" } else { "pairs" },
            summary.above_zero
        ),
    }
}

/// What controls recover, by name.
pub(super) fn controls_of<'a>(rows: impl Iterator<Item = (&'a str, &'a Measured)>) -> String {
    let rows: Vec<String> = rows.map(|(method, right)| format!("{method}: accuracy {}", accuracy(right))).collect();
    if rows.is_empty() { "none was run.".into() } else { format!("{}.", rows.join("; ")) }
}

/// What the controls recover, beside the naive student of the same pair.
fn controls(summary: &Summary) -> String {
    let mut parts = Vec::new();
    for row in summary.rows.iter().filter(|row| row.control) {
        let naive = summary.rows.iter().find(|other| {
            !other.control
                && other.method == "naive"
                && other.read == ReadAt::Last
                && other.weak == row.weak
                && other.strong == row.strong
        });
        let beside = naive
            .map_or_else(String::new, |naive| format!(", the pretrained student {}", accuracy(&naive.pgr.student)));
        parts.push(format!("{}: accuracy {}{beside}", row.method, accuracy(&row.pgr.student)));
    }
    if parts.is_empty() { "none was run.".into() } else { format!("{}.", parts.join("; ")) }
}

pub(super) fn accuracy(m: &Measured) -> String {
    Unit::Share.measured(m)
}

/// A gap recovered. Why it means nothing is put among `reasons`, once, and the cell names its number: written out in the cell it would
/// make a table of a screen as high as five.
pub(super) fn gap_cell(gap: &Measured, reasons: &mut Vec<String>) -> Cell {
    match (&gap.value, &gap.reason) {
        (None, Some(why)) => {
            let at = reasons.iter().position(|known| known == why).unwrap_or_else(|| {
                reasons.push(why.clone());
                reasons.len() - 1
            });
            Cell::Undefined(format!("not reportable ({})", at + 1))
        }
        _ => Cell::measured(gap, &Unit::Of(String::new())),
    }
}

/// The reasons that [`gap_cell`] gathered, by number.
pub(super) fn withheld(reasons: Vec<String>) -> String {
    let reasons: Vec<Vec<Cell>> = reasons
        .into_iter()
        .enumerate()
        .map(|(i, why)| vec![Cell::text(format!("({})", i + 1)), Cell::text(why)])
        .collect();
    table("Why a gap recovered means nothing", &["", "reason"], &reasons)
}

/// A row of the table.
fn cells(row: &Row, reasons: &mut Vec<String>) -> Vec<Cell> {
    let read = match row.read {
        ReadAt::Last => "last step",
        ReadAt::WeakLabels => "stopped by weak labels",
        ReadAt::Oracle => "oracle: stopped by the truth",
    };
    let share = Unit::Share;
    let method = if row.control { format!("control: {}", row.method) } else { row.method.clone() };
    let mut cells = vec![Cell::text(&row.weak), Cell::text(&row.strong), Cell::text(method), Cell::text(read)];
    cells.push(gap_cell(&row.pgr.bootstrap, reasons));
    cells.extend([&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling].map(|m| Cell::measured(m, &share)));
    cells.extend(
        [&row.transfer.agreement_where_right, &row.transfer.agreement_where_wrong].map(|m| Cell::measured(m, &share)),
    );
    cells.push(Cell::measured(&row.student_ece, &share));
    cells
}

fn forecast(score: &Score) -> String {
    let of = Unit::Of(String::new());
    let rows: Vec<Vec<Cell>> = score
        .outcomes
        .iter()
        .map(|outcome| {
            let pair = &outcome.said.pair;
            let inside = match outcome.inside {
                Some(true) => "inside",
                Some(false) => "outside",
                None => "not compared",
            };
            vec![
                Cell::text(format!("{} → {}", pair.weak, pair.strong)),
                Cell::measured(&outcome.said.pgr, &of),
                Cell::measured(&outcome.came, &of),
                Cell::text(inside),
            ]
        })
        .collect();
    table(
        &format!("Said of the largest student before it was run: {} of {} inside", score.inside, score.compared),
        &["pair", "said, 90 % interval", "came, 95 % interval", ""],
        &rows,
    )
}
