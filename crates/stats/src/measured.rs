//! What a measurement is: a value with its interval and its count, or the reason why there is none.

use crate::wilson;
use serde::{Deserialize, Serialize};

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Coverage aimed at, in (0, 1): 0.95.
    pub level: f64,
}

impl Interval {
    /// Whether `x` lies within the bounds.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }
}

/// A figure for a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The estimate; `None` where it is undefined.
    pub value: Option<f64>,
    /// Why there is no value, or no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How sure the estimate is, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Number of independent units behind the estimate: items, or clusters where items are clustered.
    pub n: u64,
}

impl Measured {
    /// A value with its interval.
    #[must_use]
    pub fn new(value: f64, interval: Interval, n: u64) -> Self {
        Self { value: Some(value), reason: None, interval: Some(interval), n }
    }

    /// A value without an interval, with the reason.
    #[must_use]
    pub fn point(value: f64, n: u64, reason: impl Into<String>) -> Self {
        Self { value: Some(value), reason: Some(reason.into()), interval: None, n }
    }

    /// No value, with the reason.
    #[must_use]
    pub fn undefined(n: u64, reason: impl Into<String>) -> Self {
        Self { value: None, reason: Some(reason.into()), interval: None, n }
    }
}

/// A share of items, with those that could not be scored kept apart.
///
/// ```
/// use trimtab_stats::Rate;
/// let rate = Rate { numerator: 9, denominator: 10, unscored: 2 };
/// assert_eq!(rate.measured(0.95).value, Some(0.9));
/// assert_eq!(Rate::default().measured(0.95).value, None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Items that have the property.
    pub numerator: u64,
    /// Items that were scored.
    pub denominator: u64,
    /// Items that were not scored; in neither of the two above.
    pub unscored: u64,
}

impl Rate {
    /// Counts one item: `Some(true)` has the property, `None` could not be scored.
    pub fn count(&mut self, item: Option<bool>) {
        match item {
            Some(has) => {
                self.numerator += u64::from(has);
                self.denominator += 1;
            }
            None => self.unscored += 1,
        }
    }

    /// The share with its Wilson interval.
    #[must_use]
    pub fn measured(&self, level: f64) -> Measured {
        let Self { numerator, denominator, unscored } = *self;
        if denominator == 0 {
            return Measured::undefined(0, format!("no item was scored ({unscored} could not be)"));
        }
        if numerator > denominator {
            return Measured::undefined(denominator, format!("{numerator} of {denominator} is not a share"));
        }
        match wilson(numerator, denominator, level) {
            Some(interval) => Measured::new(numerator as f64 / denominator as f64, interval, denominator),
            None => Measured::undefined(denominator, bad_level(level)),
        }
    }
}

/// The reason for a level that is not a probability strictly between 0 and 1.
pub(crate) fn bad_level(level: f64) -> String {
    format!("confidence level {level} is not between 0 and 1")
}

/// The reason for data with holes, if it has any.
pub(crate) fn not_finite(x: &[f64]) -> Option<String> {
    let bad = x.iter().filter(|v| !v.is_finite()).count();
    (bad > 0).then(|| format!("{bad} of {} values are not finite", x.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_what_was_not_scored_apart() {
        let mut rate = Rate::default();
        for item in [Some(true), None, Some(false), Some(true), None] {
            rate.count(item);
        }
        assert_eq!(rate, Rate { numerator: 2, denominator: 3, unscored: 2 });
        let none = Rate { unscored: 4, ..Rate::default() }.measured(0.95);
        assert_eq!(none.reason.as_deref(), Some("no item was scored (4 could not be)"));
        assert!(Rate { numerator: 3, denominator: 2, unscored: 0 }.measured(0.95).value.is_none());
        assert!(rate.measured(1.0).value.is_none() && rate.measured(f64::NAN).value.is_none());
    }

    /// The JSON holds null for an undefined value, never a 0, and reads back.
    #[test]
    fn json_round_trip() {
        let undefined = Measured::undefined(0, "no items");
        assert_eq!(serde_json::to_string(&undefined).unwrap(), r#"{"value":null,"reason":"no items","n":0}"#);
        let sure = Measured::new(0.5, Interval { low: 0.25, high: 0.75, level: 0.95 }, 8);
        let text = serde_json::to_string(&sure).unwrap();
        assert_eq!(text, r#"{"value":0.5,"interval":{"low":0.25,"high":0.75,"level":0.95},"n":8}"#);
        assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), sure);
        assert_eq!(serde_json::from_str::<Measured>(&serde_json::to_string(&undefined).unwrap()).unwrap(), undefined);
    }
}
