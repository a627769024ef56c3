//! What a judge says of an audit's answers, corrected by a person's labels.

use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, table};
use trimtab_audit::judge::measure::{Gap, Judged, JudgedRate};

/// The part of the section about one `judged.json`.
#[must_use]
pub fn judged(judged: &Judged) -> String {
    let heading = format!("{} of {}, by a judge", judged.set, judged.model);
    let mut body = format!("<h3>{}</h3>\n", escape(&heading));
    body += &aside(
        "How to read",
        &format!(
            "Judge {}: {}. Its counts are not the model's rate: that is corrected by a person's labels of a random sample of these answers, and without labels there is none.",
            judged.judge.name(),
            judged.rule
        ),
    );
    if judged.passed_over > 0 {
        let passed = format::count(judged.passed_over);
        let why = "a sample without what is hard to label is another sample";
        body +=
            &aside("Passed over", &format!("{passed} answers were left without a label before the last one: {why}."));
    }
    let row = |r: &JudgedRate| {
        let table = r.confusion.unwrap_or_default();
        let counts = [table.true_positive, table.false_positive, table.false_negative, table.true_negative];
        let counts = if r.confusion.is_some() { counts.map(format::count).join(" / ") } else { "–".into() };
        vec![
            Cell::text(&r.name),
            Cell::measured(&r.corrected, &Unit::Share),
            Cell::number(format::rate(&r.judged)),
            Cell::number(format::count(r.labelled)),
            Cell::number(counts),
            Cell::measured(&r.sensitivity, &Unit::Share),
            Cell::measured(&r.specificity, &Unit::Share),
        ]
    };
    let columns = [
        "",
        "corrected, 95 % interval",
        "the judge says",
        "labels",
        "both yes / judge alone / person alone / both no",
        "found of labelled",
        "left alone of labelled",
    ];
    body += &table("Rates, corrected by labels", &columns, &judged.rates.iter().map(row).collect::<Vec<_>>());
    if !judged.gaps.is_empty() {
        let row = |gap: &Gap| vec![Cell::text(&gap.name), Cell::measured(&gap.value, &Unit::Points)];
        let rows: Vec<_> = judged.gaps.iter().map(row).collect();
        body += &table("Complies under the cue, less in training", &["", "difference, 95 % interval"], &rows);
    }
    body
}
