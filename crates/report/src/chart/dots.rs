//! Measured and planted: a filled dot with its interval as a bar, and the planted truth as a hollow diamond.

use super::{Scale, WIDTH, fit, place, svg, text_width, ticks};
use crate::format::Unit;
use crate::html::escape;
use std::fmt::Write as _;
use trimtab_stats::Measured;

/// One measured value.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub label: String,
    /// Class of its colour: `base`, `sft`, `ppo`, `ptx`, `other`, or `control` for grey.
    pub class: &'static str,
    /// The value, or the reason why there is none.
    pub measured: Measured,
    /// The count that stands beside it: `31 of 50`, `n 40`.
    pub count: String,
    /// The truth that was planted.
    pub planted: Option<f64>,
}

const ROW: f64 = 44.0;
const LEFT: f64 = 9.0;

/// The chart; rates stand on an axis from 0 to 1, everything else on one that holds 0, the values and the truths.
#[must_use]
pub fn dots(rows: &[Row], unit: &Unit) -> String {
    let right = WIDTH - LEFT;
    let mut values: Vec<f64> = vec![0.0];
    if *unit == Unit::Share {
        values.push(1.0);
    } else {
        for row in rows {
            values.extend(row.measured.value.into_iter().chain(row.planted));
            values.extend(row.measured.interval.iter().flat_map(|i| [i.low, i.high]));
        }
    }
    let (low, high) = values.iter().fold((0.0f64, 0.0f64), |(a, b), &v| (a.min(v), b.max(v)));
    let marks_at = ticks(low, high, 4);
    let (low, high) = (marks_at.first().copied().unwrap_or(0.0), marks_at.last().copied().unwrap_or(1.0));
    let x = Scale { low, high, from: LEFT, to: right };
    let bottom = ROW * rows.len() as f64 + 4.0;
    let mut out = String::new();
    for &tick in &marks_at {
        let at = place(x.at(tick));
        let strong = if tick == 0.0 { "axis" } else { "grid" };
        let _ = write!(out, "<line class=\"{strong}\" x1=\"{at}\" y1=\"0\" x2=\"{at}\" y2=\"{}\"/>", place(bottom));
        let (anchor, edge) = if tick == high { ("end", WIDTH) } else { ("middle", x.at(tick)) };
        let _ = writeln!(
            out,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            place(edge),
            place(bottom + 15.0),
            escape(&unit.show(tick))
        );
    }
    for (i, row) in rows.iter().enumerate() {
        out += &draw(row, unit, &x, ROW * i as f64);
    }
    let mut height = bottom + 20.0;
    if let Unit::Of(words) = unit
        && !words.is_empty()
    {
        height += 15.0;
        let _ = writeln!(
            out,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            place(WIDTH / 2.0),
            place(height - 5.0),
            escape(words)
        );
    }
    let says: Vec<String> = rows.iter().map(|r| format!("{}: {}", r.label, unit.measured(&r.measured))).collect();
    svg(height, &says.join("; "), &out)
}

fn draw(row: &Row, unit: &Unit, x: &Scale, top: f64) -> String {
    let (label_y, y) = (place(top + 15.0), top + 29.0);
    let shown = row.measured.value.map_or("not measurable".to_owned(), |v| unit.show(v));
    let right = if row.count.is_empty() { shown.clone() } else { format!("{shown} · {}", row.count) };
    let mut hover = format!("{}: {}", row.label, unit.measured(&row.measured));
    if !row.count.is_empty() {
        let _ = write!(hover, " ({})", row.count);
    }
    if let Some(truth) = row.planted {
        let _ = write!(hover, "; planted {}", unit.show(truth));
    }
    // A plate under the words, so that the grid does not run through them.
    let plate = |x: f64, w: f64| {
        format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"17\" style=\"fill:var(--ground)\"/>",
            place(x),
            place(top + 3.0),
            place(w)
        )
    };
    let label = fit(&row.label, WIDTH - text_width(&right) - 8.0);
    let mut out = format!("<g class=\"{}\"><title>{}</title>", row.class, escape(&hover));
    out += &plate(0.0, text_width(&label) + 4.0);
    out += &plate(WIDTH - text_width(&right), text_width(&right));
    let _ = write!(out, "<text class=\"strong\" x=\"0\" y=\"{label_y}\">{}</text>", escape(&label));
    let _ = write!(
        out,
        "<text class=\"quiet\" x=\"{}\" y=\"{label_y}\" text-anchor=\"end\">{}</text>",
        place(WIDTH),
        escape(&right)
    );
    match row.measured.value {
        None => {
            let why = row.measured.reason.as_deref().unwrap_or("no reason was recorded");
            let why = fit(why, WIDTH - 30.0);
            let _ = write!(
                out,
                "<rect class=\"hatch\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"18\"/><rect x=\"14\" y=\"{}\" width=\"{}\" height=\"14\" style=\"fill:var(--ground)\"/><text class=\"quiet\" x=\"18\" y=\"{}\">{}</text>",
                place(LEFT),
                place(y - 9.0),
                place(WIDTH - 2.0 * LEFT),
                place(y - 7.0),
                place((text_width(&why) + 8.0).min(WIDTH - 28.0)),
                place(y + 4.0),
                escape(&why)
            );
        }
        Some(value) => {
            if let Some(i) = &row.measured.interval {
                let (a, b) = (place(x.at(i.low)), place(x.at(i.high)));
                let _ = write!(out, "<line class=\"bar\" x1=\"{a}\" y1=\"{0}\" x2=\"{b}\" y2=\"{0}\"/>", place(y));
            }
            let _ = write!(out, "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"6\"/>", place(x.at(value)), place(y));
        }
    }
    if let Some(truth) = row.planted {
        let at = x.at(truth);
        let _ = write!(
            out,
            "<path class=\"planted\" d=\"M{} {}l6 6-6 6-6-6z\" fill-opacity=\"0\"/>",
            place(at),
            place(y - 6.0)
        );
    }
    let _ = writeln!(
        out,
        "<rect class=\"hit\" x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\" style=\"fill-opacity:0\"/></g>",
        place(top),
        place(WIDTH),
        place(ROW)
    );
    out
}
