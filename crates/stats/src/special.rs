//! Quantiles of the normal and the t distribution, from series and continued fractions whose terms can be checked.
//!
//! Abramowitz and Stegun 1964, 7.1.6, 7.1.14 (error function) and 26.5.8 (incomplete beta); quantiles by bisection.
//! Speed does not matter here: an interval needs one quantile.

use std::f64::consts::{PI, TAU};

/// P(Z ≤ z) of a standard normal, absolute error below 1e-15, relative error of the lower tail below 1e-12.
///
/// ```
/// use trimtab_stats::special::normal_cdf;
/// assert_eq!(normal_cdf(0.0), 0.5);
/// assert!((normal_cdf(1.0) - 0.841344746068543).abs() < 1e-14);
/// ```
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    if z > 0.0 { 1.0 - lower_tail(z) } else { lower_tail(-z) }
}

/// P(Z ≤ −z) for z ≥ 0.
fn lower_tail(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    if z < 3.0 {
        // ½ − φ(z)·Σ z^(2k+1) / (1·3·5···(2k+1))
        let (mut term, mut sum, mut k) = (z, z, 1.0);
        while term > sum * 1e-17 {
            term *= z * z / (2.0 * k + 1.0);
            sum += term;
            k += 1.0;
        }
        0.5 - density * sum
    } else {
        // φ(z) / (z + 1/(z + 2/(z + 3/(z + …)))), from the inside out; NaN comes here and passes through.
        density / (1..=120).rev().fold(z, |inner, k| z + f64::from(k) / inner)
    }
}

/// The z with P(Z ≤ z) = p of a standard normal; ±∞ at 0 and 1, NaN outside of [0, 1].
///
/// ```
/// use trimtab_stats::special::normal_quantile;
/// assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-13);
/// ```
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    quantile_of(p, normal_cdf)
}

/// P(T ≤ t) of Student's t with `df` > 0 degrees of freedom; normal beyond 10⁷, where they agree to seven digits.
#[must_use]
pub fn t_cdf(t: f64, df: f64) -> f64 {
    if df > 1e7 {
        return normal_cdf(t);
    }
    let tail = 0.5 * incomplete_beta(df / (df + t * t), 0.5 * df, 0.5);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The t with P(T ≤ t) = p of Student's t with `df` > 0 degrees of freedom; ±∞ at 0 and 1, NaN outside of [0, 1].
///
/// ```
/// use trimtab_stats::special::t_quantile;
/// assert!((t_quantile(0.975, 1.0) - 12.7062047361747).abs() < 1e-9); // a Cauchy: tan(0.475 π)
/// assert!((t_quantile(0.975, 10.0) - 2.2281388519862747).abs() < 1e-12);
/// ```
#[must_use]
pub fn t_quantile(p: f64, df: f64) -> f64 {
    quantile_of(p, |t| t_cdf(t, df))
}

/// Solves cdf(x) = p for a distribution that is symmetric about 0.
fn quantile_of(p: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.5 {
        return 0.0;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // In the lower tail, where small probabilities keep their digits.
    let tail = p.min(1.0 - p);
    let mut low = -1.0;
    while cdf(low) > tail && low > -1e300 {
        low *= 2.0;
    }
    let mut high = 0.0;
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle == low || middle == high {
            break;
        }
        if cdf(middle) < tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    let x = 0.5 * (low + high);
    if p < 0.5 { x } else { -x }
}

/// The regularised incomplete beta function Iₓ(a, b), a, b > 0.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return if x.is_nan() { x } else { 0.0 };
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean; above it, turn the function round.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta_fraction(1.0 - x, b, a);
    }
    incomplete_beta_fraction(x, a, b)
}

fn incomplete_beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    // Lentz's method on 1 + d₁/(1 + d₂/(1 + …)).
    let away_from_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d, mut fraction) = (1.0, 0.0, 1.0);
    for k in 1..10_000 {
        let m = f64::from(k / 2);
        let coefficient = if k % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / away_from_zero(1.0 + coefficient * d);
        c = away_from_zero(1.0 + coefficient / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front / fraction
}

/// ln Γ(x) for x > 0: Stirling's series (Abramowitz and Stegun 6.1.41) after shifting x past 15.
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 15.0 {
        shift += x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erf(x: f64) -> f64 {
        2.0 * normal_cdf(x * std::f64::consts::SQRT_2) - 1.0
    }

    fn close(got: f64, expected: f64, relative: f64) {
        assert!((got - expected).abs() <= relative * expected.abs(), "got {got}, expected {expected}");
    }

    /// Abramowitz and Stegun, tables 7.1, 26.1 and 26.10; the far tail from the asymptotic table 26.2.
    #[test]
    fn published_tables() {
        close(erf(0.5), 0.5204998778, 1e-9);
        close(erf(1.0), 0.8427007929, 1e-9);
        close(erf(1.9), 0.9927904292, 1e-9);
        close(normal_cdf(-5.0), 2.866515719e-7, 1e-9);
        close(normal_cdf(-10.0), 7.61985302416e-24, 1e-11);
        for (df, t) in [(1.0, 6.314), (2.0, 2.920), (5.0, 2.015), (30.0, 1.697), (120.0, 1.658)] {
            assert!((t_quantile(0.95, df) - t).abs() < 5e-4, "df {df}");
        }
        for (df, t) in [(1.0, 63.657), (4.0, 4.604), (9.0, 3.250), (60.0, 2.660)] {
            assert!((t_quantile(0.995, df) - t).abs() < 5e-4, "df {df}");
        }
    }

    #[test]
    fn gamma_of_integers_and_halves() {
        close(ln_gamma(5.0), 24f64.ln(), 1e-15);
        close(ln_gamma(0.5), PI.sqrt().ln(), 1e-14);
        close(ln_gamma(171.0), (1..=170).map(|k| f64::from(k).ln()).sum(), 1e-14);
        assert!(ln_gamma(1.0).abs() < 1e-14 && ln_gamma(2.0).abs() < 1e-14);
    }

    /// Closed forms of the t distribution with one and two degrees of freedom.
    #[test]
    fn closed_forms_of_t() {
        for t in [-50.0, -3.0, -0.2, 0.0, 0.7, 1.0, 8.0] {
            close(t_cdf(t, 1.0), 0.5 + f64::atan(t) / PI, 1e-13);
            close(t_cdf(t, 2.0), 0.5 + t / (2.0 * (2.0 + t * t).sqrt()), 1e-12);
        }
    }

    /// Laws: a quantile inverts its distribution; both halves mirror; series and fraction agree where they meet; t
    /// becomes normal.
    #[test]
    fn quantiles_invert_and_mirror() {
        for p in [1e-9, 1e-4, 0.025, 0.3, 0.5, 0.8, 0.975, 0.9999] {
            close(normal_cdf(normal_quantile(p)), p, 1e-12);
            assert!((normal_quantile(p) + normal_quantile(1.0 - p)).abs() < 1e-6);
            for df in [1.0, 3.0, 7.5, 200.0, 1e5] {
                close(t_cdf(t_quantile(p, df), df), p, 1e-10);
            }
            assert!((t_quantile(p, 1e9) - normal_quantile(p)).abs() < 1e-6);
        }
        close(normal_cdf(-3.0 + 1e-12), normal_cdf(-3.0 - 1e-12), 1e-11);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(t_quantile(1.0, 3.0), f64::INFINITY);
        assert!(normal_quantile(1.5).is_nan() && normal_quantile(f64::NAN).is_nan() && normal_cdf(f64::NAN).is_nan());
    }
}
