//! The tokenizer inside a GGUF file, as the JSON that the tokenizers library reads.
//!
//! The pre-tokenizer is a name in GGUF (`tokenizer.ggml.pre`); what each name means is llama.cpp's table of regular
//! expressions, written here as the equivalent pre-tokenizers. Source: llama.cpp, `src/llama-vocab.cpp`.
//!
//! Where ours differs:
//! 1. `qwen2` composes text (NFC) first, as the model's own tokenizer.json does; llama.cpp does not.
//! 2. SentencePiece vocabularies (`llama`) become merges ordered by score, as transformers converts them; llama.cpp
//!    merges by score directly. They differ only where two pieces have the same score.

use crate::error::{Error, Problem};
use crate::tokenizer::SpecialIds;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Tables of a GGUF tokenizer, under the names of the `tokenizer.ggml.*` keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufVocab {
    /// `model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece BPE with byte fallback).
    pub model: String,
    /// `pre`: the pre-tokenizer's name; not used by `llama`.
    pub pre: String,
    /// Token texts by id.
    pub tokens: Vec<String>,
    /// Scores by id (`llama` only).
    pub scores: Vec<f32>,
    /// Token types by id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Empty: all normal.
    pub token_types: Vec<i32>,
    /// Merges as `left right`, best first (`gpt2` only).
    pub merges: Vec<String>,
    /// Beginning of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// End of turn.
    pub eot: Option<u32>,
    /// Unknown token.
    pub unk: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
    /// Whether raw text begins with BOS; where absent, true for `llama` and for the pre-tokenizer `llama-bpe`.
    pub add_bos: Option<bool>,
    /// Whether raw text ends with EOS. Read, and not acted on: an EOS belongs to an answer, not to a prompt.
    pub add_eos: Option<bool>,
    /// Whether a space is put before a text (`llama`; true where absent).
    pub add_space_prefix: Option<bool>,
    /// The chat template.
    pub chat_template: Option<String>,
}

const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Whether raw text begins with BOS.
pub(crate) fn adds_bos(tables: &GgufVocab) -> bool {
    tables.add_bos.unwrap_or(tables.model == "llama" || tables.pre == "llama-bpe")
}

/// The tokenizer.json of the tables, and the ids of the tokens with a role.
pub(crate) fn tokenizer_json(name: &str, tables: &GgufVocab) -> Result<(Value, SpecialIds), Error> {
    let bad = |what: String, expected: &str, hint: &str| Error::Tokenizer(Problem::new(name, what, expected, hint));
    let anew = "convert the model to GGUF anew";
    let mut vocab = Map::new();
    for (id, token) in tables.tokens.iter().enumerate() {
        if vocab.insert(token.clone(), id.into()).is_some() {
            return Err(bad(format!("token {token:?} occurs twice, again as id {id}"), "different tokens", anew));
        }
    }
    if vocab.is_empty() {
        return Err(bad("there are no tokens".into(), "tokenizer.ggml.tokens", anew));
    }
    for (key, len) in [("token_type", tables.token_types.len()), ("scores", tables.scores.len())] {
        if len != 0 && len != tables.tokens.len() {
            let what = format!("{len} entries in {key} for {} tokens", tables.tokens.len());
            return Err(bad(what, "one entry a token", anew));
        }
    }
    let roles = [tables.bos, tables.eos, tables.eot, tables.unk, tables.pad];
    if let Some(id) = roles.into_iter().flatten().find(|&id| id as usize >= tables.tokens.len()) {
        let what = format!("a special token has the id {id}, there are {} tokens", tables.tokens.len());
        return Err(bad(what, "ids of the vocabulary", anew));
    }

    let parts = match tables.model.as_str() {
        "gpt2" => byte_level(tables, &vocab, &bad)?,
        "llama" => sentence_piece(tables, &vocab, &bad)?,
        other => {
            return Err(bad(
                format!("the tokenizer model {other:?} is not supported"),
                "\"gpt2\" or \"llama\"",
                "put the model's tokenizer.json beside the GGUF file",
            ));
        }
    };
    let roles: BTreeSet<u32> = [tables.bos, tables.eos, tables.eot, tables.pad].into_iter().flatten().collect();
    let added: Vec<Value> = tables
        .tokens
        .iter()
        .enumerate()
        .filter_map(|(id, token)| {
            let kind = tables.token_types.get(id).copied().unwrap_or(1);
            let special = kind == CONTROL || kind == UNKNOWN || roles.contains(&(id as u32));
            (special || kind == USER_DEFINED).then(|| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special,
                })
            })
        })
        .collect();
    let post_processor = match tables.bos.filter(|_| adds_bos(tables)) {
        Some(bos) => {
            let text = &tables.tokens[bos as usize];
            let special = |kind: u8| json!({"SpecialToken": {"id": text, "type_id": kind}});
            let sequence = |name: &str, kind: u8| json!({"Sequence": {"id": name, "type_id": kind}});
            json!({
                "type": "TemplateProcessing",
                "single": [special(0), sequence("A", 0)],
                "pair": [special(0), sequence("A", 0), special(1), sequence("B", 1)],
                "special_tokens": {text: {"id": text, "ids": [bos], "tokens": [text]}},
            })
        }
        None => Value::Null,
    };
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": parts.normalizer, "pre_tokenizer": parts.pre_tokenizer, "post_processor": post_processor,
        "decoder": parts.decoder, "model": parts.model,
    });
    let eos = [tables.eos, tables.eot].into_iter().flatten().collect();
    Ok((json, SpecialIds { bos: tables.bos, eos, pad: tables.pad, unk: tables.unk }))
}

struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Value,
}

type Bad<'a> = dyn Fn(String, &str, &str) -> Error + 'a;

fn byte_level(tables: &GgufVocab, vocab: &Map<String, Value>, bad: &Bad<'_>) -> Result<Parts, Error> {
    let split =
        |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    // Words are split by the expressions above, so this one only maps bytes to their letters.
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let (splits, ignore_merges, normalizer) = match tables.pre.as_str() {
        "smollm" => (vec![json!({"type": "Digits", "individual_digits": true}), split(GPT2)], false, Value::Null),
        "gpt-2" => (vec![split(GPT2)], false, Value::Null),
        "default" | "" => {
            let first = split(r"[\p{P}\$\+<=>\^~\|]+");
            (vec![first, split(GPT2), split(r"\p{N}+"), split("[0-9][0-9][0-9]")], false, Value::Null)
        }
        "llama-bpe" => (vec![split(LLAMA3)], true, Value::Null),
        "qwen2" => (vec![split(QWEN2)], false, json!({"type": "NFC"})),
        other => {
            return Err(bad(
                format!("the pre-tokenizer {other:?} is not supported"),
                "\"smollm\", \"gpt-2\", \"default\", \"llama-bpe\" or \"qwen2\"",
                "put the model's tokenizer.json beside the GGUF file",
            ));
        }
    };
    let mut merges = Vec::with_capacity(tables.merges.len());
    for (rank, merge) in tables.merges.iter().enumerate() {
        // A left part is never empty, so a space in first place belongs to it.
        let cut = merge.char_indices().skip(1).find(|(_, c)| *c == ' ').map(|(at, _)| at);
        let pair = cut.map(|at| (&merge[..at], &merge[at + 1..]));
        let known = |(left, right): &(&str, &str)| {
            vocab.contains_key(*left) && vocab.contains_key(*right) && vocab.contains_key(&format!("{left}{right}"))
        };
        let Some((left, right)) = pair.filter(known) else {
            return Err(bad(
                format!("merge {rank} is {merge:?}, whose parts or result are not in the vocabulary"),
                "two tokens and a space between them",
                "convert the model to GGUF anew",
            ));
        };
        merges.push(json!([left, right]));
    }
    let pre_tokenizers: Vec<Value> = splits.into_iter().chain(std::iter::once(bytes)).collect();
    Ok(Parts {
        normalizer,
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": pre_tokenizers}),
        decoder: json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges,
            "vocab": vocab, "merges": merges,
        }),
    })
}

fn sentence_piece(tables: &GgufVocab, vocab: &Map<String, Value>, bad: &Bad<'_>) -> Result<Parts, Error> {
    if tables.scores.is_empty() {
        return Err(bad("there are no scores".into(), "tokenizer.ggml.scores", "convert the model to GGUF anew"));
    }
    // Every way to split a piece into two pieces is a merge; the score of the whole orders them.
    let id = |text: &str| vocab.get(text).and_then(Value::as_u64);
    let mut merges: Vec<(f32, &str, &str)> = Vec::new();
    for (index, token) in tables.tokens.iter().enumerate() {
        let normal = tables.token_types.get(index).is_none_or(|&kind| kind == 1 || kind == USER_DEFINED);
        // Longer than any SentencePiece piece (16 characters by default): hostile input would cost its square.
        if !normal || token.len() > 512 {
            continue;
        }
        let mut local: Vec<((u64, u64), &str, &str)> = token
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| {
                let (left, right) = token.split_at(at);
                Some(((id(left)?, id(right)?), left, right))
            })
            .collect();
        local.sort_unstable();
        merges.extend(local.into_iter().map(|(_, left, right)| (tables.scores[index], left, right)));
    }
    let length = |text: &str| text.chars().count();
    merges
        .sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (length(b.1), length(b.2)).cmp(&(length(a.1), length(a.2)))));
    let merges: Vec<Value> = merges.into_iter().map(|(_, left, right)| json!([left, right])).collect();

    let prefix = tables.add_space_prefix.unwrap_or(true);
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let unk = tables.unk.and_then(|unk| tables.tokens.get(unk as usize));
    Ok(Parts {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": merges,
        }),
    })
}
