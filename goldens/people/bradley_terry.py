"""Bradley-Terry strengths by evalica, for seeded random comparisons without ties.

    python goldens/people/bradley_terry.py

Needs evalica (0.4.2 made the committed file) and numpy. Writes bradley_terry.json beside itself:

    header   versions of the packages
    cases    name; answers, their number; wins, rows [winner, loser, times]; strengths by evalica, with sum 1

evalica adds its tolerance to every cell of its table of wins, as a pseudo-count that also links what was never compared.
At 1e-13 it moves no digit that is compared. The tables link every answer to every other and back, so that there is a
best fit.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from evalica import Winner, bradley_terry

HERE = Path(__file__).parent


def strengths(answers, wins):
    result = bradley_terry(
        [w for w, _, _ in wins],
        [l for _, l, _ in wins],
        [Winner.X] * len(wins),
        weights=[float(n) for _, _, n in wins],
        tolerance=1e-13,
        limit=1_000_000,
    )
    assert result.iterations < result.limit
    scores = np.array([result.scores[i] for i in range(answers)])
    return (scores / scores.sum()).tolist()


def random_wins(rng, answers, comparisons, spread):
    """A ring of one win each, which links all answers both ways, and random pairs won by strength."""
    strength = np.exp(rng.normal(0, spread, answers))
    table = np.zeros((answers, answers), dtype=int)
    for i in range(answers):
        table[i, (i + 1) % answers] += 1
    for _ in range(comparisons):
        i, j = rng.choice(answers, 2, replace=False)
        first = rng.random() < strength[i] / (strength[i] + strength[j])
        table[(i, j) if first else (j, i)] += 1
    return [[int(i), int(j), int(table[i, j])] for i, j in zip(*table.nonzero())]


def main():
    rng = np.random.default_rng(7)
    cases = [("by_hand_4", 4, [[0, 1, 7], [1, 0, 2], [0, 2, 5], [2, 0, 2], [1, 3, 6], [3, 1, 2], [2, 3, 4], [3, 0, 1]])]
    for answers, comparisons, spread in ((2, 30, 0.5), (3, 20, 1.0), (6, 100, 1.0), (15, 60, 0.7), (30, 600, 1.5)):
        cases.append((f"random_{answers}", answers, random_wins(rng, answers, comparisons, spread)))
    out = {
        "header": {name: version(name) for name in ("evalica", "numpy")},
        "cases": [
            {"name": name, "answers": answers, "wins": wins, "strengths": strengths(answers, wins)}
            for name, answers, wins in cases
        ],
    }
    (HERE / "bradley_terry.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
