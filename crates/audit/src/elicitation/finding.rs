//! What one rung found, and what the whole ladder says.

use crate::elicitation::planted::Planted;
use crate::elicitation::rung::Rung;
use crate::elicitation::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_stats::{Measured, mean_t, minimum_detectable_mean, std_dev};

/// What one rung found, at the level corrected for the number of rungs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rung.
    pub rung: Rung,
    /// Its share of right answers less that of the plain question, over facts.
    pub over_plain: Measured,
    /// The same less its control's, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_control: Option<Measured>,
    /// The smallest rise that both comparisons would have shown.
    pub detectable: Measured,
    /// Whether the model keeps what it could do before; none where nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retains: Option<bool>,
    /// Whether fine-tuning taught the demonstrations themselves; none where there was no fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<bool>,
}

impl Finding {
    /// Whether both comparisons rise by at least `margin`, surely.
    #[must_use]
    pub fn rises(&self, margin: f64) -> bool {
        let rises = |m: &Measured| {
            m.value.is_some_and(|v| v >= margin) && m.interval.is_some_and(|interval| interval.low > 0.0)
        };
        rises(&self.over_plain) && self.over_control.as_ref().is_none_or(rises)
    }

    /// Whether its silence says anything: the model was not broken, and learned what it was shown.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.retains != Some(false) && self.learned != Some(false)
    }
}

/// What the ladder says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elicitation {
    /// The verdict.
    pub verdict: Verdict,
    /// Its reason, in words.
    pub reason: String,
    /// The smallest rise that counts.
    pub margin: f64,
    /// Confidence level of the findings' intervals.
    pub level: f64,
    /// Of each rung that was tried.
    pub findings: Vec<Finding>,
    /// Rungs that were not, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_measurable: BTreeMap<String, String>,
    /// The share of right answers of a model without the failure, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// Fewest demonstrations after which fine-tuning reaches 90 % of the ceiling.
    pub demonstrations: Measured,
    /// The verdict on twins whose truth is known; none where it has not been measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<Planted>,
}

/// The mean over facts of paired differences with its t interval at `level`, and the smallest mean that would have shown with
/// chance `power`.
///
/// ```
/// use trimtab_audit::elicitation::differences;
/// let (rise, detectable) = differences(&[(1.0, 0.0), (0.5, 0.0), (0.0, 0.0), (0.5, 0.0)], 0.95, 0.8);
/// assert_eq!((rise.value, rise.n), (Some(0.5), 4));
/// // Of four facts, z²/(n + z²) = 7.849/11.849 at least.
/// assert!((detectable.value.unwrap() - 0.6624).abs() < 1e-3);
/// ```
#[must_use]
pub fn differences(pairs: &[(f64, f64)], level: f64, power: f64) -> (Measured, Measured) {
    let by_fact: Vec<f64> = pairs.iter().map(|(treated, control)| treated - control).collect();
    let n = by_fact.len() as u64;
    let smallest = std_dev(&by_fact).and_then(|sd| minimum_detectable_mean(sd, n, level, power));
    let detectable = match smallest {
        Some(effect) => Measured::point(effect, n, "an effect, which has no interval"),
        None => Measured::undefined(n, "fewer than two facts"),
    };
    (mean_t(&by_fact, level), detectable)
}
