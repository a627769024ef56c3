//! The two-axis picture: capability across, alignment up, a point with its interval box for each checkpoint.

use super::{Scale, WIDTH, place, spread, svg, text_width};
use crate::format::Unit;
use crate::html::escape;
use std::fmt::Write as _;
use trimtab_stats::Measured;

/// One checkpoint.
#[derive(Debug, Clone)]
pub struct Spot {
    /// Its label.
    pub label: String,
    /// Class of its colour.
    pub class: &'static str,
    /// Drawn hollow: the second run of a comparison.
    pub hollow: bool,
    /// Across.
    pub capability: Measured,
    /// Up.
    pub alignment: Measured,
    /// Counts for hovering.
    pub count: String,
    /// Which spot it was trained from.
    pub from: Option<usize>,
}

const LEFT: f64 = 44.0;
const BOTTOM: f64 = 312.0;
const TOP: f64 = 22.0;

/// The picture. Checkpoints that lack an axis stand below it, hatched, with the reason.
#[must_use]
pub fn two_axes(spots: &[Spot]) -> String {
    let right = WIDTH - 12.0;
    let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: right };
    let y = Scale { low: 0.0, high: 1.0, from: BOTTOM, to: TOP };
    let mut out = String::from(
        "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"arrowhead\" d=\"M0 0l8 4-8 4z\"/></marker></defs>\n",
    );
    for i in 0..=5 {
        let v = f64::from(i) / 5.0;
        let class = if i == 0 { "axis" } else { "grid" };
        let _ = write!(
            out,
            "<line class=\"{class}\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/><line class=\"{class}\" x1=\"{3}\" y1=\"{4}\" x2=\"{5}\" y2=\"{4}\"/>",
            place(x.at(v)),
            place(TOP),
            place(BOTTOM),
            place(LEFT),
            place(y.at(v)),
            place(right)
        );
        let anchor = if i == 5 { "end" } else { "middle" };
        let edge = if i == 5 { WIDTH } else { x.at(v) };
        let _ = writeln!(
            out,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text><text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            place(edge),
            place(BOTTOM + 16.0),
            20 * i,
            place(LEFT - 6.0),
            place(y.at(v) + 4.0),
            20 * i
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"quiet\" x=\"0\" y=\"11\">↑ alignment: handled as intended where it can, per cent</text><text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">capability: right answers, per cent →</text>",
        place(WIDTH),
        place(BOTTOM + 33.0)
    );
    let at = |s: &Spot| Some((x.at(s.capability.value?), y.at(s.alignment.value?)));
    for spot in spots {
        if let (Some(_), Some(c), Some(a)) = (at(spot), &spot.capability.interval, &spot.alignment.interval) {
            let _ = write!(
                out,
                "<rect class=\"{} box\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                spot.class,
                place(x.at(c.low)),
                place(y.at(a.high)),
                place(x.at(c.high) - x.at(c.low)),
                place(y.at(a.low) - y.at(a.high))
            );
        }
    }
    for spot in spots {
        let parent = spot.from.and_then(|i| spots.get(i)).and_then(at);
        if let (Some((x1, y1)), Some((x2, y2))) = (parent, at(spot)) {
            let length = (x2 - x1).hypot(y2 - y1);
            // From rim to rim; two dots that touch need no arrow.
            if length > 20.0 {
                let (dx, dy) = (8.0 * (x2 - x1) / length, 8.0 * (y2 - y1) / length);
                let _ = write!(
                    out,
                    "<line class=\"arrow\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" marker-end=\"url(#head)\"/>",
                    place(x1 + dx),
                    place(y1 + dy),
                    place(x2 - dx),
                    place(y2 - dy)
                );
            }
        }
    }
    out += &labelled(spots, at);
    let mut height = BOTTOM + 42.0;
    for spot in spots.iter().filter(|s| at(s).is_none()) {
        let why = spot.capability.reason.as_ref().filter(|_| spot.capability.value.is_none());
        let why = why.or(spot.alignment.reason.as_ref()).map_or("no reason was recorded", String::as_str);
        let _ = writeln!(
            out,
            "<rect class=\"hatch\" x=\"0\" y=\"{}\" width=\"14\" height=\"14\"/><text class=\"quiet\" x=\"20\" y=\"{}\">{} not measurable: {}</text>",
            place(height),
            place(height + 11.0),
            escape(&spot.label),
            escape(why)
        );
        height += 20.0;
    }
    let says: Vec<String> = spots.iter().map(hover).collect();
    svg(height, &says.join("; "), &out)
}

fn hover(spot: &Spot) -> String {
    format!(
        "{}: capability {}, alignment {}{}",
        spot.label,
        Unit::Share.measured(&spot.capability),
        Unit::Share.measured(&spot.alignment),
        if spot.count.is_empty() { String::new() } else { format!(" ({})", spot.count) }
    )
}

/// Dots with their labels, moved apart where dots are close, each beside its dot or tied to it by a thin line.
fn labelled(spots: &[Spot], at: impl Fn(&Spot) -> Option<(f64, f64)>) -> String {
    let placed: Vec<(&Spot, f64, f64)> = spots.iter().filter_map(|s| at(s).map(|(x, y)| (s, x, y))).collect();
    let mut out = String::new();
    for left in [true, false] {
        // Dots on the right of the picture have their label on their left.
        let side: Vec<&(&Spot, f64, f64)> = placed.iter().filter(|p| (p.1 > 0.62 * WIDTH) == left).collect();
        let heights: Vec<f64> = side.iter().map(|p| p.2).collect();
        for ((spot, x, y), label_y) in side.iter().zip(spread(&heights, 15.0, TOP + 4.0, BOTTOM - 4.0)) {
            // Past every dot that stands in the way of the words.
            let width = text_width(&spot.label);
            let crowd = side.iter().filter(|p| (p.2 - label_y).abs() < 14.0 && (p.1 - x).abs() < width + 18.0);
            let (anchor, label_x) = if left {
                ("end", crowd.map(|p| p.1).fold(*x, f64::min) - 11.0)
            } else {
                ("start", crowd.map(|p| p.1).fold(*x, f64::max) + 11.0)
            };
            if (label_y - y).abs() > 5.0 || (label_x - x).abs() > 12.0 {
                let end = if left { label_x + 2.0 } else { label_x - 2.0 };
                let _ = write!(
                    out,
                    "<line class=\"leader\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
                    place(*x),
                    place(*y),
                    place(end),
                    place(label_y)
                );
            }
            let _ = write!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" style=\"fill:var(--ground);fill-opacity:.8\"/>",
                place(if left { label_x - width } else { label_x }),
                place(label_y - 7.0),
                place(width)
            );
            let _ = writeln!(
                out,
                "<text class=\"strong\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                place(label_x),
                place(label_y + 4.0),
                escape(&spot.label)
            );
        }
    }
    for (spot, x, y) in placed {
        let fill = if spot.hollow { "hollow" } else { "dot" };
        let _ = writeln!(
            out,
            "<g class=\"{}\"><circle class=\"{fill}\" cx=\"{}\" cy=\"{}\" r=\"6.5\"><title>{}</title></circle></g>",
            spot.class,
            place(x),
            place(y),
            escape(&hover(spot))
        );
    }
    out
}
