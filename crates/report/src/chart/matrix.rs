//! A figure for each pair: supervisors down, students across, a square for each, hatched where there is no number.

use super::{WIDTH, fit, place, svg};
use crate::format::number;
use crate::html::escape;
use std::fmt::Write as _;
use trimtab_stats::Measured;

/// One square.
#[derive(Debug, Clone)]
pub struct Square {
    /// The name of its row.
    pub down: String,
    /// The name of its column.
    pub across: String,
    /// The value, shaded from 0 to 1, or the reason why there is none.
    pub measured: Measured,
}

const LEFT: f64 = 46.0;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 46.0;

/// The chart; `names` are those of rows and columns, in their order. A pair without a square is left blank: it was not asked.
#[must_use]
pub fn matrix(names: &[&str], squares: &[Square]) -> String {
    let width = (WIDTH - LEFT) / names.len().max(1) as f64;
    let mut out = String::new();
    for (i, name) in names.iter().enumerate() {
        let (across, down) = (LEFT + width * (i as f64 + 0.5), TOP + HEIGHT * (i as f64 + 0.5) + 4.0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<text class=\"quiet\" x=\"{}\" y=\"12\" text-anchor=\"middle\">{1}</text><text class=\"quiet\" x=\"{2}\" y=\"{3}\" text-anchor=\"end\">{1}</text>",
            place(across),
            escape(&fit(name, width)),
            place(LEFT - 6.0),
            place(down)
        );
    }
    let mut says = Vec::new();
    for square in squares {
        let at = |name: &str| names.iter().position(|known| *known == name);
        let (Some(row), Some(column)) = (at(&square.down), at(&square.across)) else { continue };
        let (x, y) = (LEFT + width * column as f64, TOP + HEIGHT * row as f64);
        let frame = format!(
            "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            place(x + 1.0),
            place(y + 1.0),
            place(width - 2.0),
            place(HEIGHT - 2.0)
        );
        let pair = format!("{} to {}", square.down, square.across);
        let middle = place(x + width / 2.0);
        let Some(value) = square.measured.value else {
            let why = square.measured.reason.as_deref().unwrap_or("undefined");
            says.push(format!("{pair}: {why}"));
            let _ = writeln!(
                out,
                "<rect class=\"hatch\" {frame}><title>{}</title></rect>",
                escape(&format!("{pair}: {why}"))
            );
            continue;
        };
        let bounds = square.measured.interval.as_ref().map(|i| format!("{:.2}–{:.2}", i.low, i.high).replace('-', "−"));
        let text =
            format!("{pair}: {}{}", number(value), bounds.as_ref().map_or_else(String::new, |b| format!(" [{b}]")));
        says.push(text.clone());
        // Shade is a second sign of what the number says: no more than half opaque, so that it stays readable.
        let _ = writeln!(
            out,
            "<g class=\"ppo\"><rect {frame} fill=\"var(--c)\" fill-opacity=\"{:.2}\"><title>{}</title></rect></g><text class=\"strong\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            0.04 + 0.46 * value.clamp(0.0, 1.0),
            escape(&text),
            place(y + HEIGHT / 2.0 - 1.0),
            format!("{value:.2}").replace('-', "−")
        );
        if let Some(bounds) = bounds {
            let _ = writeln!(
                out,
                "<text class=\"quiet\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{bounds}</text>",
                place(y + HEIGHT / 2.0 + 15.0)
            );
        }
    }
    svg(TOP + HEIGHT * names.len() as f64 + 4.0, &says.join("; "), &out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_stats::Interval;

    /// A number with its interval, a hatched square with its reason, and nothing for a pair that was not asked.
    #[test]
    fn a_number_or_a_reason() {
        let square = |down: &str, across: &str, measured| Square { down: down.into(), across: across.into(), measured };
        let known = Measured::new(0.5, Interval { low: -0.12, high: 0.75, level: 0.95 }, 5);
        let drawn =
            matrix(&["s", "l"], &[square("s", "l", known), square("s", "s", Measured::undefined(0, "gap <small>"))]);
        assert!(drawn.contains(">0.50<") && drawn.contains("−0.12–0.75"), "{drawn}");
        assert_eq!(drawn.matches("class=\"hatch\"").count(), 1);
        assert!(drawn.contains("gap &lt;small&gt;") && !drawn.contains("<small>"));
        assert_eq!(drawn.matches("<rect").count(), 2);
    }
}
