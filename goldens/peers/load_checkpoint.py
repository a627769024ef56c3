"""Loads the folders of `write_tiny_checkpoints` in transformers and compares settings and every value.

    cargo run -p trimtab-engine --example write_tiny_checkpoints -- OUTDIR
    python goldens/peers/load_checkpoint.py OUTDIR [--resave DIR]
    python goldens/peers/load_checkpoint.py FOLDER EXPECTED.safetensors

With --resave, transformers saves what it loaded, for `write_tiny_checkpoints --check DIR/*` to read back.
The second form compares what one folder computes: EXPECTED holds `tokens` [n] (one sequence) and our `logits`
[n, vocab] in f32, which must agree within 2e-3 and in every argmax.
Ends with status 1 and one line for each difference.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

MATRICES = ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def order(config, head):
    """Names in the engine's order, which numbers the values."""
    yield "model.embed_tokens.weight"
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from (f"{prefix}{name}.weight" for name in MATRICES)
        if config["model_type"] == "qwen2":
            yield from (f"{prefix}self_attn.{x}_proj.bias" for x in "qkv")
        if config["model_type"] == "qwen3":
            yield from (f"{prefix}self_attn.{x}_norm.weight" for x in "qk")
    yield "model.norm.weight"
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight"
    if head:
        yield "score.weight"


def check(folder, resave):
    written = json.loads((folder / "config.json").read_text())
    head = "-head" in folder.name
    kind = AutoModelForSequenceClassification if head else AutoModelForCausalLM
    dtype = torch.bfloat16 if folder.name.endswith("-bf16") else torch.float32
    generation = int(transformers.__version__.split(".")[0])
    asked = {"dtype" if generation >= 5 else "torch_dtype": "auto"}
    model, about = kind.from_pretrained(folder, output_loading_info=True, **asked)

    # An untied classifier keeps its output matrix, for which transformers' classifier has no place.
    spare = {"lm_head.weight"} if head else set()
    for what, names in about.items():
        left = {str(n) for n in names} - spare if isinstance(names, (set, list)) else names
        if left:
            yield f"{what}: {left}"
    config = model.config
    for name in ("hidden_size", "num_key_value_heads", "head_dim", "vocab_size", "rms_norm_eps", "tie_word_embeddings",
                 "bos_token_id", "eos_token_id", "max_position_embeddings"):
        if hasattr(config, name) and getattr(config, name) != written[name]:
            yield f"{name}: wrote {written[name]}, loaded {getattr(config, name)}"
    if written["model_type"] == "mistral" and config.sliding_window != written["sliding_window"]:
        yield f"sliding_window: {config.sliding_window}"
    rope = getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta, **(config.rope_scaling or {})}
    for key, value in {"rope_theta": written["rope_theta"], **(written["rope_scaling"] or {})}.items():
        if rope.get(key) != value:
            yield f"rope {key}: wrote {value}, loaded {rope.get(key)}"
    if head:
        if config.num_labels != int(folder.name[-1]):
            yield f"num_labels: {config.num_labels}"
        if config.trimtab_reward != {"mean": 0.5, "std": 2.0}:
            yield f"trimtab_reward: {config.trimtab_reward}"
    if next(model.parameters()).dtype != dtype:
        yield f"dtype: {next(model.parameters()).dtype}, expected {dtype}"

    state, at = model.state_dict(), 0
    for name in order(written, head):
        if head and name == "lm_head.weight":
            at += written["vocab_size"] * written["hidden_size"]
            continue
        found = state[name]
        index = torch.arange(at, at + found.numel(), dtype=torch.int64)
        expected = ((index * 7919 % 2039 - 1019).to(torch.float32) / 1024).reshape(found.shape).to(dtype)
        at += found.numel()
        if not torch.equal(found, expected):
            yield f"{name}: values differ"
    with torch.no_grad():
        if not torch.isfinite(model(torch.arange(9)[None]).logits).all():
            yield "logits are not finite"
    if resave and not (head and not written["tie_word_embeddings"]) and dtype == torch.float32:
        model.save_pretrained(resave / folder.name)


@torch.no_grad()
def check_logits(folder, expected):
    expected = load_file(expected)
    model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
    logits = model(expected["tokens"].long()[None]).logits[0]
    largest = (logits - expected["logits"]).abs().max().item()
    if not largest < 2e-3:
        yield f"{folder.name}: logits differ by {largest:.2e}"
    if not torch.equal(logits.argmax(-1), expected["logits"].argmax(-1)):
        yield f"{folder.name}: another token is the likeliest"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("expected", type=Path, nargs="?")
    parser.add_argument("--resave", type=Path)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if args.expected:
        differences = list(check_logits(args.folder, args.expected))
        print("\n".join(differences) or f"{args.folder.name}: logits agree")
        sys.exit(bool(differences))
    folders = sorted(p.parent for p in args.folder.glob("*/config.json"))
    failures = 0 if folders else 1
    for folder in folders:
        for difference in check(folder, args.resave):
            failures += 1
            print(f"{folder.name}: {difference}")
    print(f"transformers {transformers.__version__}: {len(folders)} folders, {failures} differences")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
