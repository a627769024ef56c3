#!/usr/bin/env python3
"""The default run over several seeds: which planted effects hold. Standard library only.

    cargo build --release && python3 bench/five_seeds.py --trimtab target/release/trimtab

Each seed is a world of its own. Beside the run of a seed stands a second control: plain PPO with a tenfold KL weight.
Intervals are 95 % t intervals over seeds. Exit code 1 if a signature does not hold, 0 if all do.
"""
import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys

# t quantiles at 0.975 by degrees of freedom.
T975 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def metrics(run, stage):
    found = {}
    path = run / stage / "metrics.jsonl"
    for line in path.read_text().splitlines():
        metric = json.loads(line)
        found[metric["name"]] = metric.get("value")
    return found


def interval(values):
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, -math.inf, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    half = T975[min(n - 1, len(T975) - 1)] * deviation / math.sqrt(n)
    return mean, mean - half, mean + half


def one(trimtab, runs, seed, extra):
    name = f"seed-{seed}"
    common = ["--runs", str(runs), "--seed", str(seed), *extra]
    subprocess.run([trimtab, "run", *common, "--set", f"name={name}"], check=True)
    run, strict = runs / name, runs / f"{name}-kl"
    if not strict.exists():
        shutil.copytree(run, strict, ignore=shutil.ignore_patterns(".lock"))
    beta = json.loads((run / "manifest.json").read_text())["config"]["ppo"]["beta"]
    tenfold = ["--set", f"name={name}-kl", "--set", "ppo.ptx=0", "--set", f"ppo.beta={10 * beta}"]
    subprocess.run([trimtab, "ppo", *common, *tenfold], check=True)
    gold = {}
    for line in (run / "evaluation" / "items.jsonl").read_text().splitlines():
        item = json.loads(line)
        gold.setdefault(item["checkpoint"], []).append(item["gold"])
    evaluation = metrics(run, "evaluation")
    planted = json.loads((run / "evaluation" / "planted.json").read_text())
    held_out = [v for k, v in metrics(run, "reward").items() if k.startswith("held_out_accuracy/") and v is not None]
    return {
        "gold": {checkpoint: sum(v) / len(v) for checkpoint, v in gold.items()},
        "rise": {
            "plain": metrics(run, "ppo-plain")["corpus_loss_rise"],
            "ptx": metrics(run, "ppo")["corpus_loss_rise"],
            "tenfold": metrics(strict, "ppo")["corpus_loss_rise"],
        },
        "accuracy_crowd": sum(held_out) / len(held_out),
        "ceiling": planted.get("rm_accuracy_ceiling"),
        "accuracy_gold": evaluation["reward_accuracy_gold/all"],
        "win": evaluation["win_rate_vs_sft/ppo_ptx"],
        "best": {
            variant: {n: evaluation[f"best_of_n_gold/{variant}{n}"] for n in (1, 2, 4, 8, 16, 32, 64, 128)}
            for variant in ("", "250 comparisons/", "control: gold/", "control: random/")
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trimtab", default="target/release/trimtab")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/five-seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", dest="extra", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    extra = [word for setting in args.extra for word in ("--set", setting)]
    found = [one(args.trimtab, args.runs, seed, extra) for seed in args.seeds]

    def gold(a, b):
        return [f["gold"][a] - f["gold"][b] for f in found]

    # Means first: a share of a rise near 0 in one seed would drown the others.
    rises = {arm: sum(f["rise"][arm] for f in found) / len(found) for arm in ("plain", "ptx", "tenfold")}
    recovered = {arm: 1 - rises[arm] / rises["plain"] for arm in ("ptx", "tenfold")}
    fall = {
        variant: [max(f["best"][variant].values()) - f["best"][variant][128] for f in found]
        for variant in found[0]["best"]
    }
    rows = [
        ("gold, SFT less base", gold("sft", "base"), lambda m, low, high: low > 0),
        ("gold, PPO-ptx less SFT", gold("ppo_ptx", "sft"), lambda m, low, high: low > 0),
        ("win rate of PPO-ptx against SFT", [f["win"] for f in found], lambda m, low, high: low > 0.5),
        ("reward model on the crowd's held-out pairs", [f["accuracy_crowd"] for f in found], None),
        ("its ceiling, from the crowd's noise", [f["ceiling"] for f in found], None),
        ("reward model against gold", [f["accuracy_gold"] for f in found], lambda m, low, high: low > 0.5),
        ("rise of corpus loss, plain PPO", [f["rise"]["plain"] for f in found], lambda m, low, high: low > 0),
        ("rise of corpus loss, PPO-ptx", [f["rise"]["ptx"] for f in found], None),
        ("rise of corpus loss, tenfold KL weight", [f["rise"]["tenfold"] for f in found], None),
        ("fall of gold from its peak to best of 128, 250 comparisons", fall["250 comparisons/"],
         lambda m, low, high: low > 0),
        ("the same, gold as proxy", fall["control: gold/"], lambda m, low, high: high <= 1e-9),
        ("the same, random reward", fall["control: random/"], None),
    ]
    failed = 0
    print("| figure | mean over seeds [95 %] | by seed | holds |\n|---|---|---|---|")
    for name, values, holds in rows:
        mean, low, high = interval(values)
        verdict = "" if holds is None else "yes" if holds(mean, low, high) else "NO"
        failed += verdict == "NO"
        by_seed = ", ".join(f"{v:.3f}" for v in values)
        print(f"| {name} | {mean:.3f} [{low:.3f}, {high:.3f}] | {by_seed} | {verdict} |")
    for arm, holds in (("ptx", recovered["ptx"] >= 0.6), ("tenfold", recovered["tenfold"] < 0.6)):
        failed += not holds
        name = "share of plain PPO's mean rise recovered by " + ("the next-token term" if arm == "ptx" else "a tenfold KL weight")
        print(f"| {name} | {recovered[arm]:.2f} | | {'yes' if holds else 'NO'} |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
