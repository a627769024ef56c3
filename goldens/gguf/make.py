"""Writes blocks.json (quantised blocks and what the `gguf` package makes of them) and tiny.gguf (a whole file).

    python goldens/gguf/make.py          (needs gguf and numpy; `cargo xtask peers` has both)

Two kinds of block per type: random values quantised by the package (where it can quantise), and random bytes with sane
scales, which reach every bit pattern of the packed fields.

tiny.gguf is a two-block Llama 3 as llama.cpp's converter would write it: query and key rows interleaved, rotary
divisors in rope_freqs.weight. Value i of the t-th tensor, counted in Hugging Face's order of names and rows, is
((1000 t + i) mod 4096) / 64, which f32 holds exactly; the test computes it again.
"""

import json
import math
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGUFWriter
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

# Where the half-precision scales stand in a block, in bytes.
SCALES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def random_blocks(kind, count, rng):
    """Random bytes, but scales drawn as halves of ordinary size: random halves are NaN and infinity now and then."""
    _, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[kind]:
        blocks[:, at : at + 2] = rng.normal(0, 0.1, (count, 1)).astype("<f2").view(np.uint8)
    return blocks


def case(kind, raw):
    values = dequantize(raw, kind).astype("<f4")
    assert np.isfinite(values).all()
    return {"type": kind.name, "number": int(kind), "raw": raw.tobytes().hex(), "f32": values.tobytes().hex()}


def interleave(rows, heads):
    """Row order of ggml's rotary kernel, as convert_hf_to_gguf.py arranges it."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def llama3_divisors(theta, head_dim, factor, low, high, original):
    """Eq. by eq. what transformers' `_compute_llama3_parameters` divides each inverse frequency by."""
    out = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * theta ** (i / head_dim)
        if wavelength < original / high:
            out.append(1.0)
        elif wavelength > original / low:
            out.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, dtype=np.float32)


def tiny_model(path):
    vocabulary, width, ffn, layers, heads, kv_heads, head_dim = 13, 16, 24, 2, 2, 1, 16
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(131072)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(500000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([f"t{i}" for i in range(vocabulary)])
    writer.add_token_types([1] * (vocabulary - 2) + [3, 3])
    writer.add_token_merges(["t 1", "t 2"])
    writer.add_bos_token_id(11)
    writer.add_eos_token_id(12)
    writer.add_eot_token_id(10)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages }}")

    count = 0

    def tensor(name, *shape, permute=None):
        nonlocal count
        values = (1000 * count + np.arange(math.prod(shape))) % 4096 / np.float32(64)
        count += 1
        values = values.astype(np.float32).reshape(shape)
        writer.add_tensor(name, values if permute is None else interleave(values, permute))

    tensor("token_embd.weight", vocabulary, width)
    for i in range(layers):
        tensor(f"blk.{i}.attn_norm.weight", width)
        tensor(f"blk.{i}.attn_q.weight", heads * head_dim, width, permute=heads)
        tensor(f"blk.{i}.attn_k.weight", kv_heads * head_dim, width, permute=kv_heads)
        tensor(f"blk.{i}.attn_v.weight", kv_heads * head_dim, width)
        tensor(f"blk.{i}.attn_output.weight", width, heads * head_dim)
        tensor(f"blk.{i}.ffn_norm.weight", width)
        tensor(f"blk.{i}.ffn_gate.weight", ffn, width)
        tensor(f"blk.{i}.ffn_up.weight", ffn, width)
        tensor(f"blk.{i}.ffn_down.weight", width, ffn)
    tensor("output_norm.weight", width)
    tensor("output.weight", vocabulary, width)
    writer.add_tensor("rope_freqs.weight", llama3_divisors(500000.0, head_dim, 8.0, 1.0, 4.0, 8192))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    rng = np.random.default_rng(7)
    cases = []
    for kind in SCALES:
        elements, _ = GGML_QUANT_SIZES[kind]
        cases.append(case(kind, random_blocks(kind, 512 // elements, rng)))
        try:
            cases.append(case(kind, quantize(rng.normal(0, 1, (1, 512 if elements > 32 else 64)).astype(np.float32), kind)))
        except NotImplementedError:
            pass
    for kind in (Type.F16, Type.BF16):
        cases.append(case(kind, quantize(rng.normal(0, 1, (1, 64)).astype(np.float32), kind)))
    text = ",\n".join(json.dumps(c) for c in cases)
    Path(__file__).with_name("blocks.json").write_text(f"[\n{text}\n]\n")
    tiny_model(Path(__file__).with_name("tiny.gguf"))


if __name__ == "__main__":
    main()
