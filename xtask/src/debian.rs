//! Programs that tests use, from Debian's packages where they are missing and this is root on Debian.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{python, shell};

/// Sees to it that one of `files` is there, by installing `package`.
pub fn ensure(package: &str, files: &[&str]) -> Result<()> {
    let there = || files.iter().any(|file| Path::new(file).exists());
    if there() {
        return Ok(());
    }
    if !python::can_install() {
        bail!("none of {} is there\n  try: apt-get install {package}", files.join(", "));
    }
    println!("installing {package}");
    shell::run(shell::command("apt-get").args(["update", "-qq"]))?;
    let install = ["install", "-qq", "--yes", "--no-install-recommends", package];
    shell::run(shell::command("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"))?;
    if there() { Ok(()) } else { bail!("{package} was installed, and none of {} is there", files.join(", ")) }
}
