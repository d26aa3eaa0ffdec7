"""A Markov random field on the pattern index: one iteration with it, and one without, voxel by voxel.

pytest bench/bench_field.py --benchmark-columns=median,rounds

96 x 96 x 96 voxels, seven masks, one thread. Without the field, EM on masks never walks over voxels; what a sweep can be
held against is one pass over them, which route="rows" makes in every iteration.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from common import SMALL
from fastfuse.fusion.options import Options
from fastfuse.fusion.pipeline import fuse_votes
from fastfuse.fusion.registry import method_called
from fastfuse.fusion.votes import Votes

SIDE = 32 if SMALL else 96
ITERATIONS = 10
ROUNDS = 2 if SMALL else 7
OPTIONS: dict[str, Any] = {"threads": 1, "tol": 0.0, "max_iter": ITERATIONS}


@cache
def masks() -> list[NDArray[np.uint8]]:
    """Return seven raters' masks of a ball, with noisy outlines."""
    rng = np.random.default_rng(0)
    axis = np.arange(SIDE, dtype=np.float32) - SIDE / 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    radii = SIDE / 5 * np.linspace(0.9, 1.1, 7)
    return [(distance + rng.normal(0, 1.5, distance.shape) < radius).astype(np.uint8) for radius in radii]


def per_iteration(**options: Any) -> float:
    start = time.process_time()
    fusion, _ = fuse_votes(Votes(masks()), method_called("staple"), Options(**OPTIONS, **options))
    return (time.process_time() - start) / fusion.n_iter


def medians(*runs: Callable[[], float]) -> list[float]:
    """Run them in turn; return each one's median."""
    rounds = [[run() for run in runs] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


@pytest.mark.benchmark(group="Markov random field, one iteration")
def test_sweep(benchmark: Any) -> None:
    with_field, without = medians(lambda: per_iteration(mrf=0.3), lambda: per_iteration(route="rows"))
    benchmark.extra_info |= {"with": with_field, "without": without, "ratio": with_field / without}
    benchmark.pedantic(per_iteration, kwargs={"mrf": 0.3}, rounds=1)
    if not benchmark.disabled:
        assert SMALL or with_field <= 12 * without
