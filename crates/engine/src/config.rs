//! What a checkpoint's shape is: the fields of `config.json` that change the arithmetic, and the tensors they imply.
//!
//! One family of decoders is supported (RMSNorm before attention and before a SwiGLU block, rotary positions,
//! grouped-query attention); its members differ in four switches: attention biases, q/k norms, RoPE scaling and tied
//! embeddings. `checkpoint::config_json` reads and writes the file; nothing else here touches a disk.

use serde::{Deserialize, Serialize};

/// The published names of the family, as in `config.json` `architectures` and `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Llama 2, Llama 3, TinyLlama, SmolLM2.
    Llama,
    /// Mistral 7B and kin: Llama's arithmetic with its own name.
    Mistral,
    /// Qwen2 and Qwen2.5: biases on q, k and v.
    Qwen2,
    /// Qwen3: RMSNorm on every head of q and k, no biases.
    Qwen3,
}

/// How rotary frequencies are stretched past the pretraining context.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "rope_type")]
pub enum RopeScaling {
    /// Positions divided by `factor` (Chen et al. 2023, arXiv:2306.15595).
    Linear {
        /// How many times longer the context became.
        factor: f64,
    },
    /// Llama 3's rule: long wavelengths divided by `factor`, short ones kept, a linear blend between.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are divided whole.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// The context length of pretraining, in tokens.
        original_max_position_embeddings: usize,
    },
}

/// The shape of a decoder. Field names are those of Hugging Face's `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Which published family wrote the checkpoint.
    pub architecture: Architecture,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU block.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of one head; `hidden_size / num_attention_heads` unless the file says otherwise.
    pub head_dim: usize,
    /// Added to the mean square inside every RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Stretching of the rotary frequencies, if any.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// Biases on q, k and v (Qwen2).
    pub qkv_bias: bool,
    /// RMSNorm on each head of q and k (Qwen3).
    pub qk_norm: bool,
    /// Longest sequence the checkpoint was made for, in tokens.
    pub max_position_embeddings: usize,
    /// Keys further back than this are not attended to (Mistral 0.1); `None` attends to all.
    pub sliding_window: Option<usize>,
    /// Beginning-of-sequence token, where the checkpoint names one.
    pub bos_token_id: Option<u32>,
    /// Every token that ends an answer.
    pub eos_token_ids: Vec<u32>,
}

/// A readout on top of the final hidden states, saved as `score.weight` `[classes, hidden_size]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// 1 for a reward or value head, the number of classes otherwise.
    pub classes: usize,
}

impl ModelConfig {
    /// A two-block Llama of a few thousand parameters, for tests and examples.
    pub fn tiny() -> Self {
        Self {
            architecture: Architecture::Llama,
            vocab_size: 61,
            hidden_size: 24,
            intermediate_size: 40,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 6,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: None,
            tie_word_embeddings: true,
            qkv_bias: false,
            qk_norm: false,
            max_position_embeddings: 256,
            sliding_window: None,
            bos_token_id: None,
            eos_token_ids: vec![0],
        }
    }

    /// Width of all query heads together.
    pub fn q_dim(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_dim(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Name and shape of every tensor of the checkpoint, in the order in which this engine keeps them.
    ///
    /// Names are Hugging Face's. `lm_head.weight` is absent when the embedding is tied.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (d, q, kv, f) = (self.hidden_size, self.q_dim(), self.kv_dim(), self.intermediate_size);
        let mut out = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, d])];
        for l in 0..self.num_hidden_layers {
            let mut add = |name: &str, shape: Vec<usize>| out.push((format!("model.layers.{l}.{name}"), shape));
            add("input_layernorm.weight", vec![d]);
            add("self_attn.q_proj.weight", vec![q, d]);
            add("self_attn.k_proj.weight", vec![kv, d]);
            add("self_attn.v_proj.weight", vec![kv, d]);
            add("self_attn.o_proj.weight", vec![d, q]);
            add("post_attention_layernorm.weight", vec![d]);
            add("mlp.gate_proj.weight", vec![f, d]);
            add("mlp.up_proj.weight", vec![f, d]);
            add("mlp.down_proj.weight", vec![d, f]);
            if self.qkv_bias {
                add("self_attn.q_proj.bias", vec![q]);
                add("self_attn.k_proj.bias", vec![kv]);
                add("self_attn.v_proj.bias", vec![kv]);
            }
            if self.qk_norm {
                add("self_attn.q_norm.weight", vec![self.head_dim]);
                add("self_attn.k_norm.weight", vec![self.head_dim]);
            }
        }
        out.push(("model.norm.weight".to_owned(), vec![d]));
        if !self.tie_word_embeddings {
            out.push(("lm_head.weight".to_owned(), vec![self.vocab_size, d]));
        }
        out
    }

    /// How many parameters the tensors of [`Self::tensors`] hold.
    pub fn parameter_count(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}
