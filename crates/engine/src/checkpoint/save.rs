//! [`Params`] to a Hugging Face folder that `transformers` loads, all of it or none.
//!
//! Files are written to a sibling folder and synced. Where nothing stands under the name yet, that folder is renamed;
//! where a checkpoint does, the two names are exchanged in one step and the former folder removed. Systems and file
//! systems without that step rename twice: a save killed between the two leaves the former checkpoint whole beside its
//! name, and the loader's error says where.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::config_json::{check, to_json};
use super::error::{Error, fault, quoted};
use super::source::Odd;
use crate::params::{Params, Tensor};

/// The type in which weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveDtype {
    /// Exact.
    F32,
    /// Rounded to nearest even, 8 bits of precision, the range of f32.
    Bf16,
    /// Rounded to nearest even, 11 bits of precision, up to 65504: an error beyond.
    F16,
}

impl SaveDtype {
    pub(super) fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
            Self::F16 => Dtype::F16,
        }
    }
}

/// Past this many bytes of tensors a checkpoint is split, as transformers does.
const SHARD_BYTES: usize = 5_000_000_000;

/// Writes `config.json` and `model.safetensors` (shards and an index past 5 GB) into the folder `path`.
///
/// `extra` is merged into `config.json`; keys that describe the model are ours. With a head the folder is a sequence
/// classifier whose `score.weight` transformers loads. A folder under the name is replaced whole.
///
/// # Errors
/// If the disk refuses, if a weight is not finite in `dtype`, or if `params` does not fit its own configuration.
pub fn save_folder(path: &Path, params: &Params, dtype: SaveDtype, extra: &Map<String, Value>) -> Result<(), Error> {
    save_folder_with(path, params, dtype, extra, &[])
}

/// [`save_folder`] with further files (name, content) in the same atomic step: tokenizer, chat template.
///
/// # Errors
/// As [`save_folder`], and if a name is not a plain file name.
pub fn save_folder_with(
    path: &Path,
    params: &Params,
    dtype: SaveDtype,
    extra: &Map<String, Value>,
    files: &[(&str, &[u8])],
) -> Result<(), Error> {
    save(path, params, dtype, extra, files, SHARD_BYTES)
}

fn save(
    path: &Path,
    params: &Params,
    dtype: SaveDtype,
    extra: &Map<String, Value>,
    files: &[(&str, &[u8])],
    shard_bytes: usize,
) -> Result<(), Error> {
    check("ModelConfig", &params.config)?;
    check_params(params)?;
    if let Some((name, _)) = files.iter().find(|(name, _)| Path::new(name).file_name() != Some(name.as_ref())) {
        return Err(Error::Caller(fault(
            "save_folder",
            format!("a file called {}", quoted(name)),
            "a plain name",
            "it",
        )));
    }
    let config = to_json(&params.config, params.head, dtype, extra)?;
    atomically(path, |folder| fill_folder(folder, params, dtype, &config, files, shard_bytes))
}

/// Puts a folder under the name `path`, filled by `fill` under another name first: all of it or none.
pub(super) fn atomically(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let temporary = sibling(path, &format!("tmp{}", std::process::id()));
    let outcome = make_empty(&temporary)
        .and_then(|()| fill(&temporary))
        .and_then(|()| sync_folder(&temporary).map_err(|e| Error::write(&temporary, "sync the folder", e)))
        .and_then(|()| replace(&temporary, path).map_err(|e| Error::write(path, "put the folder in place", e)));
    if outcome.is_err() {
        // Best effort: the error that is already there matters more.
        let _ = fs::remove_dir_all(&temporary);
    }
    outcome
}

fn make_empty(folder: &Path) -> Result<(), Error> {
    // Left by an earlier process of the same id, at most.
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| Error::write(folder, "remove a stale folder", e))?;
    }
    fs::create_dir_all(folder).map_err(|e| Error::write(folder, "make the folder", e))
}

fn check_params(params: &Params) -> Result<(), Error> {
    let expected = Params::expected(&params.config, params.head);
    let fits = |t: &Tensor, (name, shape): &(String, Vec<usize>)| {
        t.name == *name && t.shape == *shape && t.data.len() == shape.iter().product::<usize>()
    };
    if params.tensors.len() == expected.len() && params.tensors.iter().zip(&expected).all(|(t, e)| fits(t, e)) {
        return Ok(());
    }
    let what = "the tensors are not those of the configuration";
    Err(Error::Caller(fault("Params", what, "`Params::expected`, in order", "Params::zeros, then fill")))
}

fn fill_folder(
    folder: &Path,
    params: &Params,
    dtype: SaveDtype,
    config: &Map<String, Value>,
    files: &[(&str, &[u8])],
    shard_bytes: usize,
) -> Result<(), Error> {
    let shards = split(&params.tensors, dtype, shard_bytes);
    let mut weight_map = Map::new();
    for (i, tensors) in shards.iter().enumerate() {
        let name = match shards.len() {
            1 => "model.safetensors".to_owned(),
            n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
        };
        weight_map.extend(tensors.iter().map(|t| (t.name.clone(), json!(name))));
        write_safetensors(&folder.join(name), tensors, dtype)?;
    }
    if shards.len() > 1 {
        let total: usize = params.tensors.iter().map(|t| t.data.len() * dtype.bytes()).sum();
        let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
        write_file(&folder.join("model.safetensors.index.json"), format!("{index:#}\n").as_bytes())?;
    }
    for (name, content) in files {
        write_file(&folder.join(name), content)?;
    }
    write_file(&folder.join("config.json"), format!("{:#}\n", json!(config)).as_bytes())
}

/// Greedy: a shard is closed by the first tensor that would take it past the limit.
fn split(tensors: &[Tensor], dtype: SaveDtype, shard_bytes: usize) -> Vec<&[Tensor]> {
    let (mut out, mut from, mut size) = (Vec::new(), 0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        let bytes = tensor.data.len() * dtype.bytes();
        if i > from && size + bytes > shard_bytes {
            out.push(&tensors[from..i]);
            (from, size) = (i, 0);
        }
        size += bytes;
    }
    out.push(&tensors[from..]);
    out
}

pub(super) fn write_file(file: &Path, content: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut f = File::create(file)?;
        f.write_all(content)?;
        f.sync_all()
    };
    write().map_err(|e| Error::write(file, "write the file", e))
}

/// Our own loop rather than the crate's `serialize_to_file`, which makes files that only their owner may read and wants
/// each tensor converted whole.
pub(super) fn write_safetensors(file: &Path, tensors: &[Tensor], dtype: SaveDtype) -> Result<(), Error> {
    let mut end = 0;
    let infos = tensors
        .iter()
        .map(|t| {
            let from = end;
            end += t.data.len() * dtype.bytes();
            (t.name.clone(), TensorInfo { dtype: dtype.dtype(), shape: t.shape.clone(), data_offsets: (from, end) })
        })
        .collect();
    // transformers 4 refuses a file without this entry.
    let about = [("format".to_owned(), "pt".to_owned())].into();
    let corrupt = |e: &dyn std::fmt::Display| {
        Error::Caller(fault(file.display(), format!("no header: {e}"), "describable tensors", "smaller shards"))
    };
    let header = Metadata::new(Some(about), infos).map_err(|e| corrupt(&e))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| corrupt(&e))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let io = |e| Error::write(file, "write the file", e);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file).map_err(io)?);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    out.write_all(&header).map_err(io)?;
    let mut raw = Vec::new();
    for tensor in tensors {
        let mut odd = Odd::default();
        for values in tensor.data.chunks(1 << 16) {
            raw.clear();
            odd = odd.plus(encode(values, dtype, &mut raw));
            out.write_all(&raw).map_err(io)?;
        }
        if odd != Odd::default() {
            return Err(super::folder::not_finite(
                &format!("{} as {}", file.display(), dtype.torch_name()),
                &tensor.name,
                odd,
                tensor.data.len(),
            ));
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|f| f.sync_all()).map_err(io)
}

/// Appends the stored form of `values` and counts those that are not finite in it.
fn encode(values: &[f32], dtype: SaveDtype, raw: &mut Vec<u8>) -> Odd {
    let mut odd = Odd::count(values);
    match dtype {
        SaveDtype::F32 => values.iter().for_each(|v| raw.extend(v.to_le_bytes())),
        SaveDtype::Bf16 => {
            for &v in values {
                let stored = bf16::from_f32(v);
                odd.infinite += usize::from(stored.is_infinite() && v.is_finite());
                raw.extend(stored.to_le_bytes());
            }
        }
        SaveDtype::F16 => {
            for &v in values {
                let stored = f16::from_f32(v);
                odd.infinite += usize::from(stored.is_infinite() && v.is_finite());
                raw.extend(stored.to_le_bytes());
            }
        }
    }
    odd
}

/// `.NAME.suffix` beside `path`.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// Where the former folder stands while a new one takes its place.
pub(super) fn aside(path: &Path) -> PathBuf {
    sibling(path, "former")
}

fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    let aside = aside(path);
    if !path.exists() {
        fs::rename(temporary, path)?;
    } else if exchange(temporary, path).is_ok() {
        fs::remove_dir_all(temporary)?;
    } else {
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(path, &aside)?;
        if let Err(e) = fs::rename(temporary, path) {
            // Put back what stood there; if even that fails, it is whole under its other name.
            let _ = fs::rename(&aside, path);
            return Err(e);
        }
    }
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// Lets two names change places, so that at no moment either is missing.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes renames and new names durable. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: shards are contiguous, in order, each within the limit unless a single tensor is larger.
    #[test]
    fn a_split_covers_every_tensor_once() {
        let tensor = |n: usize| Tensor { name: n.to_string(), shape: vec![n], data: vec![0.0; n] };
        let tensors: Vec<_> = [3, 3, 9, 1, 1, 1, 4].into_iter().map(tensor).collect();
        let sizes: Vec<Vec<usize>> =
            split(&tensors, SaveDtype::F32, 24).into_iter().map(|s| s.iter().map(|t| t.data.len()).collect()).collect();
        assert_eq!(sizes, [vec![3, 3], vec![9], vec![1, 1, 1], vec![4]]);
        assert_eq!(split(&tensors, SaveDtype::Bf16, 1000).len(), 1);
    }

    /// A checkpoint in shards loads as the same parameters, and its index names every tensor.
    #[test]
    fn shards_load_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let params = crate::checkpoint::tests::tiny();
        save(&path, &params, SaveDtype::F32, &Map::new(), &[("a.txt", b"x")], 20_000).unwrap();
        assert!(path.join("model-00002-of-00003.safetensors").exists());
        assert!(path.join("model.safetensors.index.json").exists());
        assert!(!path.join("model.safetensors").exists());
        assert_eq!(fs::read(path.join("a.txt")).unwrap(), b"x");
        assert_eq!(crate::checkpoint::load_folder(&path).unwrap(), params);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["model"], "nothing else is left beside it");

        // A second save replaces the folder whole: no shard, index or neighbour of the first is left.
        save(&path, &params, SaveDtype::F32, &Map::new(), &[], SHARD_BYTES).unwrap();
        let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(crate::checkpoint::load_folder(&path).unwrap(), params);
    }
}
