//! Two runs side by side: the two axes with both, paired differences, every shared figure, and the settings that differ.

use crate::chart::two_axes::{Spot, two_axes};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, page, paragraph, single, table};
use crate::measure;
use crate::read::{Run, STAGES, family, measured};
use crate::section::{absent, opening::spots, section};
use crate::story::{Figure, Story, Turn, turn};
use serde_json::Value;
use std::collections::BTreeMap;

/// The comparison of two runs as one HTML page; differences are the second less the first.
#[must_use]
pub fn compare(a: &Run, b: &Run) -> String {
    // Two folders may bear one name.
    let names = if a.name == b.name {
        [format!("{} (first)", a.name), format!("{} (second)", b.name)]
    } else {
        [a.name.clone(), b.name.clone()]
    };
    let (first, second) = (Story::new(a), Story::new(b));
    let mut body = format!(
        "<p class=\"kind\">Two runs side by side</p>\n<h1>{} and {}</h1>\n",
        escape(&names[0]),
        escape(&names[1])
    );
    body += &axes(&first, &second, &names);
    body += &paired(&first, &second, &names);
    body += &shared(a, b, &names);
    body += &settings(a, b, &names);
    page(&format!("{} and {} · trimtab", names[0], names[1]), &body)
}

fn axes(first: &Story, second: &Story, names: &[String; 2]) -> String {
    let (id, kind) = ("axes", "Two axes: can it, and does it try to");
    if first.checkpoints.is_empty() && second.checkpoints.is_empty() {
        return absent(id, kind, "neither run has evaluation/items.jsonl");
    }
    let mut all: Vec<Spot> = spots(first, false);
    let shift = all.len();
    all.extend(spots(second, true).into_iter().map(|s| Spot { from: s.from.map(|i| i + shift), ..s }));
    for (i, spot) in all.iter_mut().enumerate() {
        spot.label = format!("{} {}", spot.label, if i < shift { "1" } else { "2" });
    }
    let rows: Vec<Vec<Cell>> = all
        .iter()
        .enumerate()
        .map(|(i, s)| {
            vec![
                Cell::text(&s.label),
                Cell::text(&names[usize::from(i >= shift)]),
                Cell::measured(&s.capability, &Unit::Share),
                Cell::measured(&s.alignment, &Unit::Share),
                Cell::number(&s.count),
            ]
        })
        .collect();
    let columns = ["", "run", "capability, 95 % interval", "alignment, 95 % interval", "counts of the two"];
    let body = aside(
        "How to read",
        &format!(
            "Filled dots (1) are {}, hollow ones (2) are {}. Boxes are 95 % intervals, arrows the order of training.",
            names[0], names[1]
        ),
    ) + &single(&two_axes(&all))
        + &table("Checkpoints of both runs", &columns, &rows);
    section(id, kind, "Where the checkpoints of both runs stand", &body)
}

fn paired(first: &Story, second: &Story, names: &[String; 2]) -> String {
    let (id, kind) = ("paired", "Paired differences");
    let mut rows = Vec::new();
    let mut moved = 0;
    for a in &first.checkpoints {
        let Some(b) = second.checkpoints.iter().find(|b| b.key == a.key) else { continue };
        for f in Figure::ALL {
            let (x, y) = (f.seen(&a.items), f.seen(&b.items));
            let difference = measure::change(&x, &y);
            moved += u32::from(matches!(turn(&difference), Turn::Rose | Turn::Fell));
            rows.push(vec![
                Cell::text(format!("{}, {}", a.label, f.name())),
                Cell::measured(&f.measured(&x), &f.unit()),
                Cell::number(f.count(&x)),
                Cell::measured(&f.measured(&y), &f.unit()),
                Cell::number(f.count(&y)),
                Cell::measured(&difference, &f.unit().of_difference()),
                Cell::number(format::count(difference.n)),
            ]);
        }
    }
    if rows.is_empty() {
        return absent(id, kind, "no checkpoint is in evaluation/items.jsonl of both runs");
    }
    let title = format!("{moved} of {} figures differ by more than their interval", rows.len());
    let columns =
        ["", &names[0], "count", &names[1], "count", "difference on the same items (shares: points)", "clusters"];
    let body = aside(
        "How to read",
        "The difference is the second run less the first, item by item where both scored the same item, with a 95 % interval over clusters. Many are compared at once: one in twenty stands apart by chance.",
    ) + &table("Figures of each checkpoint", &columns, &rows);
    section(id, kind, &title, &body)
}

fn shared(a: &Run, b: &Run, names: &[String; 2]) -> String {
    let mut rows = Vec::new();
    let mut alone = 0;
    for stage in STAGES.into_iter().chain(["evaluation"]) {
        let of = |run: &Run| if stage == "evaluation" { run.evaluation.clone() } else { run.stage(stage).to_vec() };
        let (x, y) = (of(a), of(b));
        let (x, y) = (family(&x, ""), family(&y, ""));
        for (name, m) in &x {
            let Some((_, other)) = y.iter().find(|(n, _)| n == name) else {
                alone += 1;
                continue;
            };
            let unit = Unit::named(m.unit.as_deref());
            let difference = match (m.value, other.value) {
                (Some(p), Some(q)) => Cell::number(unit.of_difference().show(q - p)),
                _ => Cell::Undefined("one of the two is undefined".into()),
            };
            rows.push(vec![
                Cell::text(format!("{stage}: {}", name.replace('_', " "))),
                Cell::measured(&measured(m), &unit),
                Cell::number(m.n.map_or_else(|| "–".into(), format::count)),
                Cell::measured(&measured(other), &unit),
                Cell::number(other.n.map_or_else(|| "–".into(), format::count)),
                difference,
                Cell::text(unit.of_difference().axis()),
            ]);
        }
        alone += y.iter().filter(|(n, _)| !x.iter().any(|(m, _)| m == n)).count();
    }
    if rows.is_empty() {
        return absent("shared", "Every shared figure", "the two runs recorded no figure in common");
    }
    let columns = ["", &names[0], "n", &names[1], "n", "difference", "its unit"];
    let body = aside(
        "How to read",
        "The value of the last step of each figure, with its 95 % interval where one was recorded. These differences are not paired and have no interval.",
    ) + &table("Final values", &columns, &rows)
        + &paragraph(&format!("{} figures were recorded in one of the two only.", format::count(alone as u64)));
    section(
        "shared",
        "Every shared figure",
        &format!("{} figures that both runs recorded", format::count(rows.len() as u64)),
        &body,
    )
}

fn settings(a: &Run, b: &Run, names: &[String; 2]) -> String {
    let (id, kind) = ("settings", "Settings");
    let (Some(x), Some(y)) = (&a.manifest, &b.manifest) else {
        return absent(id, kind, "at least one of the two runs has no manifest.json");
    };
    let mut keys: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    flatten("", &x.config, 0, &mut keys);
    flatten("", &y.config, 1, &mut keys);
    keys.insert("seed".into(), [Some(x.seed.to_string()), Some(y.seed.to_string())]);
    let show = |v: &Option<String>| Cell::text(v.clone().unwrap_or_else(|| "(unset)".into()));
    let rows: Vec<Vec<Cell>> =
        keys.iter().filter(|(_, [p, q])| p != q).map(|(key, [p, q])| vec![Cell::text(key), show(p), show(q)]).collect();
    let title = match rows.len() {
        0 => "No setting differs".to_owned(),
        1 => "1 setting differs".to_owned(),
        n => format!("{n} settings differ"),
    };
    let body =
        if rows.is_empty() { paragraph("None: the two runs have equal settings and seed.") } else { String::new() };
    section(id, kind, &title, &(body + &table("Settings that differ", &["setting", &names[0], &names[1]], &rows)))
}

/// Every leaf of a config by its dotted key.
fn flatten(key: &str, value: &Value, side: usize, out: &mut BTreeMap<String, [Option<String>; 2]>) {
    match value {
        Value::Object(inner) if !inner.is_empty() => {
            for (name, value) in inner {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, side, out);
            }
        }
        leaf => out.entry(key.to_owned()).or_default()[side] = Some(leaf.to_string()),
    }
}
