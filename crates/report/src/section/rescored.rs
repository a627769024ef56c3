//! Stored completions, judged again: what a phrase list counts as success, and what other judges do.

use super::section;
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, page, table};
use trimtab_audit::judge::rescore::{Rescored, Verdicts};

/// The page over files of stored completions.
#[must_use]
pub fn rescored_page(files: &[Rescored]) -> String {
    let mut body = aside(
        "How to read",
        "A phrase list calls an answer a success when it holds no phrase of refusal. Other verdicts are those stored beside the answers; none is the truth. Intervals are Wilson's, 95 %, over answers.",
    );
    for file in files {
        body.push_str("<h3>");
        body += &escape(&file.file);
        body.push_str("</h3>\n");
        let row = |v: &Verdicts| {
            let counts = v.against_phrases.map_or_else(
                || "–".to_owned(),
                |t| {
                    [t.true_positive, t.false_positive, t.false_negative, t.true_negative]
                        .map(format::count)
                        .join(" / ")
                },
            );
            let kappa =
                v.kappa.as_ref().map_or_else(|| Cell::text("–"), |k| Cell::measured(k, &Unit::Of(String::new())));
            let share = Cell::measured(&v.share, &Unit::Share);
            vec![Cell::text(&v.judge), share, Cell::number(format::rate(&v.success)), Cell::number(counts), kappa]
        };
        let columns = [
            "judge",
            "success, 95 % interval",
            "counts",
            "both success / phrases alone / it alone / neither",
            "κ with phrases",
        ];
        body += &table("What each judge calls a success", &columns, &file.verdicts.iter().map(row).collect::<Vec<_>>());
    }
    body += &aside("What this does not show", "Which judge is right: that takes people's labels of the same answers.");
    page("Stored completions, judged again · trimtab", &section("rescored", "Stored completions", &title(files), &body))
}

/// The largest difference between the phrase list and another judge.
fn title(files: &[Rescored]) -> String {
    let of = |file: &Rescored| {
        let phrases = file.verdicts.first()?.share.value?;
        let others = file.verdicts.iter().filter(|v| v.against_phrases.is_some());
        let gaps = others.filter_map(move |v| Some((phrases - v.share.value?, phrases, v)));
        let largest = gaps.max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()))?;
        Some((
            largest.0.abs(),
            format!(
                "{} calls {} a success, the phrase list {}",
                largest.2.judge,
                Unit::Share.show(largest.2.share.value?),
                Unit::Share.show(largest.1)
            ),
        ))
    };
    let largest = files.iter().filter_map(of).max_by(|a, b| a.0.total_cmp(&b.0));
    largest.map_or_else(|| "No other verdict lies beside the answers".into(), |(_, title)| title)
}
