"""Ten AdamW steps of tiny_llama, in f64 and in f32, from PyTorch.

    python goldens/engine/tiny_adamw.py

Reads tiny_llama/ (made by tiny_gradients.py, beside --out). Writes tiny_adamw.json and tiny_adamw.safetensors.

Step t = 0 … 9, on batch t (`batches[t]`: flat `tokens`, `offsets`; every token of a sequence but the first is a
target, and the loss is the sum of −logp over the batch's targets divided by their number):
    g ← ∂loss/∂θ;  norm = ‖g‖₂ over all parameters;  g ← g · min(1, 1 / norm)
    lr(t) = 1e-3 · (t + 1) / 3                                 while t < 3
          = 1e-3 · (1 + cos(π (t − 3) / (10 − 3))) / 2         after
    θ ← θ · (1 − lr · λ)       λ = 0.1, and 0 for norms and biases
    m ← 0.9 m + 0.1 g;  v ← 0.95 v + 0.05 g²
    θ ← θ − lr · (m / (1 − 0.9^(t+1))) / (√(v / (1 − 0.95^(t+1))) + 1e-8)

tiny_adamw.json has `batches`, `lr`, and for f64 and f32 `losses` (before each step), `norms` (before clipping) and
`final_loss` (of batch 0 after the last step). tiny_adamw.safetensors has the f64 run's parameters at the end, in f32.
"""

import math

import torch
from transformers import LlamaForCausalLM

from common import arguments, header, write_json, write_tensors
from tiny_models import exact

STEPS, WARMUP, LR, CLIP = 10, 3, 1e-3, 1.0


def lr_at(t):
    return LR * (t + 1) / WARMUP if t < WARMUP else LR * (1 + math.cos(math.pi * (t - WARMUP) / (STEPS - WARMUP))) / 2


def loss_of(model, batch):
    total, count = 0.0, 0
    for start, end in zip(batch["offsets"], batch["offsets"][1:]):
        tokens = torch.tensor([batch["tokens"][start:end]])
        logp = model(tokens[:, :-1], use_cache=False).logits[0].log_softmax(-1)
        total = total - logp.gather(1, tokens[0, 1:, None]).sum()
        count += end - start - 1
    return total / count


def ten_steps(model, batches, optimisers):
    """What `train` gives, with these optimisers of the model's parameters; tiny_muon.py takes the same steps."""
    parameters = list(model.parameters())
    losses, norms = [], []
    for t, batch in enumerate(batches):
        model.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        norm = torch.stack([parameter.grad.norm() for parameter in parameters]).norm()
        for parameter in parameters:
            parameter.grad *= min(1.0, CLIP / norm.item())
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = lr_at(t)
            optimiser.step()
        losses.append(loss.item())
        norms.append(norm.item())
    with torch.no_grad():
        final = loss_of(model, batches[0]).item()
    return {"losses": losses, "norms": norms, "final_loss": final}


def adamw_of(decayed, plain):
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.95), eps=1e-8
    )


def train(model, batches):
    named = list(model.named_parameters())
    plain = [parameter for name, parameter in named if "norm" in name or name.endswith("bias")]
    decayed = [parameter for name, parameter in named if not ("norm" in name or name.endswith("bias"))]
    return ten_steps(model, batches, [adamw_of(decayed, plain)])


def main():
    args = arguments("ten AdamW steps")
    made = header(__file__)
    generator = torch.Generator().manual_seed(11)
    batches = []
    for t in range(STEPS):
        lengths = [6 + (5 * t) % 7, 12 - t, 9]
        batches.append({
            "tokens": torch.randint(3, 97, (sum(lengths),), generator=generator).tolist(),
            "offsets": [sum(lengths[:i]) for i in range(len(lengths) + 1)],
        })
    out = {"header": made, "batches": batches, "lr": [lr_at(t) for t in range(STEPS)]}
    for dtype in ("f64", "f32"):
        model = LlamaForCausalLM.from_pretrained(args.out / "tiny_llama", dtype=torch.float32, attn_implementation="sdpa")
        model = exact(model) if dtype == "f64" else model
        out[dtype] = train(model, batches)
        if dtype == "f64":
            assert min(out[dtype]["norms"]) > CLIP, "clipping is active"
            weights = {name: parameter.float() for name, parameter in model.named_parameters()}
            write_tensors(args.out / "tiny_adamw.safetensors", weights, made)
    worst = max(abs(a - b) for a, b in zip(out["f64"]["losses"], out["f32"]["losses"]))
    assert worst < 1e-5, f"f32 is {worst} away from f64"
    write_json(args.out / "tiny_adamw.json", out)
    print("losses", " ".join(f"{loss:.5f}" for loss in out["f64"]["losses"]), "norms", out["f64"]["norms"][:3])


if __name__ == "__main__":
    main()
