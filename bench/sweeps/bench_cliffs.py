"""No cliffs: sweeps over raters, noise and the share of fractional votes, and what a single odd thing among masks costs.

pytest bench/sweeps/bench_cliffs.py --benchmark-columns=median,rounds

Neighbours in a sweep differ by so little that their work does, too: none may take twice what the one before it takes. All
of a sweep take turns, processor time on one thread, so that a busy machine slows all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from common import SMALL, Votes, by_turns

SHAPE = (20, 50, 50) if SMALL else (100, 100, 100)
ROUNDS = 1 if SMALL else 5
ITERATIONS = {"tol": 0, "max_iter": 10}  # as many on all votes
FLIPPED = 0.003  # share of the votes
JUMP = 2.0  # at most, between neighbours
Sweep = dict[str, Callable[[], Any]]


@cache
def vote(i: int, noise: float, fractional: float) -> NDArray[np.float32]:
    """Return rater i's ball, with flips and with votes of 0.3 anywhere."""
    rng = np.random.default_rng(i)
    axes = np.indices(SHAPE, dtype=np.float32) - np.array(SHAPE, np.float32)[:, None, None, None] / 2
    ball = np.linalg.norm(axes, axis=0) < 0.12 * min(SHAPE) + rng.normal()
    marks: NDArray[np.float32] = (ball ^ (rng.random(SHAPE, np.float32) < noise)).astype(np.float32)
    marks[rng.random(SHAPE, np.float32) < fractional] = 0.3
    return marks


def votes(m: int, noise: float, fractional: float = 0) -> Votes:
    return tuple(vote(i, noise, fractional) for i in range(m))


@cache
def of_any_fraction(i: int, share: float) -> NDArray[np.float32]:
    """Return rater i's ball, with flips, and with fractions anywhere of which no two are alike."""
    rng = np.random.default_rng([i, 1])
    marks = vote(i, FLIPPED, 0).copy()
    where = rng.random(SHAPE, np.float32) < share
    marks[where] = rng.random(np.count_nonzero(where), np.float32)
    return marks


@cache
def mask(i: int, noise: float) -> NDArray[np.uint8]:
    return vote(i, noise, 0).astype(np.uint8)


def masks(m: int, noise: float) -> Votes:
    return tuple(mask(i, noise) for i in range(m))


def fuse(method: str, raters: Votes) -> Callable[[], Any]:
    given, axis = (np.stack(raters), 0) if len(raters) > 64 else (raters, None)
    out = np.ones(SHAPE, np.float32)
    work = getattr(fastfuse, method)
    return partial(work, given, out=out, threads=1, axis=axis, **ITERATIONS)


def by_raters(method: str, several: tuple[int, ...], make: Callable[[int], Votes]) -> Sweep:
    return {f"{m} raters": fuse(method, make(m)) for m in several}


def by_share(method: str, m: int, shares: tuple[float, ...]) -> Sweep:
    return {f"{share:.2%}": fuse(method, votes(m, FLIPPED, share)) for share in shares}


def by_share_of_any(m: int, shares: tuple[float, ...]) -> Sweep:
    raters = {share: tuple(of_any_fraction(i, share) for i in range(m)) for share in shares}
    return {f"{share:.2%}": fuse("soft_staple", votes) for share, votes in raters.items()}


def by_raters_of_any(several: tuple[int, ...]) -> Sweep:
    raters = {m: tuple(of_any_fraction(i, 0.01) for i in range(m)) for m in several}
    return {f"{m} raters": fuse("soft_staple", votes) for m, votes in raters.items()}


def by_noise(m: int, several: tuple[float, ...]) -> Sweep:
    return {f"{noise:.2%}": fuse("staple", masks(m, noise)) for noise in several}


def with_one(value: float, at: tuple[int, ...]) -> Sweep:
    """Return masks, and the same with one vote of another value."""
    raters = votes(7, 0.02)
    odd = raters[3].copy()
    odd[at] = value
    work = partial(fastfuse.soft_staple, out=np.ones(SHAPE, np.float32), threads=1, **ITERATIONS)
    missing = "nan" if np.isnan(value) else "error"
    return {
        "masks": partial(work, raters, missing=missing),
        "one odd vote": partial(work, (*raters[:3], odd, *raters[4:]), missing=missing),
    }


def by_missing(shares: tuple[float, ...]) -> Sweep:
    """Return dense votes, all of them, without one, and without these shares of them."""
    dense = [np.random.default_rng(i).uniform(0.01, 0.99, SHAPE).astype(np.float32) for i in range(7)]
    one = dense[3].copy()
    one[MIDDLE] = np.nan
    sweep = {"none": fuse("soft_staple", tuple(dense))}
    for share in (0, *shares):
        raters = [*dense[:3], one, *dense[4:]]
        if share > 0:
            lost = [np.random.default_rng(9 + i).random(SHAPE) < share for i in range(7)]
            raters = [
                np.where(gone, np.float32(np.nan), vote) for gone, vote in zip(lost, dense, strict=True)
            ]
        sweep[f"{share:.2%}" if share > 0 else "one"] = partial(
            fastfuse.soft_staple,
            tuple(raters),
            missing="nan",
            out=np.ones(SHAPE, np.float32),
            threads=1,
            **ITERATIONS,
        )
    return sweep


def by_beginning(m: int, beyond: float) -> Sweep:
    """Return dense votes, and the same of raters who begin on different planes: zeros before, or nothing."""
    dense = [np.random.default_rng(i).uniform(0.01, 0.99, SHAPE).astype(np.float32) for i in range(m)]
    late = [vote.copy() for vote in dense]
    for i, vote in enumerate(late):
        vote[:i] = beyond
    work = partial(fastfuse.soft_staple, out=np.ones(SHAPE, np.float32), threads=1, **ITERATIONS)
    missing = "nan" if np.isnan(beyond) else "error"
    return {"at once": partial(work, tuple(dense)), "one by one": partial(work, tuple(late), missing=missing)}


def one_of(dtype: type) -> Sweep:
    raters = masks(7, 0.02)
    other: NDArray[Any] = raters[3].astype(dtype)
    return {
        "all bytes": fuse("staple", raters),
        f"one {dtype.__name__}": fuse("staple", (*raters[:3], other, *raters[4:])),
    }


MIDDLE = tuple(length // 2 for length in SHAPE)
FEW, MORE = (0, 0.0005, 0.001, 0.002, 0.004), (0.004, 0.008, 0.016, 0.032)
SOME = (0.01, 0.02, 0.04, 0.08)
SWEEPS: dict[str, Callable[[], Sweep]] = {
    "soft votes, raters": lambda: by_raters(
        "soft_staple", (22, 25, 28, 32, 36, 38, 40), lambda m: votes(m, FLIPPED, 0.01)
    ),
    "soft votes, 30 raters, share of 0.3": lambda: by_share("soft_staple", 30, (0.0075, 0.01, 0.015, 0.02)),
    "soft votes, 7 raters, a small share of 0.3": lambda: by_share("soft_staple", 7, FEW),
    "soft votes, 7 raters, share of 0.3": lambda: by_share("soft_staple", 7, (*MORE, 0.06, 0.1)),
    "soft votes, 9 raters, share of any fraction": lambda: by_share_of_any(9, (0.005, *SOME)),
    "soft votes, 1 % of any fraction, raters": lambda: by_raters_of_any((8, 9, 10, 11, 12, 13, 14)),
    "simplified, 12 raters, share of 0.3": lambda: by_share("simplified_soft_staple", 12, MORE),
    "masks, up to 18 raters": lambda: by_raters(
        "staple", (7, 8, 9, 12, 15, 16, 17, 18), lambda m: masks(m, 0.02)
    ),
    "masks, raters": lambda: by_raters("staple", (48, 56, 63, 64, 65, 68, 72), lambda m: masks(m, 0.007)),
    "masks, 30 raters, noise": lambda: by_noise(30, (0.004, 0.007, 0.01, 0.015, 0.02, 0.03)),
    "masks, one vote of 0.3": lambda: with_one(0.3, MIDDLE),
    "masks, one vote of 0.3 at the end": lambda: with_one(0.3, (-1, -1, -1)),
    "masks, one missing vote": lambda: with_one(np.nan, MIDDLE),
    "dense votes, share that is missing": lambda: by_missing((0.0002, 0.001, 0.005, 0.02, 0.1, 0.3)),
    "dense votes, nine raters who begin one by one": lambda: by_beginning(9, 0),
    "dense votes, nine raters who vote from different planes on": lambda: by_beginning(9, np.nan),
    "masks, one rater of int16": lambda: one_of(np.int16),
    "masks, one rater of float32": lambda: one_of(np.float32),
}
AIMS = {  # group: at most so many times, this one, what that one takes
    "soft votes, raters": (1.3, "38 raters", "36 raters"),
    "soft votes, 30 raters, share of 0.3": (2.5, "2.00%", "1.00%"),
    "masks, raters": (1.5, "72 raters", "65 raters"),
    "soft votes, 9 raters, share of any fraction": (2.6, "8.00%", "1.00%"),
}


def medians(group: str) -> dict[str, float]:
    """Run a sweep's calls by turns; return each one's median of processor time."""
    found = by_turns(SWEEPS[group](), ROUNDS)
    vote.cache_clear()
    of_any_fraction.cache_clear()
    mask.cache_clear()
    return found


@pytest.mark.parametrize("group", SWEEPS)
def test_cliffs(benchmark: Any, group: str) -> None:
    benchmark.group = f"no cliffs: {group}"
    found = benchmark.pedantic(medians, (group,), rounds=1)
    benchmark.extra_info["cpu"] = found
    if benchmark.disabled or SMALL:
        return
    times = list(found.values())
    jumps = [after / before for before, after in pairwise(times)]
    assert max(jumps) <= JUMP, found
    if group in AIMS:
        most, one, other = AIMS[group]
        assert found[one] <= most * found[other], found
