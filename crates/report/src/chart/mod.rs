//! Charts as SVG inside the page: one kind a file, one width for all.
//!
//! Every chart is 360 units wide, so that its letters stay readable on a phone and never grow past the text on a desk.
//! Series are labelled where they are, colours come from the style sheet, and each mark carries its values as a title.

pub mod dots;
pub mod line;
pub mod matrix;
pub mod two_axes;
pub mod two_by_two;

use crate::html::escape;

/// Width of every chart, in its own units.
pub const WIDTH: f64 = 360.0;

/// About `target` round numbers that cover `low..=high`; the first and the last are at or beyond the ends.
///
/// ```
/// use trimtab_report::chart::ticks;
/// assert_eq!(ticks(0.0, 1.0, 4), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
/// assert_eq!(ticks(-3.0, 11.0, 4), [-5.0, 0.0, 5.0, 10.0, 15.0]);
/// ```
#[must_use]
pub fn ticks(low: f64, high: f64, target: usize) -> Vec<f64> {
    if !(low.is_finite() && high.is_finite()) {
        return vec![0.0, 1.0];
    }
    let span = if high > low { high - low } else { low.abs().max(1.0) };
    let raw = span / target.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw * 0.8).unwrap_or(10.0 * power);
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil().max((low / step).floor() + 1.0));
    // Each from its own integer, rounded to its decimals: adding steps would give 0.30000000000000004.
    let decimals = 10f64.powf((-step.log10().floor()).max(0.0) + 1.0);
    let count = (last - first).min(50.0) as usize;
    (0..=count).map(|i| ((first + i as f64) * step * decimals).round() / decimals + 0.0).collect()
}

/// A straight scale from values to units of the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Value at the first end.
    pub low: f64,
    /// Value at the other end.
    pub high: f64,
    /// Place of the first end.
    pub from: f64,
    /// Place of the other end.
    pub to: f64,
}

impl Scale {
    /// Where a value stands; values beyond the ends stand at the ends.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let part = if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// A number as a coordinate.
#[must_use]
pub fn place(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Moves labels at heights `wanted` apart, at least `gap` between each two, none above `top` or below `bottom`.
///
/// ```
/// use trimtab_report::chart::spread;
/// assert_eq!(spread(&[10.0, 12.0, 50.0], 10.0, 0.0, 100.0), [10.0, 20.0, 50.0]);
/// assert_eq!(spread(&[95.0, 98.0], 10.0, 0.0, 100.0), [90.0, 100.0]);
/// ```
#[must_use]
pub fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut out = wanted.to_vec();
    let mut floor = top;
    for &i in &order {
        out[i] = out[i].max(floor);
        floor = out[i] + gap;
    }
    let mut ceiling = bottom;
    for &i in order.iter().rev() {
        out[i] = out[i].min(ceiling);
        ceiling = out[i] - gap;
    }
    out
}

/// About how wide a text of 13 units is.
#[must_use]
pub fn text_width(text: &str) -> f64 {
    6.9 * text.chars().count() as f64
}

/// The text, or as much of it as `width` holds.
#[must_use]
pub fn fit(text: &str, width: f64) -> String {
    let most = (width / 6.9) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The frame of a chart: its height, what it shows in one sentence for those who cannot see it, and its marks.
#[must_use]
pub fn svg(height: f64, says: &str, marks: &str) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{marks}</svg>",
        place(WIDTH),
        place(height),
        escape(says)
    )
}

/// A caption above a chart.
#[must_use]
pub fn captioned(caption: &str, chart: &str) -> String {
    format!("<figcaption>{}</figcaption>{chart}", escape(caption))
}
