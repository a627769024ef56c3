//! A Hugging Face hub, over HTTPS, into the cache that Python's huggingface_hub uses.
//!
//! Our own client of two endpoints on `ureq`, instead of hf-hub 0.5: that crate follows file names of the hub out of the
//! cache, panics on odd redirects, appends a retried download at the wrong offset, checks no hash, and brings `dirs`,
//! whose `option-ext` is MPL.
//!
//! 1. `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean in Python; `SSL_CERT_FILE` replaces
//!    the built-in certificates.
//! 2. A revision in the cache is used as it is: name another one to look again.
//! 3. Files stand in `snapshots/COMMIT` themselves, not as links into `blobs` (Python reads both).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::{ModelSource, OFFLINE, Progress, Result, copy, disk, error, is_gguf, sha256};

/// What belongs to a model beside its weights.
const SMALL_FILES: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "model.safetensors.index.json",
];
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A repository at a revision, and perhaps one file of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    kind: &'static str,
    id: String,
    revision: String,
    file: Option<String>,
}

/// `[hf://]ORG/NAME[/FILE.gguf][@REVISION]`.
pub fn parse_model(spec: &str) -> Option<Wanted> {
    let wanted = parse("models", spec.strip_prefix("hf://").unwrap_or(spec))?;
    wanted.file.as_ref().is_none_or(is_gguf).then_some(wanted)
}

/// `datasets/ORG/NAME/PATH[@REVISION]`.
pub fn parse_dataset(spec: &str) -> Option<Wanted> {
    parse("datasets", spec.strip_prefix("datasets/")?).filter(|w| w.file.is_some())
}

fn parse(kind: &'static str, spec: &str) -> Option<Wanted> {
    let (path, revision) = spec.split_once('@').unwrap_or((spec, "main"));
    let mut parts = path.splitn(3, '/');
    let (org, name, file) = (parts.next()?, parts.next()?, parts.next());
    let sound = [Some(org), Some(name), Some(revision), file].into_iter().flatten().all(is_inside);
    sound.then(|| Wanted { kind, id: format!("{org}/{name}"), revision: revision.into(), file: file.map(Into::into) })
}

/// Whether a relative path stays below the folder it is put in, on any system, and needs no escape in a URL.
fn is_inside(path: &str) -> bool {
    let part = |p: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+=".contains(c);
        !p.is_empty() && !p.chars().all(|c| c == '.') && p.chars().all(allowed)
    };
    path.split('/').all(part)
}

/// A file of a repository, as the hub lists it.
struct Listed {
    name: String,
    size: Option<u64>,
    /// sha256 of a large file; the others have none.
    sha256: Option<String>,
}

/// A hub and the local cache of it.
pub struct Hub {
    agent: ureq::Agent,
    endpoint: String,
    token: Option<String>,
    /// Holds `models--ORG--NAME` folders.
    cache: PathBuf,
    offline: bool,
}

impl Hub {
    /// The hub and cache that the environment names.
    ///
    /// # Errors
    /// If there is neither `HF_HOME` nor a home folder, or `SSL_CERT_FILE` cannot be read.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let home = var("HF_HOME").map(PathBuf::from).or_else(|| {
            let home = var("HOME").or_else(|| var("USERPROFILE"))?;
            Some(Path::new(&home).join(".cache").join("huggingface"))
        });
        let Some(home) = home else {
            return error("HF_HOME", "neither it nor HOME is set", "a folder for the hub's cache", "set HF_HOME");
        };
        let token = var("HF_TOKEN").or_else(|| fs::read_to_string(home.join("token")).ok());
        let token = token.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let mut hub =
            Self::new(&endpoint, home.join("hub"), token, var("SSL_CERT_FILE").map(PathBuf::from).as_deref())?;
        hub.offline = var("HF_HUB_OFFLINE").is_some_and(|v| v != "0");
        Ok(hub)
    }

    fn new(endpoint: &str, cache: PathBuf, token: Option<String>, certificates: Option<&Path>) -> Result<Self> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = certificates {
            let pem = fs::read(path).map_err(|e| disk(path, "read the certificates", &e))?;
            let certs: Vec<_> = parse_pem(&pem)
                .filter_map(|item| if let Ok(PemItem::Certificate(c)) = item { Some(c) } else { None })
                .collect();
            tls = tls.root_certs(RootCerts::new_with_certs(&certs));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .timeout_per_read(Some(Duration::from_mins(1)))
            // Large files are redirected to other hosts, which the token is none of the business of.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .build()
            .into();
        Ok(Self { agent, endpoint: endpoint.trim_end_matches('/').to_owned(), token, cache, offline: false })
    }

    /// A model's folder with configuration, tokenizer and weights, or its GGUF file.
    ///
    /// # Errors
    /// If the hub cannot be reached, refuses, has no such model, or sends something else than it lists.
    pub fn model(&self, wanted: &Wanted, progress: Progress) -> Result<ModelSource> {
        let cached = self.snapshot(wanted).and_then(|folder| whole(&folder, wanted.file.as_deref()));
        if let Some(ModelSource::Gguf(file)) = cached {
            return Ok(ModelSource::Gguf(file));
        }
        if let Some(ModelSource::Folder(folder)) = &cached
            && ["tokenizer.json", "tokenizer.model"].iter().any(|f| folder.join(f).exists())
        {
            return Ok(ModelSource::Folder(folder.clone()));
        }
        match (self.bring_model(wanted, progress), cached) {
            // Weights without a tokenizer are better than no model, if the hub has nothing to add.
            (Err(_), Some(cached)) => Ok(cached),
            (brought, _) => brought,
        }
    }

    fn bring_model(&self, wanted: &Wanted, progress: Progress) -> Result<ModelSource> {
        let (commit, listed) = self.list(wanted)?;
        let folder = self.repo(wanted).join("snapshots").join(&commit);
        let has = |name: &str| listed.iter().any(|f| f.name == name);
        let ggufs: Vec<_> = listed.iter().filter(|f| is_gguf(&f.name)).map(|f| f.name.as_str()).collect();
        let mut names: Vec<String> = Vec::new();
        if let Some(file) = &wanted.file {
            names.push(file.clone());
        } else if has("config.json") && (has(SINGLE) || has(INDEX)) {
            names.extend(SMALL_FILES.into_iter().filter(|n| has(n)).map(str::to_owned));
        } else if let [one] = ggufs.as_slice() {
            names.push((*one).to_owned());
        } else {
            let what = match ggufs.as_slice() {
                [] => "neither safetensors with a config.json nor a GGUF file".to_owned(),
                some => format!("several GGUF files: {}", some.iter().take(8).copied().collect::<Vec<_>>().join(", ")),
            };
            return error(&wanted.id, what, "a model", format!("{}/FILE.gguf, or another repository", wanted.id));
        }
        self.bring(wanted, &commit, &listed, &names, progress)?;
        if names[0] == "config.json" {
            let weights = if has(SINGLE) { vec![SINGLE.to_owned()] } else { shards(&folder).unwrap_or_default() };
            self.bring(wanted, &commit, &listed, &weights, progress)?;
        }
        self.remember(wanted, &commit)?;
        match whole(&folder, wanted.file.as_deref().or(Some(&names[0])).filter(|n| is_gguf(n))) {
            Some(source) => Ok(source),
            None => error(&wanted.id, format!("{INDEX} names files that are not there"), "every shard", OFFLINE),
        }
    }

    /// One file of a data set.
    ///
    /// # Errors
    /// As for [`Self::model`].
    pub fn dataset(&self, wanted: &Wanted, progress: Progress) -> Result<PathBuf> {
        let name = wanted.file.as_deref().unwrap_or_default();
        if let Some(file) = self.snapshot(wanted).map(|s| s.join(name)).filter(|f| f.is_file()) {
            return Ok(file);
        }
        let (commit, listed) = self.list(wanted)?;
        self.bring(wanted, &commit, &listed, &[name.to_owned()], progress)?;
        self.remember(wanted, &commit)?;
        Ok(self.repo(wanted).join("snapshots").join(commit).join(name))
    }

    fn repo(&self, wanted: &Wanted) -> PathBuf {
        self.cache.join(format!("{}--{}", wanted.kind, wanted.id.replace('/', "--")))
    }

    /// The snapshot that the cache has of this revision.
    fn snapshot(&self, wanted: &Wanted) -> Option<PathBuf> {
        let repo = self.repo(wanted);
        let named = fs::read_to_string(repo.join("refs").join(&wanted.revision)).ok();
        let commit = named.as_deref().unwrap_or(&wanted.revision).trim();
        Some(repo.join("snapshots").join(commit)).filter(|s| is_commit(commit) && s.is_dir())
    }

    fn remember(&self, wanted: &Wanted, commit: &str) -> Result<()> {
        let file = self.repo(wanted).join("refs").join(&wanted.revision);
        let write = || {
            fs::create_dir_all(file.parent().unwrap_or(&file))?;
            fs::write(&file, commit)
        };
        write().map_err(|e| disk(&file, "write the file", &e))
    }

    fn failed<T>(&self, wanted: &Wanted, cause: impl std::fmt::Display) -> Result<T> {
        let what = format!("{} did not give it: {cause}", self.endpoint);
        let expected = "a repository that exists, at a hub that is reached, open to this HF_TOKEN if it is gated";
        let hint = match wanted.kind {
            "models" => OFFLINE.to_owned() + "; HF_ENDPOINT names a mirror",
            _ => "the path of a file on this machine; HF_ENDPOINT names a mirror".to_owned(),
        };
        error(&format!("{}@{}", wanted.id, wanted.revision), what, expected, hint)
    }

    fn get(&self, url: &str, from: u64) -> std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call()
    }

    /// The commit of the revision, and its files.
    fn list(&self, wanted: &Wanted) -> Result<(String, Vec<Listed>)> {
        if self.offline {
            return self.failed(wanted, "HF_HUB_OFFLINE is set, and the cache does not have it");
        }
        let Wanted { kind, id, revision, .. } = wanted;
        let url = format!("{}/api/{kind}/{id}/revision/{}?blobs=true", self.endpoint, revision.replace('/', "%2F"));
        let text = self.get(&url, 0).and_then(|mut r| r.body_mut().with_config().limit(64 << 20).read_to_vec());
        let json = match text.map(|t| serde_json::from_slice::<Value>(&t)) {
            Ok(Ok(json)) => json,
            Ok(Err(e)) => return self.failed(wanted, format!("its answer is not JSON: {e}")),
            Err(e) => return self.failed(wanted, e),
        };
        let files = json["siblings"].as_array();
        let (Some(commit), Some(files)) = (json["sha"].as_str().filter(|c| is_commit(c)), files) else {
            return self.failed(wanted, "its answer has no commit or no list of files");
        };
        // Names that we would not put on a disk are as good as absent.
        let listed = files.iter().filter_map(|f| {
            let name = f["rfilename"].as_str().filter(|n| is_inside(n))?.to_owned();
            let sha256 = f["lfs"]["sha256"].as_str().filter(|h| h.len() == 64 && is_inside(h)).map(str::to_owned);
            Some(Listed { name, size: f["size"].as_u64(), sha256 })
        });
        Ok((commit.to_owned(), listed.collect()))
    }

    /// Brings the named files into the snapshot of `commit`.
    fn bring(
        &self,
        wanted: &Wanted,
        commit: &str,
        listed: &[Listed],
        names: &[String],
        progress: Progress,
    ) -> Result<()> {
        let files: Option<Vec<_>> = names.iter().map(|n| listed.iter().find(|f| f.name == *n)).collect();
        let Some(files) = files else {
            let names: Vec<_> = listed.iter().take(12).map(|f| f.name.as_str()).collect();
            let what = format!("no {} in the repository", names_missing(listed, wanted.file.as_deref()));
            return error(&wanted.id, what, &format!("one of its files: {}", names.join(", ")), OFFLINE);
        };
        let total = files.iter().map(|f| f.size).sum::<Option<u64>>();
        let mut before = 0;
        for file in files {
            let target = self.repo(wanted).join("snapshots").join(commit).join(&file.name);
            if !target.exists() {
                self.download(wanted, commit, file, &target, &mut |done| progress(before + done, total))?;
            }
            before += target.metadata().map_err(|e| disk(&target, "read the file", &e))?.len();
        }
        Ok(())
    }

    /// One file, continued where an earlier attempt ended, checked, and then named.
    fn download(
        &self,
        wanted: &Wanted,
        commit: &str,
        file: &Listed,
        target: &Path,
        report: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let blobs = self.repo(wanted).join("blobs");
        let key = file.sha256.clone().unwrap_or_else(|| format!("{commit}-{}", file.name.replace('/', "--")));
        let part = blobs.join(format!("{key}.incomplete"));
        for folder in [blobs.as_path(), target.parent().unwrap_or(target)] {
            fs::create_dir_all(folder).map_err(|e| disk(folder, "make the folder", &e))?;
        }
        let prefix = if wanted.kind == "datasets" { "datasets/" } else { "" };
        let url = format!("{}/{prefix}{}/resolve/{commit}/{}", self.endpoint, wanted.id, file.name);
        for attempt in 0.. {
            let mut here = part.metadata().map_or(0, |m| m.len());
            if file.size.is_some_and(|size| here > size) {
                fs::remove_file(&part).map_err(|e| disk(&part, "remove the file", &e))?;
                here = 0;
            }
            if file.size.is_some_and(|size| here == size) && here > 0 {
                break;
            }
            let outcome = self.get(&url, here).map_err(io::Error::other).and_then(|response| {
                // A hub that ignores the range sends everything: then what is here is thrown away.
                let continued = response.status() == 206;
                let mut out = OpenOptions::new().create(true).append(true).open(&part)?;
                if !continued {
                    out.set_len(0)?;
                }
                let start = if continued { here } else { 0 };
                let room = file.size.map_or(u64::MAX, |size| (size + 1).saturating_sub(start));
                let mut body = io::Read::take(response.into_body().into_reader(), room);
                let done = start + copy(&mut body, &mut out, |n| report(start + n))?;
                out.sync_all()?;
                match file.size {
                    Some(size) if done != size => {
                        if done > size {
                            out.set_len(0)?;
                        }
                        Err(io::Error::other(format!("{done} bytes of {size} arrived")))
                    }
                    _ => Ok(()),
                }
            });
            match outcome {
                Ok(()) => break,
                Err(e) if attempt == 4 || e.to_string().contains("http status: 4") || is_full(&e) => {
                    return self.failed(wanted, format!("{}: {e}", file.name));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200 << attempt)),
            }
        }
        if let Some(expected) = &file.sha256
            && sha256(&part)? != *expected
        {
            fs::remove_file(&part).map_err(|e| disk(&part, "remove the file", &e))?;
            return self.failed(wanted, format!("{} arrived with another sha256 than {expected}", file.name));
        }
        if !part.exists() {
            // An empty file needs no request to be right.
            File::create(&part).map_err(|e| disk(&part, "make the file", &e))?;
        }
        fs::rename(&part, target).map_err(|e| disk(target, "name the file", &e))
    }
}

fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn names_missing<'a>(listed: &[Listed], file: Option<&'a str>) -> &'a str {
    file.filter(|f| !listed.iter().any(|l| l.name == *f)).unwrap_or("shard of the index")
}

/// The files that an index in `folder` names.
fn shards(folder: &Path) -> Option<Vec<String>> {
    let index: Value = serde_json::from_slice(&fs::read(folder.join(INDEX)).ok()?).ok()?;
    let files = index["weight_map"].as_object()?.values().map(|f| f.as_str().map(str::to_owned));
    let mut files = files.collect::<Option<Vec<_>>>()?;
    files.sort_unstable();
    files.dedup();
    files.iter().all(|f| is_inside(f)).then_some(files)
}

/// What a snapshot holds whole: the GGUF file `wanted`, a folder with all its weights, or a single GGUF file.
fn whole(folder: &Path, wanted: Option<&str>) -> Option<ModelSource> {
    if let Some(name) = wanted {
        return Some(folder.join(name)).filter(|p| p.is_file()).map(ModelSource::Gguf);
    }
    let weights = || {
        folder.join(SINGLE).exists()
            || shards(folder).is_some_and(|s| !s.is_empty() && s.iter().all(|f| folder.join(f).exists()))
    };
    if folder.join("config.json").exists() {
        return weights().then(|| ModelSource::Folder(folder.to_owned()));
    }
    super::gguf_in(folder).map(ModelSource::Gguf)
}

#[cfg(test)]
mod tests;
