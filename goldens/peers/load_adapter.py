"""Loads a LoRA adapter that trimtab wrote, in PEFT, and checks that it gives trimtab's logits, or its head's scores.

    python goldens/peers/load_adapter.py BASE ADAPTER EXPECTED.safetensors

BASE is a Hugging Face folder, ADAPTER a folder with adapter_config.json and adapter_model.safetensors, and EXPECTED
holds what trimtab computed with both: `tokens` [n] (one sequence, integers) and `logits` [n, vocab] (f32), or, for an
adapter with a head, `scores` [n, classes], row i being that of the sequence's first i + 1 tokens.
Exit code 0 and the largest difference, or 1 and what is wrong.
"""

import json
import pathlib
import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def load(base, expected):
    """The base model, as a classifier where scores are expected; transformers gives it a head of its own to start with."""
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    if "scores" in expected:
        return AutoModelForSequenceClassification.from_pretrained(base, num_labels=expected["scores"].shape[1], **options)
    return AutoModelForCausalLM.from_pretrained(base, **options)


def compute(model, tokens, expected):
    if "scores" not in expected:
        return model(tokens).logits[0]
    # A classifier answers for the last token only.
    return torch.cat([model(tokens[:, : end + 1]).logits for end in range(tokens.shape[1])])


@torch.no_grad()
def main():
    base, adapter, expected = map(pathlib.Path, sys.argv[1:4])
    expected = load_file(expected)
    tokens = expected["tokens"].long()[None]
    plain = load(base, expected).eval()
    before = compute(plain, tokens, expected)
    # PEFT warns, and goes on, when it knows a key of the configuration or a tensor of the file not: here both are errors.
    warnings.filterwarnings("error", module="peft.*")
    warnings.filterwarnings("error", message=".*adapter keys.*")
    model = PeftModel.from_pretrained(plain, adapter).eval()
    saved = load_file(adapter / "adapter_model.safetensors")
    loaded = {
        name.replace(".modules_to_save.default.", ".").replace(".default.weight", ".weight"): parameter
        for name, parameter in model.named_parameters() if "lora_" in name or "modules_to_save" in name
    }
    assert saved.keys() == loaded.keys(), f"only on one side: {sorted(saved.keys() ^ loaded.keys())[:4]}"
    for name, value in saved.items():
        assert torch.equal(value.float(), loaded[name]), f"{name} was not loaded"
    assert any(value.abs().max() > 0 for name, value in saved.items() if "lora_B" in name), "every lora_B is zero"
    after = compute(model, tokens, expected)
    what = "scores" if "scores" in expected else "logits"
    scale = after.abs().max()
    worst = (after - expected[what]).abs().max() / scale
    moved = (after - before).abs().max() / scale
    rank = json.loads((adapter / "adapter_config.json").read_text())["r"]
    print(f"adapter of rank {rank}, {len(saved)} tensors: moves {what} by {moved:.2e}, trimtab differs by {worst:.2e}")
    assert moved > 100 * worst and worst < 1e-4, f"trimtab's {what} are not PEFT's"


if __name__ == "__main__":
    main()
