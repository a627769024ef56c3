//! A running annotation service, its stores, and people who talk to it: what its tests share.
#![allow(dead_code)] // each test file uses its own part
#![allow(clippy::unwrap_used)]

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The binary, quiet and on one thread.
pub fn trimtab(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("trimtab"));
    command.args(["--threads", "1", "--quiet"]).args(args);
    command
}

/// Runs it, which must succeed; gives its standard output.
pub fn run(args: &[&str]) -> String {
    let output = trimtab(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Kills its process when it goes.
pub struct Running(pub Child);

impl Running {
    /// As a power cut does: nothing is flushed.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A service that listens.
pub struct Service {
    pub process: Running,
    pub url: String,
    /// The owner's link.
    pub link: String,
}

impl Service {
    pub fn start(db: &str, more: &[&str]) -> Self {
        Self::of(trimtab(&["people", "serve", "--port", "0", "--db", db]).args(more))
    }

    /// From a command that prints the owner's link first.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let link = link.trim().to_owned();
        let url = link.split("/enter").next().unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{link:?}");
        Self { process: Running(child), url, link }
    }

    /// A session of the owner, as a cookie.
    pub fn owner(&self) -> Person {
        let answer = get(&self.link, &[]);
        let cookie = answer.cookie.expect("the owner's link sets a cookie");
        assert_eq!(answer.status, 303);
        Person { url: self.url.clone(), auth: ("Cookie".into(), format!("trimtab={cookie}")) }
    }

    /// Somebody invited at the command line, who joins as a program.
    pub fn person(&self, db: &str, name: &str) -> Person {
        let link = run(&["people", "invite", name, "--db", db, "--url", &self.url]);
        let invite = link.trim().split("invite=").nth(1).unwrap();
        let joined =
            post(&format!("{}/api/join", self.url), &[("Authorization", "Bearer none")], &json!({"invite": invite}));
        assert_eq!(joined.status, 200, "{}", joined.text);
        let session = joined.json()["session"].as_str().unwrap().to_owned();
        Person { url: self.url.clone(), auth: ("Authorization".into(), format!("Bearer {session}")) }
    }
}

/// Somebody with a session.
#[derive(Clone)]
pub struct Person {
    pub url: String,
    pub auth: (String, String),
}

impl Person {
    pub fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.url), &[(&self.auth.0, &self.auth.1)])
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        post(&format!("{}{path}", self.url), &[(&self.auth.0, &self.auth.1)], body)
    }

    /// The next task.
    pub fn next(&self) -> Value {
        let answer = self.get("/api/next");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Ranks the task's answers in the order shown, best first.
    pub fn ranking(task: &Value, key: &str) -> Value {
        let shown: Vec<&str> = task["answers"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
        let ranks: serde_json::Map<String, Value> =
            shown.iter().enumerate().map(|(i, id)| ((*id).to_owned(), json!(i + 1))).collect();
        json!({"key": key, "lease": task["lease"], "item": task["item"], "shown": shown, "ranks": ranks,
            "active_ms": 1500, "moves": 3, "ui": "test"})
    }
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub cookie: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn agent() -> &'static ureq::Agent {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        config.timeout_global(Some(Duration::from_secs(30))).max_redirects_will_error(false).build().into()
    })
}

fn answer(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = match sent {
        Ok(response) => response,
        // No answer at all, as when the service was killed.
        Err(e) => return Answer { status: 0, text: e.to_string(), cookie: None, headers: vec![] },
    };
    let all = response.headers().iter();
    let headers: Vec<(String, String)> =
        all.map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
    let set = headers.iter().find(|(n, _)| n == "set-cookie").map(|(_, v)| v.clone());
    let cookie = set.and_then(|v| v.split(';').next()?.split_once('=').map(|(_, value)| value.to_owned()));
    let status = response.status().as_u16();
    match response.body_mut().read_to_string() {
        Ok(text) => Answer { status, text, cookie, headers },
        Err(e) => Answer { status: 0, text: e.to_string(), cookie: None, headers: vec![] },
    }
}

pub fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(agent().get(url), |request, (name, value)| request.header(*name, *value));
    answer(request.call())
}

pub fn post(url: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let request = agent().post(url).header("Content-Type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(request.send(body.to_string()))
}

pub fn post_form(url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = agent().post(url).header("Content-Type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(request.send(body))
}

/// Writes `n` prompts with `k` answers each, as the stage sample does.
pub fn samples(path: &Path, n: usize, k: usize) {
    let record = |i: usize| {
        let answer = |j: usize| {
            let text = format!("answer {j} to question {i}, {}", "word ".repeat(j));
            json!({"id": format!("a{j}"), "text": text, "tokens": [], "logprobs": [], "seed": 1, "stop": "eos"})
        };
        let answers: Vec<Value> = (0..k).map(answer).collect();
        json!({"id": format!("q{i}"), "prompt": format!("question {i}?"), "answers": answers}).to_string() + "\n"
    };
    std::fs::write(path, (0..n).map(record).collect::<String>()).unwrap();
}

/// A store for one test: its name for `--db`, and what must live as long.
pub struct Store {
    pub db: String,
    pub dir: tempfile::TempDir,
}

impl Store {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { db: dir.path().join("people.db").display().to_string(), dir }
    }

    /// A database of its own in the one server that this process starts; `None`, named as skipped, where there is none.
    pub fn postgres(test: &str) -> Option<Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(server) = SERVER.get_or_init(Server::start) else {
            println!("skipped: {test}: no PostgreSQL server can be started here (initdb and postgres are wanted)");
            return None;
        };
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::SeqCst));
        server.make(&name);
        Some(Self { db: format!("{}/{name}", server.url), dir: tempfile::tempdir().unwrap() })
    }

    /// Both kinds.
    pub fn both(test: &str) -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres(test)].into_iter().flatten().collect()
    }

    /// Imports `n` prompts with `k` answers each.
    pub fn with_items(self, n: usize, k: usize, overlap: usize) -> Self {
        let file = self.dir.path().join("samples.jsonl");
        samples(&file, n, k);
        run(&["people", "import", file.to_str().unwrap(), "--overlap", &overlap.to_string(), "--db", &self.db]);
        self
    }

    pub fn export(&self, file: &str) -> String {
        let out = self.dir.path().join("exported");
        run(&["people", "export", file, "--db", &self.db, "--out", out.to_str().unwrap()]);
        std::fs::read_to_string(out.join(file)).unwrap()
    }
}

/// A PostgreSQL server on loopback. It dies with the test process: it is started in a way that it notices.
struct Server {
    url: String,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let bin = bin_folder()?;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        // PostgreSQL does not run as root; where this does, somebody else must own its data.
        let root = std::fs::metadata("/proc/self").ok().is_some_and(|m| {
            use std::os::unix::fs::MetadataExt;
            m.uid() == 0
        });
        let as_user = |program: &str| {
            if root {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM"])
                    .arg(bin.join(program));
                command
            } else {
                let mut command = Command::new("setpriv");
                command.arg("--pdeathsig=TERM").arg(bin.join(program));
                command
            }
        };
        if root {
            let owned = Command::new("chown").arg("nobody:nogroup").arg(dir.path()).status();
            if !owned.is_ok_and(|status| status.success()) {
                return None;
            }
        }
        let made = as_user("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        // fsync stays on: what the tests say of kills would say nothing without it.
        let mut postgres = as_user("postgres");
        postgres
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(dir.path())
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A thread of its own, which lives as long as this process: the signal comes when the thread that started it ends.
        std::thread::spawn(move || postgres.status());
        let server = Self { url: format!("postgres://postgres@127.0.0.1:{port}"), _dir: dir };
        for _ in 0..100 {
            if server.psql("SELECT 1") {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }

    fn psql(&self, statement: &str) -> bool {
        let mut command = Command::new("psql");
        command.args([&format!("{}/postgres", self.url), "-v", "ON_ERROR_STOP=1", "-qc", statement]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn make(&self, name: &str) {
        assert!(self.psql(&format!("CREATE DATABASE {name}")), "CREATE DATABASE {name}");
    }
}

/// Where PostgreSQL's programs are: on the path, or where Debian puts them.
fn bin_folder() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
