//! `cargo xtask peers`: what other stacks say. Goldens made anew and compared, our checkpoints loaded elsewhere, speed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::libtest::Tally;
use crate::shell;
use crate::{model, python};

const PARTS: [&str; 3] = ["goldens", "load", "bench"];

/// The scripts under goldens/, in the order in which they read each other's files, and whether each is given the path
/// of the real model.
const GOLDENS: [(&str, &str, bool); 7] = [
    ("gguf", "make.py", false),
    ("text", "make.py", true),
    ("engine", "tiny_gradients.py", false),
    ("engine", "tiny_adamw.py", false),
    ("engine", "tiny_lora.py", false),
    ("engine", "trl_values.py", false),
    ("engine", "smollm2_logits.py", true),
];

/// The command line of `cargo xtask peers`.
pub struct Options {
    parts: Vec<String>,
    rounds: u32,
}

impl Options {
    /// Reads the arguments after `peers`.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { parts: Vec::new(), rounds: 3 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match (arg.as_str(), arg.as_str() == "--only" || arg.as_str() == "--rounds") {
                ("--help" | "-h", _) => return Err("help".to_owned()),
                (_, false) => return Err(format!("xtask peers: no option {arg:?}")),
                (name, true) => {
                    let value = args.next().ok_or_else(|| format!("xtask peers: {name} needs a value"))?;
                    if name == "--only" && PARTS.contains(&value.as_str()) {
                        options.parts.push(value.clone());
                    } else if let (true, Ok(rounds @ 1..)) = (name == "--rounds", value.parse()) {
                        options.rounds = rounds;
                    } else {
                        return Err(format!(
                            "xtask peers: {name} {value:?}: expected one of {PARTS:?}, or a number above 0"
                        ));
                    }
                }
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

/// Runs the parts asked for; true if nothing failed.
pub fn run(options: &Options) -> Result<bool> {
    let python = shell::step("large environment", environment)?;
    let mut tally = Tally::default();
    let mut part = |name: &str, heading: &str, work: &mut dyn FnMut(&mut Tally) -> Result<()>| {
        if options.wants(name)
            && let Err(error) = shell::step(heading, || work(&mut tally))
        {
            println!("{error:#}");
            tally.failed.push(format!("{name}: {error:#}"));
        }
    };
    part("goldens", "goldens", &mut |tally| goldens(&python, tally));
    part("load", "our checkpoints in transformers and peft", &mut |tally| load(&python, tally));
    part("bench", "speed and memory", &mut |tally| bench(&python, options.rounds, tally));
    for name in &tally.failed {
        println!("failed: {name}");
    }
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed.len(), tally.skipped.len());
    Ok(tally.failed.is_empty())
}

/// The interpreter with torch: TRIMTAB_PEERS_VENV as it is, else .venv-peers, made if need be.
fn environment() -> Result<PathBuf> {
    if let Some(venv) = std::env::var_os("TRIMTAB_PEERS_VENV") {
        return Ok(python::interpreter(Path::new(&venv)));
    }
    let list = shell::root().join("bench").join("peers").join("requirements.txt");
    let requirements = std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    python::environment(&shell::root().join(".venv-peers"), &requirements)
}

/// Counts a command as one check, and says why it failed.
fn check(tally: &mut Tally, name: &str, command: &mut std::process::Command) -> bool {
    let outcome = shell::run(command);
    if let Err(error) = &outcome {
        println!("{error:#}");
    }
    tally.check(name, outcome.is_ok());
    outcome.is_ok()
}

fn script(python: &Path, path: &Path) -> std::process::Command {
    let mut command = shell::command(python);
    command.arg(shell::root().join(path)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A fresh folder under target/xtask.
fn scratch(name: &str) -> Result<PathBuf> {
    let folder = shell::target().join("xtask").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Runs copies of the scripts in an empty folder, where each writes beside itself, and compares with what is committed.
fn goldens(python: &Path, tally: &mut Tally) -> Result<()> {
    let (committed, made) = (shell::root().join("goldens"), scratch("goldens")?);
    copy_sources(&committed, &made)?;
    for (folder, name, wants_model) in GOLDENS {
        let mut command = script(python, &made.join(folder).join(name));
        if wants_model {
            command.arg(model::smollm2(python)?);
        }
        check(tally, &format!("goldens/{folder}/{name}"), &mut command);
    }
    let mut folders: Vec<&str> = GOLDENS.iter().map(|(folder, ..)| *folder).collect();
    folders.dedup();
    for folder in folders {
        let mut compare = script(python, Path::new("goldens/engine/compare.py"));
        compare.arg(committed.join(folder)).arg(made.join(folder));
        check(tally, &format!("goldens/{folder} as committed"), &mut compare);
    }
    Ok(())
}

/// Copies what is written by hand (scripts, chat templates), and nothing that scripts make.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", from.display()))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_sources(&path, &to.join(name))?;
        } else if path.extension().is_some_and(|extension| extension == "py" || extension == "jinja") {
            std::fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// The engine's examples write folders, and the logits they compute with them; transformers and peft read both.
fn load(python: &Path, tally: &mut Tally) -> Result<()> {
    let (tiny, resaved) = (scratch("tiny-checkpoints")?, scratch("resaved-checkpoints")?);
    let example = |name: &str| {
        let mut command = shell::cargo();
        command.args(["run", "--quiet", "--package", "trimtab-engine", "--example", name, "--"]);
        command
    };
    let load_checkpoint = || script(python, Path::new("goldens/peers/load_checkpoint.py"));
    if check(tally, "write_tiny_checkpoints", example("write_tiny_checkpoints").arg(&tiny)) {
        let mut command = load_checkpoint();
        check(tally, "transformers loads our folders", command.arg(&tiny).arg("--resave").arg(&resaved));
        let mut back = example("write_tiny_checkpoints");
        let folders = std::fs::read_dir(&resaved).with_context(|| format!("cannot list {}", resaved.display()))?;
        back.arg("--check").args(folders.filter_map(|entry| entry.ok().map(|entry| entry.path())));
        check(tally, "we load what transformers saved again", &mut back);
    }
    let out = scratch("written")?;
    if check(tally, "write_for_peers", example("write_for_peers").arg(&out)) {
        let mut command = load_checkpoint();
        command.arg(out.join("checkpoint")).arg(out.join("checkpoint_expected.safetensors"));
        check(tally, "transformers computes our logits", &mut command);
        let mut command = script(python, Path::new("goldens/peers/load_adapter.py"));
        command.arg(out.join("checkpoint")).arg(out.join("adapter")).arg(out.join("adapter_expected.safetensors"));
        check(tally, "peft computes our adapter's logits", &mut command);
    }
    Ok(())
}

fn bench(python: &Path, rounds: u32, tally: &mut Tally) -> Result<()> {
    if !check(tally, "release build", shell::cargo().args(["build", "--release", "--package", "trimtab"])) {
        return Ok(());
    }
    let figures = scratch("bench")?.join("figures.json");
    let binary = shell::target().join("release").join(format!("trimtab{}", std::env::consts::EXE_SUFFIX));
    let mut command = script(python, Path::new("bench/peers/compare.py"));
    command.arg("--trimtab").arg(binary).args(["--rounds", &rounds.to_string()]);
    command.arg("--out").arg(figures);
    check(tally, "bench/peers/compare.py", &mut command);
    Ok(())
}
