//! What the simulated people met with, in figures.

use super::annotator::Done;
use serde::Serialize;
use std::fmt;

/// The figures of one run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// People at work.
    annotators: u64,
    /// How long they worked, in seconds.
    seconds: f64,
    /// Until the last save was answered, in seconds.
    until_last_answer: f64,
    /// Saves acknowledged.
    saves: u64,
    /// Saves a second, over `seconds`.
    saves_per_second: f64,
    /// What failed for good: another status than was due, or no answer for as long as patience lasts.
    errors: u64,
    /// Requests sent again after 429, 503 or none.
    retries: u64,
    /// Times that somebody asked for a task and there was none.
    idle: u64,
    /// Acknowledged saves that the store does not have exactly once, as they were sent.
    lost: u64,
    /// From the first sending of a save to its acknowledgement.
    save: Spread,
    /// The same of asking for the next task.
    next: Spread,
}

/// Quantiles of a time, in milliseconds.
#[derive(Debug, Serialize)]
struct Spread {
    #[serde(rename = "p50_ms")]
    p50: Option<f64>,
    #[serde(rename = "p95_ms")]
    p95: Option<f64>,
    #[serde(rename = "p99_ms")]
    p99: Option<f64>,
    #[serde(rename = "max_ms")]
    max: Option<f64>,
}

impl Spread {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |share| quantile(&seconds, share).map(|s| (s * 1e6).round() / 1000.0);
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

/// The smallest value that at least this share of the sorted values do not exceed; none of none.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.max(1) - 1).copied()
}

impl Figures {
    /// Of everybody's work.
    pub fn of(done: &[Done], seconds: f64, until_last_answer: f64, lost: u64) -> Self {
        let all = |of: fn(&Done) -> &Vec<f64>| done.iter().flat_map(|one| of(one).iter().copied()).collect();
        let sum = |of: fn(&Done) -> u64| done.iter().map(of).sum::<u64>();
        let saves = sum(|one| one.acknowledged.len() as u64);
        Self {
            annotators: done.len() as u64,
            seconds,
            until_last_answer,
            saves,
            saves_per_second: saves as f64 / seconds,
            errors: sum(|one| one.errors.len() as u64),
            retries: sum(|one| one.retries),
            idle: sum(|one| one.idle),
            lost,
            save: Spread::of(all(|one| &one.saves)),
            next: Spread::of(all(|one| &one.nexts)),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} people, {} s: {} saves acknowledged ({:.1} a second), {} of them not in the store once; {} errors, {} sent again, {} times no task",
            self.annotators,
            self.seconds,
            self.saves,
            self.saves_per_second,
            self.lost,
            self.errors,
            self.retries,
            self.idle
        )?;
        write!(f, "{:>6} {:>10} {:>10} {:>10} {:>10}", "", "p50 ms", "p95 ms", "p99 ms", "max ms")?;
        for (name, spread) in [("save", &self.save), ("next", &self.next)] {
            write!(f, "\n{name:>6}")?;
            for value in [spread.p50, spread.p95, spread.p99, spread.max] {
                let value = value.map_or_else(|| "none".to_owned(), |ms| format!("{ms:.1}"));
                write!(f, " {value:>10}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.5, 0.95, 0.99, 1.0].map(|q| quantile(&hundred, q).unwrap()), [50.0, 95.0, 99.0, 100.0]);
        assert_eq!(quantile(&[3.0], 0.01), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
