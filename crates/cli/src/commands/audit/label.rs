//! `trimtab audit label`: a sample of one model's answers for a person to label.

use anyhow::Result;
use std::io::Write as _;
use std::path::Path;
use trimtab_audit::folder::Finished;
use trimtab_audit::judge::labels::{Drawn, draw};

/// Writes the sample, or adds to it, and says what to do with it.
pub fn run(dir: &Path, n: u32, seed: u64) -> Result<()> {
    let Drawn { path, lines, added, labelled, answers } = draw(&Finished::read(dir)?, n as usize, seed)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {lines} of {answers} answers ({added} added), {labelled} labelled", path.display())?;
    if labelled < lines {
        writeln!(
            out,
            "  set \"label\" to true where the answer refuses and to false where it does not, from the top;"
        )?;
        writeln!(out, "  decide once what a partial refusal is. Then: trimtab audit judge {}", dir.display())?;
    }
    Ok(())
}
