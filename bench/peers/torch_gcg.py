"""One step of GCG as nanoGCG 0.3 takes it, in PyTorch + transformers: one JSON line per measured step.

    python bench/peers/torch_gcg.py --prefix 32 --suffix 20 --after 8 --target 16 --width 512 --steps 3

A step is the gradient of the target's loss with respect to one-hot suffix tokens, and the loss of `width` candidates of
one exchanged token each. As there, the prefix's keys and values are computed once and expanded over the batch, candidates
go in as embeddings, and logits are of every token after the prefix. nanoGCG puts all candidates into one batch and halves it
when memory runs out; `--mode 0` does so, other batch sizes are tried too, since on a CPU small batches are faster. Filtering
by retokenisation is left out on both sides. "tokens" of the line are candidates.
"""

import time

from shapes import arguments, emit, model_of, torch
from transformers import DynamicCache


def expanded(prefix, n):
    """The prefix's keys and values for `n` candidates, without a copy until something is appended."""
    return DynamicCache([(layer.keys.expand(n, -1, -1, -1), layer.values.expand(n, -1, -1, -1)) for layer in prefix.layers])


def losses(logits, target):
    """Mean cross-entropy of the target of each row; the last token of the input is the target's last."""
    shift = logits[:, -target.shape[0] - 1 : -1].transpose(1, 2)
    return torch.nn.functional.cross_entropy(shift, target.expand(logits.shape[0], -1), reduction="none").mean(-1)


def main():
    parser = arguments(__doc__)
    for name, default in (("prefix", 32), ("suffix", 20), ("after", 8), ("target", 16), ("width", 512), ("topk", 256), ("steps", 3), ("mode", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    model = model_of(args, "sdpa").eval().requires_grad_(False)
    table, vocab = model.get_input_embeddings().weight, model.config.vocab_size
    generator = torch.Generator().manual_seed(1)
    draw = lambda n: torch.randint(0, vocab, (n,), generator=generator)  # noqa: E731
    before, ids, after, target = draw(args.prefix), draw(args.suffix), draw(args.after), draw(args.target)
    tail = table[torch.cat([after, target])]
    with torch.no_grad():
        prefix = model(before[None], use_cache=True).past_key_values
    for step in range(-1, args.steps):
        start = time.perf_counter()
        one_hot = torch.nn.functional.one_hot(ids, vocab).to(table.dtype).requires_grad_()
        embeds = torch.cat([one_hot @ table, tail])[None]
        loss = losses(model(inputs_embeds=embeds, past_key_values=expanded(prefix, 1), use_cache=True).logits, target)[0]
        (gradient,) = torch.autograd.grad(loss, one_hot)
        with torch.no_grad():
            best = (-gradient).topk(args.topk, dim=1).indices
            places = torch.randint(0, args.suffix, (args.width,), generator=generator)
            tokens = best[places, torch.randint(0, args.topk, (args.width,), generator=generator)]
            candidates = ids.repeat(args.width, 1)
            candidates[torch.arange(args.width), places] = tokens
            found = []
            for part in candidates.split(args.mode or args.width):
                embeds = torch.cat([table[part], tail.expand(len(part), -1, -1)], 1)
                out = model(inputs_embeds=embeds, past_key_values=expanded(prefix, len(part)), use_cache=True)
                found.append(losses(out.logits, target))
            found = torch.cat(found)
            ids = candidates[found.argmin()]
        if step >= 0:
            emit(args.width, time.perf_counter() - start, loss=found.min().item())


if __name__ == "__main__":
    main()
