"""The two shapes of the speed comparison, and what the workers share: two threads, random weights, one line a step."""

import argparse
import json
import os
import resource

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
# Read by OpenMP when torch is imported, so before it.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(THREADS)

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

torch.set_num_threads(THREADS)
transformers.logging.set_verbosity_error()

# Sequences by tokens of one training step.
BATCH = {"tiny": (16, 128), "smol": (4, 256)}
CONFIG = {
    "tiny": dict(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=6,
        num_attention_heads=8, num_key_value_heads=4, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    ),
    "smol": dict(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
    ),
}


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--shape", choices=CONFIG, default="smol")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    return parser


def model_of(args, attention):
    torch.manual_seed(0)
    config = LlamaConfig(
        **CONFIG[args.shape], max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    return LlamaForCausalLM._from_config(config, attn_implementation=attention, dtype=dtype)


def emit(tokens, seconds, **more):
    """One measured step. Peak memory is the process's high-water mark so far (Linux counts it in KiB)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_second": tokens / seconds, "peak_rss_bytes": peak, **more}), flush=True)
