//! Attacks by prompts for people to read: one line an attack.

use crate::commands::audit::show::value;
use std::fmt::Write as _;
use std::path::Path;
use trimtab_audit::attack::prompts::Prompts;
use trimtab_audit::figure::Summary;
use trimtab_stats::doublings;

/// Every attack as a line.
pub fn table(summary: &Summary, dir: &Path) -> String {
    let mut text = format!("{} of {}: {} attempts\n", summary.items.name, summary.model, summary.asked);
    // Writing to a string cannot fail.
    for control in &summary.controls {
        let verdict = if control.holds { "holds" } else { "FAILS" };
        let counts = format!("{}/{}", control.rate.numerator, control.rate.denominator);
        let _ =
            writeln!(text, "  {verdict}  {:<14} {counts:>9}  {}, {} needed", control.name, control.what, control.needs);
    }
    let Some(found) = &summary.prompts else { return text };
    let heading = if found.planted { "attack success" } else { "" };
    let _ = writeln!(
        text,
        "\n  {:<20} {heading:>22} {:>8} {:>9} {:>7} {:>11} {:>7} {:>7} {:>8} {:>12}",
        "attack", "refuses", "unscored", "never", "carried", "right", "over-", "queries", "per success"
    );
    for row in &found.rows {
        let share = |name: &str| {
            let measured = summary.value(&format!("{name}.{}", row.attack)).and_then(|m| m.value);
            measured.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"))
        };
        let success = summary.figure(&format!("asr.{}", row.attack)).map_or_else(String::new, |f| value(&f.clustered));
        let carried = match (share("transfer"), share("transfer_refused")) {
            (_, refused) if refused == "–" => refused,
            (given, refused) if found.planted => format!("{given}/{refused}"),
            (_, refused) => refused,
        };
        let unscored = summary.figure(&format!("refused.{}", row.attack)).map_or(0, |f| f.rate.unscored);
        let each = row.queries_per_success.map_or_else(|| "–".to_owned(), |q| format!("{q:.1}"));
        let _ = writeln!(
            text,
            "  {:<20} {success:>22} {:>8} {unscored:>9} {:>7} {:>11} {:>7} {:>7} {:>8} {each:>12}",
            row.attack,
            share("refused"),
            share("never"),
            carried,
            share("right"),
            share("over_refusal"),
            row.queries + row.scored.unwrap_or(0),
        );
    }
    for suffix in &found.suffixes {
        let (topic, tokens) = (&suffix.topic, if suffix.same_tokens { "the same tokens" } else { "OTHER tokens" });
        let _ = writeln!(
            text,
            "  {:<20} {topic:<18} loss {:.3} to {:.3}, as text {:.3} ({tokens})  {:?}",
            suffix.attack, suffix.before, suffix.loss, suffix.rescored, suffix.text
        );
    }
    // Those under defences are in their table.
    let under = |name: &str| found.defences.iter().any(|of| name.strip_prefix(of).is_some_and(|r| r.starts_with('.')));
    for mean in summary.means.iter().filter(|mean| !under(&mean.name)) {
        let _ = writeln!(text, "  {:<20} {:>22}  {}", mean.name, value(&mean.value), mean.what);
    }
    for figure in summary.figures.iter().filter(|figure| figure.name.starts_with("won.")) {
        let _ = writeln!(text, "  {:<20} {:>22}  {}", figure.name, value(&figure.clustered), figure.what);
    }
    text += &defences(summary, found);
    for (what, why) in &found.not_measurable {
        let _ = writeln!(text, "  not measurable: {what}: {why}");
    }
    let _ = writeln!(text, "  in {}", dir.display());
    text
}

/// Every attack under every defence, and what each costs.
fn defences(summary: &Summary, found: &Prompts) -> String {
    if found.defences.is_empty() {
        return String::new();
    }
    let (success, heading) = if found.planted { ("asr", "attack success") } else { ("refused", "refusal") };
    let line = |label: &str, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>20}")).collect();
        format!("  {label:<20} {}\n", cells.join(" "))
    };
    let shown = |name: &str| {
        let measured = summary.value(name).and_then(|m| m.value);
        measured.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"))
    };
    let of = |name: &str| {
        let under = found.defences.iter().map(|defence| shown(&format!("{defence}.{name}")));
        std::iter::once(shown(name)).chain(under).collect::<Vec<_>>()
    };
    let heads: Vec<String> = std::iter::once("none".to_owned()).chain(found.defences.iter().cloned()).collect();
    let mut text = format!("\n  {heading} under each defence\n") + &line("", &heads);
    for row in &found.rows {
        text += &line(&row.attack, &of(&format!("{success}.{}", row.attack)));
        // Of many draws one is enough.
        if let Some(n) = doublings(row.draws).into_iter().next_back().filter(|n| found.planted && *n > 1) {
            text += &line(&format!("  one of {n}"), &of(&format!("{}.{n}", row.attack)));
        }
    }
    for (label, name) in
        [("right when asked", "right.direct"), ("over-refusal", "over_refusal.direct"), ("facts", "retained.direct")]
    {
        text += &line(label, &of(name));
    }
    text
}
