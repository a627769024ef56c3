//! Lines over steps, or over √KL: labels at their ends, bands for intervals, gaps where a value is undefined.

use super::{Scale, WIDTH, place, spread, svg, text_width, ticks};
use crate::format::{Unit, number};
use crate::html::escape;
use std::fmt::Write as _;

/// One point of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up; `None` breaks the line.
    pub y: Option<f64>,
    /// Bounds of y.
    pub interval: Option<[f64; 2]>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its label, short.
    pub label: String,
    /// Class of its colour.
    pub class: &'static str,
    /// Its points, from left to right.
    pub points: Vec<Point>,
    /// Why it has no values, where it has none.
    pub reason: Option<String>,
}

/// A chart of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Words under the axis across.
    pub across: String,
    /// Unit of the axis up.
    pub unit: Unit,
    /// The lines.
    pub series: Vec<Series>,
    /// Places marked by an upright line: where, and its words.
    pub marks: Vec<(f64, String)>,
}

/// More points than a chart has units are not seen; every k-th is drawn.
const MOST: usize = 300;
/// So many points of a line answer to hovering.
const HOVER: usize = 40;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 178.0;
const HEIGHT: f64 = 214.0;

/// The chart; rates stand on an axis from zero.
#[must_use]
pub fn lines(chart: &Lines) -> String {
    let drawn: Vec<&Series> = chart.series.iter().filter(|s| s.points.iter().any(|p| p.y.is_some())).collect();
    let missing: Vec<&Series> = chart.series.iter().filter(|s| s.points.iter().all(|p| p.y.is_none())).collect();
    if drawn.is_empty() {
        let why = missing.iter().find_map(|s| s.reason.clone()).unwrap_or_else(|| "no value was recorded".into());
        return undefined(&why);
    }
    let label_width = drawn.iter().map(|s| text_width(&s.label)).fold(0.0, f64::max);
    let (left, right) = (48.0, WIDTH - label_width - 10.0);
    let points = || drawn.iter().flat_map(|s| &s.points);
    let (x_low, x_high) = bounds(points().map(|p| p.x));
    let ys = points().flat_map(|p| p.y.into_iter().chain(p.interval.into_iter().flatten()));
    let (mut y_low, mut y_high) = bounds(ys);
    if chart.unit == Unit::Share {
        (y_low, y_high) = (y_low.min(0.0), y_high.max(0.0));
    }
    let up = ticks(y_low, y_high, 4);
    let y = Scale { low: up[0], high: up[up.len() - 1], from: BOTTOM, to: TOP };
    let x = Scale { low: x_low, high: x_high, from: left, to: right };

    let mut out = String::new();
    for &tick in &up {
        let at = place(y.at(tick));
        let class = if tick == 0.0 { "axis" } else { "grid" };
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\"/><text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            place(left),
            place(right),
            place(left - 5.0),
            place(y.at(tick) + 4.0),
            escape(&chart.unit.show(tick))
        );
    }
    let _ = writeln!(out, "<text class=\"quiet\" x=\"0\" y=\"10\">{}</text>", escape(&chart.unit.axis()));
    for tick in ticks(x_low, x_high, 4).into_iter().filter(|t| (x_low..=x_high).contains(t)) {
        let at = place(x.at(tick));
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{at}\" y1=\"{}\" x2=\"{at}\" y2=\"{}\"/><text class=\"quiet\" x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            place(BOTTOM),
            place(BOTTOM + 4.0),
            place(BOTTOM + 17.0),
            escape(&number(tick))
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        place(f64::midpoint(left, right)),
        place(HEIGHT - 4.0),
        escape(&chart.across)
    );
    for (at, words) in &chart.marks {
        let at = x.at(*at);
        let anchor = if at > f64::midpoint(left, right) { "end" } else { "start" };
        let _ = writeln!(
            out,
            "<line class=\"leader\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/><text class=\"quiet\" x=\"{0}\" y=\"{3}\" text-anchor=\"{anchor}\">{4}</text>",
            place(at),
            place(TOP - 6.0),
            place(BOTTOM),
            place(TOP - 9.0),
            escape(words)
        );
    }
    let mut ends = Vec::new();
    for series in &drawn {
        out += &one(series, &x, &y, chart);
        ends.push(series.points.iter().rev().find_map(|p| p.y).map_or(TOP, |v| y.at(v)));
    }
    for (series, at) in drawn.iter().zip(spread(&ends, 14.0, TOP, BOTTOM)) {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            place(right + 6.0),
            place(at + 4.0),
            escape(&series.label)
        );
    }
    for (i, series) in missing.iter().enumerate() {
        let why = series.reason.as_deref().unwrap_or("no value was recorded");
        let _ = writeln!(
            out,
            "<g><title>{0}: not measurable, {1}</title><rect class=\"hatch\" x=\"{2}\" y=\"{3}\" width=\"14\" height=\"14\"/><text class=\"quiet\" x=\"{4}\" y=\"{5}\">{0}: {1}</text></g>",
            escape(&series.label),
            escape(why),
            place(left + 6.0),
            place(TOP + 18.0 * i as f64),
            place(left + 25.0),
            place(TOP + 18.0 * i as f64 + 11.0),
        );
    }
    let says: Vec<String> = drawn.iter().map(|s| says(s, &chart.unit)).collect();
    svg(HEIGHT, &says.join("; "), &out)
}

/// A panel without values: hatched, with the reason.
#[must_use]
pub fn undefined(why: &str) -> String {
    let lines = wrap(why, 46);
    let mut words = String::new();
    for (i, line) in lines.iter().enumerate() {
        let _ = write!(words, "<text x=\"24\" y=\"{}\">{}</text>", place(52.0 + 18.0 * i as f64), escape(line));
    }
    let plate = 28.0 + 18.0 * lines.len() as f64;
    let marks = format!(
        "<rect class=\"hatch\" x=\"0\" y=\"0\" width=\"360\" height=\"{0}\"/><rect x=\"12\" y=\"12\" width=\"336\" height=\"{1}\" style=\"fill:var(--ground)\"/><text class=\"strong\" x=\"24\" y=\"32\">Not measurable</text>{words}\n",
        place(plate + 24.0),
        place(plate)
    );
    svg(plate + 24.0, &format!("Not measurable: {why}"), &marks)
}

/// Lines of at most `width` characters, five at most.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            *line = word.chars().take(width).collect();
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            *line += " ";
            *line += word;
        } else {
            lines.push(word.chars().take(width).collect());
        }
    }
    lines.truncate(5);
    lines
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
}

fn says(series: &Series, unit: &Unit) -> String {
    let mut defined = series.points.iter().filter_map(|p| p.y);
    let first = defined.next();
    let last = defined.next_back().or(first);
    let show = |v: Option<f64>| v.map_or_else(String::new, |v| unit.show(v));
    format!("{}: from {} to {} {}", series.label, show(first), show(last), unit.axis())
}

fn one(series: &Series, x: &Scale, y: &Scale, chart: &Lines) -> String {
    let every = series.points.len().div_ceil(MOST).max(1);
    let final_point = series.points.len().saturating_sub(1);
    let kept: Vec<&Point> = series
        .points
        .iter()
        .enumerate()
        .filter(|(i, _)| i.is_multiple_of(every) || *i == final_point)
        .map(|(_, p)| p)
        .collect();
    let mut out = format!("<g class=\"{}\">", series.class);
    // Undefined values break the line into runs.
    for run in kept.split(|p| p.y.is_none()).filter(|run| !run.is_empty()) {
        let bounded: Vec<(&&Point, [f64; 2])> = run.iter().filter_map(|p| p.interval.map(|i| (p, i))).collect();
        if bounded.len() > 1 {
            let above = bounded.iter().map(|(p, i)| (p.x, i[1]));
            let below = bounded.iter().rev().map(|(p, i)| (p.x, i[0]));
            let corners: Vec<String> =
                above.chain(below).map(|(a, b)| format!("{},{}", place(x.at(a)), place(y.at(b)))).collect();
            let _ = write!(out, "<polygon class=\"band\" points=\"{}\"/>", corners.join(" "));
        }
        let path: Vec<String> =
            run.iter().filter_map(|p| p.y.map(|v| format!("{},{}", place(x.at(p.x)), place(y.at(v))))).collect();
        if let [only] = path.as_slice() {
            let (cx, cy) = only.split_once(',').unwrap_or(("0", "0"));
            // A band needs two points; a point has a bar.
            if let Some((_, [low, high])) = bounded.first() {
                let (low, high) = (place(y.at(*low)), place(y.at(*high)));
                let _ = write!(out, "<line class=\"bar\" x1=\"{cx}\" y1=\"{low}\" x2=\"{cx}\" y2=\"{high}\"/>");
            }
            let _ = write!(out, "<circle class=\"dot\" cx=\"{cx}\" cy=\"{cy}\" r=\"3.5\"/>");
        } else {
            let _ = write!(out, "<polyline class=\"{} line\" points=\"{}\"/>", series.class, path.join(" "));
        }
    }
    let gap = kept.len().div_ceil(HOVER).max(1);
    for p in kept.iter().step_by(gap) {
        let Some(v) = p.y else { continue };
        let bounds =
            p.interval.map_or(String::new(), |[a, b]| format!(" [{}, {}]", chart.unit.show(a), chart.unit.show(b)));
        let _ = write!(
            out,
            "<circle class=\"hit\" cx=\"{}\" cy=\"{}\" r=\"6\"><title>{}, {} {}: {}{}</title></circle>",
            place(x.at(p.x)),
            place(y.at(v)),
            escape(&series.label),
            escape(&chart.across),
            number(p.x),
            escape(&chart.unit.show(v)),
            escape(&bounds)
        );
    }
    out + "</g>\n"
}
