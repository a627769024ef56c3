//! Figures of an audit: a rate with its counts, its intervals, its control, and what it could have found.
//!
//! 1. The Wilson interval treats items as independent; the clustered one resamples stems. Where they differ, the second is
//!    the one to believe.
//! 2. `detectable` is the smallest increase over the control's rate that so many items show four times in five, so that "no
//!    difference" can be read as what it is.
//! 3. A figure that cannot be measured keeps its counts and has no value, but a reason.

use crate::awareness::Corner;
use crate::generalisation::Cause;
use crate::result::ResultRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_stats::{Bootstrap, Measured, Rate, bootstrap_mean, bootstrap_statistic, minimum_detectable_increase};

/// Confidence level of every interval.
pub const LEVEL: f64 = 0.95;
/// Chance with which a detectable effect shows.
pub const POWER: f64 = 0.8;

/// What was scored of one item: its cluster, and whether it has the property (`None`: unscored).
pub type Scored<'a> = (&'a str, Option<bool>);

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, as `--fail-on` takes it: `regressive.before.open`.
    pub name: String,
    /// What was counted, out of what.
    pub what: String,
    /// The counts.
    pub rate: Rate,
    /// The share with its Wilson interval; no value where it cannot be measured.
    pub value: Measured,
    /// The same with an interval over clusters.
    pub clustered: Measured,
    /// The figure it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The share less the control's, with an interval over clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<Measured>,
    /// The smallest increase over the control's share (without one: over 0.05) that so many items show with chance 0.8.
    pub detectable: Measured,
}

/// A condition that must hold before a figure means anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Its name.
    pub name: String,
    /// What was counted, out of what.
    pub what: String,
    /// The counts.
    pub rate: Rate,
    /// The share with its Wilson interval.
    pub value: Measured,
    /// What the share, or the count, must reach.
    pub needs: f64,
    /// Whether it holds.
    pub holds: bool,
}

/// A mean that is no share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Its name, as `--fail-on` takes it.
    pub name: String,
    /// What was averaged, over what.
    pub what: String,
    /// The mean over items, with an interval over clusters.
    pub value: Measured,
    /// Items that could not be scored.
    pub unscored: u64,
}

/// Everything that an audit found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The audit.
    pub audit: String,
    /// The model, as it was named.
    pub model: String,
    /// What its items are.
    pub items: crate::item::SetInfo,
    /// Items asked, and unscored by reason.
    pub asked: u64,
    /// How many were unscored, by form and reason.
    pub unscored: BTreeMap<String, u64>,
    /// What had to hold.
    pub controls: Vec<Control>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Means beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<Mean>,
    /// Where the model stands on detection and behaviour; of the awareness audit alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corner: Option<Corner>,
    /// Why it does what it does; of the generalisation audit alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Of an elicitation, its verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<crate::elicitation::Elicitation>,
    /// Proxy and judgement under pressure; of the outer audit alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<crate::outer::Outer>,
    /// Of an attack on weights, its edits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<crate::attack::Attack>,
    /// Of attacks by prompts, what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<crate::attack::prompts::Prompts>,
}

impl Summary {
    /// A summary of `results` without any figure yet.
    #[must_use]
    pub fn of(audit: &str, model: &str, items: crate::item::SetInfo, results: &[ResultRecord]) -> Self {
        let mut unscored: BTreeMap<String, u64> = BTreeMap::new();
        for result in results {
            if let Some(reason) = &result.unscored {
                *unscored.entry(format!("{}: {reason}", result.form.word())).or_default() += 1;
            }
        }
        Self {
            audit: audit.to_owned(),
            model: model.to_owned(),
            items,
            asked: results.len() as u64,
            unscored,
            controls: Vec::new(),
            figures: Vec::new(),
            means: Vec::new(),
            corner: None,
            cause: None,
            elicitation: None,
            outer: None,
            attack: None,
            prompts: None,
        }
    }

    /// The value of the figure or mean of this name, if there is one of it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Measured> {
        let figure = self.figures.iter().find(|f| f.name == name).map(|f| &f.value);
        figure.or_else(|| self.means.iter().find(|m| m.name == name).map(|m| &m.value))
    }

    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|f| f.name == name)
    }
}

/// What a control found lacking, in one clause.
#[must_use]
pub fn lacking(control: &Control) -> String {
    let Rate { numerator, denominator, unscored } = control.rate;
    format!("{}: {numerator} of {denominator} ({unscored} unscored), {} are needed", control.what, control.needs)
}

/// Counts of scored items.
///
/// ```
/// use trimtab_audit::figure::count;
/// let rate = count(&[("a", Some(true)), ("a", None), ("b", Some(false))]);
/// assert_eq!((rate.numerator, rate.denominator, rate.unscored), (1, 2, 1));
/// ```
#[must_use]
pub fn count(scored: &[Scored]) -> Rate {
    let mut rate = Rate::default();
    for (_, has) in scored {
        rate.count(*has);
    }
    rate
}

impl Figure {
    /// A figure of scored items, beside those of its control where it has one; `obstacle` is the reason why it cannot be
    /// measured, if there is one.
    #[must_use]
    pub fn new(
        name: String,
        what: String,
        scored: &[Scored],
        control: Option<(&str, &[Scored])>,
        obstacle: Option<&str>,
        seed: u64,
    ) -> Self {
        let how = Bootstrap { level: LEVEL, seed, ..Bootstrap::default() };
        let rate = count(scored);
        let refuse = |measured: Measured| match obstacle {
            Some(reason) => Measured::undefined(measured.n, format!("not measurable: {reason}")),
            None => measured,
        };
        let detectable = detectable(rate, control.map(|c| count(c.1)));
        Self {
            name,
            what,
            rate,
            value: refuse(rate.measured(LEVEL)),
            clustered: refuse(clustered(scored, &how)),
            control: control.map(|c| c.0.to_owned()),
            excess: control.map(|c| refuse(excess(scored, c.1, &how))),
            detectable,
        }
    }
}

impl Control {
    /// A share that must reach `needs`.
    #[must_use]
    pub fn share(name: &str, what: &str, scored: &[Scored], needs: f64) -> Self {
        let rate = count(scored);
        let value = rate.measured(LEVEL);
        let holds = value.value.is_some_and(|v| v >= needs);
        Self { name: name.to_owned(), what: what.to_owned(), rate, value, needs, holds }
    }

    /// A count that must reach `needs`.
    #[must_use]
    pub fn number(name: &str, what: &str, rate: Rate, needs: u64) -> Self {
        let holds = rate.numerator >= needs;
        Self {
            name: name.to_owned(),
            what: what.to_owned(),
            rate,
            value: rate.measured(LEVEL),
            needs: needs as f64,
            holds,
        }
    }
}

impl Mean {
    /// The mean of values, each with its cluster; `None` is unscored.
    #[must_use]
    pub fn new(name: &str, what: &str, values: &[(&str, Option<f64>)], obstacle: Option<&str>, seed: u64) -> Self {
        let mut clusters: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (cluster, value) in values {
            clusters.entry(cluster).or_default().extend(*value);
        }
        let how = Bootstrap { level: LEVEL, seed, ..Bootstrap::default() };
        let measured = bootstrap_mean(&clusters.into_values().collect::<Vec<_>>(), &how);
        let value = match obstacle {
            Some(reason) => Measured::undefined(measured.n, format!("not measurable: {reason}")),
            None => measured,
        };
        let unscored = values.iter().filter(|(_, v)| v.is_none()).count() as u64;
        Self { name: name.to_owned(), what: what.to_owned(), value, unscored }
    }
}

/// The share over all items with an interval over clusters.
fn clustered(scored: &[Scored], how: &Bootstrap) -> Measured {
    let mut clusters: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (cluster, has) in scored {
        if let Some(has) = has {
            clusters.entry(cluster).or_default().push(f64::from(u8::from(*has)));
        }
    }
    bootstrap_mean(&clusters.into_values().collect::<Vec<_>>(), how)
}

/// The difference of two shares, with an interval from resampling clusters of both together: what both arms ask of a stem
/// stays together.
fn excess(scored: &[Scored], control: &[Scored], how: &Bootstrap) -> Measured {
    // Per cluster: (has, scored) of the arm, then of the control.
    let mut clusters: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    for (at, arm) in [(0, scored), (2, control)] {
        for (cluster, has) in arm {
            if let Some(has) = has {
                let sums = clusters.entry(cluster).or_default();
                sums[at] += f64::from(u8::from(*has));
                sums[at + 1] += 1.0;
            }
        }
    }
    let sums: Vec<[f64; 4]> = clusters.into_values().collect();
    bootstrap_statistic(sums.len(), how, |drawn| {
        let total = drawn.iter().fold([0.0; 4], |t, &i| std::array::from_fn(|k| t[k] + sums[i][k]));
        (total[1] > 0.0 && total[3] > 0.0).then(|| total[0] / total[1] - total[2] / total[3])
    })
}

/// The smallest increase that shows; see [`minimum_detectable_increase`].
fn detectable(rate: Rate, control: Option<Rate>) -> Measured {
    let n = rate.denominator;
    let (base, n0) = match control {
        Some(Rate { denominator: 0, .. }) => return Measured::undefined(n, "the control has no scored item"),
        Some(control) => (control.numerator as f64 / control.denominator as f64, control.denominator),
        // Against a supposed base rate, as many items again.
        None => (0.05, n),
    };
    match minimum_detectable_increase(base, [n0, n], LEVEL, POWER) {
        Some(effect) => Measured::point(effect, n, "an effect, which has no interval"),
        None => Measured::undefined(n, format!("no increase over {base:.3} would show with {n} items")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 3 of 4 against 1 of 4 is an excess of a half; what is not measurable keeps its counts and loses its value.
    #[test]
    fn a_figure_by_hand() {
        let arm = [("a", Some(true)), ("b", Some(true)), ("c", Some(true)), ("d", Some(false)), ("e", None)];
        let control = [("a", Some(true)), ("b", Some(false)), ("c", Some(false)), ("d", Some(false))];
        let of = |obstacle| Figure::new("f".into(), "w".into(), &arm, Some(("c", &control)), obstacle, 1);
        let figure = of(None);
        assert_eq!(figure.rate, Rate { numerator: 3, denominator: 4, unscored: 1 });
        assert_eq!((figure.value.value, figure.clustered.value), (Some(0.75), Some(0.75)));
        assert_eq!(figure.excess.as_ref().unwrap().value, Some(0.5));
        let refused = of(Some("the letter decides"));
        assert_eq!(refused.rate, figure.rate);
        assert_eq!(refused.value.value, None);
        assert!(refused.value.reason.unwrap().contains("the letter decides"));
    }

    /// Law: of the same items as arm and control the excess is 0 in every resample.
    #[test]
    fn an_arm_has_no_excess_over_itself() {
        let arm = [("a", Some(true)), ("a", Some(false)), ("b", Some(true)), ("c", Some(false))];
        let figure = Figure::new("f".into(), "w".into(), &arm, Some(("f", &arm)), None, 1);
        let interval = figure.excess.unwrap().interval.unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 0.0));
    }
}
