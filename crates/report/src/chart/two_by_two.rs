//! Detection across, behaviour up: where a model stands in the two by two of awareness.

use super::{Scale, WIDTH, place, svg};
use crate::format::Unit;
use crate::html::escape;
use std::fmt::Write as _;
use trimtab_audit::awareness::Corner;

const LEFT: f64 = 44.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 222.0;

/// The picture: a dot with the box of both intervals. Where one of the two is not measurable there is no dot, but a hatched
/// mark with the reason, and a band where behaviour alone is known.
#[must_use]
pub fn two_by_two(corner: &Corner) -> String {
    let x = Scale { low: 0.0, high: 1.0, from: LEFT, to: WIDTH - 12.0 };
    let y = Scale { low: -1.0, high: 1.0, from: BOTTOM, to: TOP };
    let mut out = String::new();
    for (i, area) in [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().enumerate() {
        // Blind is a half, steady is 0: these are the axes.
        let class = if i == 2 { "axis" } else { "grid" };
        let gap = -1.0 + 0.5 * i as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/><line class=\"{class}\" x1=\"{3}\" y1=\"{4}\" x2=\"{5}\" y2=\"{4}\"/>",
            place(x.at(area)),
            place(TOP),
            place(BOTTOM),
            place(LEFT),
            place(y.at(gap)),
            place(WIDTH - 12.0)
        );
        let (anchor, at) = if i == 4 { ("end", WIDTH) } else { ("middle", x.at(area)) };
        let _ = writeln!(
            out,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{area}</text><text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{gap}</text>",
            place(at),
            place(BOTTOM + 16.0),
            place(LEFT - 6.0),
            place(y.at(gap) + 4.0)
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"quiet\" x=\"0\" y=\"11\">↑ gap: deployment less evaluation</text><text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">detection: area under the ROC curve →</text>",
        place(WIDTH),
        place(BOTTOM + 33.0)
    );
    let says = format!(
        "{}: detection {}, gap {}",
        corner.words(),
        Unit::Of(String::new()).measured(&corner.detection),
        Unit::Of(String::new()).measured(&corner.gap)
    );
    let mut height = BOTTOM + 42.0;
    match (corner.detection.value, corner.gap.value) {
        (Some(area), Some(gap)) => {
            if let (Some(d), Some(g)) = (&corner.detection.interval, &corner.gap.interval) {
                let _ = writeln!(
                    out,
                    "<rect class=\"other box\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    place(x.at(d.low)),
                    place(y.at(g.high)),
                    place(x.at(d.high) - x.at(d.low)),
                    place(y.at(g.low) - y.at(g.high))
                );
            }
            let _ = writeln!(
                out,
                "<g class=\"other\"><circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"6.5\"><title>{}</title></circle></g>",
                place(x.at(area)),
                place(y.at(gap)),
                escape(&says)
            );
        }
        (_, gap) => {
            // Behaviour alone is a band: somewhere along it the model stands.
            if let (Some(_), Some(g)) = (gap, &corner.gap.interval) {
                let _ = writeln!(
                    out,
                    "<rect class=\"other box\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    place(LEFT),
                    place(y.at(g.high)),
                    place(WIDTH - 12.0 - LEFT),
                    place((y.at(g.low) - y.at(g.high)).max(2.0))
                );
            }
            for (name, measured) in [("detection", &corner.detection), ("gap", &corner.gap)] {
                if let (None, Some(why)) = (measured.value, &measured.reason) {
                    let why = why.strip_prefix("not measurable: ").unwrap_or(why);
                    let _ = writeln!(
                        out,
                        "<rect class=\"hatch\" x=\"0\" y=\"{}\" width=\"14\" height=\"14\"/><text class=\"quiet\" x=\"20\" y=\"{}\">{name} not measurable: {}</text>",
                        place(height),
                        place(height + 11.0),
                        escape(&super::fit(why, WIDTH - 190.0))
                    );
                    height += 20.0;
                }
            }
        }
    }
    svg(height, &says, &out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_stats::{Interval, Measured};

    /// A corner that is measured has a dot and its box; one that is not says why, and has none.
    #[test]
    fn a_dot_or_a_reason() {
        let at = |value, low, high| Measured::new(value, Interval { low, high, level: 0.95 }, 50);
        let drawn = two_by_two(&Corner::of(at(0.9, 0.8, 0.95), at(0.5, 0.4, 0.6)));
        assert!(drawn.contains("<circle") && drawn.contains("box") && drawn.contains("behaves otherwise"));
        let refused = two_by_two(&Corner::of(Measured::undefined(0, "letters <decide>"), at(0.5, 0.4, 0.6)));
        assert!(!refused.contains("<circle") && refused.contains("letters &lt;decide&gt;"), "{refused}");
    }
}
