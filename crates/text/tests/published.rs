//! Published dataset files, where they are at hand (`TRIMTAB_SHARED`, or `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use trimtab_text::dataset;
use trimtab_text::record::Comparison;
use trimtab_text::split::split_by_group;

/// A published file under `../shared`, or the line that says why a test is skipped.
fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIMTAB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data/loop").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: {} is absent", path.display());
    None
}

/// Counts that the manifest of these files states, taken from the files by other means.
#[test]
fn published_demonstrations_have_their_known_counts() {
    let test = "published_demonstrations_have_their_known_counts";
    for (file, rows_known, counters_known) in [
        (
            "rasbt+LLMs-from-scratch/ch07/01_main-chapter-code/instruction-data.json",
            1100,
            &[("noted.repeated_prompt", 25)][..],
        ),
        ("rasbt+LLMs-from-scratch/ch07/01_main-chapter-code/instruction-data-with-response.json", 110, &[]),
        ("hiyouga+LLaMA-Factory/data/alpaca_en_demo.json", 999, &[("noted.repeated_prompt", 14)]),
        ("hiyouga+LLaMA-Factory/data/kto_en_demo.json", 150, &[("skipped.label_false", 150)]),
        ("hiyouga+LLaMA-Factory/data/identity.json", 91, &[]),
        ("lm-sys+FastChat/data/dummy_conversation.json", 500, &[]),
        ("thinking-machines-lab+tinker-cookbook/tinker_cookbook/example_data/conversations.jsonl", 128, &[]),
        ("yizhongw+self-instruct/data/seed_tasks.jsonl", 175, &[]),
        ("yizhongw+self-instruct/human_eval/user_oriented_instructions.jsonl", 252, &[]),
    ] {
        let Some(path) = shared(test, file) else { return };
        let (rows, counters) = dataset::demonstrations(&path).unwrap();
        assert_eq!(rows.len(), rows_known, "{file}: {counters:?}");
        for &(name, count) in counters_known {
            assert_eq!(counters.get(name), count, "{file}: {counters:?}");
        }
        assert_eq!(counters.get("records"), rows.len() as u64 + counters.skipped(), "{file}: {counters:?}");
        if file.contains("identity") {
            let holding =
                |name: &str| rows.iter().filter(|row| dataset::placeholders(&row.completion).contains(&name)).count();
            assert_eq!((holding("name"), holding("author")), (77, 60));
            assert!(rows[0].completion.contains("{{name}}"));
        }
    }
}

#[test]
fn published_comparisons_have_their_known_counts() {
    let test = "published_comparisons_have_their_known_counts";
    let file = "rasbt+LLMs-from-scratch/ch07/04_preference-tuning-with-dpo/instruction-data-with-preference.json";
    let Some(path) = shared(test, file) else { return };
    let (rows, counters) = dataset::comparisons(&path).unwrap();
    assert_eq!((rows.len(), counters.get("skipped.equal_answers")), (1094, 6), "{counters:?}");
    let groups: Vec<u64> = rows.iter().map(Comparison::group_key).collect();
    let (train, held_out) = split_by_group(&groups, 0.2, 1);
    assert_eq!(held_out.len(), 219);
    let train: BTreeSet<u64> = train.into_iter().map(|row| groups[row]).collect();
    assert!(held_out.into_iter().all(|row| !train.contains(&groups[row])));

    let Some(path) = shared(test, "hiyouga+LLaMA-Factory/data/dpo_en_demo.json") else { return };
    let (rows, counters) = dataset::comparisons(&path).unwrap();
    assert_eq!((rows.len(), counters.get("noted.repeated_prompt")), (300, 5), "{counters:?}");
    let turns: Vec<usize> = rows
        .iter()
        .map(|row| row.input().messages().iter().filter(|message| message.role != "system").count())
        .collect();
    assert_eq!((turns.iter().min(), turns.iter().max()), (Some(&1), Some(&13)));
    let with_system = rows.iter().filter(|row| row.input().messages()[0].role == "system").count();
    assert_eq!(with_system, 80);

    let Some(path) = shared(test, "anthropics+hh-rlhf/harmless-base/test.jsonl.gz") else { return };
    let (rows, counters) = dataset::comparisons(&path).unwrap();
    assert_eq!(counters.get("records"), 2312);
    assert_eq!(rows.len() as u64 + counters.skipped(), 2312, "{counters:?}");
    let shared_share = 1.0 - counters.get("skipped.different_prompts") as f64 / 2312.0;
    assert!((shared_share - 0.998).abs() < 1e-3, "{counters:?}");
    let longer = rows.iter().filter(|row| row.chosen.chars().count() > row.rejected.chars().count()).count();
    assert!((longer as f64 / rows.len() as f64 - 0.443).abs() < 0.005, "{longer} of {}", rows.len());
    assert!(rows.iter().all(|row| row.input().messages().last().unwrap().role == "user"));
}

#[test]
fn published_corpora_and_prompts_have_their_known_counts() {
    let test = "published_corpora_and_prompts_have_their_known_counts";
    let Some(path) = shared(test, "hiyouga+LLaMA-Factory/data/wiki_demo.txt") else { return };
    let lengths: Vec<usize> = dataset::corpus(&path).unwrap().0.iter().map(|d| d.text.chars().count()).collect();
    assert_eq!((lengths.len(), lengths.iter().min(), lengths.iter().max()), (30, Some(&1_007), Some(&109_672)));
    let Some(path) = shared(test, "hiyouga+LLaMA-Factory/data/c4_demo.jsonl") else { return };
    let lengths: Vec<usize> = dataset::corpus(&path).unwrap().0.iter().map(|d| d.text.chars().count()).collect();
    assert_eq!((lengths.len(), lengths.iter().sum::<usize>()), (300, 737_161));
    let Some(path) = shared(test, "lm-sys+FastChat/fastchat/llm_judge/data/mt_bench/question.jsonl") else { return };
    let (rows, counters) = dataset::prompts(&path).unwrap();
    assert_eq!((rows.len(), counters.get("noted.later_turns_dropped")), (80, 80));
    let Some(path) = shared(test, "lm-sys+FastChat/fastchat/llm_judge/data/judge_prompts.jsonl") else { return };
    let error = dataset::prompts(&path).unwrap_err().to_string();
    assert!(error.contains("judge_prompts.jsonl:1: field \"prompt\" is missing"), "{error}");
}
