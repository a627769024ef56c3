//! Low-rank adapters as folders in PEFT's layout, both ways.
//!
//! 1. `adapter_config.json` describes the adapter, `adapter_model.safetensors` holds A and B of every adapted map under
//!    PEFT's names. A model with a head is saved as a sequence classifier whose `score` PEFT restores.
//! 2. What PEFT has no field for stands in `trimtab.json` beside them: PEFT warns of keys that it does not know (and
//!    before 0.14 refuses them), and passes over files that it does not know.
//! 3. The base model is not checked by name, only by shape: `base_model_name_or_path` is where it was, not what it is.

use std::fs::File;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config_json::{Fields, read_object};
use super::error::{Error, fault, quoted};
use super::folder::{Shard, not_finite};
use super::save::{SaveDtype, atomically, write_file, write_safetensors};
use super::source::Odd;
use crate::lora::{Adapter, LoraConfig, Module};
use crate::model::Model;
use crate::params::Tensor;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const EXTRA: &str = "trimtab.json";
/// PEFT's name of the head.
const SCORE: &str = "base_model.model.score.weight";

/// Switches of PEFT that change the arithmetic or the set of tensors: each must be absent, null, false or empty.
const OTHER_ARITHMETIC: [&str; 17] = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "exclude_modules",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "use_rslora",
    "velora_config",
];
const PLAIN: &str = "plain LoRA on the linear maps of whole blocks, from one block up to the last";
const OTHER_ADAPTER: &str = "merge the adapter into its base with PEFT (`merge_and_unload`) and load the merged model";
const OTHER_BASE: &str = "the base model that the adapter was trained on";

/// Writes the adapter of `model`, and its head where it has one, into the folder `path`, which PEFT loads.
///
/// `base` says where the base model is found (`base_model_name_or_path`); `extra` comes back from [`load_adapter`]. A
/// folder under the name is replaced whole.
///
/// # Errors
/// If the disk refuses, if a value is not finite, or if `model` has no adapter.
pub fn save_adapter(path: &Path, model: &Model, base: &str, extra: &Map<String, Value>) -> Result<(), Error> {
    let Some(adapter) = &model.adapter else {
        let hint = "save_folder, for a model without an adapter";
        return Err(Error::Caller(fault("save_adapter", "the model has no adapter", "a model with one", hint)));
    };
    let config = describe(&adapter.config, model, base);
    let mut tensors = adapter.tensors.clone();
    tensors.extend(model.head.clone().map(|head| Tensor { name: SCORE.to_owned(), ..head }));
    atomically(path, |folder| {
        write_safetensors(&folder.join(WEIGHTS), &tensors, SaveDtype::F32)?;
        if !extra.is_empty() {
            write_file(&folder.join(EXTRA), format!("{:#}\n", json!(extra)).as_bytes())?;
        }
        write_file(&folder.join(CONFIG), format!("{config:#}\n").as_bytes())
    })
}

fn describe(lora: &LoraConfig, model: &Model, base: &str) -> Value {
    let layers = model.config().num_hidden_layers;
    let first = lora.first_layer.min(layers);
    // A head makes the model a classifier, all of whose `score` PEFT keeps beside the adapter.
    let (task, saved) = if model.head.is_some() { ("SEQ_CLS", json!(["score"])) } else { ("CAUSAL_LM", Value::Null) };
    json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": Module::ALL.into_iter().filter(|m| lora.targets.contains(m)).map(Module::name).collect::<Vec<_>>(),
        "layers_to_transform": if first == 0 { Value::Null } else { json!((first..layers).collect::<Vec<_>>()) },
        "modules_to_save": saved,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "inference_mode": true,
        "use_dora": false,
        "use_rslora": false,
    })
}

/// Puts the adapter of the folder `path`, and its head where it has one, on top of `base`; returns what
/// [`save_adapter`] was given as `extra`.
///
/// `base` is changed only if all of it could be read. Its former adapter is replaced; its head stays if the folder has
/// none.
///
/// # Errors
/// If a file is absent, truncated or corrupt, if the adapter is not plain LoRA on the maps that the engine adapts, if it
/// does not fit `base`, or if a value is NaN or infinite.
pub fn load_adapter(path: &Path, base: &mut Model) -> Result<Map<String, Value>, Error> {
    let json = read_object(&path.join(CONFIG))?;
    let config = parse(&path.join(CONFIG).display().to_string(), &json, base.config().num_hidden_layers)?;
    let extra = if path.join(EXTRA).exists() { read_object(&path.join(EXTRA))? } else { Map::new() };

    let file = path.join(WEIGHTS);
    let handle = File::open(&file).map_err(|e| Error::read(&file, "open the file", e))?;
    let shard = Shard::parse(file.display().to_string(), handle)?;
    let mut expected = config.tensors(base.config());
    let wants_head = json.get("modules_to_save").is_some_and(|m| !m.is_null());
    let head_rows = shard.tensors.get(SCORE).and_then(|info| info.shape.first().copied()).filter(|&rows| rows > 0);
    if wants_head || head_rows.is_some() {
        expected.push((SCORE.to_owned(), vec![head_rows.unwrap_or(1), base.config().hidden_size]));
    }
    check_shapes(&file.display().to_string(), &shard, &expected)?;

    let mut tensors = Vec::with_capacity(expected.len());
    for (name, shape) in expected {
        let (data, odd) = shard.read(&name, &shape)?;
        if odd != Odd::default() {
            return Err(not_finite(&file.display().to_string(), &name, odd, data.len()));
        }
        tensors.push(Tensor { name, shape, data });
    }
    if let Some(head) = tensors.pop_if(|t| t.name == SCORE) {
        base.head = Some(Tensor { name: "score.weight".to_owned(), ..head });
    }
    base.adapter = Some(Adapter::of(base.config(), config, tensors));
    Ok(extra)
}

/// [`load_adapter`] of a folder that must hold a head of `classes` rows.
///
/// # Errors
/// As [`load_adapter`], and if the folder has no head or one of another number of rows; `base` is then unchanged.
pub fn load_adapter_with_head(path: &Path, base: &mut Model, classes: usize) -> Result<Map<String, Value>, Error> {
    let mut loaded = Model { head: None, adapter: None, ..base.clone() };
    let extra = load_adapter(path, &mut loaded)?;
    let found = loaded.head.as_ref().map(|h| h.shape[0]);
    if found == Some(classes) {
        *base = loaded;
        return Ok(extra);
    }
    let what = match found {
        None => format!("tensor \"{SCORE}\" is missing: the adapter has no head"),
        Some(rows) => format!("tensor \"{SCORE}\" has {rows} rows"),
    };
    let expected = format!("a head of shape [{classes}, {}]", base.config().hidden_size);
    Err(Error::Tensor(fault(path.join(WEIGHTS).display(), what, expected, "the adapter of the right stage")))
}

/// The shape of an adapter from PEFT's description of it.
fn parse(place: &str, json: &Map<String, Value>, layers: usize) -> Result<LoraConfig, Error> {
    let f = Fields { place, json, within: "" };
    let refuse = |what: String| Err(Error::Unsupported(fault(place, what, PLAIN, OTHER_ADAPTER)));
    let shown = |key: &str| format!("\"{key}\" is {}", quoted(&json[key].to_string()));
    if f.text("peft_type")? != Some("LORA") {
        return Err(f.wrong("peft_type", "\"LORA\", the one kind of adapter that the engine has"));
    }
    let off = |v: &Value| match v {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    };
    if let Some(key) = OTHER_ARITHMETIC.into_iter().find(|key| json.get(*key).is_some_and(|v| !off(v))) {
        return refuse(shown(key));
    }
    if f.text("bias")?.is_some_and(|bias| bias != "none") {
        return refuse(shown("bias"));
    }
    // Other ways to begin (PiSSA, OLoRA, LoftQ) take what the adapter starts with out of the base.
    let init = json.get("init_lora_weights").unwrap_or(&Value::Null);
    if init.as_str().is_some_and(|way| !["gaussian", "eva", "orthogonal"].contains(&way)) {
        return refuse(shown("init_lora_weights"));
    }
    // PEFT adds both of its names for a classifier's head when it saves one.
    let saved = names(&f, "modules_to_save")?;
    if saved.iter().any(|name| !["score", "classifier"].contains(name)) {
        return refuse(shown("modules_to_save"));
    }
    let mut targets = Vec::new();
    for name in names(&f, "target_modules")? {
        let Some(module) = Module::ALL.into_iter().find(|m| m.name() == name) else {
            let expected = format!("names out of {}", Module::ALL.map(Module::name).join(", "));
            let what = format!("\"target_modules\" holds {}", quoted(name));
            return Err(Error::Unsupported(fault(place, what, expected, OTHER_ADAPTER)));
        };
        targets.push(module);
    }
    if targets.is_empty() {
        return Err(f.wrong("target_modules", "a list of at least one linear map, such as [\"q_proj\", \"v_proj\"]"));
    }
    let number = |name: &str, expected: &str, fits: fn(f64) -> bool| match f.number(name)? {
        Some(x) if fits(x) => Ok(x),
        _ => Err(f.wrong(name, expected)),
    };
    let rank = f.required("r")?;
    if rank == 0 {
        return Err(f.wrong("r", "a whole number from 1 up"));
    }
    Ok(LoraConfig {
        rank,
        alpha: number("lora_alpha", "a finite number", f64::is_finite)?,
        targets,
        dropout: match f.get("lora_dropout") {
            None => 0.0,
            Some(_) => number("lora_dropout", "a number from 0 up to, not including, 1", |p| (0.0..1.0).contains(&p))?,
        },
        first_layer: first_layer(&f, layers)?,
    })
}

/// A field that is a list of names, or absent.
fn names<'a>(f: &Fields<'a>, key: &str) -> Result<Vec<&'a str>, Error> {
    let wrong = || f.wrong(key, "a list of names");
    let items = f.get(key).map(|v| v.as_array().ok_or_else(wrong)).transpose()?;
    items.into_iter().flatten().map(|v| v.as_str().ok_or_else(wrong)).collect()
}

/// The lowest of `layers_to_transform`, above which all blocks must be listed.
fn first_layer(f: &Fields, layers: usize) -> Result<usize, Error> {
    let key = "layers_to_transform";
    let expected = format!("null, or every block from one up to the last, {}", layers.saturating_sub(1));
    let Some(value) = f.get(key) else { return Ok(0) };
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let listed: Option<Vec<u64>> = items.iter().map(Value::as_u64).collect();
    let mut listed = listed.filter(|l| !l.is_empty()).ok_or_else(|| f.wrong(key, &expected))?;
    listed.sort_unstable();
    listed.dedup();
    let first = listed[0];
    if listed.iter().copied().eq(first..layers as u64) { Ok(first as usize) } else { Err(f.wrong(key, &expected)) }
}

/// The file's tensors must be the expected ones in name and shape, and no others.
fn check_shapes(place: &str, shard: &Shard<File>, expected: &[(String, Vec<usize>)]) -> Result<(), Error> {
    for (name, shape) in expected {
        let Some(info) = shard.tensors.get(name) else {
            let what = format!("tensor {} is missing", quoted(name));
            let hint = "the adapter_config.json that belongs to these weights, or a base with as many blocks";
            return Err(Error::Tensor(fault(place, what, format!("it, with shape {shape:?}"), hint)));
        };
        if info.shape != *shape {
            let what = format!("tensor {} has shape {:?}", quoted(name), info.shape);
            let expected = format!("{shape:?}, as \"r\" in {CONFIG} and the base model imply");
            return Err(Error::Tensor(fault(place, what, expected, OTHER_BASE)));
        }
    }
    let known: std::collections::HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(name) = shard.tensors.keys().filter(|name| !known.contains(name.as_str())).min() {
        let what = format!("tensor {} has no place in the adapter", quoted(name));
        let expected = format!("the tensors that {CONFIG} and the base model imply, and no others");
        return Err(Error::Tensor(fault(place, what, expected, OTHER_BASE)));
    }
    Ok(())
}
