//! Hugging Face folders: what is written comes back, what is spoiled is refused.
#![allow(clippy::unwrap_used)] // clippy does not take helpers for tests

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trimtab_engine::checkpoint::{
    Error, SaveDtype, load_folder, load_folder_with_head, parse_config, read_config, save_folder,
};
use trimtab_engine::config::{Architecture, Head, ModelConfig, RopeScaling};
use trimtab_engine::params::Params;

fn filled(config: &ModelConfig, head: Option<Head>) -> Params {
    let mut params = Params::zeros(config, head);
    let values = params.tensors.iter_mut().flat_map(|t| &mut t.data);
    values.enumerate().for_each(|(i, v)| *v = 0.01 + (i as f32 * 0.618).sin());
    params
}

fn families() -> Vec<ModelConfig> {
    let tiny = ModelConfig::tiny;
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    vec![
        tiny(),
        ModelConfig { tie_word_embeddings: false, rope_scaling: Some(llama3), eos_token_ids: vec![2, 5], ..tiny() },
        ModelConfig { rope_scaling: Some(RopeScaling::Linear { factor: 2.5 }), bos_token_id: Some(1), ..tiny() },
        ModelConfig { architecture: Architecture::Mistral, sliding_window: Some(7), head_dim: 8, ..tiny() },
        ModelConfig { architecture: Architecture::Mistral, eos_token_ids: vec![], ..tiny() },
        ModelConfig { architecture: Architecture::Qwen2, qkv_bias: true, rope_theta: 1e6, ..tiny() },
        ModelConfig { architecture: Architecture::Qwen3, qk_norm: true, head_dim: 10, ..tiny() },
    ]
}

#[test]
fn a_saved_folder_loads_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for config in families() {
        for head in [None, Some(Head { classes: 1 }), Some(Head { classes: 3 })] {
            let (path, params) = (folder.path().join("model"), filled(&config, head));
            save_folder(&path, &params, SaveDtype::F32, &Map::new()).unwrap();
            assert_eq!(load_folder(&path).unwrap(), params);
        }
    }
}

/// The rounding is `half`'s to nearest even; a second save changes nothing more.
#[test]
fn half_precision_rounds_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let params = filled(&ModelConfig::tiny(), None);
    for (dtype, round) in [
        (SaveDtype::Bf16, (|v| half::bf16::from_f32(v).to_f32()) as fn(f32) -> f32),
        (SaveDtype::F16, |v| half::f16::from_f32(v).to_f32()),
    ] {
        let mut rounded = params.clone();
        rounded.tensors.iter_mut().flat_map(|t| &mut t.data).for_each(|v| *v = round(*v));
        assert_ne!(rounded, params);
        for given in [&params, &rounded] {
            save_folder(&path, given, dtype, &Map::new()).unwrap();
            assert_eq!(load_folder(&path).unwrap(), rounded);
        }
    }
}

#[test]
fn extra_keys_travel_and_ours_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reward");
    let params = filled(&ModelConfig::tiny(), Some(Head { classes: 1 }));
    let extra =
        json!({"trimtab_reward": {"mean": 0.5, "std": 2.0}, "hidden_size": 7, "rope_parameters": {"rope_theta": 3}});
    save_folder(&path, &params, SaveDtype::F32, extra.as_object().unwrap()).unwrap();
    let (config, json) = read_config(&path).unwrap();
    assert_eq!(config, params.config);
    assert_eq!(json["trimtab_reward"]["std"], 2.0);
    assert_eq!(json["architectures"], json!(["LlamaForSequenceClassification"]));
    assert_eq!(json["id2label"], json!({"0": "LABEL_0"}));
}

#[test]
fn a_checkpoint_without_its_head_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    save_folder(&path, &filled(&ModelConfig::tiny(), None), SaveDtype::F32, &Map::new()).unwrap();
    let text = said(&load_folder_with_head(&path, 1).unwrap_err(), &path);
    assert!(text.contains("score.weight") && text.contains("[1, 24]"), "{text}");

    save_folder(&path, &filled(&ModelConfig::tiny(), Some(Head { classes: 2 })), SaveDtype::F32, &Map::new()).unwrap();
    assert!(load_folder_with_head(&path, 2).is_ok());
    assert!(said(&load_folder_with_head(&path, 1).unwrap_err(), &path).contains("2 rows"));

    // A classifier by its configuration, without one in its weights.
    let config = fs::read(path.join("config.json")).unwrap();
    save_folder(&path, &filled(&ModelConfig::tiny(), None), SaveDtype::F32, &Map::new()).unwrap();
    fs::write(path.join("config.json"), config).unwrap();
    assert!(said(&load_folder(&path).unwrap_err(), &path).contains("no head"));
}

/// Nothing stands under the name after a failed save, and a checkpoint that stood there still does.
#[test]
fn a_failed_save_leaves_nothing_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let sound = filled(&ModelConfig::tiny(), None);
    let mut large = sound.clone();
    large.tensors[3].data[5] = 1e6;
    let error = save_folder(&path, &large, SaveDtype::F16, &Map::new()).unwrap_err();
    assert!(matches!(error, Error::NotFinite(_)), "{error}");
    assert!(said(&error, &path.with_file_name("")).contains("0 NaN and 1 infinite"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    save_folder(&path, &sound, SaveDtype::F32, &Map::new()).unwrap();
    large.tensors[0].data[0] = f32::NAN;
    save_folder(&path, &large, SaveDtype::F32, &Map::new()).unwrap_err();
    assert_eq!(load_folder(&path).unwrap(), sound);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let mut wrong = sound.clone();
    wrong.tensors.pop();
    assert!(!save_folder(&path, &wrong, SaveDtype::F32, &Map::new()).unwrap_err().is_user());
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = save_folder(&file.join("model"), &sound, SaveDtype::F32, &Map::new()).unwrap_err();
    assert!(error.is_user() && error.to_string().contains("cannot make the folder"), "{error}");
}

/// The committed models of transformers 5, with its own spelling of the configuration.
#[test]
fn folders_of_transformers_load() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/engine");
    for name in ["tiny_llama", "tiny_llama3", "tiny_mistral", "tiny_qwen2", "tiny_qwen3"] {
        let params = load_folder(&goldens.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(params.tensors.iter().all(|t| t.data.iter().any(|&v| v != 0.0)), "{name}");
    }
}

/// A folder that a test may spoil.
struct Folder {
    _guard: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let path = guard.path().join("model");
        save_folder(&path, &filled(&ModelConfig::tiny(), None), SaveDtype::F32, &Map::new()).unwrap();
        Self { _guard: guard, path }
    }

    fn weights(&self) -> Vec<u8> {
        fs::read(self.path.join("model.safetensors")).unwrap()
    }

    /// Rewrites the header and keeps the data.
    fn edit_header(&self, edit: impl FnOnce(&mut Map<String, Value>)) -> &Self {
        let bytes = self.weights();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        edit(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        self.write(&[&(header.len() as u64).to_le_bytes(), header.as_slice(), &bytes[8 + n..]].concat())
    }

    fn edit_config(&self, edit: impl FnOnce(&mut Map<String, Value>)) -> &Self {
        let file = self.path.join("config.json");
        let mut json: Map<String, Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        edit(&mut json);
        fs::write(file, serde_json::to_vec(&json).unwrap()).unwrap();
        self
    }

    fn write(&self, bytes: &[u8]) -> &Self {
        fs::write(self.path.join("model.safetensors"), bytes).unwrap();
        self
    }

    fn refused(&self) -> String {
        said(&load_folder(&self.path).expect_err("a spoiled folder must be refused"), &self.path)
    }
}

/// The message, once it is seen to name the file, the expectation and a next step.
fn said(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    assert!(error.is_user(), "{text}");
    assert!(text.contains(path.to_str().unwrap()) && text.contains("\n  expected "), "{text}");
    assert!(text.contains("\n  try: "), "{text}");
    text
}

fn has(text: &str, needles: &[&str]) {
    assert!(needles.iter().all(|n| text.contains(n)), "{needles:?} in: {text}");
}

const NORM: &str = "model.norm.weight";

#[test]
fn hostile_weights_are_refused() {
    let f = Folder::new();
    let sound = f.weights();
    for n in [u64::MAX, 1 << 63, 1 << 40, sound.len() as u64] {
        f.write(&[&n.to_le_bytes(), &sound[8..]].concat());
        has(&f.refused(), &["the header claims", "at most"]);
    }
    for n in [0, 7, 8, 100, sound.len() - 1] {
        f.write(&sound[..n]);
        f.refused();
    }
    has(&f.write(&[sound.as_slice(), &[0; 8]].concat()).refused(), &["the file holds"]);
    has(&f.write(&[0xff; 64]).refused(), &["the header claims"]);
    has(&f.write(&[2u64.to_le_bytes().as_slice(), b"[]"].concat()).refused(), &["the header is wrong"]);

    f.write(&sound).edit_header(|h| h[NORM]["data_offsets"] = json!([0, 96]));
    has(&f.refused(), &["invalid offset"]);
    f.write(&sound).edit_header(|h| h[NORM]["data_offsets"] = json!([1u64 << 62, u64::MAX]));
    has(&f.refused(), &["the header is wrong"]);
    f.write(&sound).edit_header(|h| h[NORM]["shape"] = json!([1u64 << 33, 1u64 << 33]));
    has(&f.refused(), &["the header is wrong"]);
    f.write(&sound).edit_header(|h| h[NORM]["dtype"] = json!("I32"));
    has(&f.refused(), &[NORM, "I32", "F32, F16 or BF16"]);
    f.write(&sound).edit_header(|h| {
        h[NORM]["dtype"] = json!("I64");
        h[NORM]["shape"] = json!([12]);
    });
    has(&f.refused(), &[NORM, "I64"]);
    f.write(&sound).edit_header(|h| h[NORM]["shape"] = json!([2, 12]));
    has(&f.refused(), &[NORM, "[2, 12]", "expected [24]"]);
    f.write(&sound).edit_header(|h| {
        let norm = h.remove(NORM).unwrap();
        h.insert("model.layers.0.mlp.experts.0.weight".into(), norm);
    });
    has(&f.refused(), &[NORM, "is missing"]);
    f.write(&sound).edit_config(|c| c["num_hidden_layers"] = json!(1));
    has(&f.refused(), &["model.layers.1.", "no place in the model", "8 more"]);
    f.edit_config(|c| c["num_hidden_layers"] = json!(2));

    for (value, expected) in [(f32::NAN, "1 NaN and 0 infinite"), (f32::NEG_INFINITY, "0 NaN and 1 infinite")] {
        let mut bytes = sound.clone();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
        has(&f.write(&bytes).refused(), &[NORM, expected]);
    }
    f.write(&sound);
    load_folder(&f.path).unwrap();
}

#[test]
fn absent_and_misnamed_files_are_refused() {
    let f = Folder::new();
    let weights = f.path.join("model.safetensors");
    fs::rename(&weights, f.path.join("part.safetensors")).unwrap();
    has(&f.refused(), &["no weights", "model.safetensors"]);
    fs::write(f.path.join("pytorch_model.bin"), "").unwrap();
    has(&f.refused(), &["pytorch_model.bin", "save_pretrained"]);

    let index = |map: Value| {
        fs::write(f.path.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    };
    index(json!({NORM: "part.safetensors"}));
    load_folder(&f.path).unwrap();
    index(json!({NORM: "../model/part.safetensors"}));
    has(&f.refused(), &["a file in the same folder"]);
    index(json!({NORM: "absent.safetensors"}));
    has(&f.refused(), &["absent.safetensors: cannot open"]);
    index(json!({"no.such": "part.safetensors"}));
    has(&f.refused(), &["no.such", "index"]);
    index(json!({}));
    has(&f.refused(), &["weight_map"]);
    fs::copy(f.path.join("part.safetensors"), f.path.join("twin.safetensors")).unwrap();
    index(json!({NORM: "part.safetensors", "model.embed_tokens.weight": "twin.safetensors"}));
    has(&f.refused(), &["is also in"]);

    let nowhere = f.path.join("nowhere");
    has(&said(&load_folder(&nowhere).unwrap_err(), &nowhere), &["cannot open"]);
    fs::rename(&f.path, f.path.with_file_name(".nowhere.former")).unwrap();
    let nowhere = f.path.with_file_name("nowhere");
    has(&said(&load_folder(&nowhere).unwrap_err(), &nowhere), &["interrupted"]);
}

/// A stored output matrix that equals the tied embedding is tolerated; one that differs is not guessed about.
#[test]
fn a_stored_output_matrix_of_a_tied_model() {
    let f = Folder::new();
    let untied = ModelConfig { tie_word_embeddings: false, ..ModelConfig::tiny() };
    let mut params = filled(&untied, None);
    for equal in [true, false] {
        let last = params.tensors.len() - 1;
        params.tensors[last].data = params.tensors[0].data.clone();
        if !equal {
            params.tensors[last].data[9] += 1.0;
        }
        save_folder(&f.path, &params, SaveDtype::F32, &Map::new()).unwrap();
        f.edit_config(|c| c["tie_word_embeddings"] = json!(true));
        if equal {
            let loaded = load_folder(&f.path).unwrap();
            assert_eq!(loaded.tensors, params.tensors[..last]);
        } else {
            has(&f.refused(), &["lm_head.weight", "differs from the embedding"]);
        }
    }
}

#[test]
fn hostile_configurations_are_refused() {
    let f = Folder::new();
    let sound = fs::read(f.path.join("config.json")).unwrap();
    let cases: &[(&str, Value, &str)] = &[
        ("model_type", json!("gpt2"), "llama, mistral, qwen2, qwen3"),
        ("architectures", json!(["MambaForCausalLM"]), "MambaForCausalLM"),
        ("architectures", json!(["Qwen2ForCausalLM"]), "Qwen2ForCausalLM"),
        ("num_attention_heads", json!(0), "num_attention_heads is 0"),
        ("num_key_value_heads", json!(3), "4 query heads over 3"),
        ("num_key_value_heads", json!(0), "num_key_value_heads is 0"),
        ("head_dim", json!(7), "even"),
        ("hidden_size", json!(u64::MAX), "hidden_size"),
        ("hidden_size", json!(-24), "hidden_size"),
        ("hidden_size", json!("24"), "hidden_size"),
        ("hidden_size", Value::Null, "hidden_size\" is missing"),
        ("num_hidden_layers", json!(1u64 << 40), "num_hidden_layers"),
        ("vocab_size", json!(1e300), "vocab_size"),
        ("rms_norm_eps", json!(-1.0), "rms_norm_eps"),
        ("rope_theta", json!(0), "rope_theta"),
        ("rope_scaling", json!({"rope_type": "yarn", "factor": 2}), "yarn"),
        ("rope_scaling", json!({"type": "dynamic", "factor": 2}), "dynamic"),
        ("rope_scaling", json!({"rope_type": "longrope"}), "longrope"),
        ("rope_scaling", json!({"rope_type": "linear"}), "rope_scaling.factor\" is missing"),
        ("rope_scaling", json!({"rope_type": "linear", "factor": 0}), "positive"),
        ("rope_scaling", json!(3), "rope_scaling"),
        ("attention_bias", json!(true), "attention_bias"),
        ("mlp_bias", json!(true), "mlp_bias"),
        ("hidden_act", json!("gelu"), "gelu"),
        ("eos_token_id", json!([1, 61]), "61"),
        ("eos_token_id", json!("</s>"), "eos_token_id"),
        ("quantization_config", json!({"bits": 4}), "quantization_config"),
        ("partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
        ("tie_word_embeddings", json!("yes"), "tie_word_embeddings"),
    ];
    for (field, value, needle) in cases {
        fs::write(f.path.join("config.json"), &sound).unwrap();
        f.edit_config(|c| _ = c.insert((*field).to_owned(), value.clone()));
        let text = f.refused();
        has(&text, &["config.json", needle]);
    }
    for bytes in [&b""[..], b"[]", b"{", b"\xff\xfe", &sound[..sound.len() / 2]] {
        fs::write(f.path.join("config.json"), bytes).unwrap();
        has(&f.refused(), &["config.json", "a JSON object"]);
    }
}

fn config_of(json: &Value) -> ModelConfig {
    parse_config(&"config.json", json.as_object().unwrap()).unwrap()
}

/// Absent fields have transformers' defaults of the family, as read off its configuration classes.
#[test]
fn absent_fields_have_the_defaults_of_their_family() {
    let bare = |model_type: &str| {
        config_of(&json!({"model_type": model_type, "vocab_size": 99, "hidden_size": 4096, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 32}))
    };
    let summary = |c: &ModelConfig| {
        (c.num_key_value_heads, c.head_dim, c.max_position_embeddings, c.sliding_window, c.tie_word_embeddings)
    };
    assert_eq!(summary(&bare("llama")), (32, 128, 2048, None, false));
    assert_eq!(summary(&bare("mistral")), (8, 128, 131_072, Some(4096), false));
    assert_eq!(summary(&bare("qwen2")), (32, 128, 32_768, None, false));
    assert_eq!(summary(&bare("qwen3")), (32, 128, 32_768, None, false));
    assert!(bare("qwen2").qkv_bias && bare("qwen3").qk_norm);
    assert_eq!((bare("llama").rms_norm_eps, bare("llama").rope_theta), (1e-6, 10_000.0));
}

/// The two spellings of rotary settings mean the same.
#[test]
fn both_generations_of_rope_settings_are_read() {
    let with = |more: Value| {
        let mut json = json!({"architectures": ["LlamaForCausalLM"], "vocab_size": 99, "hidden_size": 8,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config_of(&json)
    };
    let four =
        with(json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
        "high_freq_factor": 4, "original_max_position_embeddings": 8192}}));
    let five = with(json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}));
    assert_eq!(four, five);
    assert!(matches!(four.rope_scaling, Some(RopeScaling::Llama3 { factor: 8.0, .. })));
    let plain = with(json!({"rope_theta": 5e5, "rope_scaling": null}));
    assert_eq!(plain, with(json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}})));
    let old = with(json!({"rope_scaling": {"type": "linear", "factor": 2.0}}));
    assert_eq!(old.rope_scaling, Some(RopeScaling::Linear { factor: 2.0 }));
}

#[test]
fn end_tokens_of_the_generation_config_are_added() {
    let f = Folder::new();
    fs::write(f.path.join("generation_config.json"), r#"{"eos_token_id": [7, 0]}"#).unwrap();
    assert_eq!(read_config(&f.path).unwrap().0.eos_token_ids, [0, 7]);
    fs::write(f.path.join("generation_config.json"), r#"{"eos_token_id": 1000}"#).unwrap();
    has(&f.refused(), &["generation_config.json", "1000"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever a few changed bytes make of a folder, it loads or is refused; nothing panics.
    #[test]
    fn mutations_never_panic(
        weights in prop::collection::vec((0usize..4000, any::<u8>()), 0..6),
        config in prop::collection::vec((0usize..4000, any::<u8>()), 0..4),
    ) {
        let f = Folder::new();
        for (file, changes) in [("model.safetensors", weights), ("config.json", config)] {
            let mut bytes = fs::read(f.path.join(file)).unwrap();
            let length = bytes.len();
            for (at, byte) in changes {
                bytes[at % length] = byte;
            }
            fs::write(f.path.join(file), bytes).unwrap();
        }
        let _ = load_folder(&f.path);
    }
}
