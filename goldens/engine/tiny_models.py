"""Tiny random models for the goldens: one per member of the family, small enough to commit, and their exact f64 form."""

import types

import torch
from transformers import (
    LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM,
    Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
)

SHAPE = dict(
    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
    rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=None,
)
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
# With 8-wide heads the wavelengths are 6, 63, 628 and 6283 tokens: against 16 and 64 one is kept, one blended, two cut.
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

MODELS = {
    "tiny_llama": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=False)),
    "tiny_llama3": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=LLAMA3, tie_word_embeddings=False)),
    # A window of 5 keys, so that it matters at these lengths.
    "tiny_mistral": (
        MistralForCausalLM,
        MistralConfig(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=True, sliding_window=5),
    ),
    "tiny_qwen2": (Qwen2ForCausalLM, Qwen2Config(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=False)),
    # Heads of 16 where 32 / 4 = 8, tied embeddings, norms on q and k.
    "tiny_qwen3": (
        Qwen3ForCausalLM,
        Qwen3Config(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=True, head_dim=16),
    ),
}


@torch.no_grad()
def build(name):
    """A model in f32 with weights drawn by seed, large enough that attention and logits are far from uniform."""
    kind, config = MODELS[name]
    model = kind._from_config(config, attn_implementation="sdpa", dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(20240229)
    for key, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in key:
            parameter.copy_(1.0 + 0.2 * noise)
        elif key.endswith("bias"):
            parameter.copy_(0.3 * noise)
        elif "embed_tokens" in key:
            parameter.copy_(0.6 * noise)
        else:
            parameter.copy_(1.2 * noise / parameter.shape[1] ** 0.5)
    return model


def exact(model):
    """The same model wholly in f64: transformers computes norms and rotary tables in f32 whatever the weights are."""
    model = model.double()

    def norm(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    def rotary(self, x, position_ids):
        angles = position_ids[..., None].double() * self.inv_freq.double()
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos() * self.attention_scaling, angles.sin() * self.attention_scaling

    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = types.MethodType(norm, module)
        elif type(module).__name__.endswith("RotaryEmbedding"):
            module.forward = types.MethodType(rotary, module)
    return model
