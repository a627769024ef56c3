"""Outside values for the pure losses and for the readouts: TRL's own functions where it has them, autograd where not.

    python goldens/engine/trl_values.py

Reads tiny_llama/ (made by tiny_gradients.py, beside --out). Writes trl_values.json; every case is a record with its
inputs, its `value` and the gradient of the value with respect to each input that is trained. All in f64.

    readout     logprobs and entropies of tiny_llama at temperature 0.7, by trl.trainer.utils.selective_log_softmax
                and entropy_from_logits (a second opinion on tiny_llama/reference.safetensors, by other code)
    pairs       mean over pairs of −logsigmoid(chosen − rejected − margin), as TRL's RewardTrainer has it
    ranking     K scores with strict ranks (1 is best): mean over the K(K−1)/2 pairs of −logsigmoid(better − worse)
    policy      Σ max(−A r, −A clip(r, 1 − ε, 1 + ε)) / n with r = exp(logp − logp_old)
    value       Σ ½ max((v − R)², (clip(v, v_old − ε, v_old + ε) − R)²) / n; epsilon null is the plain square
    whiten      (x − mean) / √(var + 1e-8), var over n or n − 1; without shift_mean the mean is added again
    gae         A_t = Σ_l (γλ)^l δ_{t+l}, δ_t = r_t + γ V_{t+1} − V_t, V = 0 past the end, summed term by term;
                returns = A + V
    kl          per token k1 = x, k2 = x²/2, k3 = exp(−x) − 1 + x, with x = logp − logp_ref
"""

import json
from importlib.metadata import version

import torch
from torch.nn.functional import logsigmoid
from transformers import LlamaForCausalLM
from trl.trainer.utils import entropy_from_logits, selective_log_softmax

from common import arguments, header, write_json
from tiny_gradients import readouts
from tiny_models import exact


def record(value, trained, **inputs):
    """Inputs, value and the gradients of the named trained inputs, as plain numbers."""
    value.backward()
    out = {key: item.tolist() if isinstance(item, torch.Tensor) else item for key, item in inputs.items()}
    return out | {"value": value.item()} | {f"d_{name}": inputs[name].grad.tolist() for name in trained}


def main():
    args = arguments("values of losses and readouts")
    generator = torch.Generator().manual_seed(3)

    def draw(*shape, scale=1.0, trained=False):
        # Three decimals, so that the JSON is short and exact.
        return (torch.randn(*shape, generator=generator).double() * scale).mul(1000).round().div(1000).requires_grad_(trained)

    given = json.loads((args.out / "tiny_llama" / "inputs.json").read_text())
    model = exact(LlamaForCausalLM.from_pretrained(args.out / "tiny_llama", dtype=torch.float32, attn_implementation="sdpa"))
    zeros = {"scalar": torch.zeros(1, 32).double(), "class": torch.zeros(3, 32).double()}
    with torch.no_grad():
        logits = readouts(model, zeros, given)[1]["logits"][given["rows"]]
    readout = {
        "temperature": 0.7,
        "logp": selective_log_softmax(logits[None] / 0.7, torch.tensor(given["targets"])[None])[0].tolist(),
        "entropy": entropy_from_logits(logits / 0.7).tolist(),
    }

    pairs, ranking, policy, value, whiten, gae = [], [], [], [], [], []
    for n, margin in ((1, 0.0), (5, 0.0), (7, 0.4)):
        chosen, rejected = draw(n, scale=3, trained=True), draw(n, scale=3, trained=True)
        loss = -logsigmoid(chosen - rejected - margin).mean()
        pairs.append(record(loss, ["chosen", "rejected"], chosen=chosen, rejected=rejected, margin=margin))
    for k in (2, 3, 4, 9):
        scores, ranks = draw(k, scale=2, trained=True), (torch.randperm(k, generator=generator) + 1).tolist()
        order = [(i, j) for i in range(k) for j in range(k) if ranks[i] < ranks[j]]
        loss = torch.stack([-logsigmoid(scores[i] - scores[j]) for i, j in order]).mean()
        ranking.append(record(loss, ["scores"], scores=scores, ranks=ranks))
    for n, epsilon, scale in ((6, 0.2, 0.05), (12, 0.2, 0.5), (12, 0.1, 1.0)):
        old, advantage = -draw(n).abs(), draw(n)
        logp = (old + draw(n, scale=scale)).detach().requires_grad_()
        ratio = (logp - old).exp()
        loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(1 - epsilon, 1 + epsilon)).sum() / n
        policy.append(record(loss, ["logp"], logp=logp, logp_old=old, advantage=advantage, epsilon=epsilon))
    for n, epsilon in ((6, 0.2), (12, 0.5), (12, None)):
        old, target = draw(n), draw(n)
        new = (old + draw(n, scale=0.5)).detach().requires_grad_()
        cost = (new - target) ** 2
        if epsilon is not None:
            cost = torch.max(cost, (torch.clamp(new, old - epsilon, old + epsilon) - target) ** 2)
        value.append(record(0.5 * cost.sum() / n, ["value_t"], value_t=new, value_old=old, returns=target, epsilon=epsilon))
    for n, unbiased, shift_mean in ((2, False, True), (9, False, True), (9, True, True), (9, True, False)):
        x = draw(n, scale=2) + 3
        y = (x - x.mean()) * torch.rsqrt(x.var(unbiased=unbiased) + 1e-8)
        whitened = (y if shift_mean else y + x.mean()).tolist()
        whiten.append({"x": x.tolist(), "unbiased": unbiased, "shift_mean": shift_mean, "value": whitened})
    for n, gamma, lam in ((1, 1.0, 0.95), (8, 1.0, 0.95), (8, 0.9, 0.0), (8, 0.97, 1.0)):
        reward, v = draw(n), draw(n)
        delta = [reward[t] + gamma * (v[t + 1] if t + 1 < n else 0.0) - v[t] for t in range(n)]
        advantage = [sum((gamma * lam) ** (s - t) * delta[s] for s in range(t, n)).item() for t in range(n)]
        gae.append({
            "rewards": reward.tolist(), "values": v.tolist(), "gamma": gamma, "lambda": lam,
            "advantage": advantage, "returns": [a + b for a, b in zip(advantage, v.tolist())],
        })
    logp, logp_ref = -draw(8).abs(), -draw(8).abs()
    x = logp - logp_ref
    kl = {"logp": logp, "logp_ref": logp_ref, "k1": x, "k2": x**2 / 2, "k3": (-x).exp() - 1 + x}

    write_json(args.out / "trl_values.json", {
        "header": header(__file__, trl=version("trl")),
        "readout": readout, "pairs": pairs, "ranking": ranking, "policy": policy, "value": value, "whiten": whiten,
        "gae": gae, "kl": {key: item.tolist() for key, item in kl.items()},
    })
    print(f"wrote {args.out / 'trl_values.json'}")


if __name__ == "__main__":
    main()
