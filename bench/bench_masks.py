"""STAPLE of masks beside a copy, and of noisy ones beside clean ones: processor time on one thread, by turns.

pytest bench/bench_masks.py --benchmark-columns=median,rounds
"""

from __future__ import annotations

import math
import statistics
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
import limits
from common import SMALL, Votes, binary_votes
from rivals import in_numpy

ROUNDS = 3 if SMALL else 25
NOISE = 0.1  # share of the votes that are flipped
FLIPPED = "fastfuse, 10 % of the votes flipped"
BRAIN, SLICE = "masks, a whole brain, processor time", "masks, a noisy slice of 256 x 256, processor time"
Call = Callable[[], Any]


def noisy(masks: Votes) -> Votes:
    rng = np.random.default_rng(0)
    return tuple((mask ^ (rng.random(mask.shape, np.float32) < NOISE)).astype(np.uint8) for mask in masks)


def slices() -> Votes:
    """Return seven raters' discs, with flips."""
    axis = np.arange(256) - 128
    disc = np.hypot(axis[:, None], axis) < 60
    return noisy((disc.astype(np.uint8),) * 7)


def in_brain() -> NDArray[np.bool_]:
    """Return a mask of the middle, half of the voxels."""
    shape: tuple[int, ...] = binary_votes()[0].shape
    mask = np.zeros(shape, bool)
    mask[tuple(slice(length // 10, length - length // 10) for length in shape)] = True
    return mask


@cache
def calls() -> dict[str, dict[str, Call]]:
    """Return what is timed, by group and name."""
    clean = binary_votes()
    flipped, discs, mask = noisy(clean), slices(), in_brain()
    out, small = np.ones(clean[0].shape, np.float32), np.ones(discs[0].shape, np.float32)

    def staple(votes: Votes, into: NDArray[np.float32], **options: Any) -> Call:
        return lambda: fastfuse.staple(votes, out=into, threads=1, **options)

    return {
        BRAIN: {
            "copy": lambda: limits.copy(clean, out, 1),
            "limit": lambda: limits.copy(clean, out, 1, streams=True),
            "fastfuse": staple(clean, out),
            "fastfuse, with a mask": staple(clean, out, mask=mask),
            FLIPPED: staple(flipped, out),
        },
        SLICE: {"fastfuse": staple(discs, small), "NumPy": lambda: in_numpy.staple_patterns(discs)},
    }


@cache
def medians(group: str) -> dict[str, float]:
    """Run a group's calls by turns; return each one's median of processor time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rounds = [[spent(call) for call in calls()[group].values()] for _ in range(ROUNDS)]
    return dict(zip(calls()[group], map(statistics.median, zip(*rounds, strict=True)), strict=True))


def spent(call: Call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


AIMS = {  # at most so many times what another one takes
    (BRAIN, "fastfuse"): (0.9, "copy"),
    (BRAIN, FLIPPED): (3, "fastfuse"),
    (SLICE, "fastfuse"): (1, "NumPy"),
}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(
    ("group", "name"),
    [
        *((BRAIN, name) for name in ("copy", "limit", "fastfuse", "fastfuse, with a mask", FLIPPED)),
        *((SLICE, name) for name in ("fastfuse", "NumPy")),
    ],
)
def test_masks(benchmark: Any, group: str, name: str) -> None:
    benchmark.group = group
    found = medians(group)
    benchmark.extra_info["cpu"] = found[name]
    benchmark.pedantic(calls()[group][name], rounds=3)
    most, other = AIMS.get((group, name), (math.inf, name))
    if not benchmark.disabled:
        assert SMALL or found[name] <= most * found[other]
