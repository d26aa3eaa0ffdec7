"""Draw time against the number of raters: python bench/figure.py FIGURE.png.

STAPLE of binary masks and soft-STAPLE of votes in {0, 0.3, 1}, whole brain. A contestant drops out when a fusion
has taken longer than PATIENCE: enumeration doubles with every rater.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from common import Votes, middle_of, more_raters
from contestants import RACES, Contestant, check

PATIENCE = 15.0  # seconds
RATERS = (3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20)
PANELS = {
    "binary: STAPLE": "STAPLE, binary masks",
    "{0, 0.3, 1}: soft-STAPLE, em": "soft-STAPLE, votes in {0, 0.3, 1}",
}
LABELS = {  # what stands at a line's end, and on which side of it
    "fastfuse": ("fastfuse", "#d55e00", "right"),
    "SimpleITK": ("SimpleITK", "#0072b2", "right"),
    "NumPy, every voxel": ("NumPy", "#666666", "right"),
    "NumPy, enumeration": ("NumPy, all $2^m$ patterns ", "#666666", "right"),
    "Numba, enumeration": (" Numba, all $2^m$ patterns", "#0072b2", "left"),
}
TICKS = {1e-3: "1 ms", 1e-2: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 100: "100 s"}


def fastest(contestant: Contestant, votes: Votes) -> float:
    """Return seconds: the best of five, or of as many as take a second."""
    out, best, spent = np.ones(votes[0].shape, np.float32), np.inf, 0.0
    for _ in range(5):
        start = time.perf_counter()
        contestant.fuse(votes, out)
        best, spent = min(best, took := time.perf_counter() - start), spent + took
        if spent > 1:
            break
    return float(best)


def measure(race: str) -> dict[str, list[tuple[int, float]]]:
    """Return each contestant's times; all must find one answer on a block."""
    times: dict[str, list[tuple[int, float]]] = {
        name: [] for name in RACES[race].contestants if name in LABELS
    }
    for m in RATERS:
        votes = more_raters(RACES[race].kind, m)
        block = middle_of(votes)
        answer = RACES[race].answer(block)
        for name, points in times.items():
            if points and points[-1][1] > PATIENCE:
                continue
            contestant = RACES[race].contestants[name]
            check(contestant.fuse(block, np.empty(block[0].shape, np.float32)), answer, 1e-4, block)
            points.append((m, fastest(contestant, votes)))
            print(f"{race}, {m} raters, {name}: {points[-1][1]:.4g} s", flush=True)
    return times


def main(path: Path) -> None:
    """Measure and draw."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (race, title) in zip(axes, PANELS.items(), strict=True):
        for name, points in measure(race).items():
            text, colour, side = LABELS[name]
            m, seconds = np.transpose(points)
            ax.plot(m, seconds, ".-", color=colour, lw=2.5 if name == "fastfuse" else 1.5)
            ax.annotate(
                text, (m[-1], seconds[-1]), (0, 7), textcoords="offset points", color=colour, ha=side,
                weight="bold" if name == "fastfuse" else "normal",
            )  # fmt: skip
        ax.set(yscale="log", xlabel="raters", xticks=(3, 5, 7, 10, 15, 20), xlim=(2.5, 20.5))
        ax.set_title(title, loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.25)
        ax.minorticks_off()
    low, high = axes[0].get_ylim()
    ticks = {at: text for at, text in TICKS.items() if low <= at <= high}
    axes[0].set_yticks(list(ticks), list(ticks.values()))
    axes[0].set_ylim(low, high * 2)
    axes[0].set_ylabel("time, 7.2 million voxels")
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
