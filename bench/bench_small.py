"""Calls on something small: the default team of threads must cost nothing, and Python little beside the core.

pytest bench/bench_small.py --benchmark-columns=median,rounds
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pytest

import fastfuse
from common import SMALL
from fastfuse import _core

VOXELS = 1000
ROUNDS = 5 if SMALL else 101
OPTIONS = {"max_iter": 20}  # random masks creep
rng = np.random.default_rng(0)
MASKS = (rng.random((7, VOXELS)) < 0.3).astype(np.uint8)
VOTES = np.where(rng.random(MASKS.shape) < 0.2, np.float32(0.3), MASKS)
CALLS: dict[str, tuple[Any, Any]] = {
    "STAPLE, masks": (fastfuse.staple, MASKS),
    "soft-STAPLE, {0, 0.3, 1}": (fastfuse.soft_staple, VOTES),
    "soft-STAPLE, dense": (fastfuse.soft_staple, rng.random(MASKS.shape, np.float32)),
}
BALL = np.linalg.norm(np.indices((10, 10, 10)) - 4.5, axis=0) < 4
CUBES = [(BALL ^ (rng.random(BALL.shape) < 0.1)).astype(np.uint8) for _ in range(7)]
DISC = np.hypot(*np.indices((32, 32)) - 16) < 9
PATCH = [DISC ^ (rng.random(DISC.shape) < 0.05) for _ in range(7)]


def timed_core(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list to which the seconds of each fusion in the core will be added."""
    seconds: list[float] = []
    fuse_in_core = _core.fuse

    def timed(*arrays: Any, **options: Any) -> Any:
        start = time.process_time()
        found = fuse_in_core(*arrays, **options)
        seconds.append(time.process_time() - start)
        return found

    monkeypatch.setattr(_core, "fuse", timed)
    return seconds


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.benchmark(group="1,000 voxels, seven raters")
def test_default_team(benchmark: Any, call: str) -> None:
    fuse, votes = CALLS[call]

    def seconds(threads: int) -> float:
        start = time.perf_counter()
        fuse(votes, threads=threads, **OPTIONS)
        return time.perf_counter() - start

    rounds = [(seconds(0), seconds(1)) for _ in range(ROUNDS)]
    by_default, alone = (statistics.median(column) for column in zip(*rounds, strict=True))
    benchmark.extra_info |= {"one thread": alone, "ratio": by_default / alone}
    benchmark.pedantic(fuse, (votes,), OPTIONS, rounds=9)
    if not benchmark.disabled:
        assert SMALL or by_default <= 1.5 * alone


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.benchmark(group="1,000 voxels, seven masks: processor time")
def test_parts(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's part and Python's, beside a loop of 1,000 additions as the machine's measure: the aims are 60 us each."""
    in_core, others, loops = timed_core(monkeypatch), [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        fastfuse.staple(CUBES, threads=1)
        others.append(time.process_time() - start - in_core[-1])
        start = time.process_time()
        sum(k for k in range(1000))
        loops.append(time.process_time() - start)
    benchmark.pedantic(fastfuse.staple, (CUBES,), {"threads": 1}, rounds=ROUNDS)
    parts = {"core": in_core, "Python": others, "1,000 additions": loops}
    benchmark.extra_info |= {name: 1e6 * statistics.median(values) for name, values in parts.items()}
    assert len(in_core) >= ROUNDS


@pytest.mark.parametrize("function", ["staple", "majority_vote"])
@pytest.mark.benchmark(group="a noisy patch of 32 x 32, seven masks")
def test_patch(benchmark: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fuse, in_core = getattr(fastfuse, function), timed_core(monkeypatch)
    benchmark.pedantic(fuse, (PATCH,), {"threads": 1}, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["core"] = statistics.median(in_core)
    assert in_core
