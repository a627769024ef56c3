//! Capability against alignment: could it not, or would it not?

use super::{absent, section, transcripts::transcripts};
use crate::chart::{
    captioned,
    dots::{Row, dots},
};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, figure, paragraph, table};
use crate::item::{Item, Kind};
use crate::measure::{Class, Seen, class, failed, share};
use crate::read::{family, measured};
use crate::story::{Figure, Story, looks, rate_table};
use std::collections::{BTreeMap, BTreeSet};

/// The section.
#[must_use]
pub fn can_or_will(story: &Story) -> String {
    let (id, kind) = ("can-or-will", "Capability against alignment");
    if story.run.items.is_empty() {
        return absent(id, kind, "there is no evaluation/items.jsonl, so no failure can be classed");
    }
    let mut body = aside(
        "How to read",
        "Every failed item is classed by construction. It knows and does otherwise: the same question was answered right in the neutral arm or by elicitation. It does not know: it was not, or the thing was never taught. Undetermined: nothing says which.",
    );
    let classes: Vec<(&str, [u64; 5])> =
        story.checkpoints.iter().map(|c| (c.label.as_str(), classes(&c.items))).collect();
    let mut rows = Vec::new();
    for (c, (label, [_, knows, _, failures, _])) in story.checkpoints.iter().zip(&classes) {
        let rate = trimtab_stats::Rate { numerator: *knows, denominator: *failures, unscored: 0 };
        let mut m = share(&classed(&c.items)).measured;
        if *failures == 0 {
            m.reason = Some("nothing failed".into());
        }
        rows.push(Row {
            label: (*label).to_owned(),
            class: c.class,
            measured: m,
            count: format::rate(&rate),
            planted: story.truth("knows_and_does_otherwise", &c.key),
        });
    }
    let cells: Vec<Vec<Cell>> = classes
        .iter()
        .map(|(label, numbers)| {
            let numbers = numbers.iter().map(|n| Cell::number(format::count(*n)));
            std::iter::once(Cell::text(*label)).chain(numbers).collect()
        })
        .collect();
    let columns = ["", "does not know", "knows and does otherwise", "undetermined", "failed", "unscored"];
    body += &figure(
        &captioned("Share of failures where it knows and does otherwise", &dots(&rows, &Unit::Share)),
        &table("Failed items by class", &columns, &cells),
    );
    body += &aside(
        "Control",
        "Facts that no text ever held (cell “never”) cannot be known: right answers there are guesses, and their share is the level to compare the others with.",
    );
    body += "<h3>What each checkpoint can</h3>\n";
    body += &capability_tables(story);
    body += "<h3>Gold reward, wins and length</h3>\n";
    body += &by_checkpoint(story);
    body += &transcripts(story, |i| matches!(i.kind, Kind::Fact | Kind::Skill));
    body += &aside(
        "What this does not show",
        "A checkpoint may know a thing and fail to show it in the neutral arm too: “does not know” then means “did not show that it knows”. Classes are counted over this set of items, whose mixture is a choice.",
    );
    section(id, kind, &title(story), &body)
}

fn title(story: &Story) -> String {
    let Some(last) = story.pair().map(|p| p.1).or(story.checkpoints.last()) else { return "Failures by class".into() };
    let [cannot, will_not, unknown, all, _] = classes(&last.items);
    if all == 0 {
        return format!("{} failed on no item", last.label);
    }
    format!(
        "Of {} failures of {}, {} are lack of knowledge, {} happen although it knows, {} are undetermined",
        format::count(all),
        last.label,
        format::count(cannot),
        format::count(will_not),
        format::count(unknown)
    )
}

/// Failures by class: does not know, knows and does otherwise, undetermined; then all failures, and unscored items.
#[must_use]
pub fn classes(items: &[&Item]) -> [u64; 5] {
    let mut out = [0; 5];
    for item in items {
        match failed(item) {
            None => out[4] += 1,
            Some(false) => {}
            Some(true) => {
                out[3] += 1;
                match class(item) {
                    Class::DoesNotKnow => out[0] += 1,
                    Class::KnowsAndDoesOtherwise => out[1] += 1,
                    Class::Undetermined => out[2] += 1,
                }
            }
        }
    }
    out
}

fn classed<'i>(items: &[&'i Item]) -> Vec<Seen<'i>> {
    let failures = items.iter().filter(|i| failed(i) == Some(true));
    failures
        .map(|i| Seen {
            item: &i.item,
            cluster: &i.cluster,
            value: Some(f64::from(u8::from(class(i) == Class::KnowsAndDoesOtherwise))),
        })
        .collect()
}

/// Right answers by kind and cell, and for skills by difficulty.
fn capability_tables(story: &Story) -> String {
    let mut cells: BTreeSet<(Kind, &str, Option<i64>)> = BTreeSet::new();
    for i in story.run.items.iter().filter(|i| matches!(i.kind, Kind::Fact | Kind::Skill)) {
        cells.insert((i.kind, &i.cell, i.difficulty));
    }
    let mut rows: Vec<(String, Vec<Seen>)> = Vec::new();
    let mut panels: BTreeMap<(Kind, &str), Vec<Row>> = BTreeMap::new();
    for &(kind, cell, difficulty) in &cells {
        for c in &story.checkpoints {
            let of_cell: Vec<&Item> = c
                .items
                .iter()
                .copied()
                .filter(|i| i.kind == kind && i.cell == cell && i.difficulty == difficulty)
                .collect();
            let seen = crate::measure::capability(&of_cell);
            let label = match difficulty {
                Some(d) => format!("{cell} {d}, {}", c.label),
                None => format!("{cell}, {}", c.label),
            };
            let of = share(&seen);
            let control = cell == "never";
            panels.entry((kind, cell)).or_default().push(Row {
                label: label.clone(),
                class: if control { "control" } else { c.class },
                measured: of.measured,
                count: format::rate(&of.rate),
                planted: None,
            });
            rows.push((label, seen));
        }
    }
    let panels: Vec<String> = panels
        .iter()
        .map(|((kind, cell), rows)| captioned(&format!("{}: {cell}", kind.name()), &dots(rows, &Unit::Share)))
        .collect();
    crate::html::panels(&panels)
        + "<details><summary>The same as a table</summary>\n"
        + &rate_table("Right answers by cell and difficulty", &rows)
        + "</details>\n"
}

fn by_checkpoint(story: &Story) -> String {
    let mut out = String::new();
    let mut panels = Vec::new();
    let mut table_rows = Vec::new();
    for figure_of in [Figure::Gold, Figure::Words] {
        let rows: Vec<Row> = story
            .checkpoints
            .iter()
            .map(|c| {
                let seen = figure_of.seen(&c.items);
                Row {
                    label: c.label.clone(),
                    class: c.class,
                    measured: figure_of.measured(&seen),
                    count: figure_of.count(&seen),
                    planted: story.truth(figure_of.key(), &c.key),
                }
            })
            .collect();
        table_rows.extend(rows.iter().map(|r| as_cells(figure_of.name(), r, &figure_of.unit())));
        panels.push(captioned(&crate::story::capitalised(figure_of.name()), &dots(&rows, &figure_of.unit())));
        if let Some(change) = story.change(figure_of) {
            out += &paragraph(&format!("{}. {}", change.title(), change.evidence()));
        }
    }
    for (prefix, caption) in
        [("corpus_loss/", "Loss on held-out text"), ("win_rate_vs_sft/", "Wins against SFT, ties half")]
    {
        let found = family(&story.run.evaluation, prefix);
        let Some(unit) = found.first().map(|(_, m)| Unit::named(m.unit.as_deref())) else {
            out += &paragraph(&format!("{caption}: evaluation/metrics.jsonl holds no {prefix}CHECKPOINT."));
            continue;
        };
        let unit = if prefix.starts_with("win_rate") { Unit::Share } else { unit };
        let mut rows: Vec<(usize, Row)> = found
            .iter()
            .map(|(key, m)| {
                let (label, class) = looks(key);
                let order = story.checkpoints.iter().position(|c| c.key == *key).unwrap_or(usize::MAX);
                let figure_of = prefix.trim_end_matches('/');
                let count = format::n(m.n.unwrap_or(0));
                (order, Row { label, class, measured: measured(m), count, planted: story.truth(figure_of, key) })
            })
            .collect();
        rows.sort_by_key(|r| r.0);
        let rows: Vec<Row> = rows.into_iter().map(|r| r.1).collect();
        table_rows.extend(rows.iter().map(|r| as_cells(caption, r, &unit)));
        panels.push(captioned(caption, &dots(&rows, &unit)));
    }
    out += &crate::html::panels(&panels);
    out + &table("The same as a table", &["", "checkpoint", "value, 95 % interval", "count"], &table_rows)
}

fn as_cells(name: &str, row: &Row, unit: &Unit) -> Vec<Cell> {
    vec![
        Cell::text(crate::story::capitalised(name)),
        Cell::text(&row.label),
        Cell::measured(&row.measured, unit),
        Cell::number(&row.count),
    ]
}
