//! GGUF against the `gguf` Python package (goldens/gguf), against our own small writer, and against spoiled files.
#![allow(clippy::unwrap_used)] // clippy does not take helpers for tests

mod gguf_writer;

use gguf_writer::{Writer, filled, float, number, strings, text};
use proptest::prelude::*;
use serde_json::Value;
use trimtab_engine::checkpoint::{Error, gguf};
use trimtab_engine::config::{Architecture, ModelConfig, RopeScaling};
use trimtab_engine::params::Params;

const BLOCKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/gguf/blocks.json");
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/gguf/tiny.gguf");

fn load(bytes: &[u8]) -> Result<Params, Error> {
    gguf::parse("model.gguf", bytes)?.load_params()
}

/// A model whose rows are whole blocks of every type (256 values).
fn wide() -> ModelConfig {
    ModelConfig {
        hidden_size: 256,
        intermediate_size: 256,
        vocab_size: 3,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        num_key_value_heads: 1,
        head_dim: 2,
        ..ModelConfig::tiny()
    }
}

fn unhex(s: &str) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).expect("the goldens are hexadecimal") as u8;
    s.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

/// Every type dequantises to the package's values, bit for bit.
#[test]
fn blocks_dequantise_as_in_the_gguf_package() {
    let cases: Value = serde_json::from_slice(&std::fs::read(BLOCKS).unwrap()).unwrap();
    let params = filled(&wide());
    let mut seen = Vec::new();
    for case in cases.as_array().unwrap() {
        let (kind, raw) = (case["type"].as_str().unwrap(), unhex(case["raw"].as_str().unwrap()));
        let expected = unhex(case["f32"].as_str().unwrap());
        // The first value matrix of the model takes the block, repeated to fill its two rows.
        let mut writer = Writer::new(&params, "llama");
        let tensor = writer.tensors.iter_mut().find(|(name, ..)| name == "blk.0.attn_v.weight").unwrap();
        tensor.2 = case["number"].as_u64().unwrap() as u32;
        tensor.3 = raw.repeat(512 * 4 / expected.len());
        let loaded = load(&writer.bytes()).unwrap();
        let values = &loaded.tensors.iter().find(|t| t.name.ends_with("v_proj.weight")).unwrap().data;
        let bits: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(bits == expected.repeat(512 * 4 / expected.len()), "{kind}");
        seen.push(kind.to_owned());
    }
    for kind in ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "F16", "BF16"] {
        assert!(seen.iter().any(|k| k == kind), "no golden for {kind}");
    }
}

/// A file written by the package: names, shapes, rows back in halves, Llama 3's rule found in its divisors.
#[test]
fn a_file_of_the_gguf_package_loads() {
    let file = gguf::open(TINY.as_ref()).unwrap();
    let params = file.load_params().unwrap();
    let c = &params.config;
    assert_eq!(c.architecture, Architecture::Llama);
    assert_eq!((c.vocab_size, c.hidden_size, c.intermediate_size, c.num_hidden_layers), (13, 16, 24, 2));
    assert_eq!((c.num_attention_heads, c.num_key_value_heads, c.head_dim), (2, 1, 16));
    assert_eq!((c.rms_norm_eps, c.rope_theta, c.max_position_embeddings), (1e-5, 500_000.0, 131_072));
    assert_eq!((c.bos_token_id, c.eos_token_ids.as_slice()), (Some(11), [12, 10].as_slice()));
    assert!(!c.tie_word_embeddings);
    let rule = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    assert_eq!(c.rope_scaling, Some(rule));
    for (t, tensor) in params.tensors.iter().enumerate() {
        for (i, &v) in tensor.data.iter().enumerate() {
            assert_eq!(v, ((1000 * t + i) % 4096) as f32 / 64.0, "{} value {i}", tensor.name);
        }
    }
    let tables = file.tokenizer_tables().unwrap();
    assert_eq!(tables.tokens[12], "t12");
    assert_eq!(tables.merges, ["t 1", "t 2"]);
    assert_eq!(tables.token_types[10..], [1, 3, 3]);
    assert_eq!((tables.bos, tables.eos, tables.eot, tables.unk), (Some(11), Some(12), Some(10), None));
    assert_eq!((tables.add_bos, tables.add_eos), (Some(true), None));
    assert_eq!(tables.chat_template.as_deref(), Some("{{ messages }}"));
}

#[test]
fn every_family_returns_as_it_was_written() {
    let tiny = ModelConfig::tiny;
    let llama = ModelConfig { tie_word_embeddings: false, bos_token_id: Some(3), ..tiny() };
    let qwen2 = ModelConfig { architecture: Architecture::Qwen2, qkv_bias: true, ..tiny() };
    let qwen3 = ModelConfig { architecture: Architecture::Qwen3, qk_norm: true, head_dim: 8, ..tiny() };
    for (config, name) in [(llama, "llama"), (qwen2, "qwen2"), (qwen3, "qwen3")] {
        let params = filled(&config);
        for version in [2, 3] {
            let writer = Writer { version, ..Writer::new(&params, name) };
            assert_eq!(load(&writer.bytes()).unwrap(), params, "{name}");
        }
    }
}

#[test]
fn mistral_and_linear_scaling_are_recognised() {
    let params = filled(&ModelConfig::tiny());
    let mut writer = Writer::new(&params, "llama");
    writer.set("llama.attention.sliding_window", number(7));
    writer.set("llama.rope.scaling.type", text("linear")).set("llama.rope.scaling.factor", float(2.0));
    let config = load(&writer.bytes()).unwrap().config;
    assert_eq!((config.architecture, config.sliding_window), (Architecture::Mistral, Some(7)));
    assert_eq!(config.rope_scaling, Some(RopeScaling::Linear { factor: 2.0 }));
}

/// Spoils one thing, and returns the message, which must name the file, the expectation and a next step.
fn refused(spoil: impl Fn(&mut Writer)) -> String {
    let mut writer = Writer::new(&filled(&ModelConfig::tiny()), "llama");
    spoil(&mut writer);
    message(&writer.bytes())
}

fn message(bytes: &[u8]) -> String {
    let error = load(bytes).expect_err("a spoiled file must be refused");
    let text = error.to_string();
    assert!(error.is_user(), "{text}");
    assert!(text.starts_with("model.gguf") && text.contains("\n  expected ") && text.contains("\n  try: "), "{text}");
    text
}

#[test]
fn unsupported_things_are_refused_by_name() {
    let has = |text: String, needle: &str| assert!(text.contains(needle), "{text}");
    has(refused(|w| _ = w.set("general.architecture", text("gemma"))), "gemma");
    has(refused(|w| _ = w.set("llama.rope.scaling.type", text("yarn"))), "yarn");
    has(refused(|w| _ = w.set("llama.expert_count", number(8))), "expert_count");
    has(refused(|w| _ = w.set("llama.rope.dimension_count", number(2))), "rope.dimension_count");
    has(refused(|w| w.tensors[1].2 = 10), "Q2_K");
    has(refused(|w| w.version = 1), "version 1");
    has(refused(|w| w.version = 3u32.swap_bytes()), "big-endian");
    has(refused(|w| w.tensors.push(("rope_freqs.weight".into(), vec![3], 0, [0, 0, 0, 65].repeat(3)))), "rope_freqs");
    has(refused(|w| w.tensors.push(("blk.0.attn_q.bias".into(), vec![24], 0, vec![0; 96]))), "attn_q.bias");
}

#[test]
fn contradictions_are_refused() {
    let has = |text: String, needle: &str| assert!(text.contains(needle), "{text}");
    has(refused(|w| _ = w.set("llama.attention.head_count", number(0))), "num_attention_heads is 0");
    has(refused(|w| _ = w.set("llama.attention.head_count_kv", number(3))), "4 query heads over 3");
    has(refused(|w| _ = w.set("llama.block_count", number(u32::MAX))), "num_hidden_layers");
    has(refused(|w| _ = w.set("llama.block_count", number(3))), "blk.2.");
    has(refused(|w| _ = w.set("llama.block_count", number(1))), "blk.1.");
    has(refused(|w| _ = w.set("llama.embedding_length", text("many"))), "embedding_length");
    has(refused(|w| _ = w.set("llama.feed_forward_length", number(41))), "shape");
    has(refused(|w| _ = w.set("tokenizer.ggml.eos_token_id", number(61))), "61");
    has(refused(|w| _ = w.set("tokenizer.ggml.tokens", strings(&["x"; 62]))), "62 tokens");
    has(refused(|w| w.keys.retain(|(k, _)| k != "llama.block_count")), "block_count");
    has(refused(|w| w.keys.push(w.keys[0].clone())), "twice");
    has(refused(|w| w.tensors[3].0 = w.tensors[4].0.clone()), "twice");
    has(refused(|w| w.tensors[0].3[..4].copy_from_slice(&f32::NAN.to_le_bytes())), "1 NaN and 0 infinite");
}

/// Absurd numbers in the header: an error at once, whatever they claim.
#[test]
fn hostile_headers_are_refused_without_allocating() {
    let has = |text: String, needle: &str| assert!(text.contains(needle), "{text}");
    let huge = [u64::MAX, 1 << 63, 1 << 40];
    let writer = Writer::new(&filled(&ModelConfig::tiny()), "llama");
    let sound = writer.bytes();
    for n in huge {
        for at in [8, 16, 24] {
            let mut bytes = sound.clone();
            bytes[at..at + 8].copy_from_slice(&n.to_le_bytes());
            message(&bytes);
        }
        has(refused(|w| w.tensors[2].1 = vec![n, n]), "shape");
        has(refused(|w| w.tensors[2].1 = vec![n]), "tensor");
        let array = [9u32.to_le_bytes().as_slice(), &0u32.to_le_bytes(), &n.to_le_bytes()].concat();
        refused(|w| _ = w.set("a", array.clone()));
        let mut offsets = vec![0; writer.tensors.len()];
        offsets[5] = n;
        has(message(&writer.bytes_at(&offsets)), "tensor");
    }
    let nested: Vec<u8> =
        [9u32.to_le_bytes().to_vec(), [9u32.to_le_bytes().as_slice(), &1u64.to_le_bytes()].concat().repeat(9)].concat();
    has(refused(|w| _ = w.set("a", nested.clone())), "depth");
    has(refused(|w| w.tensors[0].1 = vec![]), "0 axes");
    has(refused(|w| w.tensors[0].1 = vec![1; 5]), "5 axes");
    has(refused(|w| w.tensors[0].1[0] = 0), "shape");
    has(refused(|w| _ = w.set("general.alignment", number(0))), "general.alignment");
    has(refused(|w| _ = w.set("general.alignment", number(24))), "general.alignment");
    has(refused(|w| _ = w.set("a", vec![99, 0, 0, 0])), "type 99");
    has(refused(|w| _ = w.set("a", vec![7, 0, 0, 0, 2])), "boolean");
    has(refused(|w| _ = w.set("a", [8u32.to_le_bytes().as_slice(), &1u64.to_le_bytes(), &[0xff]].concat())), "UTF-8");
    has(message(&writer.bytes_at(&vec![0; writer.tensors.len()])), "overlaps");
    has(
        message(&writer.bytes_at(&(0..).map(|i| i * 3).take(writer.tensors.len()).collect::<Vec<_>>())),
        "multiple of 32",
    );
    has(message(b"not a model at all, however long"), "GGUF");
    has(message(b""), "GGUF");
}

#[test]
fn every_truncation_is_refused() {
    let sound = Writer::new(&filled(&ModelConfig::tiny()), "llama").bytes();
    load(&sound).unwrap();
    for length in (0..sound.len() - 1).step_by(97).chain(0..1200).chain([sound.len() - 1]) {
        message(&sound[..length]);
    }
}

#[test]
fn a_missing_file_says_so() {
    let error = gguf::open("no/such.gguf".as_ref()).map(|_| ()).unwrap_err();
    assert!(error.is_user() && error.to_string().starts_with("no/such.gguf: cannot open"), "{error}");
}

proptest! {
    /// Whatever a few changed bytes make of a file, it loads or is refused; nothing panics.
    #[test]
    fn mutations_never_panic(changes in prop::collection::vec((0usize..4000, any::<u8>()), 1..8), cut in 0usize..5000) {
        let mut bytes = Writer::new(&filled(&ModelConfig::tiny()), "llama").bytes();
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[at % length] = byte;
        }
        if cut < 1000 {
            bytes.truncate(length - cut);
        }
        if let Ok(file) = gguf::parse("model.gguf", bytes.as_slice()) {
            let _ = file.tokenizer_tables();
            let _ = file.load_params();
        }
    }
}
