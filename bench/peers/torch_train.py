"""Training steps (forward, backward, AdamW) in PyTorch + transformers: one JSON line per measured step.

    python bench/peers/torch_train.py --shape tiny --mode sdpa --steps 5

Modes: eager = transformers' eager attention and torch's default AdamW; sdpa = fused attention and fused AdamW;
compile = sdpa under torch.compile. Two warm-up steps are not measured. A step counts every input token.
"""

import time

from shapes import BATCH, arguments, emit, model_of, torch


def main():
    parser = arguments(__doc__)
    parser.add_argument("--mode", choices=("eager", "sdpa", "compile"), default="sdpa")
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    model = model_of(args, "eager" if args.mode == "eager" else "sdpa").train()
    fused = None if args.mode == "eager" else True
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=fused)
    sequences, length = BATCH[args.shape]
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, model.config.vocab_size, (sequences, length), generator=generator)

    def loss_of(ids):
        return model(input_ids=ids, labels=ids, use_cache=False).loss

    if args.mode == "compile":
        loss_of = torch.compile(loss_of)
    for step in range(-2, args.steps):
        start = time.perf_counter()
        loss = loss_of(tokens)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        value = loss.item()
        if step >= 0:
            emit(tokens.numel(), time.perf_counter() - start, loss=value)


if __name__ == "__main__":
    main()
