//! A sweep over one setting and several seeds: a run folder for each, and one page over all of them.

use crate::commands::print_json;
use crate::pipeline::{self, Which};
use crate::settings::{Settings, Sweep};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use trimtab_report::{Run, SweepPoint};
use trimtab_run::write_atomic;

/// Runs every value with every seed in `RUNS/NAME/seed-S/V` and writes `RUNS/NAME/sweep.html` and its figures,
/// `metrics.jsonl`. What is done is not done again, so a sweep that was stopped continues.
pub fn run(settings: &Settings, sweep: &Sweep, quiet: bool) -> Result<()> {
    let all = settings.folder(&settings.resolve()?.config);
    let mut points = Vec::new();
    let total = sweep.seeds.len() * sweep.values.len();
    for &seed in &sweep.seeds {
        let of_seed = all.join(format!("seed-{seed}"));
        let mut first: Option<String> = None;
        for &value in &sweep.values {
            let name = value.to_string();
            let mut one = Settings { runs: of_seed.clone(), seed: Some(seed), ..settings.clone() };
            one.set.extend([format!("{}={value}", sweep.key), format!("name={name:?}")]);
            let resolved = one.resolve().with_context(|| format!("sweep.key {} at {value}", sweep.key))?;
            let dir = one.folder(&resolved.config);
            match &first {
                // What the setting does not touch is taken over; the rest is found to be out of date and made again.
                Some(first) if !dir.join("manifest.json").exists() => copy(&of_seed.join(first), &dir)?,
                Some(_) => {}
                None => first = Some(name.clone()),
            }
            if !quiet {
                eprintln!("[sweep] {} of {total}: {} = {value}, seed {seed}", points.len() + 1, sweep.key);
            }
            pipeline::run(&resolved.config, resolved.world.as_ref(), None, &dir, Which::Again, quiet)?;
            points.push(SweepPoint { value, seed, run: Run::load(&dir)? });
        }
    }
    let metrics = trimtab_report::sweep_metrics(&points);
    let lines = metrics.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?.join("\n") + "\n";
    write_atomic(&all.join("metrics.jsonl"), lines.as_bytes())?;
    let page = all.join("sweep.html");
    let name = all.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    write_atomic(&page, trimtab_report::sweep(&name, &sweep.key, &points).as_bytes())?;
    if !quiet {
        eprintln!("sweep: {}", page.display());
    }
    if settings.json {
        let runs = points.iter().map(|p| json!({"value": p.value, "seed": p.seed, "run": p.run.name}));
        print_json(&json!({"sweep": all, "page": page, "metrics": metrics, "runs": runs.collect::<Vec<_>>()}))?;
    }
    Ok(())
}

/// Copies a run folder; the manifest comes last, so that half a copy is no run.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let manifest = Path::new("manifest.json");
    for entry in walk(from, Path::new(""))? {
        if entry != manifest {
            copy_file(from, to, &entry)?;
        }
    }
    copy_file(from, to, manifest)
}

fn copy_file(from: &Path, to: &Path, file: &Path) -> Result<()> {
    let target = to.join(file);
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let source = from.join(file);
    Ok(write_atomic(&target, &std::fs::read(&source).with_context(|| source.display().to_string())?)?)
}

/// Files under `root`, relative to it.
fn walk(root: &Path, under: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let folder = root.join(under);
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = under.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files.extend(walk(root, &path)?);
        } else if entry.file_name() != ".lock" {
            files.push(path);
        }
    }
    Ok(files)
}
