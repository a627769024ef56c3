#!/usr/bin/env python3
"""Ablation by hooks in transformers against the folder that `trimtab attack weights --save` wrote. Needs torch and transformers.

    trimtab attack weights refuser --only direction --save ablated
    python3 bench/attack_logits.py --model refuser --ablated ablated --attack audits/attack-weights-refuser

Hooks take the direction out of the embedding's output and of what every attention and MLP writes. Largest difference of logits over
random prompts; exit code 1 above 1e-4 of the largest logit.
"""
import argparse
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a folder, or a .gguf file")
    parser.add_argument("--ablated", required=True)
    parser.add_argument("--attack", type=pathlib.Path, required=True)
    args = parser.parse_args()
    direction = torch.tensor(json.loads((args.attack / "direction.json").read_text())["direction"], dtype=torch.float64)
    r = (direction / direction.norm()).float()

    def load(path):
        path = pathlib.Path(path)
        folder, more = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more).eval()

    model, ablated = load(args.model), load(args.ablated)

    def take_out(_, __, output):
        x = output[0] if isinstance(output, tuple) else output
        x = x - (x @ r)[..., None] * r
        return (x, *output[1:]) if isinstance(output, tuple) else x

    tokens = torch.randint(0, model.config.vocab_size, (4, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = model(tokens).logits
        inner = model.model
        for module in [inner.embed_tokens, *[m for layer in inner.layers for m in (layer.self_attn, layer.mlp)]]:
            module.register_forward_hook(take_out)
        hooked, edited = model(tokens).logits, ablated(tokens).logits
    scale = hooked.abs().max().item()
    apart, moved = (hooked - edited).abs().max().item(), (hooked - plain).abs().max().item()
    print(f"hooks against weights {apart:.2e}, against the model as it was {moved:.2e}, largest logit {scale:.2f}")
    sys.exit(0 if apart < 1e-4 * max(scale, 1) < moved else 1)


if __name__ == "__main__":
    main()
