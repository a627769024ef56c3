#!/usr/bin/env python3
"""The default run over several seeds: which planted effects hold. Standard library only.

    cargo build --release && python3 bench/five_seeds.py --trimtab target/release/trimtab --sweep configs/agreement-sweep.toml

Each seed is a world of its own. Beside the run of a seed stands plain PPO with a tenfold KL weight and, with --second-pair, the
same pair from a fifth of the weight, so that nothing hangs on one weight. What is lost of next-token prediction is counted from
SFT, and from the base model, as InstructGPT counts it (arXiv:2203.02155, section 4.2, against GPT-3): a KL weight holds a policy
to SFT, and SFT has lost some itself. With --sweep, the agreement sweep is run too and
its switches are set beside the predicted one: of people, of the reward model on the pairs that people ranked and it learned from, on
rankings held out from it and on people whom neither ranking nor demonstration names, of the policy. Intervals are 95 % over seeds, t for means and Fieller's for ratios. Each
claim holds, fails (its interval says the contrary) or is open; a switch holds if that of the mean line has an interval and lies
within 0.15 of the prediction, and fails otherwise. Exit code 1 if one does not hold, 0 if all do.

Every core works on a seed of its own with one thread, which gives the same bytes as all cores on one seed and wastes less; the last
seeds share what cores are left. What the runs say goes to RUNS/logs; a script that was stopped continues.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from over_seeds import interval, t975


def metrics(run, stage):
    found = {}
    path = run / stage / "metrics.jsonl"
    for line in path.read_text().splitlines():
        metric = json.loads(line)
        found[metric["name"]] = metric.get("value")
    return found


def fieller(numerators, denominators):
    """Ratio of two paired means and its interval; infinite where the denominator's mean is not clear of 0."""
    n = len(numerators)
    a, b = sum(numerators) / n, sum(denominators) / n
    if n < 2:
        return a / b, -math.inf, math.inf
    t2 = t975(n) ** 2 / (n * (n - 1))
    aa = t2 * sum((x - a) ** 2 for x in numerators)
    bb = t2 * sum((y - b) ** 2 for y in denominators)
    ab = t2 * sum((x - a) * (y - b) for x, y in zip(numerators, denominators))
    # (a - r b)^2 <= aa - 2 r ab + r^2 bb
    p, q, s = b * b - bb, a * b - ab, a * a - aa
    if p <= 0:
        return a / b, -math.inf, math.inf
    root = math.sqrt(max(q * q - p * s, 0.0))
    return a / b, (q - root) / p, (q + root) / p


def above(than):
    return lambda low, high: "holds" if low > than else "FAILS" if high <= than else "OPEN"


def below(than):
    return lambda low, high: "holds" if high < than else "FAILS" if low >= than else "OPEN"


# Plain PPO's KL weight in each arm, as a multiple of the config's; "plain" is a stage of the run itself.
ARMS = {"plain": 1, "tenfold": 10}
SECOND_PAIR = {"fifth": 0.2, "tenfold of a fifth": 2}


def call(log, *command, threads=1):
    """Runs a command; where it fails, its last words are the error."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as out:
        whole = [*command, "--threads", str(threads)]
        code = subprocess.run(whole, stdout=out, stderr=out, stdin=subprocess.DEVNULL).returncode
    if code:
        sys.exit(f"exit code {code} of {' '.join(map(str, command))}\n" + "\n".join(log.read_text().splitlines()[-5:]))


def sweep_one(trimtab, runs, seed, extra, threads, config):
    """One seed of the sweep; the page over all of them is made when all are there."""
    settings = ["--set", f"sweep.seeds=[{seed}]", *extra]
    call(runs / "logs" / f"sweep-{seed}.txt", trimtab, "run", "--config", config, "--runs", str(runs / "sweep"), *settings, threads=threads)


def one(trimtab, runs, seed, extra, threads, arms):
    name = f"seed-{seed}"
    log = runs / "logs" / f"{name}.txt"
    common = ["--runs", str(runs), "--seed", str(seed), *extra]
    call(log, trimtab, "run", *common, "--set", f"name={name}", threads=threads)
    run = runs / name
    beta = json.loads((run / "manifest.json").read_text())["config"]["ppo"]["beta"]
    rise = {
        "plain": metrics(run, "ppo-plain")["corpus_loss_rise"],
        "ptx": metrics(run, "ppo")["corpus_loss_rise"],
    }
    for arm, times in arms.items():
        if arm != "plain":
            folder = f"{name}-{arm.replace(' ', '-')}"
            if not (runs / folder).exists():
                shutil.copytree(run, runs / folder, ignore=shutil.ignore_patterns(".lock"))
            settings = ["--set", f"name={folder}", "--set", "ppo.ptx=0", "--set", f"ppo.beta={times * beta}"]
            call(log, trimtab, "ppo", *common, *settings, threads=threads)
            rise[arm] = metrics(runs / folder, "ppo")["corpus_loss_rise"]
    gold = {}
    for line in (run / "evaluation" / "items.jsonl").read_text().splitlines():
        item = json.loads(line)
        gold.setdefault(item["checkpoint"], []).append(item["gold"])
    evaluation = metrics(run, "evaluation")
    planted = json.loads((run / "evaluation" / "planted.json").read_text())
    held_out = [v for k, v in metrics(run, "reward").items() if k.startswith("held_out_accuracy/") and v is not None]
    return {
        "gold": {checkpoint: sum(v) / len(v) for checkpoint, v in gold.items()},
        "mixed": {checkpoint: evaluation[f"gold_on_mix/{checkpoint}"] for checkpoint in gold},
        "rise": rise,
        "tax": evaluation["corpus_loss/sft"] - evaluation["corpus_loss/base"],
        "beta": beta,
        "accuracy_crowd": sum(held_out) / len(held_out),
        "ceiling": planted.get("rm_accuracy_ceiling"),
        "accuracy_gold": evaluation["reward_accuracy_gold/all"],
        "win": evaluation["win_rate_vs_sft/ppo_ptx"],
        "best": {
            variant: {n: evaluation[f"best_of_n_gold/{variant}{n}"] for n in (2**k for k in range(10))}
            for variant in ("", "250 comparisons/", "control: gold/", "control: random/")
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trimtab", default="target/release/trimtab")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/five-seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sweep", metavar="CONFIG", help="run this sweep too, such as configs/agreement-sweep.toml")
    parser.add_argument("--set", dest="extra", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--second-pair", action="store_true", help="a tenfold KL weight from a fifth of the config's too")
    args = parser.parse_args()
    arms = ARMS | (SECOND_PAIR if args.second_pair else {})
    extra = [word for setting in args.extra for word in ("--set", setting)]
    began, started, done = time.monotonic(), 0, 0
    cores = os.cpu_count()

    def timed(what, job, *more):
        nonlocal started, done
        # The last jobs share the cores that nothing else will want.
        threads = max(1, cores // (jobs - started))
        started += 1
        result = job(args.trimtab, args.runs, what, extra, threads, *more)
        done += 1
        minutes = (time.monotonic() - began) / 60
        left = minutes / done * (jobs - done)
        print(f"[{done} of {jobs}] {job.__name__} of seed {what}: {minutes:.1f} min so far, {left:.1f} min left", file=sys.stderr)
        return result

    jobs = len(args.seeds) * (2 if args.sweep else 1)
    with ThreadPoolExecutor(cores) as pool:
        # The sweep's jobs are the longer ones.
        sweeps = [pool.submit(timed, seed, sweep_one, args.sweep) for seed in args.seeds if args.sweep]
        runs = [pool.submit(timed, seed, one, arms) for seed in args.seeds]
        try:
            found = [job.result() for job in runs]
            [job.result() for job in sweeps]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    def gold(a, b, which="mixed"):
        return [f[which][a] - f[which][b] for f in found]

    rises = {arm: [f["rise"][arm] for f in found] for arm in ("ptx", *arms)}
    beta = found[0]["beta"]

    tax = [f["tax"] for f in found]

    def recovered(arm, of, from_base):
        """Share of the rise that an arm does not have: from means, since a rise near 0 in one seed would drown the rest."""
        over = lambda which: [rise + t * from_base for rise, t in zip(rises[which], tax)]
        ratio, low, high = fieller(over(arm), over(of))
        return 1 - ratio, 1 - high, 1 - low

    fall = {
        variant: [max(f["best"][variant].values()) - f["best"][variant][512] for f in found]
        for variant in found[0]["best"]
    }
    rows = [
        ("gold on the loop's mix of prompts, SFT less base", gold("sft", "base"), above(0)),
        ("gold on the loop's mix of prompts, PPO-ptx less SFT", gold("ppo_ptx", "sft"), above(0)),
        ("gold over all items, SFT less base", gold("sft", "base", "gold"), above(0)),
        ("gold over all items, PPO-ptx less SFT", gold("ppo_ptx", "sft", "gold"), above(0)),
        ("win rate of PPO-ptx against SFT", [f["win"] for f in found], above(0.5)),
        ("reward model on the crowd's held-out pairs", [f["accuracy_crowd"] for f in found], None),
        ("its ceiling, from the crowd's noise", [f["ceiling"] for f in found], None),
        ("ceiling less accuracy", [f["ceiling"] - f["accuracy_crowd"] for f in found], above(0)),
        ("reward model against gold", [f["accuracy_gold"] for f in found], above(0.5)),
        *(
            (f"rise of corpus loss, plain PPO, β = {times * beta:.2g}", rises[arm], above(0) if arm == "plain" else None)
            for arm, times in sorted(arms.items(), key=lambda arm: arm[1])
        ),
        (f"rise of corpus loss, PPO-ptx, β = {beta:.2g}", rises["ptx"], None),
        ("rise of corpus loss, SFT over the base model", tax, None),
        ("fall of gold from its peak to best of 512, 250 comparisons", fall["250 comparisons/"], above(0)),
        ("the same, gold as proxy", fall["control: gold/"], below(1e-9)),
        ("the same, random reward", fall["control: random/"], None),
    ]
    print("| figure | mean over seeds [95 %] | by seed | |\n|---|---|---|---|")
    verdicts = []

    def row(name, mean, low, high, by_seed, verdict):
        verdicts.append(verdict)
        print(f"| {name} | {mean:.3f} [{low:.3f}, {high:.3f}] | {by_seed} | {verdict} |")

    for name, values, judge in rows:
        mean, low, high = interval(values)
        row(name, mean, low, high, ", ".join(f"{v:.3f}" for v in values), judge(low, high) if judge else "")
    shares = [
        ("the next-token term", "ptx", "plain", above(0.6)),
        (f"a tenfold KL weight, {beta:.2g} to {10 * beta:.2g}", "tenfold", "plain", below(0.6)),
        (f"a tenfold KL weight, {beta / 5:.2g} to {2 * beta:.2g}", "tenfold of a fifth", "fifth", below(0.6)),
    ]
    for name, arm, of, judge in shares[: 3 if args.second_pair else 2]:
        for whom, from_base in (("the base model", True), ("SFT", False)):
            mean, low, high = recovered(arm, of, from_base)
            label = f"share of plain PPO's rise over {whom} recovered by {name}"
            row(label, mean, low, high, "", judge(low, high))
    if args.sweep:
        runs = args.runs / "sweep"
        seeds = ["--set", f"sweep.seeds={args.seeds}"]
        log = args.runs / "logs" / "sweep.txt"
        call(log, args.trimtab, "run", "--config", args.sweep, "--runs", str(runs), *seeds, *extra)
        (of_sweep,) = (path for path in runs.iterdir() if (path / "metrics.jsonl").exists())
        swept = {m["name"]: m for m in map(json.loads, (of_sweep / "metrics.jsonl").read_text().splitlines())}
        predicted = swept["switch/predicted"]["value"]
        print(f"| predicted switch of the agreement sweep | {predicted:.3f} | | |")
        for link in ("people", "reward model, ranked", "reward model, held out", "reward model, new", "policy"):
            switch = swept[f"switch/{link}"]
            name = f"switch of the {link}, within ±0.15"
            if switch["value"] is None:
                verdicts.append("FAILS")
                print(f"| {name} | undefined: {switch.get('reason')} | | FAILS |")
                continue
            low, high = switch.get("interval") or (-math.inf, math.inf)
            holds = math.isfinite(low) and abs(switch["value"] - predicted) <= 0.15
            own = f"{swept[f'seeds_that_switch/{link}']['value']:.0f} of {len(args.seeds)} seeds for themselves"
            row(name, switch["value"], low, high, own, "holds" if holds else "FAILS")
    sys.exit(0 if all(v in ("", "holds") for v in verdicts) else 1)


if __name__ == "__main__":
    main()
