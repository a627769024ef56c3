"""LoRA on tiny_llama as PEFT computes and saves it: logits, gradients of the adapters, merged logits.

    python goldens/engine/tiny_lora.py

Reads tiny_llama/ (made by tiny_gradients.py, beside --out). Writes, for r = 4, alpha = 8, no dropout,
    tiny_lora/       all seven linear maps of both blocks
    tiny_lora_top/   the same maps of block 1 only (`layers_to_transform`)
each with adapter_config.json and adapter_model.safetensors as PEFT saves them (f32; B is drawn by seed, not 0, so that
A has a gradient too), and reference.safetensors:
    logits, merged_logits [n, vocab] f64             on the batch of tiny_llama/inputs.json
    nll.loss, mixed_t07.loss [] f64                  the cases of tiny_gradients.py
    C.grad.<tensor of adapter_model.safetensors> f32 gradients of the adapters; the base is frozen
    merged.<parameter> f32                           the weights W + (alpha / r) B A of the maps that carry an adapter
"""

import copy
import json

import peft
import torch
from transformers import LlamaForCausalLM

from common import arguments, header, write_tensors
from tiny_gradients import CASES, readouts
from tiny_models import exact

MAPS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    args = arguments("LoRA on tiny_llama")
    made = header(__file__, peft=peft.__version__)
    given = json.loads((args.out / "tiny_llama" / "inputs.json").read_text())
    weights = {key: torch.tensor(value).double() for key, value in given.items() if key.endswith("weights")}
    for name, layers in (("tiny_lora", None), ("tiny_lora_top", [1])):
        base = LlamaForCausalLM.from_pretrained(args.out / "tiny_llama", dtype=torch.float32, attn_implementation="sdpa")
        base.config._name_or_path = base.name_or_path = "tiny_llama"
        config = peft.LoraConfig(
            r=4, lora_alpha=8, target_modules=MAPS, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
            layers_to_transform=layers,
        )
        # PEFT keeps the target modules in a set, whose order changes from run to run.
        model = peft.get_peft_model(base, config).eval()
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for key, parameter in sorted(model.named_parameters()):
                if "lora_" in key:
                    parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator) / parameter.shape[1] ** 0.5)
        folder = args.out / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        (folder / "adapter_model.safetensors").chmod(0o644)
        saved = json.loads((folder / "adapter_config.json").read_text())
        saved["target_modules"] = sorted(saved["target_modules"])
        (folder / "adapter_config.json").write_text(json.dumps(saved, indent=2) + "\n")

        inner = exact(model).base_model.model
        heads = {"scalar": torch.zeros(1, 32).double(), "class": torch.zeros(3, 32).double()}
        reference = {}
        for case in ("nll", "mixed_t07"):
            model.zero_grad(set_to_none=True)
            _, out = readouts(inner, heads, given)
            loss = CASES[case](out, weights)
            loss.backward()
            reference[f"{case}.loss"] = loss
            for key, parameter in model.named_parameters():
                if "lora_" in key:
                    assert parameter.grad.abs().max() > 0, key
                    reference[f"{case}.grad.{key.replace('.default', '')}"] = parameter.grad.float()
                else:
                    assert parameter.grad is None, key
        reference["logits"] = out["logits"]
        merged = copy.deepcopy(model).merge_and_unload()
        reference["merged_logits"] = readouts(merged, heads, given)[1]["logits"]
        worst = (reference["merged_logits"] - reference["logits"]).abs().max()
        assert worst < 1e-10, f"merged is {worst} away"
        for key, parameter in merged.named_parameters():
            if key.split(".")[-2] in MAPS and (layers is None or int(key.split(".")[2]) in layers):
                reference[f"merged.{key}"] = parameter.float()
        write_tensors(folder / "reference.safetensors", reference, made)
        print(f"{name}: nll {reference['nll.loss'].item():.6f}, {len(saved['target_modules'])} maps")


if __name__ == "__main__":
    main()
