//! Dataset files: shapes, what is counted, what is refused and how.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use trimtab_text::dataset::{self, Dataset, Rows, Want};
use trimtab_text::record::{Answer, Comparison, Demonstration, Input, Prompt, Ranking, Samples, join, write_jsonl};
use trimtab_text::{Error, Message};

const ALL: [Want; 5] = [Want::Demonstrations, Want::Comparisons, Want::Rankings, Want::Prompts, Want::Corpus];

fn read(text: &str, want: Want) -> Result<Dataset, Error> {
    dataset::read_bytes("data/x.jsonl", text.as_bytes(), want)
}

fn demonstrations(text: &str) -> Vec<Demonstration> {
    match read(text, Want::Demonstrations).unwrap().rows {
        Rows::Demonstrations(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn comparisons(text: &str) -> Vec<Comparison> {
    match read(text, Want::Comparisons).unwrap().rows {
        Rows::Comparisons(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn refusal(text: &[u8], want: Want) -> String {
    dataset::read_bytes("data/pairs.jsonl", text, want).unwrap_err().to_string()
}

fn user(text: &str) -> Input {
    Input::Chat(vec![Message::user(text)])
}

#[test]
fn demonstrations_come_in_these_shapes() {
    let rows = demonstrations(
        r#"{"id": 7, "prompt": "P", "completion": "C", "author": "ann", "mood": "good"}
{"prompt": [{"role": "user", "content": "P"}], "completion": [{"role": "assistant", "content": "C"}]}
{"messages": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "C"}]}
{"conversations": [{"from": "human", "value": "P"}, {"from": "gpt", "value": "C"}, {"from": "human", "value": "bye"}]}
{"instruction": "P", "input": "", "output": "C"}
{"instruction": "P", "input": "Q", "output": "C"}
{"instruction": "P", "instances": [{"input": "", "output": "C"}, {"input": "Q", "output": "D"}]}
{"prompt": "P", "chosen": "C", "rejected": "D", "output": "D"}
{"messages": [{"role": "user", "content": [{"type": "text", "text": "P"}]}, {"role": "assistant", "content": "C"}]}
"#,
    );
    let text = |prompt: &str| Input::Text(prompt.to_owned());
    let got: Vec<(&str, &Input, &str)> =
        rows.iter().map(|r| (r.id.as_str(), &r.input, r.completion.as_str())).collect();
    assert_eq!(
        got,
        [
            ("7", &text("P"), "C"),
            ("x:2", &user("P"), "C"),
            ("x:3", &user("P"), "C"),
            ("x:4", &user("P"), "C"),
            ("x:5", &text("P"), "C"),
            ("x:6", &text("P\n\nQ"), "C"),
            ("x:7.1", &text("P"), "C"),
            ("x:7.2", &text("P\n\nQ"), "D"),
            ("x:8", &text("P"), "C"),
            ("x:9", &user("P"), "C"),
        ]
    );
    assert_eq!(rows[0].author.as_deref(), Some("ann"));
    assert_eq!(rows[0].extra["mood"], "good");
    assert_eq!(rows[8].extra["output"], "D");
    // The same prompt is one group, whatever the shape.
    let groups: BTreeSet<u64> = rows.iter().map(Demonstration::group_key).collect();
    assert_eq!(groups.len(), 2);
    assert_eq!(rows[2].conversation(), [Message::user("P"), Message::assistant("C")]);
}

#[test]
fn comparisons_come_in_these_shapes() {
    let rows = comparisons(
        r#"{"prompt": "P", "chosen": "C", "rejected": "R", "margin": 2, "group": 5}
{"prompt": [{"role": "user", "content": "P"}], "chosen": [{"role": "assistant", "content": "C"}], "rejected": {"role": "assistant", "content": "R"}}
{"prompt": "P", "chosen": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "C"}], "rejected": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "R"}]}
{"chosen": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "C"}], "rejected": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "R"}]}
{"instruction": "P", "input": "", "output": "C", "chosen": "C", "rejected": "R"}
{"conversations": [{"from": "human", "value": "P"}], "chosen": {"from": "gpt", "value": "C"}, "rejected": {"from": "gpt", "value": "R"}}
{"chosen": "\n\nHuman: P\n\nAssistant: C", "rejected": "\n\nHuman: P\n\nAssistant: R"}
"#,
    );
    assert_eq!(rows.len(), 7);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!((row.chosen.as_str(), row.rejected.as_str()), ("C", "R"), "record {}", i + 1);
        assert_eq!(row.input().messages(), [Message::user("P")], "record {}", i + 1);
        assert_eq!((row.weight, row.tie), (1.0, false));
    }
    assert_eq!((rows[0].margin, rows[0].group.as_deref()), (Some(2.0), Some("5")));
    assert_eq!(rows[1..].iter().map(Comparison::group_key).collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn several_ranked_answers_become_all_pairs() {
    let rows = comparisons(r#"{"prompt": "P", "answers": ["a", "b", "c"], "ranks": [2, 1, 2]}"#);
    let got: Vec<(&str, &str, bool)> = rows.iter().map(|r| (r.chosen.as_str(), r.rejected.as_str(), r.tie)).collect();
    assert_eq!(got, [("b", "a", false), ("a", "c", true), ("b", "c", false)]);
    // An answer without a rank is in no pair.
    let by_id = r#"{"prompt": "P", "answers": [{"id": "x", "text": "a"}, {"id": "y", "text": "b"}, {"id": "z", "text": "c"}], "ranks": {"z": 1, "x": 2}}"#;
    let rows = comparisons(by_id);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].extra["chosen_id"].as_str(), rows[0].extra["rejected_id"].as_str()), (Some("z"), Some("x")));
    assert!(refusal(br#"{"prompt": "P", "answers": ["a"], "ranks": [1, 2]}"#, Want::Comparisons).contains("ranks"));
}

/// Every record that gives no row is in one `skipped` counter.
#[test]
fn what_is_left_out_is_counted() {
    let text = r#"{"prompt": "P", "chosen": "C", "rejected": "C"}
{"prompt": "P", "chosen": "C", "rejected": "R"}

{"prompt": "P", "chosen": "", "rejected": "{{name}}"}
{"chosen": "\n\nHuman: P\n\nAssistant: C", "rejected": "\n\nHuman: Q\n\nAssistant: R"}
{"prompt": " ", "chosen": "C", "rejected": "R"}
"#;
    let Dataset { rows, counters } = read(text, Want::Comparisons).unwrap();
    let Rows::Comparisons(rows) = rows else { panic!() };
    assert_eq!(rows.len(), 2);
    let expected = [
        ("blank_lines", 1),
        ("noted.empty_answer", 1),
        ("noted.placeholder", 1),
        ("noted.repeated_prompt", 1),
        ("records", 5),
        ("skipped.different_prompts", 1),
        ("skipped.empty_prompt", 1),
        ("skipped.equal_answers", 1),
    ];
    assert_eq!(counters.0, expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(counters.get("records"), counters.skipped() + rows.len() as u64);

    let text = r#"{"messages": [{"role": "user", "content": "P"}, {"role": "assistant", "content": "bad"}], "label": false}
{"messages": [{"role": "user", "content": "P"}]}
{"messages": [{"role": "assistant", "content": "P"}]}
{"prompt": "P", "completion": "  "}
{"instruction": "", "output": "C"}
"#;
    let Dataset { rows, counters } = read(text, Want::Demonstrations).unwrap();
    assert_eq!(rows, Rows::Demonstrations(Vec::new()));
    for name in ["label_false", "no_assistant_turn", "no_prompt", "empty_completion", "empty_prompt"] {
        assert_eq!(counters.get(&format!("skipped.{name}")), 1, "{name}");
    }
}

/// The message of the examples page, word for word.
#[test]
fn a_missing_field_is_named_with_its_line() {
    let mut text = r#"{"prompt": "P", "chosen": "C", "rejected": "R"}"#.to_owned() + "\n";
    text = text.repeat(16) + r#"{"prompt": "P", "chosen": "C"}"#;
    let error = refusal(text.as_bytes(), Want::Comparisons);
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "data/pairs.jsonl:17: field \"rejected\" is missing");
    assert!(lines[1].starts_with("  expected one of: {prompt, chosen, rejected}, "), "{error}");
    assert_eq!(lines[2], "  try: trimtab data check data/pairs.jsonl");
}

#[test]
fn malformed_files_are_refused_by_line() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "data/pairs.jsonl: is empty"),
        (b"\xEF\xBB\xBF \r\n", "data/pairs.jsonl: is empty"),
        (b"hello\n", "data/pairs.jsonl:1: begins with \"hello"),
        (b"{\"prompt\": \"P\"", "data/pairs.jsonl:1: the object does not end on its line"),
        (b"{\n\"prompt\": \"P\"}", "data/pairs.jsonl:1: the object does not end on its line"),
        (b"{\"prompt\": \"\xFF\"}", "data/pairs.jsonl:1: byte 13 of the record is not UTF-8"),
        (b"{\"prompt\": \"P\", \"prompt\": \"Q\"}", "data/pairs.jsonl:1: is not JSON: field \"prompt\" occurs twice"),
        (b"{\"prompt\": NaN}", "data/pairs.jsonl:1: is not JSON"),
        (
            b"{\"prompt\": 3, \"chosen\": \"C\", \"rejected\": \"R\"}",
            "data/pairs.jsonl:1: field \"prompt\" is a number",
        ),
        (
            b"{\"prompt\": \"P\", \"chosen\": 1, \"rejected\": \"R\"}",
            "data/pairs.jsonl:1: field \"chosen\" is a number",
        ),
        (b"{\"prompt\": \"P\", \"chosen\": \"C\", \"rejected\": [3]}", "field \"rejected\" holds a number where"),
        (
            b"{\"prompt\": \"P\", \"chosen\": \"C\", \"rejected\": \"R\", \"weight\": -1}",
            "field \"weight\" is negative",
        ),
        (
            b"[\n {\"prompt\": \"P\",\n \"chosen\": \"C\"}\n]",
            "data/pairs.jsonl:2: record 1: field \"rejected\" is missing",
        ),
        (b"[\n {\"prompt\":\n \"P\" x}\n]", "data/pairs.jsonl:3: is not JSON"),
        (b"[{}, ]", "a comma without a record"),
        (b"[]", "is an empty array"),
        (b"[{\"a\": 1}", "data/pairs.jsonl:1: the array does not end"),
        (b"[1]", "data/pairs.jsonl:1: the record is a number"),
        (b"[{\"a\": 1}] x", "text after the end of the array"),
        (b"\x1F\x8B\x08\x00garbage", "gzip"),
        (b"PAR1", "Parquet"),
        (b"PAR1\x00\x00\x00\x00\xFF\xFF\xFF\xFFPAR1", "Parquet"),
    ];
    for (bytes, what) in cases {
        let error = refusal(bytes, Want::Comparisons);
        assert!(error.contains(what), "{:?}: {error}", String::from_utf8_lossy(bytes));
    }
    let deep = format!("{{\"prompt\": {}", "[".repeat(200_000));
    assert!(refusal(deep.as_bytes(), Want::Prompts).contains("recursion limit"));
    let long = format!("{{\"prompt\": \"{}\"}}", "a".repeat(65 << 20));
    assert!(refusal(long.as_bytes(), Want::Prompts).contains("bytes long"));
}

#[test]
fn containers_do_not_change_the_rows() {
    let lines = "{\"prompt\": \"P\", \"completion\": \"é\"}\n{\"prompt\": \"Q\", \"completion\": \"D\"}\n";
    let expected = demonstrations(lines);
    let array = format!("[{}]", lines.trim().replace('\n', ",\n"));
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let variants: Vec<Vec<u8>> = vec![
        lines.trim_end().into(),
        format!("\u{feff}{lines}").into(),
        lines.replace('\n', "\r\n").into(),
        array.clone().into(),
        format!("\u{feff} \n{array}\n").into(),
        gzip(lines.as_bytes()),
        gzip(array.as_bytes()),
        // Two gzip members, as `cat a.gz b.gz` makes them.
        [gzip(&lines.as_bytes()[..10]), gzip(&lines.as_bytes()[10..])].concat(),
    ];
    for bytes in variants {
        let rows = dataset::read_bytes("x.json", &bytes, Want::Demonstrations).unwrap().rows;
        assert_eq!(rows, Rows::Demonstrations(expected.clone()));
    }
    let twice = dataset::read_bytes("x.gz", &gzip(&gzip(b"{}")), Want::Prompts).unwrap_err();
    assert!(twice.to_string().contains("gzip inside gzip"));
}

#[test]
fn parquet_files_of_pyarrow_are_read() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text");
    let (rows, _) = dataset::comparisons(&goldens.join("pairs.snappy.parquet")).unwrap();
    assert_eq!((rows[0].chosen.as_str(), rows[0].margin, rows[1].margin), ("Hello.", Some(1.5), None));
    assert_eq!(rows[1].input(), &Input::Text("Who?".into()));
    let (rows, _) = dataset::demonstrations(&goldens.join("messages.zstd.parquet")).unwrap();
    assert_eq!((&rows[0].input, rows[0].completion.as_str()), (&user("Hi"), "Hello ☕"));
    assert_eq!(rows[1].extra["n"], 2);
    for name in ["delta.v1.parquet", "delta.v2.parquet"] {
        let (rows, _) = dataset::comparisons(&goldens.join(name)).unwrap();
        assert_eq!((rows.len(), rows[39].chosen.as_str(), rows[39].rejected.as_str()), (40, "Answer 39", "Nothing"));
        assert_eq!(rows[0].extra["tags"], serde_json::Value::Null);
        assert_eq!(rows[2].extra["tags"], serde_json::json!(["a", "b"]));
    }
}

#[test]
fn a_corpus_is_text_or_records() {
    let text = |bytes: &str| match dataset::read_bytes("c.txt", bytes.as_bytes(), Want::Corpus).unwrap().rows {
        Rows::Corpus(documents) => documents.into_iter().map(|d| d.text).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text("One.\r\n\r\n[2] is a note.\n{not json}\n"), ["One.", "[2] is a note.", "{not json}"]);
    assert_eq!(text("[citation needed]\nTwo.\n"), ["[citation needed]", "Two."]);
    assert_eq!(text("{\"text\": \"One.\\nTwo.\"}\n{\"text\": \" \"}\n"), ["One.\nTwo."]);
    assert_eq!(text("[{\"text\": \"One.\"}]"), ["One."]);
    assert!(refusal(b"{\"prompt\": \"P\"}", Want::Corpus).contains("field \"text\" is missing"));
}

fn ranking() -> Ranking {
    let text = r#"{"prompt_id": "p", "answers": ["a", "b", "c", "d"], "shown": ["c", "a", "d", "b"], "ranks": {"a": 2, "b": 1, "c": 2}, "person": "ann", "later": 1}"#;
    match read(text, Want::Rankings).unwrap().rows {
        Rows::Rankings(mut rows) => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// K ranked answers give C(K, 2) pairs; ties are pairs of their own; who is not ranked is in none.
#[test]
fn a_ranking_gives_all_pairs() {
    let pairs = ranking().comparisons();
    let named = |pairs: &[(String, String)]| pairs.iter().map(|(a, b)| format!("{a}>{b}")).collect::<Vec<_>>();
    assert_eq!(named(&pairs.wins), ["b>a", "b>c"]);
    assert_eq!(named(&pairs.ties), ["a>c"]);
}

#[test]
fn a_ranking_that_contradicts_itself_is_refused() {
    let base = serde_json::to_value(ranking()).unwrap();
    let cases = [
        ("shown", serde_json::json!(["a", "b", "c"]), "field \"shown\" is not the answers"),
        ("shown", serde_json::json!(["a", "b", "c", "c"]), "field \"shown\" is not the answers"),
        ("ranks", serde_json::json!({"z": 1}), "field \"ranks\" ranks \"z\""),
        ("ranks", serde_json::json!({"a": 0}), "field \"ranks\" gives \"a\" rank 0"),
        ("ranks", serde_json::json!({}), "no verdict: an untouched item is no ranking"),
        ("ranks", serde_json::json!(["a"]), "field \"ranks\": "),
        ("answers", serde_json::json!(["a", "a", "b", "c"]), "field \"answers\" names an answer twice"),
        ("answers", serde_json::json!("a"), "field \"answers\": "),
        ("verdict", serde_json::json!("skip"), "field \"verdict\""),
        ("verdict", serde_json::json!("maybe"), "field \"verdict\": "),
        ("seconds", serde_json::json!(-1), "field \"seconds\""),
        ("flags", serde_json::json!({"z": ["harmful"]}), "field \"flags\""),
    ];
    for (field, value, what) in cases {
        let mut changed = base.clone();
        changed[field] = value;
        let error = refusal(changed.to_string().as_bytes(), Want::Rankings);
        assert!(error.starts_with("data/pairs.jsonl:1: ") && error.contains(what), "{field}: {error}");
    }
    let mut without = base;
    without.as_object_mut().unwrap().remove("shown");
    assert!(refusal(without.to_string().as_bytes(), Want::Rankings).contains("field \"shown\" is missing"));
}

fn samples() -> Samples {
    let answer = |id: &str| Answer {
        id: id.into(),
        text: format!("text {id}"),
        tokens: vec![1, 2],
        logprobs: vec![-0.5, -0.25],
        seed: u64::MAX,
        stop: "eos".into(),
        extra: serde_json::Map::default(),
    };
    Samples {
        id: "p".into(),
        input: user("P"),
        answers: ["a", "b", "c", "d"].map(answer).into(),
        model: None,
        temperature: Some(0.7),
        group: None,
        extra: serde_json::Map::default(),
    }
}

#[test]
fn rankings_join_their_samples() {
    let rows = join(&[ranking()], &[samples()]).unwrap();
    let got: Vec<(&str, &str, bool)> = rows.iter().map(|r| (r.chosen.as_str(), r.rejected.as_str(), r.tie)).collect();
    assert_eq!(got, [("text b", "text a", false), ("text b", "text c", false), ("text a", "text c", true)]);
    assert!(rows.iter().all(|row| row.extra["person"] == "ann" && row.group_key() == samples().group_key()));
    let mut lost = samples();
    lost.answers.retain(|answer| answer.id != "b");
    assert!(join(&[ranking()], &[lost]).unwrap_err().to_string().contains("has no answer \"b\""));
    assert!(join(&[ranking()], &[]).unwrap_err().to_string().contains("prompt \"p\" has no samples"));
}

/// What is written is read again as it was, unknown fields included; what JSON cannot hold is refused.
#[test]
fn records_survive_writing_and_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.jsonl");
    let keep = |bytes: Vec<u8>| std::fs::write(&path, bytes).unwrap();

    keep(write_jsonl(&[ranking()]).unwrap());
    assert_eq!(dataset::rankings(&path).unwrap().0, [ranking()]);
    assert_eq!(ranking().extra["later"], 1);
    keep(write_jsonl(&[samples()]).unwrap());
    assert_eq!(dataset::records::<Samples>(&path).unwrap(), [samples()]);
    let rows = join(&[ranking()], &[samples()]).unwrap();
    keep(write_jsonl(&rows).unwrap());
    assert_eq!(dataset::comparisons(&path).unwrap().0, rows);
    let prompts = [Input::Text("P".into()), user("Q")].map(|input| Prompt {
        id: "1".into(),
        input,
        tags: vec!["t".into()],
        group: Some("g".into()),
        truth: Some(serde_json::json!({"x": 1})),
        extra: serde_json::Map::default(),
    });
    keep(write_jsonl(&prompts).unwrap());
    assert_eq!(dataset::prompts(&path).unwrap().0, prompts);
    let rows = demonstrations("{\"prompt\": \"P\", \"completion\": \"C\", \"seconds\": 1.5, \"k\": [1]}");
    keep(write_jsonl(&rows).unwrap());
    assert_eq!(dataset::demonstrations(&path).unwrap().0, rows);

    let mut bad = samples();
    bad.answers[0].logprobs[0] = f32::NAN;
    assert!(write_jsonl(&[bad]).unwrap_err().to_string().contains("record 1"));
    keep(b"{\"id\": \"p\", \"prompt\": \"P\", \"answers\": [{\"id\": \"a\"}]}".to_vec());
    let error = dataset::records::<Samples>(&path).unwrap_err().to_string();
    assert!(error.contains("records.jsonl:1") && error.contains("is missing"), "{error}");
}

#[test]
fn placeholders_are_found_and_filled_never_expanded() {
    assert_eq!(dataset::placeholders("I am {{name}}, by {{ author }}; {{ x + 1 }} {{}} {{"), ["name", "author"]);
    let values: BTreeMap<String, String> = [("name".to_owned(), "{{author}}".to_owned())].into();
    assert_eq!(
        dataset::fill_placeholders("I am {{ name }} {{ 1 + 1 }}", &values).unwrap(),
        "I am {{author}} {{ 1 + 1 }}"
    );
    assert_eq!(dataset::fill_placeholders("{{author}}", &values).unwrap_err(), "author");
}

/// Files that parse, as seeds of what does not.
fn seeds() -> Vec<Vec<u8>> {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text");
    let lines = concat!(
        "{\"prompt\": \"P\", \"chosen\": \"C\", \"rejected\": \"R\", \"weight\": 1}\n",
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"é\"}]}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n",
        "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: c\"}\n",
        "{\"prompt\": \"P\", \"answers\": [\"a\", {\"id\": \"x\", \"text\": \"b\"}], \"ranks\": [1, 2]}\n",
        "{\"prompt_id\": \"p\", \"answers\": [\"a\", \"b\"], \"shown\": [\"b\", \"a\"], \"ranks\": {\"a\": 1}}\n",
        "{\"instruction\": \"I\", \"instances\": [{\"input\": \"\", \"output\": \"o\"}]}\n",
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(lines.as_bytes()).unwrap();
    let mut seeds: Vec<Vec<u8>> = lines.lines().map(Into::into).collect();
    seeds.push(lines.into());
    seeds.push(format!("[{}]", lines.trim().replace('\n', ",\n")).into());
    seeds.push(packed.finish().unwrap());
    seeds.push(std::fs::read(goldens.join("pairs.snappy.parquet")).unwrap());
    seeds.push(std::fs::read(goldens.join("messages.zstd.parquet")).unwrap());
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// No bytes make a reader panic, or hang.
    #[test]
    fn damaged_files_give_rows_or_errors(
        seed in 0usize..11,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), byte),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at.min(bytes.len()), *b"{}[]\",:\\".get(byte as usize % 8).unwrap()),
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len().max(1)));
        }
        for want in ALL {
            if let Err(error) = dataset::read_bytes("f", &bytes, want) {
                let text = error.to_string();
                prop_assert!(text.starts_with("f:") && text.contains("\n  expected "), "{text}");
            }
        }
    }
}

/// Found by fuzzing: the library reserved memory for the half billion columns that a footer of 1 KB claims, and a
/// program that is refused memory ends without a word. The second file is the one that was found.
#[test]
fn a_footer_that_claims_too_many_columns_is_refused_in_words() {
    // Version 1, and a schema of one group "r" with 541,141,265 parts.
    let footer = [0x15, 0x02, 0x19, 0x1C, 0x48, 0x01, b'r', 0x15, 0xA2, 0xA4, 0x89, 0x84, 0x04, 0x00, 0x00];
    let bytes = [b"PAR1", &footer[..], &[footer.len() as u8, 0, 0, 0], b"PAR1"].concat();
    let error = dataset::read_bytes("claims.parquet", &bytes, Want::Comparisons).unwrap_err().to_string();
    assert!(error.contains("541141265 parts"), "{error}");
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/claims.parquet");
    let error = dataset::comparisons(&found).unwrap_err().to_string();
    assert!(error.contains("contradicts itself"), "{error}");
}
