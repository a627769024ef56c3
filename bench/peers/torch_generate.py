"""Greedy generation with a KV cache by `model.generate` of transformers: one JSON line per measured run.

    python bench/peers/torch_generate.py --batch 16 --prompt 32 --new 64 --runs 3

One warm-up run is not measured. New tokens only are counted; the time includes reading the prompt.
"""

import time

from shapes import arguments, emit, model_of, torch


@torch.inference_mode()
def main():
    parser = arguments(__doc__)
    for name, default in (("batch", 16), ("prompt", 32), ("new", 64), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    model = model_of(args, "sdpa").eval()
    generator = torch.Generator().manual_seed(1)
    prompts = torch.randint(0, model.config.vocab_size, (args.batch, args.prompt), generator=generator)
    for run in range(-1, args.runs):
        start = time.perf_counter()
        out = model.generate(
            prompts, attention_mask=torch.ones_like(prompts), do_sample=False, use_cache=True, pad_token_id=0,
            min_new_tokens=args.new, max_new_tokens=args.new,
        )
        assert out.shape == (args.batch, args.prompt + args.new)
        if run >= 0:
            emit(args.batch * args.new, time.perf_counter() - start)


if __name__ == "__main__":
    main()
