//! From GGUF metadata and tensors to [`ModelConfig`] and [`Params`].

use std::f64::consts::TAU;
use std::path::Path;

use super::super::config_json::check;
use super::super::error::{Error, fault, quoted};
use super::super::folder::{check_names, misshapen, not_finite};
use super::super::names::{gguf_name, halves_from_pairs, is_rotary};
use super::super::source::{Odd, Source, fill};
use super::{GgufFile, Value};
use crate::config::{Architecture, ModelConfig, RopeScaling};
use crate::params::{Params, Tensor};

const EMBED: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";
const ROPE_FREQS: &str = "rope_freqs.weight";
const OTHER_FILE: &str = "another checkpoint: this one needs arithmetic that the engine does not have";
const CONVERT: &str = "convert the model again with a current llama.cpp";

impl<S: Source> GgufFile<S> {
    /// The shape of the model.
    ///
    /// # Errors
    /// If the architecture is not supported, or a field is missing, of a wrong type or absurd.
    pub fn config(&self) -> Result<ModelConfig, Error> {
        let name = self.text("general.architecture")?.unwrap_or("");
        let architecture = match name {
            "llama" => Architecture::Llama,
            "qwen2" => Architecture::Qwen2,
            "qwen3" => Architecture::Qwen3,
            other => {
                let what = format!("general.architecture is {}", quoted(other));
                return Err(Error::Unsupported(fault(&self.place, what, "llama, qwen2 or qwen3", OTHER_FILE)));
            }
        };
        let key = |rest: &str| format!("{name}.{rest}");
        let hidden_size = self.required(&key("embedding_length"))?;
        let num_hidden_layers = self.required(&key("block_count"))?;
        let num_attention_heads = self.per_layer(&key("attention.head_count"))?;
        let Some(num_attention_heads) = num_attention_heads else {
            return Err(self.wrong(&key("attention.head_count"), "a whole number from 1 up"));
        };
        let num_key_value_heads = self.per_layer(&key("attention.head_count_kv"))?.unwrap_or(num_attention_heads);
        let head_dim = match self.count(&key("attention.key_length"))? {
            Some(n) => n,
            None => hidden_size.checked_div(num_attention_heads).unwrap_or(0),
        };
        for same in ["attention.value_length", "rope.dimension_count"] {
            if self.count(&key(same))?.is_some_and(|n| n != head_dim) {
                return Err(self.unlike(&key(same), &format!("{head_dim}, the width of a head")));
            }
        }
        for absent in ["expert_count", "attention.max_alibi_bias", "attention.clamp_kqv", "logit_scale"] {
            if self.number(&key(absent))?.is_some_and(|x| x != 0.0) {
                return Err(self.unlike(&key(absent), "no such field"));
            }
        }
        let embedding = self.header.tensors.get(EMBED).map(|t| t.shape.as_slice());
        let Some(&[vocab_size, _]) = embedding else {
            let what = format!("tensor {EMBED:?} is missing or not a matrix");
            return Err(Error::Tensor(fault(&self.place, what, "an embedding [vocabulary, width]", CONVERT)));
        };
        let tokens = self.header.metadata.get("tokenizer.ggml.tokens").and_then(Value::as_array);
        if tokens.is_some_and(|t| t.len() > vocab_size) {
            let what = format!("{} tokens and an embedding of {vocab_size} rows", tokens.map_or(0, <[_]>::len));
            let expected = "a row for every token";
            return Err(Error::Config(fault(&self.place, what, expected, CONVERT)));
        }
        let sliding_window = self.count(&key("attention.sliding_window"))?.filter(|&n| n > 0);
        if sliding_window.is_some() && architecture != Architecture::Llama {
            return Err(self.unlike(&key("attention.sliding_window"), "no sliding window"));
        }
        let rope_theta = self.number(&key("rope.freq_base"))?.unwrap_or(10_000.0);
        let id = |name: &str| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let id = self.header.metadata.get(&key).map(|v| v.as_u64().and_then(|n| u32::try_from(n).ok()));
            id.map(|id| id.ok_or_else(|| self.wrong(&key, "a token id"))).transpose()
        };
        let mut eos_token_ids = Vec::new();
        for end in [id("eos")?, id("eot")?, id("eom")?].into_iter().flatten() {
            if !eos_token_ids.contains(&end) {
                eos_token_ids.push(end);
            }
        }
        let epsilon = key("attention.layer_norm_rms_epsilon");
        let config = ModelConfig {
            architecture: if sliding_window.is_some() { Architecture::Mistral } else { architecture },
            vocab_size,
            hidden_size,
            intermediate_size: self
                .per_layer(&key("feed_forward_length"))?
                .ok_or_else(|| self.wrong(&key("feed_forward_length"), "a whole number from 1 up"))?,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rms_norm_eps: self.number(&epsilon)?.ok_or_else(|| self.wrong(&epsilon, "a number"))?,
            rope_theta,
            rope_scaling: self.rope_scaling(name, head_dim, rope_theta)?,
            tie_word_embeddings: !self.header.tensors.contains_key(OUTPUT),
            qkv_bias: architecture == Architecture::Qwen2,
            qk_norm: architecture == Architecture::Qwen3,
            max_position_embeddings: self.required(&key("context_length"))?,
            sliding_window,
            bos_token_id: id("bos")?,
            eos_token_ids,
        };
        check(&self.place, &config)?;
        Ok(config)
    }

    fn rope_scaling(&self, name: &str, head_dim: usize, theta: f64) -> Result<Option<RopeScaling>, Error> {
        let key = |rest: &str| format!("{name}.rope.{rest}");
        let factor = match self.number(&key("scaling.factor"))? {
            None => self.number(&key("scale_linear"))?,
            factor => factor,
        };
        if let Some(kind) = self.text(&key("scaling.type"))?
            && !["none", "linear"].contains(&kind)
        {
            return Err(self.unlike(&key("scaling.type"), "none or linear"));
        }
        let none = self.text(&key("scaling.type"))? == Some("none");
        let linear = factor.filter(|&x| !none && x != 0.0 && x != 1.0).map(|factor| RopeScaling::Linear { factor });
        let Some(info) = self.header.tensors.get(ROPE_FREQS) else { return Ok(linear) };

        let refuse = |what: String| {
            let expected = "the divisors of Llama 3's rule (1 and 4 over a context of 8192), or none";
            Err(Error::Unsupported(fault(&self.place, what, expected, OTHER_FILE)))
        };
        if info.elements != head_dim / 2 || info.shape.len() != 1 || linear.is_some() {
            return refuse(format!("tensor {ROPE_FREQS:?} has shape {:?}", info.shape));
        }
        let (divisors, _) = self.values(ROPE_FREQS)?;
        let factor = f64::from(divisors.iter().copied().fold(0.0, f32::max));
        if divisors.iter().all(|&d| d == 1.0) {
            return Ok(None);
        }
        let rule = (factor, 1.0, 4.0, 8192.0);
        let agrees = divisors.iter().enumerate().all(|(i, &d)| {
            let expected = llama3_divisor(theta.powf(-2.0 * i as f64 / head_dim as f64), rule);
            (f64::from(d) - expected).abs() <= 1e-4 * expected
        });
        if !(factor.is_finite() && agrees) {
            return refuse(format!("tensor {ROPE_FREQS:?} follows no known rule"));
        }
        Ok(Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor: rule.1,
            high_freq_factor: rule.2,
            original_max_position_embeddings: 8192,
        }))
    }

    /// All weights, dequantised, in halves for rotary positions.
    ///
    /// # Errors
    /// As [`Self::config`], and if tensors are missing, superfluous, of another shape, NaN or infinite.
    pub fn load_params(&self) -> Result<Params, Error> {
        let config = self.config()?;
        let interleaved = matches!(config.architecture, Architecture::Llama | Architecture::Mistral);
        let folder_names = Params::expected(&config, None);
        let mut expected = Vec::new();
        for (name, shape) in &folder_names {
            let stored = gguf_name(name).ok_or_else(|| {
                Error::Caller(fault("names", format!("{name} has no GGUF name"), "an entry in the table", "add it"))
            })?;
            expected.push((stored, shape.clone()));
        }
        let stored = self.header.tensors.keys().map(String::as_str);
        check_names(&self.place, stored, &expected, |name| name == ROPE_FREQS)?;

        let mut tensors = Vec::with_capacity(expected.len());
        for ((name, shape), (stored, _)) in folder_names.into_iter().zip(&expected) {
            let found = &self.header.tensors[stored].shape;
            if *found != shape {
                let what = format!("tensor {} has shape {found:?}", quoted(stored));
                return Err(misshapen(&self.place, what, &shape));
            }
            let (mut data, odd) = self.values(stored)?;
            if odd != Odd::default() {
                return Err(not_finite(&self.place, stored, odd, data.len()));
            }
            if interleaved && is_rotary(&name) {
                halves_from_pairs(&mut data, config.head_dim, config.hidden_size);
            }
            tensors.push(Tensor { name, shape, data });
        }
        Ok(Params { config, head: None, tensors })
    }

    /// A tensor of the directory, whose extent was checked against the file.
    fn values(&self, stored: &str) -> Result<(Vec<f32>, Odd), Error> {
        let info = &self.header.tensors[stored];
        let mut values = vec![0.0; info.elements];
        let odd = fill(&self.source, info.offset, info.decoder, &mut values)
            .map_err(|e| Error::read(Path::new(&self.place), "read the tensors", e))?;
        Ok((values, odd))
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let what = if self.header.metadata.contains_key(key) { "is of the wrong type" } else { "is missing" };
        Error::Config(fault(&self.place, format!("metadata {key:?} {what}"), expected, CONVERT))
    }

    fn unlike(&self, key: &str, expected: &str) -> Error {
        let shown = self.header.metadata.get(key).map_or_else(String::new, |v| quoted(&format!("{v:?}")));
        Error::Unsupported(fault(&self.place, format!("metadata {key:?} is {shown}"), expected, OTHER_FILE))
    }

    fn count(&self, key: &str) -> Result<Option<usize>, Error> {
        let Some(value) = self.header.metadata.get(key) else { return Ok(None) };
        match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            None => Err(self.wrong(key, "a whole number")),
            n => Ok(n),
        }
    }

    fn required(&self, key: &str) -> Result<usize, Error> {
        self.count(key)?.ok_or_else(|| self.wrong(key, "a whole number from 1 up"))
    }

    /// One number for all layers, or a list that holds the same number for each.
    fn per_layer(&self, key: &str) -> Result<Option<usize>, Error> {
        match self.header.metadata.get(key).and_then(Value::as_array) {
            None => self.count(key),
            Some([first, rest @ ..]) if rest.iter().all(|v| v == first) => {
                let n = first.as_u64().and_then(|n| usize::try_from(n).ok());
                n.map(Some).ok_or_else(|| self.wrong(key, "whole numbers"))
            }
            Some(_) => Err(self.unlike(key, "the same number for every layer")),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.header.metadata.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(key, "a number"))
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        let Some(value) = self.header.metadata.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a string"))
    }
}

/// What Llama 3's rule divides a rotary frequency by: 1 for short wavelengths, `factor` for long ones, between them the
/// inverse of a linear blend. The rule is (factor, low, high, original context).
fn llama3_divisor(frequency: f64, (factor, low, high, original): (f64, f64, f64, f64)) -> f64 {
    let turns = original * frequency / TAU;
    if turns > high {
        1.0
    } else if turns < low {
        factor
    } else {
        let blend = (turns - low) / (high - low);
        1.0 / ((1.0 - blend) / factor + blend)
    }
}
