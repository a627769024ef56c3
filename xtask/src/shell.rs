//! Running other programs: where they stand, what they print, how long they take.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The workspace root, from where this package was compiled.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds, and where this task keeps its logs (in `xtask/`).
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A command that starts in the workspace root.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs this task.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end with the terminal's own output; an error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(())
}

/// Which of its two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// What a watched command did.
pub struct Watched {
    pub success: bool,
    /// Standard output, line by line.
    pub stdout: Vec<String>,
}

/// Runs to the end, keeps everything in `log`, and shows the lines that `visible` lets through.
pub fn watch(command: &mut Command, log: &Path, mut visible: impl FnMut(Stream, &str) -> bool) -> Result<Watched> {
    let shown = show(command);
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let (sender, lines) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        forward(out, Stream::Out, sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward(err, Stream::Err, sender.clone());
    }
    drop(sender);
    let mut stdout = Vec::new();
    for (stream, line) in lines {
        writeln!(file, "{line}").with_context(|| format!("cannot write {}", log.display()))?;
        if visible(stream, &line) {
            println!("{line}");
        }
        if stream == Stream::Out {
            stdout.push(line);
        }
    }
    let status = child.wait().with_context(|| format!("lost {shown}"))?;
    Ok(Watched { success: status.success(), stdout })
}

/// Reads lines on a thread of their own; bytes that are not UTF-8 are replaced.
fn forward(stream: impl std::io::Read + Send + 'static, kind: Stream, sender: mpsc::Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send((kind, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// The command as one would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// `75.2 s` or `4 min 05 s`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 100 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// Prints a heading, does the work, prints how long it took.
pub fn step<T>(name: &str, work: impl FnOnce() -> T) -> T {
    println!("\n── {name}");
    let start = Instant::now();
    let result = work();
    println!("── {name}: {}", time(start.elapsed()));
    result
}
