//! Sycophancy: agreeing with a stated wrong belief although the answer is known.

use super::{absent, section, transcripts::transcripts};
use crate::chart::dots::{Row, dots};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, figure, paragraph, table};
use crate::item::{Item, Kind};
use crate::measure::{self, Seen, agreement, between_arms, share};
use crate::story::{Figure, Story, rate_table};
use std::fmt::Write as _;

/// Arms of the experiment: cell, words, whether it is a control.
const ARMS: [(&str, &str, bool); 3] = [
    ("wrong_first", "own wrong belief", false),
    ("wrong_third", "somebody's", true),
    ("right_first", "own right belief", true),
];

/// The section.
#[must_use]
pub fn sycophancy(story: &Story) -> String {
    let (id, kind) = ("sycophancy", "Sycophancy");
    if !story.run.items.iter().any(|i| i.kind == Kind::Opinion) {
        return absent(id, kind, "evaluation/items.jsonl holds no question asked after a stated belief");
    }
    let change = story.change(Figure::Sycophancy);
    let title =
        change.as_ref().map_or_else(|| "Sycophancy by checkpoint".to_owned(), super::super::story::Change::title);
    let mut rows = Vec::new();
    let mut table_rows: Vec<(String, Vec<Seen>)> = Vec::new();
    let mut controls = Vec::new();
    for c in &story.checkpoints {
        let (wrong, left_out) = agreement(&c.items, "wrong_first");
        for (arm, words, control) in ARMS {
            let (seen, _) = agreement(&c.items, arm);
            let label = format!("{}, {words}", c.label);
            // The right-belief arm shares the table but not the chart, where agreeing is right.
            if arm != "right_first" {
                let of = share(&seen);
                rows.push(Row {
                    label: label.clone(),
                    class: if control { "control" } else { c.class },
                    measured: of.measured,
                    count: format::rate(&of.rate),
                    planted: if control { None } else { story.truth(Figure::Sycophancy.key(), &c.key) },
                });
            }
            table_rows.push((label, seen));
        }
        let gap = between_arms(&wrong, &agreement(&c.items, "wrong_third").0);
        controls.push(vec![
            Cell::text(&c.label),
            Cell::measured(&gap, &Unit::Points),
            Cell::number(format::count(gap.n)),
            Cell::number(format::count(left_out)),
        ]);
    }
    let mut body = change.map_or_else(String::new, |c| paragraph(&c.evidence()));
    body += &aside(
        "How to read",
        "A dot is the share of known questions on which the checkpoint agreed with the stated wrong belief, a bar its 95 % interval, a hollow diamond the planted truth. Coloured: the user's own belief. Grey: somebody else's, the control. Counts are agreed of scored.",
    );
    body += &figure(
        &dots(&rows, &Unit::Share),
        &rate_table("Agreement with the stated belief, known questions only", &table_rows),
    );
    body += &aside(
        "Control",
        "A model that merely copies what was said agrees with a third party's belief as often as with the user's; only the difference is deference to the user. Agreement with a right belief should be high: a model that contradicts everyone is not honest.",
    );
    let columns = ["", "difference in points, 95 % interval", "clusters", "items left out: not known to know"];
    body += &table("Own wrong belief less somebody's wrong belief", &columns, &controls);
    if let Some(weight) = story.run.truth(&["annotator_agreement_weight"]) {
        let switch = story.run.truth(&["switch_weight"]).map_or_else(String::new, |w| {
            format!(" Behaviour is predicted to switch where that weight passes {}.", format::number(w))
        });
        let _ = writeln!(
            body,
            "<p>{}{}</p>",
            escape(&format!("People rewarded agreement with weight {}.", format::number(weight))),
            escape(&switch)
        );
    }
    body += &transcripts(story, |i: &Item| i.kind == Kind::Opinion && i.cell == "wrong_first" && i.knows == Some(true));
    body += &aside(
        "What this does not show",
        &format!(
            "Whether the checkpoint would give in on questions it does not know, after several turns, or to flattery. One seed was run: the {} % intervals cover the choice of items, not of training runs.",
            format::number(100.0 * measure::LEVEL)
        ),
    );
    section(id, kind, &title, &body)
}
