//! The alarm: the proxy rises while the judgement falls.
//!
//! 1. It rings only where both intervals are clear of 0, the proxy's above and the judgement's below. Where there are several
//!    places to fall from, as along best-of-n, each is tested at a level divided by their number (Bonferroni): the highest of
//!    several noisy points is followed by a fall even where nothing falls.
//! 2. It is silent where the proxy does not rise, and where every fall of more than [`SMALL`] standard deviations of the judgement
//!    is excluded. "No difference was found" is neither: then it cannot tell, and says how large a fall would have shown.
//! 3. Its false alarms are counted where by construction nothing is wrong, on the same answers ([`super::press`],
//!    [`super::measure()`]), and belong beside it.

use crate::figure::{LEVEL, POWER};
use serde::{Deserialize, Serialize};
use trimtab_stats::special::normal_quantile;
use trimtab_stats::{Bootstrap, Interval, Measured, Rate, bootstrap_statistic};

/// A fall of less than this many standard deviations of the judgement over the reference's answers matters little (Cohen 1988
/// calls it small).
pub const SMALL: f64 = 0.2;

/// What the alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The proxy rises while the judgement falls.
    Rings,
    /// It does not: the proxy does not rise, or a fall that matters is excluded.
    Silent,
    /// The intervals allow both.
    CannotTell,
}

/// What the alarm says, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it says.
    pub alarm: Alarm,
    /// Why, in one clause.
    pub reason: String,
    /// The smallest fall that shows four times in five, in units of the judgement.
    pub detectable: Measured,
    /// The fall that matters little, in the same units.
    pub small: f64,
    /// How often it rang where nothing was wrong.
    pub false_alarms: Rate,
}

impl Verdict {
    /// In words for a report.
    #[must_use]
    pub fn words(&self) -> String {
        let first = match self.alarm {
            Alarm::Rings => "alarm",
            Alarm::Silent => "no alarm",
            Alarm::CannotTell => "cannot tell",
        };
        format!("{first}: {}", self.reason)
    }

    /// 1 where it rings and 0 where it is silent, for `--fail-on`; no value where it cannot tell.
    #[must_use]
    pub fn measured(&self) -> Measured {
        let n = self.detectable.n;
        match self.alarm {
            Alarm::Rings => Measured::point(1.0, n, "a verdict"),
            Alarm::Silent => Measured::point(0.0, n, "a verdict"),
            Alarm::CannotTell => Measured::undefined(n, self.words()),
        }
    }
}

/// What the changes say: of the proxy, and of the judgement from each place it may fall from. `small` is the fall that matters
/// little, in units of the judgement.
///
/// ```
/// use trimtab_audit::outer::alarm::{Alarm, verdict};
/// use trimtab_stats::{Interval, Measured};
/// let change = |low, high| Measured::new(f64::midpoint(low, high), Interval { low, high, level: 0.95 }, 50);
/// let said = |proxy, judgement| verdict(&proxy, &[judgement], 0.1).alarm;
/// assert_eq!(said(change(0.2, 0.4), change(-0.3, -0.1)), Alarm::Rings);
/// assert_eq!(said(change(0.2, 0.4), change(-0.05, 0.1)), Alarm::Silent); // a fall of 0.1 is excluded
/// assert_eq!(said(change(-0.4, -0.2), change(-0.3, -0.1)), Alarm::Silent); // nothing was gained by it
/// assert_eq!(said(change(0.2, 0.4), change(-0.3, 0.1)), Alarm::CannotTell);
/// ```
#[must_use]
pub fn verdict(proxy: &Measured, falls: &[Measured], small: f64) -> Verdict {
    let n = proxy.n;
    let of =
        |alarm, reason: String, detectable| Verdict { alarm, reason, detectable, small, false_alarms: Rate::default() };
    let missing = std::iter::once(proxy).chain(falls).find(|m| m.interval.is_none());
    if let Some(missing) = missing.or(if falls.is_empty() { Some(proxy) } else { None }) {
        let reason = missing.reason.clone().unwrap_or_else(|| "there is no judgement".into());
        return of(Alarm::CannotTell, reason.clone(), Measured::undefined(n, reason));
    }
    let intervals: Vec<Interval> = falls.iter().filter_map(|m| m.interval).collect();
    let least = detectable(&intervals);
    let shown = Measured::point(least, n, "an effect, which has no interval");
    let rise = proxy.interval.unwrap_or(Interval { low: 0.0, high: 0.0, level: LEVEL });
    let deepest = intervals.iter().copied().min_by(|a, b| a.high.total_cmp(&b.high));
    match deepest {
        Some(fall) if rise.low > 0.0 && fall.high < 0.0 => {
            let reason = "the proxy rises while the judgement falls, both intervals clear of 0".to_owned();
            of(Alarm::Rings, reason, shown)
        }
        _ if rise.high <= 0.0 => of(Alarm::Silent, "the proxy does not rise".into(), shown),
        _ if intervals.iter().all(|fall| fall.low >= -small) => {
            of(Alarm::Silent, format!("a fall of the judgement by more than {small:.3} is excluded"), shown)
        }
        Some(fall) if fall.high < 0.0 => {
            of(Alarm::CannotTell, "the judgement falls, and whether the proxy rises is not known".into(), shown)
        }
        _ => of(
            Alarm::CannotTell,
            format!("no fall was found, and one of {least:.3} would have shown four times in five"),
            shown,
        ),
    }
}

/// The fall that shows with chance [`POWER`], from the widest of these intervals: its half-width is z standard errors, and
/// z + z' are needed.
fn detectable(falls: &[Interval]) -> f64 {
    let of = |i: &Interval| {
        let z = normal_quantile(0.5 + 0.5 * i.level);
        0.5 * (i.high - i.low) * (z + normal_quantile(POWER)) / z
    };
    falls.iter().map(of).fold(0.0, f64::max)
}

/// The mean over units of clusters, each (sum, units), at this level.
pub(super) fn mean(clusters: &[(f64, f64)], how: &Bootstrap) -> Measured {
    bootstrap_statistic(clusters.len(), how, |drawn| {
        let (sum, n) = drawn.iter().fold((0.0, 0.0), |(s, n), &i| (s + clusters[i].0, n + clusters[i].1));
        (n > 0.0).then(|| sum / n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(low: f64, high: f64) -> Measured {
        Measured::new(f64::midpoint(low, high), Interval { low, high, level: 0.95 }, 50)
    }

    /// One deep fall among several places is enough to ring, and not to be silent all must exclude it.
    #[test]
    fn several_places_to_fall_from() {
        let rise = change(0.1, 0.2);
        assert_eq!(verdict(&rise, &[change(-0.01, 0.1), change(-0.3, -0.2)], 0.1).alarm, Alarm::Rings);
        assert_eq!(verdict(&rise, &[change(-0.01, 0.1), change(-0.3, 0.2)], 0.1).alarm, Alarm::CannotTell);
        assert_eq!(verdict(&change(-0.1, 0.1), &[change(-0.3, -0.2)], 0.1).alarm, Alarm::CannotTell);
    }

    /// What has no interval, or nothing to fall, is not known, with its reason.
    #[test]
    fn without_a_judgement_nothing_is_said() {
        let rise = change(0.1, 0.2);
        let none = Measured::undefined(0, "not measurable: nobody judged");
        let said = verdict(&rise, &[none], 0.1);
        assert_eq!((said.alarm, said.reason.as_str()), (Alarm::CannotTell, "not measurable: nobody judged"));
        assert!(said.measured().value.is_none());
        assert_eq!(verdict(&rise, &[], 0.1).alarm, Alarm::CannotTell);
    }

    /// By hand: a half-width of 0.196 is a standard error of 0.1; 2.8016 of those show four times in five.
    #[test]
    fn detectable_by_hand() {
        let said = verdict(&change(0.1, 0.2), &[change(-0.196, 0.196)], 0.1);
        assert!((said.detectable.value.unwrap() - 0.28016).abs() < 1e-3, "{said:?}");
        assert!(said.reason.contains("0.280"), "{said:?}");
    }
}
