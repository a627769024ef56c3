#!/usr/bin/env python3
"""What a reward model gains from a model of people's reliability. Standard library only.

    cargo build --release && python3 bench/reliability.py --trimtab target/release/trimtab

For each seed a world, its base model, SFT and sampled answers, which two crowds rank: one of which a third is an adversary,
somebody who guesses or somebody who is swayed, and one in which nobody is. From either crowd's rankings three reward models
are trained, alike but for their labels: every vote, the majority's side of each pair, and the posterior of a model in which
people differ in reliability. Each is scored on held-out prompts against gold, which none has seen. Intervals are 95 %, t over seeds,
of paired differences. Expected: reliability beats the majority in the unreliable crowd (interval above 0) and is not worse in
the reliable one (interval not below 0). Exit code 1 if not.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

from over_seeds import interval

LABELS = ["votes", "majority", "reliability"]
CROWDS = ["unreliable", "reliable"]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def accuracy(run):
    lines = (run / "reward" / "metrics.jsonl").read_text().splitlines()
    found = [m for m in map(json.loads, lines) if m["name"] == "held_out_accuracy_gold"]
    return max(found, key=lambda m: m["step"])["value"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trimtab", default="target/release/trimtab")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/reliability"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", dest="extra", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    extra = [word for setting in args.extra for word in ("--set", setting)]
    found = {}
    for seed in args.seeds:
        whole = None
        for crowd in CROWDS:
            config = str(ROOT / "configs" / f"crowd-{crowd}.toml")
            for labels in LABELS:
                name = f"seed-{seed}-{crowd}-{labels}"
                settings = ["--config", config, "--runs", str(args.runs), "--seed", str(seed), *extra]
                settings += ["--set", f"name={name}", "--set", f"reward.labels={labels}"]
                run = args.runs / name
                if whole is None:
                    # Everything up to the sampled answers is the same for all six.
                    subprocess.run([args.trimtab, "run", *settings], check=True)
                    whole = run
                elif not run.exists():
                    shutil.copytree(whole, run, ignore=shutil.ignore_patterns(".lock"))
                for stage in ("rank", "reward"):
                    subprocess.run([args.trimtab, stage, *settings], check=True)
                found[seed, crowd, labels] = accuracy(run)
    print("| crowd | labels | held-out pairs ordered as gold, mean over seeds [95 %] | by seed |\n|---|---|---|---|")
    for crowd in CROWDS:
        for labels in LABELS:
            by_seed = [found[seed, crowd, labels] for seed in args.seeds]
            mean, low, high = interval(by_seed)
            print(f"| {crowd} | {labels} | {mean:.3f} [{low:.3f}, {high:.3f}] | {', '.join(f'{v:.3f}' for v in by_seed)} |")
    print("\n| crowd | difference | mean over seeds [95 %] | by seed | |\n|---|---|---|---|---|")
    held = True
    for crowd in CROWDS:
        for other in ("majority", "votes"):
            by_seed = [found[seed, crowd, "reliability"] - found[seed, crowd, other] for seed in args.seeds]
            mean, low, high = interval(by_seed)
            verdict = ""
            if other == "majority":
                good = low > 0 if crowd == "unreliable" else high > 0
                held &= good
                verdict = "holds" if good else "FAILS"
            values = ", ".join(f"{v:+.3f}" for v in by_seed)
            print(f"| {crowd} | reliability less {other} | {mean:+.3f} [{low:+.3f}, {high:+.3f}] | {values} | {verdict} |")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
