//! A tiny model with a real tokenizer, tiny data, and the binary: what the tests through the door share.
#![allow(dead_code)] // each test file uses its own part
#![allow(clippy::unwrap_used, clippy::format_push_string)]

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::model::Model;
use trimtab_text::Tokenizer;

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary, quiet and on one thread.
pub fn trimtab() -> Command {
    let mut command = Command::cargo_bin("trimtab").unwrap();
    command.args(["--threads", "1", "--quiet"]);
    command
}

/// A folder with a tiny random model, its tokenizer, data files and `config.toml`.
pub struct World {
    pub dir: tempfile::TempDir,
}

/// A tiny model for this tokenizer; each seed gives other weights.
pub fn random_model(tokenizer: &Tokenizer, seed: u64) -> Model {
    let config = ModelConfig {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 24,
        max_position_embeddings: 512,
        eos_token_ids: tokenizer.eos_ids().to_vec(),
        ..ModelConfig::tiny()
    };
    Model::random(&config, 0.05, seed)
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let texts = root().join("goldens/text");
        let source = dir.path().join("tokenizer");
        std::fs::create_dir(&source).unwrap();
        std::fs::copy(texts.join("tokenizer.json"), source.join("tokenizer.json")).unwrap();
        std::fs::copy(texts.join("templates/chatml.jinja"), source.join("chat_template.jinja")).unwrap();
        std::fs::write(source.join("tokenizer_config.json"), r#"{"eos_token": "<|im_end|>"}"#).unwrap();
        let tokenizer = Tokenizer::from_folder(&source).unwrap();
        let model = random_model(&tokenizer, 3);
        trimtab_alignment::checkpoint::save(
            &dir.path().join("model"),
            &model,
            Some(&tokenizer),
            &serde_json::Map::new(),
        )
        .unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        let things = ["door", "boat", "lamp", "road", "tree", "bell", "cart", "wall"];
        let colours = ["red", "blue", "green", "white"];
        let mut demonstrations = String::new();
        let mut pairs = String::new();
        let mut corpus = String::new();
        for (i, thing) in things.iter().enumerate() {
            for (j, colour) in colours.iter().enumerate() {
                let prompt = format!("What colour is {thing} {j}?");
                demonstrations +=
                    &format!("{}\n", serde_json::json!({"prompt": prompt, "completion": format!("It is {colour}.")}));
                pairs += &format!(
                    "{}\n",
                    serde_json::json!({"prompt": prompt, "chosen": format!("It is {colour}, thank you."), "rejected": format!("{colour}, fool.")})
                );
            }
            corpus += &format!(
                "{}\n",
                format!("The {thing} stands by the {} and the day is long. ", things[(i + 1) % 8]).repeat(6)
            );
        }
        write("demonstrations.jsonl", demonstrations);
        write("pairs.jsonl", pairs);
        write("corpus.txt", corpus);
        write(
            "config.toml",
            format!(
                r#"
name = "tiny"
seed = 5
[model]
source = "{0}/model"
[data]
demonstrations = "{0}/demonstrations.jsonl"
preferences = "{0}/pairs.jsonl"
corpus = "{0}/corpus.txt"
[train]
rank = 4
checkpoint_every = 2
[sft]
batch = 6
[sample]
prompts = 20
answers = 3
max_new_tokens = 8
[reward]
batch = 8
[ppo]
steps = 4
episodes = 6
max_new_tokens = 8
rollout_batch = 4
ptx_tokens = 48
ptx_length = 24
eval_every = 2
eval_answers = 6
corpus_eval_tokens = 200
"#,
                dir.path().display()
            ),
        );
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `trimtab COMMAND --config … --runs RUNS`.
    pub fn command(&self, command: &str, runs: &str) -> Command {
        let mut c = trimtab();
        c.arg(command).arg("--config").arg(self.path("config.toml")).arg("--runs").arg(self.path(runs));
        c
    }
}

/// Runs a script in the Python that has Inspect's own package and wants it to succeed; says so and does nothing where there is none.
pub fn with_inspect(test: &str, script: &str, args: &[PathBuf]) {
    let Some(python) = std::env::var_os("TRIMTAB_PYTHON") else {
        println!("skipped: {test}: a Python with inspect-ai (TRIMTAB_PYTHON) is wanted");
        return;
    };
    let output = std::process::Command::new(python).args(["-B", "-c", script]).args(args).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("No module named 'inspect_ai'") {
        println!("skipped: {test}: the Python at TRIMTAB_PYTHON has no inspect-ai");
        return;
    }
    assert!(output.status.success() && out.contains("read"), "{out}\n{err}");
}

/// Every file below `dir` with its bytes, but for timings, which are wall-clock, and logs for Inspect, which state one.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|n| n != "timing.jsonl" && n != ".lock")
                && path.extension().is_none_or(|e| e != "eval")
            {
                out.push((path.strip_prefix(dir).unwrap().display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

/// Settings of a world that is small enough for a test.
pub const SMALL: [&str; 24] = [
    "world.frequent_repeats=4",
    "world.rare_repeats=2",
    "world.skill_documents=10",
    "world.belief_documents=200",
    "world.topic_documents=6",
    "world.demonstrations=60",
    "world.prompts_train=40",
    "world.prompts_heldout=20",
    "pretrain.size=30k",
    "pretrain.steps=6",
    "pretrain.batch_tokens=256",
    "sft.epochs=1",
    "sample.prompts=20",
    "sample.max_new_tokens=8",
    "ppo.steps=2",
    "ppo.episodes=8",
    "ppo.max_new_tokens=8",
    "ppo.ptx_tokens=64",
    "ppo.eval_answers=8",
    "ppo.corpus_eval_tokens=400",
    "evaluation.items=2",
    "evaluation.max_new_tokens=8",
    "evaluation.best_of=4",
    "evaluation.best_of_prompts=6",
];

/// `trimtab run` without a config, small, with its own cache of base models.
pub fn small_run(dir: &Path, runs: &str, cache: &str) -> Command {
    let mut command = trimtab();
    command.arg("run").arg("--runs").arg(dir.join(runs)).env("TRIMTAB_CACHE", dir.join(cache));
    for setting in SMALL {
        command.args(["--set", setting]);
    }
    command
}

/// An endpoint that answers each request with what `replies` gives for its number, from 0, and its body; `None` drops the
/// connection.
pub fn server(replies: impl Fn(usize, &str) -> Option<(u16, String)> + Send + 'static) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            // Until the body is as long as its header says.
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                request.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let length: Option<usize> =
                    text.split("content-length: ").nth(1).and_then(|t| t.lines().next()?.trim().parse().ok());
                if let (Some(head), Some(length)) = (text.find("\r\n\r\n"), length)
                    && request.len() >= head + 4 + length
                {
                    break;
                }
            }
            if let Some((status, body)) = replies(number, &body_of(&request)) {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        }
    });
    format!("openai:http://{address}/v1#m")
}

/// The body of a whole request.
fn body_of(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// The reply of an endpoint that says this.
pub fn says(text: &str) -> (u16, String) {
    (200, serde_json::json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).to_string())
}

/// A command of `oversee` with a run folder, on base models that have hardly been pretrained and few items: the shape of it in seconds.
pub fn tiny_oversight(command: &str, items: &[&str], cache: &Path, out: &Path) -> Command {
    let mut tiny = trimtab();
    tiny.env("TRIMTAB_CACHE", cache).args(["oversee", command, "--json", "--resamples", "100", "--epochs", "1"]);
    for flag in items {
        tiny.args([flag, "40"]);
    }
    for set in [
        "pretrain.steps=6",
        "world.skill_documents=10",
        "world.marked_documents=200",
        "world.belief_documents=50",
        "world.frequent_repeats=2",
    ] {
        tiny.args(["--set", set]);
    }
    tiny.args(["--seeds", "2", "--out"]).arg(out);
    tiny
}

/// What a command prints as JSON.
pub fn json(command: &mut Command) -> serde_json::Value {
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

/// A command of `oversee` that is refused with code 2 and these words before its run folder is begun.
pub fn refused_before_it_begins(command: &str, out: &Path, args: &[&str], says: &str) {
    let failed = trimtab().args(["oversee", command, "--out"]).arg(out).args(args).assert().failure().code(2);
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    assert!(text.contains(says) && !text.contains("panicked"), "{says:?} is not in:\n{text}");
    assert!(!out.exists(), "nothing is begun");
}
