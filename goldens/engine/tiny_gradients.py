"""Readouts and every gradient of five tiny random models, in f64, from PyTorch's autograd.

    python goldens/engine/tiny_gradients.py

For each of tiny_llama, tiny_llama3, tiny_mistral, tiny_qwen2, tiny_qwen3 writes a folder with
    config.json, model.safetensors    as transformers saves them (f32), so that reading them is tested too
    inputs.json                       the packed batch and the readouts' weights, below
    reference.safetensors             the numbers, below

inputs.json: `tokens` [n], flat; `offsets` [sequences + 1] (positions restart at each); `rows` [r], indices into the
flat batch whose next-token distribution is read; `targets` [r], the token read at each (the next one, and an arbitrary
one at the end of a sequence); `logp_weights` and `entropy_weights` [r]; `head_rows` [k], `head_weights` [k] and
`class_weights` [k][3].

reference.safetensors, logits and readouts in f64, gradients rounded to f32, h = hidden states after the final norm:
    logits [n, vocab] · hidden.0 … hidden.L-1 [n, d] input of each block · hidden.final [n, d] = h
    logp, logp_t07, entropy, entropy_t07 [r]        at temperatures 1 and 0.7 (logits divided by it), in nats
    score.scalar [1, d], score.class [3, d] the heads' weights (f32 values) · scalar [k], classes [k, 3] h times them
and per case C, C.loss [] and C.grad.<parameter>, and C.grad_embeddings [n, d] (input embeddings, untied part):
    nll          −Σ logp / r                         nll_t07     −Σ logp_t07 / r
    entropy      Σ entropy / r                       mixed_t07   Σ logp_weights·logp_t07 + entropy_weights·entropy_t07
    head         Σ head_weights·scalar               classes     Σ class_weights·classes
The heads' cases have C.grad.score.weight as well, and no gradient reaches lm_head there (absent, not zero).
"""

import copy

import torch

from common import arguments, header, write_json, write_tensors
from tiny_models import MODELS, build, exact

LENGTHS = [11, 1, 7, 14]


def batch(vocab, generator):
    """Four sequences of different lengths, one of them a single token."""
    tokens = torch.randint(3, vocab, (sum(LENGTHS),), generator=generator).tolist()
    offsets = [sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)]
    rows = [row for row in range(len(tokens)) if row % 5 != 3]
    last = {end - 1 for end in offsets[1:]}
    targets = [5 if row in last else tokens[row + 1] for row in rows]
    assert last & set(rows), "the last token of a sequence is read too"
    head_rows = sorted({end - 1 for end in offsets[1:]} | {4, 20})

    def draw(*shape):
        return torch.randn(*shape, generator=generator).mul(1000).round().div(1000).tolist()

    return {
        "tokens": tokens, "offsets": offsets, "rows": rows, "targets": targets,
        "logp_weights": draw(len(rows)), "entropy_weights": draw(len(rows)),
        "head_rows": head_rows, "head_weights": draw(len(head_rows)), "class_weights": draw(len(head_rows), 3),
    }


def forward(model, given):
    """One sequence at a time: no padding, no mask of ours. Returns leaf embeddings, block inputs and h, all [n, d]."""
    states, leaves = [], []
    for start, end in zip(given["offsets"], given["offsets"][1:]):
        embeddings = model.model.embed_tokens(torch.tensor([given["tokens"][start:end]]))
        # Adding a zero leaf reads the gradient with respect to the input embeddings beside that of the matrix.
        leaves.append(torch.zeros_like(embeddings, requires_grad=True))
        states.append(
            model.model(inputs_embeds=embeddings + leaves[-1], output_hidden_states=True, use_cache=False).hidden_states
        )
    return leaves, [torch.cat([state[layer][0] for state in states]) for layer in range(len(states[0]))]


def readouts(model, heads, given):
    leaves, hidden = forward(model, given)
    logits = model.lm_head(hidden[-1])
    read, target = logits[given["rows"]], torch.tensor(given["targets"])[:, None]
    out = {"logits": logits, "hidden.final": hidden[-1]}
    out |= {f"hidden.{layer}": state for layer, state in enumerate(hidden[:-1])}
    for suffix, temperature in (("", 1.0), ("_t07", 0.7)):
        logp = (read / temperature).log_softmax(-1)
        out["logp" + suffix] = logp.gather(1, target)[:, 0]
        out["entropy" + suffix] = -(logp.exp() * logp).sum(-1)
    out["scalar"] = (hidden[-1][given["head_rows"]] @ heads["scalar"].T)[:, 0]
    out["classes"] = hidden[-1][given["head_rows"]] @ heads["class"].T
    return leaves, out


CASES = {
    "nll": lambda o, w: -o["logp"].mean(),
    "nll_t07": lambda o, w: -o["logp_t07"].mean(),
    "entropy": lambda o, w: o["entropy"].mean(),
    "mixed_t07": lambda o, w: (w["logp_weights"] * o["logp_t07"] + w["entropy_weights"] * o["entropy_t07"]).sum(),
    "head": lambda o, w: (w["head_weights"] * o["scalar"]).sum(),
    "classes": lambda o, w: (w["class_weights"] * o["classes"]).sum(),
}


def main():
    args = arguments("gradients of tiny models")
    made = header(__file__, dtype="reference in f64, gradients rounded to f32")
    for name in MODELS:
        model = build(name)
        folder = args.out / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        (folder / "model.safetensors").chmod(0o644)
        generator = torch.Generator().manual_seed(7)
        given = batch(model.config.vocab_size, generator)
        width = model.config.hidden_size
        heads = {"scalar": torch.randn(1, width, generator=generator), "class": torch.randn(3, width, generator=generator)}
        plain = readouts(copy.deepcopy(model), heads, given)[1]

        model = exact(model)
        heads = {key: head.double().requires_grad_() for key, head in heads.items()}
        weights = {key: torch.tensor(value).double() for key, value in given.items() if key.endswith("weights")}
        reference = {}
        for case, loss_of in CASES.items():
            model.zero_grad(set_to_none=True)
            for head in heads.values():
                head.grad = None
            leaves, out = readouts(model, heads, given)
            loss = loss_of(out, weights)
            loss.backward()
            reference[f"{case}.loss"] = loss
            for key, parameter in model.named_parameters():
                if parameter.grad is None:
                    assert key == "lm_head.weight" and case in ("head", "classes"), (case, key)
                    continue
                assert parameter.grad.abs().max() > 0, f"{name} {case}: no gradient reaches {key}"
                reference[f"{case}.grad.{key}"] = parameter.grad.float()
            if case in ("head", "classes"):
                reference[f"{case}.grad.score.weight"] = heads["scalar" if case == "head" else "class"].grad.float()
            reference[f"{case}.grad_embeddings"] = torch.cat([leaf.grad[0] for leaf in leaves]).float()
        for key, value in out.items():
            # transformers' own f32 arithmetic must be what the f64 form computes.
            worst = (plain[key].double() - value).abs().max() / value.abs().max()
            assert worst < 2e-5, f"{name} {key}: f32 is {worst} away from f64"
            reference[key] = value
        reference |= {f"score.{key}": head.float() for key, head in heads.items()}
        write_json(folder / "inputs.json", {"header": made, **given})
        write_tensors(folder / "reference.safetensors", reference, made)
        print(f"{name}: nll {reference['nll.loss'].item():.6f}, entropy {reference['entropy.loss'].item():.6f}")


if __name__ == "__main__":
    main()
