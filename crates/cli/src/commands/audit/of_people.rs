//! The feedback audit of a run: its rankings against the truth of its world.

use crate::failure::Usage;
use crate::world_run::WorldRun;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use trimtab_audit::feedback;
use trimtab_audit::result::ResultRecord;
use trimtab_audit::run::{Header, Shard};
use trimtab_run::{sha256_bytes, sha256_file, write_atomic};
use trimtab_text::dataset;
use trimtab_text::record::{Ranking, Samples};

/// Reads the run's rankings and writes `audit.json` and `results.jsonl` into `dir`.
pub fn audit(run: &Path, dir: &Path) -> Result<(Header, Vec<ResultRecord>)> {
    let path = run.join("rank").join("rankings.jsonl");
    for (file, what) in
        [(&path, "no rankings"), (&run.join("world").join("prompts-train.jsonl"), "no world, so no truth")]
    {
        if !file.exists() {
            let advice = "expected the folder of a run on a world whose answers were ranked\n  try: trimtab run";
            return Err(
                Usage(format!("{}: has {what}: {} is not there\n  {advice}", run.display(), file.display())).into()
            );
        }
    }
    let rankings: Vec<Ranking> = dataset::records(&path)?;
    let answers: Vec<Samples> = dataset::records(&run.join("rank").join("answers.jsonl"))?;
    let name = format!("{}:rank", run.display());
    let (results, left_out) = feedback::results(&name, &rankings, &answers, &WorldRun::truths(run)?);
    let mut set = feedback::info();
    if left_out > 0 {
        set.left_out.insert("rankings of prompts without answers or truth".into(), left_out);
    }
    let rankings_sha256 = sha256_file(&path)?;
    let header = Header {
        audit: feedback::NAME.into(),
        model: name,
        model_sha256: rankings_sha256.clone(),
        set,
        items_sha256: sha256_bytes(format!("{}{rankings_sha256}", feedback::NAME).as_bytes()),
        items: results.len() as u64,
        max_new_tokens: 0,
        shard: Shard::WHOLE,
    };
    let mut lines = Vec::new();
    for result in &results {
        serde_json::to_writer(&mut lines, result)?;
        lines.push(b'\n');
    }
    std::fs::create_dir_all(dir)?;
    write_atomic(&dir.join("audit.json"), format!("{:#}\n", json!(header)).as_bytes())?;
    write_atomic(&dir.join("results.jsonl"), &lines)?;
    Ok((header, results))
}
