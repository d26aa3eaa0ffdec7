"""soft-STAPLE of many raters, by enumeration and by its characteristic function.

python bench/studies/many_raters.py FIGURE.png draws time and difference against the number of raters, and prints how near
expectation="auto" comes to the better of the two. python bench/studies/many_raters.py --brain times an iteration on a whole
brain of which one voxel in a hundred is in doubt.
"""

from __future__ import annotations

import sys
import time
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastfuse

Votes = NDArray[np.float32]
M_STEPS = ("paper", "em")
WAYS = ("enumerate", "characteristic", "auto")
GRID = (4, 6, 8, 10, 12, 14, 16, 18, 20)
BRAIN = (182, 218, 182)
ROUNDS = 7
LEAST_SECONDS = 0.05


KINDS = ("dense", "{0, 0.3, 1}")


def votes_of(kind: str, m: int, n: int) -> Votes:
    """Return votes (m, n) around a truth: all fractional, or a third of them."""
    rng = np.random.default_rng(m)
    truth = rng.random(n) < 0.3
    logit = np.where(truth, 2.0, -2.5) + rng.normal(0, 1.5, (m, n))
    votes = 1 / (1 + np.exp(-logit))
    if kind != "dense":
        votes = np.select([votes > 0.7, votes > 0.07], [1, 0.3])
    return votes.astype(np.float32)


def dense_votes(m: int, n: int) -> Votes:
    """Return votes (m, n), all fractional."""
    return votes_of("dense", m, n)


def timed(votes: Any, runs: int = 3, **options: Any) -> tuple[float, fastfuse.Fusion]:
    """Return the median seconds of a fusion, and what it finds."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        fusion = fastfuse.soft_staple(votes, **options)
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds)), fusion


def once(votes: Votes, **options: Any) -> tuple[float, NDArray[np.float64]]:
    """Return the seconds of a fusion, over as many as a clock needs, and its probability."""
    begin, runs = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < LEAST_SECONDS:
        fusion = fastfuse.soft_staple(votes, dtype="float64", **options)
        runs += 1
    return spent / runs, fusion.probability


def grid() -> None:
    """Print nanoseconds a voxel to convergence, medians of rounds in which the ways take turns."""
    print("| votes | m_step | m | enumerate | characteristic | auto | auto / better | largest difference |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for kind, m_step, m in product(KINDS, M_STEPS, GRID):
        n = 40_000 if m <= 14 else 4000 if m <= 18 else 1000
        votes = votes_of(kind, m, n)
        rounds = [[once(votes, m_step=m_step, expectation=way) for way in WAYS] for _ in range(ROUNDS)]
        row = 1e9 / n * np.median([[seconds for seconds, _ in round_] for round_ in rounds], axis=0)
        gap = np.abs(rounds[0][0][1] - rounds[0][1][1]).max()
        print(
            f"| {kind} | {m_step} | {m} | {row[0]:.0f} | {row[1]:.0f} | {row[2]:.0f} | {row[2] / min(row[:2]):.2f} | {gap:.1e} |",
            flush=True,
        )


def draw(path: Path) -> None:
    """Draw one E-step's time a voxel, and how far the two ways differ, against the number of raters."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7, 6), sharex=True, height_ratios=(2, 1), layout="constrained"
    )
    many = (2, 4, 6, 8, 10, 12, 14, 16, 20, 30, 50, 100, 200)
    for way, colour in (("enumerate", "tab:orange"), ("characteristic", "tab:blue")):
        raters = [m for m in many if way != "enumerate" or m <= 16]
        times = [step(m, way) for m in raters]
        above.plot(
            raters,
            times,
            "o-",
            color=colour,
            label={"enumerate": "all $2^m$ terms"}.get(way, "characteristic function"),
        )
    gaps = [difference(m) for m in many if m <= 14]
    below.plot([m for m in many if m <= 14], np.maximum(gaps, 1e-17), "o-", color="black")
    below.axhline(1e-12, color="grey", linestyle=":", label="what is promised")
    above.set(yscale="log", xscale="log", ylabel="ns a voxel, one E-step")
    below.set(
        yscale="log", ylabel="largest |difference| in w", xlabel="raters, all of whose votes are fractional"
    )
    below.set_xticks(many, [str(m) if m != 14 else "" for m in many])
    below.minorticks_off()
    above.legend(frameon=False)
    below.legend(frameon=False)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def prior_map(n: int) -> Votes:
    """Return a map, with which every voxel goes through its own expectation."""
    return np.random.default_rng(0).uniform(0.29, 0.31, n).astype(np.float32)


def step(m: int, way: str) -> float:
    """Return nanoseconds a voxel of one E-step, from the slope over iterations."""
    n = 20_000 if way == "characteristic" and m <= 30 else 2000 if m <= 12 or way == "characteristic" else 100
    options: dict[str, Any] = {
        "expectation": way,
        "prior": prior_map(n),
        "tol": 0,
        "dtype": "float64",
        "axis": 0,
    }
    votes = dense_votes(m, n)
    few, many = (timed(votes, max_iter=k, **options)[0] for k in (1, 5))
    return 1e9 * (many - few) / 4 / n


def difference(m: int) -> float:
    """Return how far the two ways differ after one M-step from the same start."""
    n = 2000 if m <= 12 else 200
    options: dict[str, Any] = {"prior": prior_map(n), "init": 0.9, "max_iter": 1, "dtype": "float64"}
    votes = dense_votes(m, n)
    a, b = (fastfuse.soft_staple(votes, expectation=way, **options).probability for way in WAYS[:2])
    return float(np.abs(a - b).max())


def brain() -> None:
    """Print seconds an iteration of a whole brain in which one voxel in a hundred is in doubt."""
    rng = np.random.default_rng(0)
    n = int(np.prod(BRAIN))
    doubtful = np.sort(rng.choice(n, n // 100, replace=False))
    print("| m | votes in doubt | seconds to read and write | seconds an iteration | ns a doubtful voxel |")
    print("|---:|---|---:|---:|---:|")
    for m in (30, 64, 200):
        region = np.zeros(n, bool)
        region[doubtful] = True
        for kind in ("all different", "{0, 0.3, 1}"):
            votes = brain_votes(m, n, doubtful, kind, rng)
            few, many = (timed(votes, runs=1, max_iter=k, tol=0)[0] for k in (1, 4))
            slope = (many - few) / 3
            print(
                f"| {m} | {kind} | {few - slope:.2f} | {slope:.2f} | {1e9 * slope / len(doubtful):.0f} |",
                flush=True,
            )


def brain_votes(m: int, n: int, doubtful: NDArray[np.intp], kind: str, rng: np.random.Generator) -> list[Any]:
    """Return one volume a rater, 0 but where voxels are in doubt."""
    truth = rng.random(len(doubtful)) < 0.4
    raters = []
    for _ in range(m):
        votes = np.zeros(n, np.float32 if kind == "all different" else np.float16)
        drawn = np.where(truth, rng.beta(3, 1, len(doubtful)), rng.beta(1, 3, len(doubtful)))
        votes[doubtful] = (
            drawn if kind == "all different" else np.select([drawn > 0.7, drawn > 0.4], [1, 0.3])
        )
        raters.append(votes.reshape(BRAIN))
    return raters


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["--brain"]:
        brain()
    elif len(sys.argv) == 2:
        grid()
        draw(Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
