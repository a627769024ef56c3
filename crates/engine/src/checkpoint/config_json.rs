//! `config.json`: Hugging Face's description of a checkpoint, to and from [`ModelConfig`].
//!
//! 1. A field that is absent has the default of transformers' class for that `model_type` (Qwen3's `head_dim` is 128,
//!    not `hidden_size / heads`); the five that fix the size have none and must be there.
//! 2. What would change the arithmetic and is not computed here is refused by name, never ignored.
//! 3. Both spellings of rotary settings are read: `rope_theta` with `rope_scaling` (transformers 4), and
//!    `rope_parameters` (transformers 5). The first is written, which both versions load.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::SaveDtype;
use super::error::{Error, fault, quoted};
use crate::config::{Architecture, Head, ModelConfig, RopeScaling};

/// The families and their names in `model_type` and, with a suffix, in `architectures`.
const FAMILIES: [(Architecture, &str, &str); 4] = [
    (Architecture::Llama, "llama", "Llama"),
    (Architecture::Mistral, "mistral", "Mistral"),
    (Architecture::Qwen2, "qwen2", "Qwen2"),
    (Architecture::Qwen3, "qwen3", "Qwen3"),
];
const SUPPORTED: &str = "one of the families llama, mistral, qwen2, qwen3, as a causal language model or a sequence \
                         classifier";
const OTHER_MODEL: &str = "another checkpoint: this one needs arithmetic that the engine does not have";
const EDIT: &str = "correct the field, or fetch the file again";
/// A JSON file of a checkpoint past this size (an index of a 400-shard model has under 1 MB) is not one.
const MAX_JSON: u64 = 64 << 20;

/// Reads `config.json` (and the end tokens of `generation_config.json`, if that is there) of the folder `path`.
///
/// Returns the shape, and the raw object for whatever else a caller looks for in it.
///
/// # Errors
/// If the file is absent, not JSON, of an unsupported family, or holds sizes that no model has.
pub fn read_config(path: &Path) -> Result<(ModelConfig, Map<String, Value>), Error> {
    let file = path.join("config.json");
    let json = read_object(&file)?;
    let mut config = parse_config(&file.display(), &json)?;
    let generation = path.join("generation_config.json");
    if generation.exists() {
        let more = read_object(&generation)?;
        let place = generation.display().to_string();
        for id in (Fields { place: &place, json: &more, within: "" }).token_ids("eos_token_id")? {
            if !config.eos_token_ids.contains(&id) {
                config.eos_token_ids.push(id);
            }
        }
        check(&place, &config)?;
    }
    Ok((config, json))
}

/// Whether `architectures` promises a `score.weight`.
pub(super) fn is_classifier(json: &Map<String, Value>) -> bool {
    names(json).any(|name| name.ends_with("ForSequenceClassification"))
}

/// A JSON file whose top level is an object.
pub(super) fn read_object(file: &Path) -> Result<Map<String, Value>, Error> {
    let size = file.metadata().map_err(|e| Error::read(file, "open the file", e))?.len();
    if size > MAX_JSON {
        return Err(Error::malformed(file.display(), format!("{size} bytes"), format!("at most {MAX_JSON} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|e| Error::read(file, "read the file", e))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::malformed(file.display(), format!("not a JSON object: {e}"), "a JSON object"))
}

fn names(json: &Map<String, Value>) -> impl Iterator<Item = &str> {
    json.get("architectures").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The shape that a `config.json` describes; `place` names the file in errors.
///
/// # Errors
/// As for [`read_config`].
pub fn parse_config(place: &impl fmt::Display, json: &Map<String, Value>) -> Result<ModelConfig, Error> {
    let place = place.to_string();
    let f = Fields { place: &place, json, within: "" };
    let architecture = family(&f)?;
    refuse_other_arithmetic(&f, architecture)?;

    let hidden_size = f.required("hidden_size")?;
    let num_attention_heads = f.required("num_attention_heads")?;
    let num_hidden_layers = f.required("num_hidden_layers")?;
    let kv_default = match architecture {
        Architecture::Llama => num_attention_heads,
        Architecture::Mistral => 8,
        Architecture::Qwen2 | Architecture::Qwen3 => 32,
    };
    // A null, unlike an absent field, means one key head for each query head in every family.
    let kv_default =
        if json.get("num_key_value_heads") == Some(&Value::Null) { num_attention_heads } else { kv_default };
    let head_default = match architecture {
        Architecture::Qwen3 => 128,
        _ => hidden_size.checked_div(num_attention_heads).unwrap_or(0),
    };
    let context_default = match architecture {
        Architecture::Llama => 2048,
        Architecture::Mistral => 131_072,
        Architecture::Qwen2 | Architecture::Qwen3 => 32_768,
    };
    let sliding_window = match architecture {
        Architecture::Mistral if json.contains_key("sliding_window") => f.count("sliding_window")?,
        Architecture::Mistral => Some(4096),
        _ => None,
    };
    let (rope_theta, rope_scaling) = rope(&f)?;
    let config = ModelConfig {
        architecture,
        vocab_size: f.required("vocab_size")?,
        hidden_size,
        intermediate_size: f.required("intermediate_size")?,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads: f.count("num_key_value_heads")?.unwrap_or(kv_default),
        head_dim: f.count("head_dim")?.unwrap_or(head_default),
        rms_norm_eps: f.number("rms_norm_eps")?.unwrap_or(1e-6),
        rope_theta,
        rope_scaling,
        tie_word_embeddings: f.flag("tie_word_embeddings")?.unwrap_or(false),
        qkv_bias: architecture == Architecture::Qwen2,
        qk_norm: architecture == Architecture::Qwen3,
        max_position_embeddings: f.count("max_position_embeddings")?.unwrap_or(context_default),
        sliding_window,
        bos_token_id: f.token_ids("bos_token_id")?.first().copied(),
        eos_token_ids: f.token_ids("eos_token_id")?,
    };
    check(&place, &config)?;
    Ok(config)
}

fn family(f: &Fields) -> Result<Architecture, Error> {
    let refuse = |field: &str, name: &str| {
        let what = format!("{field} is {}", quoted(name));
        Err(Error::Unsupported(fault(f.place, what, SUPPORTED, OTHER_MODEL)))
    };
    let mut found = None;
    if let Some(name) = f.text("model_type")? {
        match FAMILIES.iter().find(|(_, model_type, _)| *model_type == name) {
            Some((architecture, ..)) => found = Some(*architecture),
            None => return refuse("model_type", name),
        }
    }
    for name in names(f.json) {
        let stem = name.strip_suffix("ForCausalLM").or_else(|| name.strip_suffix("ForSequenceClassification"));
        match FAMILIES.iter().find(|(.., class)| Some(*class) == stem) {
            Some((architecture, ..)) if found.is_none_or(|a| a == *architecture) => found = Some(*architecture),
            _ => return refuse("architectures", name),
        }
    }
    found.ok_or_else(|| {
        Error::Config(fault(f.place, "neither \"model_type\" nor \"architectures\" is given", SUPPORTED, EDIT))
    })
}

/// Switches that change the arithmetic: each must be absent or off.
fn refuse_other_arithmetic(f: &Fields, architecture: Architecture) -> Result<(), Error> {
    let refuse = |what: &str, expected: &str| Err(Error::Unsupported(fault(f.place, what, expected, OTHER_MODEL)));
    if let Some(act) = f.text("hidden_act")?
        && act != "silu"
    {
        return refuse(&format!("hidden_act is {}", quoted(act)), "\"silu\"");
    }
    // Qwen2 has its q, k, v biases without this switch; elsewhere it also puts one on the output projection.
    if architecture != Architecture::Qwen2 && f.flag("attention_bias")? == Some(true) {
        return refuse("attention_bias is true", "false (a bias on o_proj is not computed here)");
    }
    if f.flag("mlp_bias")? == Some(true) {
        return refuse("mlp_bias is true", "false");
    }
    if f.json.get("quantization_config").is_some_and(|q| !q.is_null()) {
        return refuse("quantization_config is given", "plain f32, f16 or bf16 weights (or a GGUF file)");
    }
    let qwen = matches!(architecture, Architecture::Qwen2 | Architecture::Qwen3);
    if qwen && f.flag("use_sliding_window")? == Some(true) {
        return refuse("use_sliding_window is true", "false (windows on some layers only are not computed here)");
    }
    let layer_types = f.json.get("layer_types").and_then(Value::as_array);
    if let Some(other) = layer_types.into_iter().flatten().find(|t| t.as_str() != Some("full_attention")) {
        return refuse(&format!("layer_types holds {}", quoted(&other.to_string())), "\"full_attention\" everywhere");
    }
    if let Some(share) = f.number("partial_rotary_factor")?
        && share != 1.0
    {
        return refuse(&format!("partial_rotary_factor is {share}"), "1 (every dimension of a head rotates)");
    }
    Ok(())
}

fn rope(f: &Fields) -> Result<(f64, Option<RopeScaling>), Error> {
    let top_theta = f.number("rope_theta")?;
    let given = ["rope_scaling", "rope_parameters"].into_iter().find(|k| f.json.get(*k).is_some_and(|v| !v.is_null()));
    let Some(within) = given else { return Ok((top_theta.unwrap_or(10_000.0), None)) };
    let Some(object) = f.json[within].as_object() else {
        return Err(f.wrong(within, "an object or null"));
    };
    let r = Fields { place: f.place, json: object, within };
    let theta = r.number("rope_theta")?.or(top_theta).unwrap_or(10_000.0);
    let kind = match r.text("rope_type")? {
        None => r.text("type")?,
        kind => kind,
    };
    let required = |name: &str| r.number(name)?.ok_or_else(|| r.wrong(name, "a number"));
    if let Some(share) = r.number("partial_rotary_factor")?
        && share != 1.0
    {
        let what = format!("{within}.partial_rotary_factor is {share}");
        return Err(Error::Unsupported(fault(f.place, what, "1 (every dimension of a head rotates)", OTHER_MODEL)));
    }
    let scaling = match kind {
        None | Some("default") => None,
        Some("linear") => Some(RopeScaling::Linear { factor: required("factor")? }),
        Some("llama3") => Some(RopeScaling::Llama3 {
            factor: required("factor")?,
            low_freq_factor: required("low_freq_factor")?,
            high_freq_factor: required("high_freq_factor")?,
            original_max_position_embeddings: r.required("original_max_position_embeddings")?,
        }),
        Some(other) => {
            let what = format!("{within}.rope_type is {}", quoted(other));
            let expected = "\"default\", \"linear\" or \"llama3\"";
            return Err(Error::Unsupported(fault(f.place, what, expected, OTHER_MODEL)));
        }
    };
    Ok((theta, scaling))
}

/// Refuses sizes that no model has, so that everything after may multiply and index without fear.
pub(super) fn check(place: &str, c: &ModelConfig) -> Result<(), Error> {
    let wrong = |what: String, expected: &str| Err(Error::Config(fault(place, what, expected, EDIT)));
    let sizes = [
        ("vocab_size", c.vocab_size, 1 << 24),
        ("hidden_size", c.hidden_size, 1 << 20),
        ("intermediate_size", c.intermediate_size, 1 << 24),
        ("num_hidden_layers", c.num_hidden_layers, 1 << 12),
        ("num_attention_heads", c.num_attention_heads, 1 << 14),
        ("num_key_value_heads", c.num_key_value_heads, 1 << 14),
        ("head_dim", c.head_dim, 1 << 14),
        ("max_position_embeddings", c.max_position_embeddings, 1 << 30),
        ("sliding_window", c.sliding_window.unwrap_or(1), usize::MAX),
    ];
    for (name, size, most) in sizes {
        if size == 0 || size > most {
            return wrong(format!("{name} is {size}"), &format!("1 to {most}"));
        }
    }
    if !c.num_attention_heads.is_multiple_of(c.num_key_value_heads) {
        let what = format!("{} query heads over {} key-value heads", c.num_attention_heads, c.num_key_value_heads);
        return wrong(what, "num_key_value_heads to divide num_attention_heads");
    }
    if !c.head_dim.is_multiple_of(2) {
        return wrong(format!("head_dim is {}", c.head_dim), "an even number: rotary positions turn pairs");
    }
    if !(c.rms_norm_eps.is_finite() && c.rms_norm_eps >= 0.0) {
        return wrong(format!("rms_norm_eps is {}", c.rms_norm_eps), "a number from 0 up");
    }
    if !(c.rope_theta.is_finite() && c.rope_theta > 0.0) {
        return wrong(format!("rope_theta is {}", c.rope_theta), "a positive number");
    }
    match c.rope_scaling {
        Some(RopeScaling::Linear { factor }) if !(factor.is_finite() && factor > 0.0) => {
            return wrong(format!("rope scaling by {factor}"), "a positive factor");
        }
        Some(RopeScaling::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, .. })
            if !(factor.is_finite() && factor > 0.0 && low > 0.0 && high > low && high.is_finite()) =>
        {
            let what = format!("rope scaling by {factor}, low_freq_factor {low}, high_freq_factor {high}");
            return wrong(what, "a positive factor and 0 < low_freq_factor < high_freq_factor");
        }
        _ => {}
    }
    if let Some(&id) = c.bos_token_id.iter().chain(&c.eos_token_ids).find(|&&id| id as usize >= c.vocab_size) {
        let what = format!("a bos or eos token is {id} in a vocabulary of {}", c.vocab_size);
        return wrong(what, "token ids below vocab_size (else the tokenizer belongs to another model)");
    }
    let elements = c.tensors().iter().try_fold(0usize, |sum, (_, shape)| {
        shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).and_then(|n| sum.checked_add(n))
    });
    match elements {
        Some(n) if n < 1 << 48 => Ok(()),
        _ => wrong("more than 2^48 parameters".to_owned(), "sizes of an existing model"),
    }
}

/// The object to write: `extra` first, then our own keys, which win, so that a raw object as [`read_config`] returns it
/// may be handed back.
///
/// # Errors
/// If the switches of `config` are not those of its architecture: no `model_type` would load it.
pub(super) fn to_json(
    c: &ModelConfig,
    head: Option<Head>,
    dtype: SaveDtype,
    extra: &Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let (_, model_type, class) = FAMILIES[c.architecture as usize];
    let caller =
        |what: &str| Err(Error::Caller(fault("ModelConfig", what, "a shape that transformers has", OTHER_MODEL)));
    if c.qkv_bias != (c.architecture == Architecture::Qwen2) || c.qk_norm != (c.architecture == Architecture::Qwen3) {
        return caller(&format!("qkv_bias {} and qk_norm {} in {model_type}", c.qkv_bias, c.qk_norm));
    }
    if c.sliding_window.is_some() && c.architecture != Architecture::Mistral {
        return caller(&format!("a sliding window in {model_type}"));
    }
    let suffix = if head.is_some() { "ForSequenceClassification" } else { "ForCausalLM" };
    let mut out = extra.clone();
    for stale in ["rope_parameters", "dtype", "layer_types", "num_labels", "id2label", "label2id"] {
        out.remove(stale);
    }
    let eos = match c.eos_token_ids.as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        many => json!(many),
    };
    let rope_scaling = match c.rope_scaling {
        None => Value::Null,
        Some(RopeScaling::Linear { factor }) => json!({"rope_type": "linear", "factor": factor}),
        Some(RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings }) => {
            json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            })
        }
    };
    let mut set = |key: &str, value: Value| out.insert(key.to_owned(), value);
    set("architectures", json!([format!("{class}{suffix}")]));
    set("model_type", json!(model_type));
    set("vocab_size", json!(c.vocab_size));
    set("hidden_size", json!(c.hidden_size));
    set("intermediate_size", json!(c.intermediate_size));
    set("num_hidden_layers", json!(c.num_hidden_layers));
    set("num_attention_heads", json!(c.num_attention_heads));
    set("num_key_value_heads", json!(c.num_key_value_heads));
    set("head_dim", json!(c.head_dim));
    set("hidden_act", json!("silu"));
    set("rms_norm_eps", json!(c.rms_norm_eps));
    set("rope_theta", json!(c.rope_theta));
    set("rope_scaling", rope_scaling);
    set("max_position_embeddings", json!(c.max_position_embeddings));
    set("tie_word_embeddings", json!(c.tie_word_embeddings));
    match c.architecture {
        Architecture::Mistral => {
            set("sliding_window", json!(c.sliding_window));
        }
        Architecture::Llama => {
            set("attention_bias", json!(false));
            set("mlp_bias", json!(false));
        }
        Architecture::Qwen2 => {
            set("use_sliding_window", json!(false));
        }
        Architecture::Qwen3 => {
            set("attention_bias", json!(false));
            set("use_sliding_window", json!(false));
        }
    }
    set("bos_token_id", json!(c.bos_token_id));
    set("eos_token_id", eos);
    set("torch_dtype", json!(dtype.torch_name()));
    if let Some(head) = head {
        // transformers counts the labels: without the map it assumes two.
        let label = |i: usize| format!("LABEL_{i}");
        set("id2label", (0..head.classes).map(|i| (i.to_string(), json!(label(i)))).collect::<Map<_, _>>().into());
        set("label2id", (0..head.classes).map(|i| (label(i), json!(i))).collect::<Map<_, _>>().into());
        set("num_labels", json!(head.classes));
    }
    Ok(out)
}

/// Typed access to one JSON object, with errors that name file and field. `null` is the same as absent.
pub(super) struct Fields<'a> {
    pub place: &'a str,
    pub json: &'a Map<String, Value>,
    pub within: &'a str,
}

impl<'a> Fields<'a> {
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.json.get(name).filter(|v| !v.is_null())
    }

    pub fn wrong(&self, name: &str, expected: &str) -> Error {
        let dot = if self.within.is_empty() { "" } else { "." };
        let field = format!("field \"{}{dot}{name}\"", self.within);
        let what = match self.get(name) {
            None => format!("{field} is missing"),
            Some(v) => format!("{field} is {}", quoted(&v.to_string())),
        };
        Error::Config(fault(self.place, what, expected, EDIT))
    }

    fn count(&self, name: &str) -> Result<Option<usize>, Error> {
        let whole = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
        self.get(name).map(|v| whole(v).ok_or_else(|| self.wrong(name, "a whole number from 1 up"))).transpose()
    }

    pub fn required(&self, name: &str) -> Result<usize, Error> {
        self.count(name)?.ok_or_else(|| self.wrong(name, "a whole number from 1 up"))
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        self.get(name).map(|v| v.as_f64().ok_or_else(|| self.wrong(name, "a number"))).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.get(name).map(|v| v.as_bool().ok_or_else(|| self.wrong(name, "true or false"))).transpose()
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.get(name).map(|v| v.as_str().ok_or_else(|| self.wrong(name, "a string"))).transpose()
    }

    /// One token id or a list of them, without repetition.
    fn token_ids(&self, name: &str) -> Result<Vec<u32>, Error> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
        for item in items {
            let id = item.as_u64().and_then(|n| u32::try_from(n).ok());
            let id = id.ok_or_else(|| self.wrong(name, "a token id, a list of them, or null"))?;
            if seen.insert(id) {
                out.push(id);
            }
        }
        Ok(out)
    }
}
