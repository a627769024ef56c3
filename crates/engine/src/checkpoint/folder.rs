//! A Hugging Face folder to [`Params`]: `config.json` and `model.safetensors`, whole or in shards.
//!
//! 1. Every header is checked against the length of its file before anything is allocated; then each tensor is read and
//!    widened to f32 piece by piece, so the file never stands in memory beside the parameters.
//! 2. The tensors must be exactly those that the configuration implies. Missing, superfluous and misshapen ones are
//!    errors, since each means that the arithmetic would not be the checkpoint's.
//! 3. With tied embeddings a stored `lm_head.weight` is read only to see that it equals the embedding: where it differs
//!    transformers 4 ignores it and transformers 5 uses it, and this engine refuses to guess.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;

use super::config_json::{is_classifier, read_config, read_object};
use super::dequant;
use super::error::{Error, fault, quoted};
use super::source::{Decoder, Odd, Source, fill};
use crate::config::{Head, ModelConfig};
use crate::params::{Params, Tensor};

/// Header length past which a file is refused: the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
const HEAD: &str = "score.weight";
const OUTPUT: &str = "lm_head.weight";

/// Reads a folder: `config.json` and `model.safetensors`, or shards named by `model.safetensors.index.json`.
///
/// f32, f16 and bf16 are widened to f32. A `score.weight` `[classes, hidden_size]` becomes the head.
///
/// # Errors
/// If a file is absent, truncated or corrupt, of an unsupported family, or holds other tensors than its configuration
/// implies, or if a weight is NaN or infinite.
pub fn load_folder(path: &Path) -> Result<Params, Error> {
    if !path.is_dir() {
        // The two renames of an interrupted save leave the former folder beside its name.
        let aside = super::save::aside(path);
        if aside.is_dir() {
            let what = format!("the folder is missing, and {} stands beside it", aside.display());
            let hint = format!("rename {} to {}: a save was interrupted", aside.display(), path.display());
            return Err(Error::Malformed(fault(path.display(), what, "a checkpoint folder", hint)));
        }
    }
    let (config, json) = read_config(path)?;
    let shards = open_shards(path)?;
    let params = load(&config, &shards)?;
    if params.head.is_none() && is_classifier(&json) {
        return Err(headless(path, "any number of classes"));
    }
    Ok(params)
}

/// Reads a folder that must have a head of `classes` rows.
///
/// # Errors
/// As [`load_folder`], and if `score.weight` is absent or has another number of rows.
pub fn load_folder_with_head(path: &Path, classes: usize) -> Result<Params, Error> {
    let params = load_folder(path)?;
    match params.head {
        None => Err(headless(path, &format!("[{classes}, {}]", params.config.hidden_size))),
        Some(head) if head.classes != classes => {
            let what = format!("tensor \"{HEAD}\" has {} rows", head.classes);
            Err(Error::Tensor(fault(path.display(), what, format!("{classes}"), "the checkpoint of the right stage")))
        }
        Some(_) => Ok(params),
    }
}

fn headless(path: &Path, shape: &str) -> Error {
    let what = format!("tensor \"{HEAD}\" is missing: the checkpoint has no head");
    let hint = "a reward or classifier checkpoint, as `trimtab reward` writes";
    Error::Tensor(fault(path.display(), what, format!("a head of shape {shape}"), hint))
}

/// Reads one safetensors file that must hold exactly the tensors of `config` (and perhaps a head); `place` names it in
/// errors. This is [`load_folder`] without the folder, for bytes from elsewhere.
///
/// # Errors
/// As [`load_folder`].
pub fn load_safetensors<S: Source>(place: &str, source: S, config: &ModelConfig) -> Result<Params, Error> {
    load(config, &[Shard::parse(place.to_owned(), source)?])
}

/// One safetensors file: where its tensors stand, and its bytes.
pub(super) struct Shard<S> {
    place: String,
    source: S,
    /// Where the data begins, in bytes.
    start: u64,
    pub(super) tensors: HashMap<String, TensorInfo>,
}

impl<S: Source> Shard<S> {
    /// Reads and checks the header.
    pub(super) fn parse(place: String, source: S) -> Result<Self, Error> {
        let io = |e| Error::read(Path::new(&place), "read the file", e);
        let size = source.size().map_err(io)?;
        let mut word = [0u8; 8];
        if size < 8 {
            return Err(Error::malformed(&place, format!("{size} bytes"), "8 bytes of header length first"));
        }
        source.read_exact_at(&mut word, 0).map_err(io)?;
        let header = u64::from_le_bytes(word);
        let room = (size - 8).min(MAX_HEADER);
        if header > room {
            let what = format!("the header claims {header} bytes");
            return Err(Error::malformed(&place, what, format!("at most {room} in a file of {size} bytes")));
        }
        let mut bytes = vec![0u8; header as usize];
        source.read_exact_at(&mut bytes, 8).map_err(io)?;
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|e| {
            let expected = "a safetensors header: JSON, with offsets that cover the data without gap or overlap and \
                            fit each shape and dtype";
            Error::malformed(&place, format!("the header is wrong: {e}"), expected)
        })?;
        let (start, data) = (8 + header, metadata.data_len() as u64);
        if data != size - start {
            let what = format!("the header describes {data} bytes of tensors, the file holds {}", size - start);
            return Err(Error::malformed(&place, what, "the two to be equal"));
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { place, source, start, tensors })
    }

    /// Reads one tensor, which must have the given shape.
    pub(super) fn read(&self, name: &str, shape: &[usize]) -> Result<(Vec<f32>, Odd), Error> {
        let info = &self.tensors[name];
        let decoder = decoder(info.dtype).ok_or_else(|| {
            let what = format!("tensor {} is of type {}", quoted(name), info.dtype);
            Error::Unsupported(fault(&self.place, what, "F32, F16 or BF16", "a checkpoint in one of these types"))
        })?;
        if info.shape != shape {
            let what = format!("tensor {} has shape {:?}", quoted(name), info.shape);
            return Err(misshapen(&self.place, what, shape));
        }
        let (from, to) = info.data_offsets;
        // The header was checked against the file, so this allocates at most twice what is on disk.
        let mut values = vec![0.0; (to - from) / decoder.bytes];
        let odd = fill(&self.source, self.start + from as u64, decoder, &mut values)
            .map_err(|e| Error::read(Path::new(&self.place), "read the tensors", e))?;
        Ok((values, odd))
    }
}

pub(super) fn misshapen(place: &str, what: String, shape: &[usize]) -> Error {
    let hint = "the config.json that belongs to these weights";
    Error::Tensor(fault(place, what, format!("{shape:?}, as the configuration implies"), hint))
}

pub(super) fn not_finite(place: &str, name: &str, odd: Odd, of: usize) -> Error {
    let what = format!("tensor {} holds {} NaN and {} infinite values of {of}", quoted(name), odd.nan, odd.infinite);
    let hint = "an earlier checkpoint: the training that wrote this one had diverged";
    Error::NotFinite(fault(place, what, "finite values only", hint))
}

fn decoder(dtype: Dtype) -> Option<Decoder> {
    match dtype {
        Dtype::F32 => Some(dequant::F32),
        Dtype::F16 => Some(dequant::F16),
        Dtype::BF16 => Some(dequant::BF16),
        _ => None,
    }
}

fn open_shards(path: &Path) -> Result<Vec<Shard<File>>, Error> {
    let open = |file: &Path| {
        let handle = File::open(file).map_err(|e| Error::read(file, "open the file", e))?;
        Shard::parse(file.display().to_string(), handle)
    };
    let single = path.join("model.safetensors");
    if single.exists() {
        return Ok(vec![open(&single)?]);
    }
    let index = path.join("model.safetensors.index.json");
    if !index.exists() {
        let pickled = path.join("pytorch_model.bin").exists() || path.join("pytorch_model.bin.index.json").exists();
        let what = if pickled { "only pytorch_model.bin, which is a program" } else { "no weights" };
        let hint = "save the model with `save_pretrained(..., safe_serialization=True)`";
        let expected = "model.safetensors, or shards with model.safetensors.index.json";
        return Err(Error::Malformed(fault(path.display(), what, expected, hint)));
    }
    let place = index.display();
    let json = read_object(&index)?;
    let Some(map) = json.get("weight_map").and_then(Value::as_object).filter(|m| !m.is_empty()) else {
        return Err(Error::malformed(place, "\"weight_map\" is missing or empty", "an object of tensor name: file"));
    };
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, file) in map {
        // A shard is a neighbour: a path that leads elsewhere is none of a checkpoint's business.
        let plain = |f: &&str| !f.is_empty() && !f.contains(['/', '\\']) && *f != ".." && *f != ".";
        let Some(file) = file.as_str().filter(plain) else {
            let what = format!("\"weight_map\" sends {} to {}", quoted(tensor), quoted(&file.to_string()));
            return Err(Error::malformed(place, what, "the name of a file in the same folder"));
        };
        wanted.entry(file).or_default().push(tensor);
    }
    let mut shards = Vec::new();
    for (file, tensors) in wanted {
        let shard = open(&path.join(file))?;
        if let Some(absent) = tensors.iter().find(|t| !shard.tensors.contains_key(**t)) {
            let what = format!("tensor {} is not in it, though the index says so", quoted(absent));
            return Err(Error::malformed(&shard.place, what, "the shard that belongs to the index"));
        }
        shards.push(shard);
    }
    Ok(shards)
}

/// Gathers the tensors of `config` (and a head, if one is there) from the shards.
pub(super) fn load<S: Source>(config: &ModelConfig, shards: &[Shard<S>]) -> Result<Params, Error> {
    let mut at: HashMap<&str, &Shard<S>> = HashMap::new();
    for shard in shards {
        for name in shard.tensors.keys() {
            if let Some(other) = at.insert(name, shard) {
                let what = format!("tensor {} is also in {}", quoted(name), other.place);
                return Err(Error::malformed(&shard.place, what, "every tensor once"));
            }
        }
    }
    let place = shards.first().map_or_else(String::new, |s| s.place.clone());
    let head = match at.get(HEAD).map(|s| &s.tensors[HEAD].shape) {
        None => None,
        Some(shape) => match shape.as_slice() {
            &[classes, d] if classes > 0 && d == config.hidden_size => Some(Head { classes }),
            _ => {
                let what = format!("tensor \"{HEAD}\" has shape {shape:?}");
                let expected = format!("[classes, {}]", config.hidden_size);
                return Err(Error::Tensor(fault(&place, what, expected, "the config.json that belongs to the head")));
            }
        },
    };
    let expected = Params::expected(config, head);
    check_names(&place, at.keys().copied(), &expected, |name| ignored(config, name))?;

    let mut tensors = Vec::with_capacity(expected.len());
    for (name, shape) in expected {
        let shard = at[name.as_str()];
        let (data, odd) = shard.read(&name, &shape)?;
        if odd != Odd::default() {
            return Err(not_finite(&shard.place, &name, odd, data.len()));
        }
        tensors.push(Tensor { name, shape, data });
    }
    let params = Params { config: config.clone(), head, tensors };
    if config.tie_word_embeddings
        && let Some(shard) = at.get(OUTPUT)
    {
        let embed = &params.tensors[Params::EMBED];
        if shard.read(OUTPUT, &embed.shape)?.0 != embed.data {
            let what = format!("tensor \"{OUTPUT}\" differs from the embedding, though tie_word_embeddings is true");
            let hint = "set tie_word_embeddings to false in config.json, or remove the tensor, whichever is meant";
            return Err(Error::Tensor(fault(&shard.place, what, "the embedding, or no such tensor", hint)));
        }
    }
    Ok(params)
}

/// The stored names must be the expected ones, but for those that `may_ignore`.
pub(super) fn check_names<'a>(
    place: &str,
    stored: impl Iterator<Item = &'a str> + Clone,
    expected: &[(String, Vec<usize>)],
    may_ignore: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let known: std::collections::HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let here: std::collections::HashSet<&str> = stored.clone().collect();
    let missing: Vec<_> = expected.iter().filter(|(name, _)| !here.contains(name.as_str())).collect();
    if let Some((name, shape)) = missing.first() {
        let what = format!("tensor {} is missing{}", quoted(name), and_more(missing.len()));
        let hint = "the config.json that belongs to these weights (look at num_hidden_layers, tie_word_embeddings)";
        return Err(Error::Tensor(fault(place, what, format!("it, with shape {shape:?}"), hint)));
    }
    let mut extra: Vec<_> = stored.filter(|name| !known.contains(name) && !may_ignore(name)).collect();
    extra.sort_unstable();
    if let Some(name) = extra.first() {
        let what = format!("tensor {} has no place in the model{}", quoted(name), and_more(extra.len()));
        let expected = "the tensors that the configuration implies and no others";
        let hint = "the config.json that belongs to these weights, or a merged checkpoint if this is an adapter";
        return Err(Error::Tensor(fault(place, what, expected, hint)));
    }
    Ok(())
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// Buffers that older versions of transformers stored and newer ones compute.
fn ignored(config: &ModelConfig, name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || (config.tie_word_embeddings && name == OUTPUT)
}
