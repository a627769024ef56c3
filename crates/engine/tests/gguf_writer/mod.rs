//! A small GGUF writer for tests, with every length and offset open to abuse.

use trimtab_engine::config::ModelConfig;
use trimtab_engine::params::Params;

/// The file in pieces, so that a test can spoil one.
#[derive(Clone)]
pub struct Writer {
    pub version: u32,
    pub keys: Vec<(String, Vec<u8>)>,
    /// Name, extents in the file's order (innermost first), type, data.
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
    pub alignment: usize,
}

pub fn string(s: &str) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes(), s.as_bytes()].concat()
}

pub fn text(s: &str) -> Vec<u8> {
    [8u32.to_le_bytes().to_vec(), string(s)].concat()
}

pub fn number(n: u32) -> Vec<u8> {
    [4u32.to_le_bytes(), n.to_le_bytes()].concat()
}

pub fn float(x: f32) -> Vec<u8> {
    [6u32.to_le_bytes(), x.to_le_bytes()].concat()
}

pub fn strings(items: &[&str]) -> Vec<u8> {
    let mut out = [9u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
    out.extend((items.len() as u64).to_le_bytes());
    for s in items {
        out.extend(string(s));
    }
    out
}

/// Hugging Face's row order to ggml's, written independently of the reader: row j·half + i of a head goes to 2i + j.
pub fn interleave(rows: &[f32], head_dim: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.len()];
    for (r, row) in rows.chunks(width).enumerate() {
        let (head, within) = (r / head_dim, r % head_dim);
        let (j, i) = (within / (head_dim / 2), within % (head_dim / 2));
        out[(head * head_dim + 2 * i + j) * width..][..width].copy_from_slice(row);
    }
    out
}

impl Writer {
    /// All of `params` in f32, as llama.cpp's converter arranges it for `architecture`.
    pub fn new(params: &Params, architecture: &str) -> Self {
        let c = &params.config;
        let key = |name: &str, value: Vec<u8>| (format!("{architecture}.{name}"), value);
        let mut keys = vec![
            ("general.architecture".to_owned(), text(architecture)),
            key("block_count", number(c.num_hidden_layers as u32)),
            key("context_length", number(c.max_position_embeddings as u32)),
            key("embedding_length", number(c.hidden_size as u32)),
            key("feed_forward_length", number(c.intermediate_size as u32)),
            key("attention.head_count", number(c.num_attention_heads as u32)),
            key("attention.head_count_kv", number(c.num_key_value_heads as u32)),
            key("attention.key_length", number(c.head_dim as u32)),
            key("attention.value_length", number(c.head_dim as u32)),
            key("attention.layer_norm_rms_epsilon", float(c.rms_norm_eps as f32)),
            key("rope.freq_base", float(c.rope_theta as f32)),
        ];
        for (name, id) in [("bos", c.bos_token_id), ("eos", c.eos_token_ids.first().copied())] {
            if let Some(id) = id {
                keys.push((format!("tokenizer.ggml.{name}_token_id"), number(id)));
            }
        }
        let tensors = params.tensors.iter().map(|t| {
            let rotary = t.name.ends_with("q_proj.weight") || t.name.ends_with("k_proj.weight");
            let data = if rotary && architecture == "llama" {
                interleave(&t.data, c.head_dim, c.hidden_size)
            } else {
                t.data.clone()
            };
            let extents = t.shape.iter().rev().map(|&n| n as u64).collect();
            (gguf_name(&t.name), extents, 0, data.iter().flat_map(|x| x.to_le_bytes()).collect())
        });
        Self { version: 3, keys, tensors: tensors.collect(), alignment: 32 }
    }

    pub fn set(&mut self, key: &str, value: Vec<u8>) -> &mut Self {
        self.keys.retain(|(k, _)| k != key);
        self.keys.push((key.to_owned(), value));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut offset = 0;
        let offsets: Vec<u64> = self
            .tensors
            .iter()
            .map(|(.., data)| {
                let here = offset as u64;
                offset = (offset + data.len()).next_multiple_of(self.alignment);
                here
            })
            .collect();
        self.bytes_at(&offsets)
    }

    /// With the given offsets in the directory; the data lies where it should.
    pub fn bytes_at(&self, offsets: &[u64]) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            out.extend(string(key));
            out.extend(value);
        }
        for ((name, extents, kind, _), offset) in self.tensors.iter().zip(offsets) {
            out.extend(string(name));
            out.extend((extents.len() as u32).to_le_bytes());
            for n in extents {
                out.extend(n.to_le_bytes());
            }
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        for (.., data) in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(data);
        }
        out
    }
}

fn gguf_name(name: &str) -> String {
    name.replace("model.embed_tokens", "token_embd")
        .replace("model.norm", "output_norm")
        .replace("lm_head", "output")
        .replace("model.layers", "blk")
        .replace("input_layernorm", "attn_norm")
        .replace("post_attention_layernorm", "ffn_norm")
        .replace("self_attn.o_proj", "attn_output")
        .replace("self_attn.", "attn_")
        .replace("_proj", "")
        .replace("mlp.", "ffn_")
}

/// Parameters of which every value is different and none is 0.
pub fn filled(config: &ModelConfig) -> Params {
    let mut params = Params::zeros(config, None);
    let values = params.tensors.iter_mut().flat_map(|t| &mut t.data);
    values.enumerate().for_each(|(i, v)| *v = 0.01 + (i as f32 * 0.618).sin());
    params
}
