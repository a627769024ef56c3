//! Damaged item files of every format: none ends the program, and what is read of them reads back as it was written.
//!
//! The fuzz target `audit_items` looks longer and further; this looks in every test run, from the same seeds.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::path::Path;
use trimtab_audit::item::ItemSet;
use trimtab_audit::reader::{ReadSet, read_with};

/// Damaged files of each seed.
const ROUNDS: usize = 4000;

/// Reads `text` as a file called `name`; a task's data stand behind a line of their own.
fn read(name: &str, text: &str) -> Option<ReadSet> {
    let (task, rows) = text.split_once("\n=====\n").unwrap_or((text, ""));
    let whole = if name == "task.yaml" { task } else { text };
    let files = |path: &Path| Ok(if path == Path::new(name) { whole } else { rows }.to_owned());
    read_with(Path::new(name), &files).ok()
}

#[test]
fn damaged_files_are_read_or_refused() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/audit_items");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(seeds)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&p).unwrap()))
        .collect();
    files.sort();
    assert_eq!(files.len(), 6);
    for (name, bytes) in &files {
        let set = read(name, std::str::from_utf8(bytes).unwrap()).unwrap().set;
        assert!(!set.items.is_empty(), "{name}");
        let mut rng = trimtab_run::stream(1, &format!("test/hostile/{name}"), 0, 0);
        let mut below = |n: usize| (rng.next_u64() % n.max(1) as u64) as usize;
        for _ in 0..ROUNDS {
            let mut damaged = bytes.clone();
            for _ in 0..=below(4) {
                let at = below(damaged.len());
                match below(5) {
                    0 => damaged[at] = b" \n\"',:;{}[]()-!&*|>%#\\0A"[below(23)],
                    1 => drop(damaged.drain(at..(at + 1 + below(20)).min(bytes.len()).max(at).min(damaged.len()))),
                    2 => damaged.truncate(at),
                    3 => {
                        let part = damaged[at..(at + below(60)).min(damaged.len())].to_vec();
                        let to = below(damaged.len());
                        damaged.splice(to..to, part);
                    }
                    _ => drop(damaged.splice(at..at, "\u{e9}\u{1F600}".bytes())),
                }
                if damaged.is_empty() {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&damaged);
            if let Some(read) = read(name, &text) {
                let written = String::from_utf8(read.set.to_jsonl()).unwrap();
                assert_eq!(ItemSet::of_text("written", &written).unwrap(), read.set, "{name}: {text:?}");
            }
        }
    }
}
