//! Measured values in tables: value, interval and n, a dot with its bar; or hatched, with the reason.

use super::html::{escape, t, tf};
use crate::service::messages::Messages;
use trimtab_stats::Measured;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// A share in [0, 1], shown in per cent.
    Share,
    /// A number in [−1, 1], shown as it is.
    Signed,
}

impl Scale {
    fn show(self, value: f64, m: &Messages) -> String {
        let text = match self {
            Self::Share => format!("{:.0}", 100.0 * value),
            Self::Signed => format!("{value:.2}"),
        };
        // −0.00 says nothing that 0.00 does not; and a hyphen is not a minus.
        let zero = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
        let text = if zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "−") };
        text.replace('.', m.get("decimal"))
    }

    fn low(self) -> f64 {
        if self == Self::Share { 0.0 } else { -1.0 }
    }

    fn unit(self) -> &'static str {
        if self == Self::Share { "\u{a0}%" } else { "" }
    }
}

/// A cell of a table.
pub(super) fn cell(measured: &Measured, scale: Scale, m: &Messages) -> String {
    let n = tf(m, "n", &[("n", &measured.n.to_string())]);
    let Some(value) = measured.value.filter(|v| v.is_finite()) else {
        let why = measured.reason.as_deref().unwrap_or(m.get("no_reason"));
        return format!("<td class=\"hatched\"><span>{}</span> <small>{n}</small></td>", escape(why));
    };
    let unit = scale.unit();
    let shown = format!("<b>{}{unit}</b>", scale.show(value, m));
    match &measured.interval {
        Some(i) if i.low.is_finite() && i.high.is_finite() => format!(
            "<td class=\"num\">{} {shown} <small>[{}, {}]{unit} · {n}</small></td>",
            picture(value, i.low, i.high, scale),
            scale.show(i.low, m),
            scale.show(i.high, m)
        ),
        _ => {
            let why = measured.reason.as_deref().map_or_else(|| t(m, "no_interval"), escape);
            format!("<td class=\"num\">{shown} <small>{why} · {n}</small></td>")
        }
    }
}

/// Dot and bar on the scale's own axis, with a line at zero. The numbers stand beside it, so it is hidden from readers.
fn picture(value: f64, low: f64, high: f64, scale: Scale) -> String {
    let x = |v: f64| 4.0 + 72.0 * ((v - scale.low()) / (1.0 - scale.low())).clamp(0.0, 1.0);
    format!(
        "<svg class=\"dot\" width=\"80\" height=\"16\" viewBox=\"0 0 80 16\" aria-hidden=\"true\"><path class=\"axis\" d=\"M4 8H76M{0:.1} 3V13\"/><path class=\"span\" d=\"M{1:.1} 8H{2:.1}\"/><circle cx=\"{3:.1}\" cy=\"8\" r=\"3\"/></svg>",
        x(0.0),
        x(low),
        x(high),
        x(value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_stats::Interval;

    #[test]
    fn undefined_is_hatched_with_its_reason_and_never_zero() {
        let m = Messages::of("en");
        let html = cell(&Measured::undefined(1, "one <person>"), Scale::Share, m);
        assert!(
            html.contains("class=\"hatched\"") && html.contains("one &lt;person&gt;") && !html.contains('%'),
            "{html}"
        );
        let html = cell(&Measured { value: Some(f64::NAN), reason: None, interval: None, n: 0 }, Scale::Signed, m);
        assert!(html.contains("hatched") && !html.contains("NaN"), "{html}");
    }

    #[test]
    fn a_value_stands_with_its_interval_and_n() {
        let interval = Interval { low: 0.55, high: 0.69, level: 0.95 };
        let html = cell(&Measured::new(0.62, interval, 120), Scale::Share, Messages::of("en"));
        assert!(html.contains("<b>62\u{a0}%</b> <small>[55, 69]\u{a0}% · n = 120</small>"), "{html}");
        assert_eq!(Scale::Signed.show(-0.001, Messages::of("de")), "0,00");
    }
}
