//! Tokenizer files and tables: what is read together, what is refused, and what survives saving.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use trimtab_text::{GgufVocab, Message, Tokenizer, encode_chat};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text")
}

fn small() -> Value {
    serde_json::from_slice(&std::fs::read(goldens().join("tokenizer.json")).unwrap()).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(files: &[(&str, String)]) -> Result<Tokenizer, trimtab_text::Error> {
    Tokenizer::from_folder(folder(files).path())
}

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

#[test]
fn the_files_of_a_folder_are_read_together() {
    let mut tokenizer = small();
    tokenizer["truncation"] = json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
    tokenizer["padding"] = json!({"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    tokenizer["model"]["dropout"] = json!(0.9);
    let config = json!({
        "bos_token": {"content": "<s>"}, "eos_token": "</s>", "model_max_length": 77,
        "chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": TEMPLATE}],
        "added_tokens_decoder": {"2000": {"content": "<new>", "special": true}},
    });
    let generation = json!({"eos_token_id": [8, 0], "temperature": 0.5});
    let files = [
        ("tokenizer.json", tokenizer.to_string()),
        ("tokenizer_config.json", config.to_string()),
        ("special_tokens_map.json", json!({"pad_token": "<|endoftext|>", "eos_token": "<s>"}).to_string()),
        ("generation_config.json", generation.to_string()),
    ];
    let tokenizer = load(&files).unwrap();
    assert_eq!((tokenizer.bos_id(), tokenizer.pad_id()), (Some(7), Some(0)));
    // The tokenizer's EOS, the one of generation_config.json, and the template's end of turn.
    assert_eq!(tokenizer.eos_ids(), [8, 0, 2]);
    let long = "Truncation, padding and dropout are off, so this comes back as it is.";
    assert_eq!(tokenizer.decode(&tokenizer.encode(long).unwrap(), false).unwrap(), long);
    assert_eq!(tokenizer.encode(long).unwrap(), tokenizer.encode(long).unwrap());
    assert!(!tokenizer.adds_bos(), "nothing in the file adds a BOS");
    assert!(tokenizer.token_id("<new>").is_some_and(|id| tokenizer.is_special(id)));

    // A template file wins over the config; saved and loaded again, everything is the same.
    let mut files = files.to_vec();
    files.push(("chat_template.jinja", TEMPLATE.replace("{{ bos_token }}", "")));
    let tokenizer = load(&files).unwrap();
    let messages = [Message::user("a"), Message::assistant("b")];
    assert!(tokenizer.chat_template().unwrap().render(&messages, false).unwrap().starts_with("<|im_start|>user"));
    let saved = tempfile::tempdir().unwrap();
    tokenizer.save(saved.path()).unwrap();
    let again = Tokenizer::from_folder(saved.path()).unwrap();
    assert_eq!(encode_chat(&again, &messages).unwrap(), encode_chat(&tokenizer, &messages).unwrap());
    assert_eq!(
        (again.bos_id(), again.eos_ids(), again.pad_id()),
        (tokenizer.bos_id(), tokenizer.eos_ids(), tokenizer.pad_id())
    );
    let kept: Value =
        serde_json::from_slice(&std::fs::read(saved.path().join("generation_config.json")).unwrap()).unwrap();
    assert_eq!(kept["temperature"], 0.5);
    assert_eq!(kept["eos_token_id"], json!([8, 0, 2]));
}

/// One BOS, where the post-processor adds one, however the text begins.
#[test]
fn raw_text_has_one_bos() {
    let mut tokenizer = small();
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [7], "tokens": ["<s>"]}},
    });
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATE});
    let tokenizer =
        load(&[("tokenizer.json", tokenizer.to_string()), ("tokenizer_config.json", config.to_string())]).unwrap();
    assert!(tokenizer.adds_bos());
    for text in ["a b", "", "<s>a"] {
        let ids = tokenizer.encode_with_bos(text).unwrap();
        assert_eq!(ids.iter().filter(|&&id| id == 7).count(), 1, "{text:?}");
        assert_eq!(ids[0], 7);
        assert!(!tokenizer.encode_plain(text).unwrap().contains(&7));
    }
    // The template writes its own BOS; the post-processor does not add another.
    let encoded = encode_chat(&tokenizer, &[Message::user("a"), Message::assistant("b")]).unwrap();
    assert_eq!(encoded.tokens.iter().filter(|&&id| id == 7).count(), 1);
}

/// A token with a role that is only a word of the vocabulary becomes special, so text cannot forge it.
#[test]
fn a_role_makes_a_token_special() {
    let mut tokenizer = small();
    tokenizer["added_tokens"].as_array_mut().unwrap().retain(|token| token["content"] != "</s>");
    let config = json!({"eos_token": "</s>"});
    let tokenizer =
        load(&[("tokenizer.json", tokenizer.to_string()), ("tokenizer_config.json", config.to_string())]).unwrap();
    assert_eq!(tokenizer.encode("a</s>").unwrap().last(), Some(&8));
    assert!(!tokenizer.encode_plain("a</s>").unwrap().contains(&8));
}

#[test]
fn broken_folders_are_refused_by_file() {
    let small = || ("tokenizer.json", small().to_string());
    let mut unmerged = self::small();
    let long = "a".repeat(50);
    unmerged["model"]["merges"].as_array_mut().unwrap().push(json!(["boat", "boat"]));
    unmerged["model"]["vocab"][long.as_str()] = json!(999);
    let cases: &[(&[(&str, String)], &str)] = &[
        (&[], "tokenizer.json: "),
        (&[("tokenizer.json", "{".into())], "tokenizer.json: is not JSON"),
        (&[("tokenizer.json", "[]".into())], "tokenizer.json: is not a JSON object"),
        (&[("tokenizer.json", "{}".into())], "tokenizer.json: does not load"),
        (&[("tokenizer.json", unmerged.to_string())], "the merge [\"boat\",\"boat\"] makes no token"),
        (&[small(), ("tokenizer_config.json", "3".into())], "tokenizer_config.json: holds a number"),
        (&[small(), ("tokenizer_config.json", "{\"eos_token\": \"<nope>\"}".into())], "eos_token \"<nope>\""),
        (&[small(), ("generation_config.json", "{".into())], "generation_config.json: is not JSON"),
        (&[small(), ("chat_template.jinja", "{% if %}".into())], "does not parse"),
    ];
    for (files, what) in cases {
        let error = load(files).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("\n  expected "), "{what}: {error}");
    }
}

fn tables() -> GgufVocab {
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    GgufVocab {
        model: "gpt2".into(),
        pre: "gpt-2".into(),
        tokens: strings(&["<e>", "a", "b", "ab", "Ġ", "Ġab", "1", "2", "12", "<u ser>"]),
        token_types: vec![3, 1, 1, 1, 1, 1, 1, 1, 1, 4],
        merges: strings(&["a b", "Ġ ab", "1 2"]),
        eos: Some(0),
        ..GgufVocab::default()
    }
}

#[test]
fn gguf_tables_make_a_tokenizer() {
    let tokenizer = Tokenizer::from_gguf(tables()).unwrap();
    assert_eq!(tokenizer.encode("ab ab12<e><u ser>").unwrap(), [3, 5, 8, 0, 9]);
    assert_eq!(tokenizer.encode("ab  ab").unwrap(), [3, 4, 5]);
    // SmolLM2's pre-tokenizer puts every digit by itself.
    let tokenizer = Tokenizer::from_gguf(GgufVocab { pre: "smollm".into(), ..tables() }).unwrap();
    assert_eq!(tokenizer.encode("ab12").unwrap(), [3, 6, 7]);
    let tokenizer = Tokenizer::from_gguf(GgufVocab { bos: Some(0), add_bos: Some(true), ..tables() }).unwrap();
    assert_eq!(tokenizer.encode_with_bos("ab").unwrap(), [0, 3]);
}

#[test]
fn gguf_tables_that_contradict_themselves_are_refused() {
    type Edit = fn(&mut GgufVocab);
    let cases: &[(Edit, &str)] = &[
        (|t| t.pre = "tekken".into(), "the pre-tokenizer \"tekken\" is not supported"),
        (|t| t.model = "bert".into(), "the tokenizer model \"bert\" is not supported"),
        (|t| t.tokens.clear(), "there are no tokens"),
        (|t| t.tokens.push("a".into()), "token \"a\" occurs twice"),
        (|t| t.token_types.truncate(2), "2 entries in token_type for 10 tokens"),
        (|t| t.eos = Some(10), "a special token has the id 10"),
        (|t| t.merges.push("a".into()), "merge 3 is \"a\""),
        (|t| t.merges.push("b a".into()), "merge 3 is \"b a\""),
        (|t| t.merges.push(String::new()), "merge 3 is \"\""),
        (|t| t.model = "llama".into(), "there are no scores"),
        (|t| t.chat_template = Some("{% if %}".into()), "does not parse"),
    ];
    for (edit, what) in cases {
        let mut tables = tables();
        edit(&mut tables);
        let error = Tokenizer::from_gguf(tables).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn ids_outside_the_vocabulary_are_refused() {
    let tokenizer = Tokenizer::from_gguf(tables()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 10);
    assert!(tokenizer.decode(&[3, 10], true).unwrap_err().to_string().contains("id 10"));
    assert!(tokenizer.check_vocab(10).is_ok() && tokenizer.check_vocab(16).is_ok());
    assert!(tokenizer.check_vocab(9).unwrap_err().to_string().contains("has 9 rows"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Damaged tokenizer files load or are refused; what loads encodes or is refused.
    #[test]
    fn damaged_tokenizers_do_not_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6)) {
        let mut bytes = std::fs::read(goldens().join("tokenizer.json")).unwrap();
        for (at, byte, insert) in edits {
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), bytes).unwrap();
        if let Ok(tokenizer) = Tokenizer::from_folder(folder.path())
            && let Ok(ids) = tokenizer.encode("The boat, 42 <|im_end|> é")
        {
            let _text = tokenizer.decode(&ids, false);
        }
    }

    /// The same for GGUF tables.
    #[test]
    fn damaged_tables_do_not_panic(
        tokens in prop::collection::vec("[ab12<>Ġ ]{0,3}", 0..12), merges in prop::collection::vec("[abĠ ]{0,4}", 0..4),
        kinds in prop::collection::vec(0i32..8, 0..12), ids in prop::array::uniform3(prop::option::of(0u32..14)),
        scores in prop::collection::vec(any::<f32>(), 0..12), llama in any::<bool>(),
    ) {
        let model = if llama { "llama" } else { "gpt2" }.into();
        let [bos, eos, unk] = ids;
        let tables = GgufVocab { model, pre: "default".into(), tokens, scores, token_types: kinds, merges, bos, eos, unk, ..GgufVocab::default() };
        if let Ok(tokenizer) = Tokenizer::from_gguf(tables)
            && let Ok(ids) = tokenizer.encode_with_bos("ab 12<e>")
        {
            let _text = tokenizer.decode(&ids, false);
        }
    }
}
