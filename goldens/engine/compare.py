"""Compares goldens made anew with the committed ones.

    python goldens/engine/compare.py COMMITTED NEW

Every file of COMMITTED but scripts and pages must be in NEW: .json and .safetensors with the same keys and shapes,
others byte for byte. Numbers may differ by
1e-5 of the largest in their list or tensor (other machines round otherwise), SmolLM2's f32 logits by 1e-3 and the ids
of its best logits in one place of 200; its greedy tokens must agree up to the first step whose best two logits are
within 1e-3. Versions (headers) may differ. Prints each difference; exit code 1 if there is one.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors import safe_open

VERSIONS = {"header", "transformers_version", "peft_version"}
TIE = 1e-3


def numbers(old, new, loose):
    """What is wrong with `new`, or None."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return f"{old.dtype}{list(old.shape)} became {new.dtype}{list(new.shape)}"
    if old.dtype.kind in "iu":
        share = (old != new).mean() if old.size else 0.0
        return f"{share:.2%} of the integers differ" if share > (0.005 if loose else 0.0) else None
    allowed = 1e-3 if loose else 1e-5 * max(np.abs(old).max(initial=0.0), 1e-12)
    worst = np.abs(old.astype(np.float64) - new).max(initial=0.0)
    return None if worst <= allowed else f"differs by {worst:.3g}, allowed {allowed:.3g}"


def greedy(old, new):
    for at, (a, b) in enumerate(zip(old["tokens"], new["tokens"], strict=True)):
        if min(old["gaps"][at], new["gaps"][at]) < TIE:
            return None
        if a != b:
            return f"token {at}: {a} became {b}, {old['gaps'][at]} ahead of the second"
    return None


def values(where, old, new, loose, found):
    """Walks two JSON values."""
    if isinstance(old, dict) and isinstance(new, dict):
        if {"tokens", "gaps"} <= old.keys() & new.keys():
            if wrong := greedy(old, new):
                found.append(f"{where}: {wrong}")
            old, new = ({k: v for k, v in value.items() if k not in ("tokens", "gaps")} for value in (old, new))
        if old.keys() - VERSIONS != new.keys() - VERSIONS:
            found.append(f"{where}: keys {sorted(old.keys() ^ new.keys())} are on one side only")
        for key in (old.keys() & new.keys()) - VERSIONS:
            values(f"{where}.{key}", old[key], new[key], loose, found)
    elif isinstance(old, list) and isinstance(new, list) and old and isinstance(old[0], (dict, list, str)):
        if len(old) != len(new):
            found.append(f"{where}: {len(old)} entries became {len(new)}")
        for at, (a, b) in enumerate(zip(old, new)):
            values(f"{where}[{at}]", a, b, loose, found)
    elif isinstance(old, float) or isinstance(old, list) and old and all(isinstance(x, (int, float)) for x in old):
        if wrong := numbers(np.atleast_1d(np.array(old)), np.atleast_1d(np.array(new)), loose):
            found.append(f"{where}: {wrong}")
    elif old != new:
        found.append(f"{where}: {str(old)[:60]} became {str(new)[:60]}")


def tensors(where, old, new, loose, found):
    with safe_open(old, "np") as a, safe_open(new, "np") as b:
        names = set(a.keys()), set(b.keys())
        if names[0] != names[1]:
            found.append(f"{where}: tensors {sorted(names[0] ^ names[1])[:5]} are on one side only")
        for name in names[0] & names[1]:
            if wrong := numbers(a.get_tensor(name), b.get_tensor(name), loose):
                found.append(f"{where}: {name}: {wrong}")


def main():
    committed, made = map(pathlib.Path, sys.argv[1:3])
    files = sorted(path for path in committed.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md"))
    found = []
    for path in files:
        where = path.relative_to(committed)
        other, loose = made / where, "smollm2" in where.parts
        if not other.exists():
            found.append(f"{where}: was not made")
        elif path.suffix == ".json":
            values(str(where), json.loads(path.read_text()), json.loads(other.read_text()), loose, found)
        elif path.suffix == ".safetensors":
            tensors(where, path, other, loose, found)
        elif path.read_bytes() != other.read_bytes():
            found.append(f"{where}: the bytes differ")
    print("\n".join(found) or f"{len(files)} files agree")
    sys.exit(bool(found) or not files)


if __name__ == "__main__":
    main()
