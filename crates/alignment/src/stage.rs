//! What every stage has: its folder, its metrics, its resumable state, and when to stop.

use crate::error::Error;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_run::{Checkpointer, Metric, Metrics, Timing, interrupt};
use trimtab_stats::{Bootstrap, Measured, bootstrap_statistic};

/// A stage that is running.
#[derive(Debug)]
pub struct Stage {
    /// Its name, which is that of its folder and of its random streams.
    pub name: &'static str,
    /// Its folder.
    pub dir: PathBuf,
    /// The run's seed.
    pub seed: u64,
    /// Whether progress is shown.
    pub quiet: bool,
    /// Everything dropped, by reason.
    pub counters: BTreeMap<String, u64>,
    metrics: Metrics,
    timing: Timing,
    checkpointer: Checkpointer,
}

/// Where a stage was when it last saved its state.
#[derive(Debug)]
pub struct Resume {
    /// Steps done.
    pub step: u64,
    /// The folder of its files.
    pub files: PathBuf,
    /// What it saved beside them.
    pub extra: Value,
}

impl Stage {
    /// Opens a stage in `dir`, which exists, and finds the state it left, if it left one.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn open(name: &'static str, dir: &Path, seed: u64, quiet: bool) -> Result<(Self, Option<Resume>), Error> {
        let checkpointer = Checkpointer::new(dir);
        let resume = checkpointer.load_latest()?.map(|(step, files, extra)| Resume { step, files, extra });
        let bytes = resume.as_ref().and_then(|r| r.extra["metrics_bytes"].as_u64()).unwrap_or(0);
        let counters =
            resume.as_ref().and_then(|r| serde_json::from_value(r.extra["counters"].clone()).ok()).unwrap_or_default();
        let stage = Self {
            name,
            dir: dir.into(),
            seed,
            quiet,
            counters,
            metrics: Metrics::resume(&dir.join("metrics.jsonl"), bytes)?,
            timing: Timing::open(&dir.join("timing.jsonl"))?,
            checkpointer,
        };
        Ok((stage, resume))
    }

    /// Logs one figure.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn log(&mut self, step: u64, name: &str, value: f64) -> Result<(), Error> {
        Ok(self.metrics.log(self.name, step, name, value)?)
    }

    /// Logs one figure with a unit, an interval, a count.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn push(&mut self, metric: &Metric) -> Result<(), Error> {
        Ok(self.metrics.push(metric)?)
    }

    /// Logs a speed or a duration, apart from the metrics, which do not change from run to run.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn time(&mut self, step: u64, name: &str, value: f64, unit: &str) -> Result<(), Error> {
        Ok(self.timing.log(self.name, step, name, value, unit)?)
    }

    /// Counts something that was dropped or cut.
    pub fn count(&mut self, what: &str, n: u64) {
        if n > 0 {
            *self.counters.entry(what.to_owned()).or_default() += n;
        }
    }

    /// Saves the state after `steps` steps: named files, and small values beside them.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn save(&mut self, steps: u64, mut extra: Map<String, Value>, files: &[(&str, &[u8])]) -> Result<(), Error> {
        extra.insert("metrics_bytes".into(), json!(self.metrics.len()?));
        extra.insert("counters".into(), json!(self.counters));
        Ok(self.checkpointer.save(steps, &Value::Object(extra), files)?)
    }

    /// To be called after each step: saves where it is due, and ends the stage where Ctrl-C asked for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`], once the state is safe.
    pub fn after_step(
        &mut self,
        steps: u64,
        total: u64,
        every: u64,
        state: impl FnOnce() -> (Map<String, Value>, Vec<(&'static str, Vec<u8>)>),
    ) -> Result<(), Error> {
        interrupt::stop_point(self.name, steps);
        let asked = interrupt::requested();
        if steps < total && (asked || steps.is_multiple_of(every)) {
            let (extra, files) = state();
            let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
            self.save(steps, extra, &files)?;
        }
        if asked && steps < total {
            return Err(Error::Interrupted { stage: self.name, step: steps });
        }
        Ok(())
    }

    /// Flushes the metrics and gives the counters. The resumable state stays until the run folder records the stage.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn close(mut self) -> Result<BTreeMap<String, u64>, Error> {
        self.metrics.len()?;
        Ok(self.counters)
    }

    /// Logs a measurement: its value with interval and count, or the reason why there is none.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn measured(&mut self, step: u64, name: &str, unit: &str, measured: &Measured) -> Result<(), Error> {
        let metric = Metric::maybe(self.name, step, name, measured.value, measured.reason.as_deref());
        let metric = metric.unit(unit).n(measured.n);
        self.push(&match &measured.interval {
            Some(i) => metric.interval(i.low, i.high),
            None => metric,
        })
    }
}

/// Σ numerators / Σ denominators with a 95 % interval, by bootstrap over clusters of (numerator, denominator).
pub fn ratio(clusters: &[(f64, f64)], seed: u64) -> Measured {
    let how = Bootstrap { seed, ..Bootstrap::default() };
    bootstrap_statistic(clusters.len(), &how, |drawn| {
        let (sum, n) = drawn.iter().fold((0.0, 0.0), |(s, n), &i| (s + clusters[i].0, n + clusters[i].1));
        (n > 0.0).then(|| sum / n)
    })
}

/// The mean of values that are clusters of their own, with a 95 % interval by bootstrap.
pub fn mean_of(values: impl IntoIterator<Item = f64>, seed: u64) -> Measured {
    mean_by(values.into_iter().enumerate(), seed)
}

/// The mean of values, with a 95 % interval by bootstrap over clusters: values of one key are drawn together.
pub fn mean_by<K: Ord>(values: impl IntoIterator<Item = (K, f64)>, seed: u64) -> Measured {
    let mut clusters = BTreeMap::<K, (f64, f64)>::new();
    for (key, value) in values {
        let of = clusters.entry(key).or_default();
        *of = (of.0 + value, of.1 + 1.0);
    }
    ratio(&clusters.into_values().collect::<Vec<_>>(), seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that always agree within their cluster say no more than one of them would.
    #[test]
    fn copies_of_a_value_do_not_narrow_its_interval() {
        let values = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        let alone = mean_of(values, 3);
        let copied = mean_by(values.iter().enumerate().flat_map(|(i, v)| std::iter::repeat_n((i, *v), 20)), 3);
        assert_eq!((alone.value, &alone.interval, alone.n), (copied.value, &copied.interval, 8));
        let apart = mean_of(values.iter().flat_map(|v| std::iter::repeat_n(*v, 20)), 3);
        let width = |m: &Measured| m.interval.as_ref().map_or(0.0, |i| i.high - i.low);
        assert!(width(&apart) < width(&copied) / 3.0);
    }
}
