//! Base models of worlds, pretrained once for one corpus and kept in the cache.

use crate::settings::cache_folder;
use anyhow::Result;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint;
use trimtab_engine::model::Model;
use trimtab_run::{Progress, config_hash, interrupt, write_atomic};
use trimtab_world::pretrain::Pretrained;
use trimtab_world::{Pretrain, WorldConfig};

/// Changes whenever pretraining would give other weights for the same settings, so that old cached models are not taken.
const PRETRAINING: u32 = 3;

/// A base model in the cache.
pub struct BaseModel {
    /// Its checkpoint folder.
    pub checkpoint: PathBuf,
    /// The loss before each step of its pretraining, in nats per token.
    pub losses: Vec<f64>,
}

/// The base model of these settings, from the cache, or pretrained on `documents` and put there.
///
/// # Errors
/// Documents that cannot be read, training that fails or is interrupted, a cache that cannot be written.
pub fn cached(
    world: &WorldConfig,
    pretrain: &Pretrain,
    seed: u64,
    quiet: bool,
    documents: impl FnOnce() -> Result<Vec<String>>,
) -> Result<BaseModel> {
    let key = json!([PRETRAINING, seed, world.of_corpus(), pretrain]);
    kept(
        &key,
        pretrain.steps,
        quiet,
        |progress| Ok(trimtab_world::pretrain(&documents()?, pretrain, seed, progress)?),
        |path, model| Ok(trimtab_world::pretrain::save(path, model)?),
    )
}

/// The model that `key` names, from the cache, or made by `make`, which hands its steps on, and saved there by `save`.
///
/// # Errors
/// As [`cached`].
pub fn kept(
    key: &Value,
    steps: u64,
    quiet: bool,
    make: impl FnOnce(&mut dyn FnMut(Pretrained) -> ControlFlow<()>) -> Result<Model>,
    save: impl FnOnce(&Path, &Model) -> Result<()>,
) -> Result<BaseModel> {
    let folder = cache_folder().join("base").join(config_hash(key));
    let (losses_file, checkpoint) = (folder.join("losses.json"), folder.join("checkpoint"));
    let known = std::fs::read(&losses_file).ok().and_then(|bytes| serde_json::from_slice::<Vec<f64>>(&bytes).ok());
    if let Some(losses) = known.filter(|_| checkpoint::load(&checkpoint).is_ok()) {
        if !quiet {
            eprintln!("[base] from {}", folder.display());
        }
        return Ok(BaseModel { checkpoint, losses });
    }
    if !quiet {
        eprintln!("[base] not there yet: {}", folder.display());
    }
    let mut progress = Progress::new("base", 0, steps, "tok", quiet);
    let (mut losses, mut before) = (Vec::new(), 0);
    let trained = make(&mut |done| {
        losses.push(done.loss);
        progress.step(done.step, (done.tokens - before) as f64, &format!("loss {:.3}", done.loss));
        before = done.tokens;
        interrupt::stop_point("base", done.step);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if interrupt::requested() && (losses.len() as u64) < steps {
        return Err(trimtab_alignment::Error::Interrupted { stage: "base", step: 0 }.into());
    }
    progress.finish("pretrained");
    std::fs::create_dir_all(&folder)?;
    save(&checkpoint, &trained)?;
    // Last: a cache without it is not taken.
    write_atomic(&losses_file, &serde_json::to_vec(&losses)?)?;
    Ok(BaseModel { checkpoint, losses })
}

#[cfg(test)]
mod tests {
    /// Figures that went through a file are the figures, to the last bit: a base model from the cache had losses of another one.
    #[test]
    fn numbers_read_back_to_the_last_bit() {
        let losses = [3.815_068_593_848_363_5, 1.747_062_754_023_527_7, 0.1 + 0.2, f64::MIN_POSITIVE, 1e300 / 3.0];
        let read: Vec<f64> = serde_json::from_slice(&serde_json::to_vec(&losses).unwrap()).unwrap();
        assert_eq!(read.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), losses.map(f64::to_bits));
    }
}
