"""Table 1 over several seeds, as Markdown: python bench/studies/seeds.py RUN RUN ...

Each RUN is what ``fastfuse experiment COHORT --seed K --out RUN`` wrote. Mean ± standard deviation over runs.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fastfuse.train.results.sheets import markdown_of
from fastfuse.train.results.table import TITLES

COLUMNS = [
    (against, measure) for against in ("experts", "STAPLE") for measure in ("dice", "precision", "recall")
]
NAMES = {"dice": "Dice", "precision": "Pre", "recall": "Rec"}


def read(run: Path) -> dict[tuple[str, str, str], float]:
    """Return a run's pooled values by method, reference and measure."""
    with (run / "table1.csv").open(newline="", encoding="utf-8") as file:
        return {
            (row["method"], row["against"], row["measure"]): float(row["pooled"])
            for row in csv.DictReader(file)
        }


def table(runs: Sequence[dict[tuple[str, str, str], float]]) -> str:
    """Return a row for each method, and how often each comes first in Dice."""
    methods = list(dict.fromkeys(method for method, _, _ in runs[0]))
    head = ["", *(f"{NAMES[measure]} {against}" for against, measure in COLUMNS)]
    lines = []
    for method in methods:
        found = np.array([[run[(method, *column)] for run in runs] for column in COLUMNS])
        spread = found.std(axis=1, ddof=1) if len(runs) > 1 else np.zeros(len(found))
        cells = (f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(found.mean(axis=1), spread, strict=True))
        lines.append([TITLES[method], *cells])
    text = markdown_of(head, lines)
    for against in ("experts", "STAPLE"):
        orders = [
            " > ".join(TITLES[m] for m in sorted(methods, key=lambda m: -run[m, against, "dice"]))
            for run in runs
        ]
        text += f"\nDice against {against}, run by run: {'; '.join(orders)}\n"
    return text


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(table([read(Path(run)) for run in sys.argv[1:]]))
