"""The same work in PyTorch + transformers and in trimtab, alternating; prints ratios with min–median–max.

    python bench/peers/compare.py --trimtab target/release/trimtab --rounds 3

Every round starts each stack once, in turn, as a process of its own on two threads; a process's figure is the median
of its measured steps. A ratio is trimtab's figure over the best of PyTorch's in the same round, so that a slow minute
of the machine hits both sides. Peak memory is the highest resident size of the process, over PyTorch's lowest.
The bars are those the project set itself; a missed one is said, and is not an error of this script. A process that
fails is one.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
THREADS = "2"

# name: (peer's script and arguments, peer's modes, trimtab's arguments, bar for speed, bar for memory)
CASES = {
    "train-tiny": (
        ["torch_train.py", "--shape", "tiny", "--steps", "5"], ["eager", "sdpa", "compile"],
        ["bench", "train", "--shape", "tiny", "--steps", "5"], 1.1, None,
    ),
    "train-smol": (
        ["torch_train.py", "--shape", "smol", "--steps", "3"], ["eager", "sdpa", "compile"],
        ["bench", "train", "--shape", "smol", "--steps", "3"], 1.1, 1.0,
    ),
    "generate-smol-16": (
        ["torch_generate.py", "--shape", "smol", "--batch", "16", "--prompt", "32", "--new", "64", "--runs", "3"], [None],
        ["bench", "generate", "--shape", "smol", "--batch", "16", "--prompt", "32", "--new", "64", "--runs", "3"],
        1.5, None,
    ),
    "generate-smol-1": (
        ["torch_generate.py", "--shape", "smol", "--batch", "1", "--prompt", "32", "--new", "64", "--runs", "3"], [None],
        ["bench", "generate", "--shape", "smol", "--batch", "1", "--prompt", "32", "--new", "64", "--runs", "3"],
        2.0, None,
    ),
    # nanoGCG's one batch of 512 first; small batches are faster on a CPU, so the ratio is over the best of the three.
    "gcg-smol": (
        ["torch_gcg.py", "--shape", "smol", "--width", "512", "--steps", "1"], ["0", "64", "16"],
        ["bench", "gcg", "--shape", "smol", "--width", "512", "--steps", "1"], 2.0, None,
    ),
}


def measure(command):
    """Median speed and highest memory of one process, or None with the reason on stderr."""
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        print(f"failed: {' '.join(command)}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return {
        "tokens_per_second": statistics.median(line["tokens_per_second"] for line in lines),
        "peak_rss_bytes": max(line["peak_rss_bytes"] for line in lines),
        "loss": lines[-1].get("loss"),
    }


def spread(values, digits=2):
    return f"{min(values):.{digits}f}–{statistics.median(values):.{digits}f}–{max(values):.{digits}f}"


def verdict(reached):
    return "reached" if reached else "MISSED"


def compare(name, trimtab, rounds):
    """Runs one case and prints it; returns all figures."""
    script, modes, ours, bar, memory_bar = CASES[name]
    figures = {mode or "generate": [] for mode in modes} | ({"trimtab": []} if trimtab else {})
    for _ in range(rounds):
        for stack in figures:
            if stack == "trimtab":
                command = [str(trimtab), *ours, "--threads", THREADS]
            else:
                command = [sys.executable, str(HERE / script[0]), *script[1:], *(["--mode", stack] if None not in modes else [])]
            figures[stack].append(measure(command))
    print(f"\n{name}, tokens per second (min–median–max of {rounds} rounds) and peak memory")
    for stack, runs in figures.items():
        good = [run for run in runs if run]
        if good:
            memory = max(run["peak_rss_bytes"] for run in good) / 2**30
            print(f"  {stack:<10} {spread([run['tokens_per_second'] for run in good], 1):>26}   {memory:5.2f} GiB")
        else:
            print(f"  {stack:<10} no figure")
    both = [
        (run, [figures[stack][i] for stack in figures if stack != "trimtab" and figures[stack][i]])
        for i, run in enumerate(figures.get("trimtab", [])) if run
    ]
    both = [(run, peers) for run, peers in both if peers]
    if both:
        ratios = [run["tokens_per_second"] / max(peer["tokens_per_second"] for peer in peers) for run, peers in both]
        print(f"  trimtab / best of PyTorch: {spread(ratios)}   bar {bar}: {verdict(statistics.median(ratios) >= bar)}")
        if memory_bar:
            shares = [run["peak_rss_bytes"] / min(peer["peak_rss_bytes"] for peer in peers) for run, peers in both]
            print(f"  memory / least of PyTorch: {spread(shares)}   bar {memory_bar}: {verdict(max(shares) <= memory_bar)}")
    return figures


def start_up(trimtab, runs=20):
    """Wall time of `trimtab --version`, in milliseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([str(trimtab), "--version"], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - start) * 1000)
    print(f"\ntrimtab --version, ms: {spread(times, 1)}   bar 50: {verdict(statistics.median(times) < 50)}")
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trimtab", type=pathlib.Path, help="the release binary; without it only PyTorch is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here as JSON")
    args = parser.parse_args()
    trimtab = args.trimtab and args.trimtab.resolve()
    figures = {name: compare(name, trimtab, args.rounds) for name in args.only}
    broken = [f"{name}: {stack}" for name, case in figures.items() for stack, runs in case.items() if None in runs]
    if trimtab:
        figures["start-up-ms"] = start_up(trimtab)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")
    if broken:
        sys.exit("no figure from " + ", ".join(broken))


if __name__ == "__main__":
    main()
