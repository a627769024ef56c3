//! Audits of the run's checkpoints: each figure with its counts and its control, and what could not be measured.

use super::judged::judged;
use super::pressed::pressed;
use super::section;
use crate::chart::captioned;
use crate::chart::dots::{Row, dots};
use crate::chart::two_by_two::two_by_two;
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, figure, table};
use crate::read::Run;
use trimtab_audit::awareness::Corner;
use trimtab_audit::elicitation::{Elicitation, Finding, planted};
use trimtab_audit::figure::{Figure, Summary};
use trimtab_audit::outer::Outer;
use trimtab_audit::outer::alarm::Alarm;
use trimtab_stats::Rate;

/// The section; nothing where no audit was made, since a run need not have one.
#[must_use]
pub fn audits(run: &Run) -> String {
    // Attacks have a section of their own.
    let audits: Vec<&Summary> = run.audits.iter().filter(|s| s.attack.is_none() && s.prompts.is_none()).collect();
    if audits.is_empty() && run.judged.is_empty() {
        return String::new();
    }
    let mut body = aside(
        "How to read",
        "A dot is the share of scored items that have the property, a bar its 95 % interval over stems, questions that hang together. Grey figures are controls. Excess is the share less that of its control. What a control forbids to be measured is hatched and says why.",
    );
    for summary in &audits {
        body += &of_one(summary);
    }
    body.extend(run.judged.iter().map(judged));
    body += &aside(
        "What this does not show",
        "Anything about items that are not asked, or about other seeds of training. A figure whose smallest detectable increase is large may miss what is there: no difference is then no finding.",
    );
    section("audits", "Audits", &title(&audits), &body)
}

/// Whether a figure is there to be compared with, and not to be reported for itself.
fn is_control(figure: &Figure) -> bool {
    figure.name.starts_with("control.")
}

/// Figures that stand above their control, and those that could be measured, of all that are no controls.
fn title(audits: &[&Summary]) -> String {
    let figures = || audits.iter().flat_map(|a| &a.figures).filter(|f| !is_control(f));
    let measured = figures().filter(|f| f.value.value.is_some()).count() as u64;
    let above = figures()
        .filter(|f| f.excess.as_ref().and_then(|e| e.interval.as_ref()).is_some_and(|i| i.low > 0.0))
        .count() as u64;
    let rings = |o: &Outer| {
        let pressed = o.pressed.iter().filter(|p| p.by == "proxy").map(|p| p.alarm.alarm);
        pressed.chain(o.policy.iter().map(|p| p.alarm.alarm)).any(|alarm| alarm == Alarm::Rings)
    };
    let alarms = audits.iter().filter(|a| a.outer.as_ref().is_some_and(rings)).count() as u64;
    let alarm = match alarms {
        0 => String::new(),
        n => {
            format!("; under pressure the proxy rises while the judgement falls, in {} of its audits", format::count(n))
        }
    };
    format!(
        "Of {} figures {} could be measured and {} stand above their control{alarm}",
        format::count(figures().count() as u64),
        format::count(measured),
        format::count(above)
    )
}

fn counts(rate: &Rate) -> String {
    let unscored =
        if rate.unscored == 0 { String::new() } else { format!(", {} unscored", format::count(rate.unscored)) };
    format!("{} of {}{unscored}", format::count(rate.numerator), format::count(rate.denominator))
}

/// The two by two, always whole: awareness alone is no alarm.
fn awareness(corner: &Corner) -> String {
    let mark = |sees: bool, acts: bool| {
        let here = (corner.sees, corner.acts) == (Some(sees), Some(acts));
        Cell::text(if here { "this model" } else { "–" })
    };
    let rows: Vec<Vec<Cell>> = [(true, "tells evaluation from deployment"), (false, "does not tell them apart")]
        .into_iter()
        .map(|(sees, name)| vec![Cell::text(name), mark(sees, false), mark(sees, true)])
        .collect();
    let columns = ["", "behaves alike in both", "behaves otherwise"];
    let caption = format!("Detection and behaviour: {}", corner.words());
    figure(
        &captioned(&caption, &two_by_two(corner)),
        &table("The corner, where both intervals allow it", &columns, &rows),
    )
}

/// Verdict, and each rung beside the plain question and its control.
fn elicitation(of: &Elicitation) -> String {
    let mut body = aside("Verdict", &format!("{}: {}.", of.verdict.words(), of.reason));
    body += &aside("How far to trust it", &format!("{}.", planted::words(of.planted.as_ref())));
    let yes = |holds: Option<bool>| Cell::text(holds.map_or("–", |holds| if holds { "yes" } else { "no" }));
    let row = |f: &Finding| {
        vec![
            Cell::text(f.rung.name()),
            Cell::measured(&f.over_plain, &Unit::Points),
            f.over_control.as_ref().map_or_else(|| Cell::text("–"), |c| Cell::measured(c, &Unit::Points)),
            Cell::measured(&f.detectable, &Unit::Points),
            yes(f.retains),
            yes(f.learned),
        ]
    };
    let columns =
        ["", "over the plain question", "over its control", "smallest detectable", "model kept", "shown learned"];
    let rows: Vec<Vec<Cell>> = of.findings.iter().map(row).collect();
    body += &table(
        &format!("Rungs of elicitation, {:.2} % intervals over facts, points", 100.0 * of.level),
        &columns,
        &rows,
    );
    let not: Vec<Vec<Cell>> =
        of.not_measurable.iter().map(|(rung, why)| vec![Cell::text(rung), Cell::text(why)]).collect();
    body + &table("Rungs that were not tried", &["", ""], &not)
}

fn of_one(summary: &Summary) -> String {
    let heading = format!("{} of {}", summary.items.name, summary.model);
    let mut body = format!("<h3>{}</h3>\n", escape(&heading));
    body += &aside(
        "Items",
        &format!(
            "{} asked; version {}, {}, {}. A positive: {}.",
            format::count(summary.asked),
            summary.items.version,
            summary.items.source,
            summary.items.licence,
            summary.items.positive.trim_end_matches('.')
        ),
    );
    if let Some(corner) = &summary.corner {
        body += &awareness(corner);
    }
    if let Some(cause) = summary.cause {
        body += &aside("Cause", &format!("{}.", cause.words()));
    }
    let dot = |f: &Figure| Row {
        label: f.name.clone(),
        class: if is_control(f) { "control" } else { "other" },
        measured: f.clustered.clone(),
        count: counts(&f.rate),
        planted: None,
    };
    let rows: Vec<Row> = summary.figures.iter().map(dot).collect();
    body += &summary.elicitation.as_ref().map(elicitation).unwrap_or_default();
    body += &summary.outer.as_ref().map(pressed).unwrap_or_default();
    let row = |f: &Figure| {
        let none = || Cell::text("–");
        vec![
            Cell::text(&f.name),
            Cell::number(counts(&f.rate)),
            Cell::measured(&f.clustered, &Unit::Share),
            f.control.as_ref().map_or_else(none, Cell::text),
            f.excess.as_ref().map_or_else(none, |e| Cell::measured(e, &Unit::Points)),
            Cell::measured(&f.detectable, &Unit::Points),
        ]
    };
    let columns =
        ["", "counts", "95 % interval over stems", "control", "excess, points", "smallest detectable, points"];
    let cells: Vec<Vec<Cell>> = summary.figures.iter().map(row).collect();
    body += &figure(&captioned(&heading, &dots(&rows, &Unit::Share)), &table("Each figure", &columns, &cells));
    let means: Vec<Vec<Cell>> = summary
        .means
        .iter()
        .map(|m| {
            let of = |unit: &str| Cell::measured(&m.value, &Unit::Of(unit.to_owned()));
            vec![Cell::text(&m.name), of(""), Cell::number(format::count(m.unscored))]
        })
        .collect();
    body += &table("Means", &["", "95 % interval over stems", "unscored"], &means);
    let controls: Vec<Vec<Cell>> = summary
        .controls
        .iter()
        .map(|c| {
            vec![
                Cell::text(&c.name),
                Cell::text(if c.holds { "holds" } else { "fails" }),
                Cell::number(counts(&c.rate)),
                Cell::measured(&c.value, &Unit::Share),
                Cell::number(format::number(c.needs)),
            ]
        })
        .collect();
    body += &table("What had to hold", &["", "", "counts", "95 % interval", "needed"], &controls);
    // Words apart from numbers: a column of sentences would make every row as high as its sentence on a phone.
    let figures = summary.figures.iter().map(|f| (&f.name, &f.what));
    let means = summary.means.iter().map(|m| (&m.name, &m.what));
    let named = figures.chain(means).chain(summary.controls.iter().map(|c| (&c.name, &c.what)));
    let what: Vec<Vec<Cell>> = named.map(|(name, what)| vec![Cell::text(name), Cell::text(what)]).collect();
    body += &table("What each counts", &["", ""], &what);
    let unscored: Vec<Vec<Cell>> =
        summary.unscored.iter().map(|(why, n)| vec![Cell::text(why), Cell::number(format::count(*n))]).collect();
    body += &table("Unscored, by form and reason", &["", "items"], &unscored);
    let left_out: Vec<Vec<Cell>> =
        summary.items.left_out.iter().map(|(why, n)| vec![Cell::text(why), Cell::number(format::count(*n))]).collect();
    body += &table("Not asked, by reason", &["", "rows or items"], &left_out);
    let traps = summary.items.traps.join("; ");
    if !traps.is_empty() {
        body += &aside("Known traps of these items", &traps);
    }
    body
}
