//! The parameters of a model: named f32 tensors in a fixed order, and where each one stands.

use crate::config::{Head, ModelConfig};

/// A named, dense, row-major f32 tensor. Linear weights are `[out, in]`, as in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Hugging Face's name of the parameter.
    pub name: String,
    /// Extent of each axis, outermost first.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub data: Vec<f32>,
}

/// Index of a tensor in [`Params::tensors`].
pub type TensorId = usize;

/// Where the tensors of one block stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation: Hugging Face's, without the affixes
pub struct LayerIds {
    pub input_norm: TensorId,
    pub q: TensorId,
    pub k: TensorId,
    pub v: TensorId,
    pub o: TensorId,
    pub post_norm: TensorId,
    pub gate: TensorId,
    pub up: TensorId,
    pub down: TensorId,
    /// Biases of q, k and v.
    pub qkv_bias: Option<[TensorId; 3]>,
    /// Norms of q and k.
    pub qk_norm: Option<[TensorId; 2]>,
}

/// All parameters of a model, in the order of [`ModelConfig::tensors`], then the head if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// The shape of the model.
    pub config: ModelConfig,
    /// A scalar or class head (`score.weight`, the last tensor), if the checkpoint has one.
    pub head: Option<Head>,
    /// Every tensor, embedding first.
    pub tensors: Vec<Tensor>,
}

impl Params {
    /// Name and shape of every tensor, with the head's last.
    pub fn expected(config: &ModelConfig, head: Option<Head>) -> Vec<(String, Vec<usize>)> {
        let mut out = config.tensors();
        if let Some(head) = head {
            out.push(("score.weight".to_owned(), vec![head.classes, config.hidden_size]));
        }
        out
    }

    /// All tensors zero.
    pub fn zeros(config: &ModelConfig, head: Option<Head>) -> Self {
        let tensors = Self::expected(config, head)
            .into_iter()
            .map(|(name, shape)| Tensor { data: vec![0.0; shape.iter().product()], name, shape })
            .collect();
        Self { config: config.clone(), head, tensors }
    }

    /// The embedding, `[vocab_size, hidden_size]`.
    pub const EMBED: TensorId = 0;

    /// Where block `l` keeps its tensors.
    pub fn layer(&self, l: usize) -> LayerIds {
        layer_ids(&self.config, l)
    }

    /// The norm before the output matrix, `[hidden_size]`.
    pub fn final_norm(&self) -> TensorId {
        layer_ids(&self.config, self.config.num_hidden_layers).input_norm
    }

    /// The output matrix, `[vocab_size, hidden_size]`: the embedding when tied.
    pub fn lm_head(&self) -> TensorId {
        if self.config.tie_word_embeddings { Self::EMBED } else { self.final_norm() + 1 }
    }

    /// The scalar or class head, `[classes, hidden_size]`.
    pub fn score(&self) -> Option<TensorId> {
        self.head.map(|_| self.tensors.len() - 1)
    }

    /// The values of one tensor.
    pub fn get(&self, id: TensorId) -> &[f32] {
        &self.tensors[id].data
    }
}

fn layer_ids(config: &ModelConfig, l: usize) -> LayerIds {
    let stride = 9 + 3 * usize::from(config.qkv_bias) + 2 * usize::from(config.qk_norm);
    let at = 1 + l * stride;
    let norms_at = at + 9 + 3 * usize::from(config.qkv_bias);
    LayerIds {
        input_norm: at,
        q: at + 1,
        k: at + 2,
        v: at + 3,
        o: at + 4,
        post_norm: at + 5,
        gate: at + 6,
        up: at + 7,
        down: at + 8,
        qkv_bias: config.qkv_bias.then(|| [at + 9, at + 10, at + 11]),
        qk_norm: config.qk_norm.then(|| [norms_at, norms_at + 1]),
    }
}
