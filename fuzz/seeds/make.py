"""Writes the seeds of the `safetensors` target: weights of its configuration, and configurations of each spelling.

    python fuzz/seeds/make.py          (needs numpy and safetensors)
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent / "safetensors"
LAYER = {
    "input_layernorm": (4,), "self_attn.q_proj": (4, 4), "self_attn.k_proj": (2, 4), "self_attn.v_proj": (2, 4),
    "self_attn.o_proj": (4, 4), "post_attention_layernorm": (4,), "mlp.gate_proj": (4, 4), "mlp.up_proj": (4, 4),
    "mlp.down_proj": (4, 4),
}
SIZES = {"vocab_size": 3, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2}
LLAMA3 = {"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8}


def weights(dtype, head):
    rng = np.random.default_rng(1)
    shapes = {f"model.layers.0.{name}.weight": shape for name, shape in LAYER.items()}
    shapes |= {"model.embed_tokens.weight": (3, 4), "model.norm.weight": (4,)}
    shapes |= {"score.weight": (1, 4)} if head else {}
    return {name: rng.normal(0, 1, shape).astype(dtype) for name, shape in shapes.items()}


def main():
    save_file(weights(np.float32, False), HERE / "f32.safetensors")
    save_file(weights(np.float16, True), HERE / "f16-head.safetensors")
    configs = {
        "llama4": {"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", **LLAMA3}},
        "llama5": {"model_type": "llama", "rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", **LLAMA3}},
        "mistral": {"model_type": "mistral", "sliding_window": 5, "rope_scaling": {"type": "linear", "factor": 2.0}},
        "qwen2": {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False, "num_key_value_heads": 1},
        "qwen3": {"model_type": "qwen3", "layer_types": ["full_attention"], "head_dim": 4, "eos_token_id": [1, 2]},
    }
    for name, config in configs.items():
        (HERE / f"{name}.json").write_text(json.dumps(config | SIZES | {"num_key_value_heads": 1}) + "\n")


if __name__ == "__main__":
    main()
