//! Adapter folders: what is saved comes back, and what does not fit is refused, with the base as it was.
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use std::fs;
use std::path::Path;

use common::{adapter, all_logits, golden, lively, noise, shapes, some_tokens};
use serde_json::{Map, Value, json};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::{Error, load_adapter, load_adapter_with_head, save_adapter};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::lora::{Adapter, LoraConfig, Module};
use trimtab_engine::model::Model;

fn extra() -> Map<String, Value> {
    json!({"reward": {"mean": 0.25, "std": 1.5}, "step": 7}).as_object().unwrap().clone()
}

#[test]
fn what_is_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    for (i, (name, config)) in shapes().into_iter().enumerate() {
        let base = lively(&config, 1);
        let mut model = base.clone();
        model.adapter = Some(adapter(&config, i % 2, 0.25));
        if i % 3 > 0 {
            model.add_head(i, 4);
        }
        // Each save replaces the one before.
        save_adapter(&path, &model, "somewhere/base", &if i == 0 { Map::new() } else { extra() }).unwrap();
        let mut back = base.clone();
        let more = load_adapter(&path, &mut back).unwrap();
        assert_eq!(more, if i == 0 { Map::new() } else { extra() }, "{name}");
        assert_eq!((&back.adapter, &back.head), (&model.adapter, &model.head), "{name}");
        let mut batch = PackedBatch::new();
        batch.push(&some_tokens(9, config.vocab_size, 2));
        assert_eq!(all_logits(&back, &batch), all_logits(&model, &batch), "{name}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

        let mut strict = base.clone();
        if let Some(head) = &model.head {
            load_adapter_with_head(&path, &mut strict, head.shape[0]).unwrap();
            assert_eq!((&strict.adapter, &strict.head), (&model.adapter, &model.head), "{name}");
            let mut other = base.clone();
            let error = load_adapter_with_head(&path, &mut other, head.shape[0] + 1).unwrap_err();
            assert!(error.to_string().contains(&format!("has {} rows", head.shape[0])), "{error}");
            assert!(other.adapter.is_none() && other.head.is_none());
        } else {
            let error = load_adapter_with_head(&path, &mut strict, 1).unwrap_err();
            assert!(error.to_string().contains("the adapter has no head"), "{error}");
            assert!(error.is_user() && strict.adapter.is_none());
        }
    }
}

/// An adapter without a head leaves the head that stands on the base; a model without an adapter cannot be saved as one.
#[test]
fn a_head_stays_and_an_adapter_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    let config = ModelConfig::tiny();
    let mut model = lively(&config, 1);
    let error = save_adapter(&path, &model, "base", &Map::new()).unwrap_err();
    assert!(matches!(error, Error::Caller(_)) && !path.exists());
    model.adapter = Some(adapter(&config, 0, 0.0));
    save_adapter(&path, &model, "base", &Map::new()).unwrap();
    let mut base = lively(&config, 1);
    base.add_head(1, 3);
    let head = base.head.clone();
    load_adapter(&path, &mut base).unwrap();
    assert_eq!((base.adapter, base.head), (model.adapter, head));
}

/// Values that are not finite are refused, and what stood under the name stays.
#[test]
fn a_diverged_adapter_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    let config = ModelConfig::tiny();
    let mut model = lively(&config, 1);
    model.adapter = Some(adapter(&config, 0, 0.0));
    save_adapter(&path, &model, "base", &extra()).unwrap();
    let good = model.adapter.clone();
    model.adapter.as_mut().unwrap().tensors[3].data[5] = f32::NAN;
    let error = save_adapter(&path, &model, "base", &Map::new()).unwrap_err();
    assert!(matches!(error, Error::NotFinite(_)), "{error}");
    let mut base = lively(&config, 1);
    assert_eq!(load_adapter(&path, &mut base).unwrap(), extra());
    assert_eq!(base.adapter, good);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A saved adapter whose `adapter_config.json` is changed by `change` is refused with a message that holds `words`.
fn refused(path: &Path, change: impl FnOnce(&mut Map<String, Value>), words: &[&str]) {
    let file = path.join("adapter_config.json");
    let sound = fs::read(&file).unwrap();
    let mut json: Map<String, Value> = serde_json::from_slice(&sound).unwrap();
    change(&mut json);
    fs::write(&file, serde_json::to_vec(&json).unwrap()).unwrap();
    let mut base = lively(&ModelConfig::tiny(), 1);
    let error = load_adapter(path, &mut base).unwrap_err();
    let message = error.to_string();
    assert!(words.iter().all(|w| message.contains(w)), "{words:?} not in {message}");
    assert!(message.contains("\n  expected ") && message.contains("\n  try: "), "{message}");
    assert!(error.is_user());
    assert!(base.adapter.is_none() && base.head.is_none(), "the base is as it was");
    fs::write(&file, sound).unwrap();
}

#[test]
fn configurations_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    let config = ModelConfig::tiny();
    let mut model = lively(&config, 1);
    model.adapter = Some(adapter(&config, 0, 0.0));
    save_adapter(&path, &model, "base", &Map::new()).unwrap();
    let set =
        |key: &'static str, value: Value| move |json: &mut Map<String, Value>| drop(json.insert(key.into(), value));
    let cases: &[(&str, Value, &[&str])] = &[
        ("peft_type", json!("IA3"), &["peft_type", "IA3", "LORA"]),
        ("peft_type", Value::Null, &["peft_type", "missing"]),
        ("r", json!(5), &["lora_A", "[3, 24]", "[5, 24]", "\"r\""]),
        ("r", json!(0), &["field \"r\" is", "from 1 up"]),
        ("r", json!(-3), &["field \"r\" is"]),
        ("r", json!(u64::MAX), &["lora_A"]),
        ("r", Value::Null, &["field \"r\" is missing"]),
        ("lora_alpha", json!("much"), &["lora_alpha", "a number"]),
        ("lora_alpha", Value::Null, &["lora_alpha", "missing"]),
        ("lora_dropout", json!(1.0), &["lora_dropout", "including, 1"]),
        ("lora_dropout", json!(-0.1), &["lora_dropout"]),
        ("target_modules", json!(["q_proj", "c_attn"]), &["\"c_attn\"", "q_proj, k_proj"]),
        ("target_modules", json!("all-linear"), &["target_modules", "a list of names"]),
        ("target_modules", json!([]), &["target_modules", "at least one"]),
        ("target_modules", json!(["q_proj"]), &["has no place in the adapter"]),
        ("layers_to_transform", json!([0]), &["layers_to_transform", "up to the last, 1"]),
        ("layers_to_transform", json!([1]), &["layers.0", "has no place"]),
        ("layers_to_transform", json!([1, 2]), &["layers_to_transform"]),
        ("layers_to_transform", json!([]), &["layers_to_transform"]),
        ("layers_to_transform", json!(["1"]), &["layers_to_transform"]),
        ("modules_to_save", json!(["lm_head"]), &["modules_to_save", "lm_head"]),
        ("modules_to_save", json!(["score"]), &["base_model.model.score.weight", "missing"]),
        ("bias", json!("all"), &["\"bias\"", "all"]),
        ("init_lora_weights", json!("pissa"), &["init_lora_weights", "merge_and_unload"]),
        ("use_dora", json!(true), &["use_dora", "merge_and_unload"]),
        ("use_rslora", json!(true), &["use_rslora"]),
        ("rank_pattern", json!({"q_proj": 7}), &["rank_pattern"]),
        ("trainable_token_indices", json!([1]), &["trainable_token_indices"]),
    ];
    for (key, value, words) in cases {
        refused(&path, set(key, value.clone()), words);
    }
    // PEFT's own spelling of a whole model, and of a switch that is off.
    let file = path.join("adapter_config.json");
    let mut json: Map<String, Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    json.extend([("layers_to_transform".to_owned(), json!([1, 0])), ("rank_pattern".to_owned(), json!({}))]);
    fs::write(&file, serde_json::to_vec(&json).unwrap()).unwrap();
    let mut base = lively(&config, 1);
    load_adapter(&path, &mut base).unwrap();
    assert_eq!(base.adapter, model.adapter);

    for spoiled in [&b"{"[..], b"[]", b"", b"\xff\xfe"] {
        fs::write(&file, spoiled).unwrap();
        assert!(matches!(load_adapter(&path, &mut lively(&config, 1)), Err(Error::Malformed(_))));
    }
    fs::remove_file(&file).unwrap();
    let error = load_adapter(&path, &mut lively(&config, 1)).unwrap_err();
    assert!(error.to_string().contains("adapter_config.json"), "{error}");
}

/// Bases of other shapes, and weight files that are cut or spoiled anywhere, are refused; nothing panics.
#[test]
fn weights_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    let config = ModelConfig::tiny();
    let mut model = lively(&config, 1);
    let lora =
        LoraConfig { rank: 2, alpha: 4.0, targets: vec![Module::KProj, Module::UpProj], dropout: 0.0, first_layer: 0 };
    model.adapter = Some(Adapter::new(&config, lora, 3));
    model.add_head(2, 1);
    save_adapter(&path, &model, "base", &extra()).unwrap();

    let message =
        |config: &ModelConfig| load_adapter(&path, &mut Model::random(config, 0.1, 1)).unwrap_err().to_string();
    let wider = message(&ModelConfig { hidden_size: 32, ..config.clone() });
    assert!(wider.contains("has shape [2, 24]") && wider.contains("[2, 32]") && wider.contains("base"), "{wider}");
    let deeper = message(&ModelConfig { num_hidden_layers: 3, ..config.clone() });
    assert!(deeper.contains("layers.2.") && deeper.contains("is missing"), "{deeper}");
    let shallower = message(&ModelConfig { num_hidden_layers: 1, ..config.clone() });
    assert!(shallower.contains("layers.1.") && shallower.contains("no place"), "{shallower}");
    let other_heads = message(&ModelConfig { num_key_value_heads: 1, ..config.clone() });
    assert!(other_heads.contains("lora_B") && other_heads.contains("[12, 2]"), "{other_heads}");

    let file = path.join("adapter_model.safetensors");
    let sound = fs::read(&file).unwrap();
    let mut base = lively(&config, 1);
    for cut in (0..sound.len()).step_by(977) {
        fs::write(&file, &sound[..cut]).unwrap();
        load_adapter(&path, &mut base).unwrap_err();
    }
    // A spoiled byte of the header is refused or names the same tensors; spoiled data is data.
    for (at, by) in (0..sound.len().min(2500)).step_by(13).zip(noise(200, 5)) {
        let mut spoiled = sound.clone();
        spoiled[at] ^= (by.abs() * 255.0) as u8 | 1;
        fs::write(&file, spoiled).unwrap();
        if let Err(error) = load_adapter(&path, &mut base) {
            assert!(error.is_user() && error.to_string().contains("\n  try: "), "{error}");
        }
    }
    let mut with_nan = sound.clone();
    let last = with_nan.len() - 4;
    with_nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, with_nan).unwrap();
    let mut base = lively(&config, 1);
    assert!(matches!(load_adapter(&path, &mut base), Err(Error::NotFinite(_))));
    assert!(base.adapter.is_none() && base.head.is_none());
    fs::remove_file(&file).unwrap();
    assert!(matches!(load_adapter(&path, &mut base), Err(Error::Io { .. })));
    fs::write(path.join("trimtab.json"), b"[1]").unwrap();
    fs::write(&file, &sound).unwrap();
    let error = load_adapter(&path, &mut base).unwrap_err().to_string();
    assert!(error.contains("trimtab.json"), "{error}");
}

/// PEFT's own folders load: the config with all its fields, as PEFT 0.21 wrote it.
#[test]
fn pefts_own_folder_loads() {
    let params = trimtab_engine::checkpoint::load_folder(&golden("tiny_llama")).unwrap();
    let mut model = Model::new(params);
    assert!(load_adapter(&golden("tiny_lora_top"), &mut model).unwrap().is_empty());
    let config = &model.adapter.as_ref().unwrap().config;
    assert_eq!((config.rank, config.alpha, config.first_layer, config.targets.len()), (4, 8.0, 1, 7));
}
