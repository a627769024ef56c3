//! The figures of `trimtab oversee chess` as text.

use super::chess_puzzles::Puzzles;
use super::{aligned, all_seeds, noted, numbered, pgr_cells, plus_minus, two_digits, with_interval};
use std::fmt::Write as _;
use trimtab_oversight::chess::{Row, Summary};

/// The whole of it.
pub(super) fn print(summary: &Summary, sizes: &[String], elsewhere: Option<&Puzzles>, quick: bool) -> String {
    let mut text = format!(
        "{}'s moves teach {}: puzzles with one move that mates in {}; ± and [ ] are 95 % intervals\n\n",
        sizes[0],
        sizes[1..].join(", "),
        summary.depth
    );
    text += &rows(&summary.rows);
    text += &all_seeds(summary.rows.iter().map(|row| (format!("{}, {}", label(row), row.student), &row.pgr)));
    text += &models(summary, elsewhere.is_some());
    let b = &summary.baselines;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nwithout learning: the most frequent move {}, any legal move {}, any legal check {}; a ceiling must clear {:.3}; {} looks at T",
        plus_minus(&b.majority),
        plus_minus(&b.legal),
        plus_minus(&b.check),
        b.to_clear,
        summary.test_looks
    );
    if let Some(found) = elsewhere {
        let _ =
            writeln!(text, "elsewhere: {} puzzles, {} with several answers", summary.elsewhere, found.several_answers);
        for (what, n) in &found.counters {
            let _ = writeln!(text, "  {n} {what}");
        }
    }
    if quick {
        text += "--quick: a look at the shape of it, of which nothing is reportable\n";
    }
    text
}

fn label(row: &Row) -> String {
    if row.control { format!("control: {}", row.method) } else { row.method.clone() }
}

fn rows(rows: &[Row]) -> String {
    let heads = [
        "method",
        "student",
        "weak w",
        "student s",
        "ceiling c",
        "agree, right",
        "wrong",
        "over direct",
        "PGR, seeds",
        "seeds × items",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        let mut cells = vec![label(row), row.student.clone()];
        cells.extend([&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling].map(plus_minus));
        cells.extend([&row.agreement.where_right, &row.agreement.where_wrong].map(two_digits));
        cells.push(row.over_direct.as_ref().map_or_else(|| "–".into(), plus_minus));
        cells.extend(pgr_cells(&row.pgr, &mut notes));
        lines.push(cells);
    }
    let mut text = aligned(&lines);
    text.push_str(
        "accuracies on T; agree: student with weak model, where that is right and where it is wrong; over direct: in accuracy, seed by seed\n",
    );
    if let Some(row) = rows.first() {
        let _ = writeln!(text, "weak moves on half B: right {}", plus_minus(&row.agreement.weak_on_b));
    }
    text + &numbered(&notes)
}

/// Every model by itself.
fn models(summary: &Summary, elsewhere: bool) -> String {
    let mut heads = vec!["model", "right", "legal"];
    heads.extend(elsewhere.then_some("right elsewhere"));
    let mut lines = vec![heads.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let mut notes: Vec<String> = Vec::new();
    for model in &summary.models {
        let mut cells = vec![model.fit.clone(), noted(&model.right, &mut notes), noted(&model.legal, &mut notes)];
        cells.extend(elsewhere.then(|| with_interval(&model.elsewhere)));
        lines.push(cells);
    }
    format!("\n{}{}", aligned(&lines), numbered(&notes))
}
