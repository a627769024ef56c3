//! The interval of a difference from the intervals of its two parts.
//!
//! Zou and Donner 2008, *Construction of confidence intervals about effect measures: a general approach*, Statistics in
//! Medicine 27, 1693–1702, eq. 5 (MOVER):
//!
//! > L = a − b − √((a − lₐ)² + (u_b − b)²), U = a − b + √((uₐ − a)² + (b − l_b)²)
//!
//! 1. Nothing is taken from the parts but their intervals, so it serves for rates that are corrected and have no simple count.
//! 2. The parts are taken as independent. Where both are about the same items, and so go up and down together, the interval is
//!    wider than it need be.

use crate::{Interval, Measured};

/// a − b with its interval, at the confidence of `a`'s; undefined where a part is, with that part's reason. `n` is the smaller one's.
///
/// ```
/// use trimtab_stats::{Interval, Measured, mover};
/// let part = |value, low, high| Measured::new(value, Interval { low, high, level: 0.95 }, 50);
/// // √(0.03² + 0.04²) = 0.05 to either side.
/// let found = mover(&part(0.5, 0.47, 0.53), &part(0.2, 0.16, 0.24));
/// let interval = found.interval.unwrap();
/// assert!((found.value.unwrap() - 0.3).abs() < 1e-12);
/// assert!((interval.low - 0.25).abs() < 1e-12 && (interval.high - 0.35).abs() < 1e-12);
/// let none = mover(&part(0.5, 0.47, 0.53), &Measured::undefined(0, "no labels"));
/// assert_eq!((none.value, none.reason.as_deref()), (None, Some("no labels")));
/// ```
#[must_use]
pub fn mover(a: &Measured, b: &Measured) -> Measured {
    let n = a.n.min(b.n);
    let lacking = |part: &Measured| part.reason.clone().unwrap_or_else(|| "undefined".into());
    let (Some(x), Some(y)) = (a.value, b.value) else {
        return Measured::undefined(n, lacking(if a.value.is_none() { a } else { b }));
    };
    let (Some(of_a), Some(of_b)) = (a.interval, b.interval) else {
        return Measured::point(x - y, n, lacking(if a.interval.is_none() { a } else { b }));
    };
    let low = x - y - (x - of_a.low).hypot(of_b.high - y);
    let high = x - y + (of_a.high - x).hypot(y - of_b.low);
    Measured::new(x - y, Interval { low, high, level: of_a.level }, n)
}
