//! The figures of `trimtab oversee ladder` as text.

use super::{aligned, bounds, number, plus_minus, two_digits, with_interval};
use std::fmt::Write as _;
use trimtab_oversight::transformers::forecast::Forecast;
use trimtab_oversight::transformers::{ReadAt, Row, Summary};
use trimtab_stats::Measured;

/// The whole of it.
pub(super) fn print(summary: &Summary, quick: bool) -> String {
    let mut text = String::from("is this answer to this exercise right? ± and [ ] are 95 % intervals\n\n");
    let mut lines = vec![
        ["size", "parameters", "without training", "weak, gold of A", "ceiling, gold of B"].map(str::to_owned).to_vec(),
    ];
    for size in &summary.sizes {
        let figures = [&size.zero_shot, &size.weak, &size.ceiling].map(plus_minus);
        lines.push([vec![size.name.clone(), size.parameters.to_string()], figures.to_vec()].concat());
    }
    text += &aligned(&lines);
    let _ = writeln!(text, "a ceiling must clear {:.3}: majority or length, whichever is better\n", summary.baseline);
    text += &rows(&summary.rows);
    if let Some(chain) = &summary.chain {
        let _ = writeln!(
            text,
            "\nchain through all sizes less direct supervision: accuracy {}; correlation of errors with the first supervisor's {} against {}",
            plus_minus(&chain.over_direct),
            two_digits(&chain.phi_chain),
            two_digits(&chain.phi_direct)
        );
    }
    match &summary.forecast {
        Some(score) => {
            text += "\nsaid before the largest student was run, from the pairs below it:\n";
            let mut lines = vec![["weak", "strong", "said, 90 %", "came", ""].map(str::to_owned).to_vec()];
            for outcome in &score.outcomes {
                let verdict = match outcome.inside {
                    Some(true) => "inside",
                    Some(false) => "outside",
                    None => "not compared",
                };
                let pair = &outcome.said.pair;
                let figures = [&outcome.said.pgr, &outcome.came].map(with_interval);
                lines.push(
                    [vec![pair.weak.clone(), pair.strong.clone()], figures.to_vec(), vec![verdict.into()]].concat(),
                );
            }
            text += &aligned(&lines);
            let _ = writeln!(
                text,
                "{} of {} inside; root mean square error {}, smallest half-width {}",
                score.inside,
                score.compared,
                score.rms_error.map_or_else(|| "–".into(), |e| format!("{e:.2}")),
                score.smallest_half_width.map_or_else(|| "–".into(), |w| format!("{w:.2}"))
            );
        }
        None => text += "\nnothing was said of the largest student before it was run\n",
    }
    let pairs = &summary.reported;
    let median = pairs.value.map_or_else(String::new, |median| format!(", median PGR {}", number(median, 2)));
    let _ = writeln!(
        text,
        "\n{} naive pairs of different sizes are reported, {} of them above 0{median}; {} looks at T",
        pairs.n, summary.above_zero, summary.test_looks
    );
    if quick {
        text += "--quick: a look at the shape of it, of which nothing is reportable\n";
    }
    text
}

fn rows(rows: &[Row]) -> String {
    let heads = [
        "weak",
        "strong",
        "method",
        "read",
        "weak w",
        "student s",
        "ceiling c",
        "agree, right",
        "wrong",
        "ECE",
        "PGR, seeds",
        "seeds × items",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        let read = match row.read {
            ReadAt::Last => "last step",
            ReadAt::WeakLabels => "stopped by weak labels",
            ReadAt::Oracle => "oracle: stopped by gold",
        };
        let method = if row.control { format!("control: {}", row.method) } else { row.method.clone() };
        let mut cells = vec![row.weak.clone(), row.strong.clone(), method, read.to_owned()];
        cells.extend([&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling].map(plus_minus));
        cells.extend(
            [&row.transfer.agreement_where_right, &row.transfer.agreement_where_wrong, &row.student_ece]
                .map(two_digits),
        );
        cells.extend(super::pgr_cells(&row.pgr, &mut notes));
        lines.push(cells);
    }
    let mut text = aligned(&lines);
    text.push_str("agree: student with weak model, where that is right and where it is wrong; ECE: calibration error of the student\n");
    text + &super::numbered(&notes)
}

/// What is said of the largest student, a line for each pair.
pub(super) fn forecast_lines(forecast: &Forecast) -> Vec<String> {
    let interval = |pgr: &Measured| match (pgr.value, &pgr.interval, &pgr.reason) {
        (Some(value), Some(interval), _) => format!("{} {}", number(value, 2), bounds(interval)),
        (_, _, reason) => format!("undefined ({})", reason.as_deref().unwrap_or("unknown")),
    };
    let line = |said: &trimtab_oversight::transformers::forecast::Said| {
        format!("said of {} → {} before it is run: PGR {}", said.pair.weak, said.pair.strong, interval(&said.pgr))
    };
    forecast.said.iter().map(line).collect()
}
