"""What every golden script here shares: determinism, a header that names versions, and writing files.

Every script takes `--out DIR` (default: the folder of the script) and writes the same bytes' worth of numbers on
every run: seeds are fixed, work is on the CPU, and nothing is read but what the command names.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent


def arguments(description, extra=None):
    """The command line of a golden script: `--out DIR`, and whatever `extra(parser)` adds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder to write into")
    if extra:
        extra(parser)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def header(script, **more):
    """Versions and the command that made a file, for the file itself."""
    return {
        "made_by": f"python goldens/engine/{pathlib.Path(script).name}",
        "python": ".".join(map(str, sys.version_info[:2])),
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        **more,
    }


def write_json(path, value):
    """JSON with one top-level key a line, and one line per record of a list of objects: small, and readable in a diff."""
    compact = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}

    def line(item):
        if isinstance(item, list) and item and all(isinstance(entry, dict) for entry in item):
            return "[\n" + ",\n".join("  " + json.dumps(entry, **compact) for entry in item) + "\n ]"
        return json.dumps(item, **compact)

    body = ",\n".join(f" {json.dumps(key)}: {line(item)}" for key, item in value.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + body + "\n}\n", encoding="utf-8")


def write_tensors(path, tensors, made):
    """A safetensors file whose metadata is the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={key: str(value) for key, value in made.items()})
    path.chmod(0o644)
