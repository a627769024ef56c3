//! Templates and token ids against transformers, sentencepiece, and a byte-pair encoder written in Python.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use trimtab_text::{ChatTemplate, GgufVocab, Message, Tokenizer, encode_chat, encode_prompt};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text")
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(goldens().join(name)).unwrap()).unwrap()
}

fn template(name: &str) -> String {
    std::fs::read_to_string(goldens().join("templates").join(format!("{name}.jinja"))).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A checkpoint folder with the small tokenizer and one of the templates.
fn tokenizer(vocabulary: &str, template_name: &str, bos: &Value, eos: &Value) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(goldens().join(vocabulary), folder.path().join("tokenizer.json")).unwrap();
    let config = json!({"bos_token": bos, "eos_token": eos, "tokenizer_class": "PreTrainedTokenizerFast"});
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    std::fs::write(folder.path().join("chat_template.jinja"), template(template_name)).unwrap();
    Tokenizer::from_folder(folder.path()).unwrap()
}

/// Every template on every conversation: the same text as transformers, or refused where transformers refuses.
#[test]
fn templates_render_as_in_transformers() {
    let golden = golden("chats.json");
    let mut compared = 0;
    for (name, roles) in golden["templates"].as_object().unwrap() {
        let jinja = ChatTemplate::new(&template(name), roles["bos"].as_str(), roles["eos"].as_str()).unwrap();
        for (title, messages) in golden["chats"].as_object().unwrap() {
            let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
            for (key, prompt) in [("whole", false), ("prompt", true)] {
                let expected = &golden["rendered"][name][title][key];
                match (jinja.render(&messages, prompt), expected.as_str()) {
                    (Ok(text), Some(expected)) => assert_eq!(text, expected, "{name}, {title}, {key}"),
                    (Err(error), None) => {
                        let said = golden["rendered"][name][title][format!("{key}_error")].as_str().unwrap();
                        assert!(error.to_string().contains(said), "{name}, {title}: {error} / {said}");
                    }
                    (got, expected) => panic!("{name}, {title}, {key}: {got:?}, expected {expected:?}"),
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared} renderings");
}

/// Messages whose answers begin with white space: there a merge would cross the border, and we do not let it.
fn merges_over_border(messages: &[Message]) -> bool {
    messages.iter().any(|m| m.role == "assistant" && m.content.starts_with(char::is_whitespace))
}

fn holds_special_text(messages: &[Message]) -> bool {
    messages.iter().any(|m| m.content.contains("<|im_end|>"))
}

/// Conversations and prompts have the ids that `apply_chat_template(tokenize=True)` gives.
#[test]
fn conversations_have_transformers_ids() {
    let golden = golden("chats.json");
    let (mut whole, mut prompts, mut refused) = (0, 0, Vec::new());
    for (name, roles) in golden["templates"].as_object().unwrap() {
        let tokenizer = tokenizer("tokenizer.json", name, &roles["bos"], &roles["eos"]);
        for (title, messages) in golden["chats"].as_object().unwrap() {
            let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
            let row = &golden["rendered"][name][title];
            if row["whole"].is_null() || merges_over_border(&messages) || holds_special_text(&messages) {
                continue;
            }
            match encode_chat(&tokenizer, &messages) {
                Ok(encoded) => {
                    assert_eq!(encoded.tokens, ids(&row["whole_ids"]), "{name}, {title}");
                    whole += 1;
                    if name == "generation" {
                        let mask: Vec<u32> = encoded.train.iter().map(|&train| u32::from(train)).collect();
                        assert_eq!(mask, ids(&row["mask"]), "{name}, {title}");
                    }
                }
                Err(error) => refused.push(format!("{name}, {title}: {error}")),
            }
            if messages.last().unwrap().role != "assistant" {
                assert_eq!(encode_prompt(&tokenizer, &messages).unwrap(), ids(&row["prompt_ids"]), "{name}, {title}");
                prompts += 1;
            }
        }
    }
    assert!(whole > 100 && prompts >= 8, "{whole} conversations, {prompts} prompts; {}", refused.join("\n"));
    // What is refused: no answer to train on, no prompt before it, and templates that render a turn differently once
    // it is history (Mistral's moves the system message to the last user message).
    for line in &refused {
        let known = ["unanswered", "assistant first", "mistral, system", "qwen3, ", "corners, "]
            .iter()
            .any(|what| line.contains(what));
        assert!(known, "{line}");
    }
}

#[test]
fn strings_have_the_tokenizers_ids() {
    let golden = golden("strings.json");
    let tokenizer = tokenizer("tokenizer.json", "chatml", &Value::Null, &"<|im_end|>".into());
    for (i, text) in golden["strings"].as_array().unwrap().iter().enumerate() {
        let text = text.as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids(&golden["ids"][i]), "{text:?}");
        assert_eq!(tokenizer.encode_plain(text).unwrap(), ids(&golden["plain_ids"][i]), "{text:?}");
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap(), false).unwrap(), text);
    }
}

/// A GGUF's tables of a SentencePiece model give the ids of the sentencepiece library.
#[test]
fn sentencepiece_tables_give_its_ids() {
    let (golden, strings) = (golden("sentencepiece.json"), golden("strings.json"));
    let tokenizer = Tokenizer::from_gguf(GgufVocab {
        model: "llama".into(),
        tokens: serde_json::from_value(golden["tokens"].clone()).unwrap(),
        scores: serde_json::from_value(golden["scores"].clone()).unwrap(),
        token_types: serde_json::from_value(golden["token_types"].clone()).unwrap(),
        bos: Some(golden["bos"].as_u64().unwrap() as u32),
        eos: Some(golden["eos"].as_u64().unwrap() as u32),
        unk: Some(golden["unk"].as_u64().unwrap() as u32),
        ..GgufVocab::default()
    })
    .unwrap();
    let (mut same, mut all) = (0, 0);
    for (i, text) in strings["strings"].as_array().unwrap().iter().enumerate() {
        let text = text.as_str().unwrap();
        // The library drops NUL and what follows; ours keeps all bytes.
        if text.is_empty() || text.contains('\0') {
            continue;
        }
        all += 1;
        let got = tokenizer.encode_plain(text).unwrap();
        assert_eq!(got, ids(&golden["ids"][i]), "{text:?}");
        same += 1;
        assert_eq!(tokenizer.decode(&got, true).unwrap(), golden["decoded"][i].as_str().unwrap(), "{text:?}");
        let with_bos = tokenizer.encode_with_bos(text).unwrap();
        assert_eq!((with_bos[0], &with_bos[1..]), (tokenizer.bos_id().unwrap(), &got[..]));
    }
    assert!(same == all && all > 50);
}
