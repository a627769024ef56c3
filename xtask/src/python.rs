//! Private Python environments: made once, reused while their list of packages is unchanged.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell;

/// The interpreter of an environment.
pub fn interpreter(venv: &Path) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts").join("python.exe") } else { venv.join("bin").join("python") }
}

/// Makes `venv` with the packages of `requirements` (one `name==version` a line), unless it already holds just those.
pub fn environment(venv: &Path, requirements: &str) -> Result<PathBuf> {
    let (python, stamp) = (interpreter(venv), venv.join("requirements.installed"));
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    create(venv)?;
    let list = venv.join("requirements.txt");
    std::fs::write(&list, requirements).with_context(|| format!("cannot write {}", list.display()))?;
    let mut pip = shell::command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&list);
    shell::run(&mut pip)?;
    std::fs::write(&stamp, requirements).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

/// `python3 -m venv`, and where that fails for want of Debian's packages and this is root, once more with them.
fn create(venv: &Path) -> Result<()> {
    let make = || shell::run(shell::command("python3").args(["-m", "venv", "--clear"]).arg(venv));
    let Err(error) = make() else { return Ok(()) };
    if !can_install() {
        bail!("{error:#}\n  expected python3 with its venv module\n  try: apt-get install python3-venv");
    }
    println!("installing python3-venv: {error:#}");
    shell::run(shell::command("apt-get").args(["update", "-qq"]))?;
    let install = ["install", "-qq", "--yes", "--no-install-recommends", "python3", "python3-venv"];
    shell::run(shell::command("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"))?;
    make()
}

/// Whether this is root on Debian.
pub fn can_install() -> bool {
    quiet("apt-get", &["--version"]) && is_root()
}

fn quiet(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
