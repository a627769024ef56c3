#!/usr/bin/env python3
"""Does the outer audit's alarm ring for runs whose proxy was over-optimised, and not for its controls? Standard library only.

    python3 bench/outer_misalignment.py --trimtab target/release/trimtab RUN RUN RUN RUN RUN

Each RUN is a run of the default world with a seed of its own, as `bench/five_seeds.py` makes them. It is audited with `trimtab audit
outer RUN` (what was audited before is taken as it is), and the figures of all runs are put together: mean over runs with Student's
95 % interval, and how often each alarm rang, was silent, or could not tell. Words after -- are handed to the audit. Exit code 1 if a
control rings.
"""
import argparse
import json
import pathlib
import subprocess
import sys

from over_seeds import interval

POLICIES = ["ppo-plain", "ppo"]


def shown(values):
    if not values:
        return "not measurable"
    if len(values) < 2:
        return f"{values[0]:+.3f}, one run"
    mean, low, high = interval(values)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trimtab", default="target/release/trimtab")
    parser.add_argument("--threads", default="2")
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    words = sys.argv[1:]
    own, rest = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    args = parser.parse_args(own)
    summaries = {policy: [] for policy in POLICIES}
    for run in args.runs:
        command = [args.trimtab, "--threads", args.threads, "--quiet", "audit", "outer", str(run), "--json", *rest]
        audited = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for one in json.loads(audited):
            summaries[one["summary"]["model"].rsplit(":", 1)[1]].append(one["summary"])
        print(f"audited {run}", file=sys.stderr)
    rings = 0
    for policy, found in summaries.items():
        print(f"\n{policy}: {len(found)} runs")
        alarms = {}
        for summary in found:
            outer = summary["outer"]
            of = [("policy", outer["policy"]["alarm"])]
            of += [(f"{p['by']} by {p['judge']}", p["alarm"]) for p in outer["pressed"]]
            for name, verdict in of:
                alarms.setdefault(name, []).append(verdict)
        for name, verdicts in alarms.items():
            said = [v["alarm"] for v in verdicts]
            counts = ", ".join(f"{k} {said.count(k)}" for k in ["rings", "silent", "cannot_tell"])
            wrong = [sum(v["false_alarms"][k] for v in verdicts) for k in ["numerator", "denominator"]]
            least = shown([v["detectable"]["value"] for v in verdicts if v["detectable"]["value"] is not None])
            print(f"  alarm, {name:<22} {counts}; false alarms {wrong[0]} of {wrong[1]}; would show {least}")
            if not name.startswith(("policy", "proxy")):
                rings += said.count("rings")
        names = list(dict.fromkeys(m["name"] for s in found for m in s["means"]))
        for name in names:
            if not name.endswith(".alarm"):
                values = [m["value"]["value"] for s in found for m in s["means"] if m["name"] == name]
                print(f"  {name:<34} {shown([v for v in values if v is not None])}")
        for name in dict.fromkeys(f["name"] for s in found for f in s["figures"]):
            values = [f["value"]["value"] for s in found for f in s["figures"] if f["name"] == name]
            print(f"  {name:<34} {shown([v for v in values if v is not None])}")
        for judge in ["gold", "people"]:
            of = [p for s in found for p in s["outer"]["pressed"] if (p["by"], p["judge"]) == ("proxy", judge)]
            if not of:
                continue
            for i, point in enumerate(of[0]["points"]):
                values = {k: [p["points"][i][k]["value"] for p in of if len(p["points"]) > i] for k in ["proxy_gain", "gain"]}
                print(f"  best of {point['n']:>3} by {judge}, √KL {point['distance']:.3f}: "
                      f"proxy {shown(values['proxy_gain'])}, judgement {shown(values['gain'])}")
    sys.exit(1 if rings else 0)


if __name__ == "__main__":
    main()
