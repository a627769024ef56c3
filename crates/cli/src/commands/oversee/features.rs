//! What a pretrained model makes of texts, kept in the cache from call to call.
//!
//! Chunks of texts are files of their own under `features/` in the cache, named by a hash of the model, the chunk's tokens, layers
//! and pooling: Ctrl-C loses one chunk, and other splits of the same file compute nothing.

use crate::commands::ModelArg;
use crate::failure::Usage;
use crate::settings::cache_folder;
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::Path;
use trimtab_audit::target::model_hash;
use trimtab_engine::model::Model;
use trimtab_oversight::probe::{Pool, features};
use trimtab_run::{Progress, config_hash, interrupt, sha256_bytes, write_atomic};

/// Texts of one file in the cache.
const CHUNK: usize = 256;

/// Raised where what is in the cache would be computed otherwise.
const VERSION: u32 = 1;

/// A pretrained student.
#[derive(Debug, Args)]
pub struct Pretrained {
    /// A model whose features a second student learns on, a logistic probe: a folder, a .gguf file, a hub id, `pip:PACKAGE`, or a
    /// stage of a run.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Blocks whose input is read, with commas between; as many as there are for the last one's output. Without it a third, two
    /// thirds and all of the depth.
    #[arg(long, value_delimiter = ',', value_name = "LAYER,...", requires = "model")]
    layers: Vec<usize>,
    /// How the tokens of a text become one vector.
    #[arg(long, value_enum, default_value_t = PoolArg::Mean, requires = "model")]
    pool: PoolArg,
    /// Penalty on the probe's squared weights, of student and ceiling alike; features are scaled to a standard deviation of 1.
    #[arg(long, default_value_t = 0.1, requires = "model")]
    pub ridge: f64,
    /// A third student: the model fine-tuned by adapters (LoRA) on the blocks from this one on, and a head. Minutes a fit; each seed
    /// has one for the ceiling and one for each weak model. It has no row of the control with labels of other items.
    #[arg(long, value_name = "BLOCK", requires = "model")]
    pub lora: Option<usize>,
    /// Inner width of its adapters.
    #[arg(long, default_value_t = 16, value_name = "R", requires = "lora")]
    pub lora_rank: usize,
    /// Its passes through the items.
    #[arg(long, default_value_t = 2, value_name = "EPOCHS", requires = "lora")]
    pub lora_epochs: u64,
    /// Its largest learning rate.
    #[arg(long, default_value_t = 5e-4, value_name = "RATE", requires = "lora")]
    pub lora_lr: f64,
}

/// Pooling, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PoolArg {
    /// The mean over all tokens but the first.
    Mean,
    /// The last token.
    Last,
}

/// What a model made of all texts.
pub struct Table {
    /// The model, as typed.
    pub name: String,
    /// The model.
    pub model: Model,
    /// Its hash.
    pub hash: String,
    /// The texts as it reads them.
    pub tokens: Vec<Vec<u32>>,
    /// Which blocks' inputs.
    pub layers: Vec<usize>,
    /// `[layers][texts][width]`.
    pub features: Vec<Vec<Vec<f32>>>,
    /// Texts longer than the model's context, of which the beginning was read.
    pub cut: usize,
    /// Texts that are not UTF-8, whose other bytes count as unknown letters.
    pub not_utf8: usize,
}

/// Features of all `texts`, where a model was asked for.
///
/// # Errors
/// A model that cannot be loaded, a layer that it does not have, a text without tokens, a cache that cannot be written, Ctrl-C.
pub fn read(args: &Pretrained, texts: &[&[u8]], quiet: bool) -> Result<Option<Table>> {
    let Some(name) = &args.model else { return Ok(None) };
    if !(args.ridge > 0.0 && args.ridge.is_finite()) {
        let what = format!("--ridge {}: out of range\n  expected a number above 0\n  try: leaving it out", args.ridge);
        return Err(Usage(what).into());
    }
    let (path, loaded) = ModelArg { model: name.clone() }.load(quiet)?;
    let config = loaded.model.config();
    let depth = config.num_hidden_layers;
    let layers = if args.layers.is_empty() { vec![depth / 3, 2 * depth / 3, depth] } else { args.layers.clone() };
    if let Some(layer) = layers.iter().find(|layer| **layer > depth) {
        let expected = format!("expected 0 to {depth}, the number of its blocks\n  try: --layers {}", 2 * depth / 3);
        return Err(Usage(format!("--layers {layer}: {name} has no such block\n  {expected}")).into());
    }
    if let Some(block) = args.lora.filter(|block| *block >= depth) {
        let expected = format!("expected 0 to {}, a block of it\n  try: --lora {}", depth - 1, 2 * depth / 3);
        return Err(Usage(format!("--lora {block}: {name} has no such block\n  {expected}")).into());
    }
    let pool = if args.pool == PoolArg::Mean { Pool::Mean } else { Pool::Last };
    let tokenizer = loaded.tokenizer(&path)?;
    let (mut cut, mut not_utf8) = (0, 0);
    let mut tokens = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        not_utf8 += usize::from(std::str::from_utf8(text).is_err());
        let mut encoded = tokenizer.encode_with_bos(&String::from_utf8_lossy(text))?;
        if encoded.is_empty() {
            let what = format!("text {}: has no tokens\n  expected a text\n  try: leaving the line out", place + 1);
            return Err(Usage(what).into());
        }
        cut += usize::from(encoded.len() > config.max_position_embeddings);
        encoded.truncate(config.max_position_embeddings);
        tokens.push(encoded);
    }
    let hash = model_hash(&path)?;
    let about = json!({"version": VERSION, "model": hash, "layers": layers, "pool": pool});
    let features = cached(&loaded.model, &tokens, &layers, pool, &about, quiet)?;
    Ok(Some(Table { name: name.clone(), model: loaded.model, hash, tokens, layers, features, cut, not_utf8 }))
}

fn cached(
    model: &Model,
    tokens: &[Vec<u32>],
    layers: &[usize],
    pool: Pool,
    about: &serde_json::Value,
    quiet: bool,
) -> Result<Vec<Vec<Vec<f32>>>> {
    let width = model.config().hidden_size;
    let folder = cache_folder().join("features");
    interrupt::install()?;
    let mut progress = Progress::new("features", 0, tokens.len() as u64, "tok", quiet);
    let mut out = vec![Vec::with_capacity(tokens.len()); layers.len()];
    let (mut done, mut kept) = (0, 0);
    for chunk in tokens.chunks(CHUNK) {
        if interrupt::requested() {
            return Err(trimtab_alignment::Error::Interrupted { stage: "features", step: done }.into());
        }
        let bytes: Vec<u8> =
            chunk.iter().flat_map(|text| text.iter().chain([&u32::MAX])).flat_map(|t| t.to_le_bytes()).collect();
        let file = folder.join(config_hash(&json!({"about": about, "tokens": sha256_bytes(&bytes)})));
        let values = if let Some(values) = load(&file, layers.len() * chunk.len() * width) {
            kept += chunk.len();
            values
        } else {
            let slices: Vec<&[u32]> = chunk.iter().map(Vec::as_slice).collect();
            let values = features(model, &slices, layers, pool)?.concat().concat();
            keep(&file, &values).map_err(|what| {
                Usage(format!("{what}\n  expected a folder to keep features in\n  try: TRIMTAB_CACHE"))
            })?;
            values
        };
        for (out, values) in out.iter_mut().zip(values.chunks_exact(chunk.len() * width)) {
            out.extend(values.chunks_exact(width).map(<[f32]>::to_vec));
        }
        done += chunk.len() as u64;
        let n = chunk.iter().map(Vec::len).sum::<usize>() as f64;
        progress.step(done, n, &format!("{done} texts"));
    }
    progress.finish(&format!("{} texts, {kept} of them from the cache", tokens.len()));
    Ok(out)
}

/// Keeps values in a file of the cache; the error says which file and why not.
pub fn keep(file: &Path, values: &[f32]) -> Result<(), String> {
    let unkept = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|e| unkept(&e))?;
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    write_atomic(file, &bytes).map_err(|e| e.to_string())
}

/// The values of a file in the cache; nothing if it is not there, or not whole.
pub fn load(file: &Path, values: usize) -> Option<Vec<f32>> {
    let bytes = std::fs::read(file).ok().filter(|bytes| bytes.len() == 4 * values)?;
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    values.iter().all(|v| v.is_finite()).then_some(values)
}
