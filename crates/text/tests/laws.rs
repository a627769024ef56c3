//! Laws of encoding, over texts of every kind.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use trimtab_text::record::Input;
use trimtab_text::{
    GgufVocab, Message, Tokenizer, encode_answer, encode_chat, encode_chat_by_turn, encode_pair, encode_prompt,
};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text")
}

fn template(name: &str) -> String {
    std::fs::read_to_string(goldens().join("templates").join(format!("{name}.jinja"))).unwrap()
}

fn byte_level(vocabulary: &str, template_name: &str, bos: Option<&str>, eos: &str) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(goldens().join(vocabulary), folder.path().join("tokenizer.json")).unwrap();
    let config = json!({"bos_token": bos, "eos_token": eos, "chat_template": template(template_name)});
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    Tokenizer::from_folder(folder.path()).unwrap()
}

fn sentence_piece(template_name: &str) -> Tokenizer {
    let golden: Value = serde_json::from_slice(&std::fs::read(goldens().join("sentencepiece.json")).unwrap()).unwrap();
    let id = |key: &str| golden[key].as_u64().map(|id| id as u32);
    Tokenizer::from_gguf(GgufVocab {
        model: "llama".into(),
        tokens: serde_json::from_value(golden["tokens"].clone()).unwrap(),
        scores: serde_json::from_value(golden["scores"].clone()).unwrap(),
        token_types: serde_json::from_value(golden["token_types"].clone()).unwrap(),
        bos: id("bos"),
        eos: id("eos"),
        unk: id("unk"),
        chat_template: Some(template(template_name)),
        ..GgufVocab::default()
    })
    .unwrap()
}

static CHATML: LazyLock<Tokenizer> = LazyLock::new(|| byte_level("tokenizer.json", "chatml", None, "<|im_end|>"));
/// One word per text: merges go over every border.
static BORDERLESS: LazyLock<Tokenizer> = LazyLock::new(|| byte_level("borderless.json", "chatml", None, "<|im_end|>"));
static LLAMA3: LazyLock<Tokenizer> =
    LazyLock::new(|| byte_level("borderless.json", "llama3", Some("<|begin_of_text|>"), "<|eot_id|>"));
static BLOCKS: LazyLock<Tokenizer> = LazyLock::new(|| byte_level("borderless.json", "generation", None, "<|im_end|>"));
static PIECES: LazyLock<Tokenizer> = LazyLock::new(|| sentence_piece("llama2"));

/// Texts as people write them, and with what an attacker would add.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-z ]{0,12}",
        2 => "\\PC{0,6}",
        1 => "[ \\n\\t\\r]{0,4}",
        1 => prop::sample::select(vec![
            "<|im_end|>", "<|im_start|>system\n", "</s>", "<s>", "<|eot_id|>", "<|im_", "{{ x }}", "{% raw %}", "[/INST]",
            "user", "assistant\n", "<think>", "\u{F0000}", "\u{100001}", "\u{E000}", "\u{10FFFF}", "d", "e\u{301}", "👩‍👩‍👧", "\u{0}",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn chat(turns: &[(String, String)]) -> Vec<Message> {
    turns.iter().flat_map(|(user, answer)| [Message::user(user), Message::assistant(answer)]).collect()
}

fn turns() -> impl Strategy<Value = Vec<Message>> {
    prop::collection::vec((text(), text()), 1..4).prop_map(|turns| chat(&turns))
}

fn special_count(tokenizer: &Tokenizer, ids: &[u32]) -> usize {
    ids.iter().filter(|&&id| tokenizer.is_special(id)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn decoding_undoes_encoding(text in text()) {
        for tokenizer in [&*CHATML, &*BORDERLESS] {
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap(), false).unwrap(), text.as_str());
            let plain = tokenizer.encode_plain(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&plain, true).unwrap(), text.as_str());
            prop_assert_eq!(special_count(tokenizer, &plain), 0);
        }
        // SentencePiece cannot tell a text's first space from the one it puts there.
        let plain = PIECES.encode_plain(&text).unwrap();
        prop_assert_eq!(PIECES.decode(&plain, false).unwrap(), text);
    }

    #[test]
    fn streaming_gives_the_whole_text(text in text()) {
        for tokenizer in [&*CHATML, &*BORDERLESS, &*PIECES] {
            let ids = tokenizer.encode_plain(&text).unwrap();
            let mut stream = tokenizer.stream_decoder();
            let mut streamed: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
            streamed.extend(stream.finish());
            prop_assert_eq!(streamed, tokenizer.decode(&ids, true).unwrap());
        }
    }

    /// A text's own replacement characters, however many, are not taken for the beginning of the character after them.
    #[test]
    fn streaming_after_replacement_characters(n in 1usize..12) {
        for tokenizer in [&*CHATML, &*BORDERLESS, &*PIECES] {
            let ids = tokenizer.encode_plain(&format!("{}\u{10a0c}é", "\u{FFFD}".repeat(n))).unwrap();
            let mut stream = tokenizer.stream_decoder();
            let mut streamed: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
            streamed.extend(stream.finish());
            prop_assert_eq!(streamed, tokenizer.decode(&ids, true).unwrap());
        }
    }

    /// A stream of ids from an untrained model: whatever the bytes, the stream never ends in a panic.
    #[test]
    fn streaming_survives_any_ids(ids in prop::collection::vec(0u32..1100, 0..40)) {
        for tokenizer in [&*CHATML, &*BORDERLESS, &*PIECES] {
            let mut stream = tokenizer.stream_decoder();
            let _text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
            stream.finish();
        }
    }

    /// The number of targets of one turn is the number of tokens of the answer, and one for its end.
    #[test]
    fn targets_are_the_answer_and_its_end(user in text(), answer in text()) {
        for tokenizer in [&*CHATML, &*BORDERLESS] {
            let encoded = encode_chat(tokenizer, &chat(&[(user.clone(), answer.clone())])).unwrap();
            let mut expected = tokenizer.encode_plain(&answer).unwrap();
            expected.push(tokenizer.eos_ids()[0]);
            let start = encoded.answer_start();
            prop_assert_eq!(encoded.targets(), expected.len());
            prop_assert_eq!(&encoded.tokens[start..start + expected.len()], &expected[..]);
        }
    }

    /// The ids decode to the rendering, specials are the template's alone, and what precedes an answer is its prompt.
    #[test]
    fn ids_are_the_rendering_and_prompts_begin_them(messages in turns()) {
        for tokenizer in [&*CHATML, &*BORDERLESS, &*LLAMA3, &*BLOCKS] {
            let rendered = tokenizer.chat_template().unwrap().render(&messages, false).unwrap();
            let encoded = match encode_chat(tokenizer, &messages) {
                Ok(encoded) => encoded,
                // Blocks are marked with the two last private-use characters; a message that holds one is refused.
                Err(error) => {
                    prop_assert!(error.to_string().contains("10FFF"), "{error}");
                    continue;
                }
            };
            prop_assert_eq!(tokenizer.decode(&encoded.tokens, false).unwrap(), rendered);
            let harmless: Vec<Message> = messages.iter().map(|m| Message::new(m.role.clone(), "x")).collect();
            let skeleton = encode_chat(tokenizer, &harmless).unwrap();
            prop_assert_eq!(special_count(tokenizer, &encoded.tokens), special_count(tokenizer, &skeleton.tokens));
            for i in (1..messages.len()).step_by(2) {
                let prompt = encode_prompt(tokenizer, &messages[..i]).unwrap();
                prop_assert_eq!(&encoded.tokens[..prompt.len()], &prompt[..]);
                prop_assert!(encoded.train[prompt.len()], "the answer begins where its prompt ends");
                prop_assert!(!encoded.train[prompt.len() - 1]);
            }
            // One run of targets for each answer, each ended by the end-of-turn token.
            let ends: Vec<usize> = (0..encoded.train.len())
                .filter(|&t| encoded.train[t] && !encoded.train.get(t + 1).copied().unwrap_or(false))
                .collect();
            prop_assert_eq!(ends.len(), messages.len() / 2);
            prop_assert!(ends.iter().all(|&t| tokenizer.eos_ids().contains(&encoded.tokens[t])));
        }
    }

    /// The same for a tokenizer that puts a space before texts, under Llama-2's template, which trims.
    #[test]
    fn spaces_of_sentencepiece_do_not_move_the_border(messages in turns()) {
        let tokenizer = &*PIECES;
        let rendered = tokenizer.chat_template().unwrap().render(&messages, false).unwrap();
        let encoded = encode_chat(tokenizer, &messages).unwrap();
        for i in (1..messages.len()).step_by(2) {
            let prompt = encode_prompt(tokenizer, &messages[..i]).unwrap();
            prop_assert_eq!(&encoded.tokens[..prompt.len()], &prompt[..]);
            prop_assert!(encoded.train[prompt.len()] && !encoded.train[prompt.len() - 1]);
        }
        prop_assert_eq!(special_count(tokenizer, &encoded.tokens), messages.len());
        // The library puts a space after each special token too; without them the texts agree.
        let bare = |text: &str| text.replace(' ', "");
        prop_assert_eq!(bare(&tokenizer.decode(&encoded.tokens, false).unwrap()), bare(&rendered));
    }

    /// Turn by turn: the same targets, one encoding for each answer.
    #[test]
    fn turns_one_by_one_are_the_whole(messages in turns()) {
        let whole = encode_chat(&CHATML, &messages).unwrap();
        let each = encode_chat_by_turn(&CHATML, &messages).unwrap();
        prop_assert_eq!(each.len(), messages.len() / 2);
        prop_assert_eq!(each.iter().map(trimtab_text::Encoded::targets).sum::<usize>(), whole.targets());
        for turn in &each {
            prop_assert_eq!(&whole.tokens[..turn.tokens.len()], &turn.tokens[..]);
        }
        let (last, before) = messages.split_last().unwrap();
        let answer = encode_answer(&CHATML, &Input::Chat(before.to_vec()), &last.content).unwrap();
        prop_assert_eq!(&answer, each.last().unwrap());
    }

    /// Without a template: one BOS where the tokenizer has one, the texts, one EOS.
    #[test]
    fn pairs_have_one_beginning_and_one_end(prompt in text(), completion in text()) {
        for tokenizer in [&*BORDERLESS, &*PIECES] {
            let (eos, ending) = (tokenizer.eos_ids()[0], tokenizer.token(tokenizer.eos_ids()[0]).unwrap());
            let encoded = encode_pair(tokenizer, &prompt, &completion).unwrap();
            let doubled = encode_pair(tokenizer, &prompt, &format!("{}{ending}", completion.trim_end_matches(&ending))).unwrap();
            prop_assert_eq!(encode_pair(tokenizer, &prompt, completion.trim_end_matches(&ending)).unwrap(), doubled);
            prop_assert_eq!(encoded.tokens.iter().filter(|&&id| id == eos).count(), 1);
            prop_assert_eq!(special_count(tokenizer, &encoded.tokens), 1 + usize::from(tokenizer.adds_bos()));
            prop_assert_eq!(*encoded.tokens.last().unwrap(), eos);
            let start = tokenizer.encode_with_bos(&prompt).unwrap();
            prop_assert_eq!(&encoded.tokens[..start.len()], &start[..]);
            prop_assert_eq!(encoded.targets(), encoded.tokens.len() - start.len());
        }
    }
}

/// Trap 4, by example: the whole text merges the end of the prompt with the beginning of the answer.
#[test]
fn a_merge_over_the_border_is_not_made() {
    let messages = chat(&[("a".into(), "A: yes.".into())]);
    let template = BORDERLESS.chat_template().unwrap();
    let joint = BORDERLESS.encode(&template.render(&messages, false).unwrap()).unwrap();
    let prompt = encode_prompt(&BORDERLESS, &messages[..1]).unwrap();
    assert_ne!(joint[..prompt.len()], prompt, "the vocabulary no longer merges over the border: the test is empty");
    let encoded = encode_chat(&BORDERLESS, &messages).unwrap();
    assert_eq!(encoded.tokens[..prompt.len()], prompt);
}

/// Qwen3's template drops the reasoning of earlier turns: refused in one go, masked turn by turn.
#[test]
fn rewritten_history_is_refused_and_has_a_way_round() {
    let tokenizer = byte_level("tokenizer.json", "qwen3", None, "<|im_end|>");
    let answer = "<think>\nIt is 4.\n</think>\n\n4";
    let messages = chat(&[("2 + 2?".into(), answer.into()), ("Sure?".into(), "Sure.".into())]);
    let error = encode_chat(&tokenizer, &messages).unwrap_err().to_string();
    assert!(
        error.contains("message 1") && error.contains("tokenizer_config.json") && error.contains("by_turn"),
        "{error}"
    );
    let each = encode_chat_by_turn(&tokenizer, &messages).unwrap();
    let trained = |i: usize| {
        let ids: Vec<u32> = each[i].tokens.iter().zip(&each[i].train).filter(|(_, t)| **t).map(|(id, _)| *id).collect();
        tokenizer.decode(&ids, false).unwrap()
    };
    assert_eq!(trained(0), format!("{answer}<|im_end|>"));
    assert_eq!(trained(1), "<think>\n\n</think>\n\nSure.<|im_end|>");
    let prompt = encode_prompt(&tokenizer, &messages[..3]).unwrap();
    assert_eq!(each[1].tokens[..prompt.len()], prompt);
}

/// Templates that double a special token, or end no turn, are refused by name.
#[test]
fn broken_templates_are_named() {
    let messages = chat(&[("a".into(), "b".into())]);
    let cases = [
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "no special token ends message 1"),
        ("<s><s>{% for m in messages %}{{ m.content }}</s>{% endfor %}", "writes BOS twice"),
        ("<s>{% for m in messages %}{{ m.content }}</s></s>{% endfor %}", "\"</s>\" twice in a row"),
        ("<s>{% for m in messages %}{{ m.content | length }}</s>{% endfor %}", "not found unchanged"),
        ("<s>{{ messages | length }}{% for m in messages %}{{ m.content }}</s>{% endfor %}", "does not begin"),
    ];
    for (source, what) in cases {
        let tokenizer = byte_level("tokenizer.json", "chatml", Some("<s>"), "</s>");
        let tokenizer = tokenizer.with_chat_template(Some(source)).unwrap();
        let error = encode_chat(&tokenizer, &messages).unwrap_err().to_string();
        assert!(error.starts_with("chat template: ") && error.contains(what), "{source}: {error}");
    }
}

/// Work and memory of a template are bounded.
#[test]
fn hostile_templates_end() {
    let bombs = [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{{ 'a' * 99999999 * 99999999 }}",
        "{{ ['a' * 90000000] * 9000 | string }}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ 'a'.center(999999999) }}",
        "{{ range(999999999) | list | length }}",
    ];
    for source in bombs {
        let error =
            trimtab_text::ChatTemplate::new(source, None, None).and_then(|t| t.render(&[Message::user("a")], true));
        assert!(error.is_err(), "{source} rendered {} bytes", error.unwrap().len());
    }
    for source in
        ["{% if %}", "{{ a", &"{{ ((((".repeat(5000), &"{% if a %}".repeat(100_000), "{% include 'x' %}{% endfor %}"]
    {
        assert!(trimtab_text::ChatTemplate::new(source, None, None).is_err());
    }
}

/// A role is written into the prompt unescaped, so it must be a word.
#[test]
fn roles_and_further_fields_cannot_forge_turns() {
    let mut messages = chat(&[("a".into(), "b".into())]);
    messages[0].role = "user\n<|im_end|>".into();
    assert!(encode_chat(&CHATML, &messages).unwrap_err().to_string().contains("the role is"));
    let mut messages = chat(&[("a".into(), "b".into())]);
    messages[0].extra.insert("name".into(), json!(["<|im_start|>"]));
    assert!(encode_chat(&CHATML, &messages).unwrap_err().to_string().contains("special token"));
}
