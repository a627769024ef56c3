//! `metrics.jsonl` and `timing.jsonl`: one figure a line, appended.
//!
//! Metrics hold only what the arithmetic gives, so an interrupted and continued run writes the same bytes as one that
//! was not. Speeds and seconds go to the timing file, which no manifest hashes.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// One figure: what, where in the run, how sure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name of the stage.
    pub stage: String,
    /// Optimiser step or other counter within the stage.
    pub step: u64,
    /// What is measured.
    pub name: String,
    /// The figure; `None` (JSON null) where it is undefined.
    pub value: Option<f64>,
    /// Why there is no value or no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Unit of value and interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Lower and upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Number of items behind the figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
}

impl Metric {
    /// A figure; NaN or an infinity becomes null with a reason.
    ///
    /// ```
    /// use trimtab_run::Metric;
    /// let metric = Metric::new("sft", 3, "loss", 0.0 / 0.0);
    /// assert_eq!((metric.value, metric.reason.as_deref()), (None, Some("value is NaN")));
    /// ```
    #[must_use]
    pub fn new(stage: &str, step: u64, name: &str, value: f64) -> Self {
        Self {
            stage: stage.to_owned(),
            step,
            name: name.to_owned(),
            value: value.is_finite().then_some(value),
            reason: (!value.is_finite()).then(|| format!("value is {value}")),
            unit: None,
            interval: None,
            n: None,
        }
    }

    /// A figure, or the reason why there is none.
    #[must_use]
    pub fn maybe(stage: &str, step: u64, name: &str, value: Option<f64>, reason: Option<&str>) -> Self {
        match value {
            Some(value) => Self::new(stage, step, name, value),
            None => Self::undefined(stage, step, name, reason.unwrap_or("undefined")),
        }
    }

    /// A figure that could not be had, with its reason.
    #[must_use]
    pub fn undefined(stage: &str, step: u64, name: &str, reason: &str) -> Self {
        let reason = Some(reason.to_owned());
        Self {
            stage: stage.to_owned(),
            step,
            name: name.to_owned(),
            value: None,
            reason,
            unit: None,
            interval: None,
            n: None,
        }
    }

    /// Adds the unit.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.to_owned());
        self
    }

    /// Adds bounds; bounds that are not finite are left out with a reason.
    #[must_use]
    pub fn interval(mut self, low: f64, high: f64) -> Self {
        if low.is_finite() && high.is_finite() {
            self.interval = Some([low, high]);
        } else if self.reason.is_none() {
            self.reason = Some(format!("interval is {low} to {high}"));
        }
        self
    }

    /// Adds the number of items behind the figure.
    #[must_use]
    pub fn n(mut self, n: u64) -> Self {
        self.n = Some(n);
        self
    }
}

/// The metrics of a stage, appended line by line.
#[derive(Debug)]
pub struct Metrics(Appender);

impl Metrics {
    /// Opens a metrics file for appending; half a line at its end, left by a crash, is cut off.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Appender::open(path).map(Self)
    }

    /// Opens a metrics file as it was when a checkpoint recorded its length `bytes`: what was appended since is cut off.
    /// With `bytes` 0 the file starts anew.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadMetrics`] if the file is shorter than recorded or does not end a line there.
    pub fn resume(path: &Path, bytes: u64) -> Result<Self, Error> {
        Appender::resume(path, bytes).map(Self)
    }

    /// Appends one figure without unit, interval or count.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log(&mut self, stage: &str, step: u64, name: &str, value: f64) -> Result<(), Error> {
        self.push(&Metric::new(stage, step, name, value))
    }

    /// Appends one figure.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, metric: &Metric) -> Result<(), Error> {
        self.0.push(metric)
    }

    /// The length in bytes after everything reached the disk: what a checkpoint records for [`Metrics::resume`].
    ///
    /// # Errors
    /// [`Error::Io`].
    #[allow(clippy::len_without_is_empty)] // a length to be stored, not a collection
    pub fn len(&mut self) -> Result<u64, Error> {
        self.0.synced_len()
    }
}

/// Speeds and durations of a stage, in the form of metrics but in a file of their own that is never hashed or cut.
#[derive(Debug)]
pub struct Timing(Appender);

impl Timing {
    /// Opens a timing file for appending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Appender::open(path).map(Self)
    }

    /// Appends one figure, for example 210.0 `tok/s`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log(&mut self, stage: &str, step: u64, name: &str, value: f64, unit: &str) -> Result<(), Error> {
        self.0.push(&Metric::new(stage, step, name, value).unit(unit))
    }
}

/// A file of JSON lines, each written with one call, so that a reader can follow it.
#[derive(Debug)]
struct Appender {
    path: PathBuf,
    file: File,
}

impl Appender {
    fn raw(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        Ok(Self { path: path.to_owned(), file: file.map_err(Error::io("open", path))? })
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let mut this = Self::raw(path)?;
        let whole = this.end_of_last_line().map_err(Error::io("read", path))?;
        if whole < this.length()? {
            this.cut(whole)?;
        }
        Ok(this)
    }

    fn resume(path: &Path, bytes: u64) -> Result<Self, Error> {
        let mut this = Self::raw(path)?;
        let have = this.length()?;
        let bad = |problem: String| Error::BadMetrics { path: path.to_owned(), problem, bytes };
        if have < bytes {
            return Err(bad(format!("the file has only {have} bytes")));
        }
        if bytes > 0 {
            let mut last = [0];
            let read = this.file.seek(SeekFrom::Start(bytes - 1)).and_then(|_| this.file.read_exact(&mut last));
            read.map_err(Error::io("read", path))?;
            if last != [b'\n'] {
                return Err(bad(format!("byte {bytes} is not the end of a line")));
            }
        }
        if have > bytes {
            this.cut(bytes)?;
        }
        Ok(this)
    }

    fn length(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(Error::io("look at", &self.path))?.len())
    }

    fn cut(&mut self, bytes: u64) -> Result<(), Error> {
        self.file.set_len(bytes).and_then(|()| self.file.sync_all()).map_err(Error::io("cut", &self.path))
    }

    fn push(&mut self, metric: &Metric) -> Result<(), Error> {
        // The struct has string keys and finite numbers, so this fails only where io does.
        let mut line = serde_json::to_vec(metric).map_err(|e| Error::io("write", &self.path)(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io("write", &self.path))
    }

    fn synced_len(&mut self) -> Result<u64, Error> {
        self.file.sync_all().map_err(Error::io("flush", &self.path))?;
        self.length()
    }

    /// Offset just past the last newline, looking backwards in blocks.
    fn end_of_last_line(&mut self) -> std::io::Result<u64> {
        const BLOCK: u64 = 4096;
        let mut end = self.file.metadata()?.len();
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            let mut block = vec![0; (end - start) as usize];
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut block)?;
            if let Some(at) = block.iter().rposition(|&b| b == b'\n') {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_are_the_documented_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path).unwrap();
        metrics.log("sft", 1, "loss", 2.5).unwrap();
        metrics.push(&Metric::new("sft", 1, "accuracy", 0.75).unit("share").interval(0.5, 0.875).n(40)).unwrap();
        metrics.log("sft", 2, "loss", f64::INFINITY).unwrap();
        metrics.push(&Metric::undefined("ppo", 2, "explained_variance", "all returns are equal")).unwrap();
        metrics.push(&Metric::new("sft", 3, "loss", 1.0).interval(f64::NAN, 1.0)).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            concat!(
                "{\"stage\":\"sft\",\"step\":1,\"name\":\"loss\",\"value\":2.5}\n",
                "{\"stage\":\"sft\",\"step\":1,\"name\":\"accuracy\",\"value\":0.75,\"unit\":\"share\",",
                "\"interval\":[0.5,0.875],\"n\":40}\n",
                "{\"stage\":\"sft\",\"step\":2,\"name\":\"loss\",\"value\":null,\"reason\":\"value is inf\"}\n",
                "{\"stage\":\"ppo\",\"step\":2,\"name\":\"explained_variance\",\"value\":null,",
                "\"reason\":\"all returns are equal\"}\n",
                "{\"stage\":\"sft\",\"step\":3,\"name\":\"loss\",\"value\":1.0,\"reason\":\"interval is NaN to 1\"}\n",
            )
        );
    }

    /// Law: written, checkpointed, overrun, resumed and continued equals written once.
    #[test]
    fn resume_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let log = |metrics: &mut Metrics, steps: std::ops::Range<u64>| {
            steps.for_each(|s| metrics.log("ppo", s, "reward", (s as f64).sqrt()).unwrap());
        };
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        log(&mut Metrics::resume(&a, 0).unwrap(), 0..10);

        let mut metrics = Metrics::resume(&b, 0).unwrap();
        log(&mut metrics, 0..4);
        let bytes = metrics.len().unwrap();
        log(&mut metrics, 4..7);
        drop(metrics);
        fs::OpenOptions::new().append(true).open(&b).unwrap().write_all(b"{\"stage\":\"p").unwrap();
        log(&mut Metrics::resume(&b, bytes).unwrap(), 4..10);
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    }

    #[test]
    fn resume_refuses_what_does_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        fs::write(&path, b"{}\n{}\n").unwrap();
        assert!(Metrics::resume(&path, 7).unwrap_err().to_string().contains("only 6 bytes"));
        assert!(Metrics::resume(&path, 4).unwrap_err().to_string().contains("not the end of a line"));
        assert_eq!(fs::read(&path).unwrap(), b"{}\n{}\n");
        assert_eq!(Metrics::resume(&path, 3).unwrap().len().unwrap(), 3);
        assert_eq!(Metrics::resume(&path, 0).unwrap().len().unwrap(), 0);
    }

    #[test]
    fn open_cuts_half_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        for (content, kept) in [("", 0), ("{", 0), ("{}\n", 3), ("{}\n{\"st", 3)] {
            fs::write(&path, content).unwrap();
            assert_eq!(Metrics::open(&path).unwrap().len().unwrap(), kept);
        }
        fs::write(&path, ["{}\n", &"x".repeat(10_000)].concat()).unwrap();
        assert_eq!(Metrics::open(&path).unwrap().len().unwrap(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut appender = Appender::raw(&path).unwrap();
        let message = appender.push(&Metric::new("sft", 0, "loss", 1.0)).unwrap_err().to_string();
        assert!(message.contains("metrics.jsonl: cannot write") && message.contains("room on the disk"), "{message}");
    }
}
