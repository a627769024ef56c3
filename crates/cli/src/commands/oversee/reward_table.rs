//! The figures of `trimtab oversee reward` as text.

use super::reward_pairs::Read;
use super::{aligned, all_seeds, number, numbered, pgr_cells, plus_minus, two_digits};
use std::fmt::Write as _;
use trimtab_oversight::reward::press::{Curve, Point, Pressed};
use trimtab_oversight::reward::{Row, Summary};
use trimtab_stats::Measured;

/// The whole of it.
pub(super) fn print(summary: &Summary, names: &[String; 2], read: Option<&Read>, quick: bool) -> String {
    let [weak, strong] = names;
    let mut text = format!("{weak}'s preferences train {strong}; ± and [ ] are 95 % intervals\n");
    if let Some(read) = read {
        text += &of_file(read);
    }
    text += "\n";
    text += &rows(&summary.rows);
    text += &all_seeds(summary.rows.iter().map(|row| (format!("{} beside {}", label(row), row.ceiling), &row.pgr)));
    text += &strata(&summary.rows);
    let b = &summary.baselines;
    let _ = writeln!(
        text,
        "\nwithout a reward model: shorter {}, longer {}, length rule {}, majority {}; equal lengths {}; a ceiling must clear {:.3}",
        plus_minus(&b.shorter),
        plus_minus(&b.longer),
        plus_minus(&b.length_rule),
        plus_minus(&b.majority),
        two_digits(&b.equal_lengths),
        b.to_clear
    );
    let _ = writeln!(
        text,
        "before it is fitted: {weak} {}, {strong} {}; {} looks at T",
        plus_minus(&summary.untaught_weak),
        plus_minus(&summary.untaught_strong),
        summary.test_looks
    );
    match (&summary.pressed, &summary.not_pressed) {
        (Some(found), _) => text += &pressed(found),
        (None, reason) => {
            let _ = writeln!(text, "\nbest of n: not measurable ({})", reason.as_deref().unwrap_or("unknown"));
        }
    }
    if quick {
        text += "--quick: a look at the shape of it, of which nothing is reportable\n";
    }
    text
}

fn of_file(read: &Read) -> String {
    let mut text = format!(
        "{} pairs of {} prompts, {} groups when near duplicates are joined\n",
        read.used, read.prompts, read.group_count
    );
    for (what, n) in &read.counters {
        let _ = writeln!(text, "  {n} {}", what.replacen('.', ": ", 1));
    }
    if let Some(share) = read.unknown_words {
        let _ = writeln!(text, "  {share:.2} of the tokens are words that a model of the world does not know");
    }
    text
}

fn rows(rows: &[Row]) -> String {
    let heads = [
        "method",
        "ceiling",
        "weak w",
        "student s",
        "ceiling c",
        "agree, right",
        "wrong",
        "over naive",
        "PGR, seeds",
        "seeds × items",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        let mut cells = vec![label(row), row.ceiling.clone()];
        cells.extend([&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling].map(plus_minus));
        cells.extend([&row.transfer.agreement_where_right, &row.transfer.agreement_where_wrong].map(two_digits));
        cells.push(row.over_naive.as_ref().map_or_else(|| "–".into(), plus_minus));
        cells.extend(pgr_cells(&row.pgr, &mut notes));
        lines.push(cells);
    }
    let mut text = aligned(&lines);
    text.push_str(
        "accuracies on T's pairs; agree: student with weak model, where that is right and where it is wrong; over naive: in accuracy, seed by seed\n",
    );
    if let Some(row) = rows.first() {
        let t = &row.transfer;
        let _ = writeln!(
            text,
            "weak labels on half B: right {}, calibration error {} where calibrated ones would show {:.2}",
            two_digits(&t.weak_on_b),
            two_digits(&t.weak_ece),
            t.ece_floor
        );
    }
    text + &numbered(&notes)
}

fn label(row: &Row) -> String {
    if row.control { format!("control: {}", row.method) } else { row.method.clone() }
}

fn strata(rows: &[Row]) -> String {
    let heads = ["pairs of T", "share", "method", "weak w", "student s", "ceiling c"].map(str::to_owned).to_vec();
    let mut lines = vec![heads];
    for row in rows.iter().filter(|row| !row.control) {
        for stratum in &row.strata {
            let mut cells = vec![
                stratum.name.clone(),
                two_digits(&stratum.share),
                format!("{} beside {}", row.method, row.ceiling),
            ];
            cells.extend([&stratum.weak, &stratum.student, &stratum.ceiling].map(plus_minus));
            lines.push(cells);
        }
    }
    if lines.len() == 1 { String::new() } else { format!("\n{}", aligned(&lines)) }
}

fn pressed(found: &Pressed) -> String {
    let mut text = format!(
        "\ngold of the best of n by each model, {} pools of {} answers a seed, {} of them unlike; over √KL from a single answer\n",
        found.prompts,
        found.answers,
        two_digits(&found.unlike)
    );
    let Some(first) = found.curves.first() else { return text };
    let mut heads = vec!["chosen by".to_owned()];
    heads.extend(first.points.iter().map(|point| format!("n = {} ({:.2})", point.n, point.distance)));
    heads.extend(["α", "β", "√KL of the peak", "words", "fall to the largest n"].map(str::to_owned));
    let mut lines = vec![heads];
    for curve in &found.curves {
        let mut cells = vec![curve.by.clone()];
        cells.extend(curve.points.iter().map(|point| plus_minus(&point.gold)));
        cells.extend([&curve.alpha, &curve.beta].map(two_digits));
        cells.push(match (curve.peak.value, &curve.peak.reason) {
            (Some(peak), _) => number(peak, 2),
            (None, reason) => format!("none: {}", reason.as_deref().unwrap_or("unknown")),
        });
        let words = |point: Option<&Point>| {
            point.and_then(|point| point.words.value).map_or_else(|| "–".into(), |words| number(words, 1))
        };
        cells.push(format!("{} → {}", words(curve.points.first()), words(curve.points.last())));
        cells.push(fall(curve));
        lines.push(cells);
    }
    text += &aligned(&lines);
    text.push_str(
        "words: of the chosen answer with its punctuation, at n = 1 and at the largest; fall: below 0 with its whole interval, the model was over-optimised; a curve that rises to the end has a fall above 0\n",
    );
    for contrast in &found.contrasts {
        let _ =
            writeln!(text, "best of {}: {} less {}: {}", contrast.n, contrast.of, contrast.less, three(&contrast.gold));
    }
    text
}

fn fall(curve: &Curve) -> String {
    let from = curve.fell_from.map_or_else(String::new, |n| format!(" from n = {n}"));
    format!("{}{from}", three(&curve.fall))
}

/// Three digits, as gold's differences are small.
fn three(figure: &Measured) -> String {
    match (figure.value, figure.interval) {
        (Some(value), Some(i)) => format!("{} [{}, {}]", number(value, 3), number(i.low, 3), number(i.high, 3)),
        (Some(value), None) => number(value, 3),
        (None, _) => format!("undefined: {}", figure.reason.as_deref().unwrap_or("unknown")),
    }
}
