"""Fusions beside a copy, the limit and rivals: processor time on one thread, by turns, so that a busy machine slows all.

pytest bench/bench_turns.py --benchmark-columns=median,rounds
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
import limits
from common import SMALL, Votes, binary_votes, by_turns, votes_of
from contestants import RACES
from rivals import in_numpy

ROUNDS = 3 if SMALL else 25
NOISE = 0.1  # share of the votes that are flipped
FLIPPED = "fastfuse, 10 % of the votes flipped"
PAPER, MEAN = "fastfuse, the paper's M-step", "fastfuse, majority"
SAMPLED = "dense: simplified-soft-STAPLE, em, processor time"
BRAIN, SLICE = "masks: STAPLE, processor time", "masks, a noisy slice of 256 x 256: STAPLE, processor time"
SOFT = {  # kind of votes: the race whose rivals are asked, NumPy's way to the same
    "three-valued": ("{0, 0.3, 1}: soft-STAPLE, em", "NumPy, distinct patterns, empty words skipped"),
    "dense": ("dense: soft-STAPLE, em", "NumPy, masses once"),
}
THREE, DENSE = (f"{race}, processor time" for race, _ in SOFT.values())
ONCE = ("SimpleITK", "NumPy, every voxel", "NumPy, enumeration, float64")  # take seconds
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

    found = {
        BRAIN: {
            "fastfuse": staple(clean, out),
            **beside(clean, out, "binary: STAPLE", "NumPy, distinct patterns, empty words skipped"),
            "fastfuse, with a mask": staple(clean, out, mask=mask),
            FLIPPED: staple(flipped, out),
        },
        SLICE: {"fastfuse": staple(discs, small), "NumPy": lambda: in_numpy.staple_patterns(discs)},
    }
    for kind, (race, same) in SOFT.items():
        votes = votes_of(kind)
        fuse = partial(fastfuse.soft_staple, votes, out=out, m_step="em", threads=1)
        found[f"{race}, processor time"] = {"fastfuse": fuse, **beside(votes, out, race, same)}
    found[DENSE] |= {
        PAPER: partial(fastfuse.soft_staple, votes_of("dense"), out=out, m_step="paper", threads=1),
        MEAN: partial(fastfuse.majority_vote, votes_of("dense"), out=out, threads=1),
    }
    found[SAMPLED] = sampled(votes_of("dense"), out)
    return found


def sampled(votes: Votes, out: NDArray[np.float32]) -> dict[str, Call]:
    """Return EM that starts on a sample of the voxels, and EM that passes over all of them in each iteration."""
    fuse = partial(fastfuse.simplified_soft_staple, votes, out=out, m_step="em", threads=1)
    return {
        "fastfuse": partial(fuse, acceleration="sample"),
        "fastfuse, plain EM": fuse,
        "copy": partial(limits.copy, votes, out, 1),
        "limit": partial(limits.copy, votes, out, 1, streams=True),
    }


def beside(votes: Votes, out: NDArray[np.float32], race: str, same: str) -> dict[str, Call]:
    """Return a copy, the limit, NumPy's way to the same, and what takes seconds."""
    contestants = RACES[race].contestants
    rivals = {name: partial(contestants[name].fuse, votes, out) for name in ONCE if name in contestants}
    return {
        "copy": partial(limits.copy, votes, out, 1),
        "limit": partial(limits.copy, votes, out, 1, streams=True),
        "NumPy": partial(contestants[same].fuse, votes, out),
        **rivals,
    }


@cache
def medians(group: str) -> dict[str, float]:
    """Run a group's calls by turns; return each one's median of processor time."""
    return by_turns(calls()[group], ROUNDS, once=ONCE)


AIMS = {  # at most so many times what another one takes; copies differ by a fifth from run to run
    (BRAIN, "fastfuse"): (0.9, "copy"),
    (BRAIN, FLIPPED): (3, "fastfuse"),
    (BRAIN, "fastfuse, with a mask"): (1.35, "fastfuse"),  # aim 1.15
    (THREE, "fastfuse"): (1.35, "copy"),  # aim 1.1
    (DENSE, "fastfuse"): (4.2, "copy"),  # aim 2.5
    (DENSE, PAPER): (9, "copy"),  # aim 5
    (DENSE, MEAN): (2.8, "copy"),
    (SLICE, "fastfuse"): (1, "NumPy"),
    (SAMPLED, "fastfuse"): (9, "copy"),
}


RUNS = [
    *((BRAIN, name) for name in ("fastfuse, with a mask", FLIPPED, "SimpleITK", "NumPy, every voxel")),
    *((f"{race}, processor time", "NumPy, enumeration, float64") for race, _ in SOFT.values()),
    *(
        (group, name)
        for group in (BRAIN, *(f"{race}, processor time" for race, _ in SOFT.values()))
        for name in ("copy", "limit", "fastfuse", "NumPy")
    ),
    *((DENSE, name) for name in (PAPER, MEAN)),
    *((SLICE, name) for name in ("fastfuse", "NumPy")),
    *((SAMPLED, name) for name in ("copy", "limit", "fastfuse", "fastfuse, plain EM")),
]


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(("group", "name"), RUNS)
def test_turns(benchmark: Any, group: str, name: str) -> None:
    benchmark.group = group
    if name == "SimpleITK":
        pytest.importorskip("SimpleITK", reason="needs SimpleITK: pip install '.[bench]'")
    found = benchmark.pedantic(medians, (group,), rounds=1)
    benchmark.extra_info["cpu"] = found[name]
    most, other = AIMS.get((group, name), (math.inf, name))
    if not benchmark.disabled:
        assert SMALL or found[name] <= most * found[other]
