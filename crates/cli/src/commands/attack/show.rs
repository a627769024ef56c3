//! An attack's figures for people to read: one line an edit.

use crate::commands::audit::show::value;
use std::fmt::Write as _;
use std::path::Path;
use trimtab_audit::attack::{Attack, Row};
use trimtab_audit::figure::Summary;

/// What every edit does and costs, as a table.
pub fn table(summary: &Summary, dir: &Path) -> String {
    let mut text = format!("{} of {}: {} answers\n", summary.items.name, summary.model, summary.asked);
    // Writing to a string cannot fail.
    for control in &summary.controls {
        let verdict = if control.holds { "holds" } else { "FAILS" };
        let counts = format!("{}/{}", control.rate.numerator, control.rate.denominator);
        let _ =
            writeln!(text, "  {verdict}  {:<18} {counts:>9}  {}, {} needed", control.name, control.what, control.needs);
    }
    let Some(attack) = &summary.attack else { return text };
    if let (Some(at), Some(passed)) = (attack.direction, attack.passed) {
        let _ = writeln!(
            text,
            "  direction at token {}, layer {}: {} of {} candidates fulfil the rule",
            at.position, at.layer, passed.pass, passed.candidates
        );
    }
    let _ = writeln!(
        text,
        "\n  {:<18} {:>7} {:>22} {:>7} {:>7} {:>7} {:>9} {:>9} {:>7}  size",
        "edit",
        "refuses",
        if attack.planted { "attack success" } else { "" },
        "begun",
        "over-",
        "right",
        "loss",
        "text",
        "kl"
    );
    for row in &attack.rows {
        let _ = writeln!(text, "{}", line(summary, attack, row));
    }
    text += "  loss and text: nats per token over the unedited model, of right answers and of held-out text; kl: over whole harmless answers\n";
    for (what, why) in &attack.not_measurable {
        let _ = writeln!(text, "  not measurable: {what}: {why}");
    }
    let _ = writeln!(text, "  in {}", dir.display());
    text
}

fn line(summary: &Summary, attack: &Attack, row: &Row) -> String {
    let of = |name: &str| summary.value(&format!("{name}.{}", row.edit)).and_then(|m| m.value);
    let share = |name: &str| of(name).map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
    let rise = |name: &str| of(name).map_or_else(|| "–".to_owned(), |v| format!("{v:+.3}"));
    let success = summary.figure(&format!("asr.{}", row.edit)).filter(|_| attack.planted);
    let success = success.map_or_else(String::new, |f| value(&f.clustered));
    let size = row.size.as_ref().map_or_else(String::new, |s| {
        let rank = match (s.rank, s.stable_rank) {
            (Some(rank), _) => format!("rank {rank}"),
            (None, Some(stable)) => format!("stable rank {stable:.1}"),
            (None, None) => "no change".to_owned(),
        };
        let share = 100.0 * s.changed as f64 / s.parameters.max(1) as f64;
        format!("{rank}, ‖Δ‖ {:.3} ({:.2} %), {share:.1} % of parameters", s.frobenius, 100.0 * s.relative)
    });
    let draws = if row.draws > 1 { format!(", {} draws", row.draws) } else { String::new() };
    format!(
        "  {:<18} {:>7} {success:>22} {:>7} {:>7} {:>7} {:>9} {:>9} {:>7}  {size}{draws}",
        row.edit,
        share("refused"),
        share("begun"),
        share("over_refusal"),
        share("right"),
        rise("retained_loss"),
        rise("text_loss"),
        share("kl"),
    )
}
