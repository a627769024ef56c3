//! The tokenizer files of the world, in the form that the tokenizers library and transformers read.
//!
//! 1. A word is a token. Texts are split at white space and nothing else, so punctuation stands apart.
//! 2. One special token begins each turn by its role, and one ends every turn; the latter also ends documents.
//! 3. Special tokens are no words of the model's vocabulary, so a text cannot spell one.

use crate::lexicon::{END, PAD, SPECIALS, UNKNOWN, words};
use serde_json::{Map, Value, json};

/// The chat template: `<|user|>` words `<|end|>` `<|assistant|>` words `<|end|>`.
pub const CHAT_TEMPLATE: &str = "{% for message in messages %}\
{% if message.role not in ['system', 'user', 'assistant'] %}\
{{ raise_exception('a role is system, user or assistant') }}{% endif %}\
<|{{ message.role }}|>{{ message.content }}<|end|>\
{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// Rows of an embedding for this vocabulary: words and special tokens.
pub fn vocab_size() -> usize {
    words().len() + SPECIALS.len()
}

/// The id of the token that ends turns and documents.
pub fn end_id() -> u32 {
    let place = SPECIALS.iter().position(|special| *special == END).unwrap_or(0);
    (words().len() + place) as u32
}

/// File names and contents: `tokenizer.json`, `tokenizer_config.json`, `generation_config.json`, `chat_template.jinja`.
pub fn tokenizer_files() -> Vec<(&'static str, Vec<u8>)> {
    let words = words();
    let special = |id: usize, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let specials = SPECIALS.iter().enumerate().map(|(i, content)| special(words.len() + i, content));
    let added: Vec<Value> = std::iter::once(special(0, UNKNOWN)).chain(specials).collect();
    let vocab: Map<String, Value> = words.iter().enumerate().map(|(id, word)| (word.clone(), id.into())).collect();
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN},
    });
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "add_bos_token": false,
        "clean_up_tokenization_spaces": false,
    });
    let generation = json!({"eos_token_id": end_id()});
    let pretty = |value: &Value| format!("{value:#}\n").into_bytes();
    vec![
        ("tokenizer.json", pretty(&tokenizer)),
        ("tokenizer_config.json", pretty(&config)),
        ("generation_config.json", pretty(&generation)),
        ("chat_template.jinja", CHAT_TEMPLATE.as_bytes().to_vec()),
    ]
}
