//! SmolLM2's tokenizer out of its GGUF file, where the file is at hand (`TRIMTAB_SMOLLM2_GGUF`, or the cache folder).
//!
//! The ids to match are those of a byte-pair encoder in `goldens/text/make.py`, which uses no tokenizers library.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_text::{GgufVocab, Message, Tokenizer, encode_chat, encode_prompt};

/// The tokenizer's tables of a trusted GGUF file; the reader for files from outside is the engine's.
fn tables(path: &Path) -> GgufVocab {
    let bytes = std::fs::read(path).unwrap();
    let mut at = 4 + 4 + 8;
    let count = number(&bytes, &mut at, 8);
    let fields: BTreeMap<String, Value> = (0..count)
        .map(|_| {
            let key = text(&bytes, &mut at);
            let kind = number(&bytes, &mut at, 4);
            (key, value(&bytes, &mut at, kind))
        })
        .collect();
    let get = |key: &str| fields.get(&format!("tokenizer.ggml.{key}")).cloned().unwrap_or_default();
    let id = |key: &str| get(key).as_u64().map(|id| id as u32);
    GgufVocab {
        model: get("model").as_str().unwrap().into(),
        pre: get("pre").as_str().unwrap().into(),
        tokens: serde_json::from_value(get("tokens")).unwrap(),
        scores: Vec::new(),
        token_types: serde_json::from_value(get("token_type")).unwrap(),
        merges: serde_json::from_value(get("merges")).unwrap(),
        bos: id("bos_token_id"),
        eos: id("eos_token_id"),
        eot: id("eot_token_id"),
        unk: id("unknown_token_id"),
        pad: id("padding_token_id"),
        add_bos: get("add_bos_token").as_bool(),
        add_eos: get("add_eos_token").as_bool(),
        add_space_prefix: get("add_space_prefix").as_bool(),
        chat_template: fields["tokenizer.chat_template"].as_str().map(str::to_owned),
    }
}

fn number(bytes: &[u8], at: &mut usize, width: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(&bytes[*at..*at + width]);
    *at += width;
    u64::from_le_bytes(wide)
}

fn text(bytes: &[u8], at: &mut usize) -> String {
    let len = number(bytes, at, 8) as usize;
    *at += len;
    String::from_utf8(bytes[*at - len..*at].to_vec()).unwrap()
}

fn value(bytes: &[u8], at: &mut usize, kind: u64) -> Value {
    match kind {
        0 | 1 => number(bytes, at, 1).into(),
        2 | 3 => number(bytes, at, 2).into(),
        4 | 5 => number(bytes, at, 4).into(),
        6 => f32::from_bits(number(bytes, at, 4) as u32).into(),
        7 => (number(bytes, at, 1) != 0).into(),
        8 => text(bytes, at).into(),
        9 => {
            let kind = number(bytes, at, 4);
            let count = number(bytes, at, 8);
            (0..count).map(|_| value(bytes, at, kind)).collect()
        }
        _ => number(bytes, at, 8).into(),
    }
}

/// The file, or the line that says why a test is skipped.
fn gguf(test: &str) -> Option<PathBuf> {
    let file = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let path =
        std::env::var_os("TRIMTAB_SMOLLM2_GGUF").map_or_else(|| home.join(".cache/trimtab").join(file), PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: {} is absent and TRIMTAB_SMOLLM2_GGUF is not set", path.display());
    None
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text")
}

/// From the tables, and again after saving and loading; `TRIMTAB_KEEP_TOKENIZER` keeps the folder for other tools.
#[test]
fn smollm2_has_the_ids_of_an_independent_encoder() {
    let Some(path) = gguf("smollm2_has_the_ids_of_an_independent_encoder") else { return };
    let from_tables = Tokenizer::from_gguf(tables(&path)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("TRIMTAB_KEEP_TOKENIZER").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(folder.path());
    from_tables.save(folder).unwrap();
    let saved = Tokenizer::from_folder(folder).unwrap();

    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(goldens().join(name)).unwrap()).unwrap() };
    let (golden, strings) = (read("smollm2.json"), read("strings.json"));
    for (i, text) in strings["strings"].as_array().unwrap().iter().enumerate() {
        let text = text.as_str().unwrap();
        let ids = |key: &str| serde_json::from_value::<Vec<u32>>(golden[key][i].clone()).unwrap();
        for tokenizer in [&from_tables, &saved] {
            assert_eq!(tokenizer.encode(text).unwrap(), ids("ids"), "{text:?}");
            assert_eq!(tokenizer.encode_plain(text).unwrap(), ids("plain_ids"), "{text:?}");
            assert_eq!(tokenizer.decode(&ids("ids"), false).unwrap(), text);
        }
    }
    for tokenizer in [&from_tables, &saved] {
        assert_eq!((tokenizer.vocab_size(), tokenizer.bos_id(), tokenizer.eos_ids()), (49_152, Some(1), &[2][..]));
        assert!(!tokenizer.adds_bos());
        assert!(tokenizer.check_vocab(49_152).is_ok());
        let error = tokenizer.check_vocab(49_151).unwrap_err().to_string();
        assert!(error.contains("49151"), "{error}");
    }
}

/// Whole conversations, rendered by transformers and encoded by the independent encoder.
#[test]
fn smollm2_has_the_ids_of_whole_conversations() {
    let Some(path) = gguf("smollm2_has_the_ids_of_whole_conversations") else { return };
    let tokenizer = Tokenizer::from_gguf(tables(&path)).unwrap();
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(goldens().join(name)).unwrap()).unwrap() };
    let (golden, chats) = (read("smollm2.json"), read("chats.json"));
    let mut compared = 0;
    for (title, messages) in chats["chats"].as_object().unwrap() {
        let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
        // There our ids differ by design: no merge over the border, no special tokens out of messages, no prompt.
        let differs = ["leading white space", "special in content", "unanswered", "assistant first"];
        if differs.contains(&title.as_str()) {
            continue;
        }
        let expected: Vec<u32> = serde_json::from_value(golden["chats"][title].clone()).unwrap();
        assert_eq!(encode_chat(&tokenizer, &messages).unwrap().tokens, expected, "{title}");
        compared += 1;
    }
    assert!(compared >= 12, "{compared}");
}

/// The ids of a chat, token by token: `<|im_start|>` is 1, `<|im_end|>` is 2; only the answer and its end are targets.
#[test]
fn smollm2_trains_on_the_answer_and_its_end() {
    let Some(path) = gguf("smollm2_trains_on_the_answer_and_its_end") else { return };
    let tokenizer = Tokenizer::from_gguf(tables(&path)).unwrap();
    let messages = [Message::user("How many eggs?<|im_end|>"), Message::assistant("Twelve.")];
    let encoded = encode_chat(&tokenizer, &messages).unwrap();
    assert_eq!(
        tokenizer.decode(&encoded.tokens, false).unwrap(),
        tokenizer.chat_template().unwrap().render(&messages, false).unwrap()
    );
    let targets: Vec<u32> =
        encoded.tokens.iter().zip(&encoded.train).filter(|(_, train)| **train).map(|(id, _)| *id).collect();
    let mut expected = tokenizer.encode("Twelve.").unwrap();
    expected.push(2);
    assert_eq!(targets, expected);
    assert_eq!(encoded.tokens[..encoded.answer_start()], encode_prompt(&tokenizer, &messages[..1]).unwrap());
    // Three turns of the template; the one that the user spelled out is text.
    assert_eq!(encoded.tokens.iter().filter(|&&id| id == 2).count(), 3);
}
