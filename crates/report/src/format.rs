//! Numbers as people read them.

use trimtab_stats::{Interval, Measured, Rate};

/// What a number counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A share in [0, 1], shown in per cent.
    Share,
    /// A difference of two shares, shown in percentage points.
    Points,
    /// A number in this unit.
    Of(String),
}

impl Unit {
    /// The unit by the word that the metrics use; `1` is no unit.
    #[must_use]
    pub fn named(unit: Option<&str>) -> Self {
        match unit {
            Some("share") => Self::Share,
            Some("1") | None => Self::Of(String::new()),
            Some(unit) => Self::Of(unit.to_owned()),
        }
    }

    /// The unit of a difference of two values of this unit.
    #[must_use]
    pub fn of_difference(&self) -> Self {
        if *self == Self::Share { Self::Points } else { self.clone() }
    }

    /// The words at an axis.
    #[must_use]
    pub fn axis(&self) -> String {
        match self {
            Self::Share => "per cent".into(),
            Self::Points => "points".into(),
            Self::Of(unit) => unit.clone(),
        }
    }

    /// A value of this unit, without the words.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self {
            // A space that does not break the line.
            Self::Share => format!("{}\u{a0}%", number(100.0 * value)),
            Self::Points => number(100.0 * value),
            Self::Of(_) => number(value),
        }
    }

    /// Bounds of this unit: `[55, 69] %`.
    #[must_use]
    pub fn bounds(&self, interval: &Interval) -> String {
        match self {
            Self::Share => format!("[{}, {}]\u{a0}%", number(100.0 * interval.low), number(100.0 * interval.high)),
            Self::Points => format!("[{}, {}]", number(100.0 * interval.low), number(100.0 * interval.high)),
            Self::Of(_) => format!("[{}, {}]", number(interval.low), number(interval.high)),
        }
    }

    /// Value and bounds in one line, or the reason why there is none.
    #[must_use]
    pub fn measured(&self, m: &Measured) -> String {
        match (m.value, &m.interval) {
            (Some(v), Some(i)) => format!("{} {}", self.show(v), self.bounds(i)),
            (Some(v), None) => self.show(v),
            (None, _) => {
                let why = m.reason.as_deref().unwrap_or("no reason was recorded");
                // An audit's reasons begin with the same words.
                format!("not measurable: {}", why.strip_prefix("not measurable: ").unwrap_or(why))
            }
        }
    }
}

/// Three significant digits where there are decimals, all digits of the whole part, a true minus sign.
///
/// ```
/// use trimtab_report::format::number;
/// assert_eq!(number(0.012345), "0.0123");
/// assert_eq!(number(-1234.5), "−1,234"); // halves go to the even digit
/// assert_eq!(number(2.50), "2.5");
/// assert_eq!(number(0.0000031), "3.1e−6");
/// ```
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    let text = if !value.is_finite() {
        return format!("{value}");
    } else if size == 0.0 {
        return "0".into();
    } else if !(1e-4..1e9).contains(&size) {
        let text = format!("{size:.2e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{}", trim(mantissa), exponent.replace('-', "−"))
    } else {
        let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
        grouped(trim(&format!("{size:.decimals$}")))
    };
    // The sign is set by hand: a hyphen is not a minus.
    if value < 0.0 { format!("−{text}") } else { text }
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Commas between groups of three digits of the whole part.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.find('.').map_or((text, ""), |at| text.split_at(at));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A count with its commas.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// `31 of 50`, and what was not scored.
#[must_use]
pub fn rate(rate: &Rate) -> String {
    let Rate { numerator, denominator, unscored } = *rate;
    let of = format!("{} of {}", count(numerator), count(denominator));
    if unscored == 0 { of } else { format!("{of}, {} unscored", count(unscored)) }
}

/// `n 40`, or that no count was recorded.
#[must_use]
pub fn n(n: u64) -> String {
    if n == 0 { "n not recorded".into() } else { format!("n {}", count(n)) }
}
