//! `cargo xtask test`: everything that must pass, cheapest first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::libtest::{Screen, Tally};
use crate::shell::{self, Stream};
use crate::{debian, model, python};

/// What the tests' Python is for: reading our files back with the format's own reader.
const TEST_PACKAGES: &str = "numpy>=1.26,<3\nsafetensors==0.8.0\npytest==9.2.0\nplaywright==1.65.2\naxe-playwright-python==0.1.8\ninspect-ai==0.3.285\njsonschema==4.26.0\n";

/// Folders of valid files that a fuzz target of that name starts from, besides what it found in earlier runs.
const FUZZ_SEEDS: [(&str, &str); 6] = [
    ("gguf", "goldens/gguf"),
    ("safetensors", "goldens/engine/tiny_llama"),
    ("dataset", "goldens/text"),
    ("people_import", "fuzz/seeds/people_import"),
    ("people_api", "fuzz/seeds/people_api"),
    ("audit_items", "fuzz/seeds/audit_items"),
];

/// The flags that cargo-fuzz gives rustc; `-Z` is why the fuzz build needs RUSTC_BOOTSTRAP on a stable compiler.
const FUZZ_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address --cfg fuzzing";

/// The steps that `--only` names, cheapest first.
const STEPS: [&str; 6] = ["format", "clippy", "unit", "integration", "doc", "fuzz"];

/// The command line of `cargo xtask test`.
pub struct Options {
    only: Vec<String>,
    fuzz: bool,
    model: bool,
    fuzz_seconds: u32,
    jobs: Option<u32>,
}

impl Options {
    /// Reads the arguments after `test`.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { only: Vec::new(), fuzz: true, model: true, fuzz_seconds: 60, jobs: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("xtask test: {arg} needs a value"));
            let mut number = || {
                let value = value()?;
                let read = value.parse::<u32>().ok().filter(|&number| number > 0);
                read.ok_or_else(|| format!("xtask test: {arg} needs a number above 0, got {value:?}"))
            };
            match arg.as_str() {
                "--quick" => (options.fuzz, options.model) = (false, false),
                "--no-fuzz" => options.fuzz = false,
                "--no-model" => options.model = false,
                "--fuzz-seconds" => options.fuzz_seconds = number()?,
                "--jobs" => options.jobs = Some(number()?),
                "--only" => {
                    let step = value()?;
                    if !STEPS.contains(&step.as_str()) {
                        return Err(format!("xtask test: --only {step:?}: expected one of {STEPS:?}"));
                    }
                    options.only.push(step.clone());
                }
                "--help" | "-h" => return Err("help".to_owned()),
                _ => return Err(format!("xtask test: no option {arg:?}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, step: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == step)
    }
}

/// What the tests are given: paths, where they could be had.
struct Prepared {
    python: Option<PathBuf>,
    model: Option<PathBuf>,
}

/// Runs all steps and prints the verdict; true if nothing failed.
pub fn run(options: &Options) -> bool {
    let start = Instant::now();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut tally = Tally::default();
    let mut timed =
        |step: &str, name: &'static str, tally: &mut Tally, work: &mut dyn FnMut(&mut Tally) -> Result<()>| {
            if step != "prepare" && !options.wants(step) {
                return;
            }
            let before = Instant::now();
            let outcome = shell::step(name, || work(tally));
            times.push((name, before.elapsed()));
            if let Err(error) = outcome {
                println!("{error:#}");
                tally.failed.push(format!("{name}: {error:#}"));
            }
        };

    let mut prepared = Prepared { python: None, model: None };
    timed("format", "format", &mut tally, &mut |tally| {
        let passed = watch(shell::cargo().args(["fmt", "--all", "--", "--check"]), "format", |_, _| true)?.success;
        tally.check("format", passed);
        Ok(())
    });
    timed("prepare", "prepare", &mut tally, &mut |tally| {
        prepared = prepare(options, tally);
        Ok(())
    });
    let job_flag: Vec<String> = options.jobs.iter().map(|jobs| format!("--jobs={jobs}")).collect();
    timed("clippy", "clippy", &mut tally, &mut |tally| {
        let mut clippy = shell::cargo();
        clippy
            .args(["clippy", "--workspace", "--all-targets", "--quiet"])
            .args(&job_flag)
            .args(["--", "-D", "warnings"]);
        tally.check("clippy", watch(&mut clippy, "clippy", |_, _| true)?.success);
        Ok(())
    });
    for (step, name, what) in [
        ("unit", "unit tests", &["--lib", "--bins"][..]),
        ("integration", "integration and golden tests", &["--test", "*"]),
        ("doc", "doc tests", &["--doc"]),
    ] {
        timed(step, name, &mut tally, &mut |tally| {
            tally.add(cargo_test(name, what, &job_flag, &prepared)?);
            Ok(())
        });
    }
    timed("fuzz", "fuzz targets", &mut tally, &mut |tally| {
        if options.fuzz { fuzz(options, tally) } else { skip_fuzz(tally, "left out by option") }
    });

    println!("\n── times");
    for (name, time) in &times {
        println!("{:>12}  {name}", shell::time(*time));
    }
    println!("{:>12}  in all", shell::time(start.elapsed()));
    report(&tally);
    tally.failed.is_empty()
}

/// The lists of what did not pass, and the one line that counts.
fn report(tally: &Tally) {
    if !tally.skipped.is_empty() {
        println!("\n── skipped");
        for (name, reason) in &tally.skipped {
            println!("skipped: {name}: {reason}");
        }
    }
    if !tally.failed.is_empty() {
        println!("\n── failed");
        for name in &tally.failed {
            println!("failed: {name}");
        }
    }
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed.len(), tally.skipped.len());
}

/// Runs a command with its log in target/xtask.
fn watch(command: &mut Command, name: &str, visible: impl FnMut(Stream, &str) -> bool) -> Result<shell::Watched> {
    let log = shell::target().join("xtask").join(format!("{}.log", name.replace(' ', "-")));
    shell::watch(command, &log, visible)
}

/// Brings what tests use; what cannot be brought is said here, and the tests that wanted it skip themselves by name.
fn prepare(options: &Options, tally: &mut Tally) -> Prepared {
    let mut missing = |what: &str, error: anyhow::Error| {
        println!("{error:#}");
        let first = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
        tally.skipped.push((format!("prepare: {what}"), first));
    };
    let mut prepared = Prepared { python: None, model: None };
    match python::environment(&shell::root().join(".venv-tests"), TEST_PACKAGES) {
        Ok(python) => prepared.python = Some(python),
        Err(error) => missing("python environment of the tests", error),
    }
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    // Debian puts a server's programs into a folder for each version.
    let servers: Vec<String> = (13..20).map(|v| format!("/usr/lib/postgresql/{v}/bin/initdb")).collect();
    let servers: Vec<&str> =
        servers.iter().map(String::as_str).chain(["/usr/local/bin/initdb", "/usr/bin/initdb"]).collect();
    for (package, files) in [("chromium", &chromium[..]), ("postgresql", &servers)] {
        if let Err(error) = debian::ensure(package, files) {
            missing(package, error);
        }
    }
    if options.model {
        let python = prepared.python.clone().unwrap_or_else(|| "python3".into());
        match model::smollm2(&python) {
            Ok(model) => prepared.model = Some(model),
            Err(error) => missing("SmolLM2-135M-Instruct", error),
        }
    }
    for (what, path) in [("python", &prepared.python), ("model", &prepared.model)] {
        println!("{what}: {}", path.as_ref().map_or("none".into(), |path| path.display().to_string()));
    }
    prepared
}

fn cargo_test(name: &str, what: &[&str], jobs: &[String], prepared: &Prepared) -> Result<Tally> {
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).args(what).args(jobs).args(["--", "--show-output"]);
    command.env_remove("TRIMTAB_PYTHON").env_remove("TRIMTAB_SMOLLM2_GGUF");
    if let Some(python) = &prepared.python {
        command.env("TRIMTAB_PYTHON", python);
    }
    if let Some(model) = &prepared.model {
        command.env("TRIMTAB_SMOLLM2_GGUF", model);
    }
    let mut screen = Screen::default();
    let watched = watch(&mut command, name, |stream, line| match stream {
        Stream::Out => screen.shows(line),
        Stream::Err => !["Compiling", "Running", "Doc-tests", "Downloaded", "Executable"]
            .iter()
            .any(|word| line.trim_start().starts_with(word)),
    })?;
    let mut tally = Tally::read(watched.stdout.iter().map(String::as_str));
    if !watched.success && tally.failed.is_empty() {
        // A build that broke, or a test binary that died: no test is named, and it must not look like a pass.
        tally.failed.push(format!("{name} (did not run to the end)"));
    }
    Ok(tally)
}

/// The names of the files in fuzz/fuzz_targets.
fn fuzz_targets() -> Result<Vec<String>> {
    let folder = shell::root().join("fuzz").join("fuzz_targets");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn skip_fuzz(tally: &mut Tally, reason: &str) -> Result<()> {
    for name in fuzz_targets()? {
        tally.skipped.push((format!("fuzz {name}"), reason.to_owned()));
    }
    Ok(())
}

/// Builds every fuzz target, then runs them, as many at a time as there are cores.
fn fuzz(options: &Options, tally: &mut Tally) -> Result<()> {
    let names = fuzz_targets()?;
    if names.is_empty() {
        return Ok(());
    }
    let fuzz = shell::root().join("fuzz");
    let Some(host) = host() else { return skip_fuzz(tally, "rustc -vV does not name its host") };
    // A target triple keeps the flags away from build scripts and procedural macros.
    let mut build = shell::cargo();
    build
        .args(["build", "--release", "--bins", "--quiet", "--target", &host, "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"));
    build.args(options.jobs.iter().map(|jobs| format!("--jobs={jobs}")));
    build.arg("--target-dir").arg(fuzz.join("target")).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FUZZ_FLAGS);
    if !watch(&mut build, "fuzz build", |_, _| true)?.success {
        return skip_fuzz(tally, "the fuzz targets could not be built here (target/xtask/fuzz-build.log)");
    }
    let binaries = fuzz.join("target").join(host).join("release");
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    for batch in names.chunks(lanes) {
        let outcomes: Vec<Result<bool>> = std::thread::scope(|scope| {
            let run = |name: &String| fuzz_one(&fuzz, &binaries.join(name), name, options.fuzz_seconds);
            let started: Vec<_> = batch.iter().map(|name| scope.spawn(move || run(name))).collect();
            started
                .into_iter()
                .map(|lane| lane.join().unwrap_or_else(|_| bail!("the fuzzing thread panicked")))
                .collect()
        });
        for (name, outcome) in batch.iter().zip(outcomes) {
            tally.check(&format!("fuzz {name}"), outcome?);
        }
    }
    Ok(())
}

/// Runs one target from its seeds; what it finds is kept in fuzz/corpus and fuzz/artifacts, which git ignores.
fn fuzz_one(fuzz: &Path, binary: &Path, name: &str, seconds: u32) -> Result<bool> {
    let (corpus, artifacts) = (fuzz.join("corpus").join(name), fuzz.join("artifacts").join(name));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = shell::command(binary);
    let seeds = FUZZ_SEEDS.iter().filter(|(target, _)| *target == name).map(|(_, folder)| shell::root().join(folder));
    command.arg(&corpus).args(seeds.filter(|folder| folder.exists())).env("RAYON_NUM_THREADS", "1");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", artifacts.display()));
    // An input that makes a reader ask for a gigabyte, or think for ten seconds, is a finding like a crash.
    command.args([
        "-rss_limit_mb=2048",
        "-malloc_limit_mb=1024",
        "-timeout=10",
        "-max_len=65536",
        "-print_final_stats=1",
        // The same inputs in every run, as far as the minute goes; longer hunts with other seeds are in fuzz/README.md.
        "-seed=1",
    ]);
    let mut finding = false;
    let watched = watch(&mut command, &format!("fuzz {name}"), |_, line| {
        finding |= line.contains("ERROR: ") || line.starts_with("thread ");
        finding || line.starts_with("stat::number_of_executed_units")
    })?;
    println!("fuzz {name}: {} after at most {seconds} s", if watched.success { "no finding" } else { "FAILED" });
    Ok(watched.success)
}

/// The target triple of this machine.
fn host() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
