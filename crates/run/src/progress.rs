//! The progress line on stderr: `[sft] 120/400 · loss 1.93 · 210 tok/s · 1m12s left`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Between two plain lines where stderr is not a terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Progress of one stage: a bar on a terminal, a plain line every five seconds elsewhere, nothing when quiet.
#[derive(Debug)]
pub struct Progress {
    stage: String,
    unit: String,
    begun: Instant,
    first: u64,
    total: u64,
    items: f64,
    shown: Option<Instant>,
    out: Output,
}

#[derive(Debug)]
enum Output {
    Quiet,
    Plain,
    Bar(ProgressBar),
}

impl Progress {
    /// Progress of `stage` from step `first` (0, or where a resumed stage continues) to `total`. `unit` is what
    /// [`Progress::step`] counts for the rate: `tok`, `answers`.
    pub fn new(stage: &str, first: u64, total: u64, unit: &str, quiet: bool) -> Self {
        let out = if quiet {
            Output::Quiet
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // The template is fixed; should it ever not parse, the default bar still shows.
            if let Ok(style) = ProgressStyle::with_template("{bar:20} {msg}") {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_position(first);
            Output::Bar(bar)
        } else {
            Output::Plain
        };
        let (stage, unit) = (stage.to_owned(), unit.to_owned());
        Self { stage, unit, begun: Instant::now(), first, total, items: 0.0, shown: None, out }
    }

    /// Shows that `done` steps of the total are done. `items` is what this step handled (tokens, answers) and adds to
    /// the rate; `message` is the figure to watch, such as `loss 1.93`.
    pub fn step(&mut self, done: u64, items: f64, message: &str) {
        self.items += items;
        let now = Instant::now();
        let seconds = now.duration_since(self.begun).as_secs_f64();
        let line = || line(&self.stage, self.first, done, self.total, message, self.items, &self.unit, seconds);
        match &self.out {
            Output::Quiet => {}
            Output::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(line());
            }
            Output::Plain => {
                if self.shown.is_none_or(|at| now.duration_since(at) >= PLAIN_EVERY) || done >= self.total {
                    // A closed stderr is no reason to end a run.
                    let _ = writeln!(std::io::stderr(), "{}", line());
                    self.shown = Some(now);
                }
            }
        }
    }

    /// Items per second since the beginning; `None` before the first.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.begun.elapsed().as_secs_f64();
        (self.items > 0.0 && seconds > 0.0).then(|| self.items / seconds)
    }

    /// Prints a line above the bar.
    pub fn say(&self, text: &str) {
        match &self.out {
            Output::Quiet => {}
            Output::Bar(bar) => bar.println(text),
            Output::Plain => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// Removes the bar and leaves one last line.
    pub fn finish(self, message: &str) {
        if let Output::Bar(bar) = &self.out {
            bar.finish_and_clear();
        }
        if !matches!(self.out, Output::Quiet) {
            let took = duration(self.begun.elapsed().as_secs_f64());
            let _ = writeln!(std::io::stderr(), "[{}] {message} · {took}", self.stage);
        }
    }
}

fn line(stage: &str, first: u64, done: u64, total: u64, message: &str, items: f64, unit: &str, seconds: f64) -> String {
    // Writing to a string cannot fail.
    use std::fmt::Write as _;
    let mut out = format!("[{stage}] {done}/{total}");
    if !message.is_empty() {
        out += " · ";
        out += message;
    }
    if items > 0.0 && seconds > 0.0 {
        let _ = write!(out, " · {} {unit}/s", three_digits(items / seconds));
    }
    let here = done.saturating_sub(first);
    if here > 0 && done < total {
        // Only steps of this process tell its speed.
        let left = seconds / here as f64 * (total - done) as f64;
        let _ = write!(out, " · {} left", duration(left));
    }
    out
}

fn three_digits(x: f64) -> String {
    let decimals = [1.0, 10.0, 100.0].iter().filter(|&&bound| x < bound).count();
    format!("{x:.decimals$}")
}

fn duration(seconds: f64) -> String {
    // `as` saturates: a NaN is 0, an infinity the largest number.
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_as_documented() {
        let text = line("sft", 0, 120, 400, "loss 1.93", 6480.0, "tok", 30.857);
        assert_eq!(text, "[sft] 120/400 · loss 1.93 · 210 tok/s · 1m12s left");
        assert_eq!(line("sft", 0, 0, 400, "", 0.0, "tok", 0.0), "[sft] 0/400");
        assert_eq!(line("sft", 0, 400, 400, "", 8.0, "tok", 4.0), "[sft] 400/400 · 2.00 tok/s");
    }

    /// Law: a resumed stage measures its speed on its own steps.
    #[test]
    fn time_left_counts_from_where_the_process_began() {
        assert!(line("ppo", 90, 95, 100, "", 0.0, "tok", 10.0).ends_with("10s left"));
    }

    #[test]
    fn durations_and_rates() {
        let shown = [0.4, 59.4, 59.6, 3600.0, 90_000.0, f64::NAN].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m00s", "1h00m", "1d01h", "0s"]);
        assert!(duration(f64::INFINITY).ends_with('h'));
        assert_eq!([0.1234, 1.234, 12.34, 1234.5].map(three_digits), ["0.123", "1.23", "12.3", "1234"]);
    }

    #[test]
    fn quiet_is_silent_and_counts() {
        let mut p = Progress::new("sft", 0, 2, "tok", true);
        assert_eq!(p.rate(), None);
        p.step(1, 10.0, "loss 2");
        assert!(p.rate().is_some_and(|r| r > 0.0));
        p.say("nothing");
        p.finish("done");
    }
}
