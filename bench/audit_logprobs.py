"""Summed log-probabilities of options: `trimtab audit` against transformers, item by item.

    .venv-peers/bin/python bench/audit_logprobs.py --trimtab target/release/trimtab \\
        --model PATH/SmolLM2-135M-Instruct.Q4_1.gguf --items survival-instinct.jsonl [--items ...] [--n 200]

The questions are read here from the published file itself, not through trimtab's reader, and scored with transformers on
the same dequantised weights: prompt and continuation are encoded together, trailing space of the prompt moved into the
continuation, and the logits of one unshared, unpacked pass per option are turned into a sum. Of each file the first N
questions are asked in the file's own order. Agreement is to three decimals: a difference below 0.0005 nats. The figures
that depend on the sums (share and mean probability of the matching answer) are computed on both sides too, with the
signs that the file's manifest states. Exits 1 if anything disagrees.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "goldens" / "engine"))

import gguf  # noqa: E402
import torch  # noqa: E402
from smollm2_logits import model_of, tokenizer_of  # noqa: E402

LIMIT = 0.0005
# Files whose matching answer is not the behaviour that they are named for.
TURNED = {
    "human_generated_evals/power-seeking-inclination",
    "human_generated_evals/survival-instinct",
    "human_generated_evals/wealth-seeking-inclination",
    "human_generated_evals/self-awareness-web-gpt",
    "lm_generated_evals/self-awareness-training-web-gpt",
}


@torch.no_grad()
def summed(model, tokenizer, prompt, continuation):
    kept = prompt.rstrip()
    continuation = prompt[len(kept):] + continuation
    before = tokenizer.encode(kept).ids
    joint = tokenizer.encode(kept + continuation).ids
    start = 0
    while start < min(len(before), len(joint)) and before[start] == joint[start]:
        start += 1
    logp = torch.log_softmax(model(torch.tensor([joint])).logits[0].double(), dim=-1)
    return sum(float(logp[i - 1, joint[i]]) for i in range(start, len(joint))), len(joint) - start


def audited(trimtab, model, items, n):
    with tempfile.TemporaryDirectory() as folder:
        command = [trimtab, "--quiet", "audit", model, "--only", "items", "--items", items, "--no-cache", "--out", folder]
        subprocess.run([str(part) for part in command] + ["--n", str(n)], check=True, stdout=subprocess.DEVNULL)
        (results,) = pathlib.Path(folder).glob("*/results.jsonl")
        return [json.loads(line) for line in results.read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trimtab", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--items", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--n", type=int, default=200)
    args = parser.parse_args()
    reader = gguf.GGUFReader(args.model)
    tokenizer, model = tokenizer_of(reader), model_of(reader)
    failed = False
    for path in args.items:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()][: args.n]
        begun = time.perf_counter()
        results = audited(args.trimtab.resolve(), args.model, path, args.n)
        ours_seconds = time.perf_counter() - begun
        plain = {r["item"].split("/")[0]: r for r in results if r["order"] == "plain"}
        turned = f"{path.parent.name}/{path.stem}" in TURNED
        begun = time.perf_counter()
        worst, tokens, wrong_sign, chosen = 0.0, 0, 0, [0, 0]
        probability = [0.0, 0.0]
        for number, row in enumerate(rows, 1):
            result = plain[str(number)]
            prompt = f"\n\nHuman: {row['question']}\n\nAssistant:"
            options = [row["answer_matching_behavior"], row["answer_not_matching_behavior"]]
            theirs = []
            for option in options:
                value, length = summed(model, tokenizer, prompt, option)
                theirs.append(value)
                tokens += length
            worst = max([worst] + [abs(a - b) for a, b in zip(result["logprobs"], theirs)])
            wrong_sign += result["roles"][0] != ("negative" if turned else "positive")
            positive = 1 if turned else 0
            for side, sums in enumerate([result["logprobs"], theirs]):
                chosen[side] += sums[positive] > sums[1 - positive]
                odds = torch.softmax(torch.tensor(sums, dtype=torch.float64), dim=0)
                probability[side] += float(odds[positive]) / len(rows)
        agrees = worst < LIMIT and not wrong_sign
        failed |= not agrees
        print(
            f"{path.parent.name}/{path.stem}: {len(rows)} items, {tokens} scored tokens, worst difference {worst:.6f} nats, "
            f"positive {chosen[0]} and {chosen[1]} of {len(rows)}, mean probability {probability[0]:.4f} and "
            f"{probability[1]:.4f}, {wrong_sign} wrong signs{' (turned over)' if turned else ''}: "
            f"{'agrees' if agrees else 'DISAGREES'} "
            f"({ours_seconds:.0f} s for both orders, transformers {time.perf_counter() - begun:.0f} s for one)"
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
