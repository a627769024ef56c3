//! ggml's tensor names in Hugging Face's, and the row order of rotary heads.

/// What a block's tensor is called in GGUF (`blk.N.` before) and in a folder (`model.layers.N.` before).
const BLOCK: [(&str, &str); 14] = [
    ("attn_norm.weight", "input_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
    ("attn_q.bias", "self_attn.q_proj.bias"),
    ("attn_k.bias", "self_attn.k_proj.bias"),
    ("attn_v.bias", "self_attn.v_proj.bias"),
    ("attn_q_norm.weight", "self_attn.q_norm.weight"),
    ("attn_k_norm.weight", "self_attn.k_norm.weight"),
];

/// The GGUF name of a tensor that a folder calls `name`.
pub(super) fn gguf_name(name: &str) -> Option<String> {
    match name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".to_owned()),
        "model.norm.weight" => return Some("output_norm.weight".to_owned()),
        "lm_head.weight" => return Some("output.weight".to_owned()),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (short, _) = BLOCK.iter().find(|(_, long)| *long == rest)?;
    Some(format!("blk.{layer}.{short}"))
}

/// Whether `name` (as in a folder) is a query or key projection, whose rows llama-family GGUF files interleave.
pub(super) fn is_rotary(name: &str) -> bool {
    name.ends_with(".q_proj.weight") || name.ends_with(".k_proj.weight")
}

/// Puts interleaved rotary rows back into halves, head by head.
///
/// `rows` is `[heads · head_dim, width]`. ggml's llama pairs rows 2i and 2i + 1 of a head, Hugging Face (and this
/// engine) rows i and i + head_dim/2; the converter wrote Hugging Face's row j·head_dim/2 + i at 2i + j.
pub(super) fn halves_from_pairs(rows: &mut [f32], head_dim: usize, width: usize) {
    let mut pairs = vec![0.0; head_dim * width];
    for head in rows.chunks_exact_mut(head_dim * width) {
        pairs.copy_from_slice(head);
        for (at, row) in head.chunks_exact_mut(width).enumerate() {
            let (j, i) = (at / (head_dim / 2), at % (head_dim / 2));
            row.copy_from_slice(&pairs[(2 * i + j) * width..][..width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads of four rows: pairs (0, 2) and (1, 3) of each head stand interleaved in GGUF.
    #[test]
    fn rows_return_to_their_halves() {
        let mut rows = [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
        halves_from_pairs(&mut rows, 4, 1);
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
    }

    #[test]
    fn every_tensor_of_every_family_has_a_name() {
        assert_eq!(gguf_name("model.layers.12.mlp.down_proj.weight").as_deref(), Some("blk.12.ffn_down.weight"));
        assert_eq!(gguf_name("score.weight"), None);
    }
}
