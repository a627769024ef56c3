"""Ten Muon steps of tiny_llama, in f64, from PyTorch.

    python goldens/engine/tiny_muon.py

Reads tiny_llama/ and tiny_adamw.json (its batches; see tiny_adamw.py), beside --out. Writes tiny_muon.json and
tiny_muon.safetensors.

The matrices inside the blocks are trained by torch.optim.Muon (momentum 0.9 with Nesterov's look-ahead, five iterations, decay
0.1, `match_rms_adamw`), the embedding, the output matrix and the norms by torch.optim.AdamW, both with tiny_adamw.py's
schedule and clipping. PyTorch makes updates orthogonal in bf16; for the f64 run that one function is replaced by the same
iterations in f64, and the run with PyTorch's own stands beside it as `bf16`.

tiny_muon.json has for both runs `losses` (before each step), `norms` (before clipping) and `final_loss` (of batch 0 after the
last step). tiny_muon.safetensors has the f64 run's parameters at the end, in f32.
"""

import json

import torch
from torch.optim import _muon
from transformers import LlamaForCausalLM

from common import arguments, header, write_json, write_tensors
from tiny_adamw import adamw_of, ten_steps
from tiny_models import exact


def orthogonal_f64(grad, coefficients, steps, eps):
    a, b, c = coefficients
    x = grad.double()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def train(model, batches):
    named = list(model.named_parameters())
    hidden = [p for name, p in named if p.ndim == 2 and ".layers." in name]
    outer = [p for name, p in named if p.ndim == 2 and ".layers." not in name]
    plain = [p for _, p in named if p.ndim != 2]
    muon = torch.optim.Muon(hidden, weight_decay=0.1, momentum=0.9, nesterov=True, adjust_lr_fn="match_rms_adamw")
    return ten_steps(model, batches, [muon, adamw_of(outer, plain)])


def main():
    args = arguments("ten Muon steps")
    made = header(__file__)
    batches = json.loads((args.out / "tiny_adamw.json").read_text())["batches"]
    out = {"header": made}
    for kind, iterations in (("bf16", _muon._zeropower_via_newtonschulz), ("f64", orthogonal_f64)):
        _muon._zeropower_via_newtonschulz = iterations
        weights = args.out / "tiny_llama"
        model = exact(LlamaForCausalLM.from_pretrained(weights, dtype=torch.float32, attn_implementation="sdpa"))
        out[kind] = train(model, batches)
    worst = max(abs(a - b) for a, b in zip(out["f64"]["losses"], out["bf16"]["losses"]))
    assert worst < 5e-3, f"the f64 run is {worst} away from PyTorch's own iterations"
    write_json(args.out / "tiny_muon.json", out)
    end = {name: parameter.float() for name, parameter in model.named_parameters()}
    write_tensors(args.out / "tiny_muon.safetensors", end, made)
    print("losses", " ".join(f"{loss:.5f}" for loss in out["f64"]["losses"]), "worst of bf16", worst)


if __name__ == "__main__":
    main()
