"""The problems that the benches share: a whole brain's votes of three kinds, and what varies them.

With ``FASTFUSE_BENCH_SMALL=1``, or ``pytest bench --small``, every problem is a small block: for tests.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fastfuse.demo import phantom

Votes = tuple[NDArray[Any], ...]

SMALL = os.environ.get("FASTFUSE_BENCH_SMALL") == "1"
WHOLE_BRAIN, SPACING_MM = ((60, 72, 60), 3.0) if SMALL else ((182, 218, 182), 1.0)
BLOCK = (20, 24, 20) if SMALL else (32, 40, 32)
KINDS = ("binary", "three-valued", "dense")
LOWEST = 1e-6  # dense votes lie in [LOWEST, 1 - LOWEST]


@cache
def case() -> phantom.Case:
    """Return the phantom's first patient: seven raters, 7.2 million voxels."""
    return phantom.make_case(0, shape=WHOLE_BRAIN, spacing_mm=SPACING_MM)


def middle_of(votes: Votes) -> Votes:
    """Return a block out of the middle, where contestants are checked that take long for more."""
    extents = zip(votes[0].shape, BLOCK, strict=True)
    middle = tuple(slice(max(0, (have - want) // 2), (have + want) // 2) for have, want in extents)
    return tuple(np.ascontiguousarray(vote[middle]) for vote in votes)


def brain(votes: Votes) -> Votes:
    """Return the volume that is fused: all of it, or a block in small runs."""
    return middle_of(votes) if SMALL else votes


@cache
def binary_votes() -> Votes:
    """Return the raters' masks."""
    return brain(case().masks)


@cache
def soft_votes() -> Votes:
    """Return the raters' votes in {0, 0.3, 1}."""
    return brain(case().votes)


@cache
def dense_votes() -> Votes:
    """Return probabilities such as a network gives: no two voxels alike, none 0 or 1."""
    return brain(tuple(probabilities(mask, seed) for seed, mask in enumerate(case().masks)))


def votes_of(kind: str) -> Votes:
    """Return the whole brain's votes of one of the ``KINDS``."""
    return {"binary": binary_votes, "three-valued": soft_votes, "dense": dense_votes}[kind]()


def probabilities(mask: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Return the logistic function of a smoothed mask, with noise of a standard deviation of 1 in every voxel."""
    field = np.random.default_rng(seed).standard_normal(mask.shape, dtype=np.float32)
    inside = ndimage.gaussian_filter(mask.astype(np.float32), 1)
    field += 7 * (2 * np.minimum(1.3 * inside, 1) - 1)
    return np.clip(1 / (1 + np.exp(-field)), np.float32(LOWEST), np.float32(1 - LOWEST))


# --- how they are timed by turns -------------------------------------------------------------------------------


def by_turns(
    calls: Mapping[str, Callable[[], Any]], rounds: int, *, once: Collection[str] = ()
) -> dict[str, float]:
    """Run calls by turns, so that a busy machine slows all; return each one's median of processor time.

    ``once``: those that run in the first round alone.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(rounds):
            for name, call in calls.items():
                if turn == 0 or name not in once:
                    start = time.process_time()
                    call()
                    taken[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


# --- what varies them ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def tiled(kind: str, brains: float) -> Votes:
    """Return a slab of a brain, or several brains side by side; dense votes still never repeat."""
    votes = votes_of(kind)
    if brains < 1 and not SMALL:  # a slab of a small block would hold no votes
        middle, half = len(votes[0]) // 2, max(1, round(brains * len(votes[0]) / 2))
        return tuple(vote[middle - half : middle + half] for vote in votes)
    return tuple(np.concatenate([copy_of(vote, k) for k in range(max(1, round(brains)))]) for vote in votes)


def copy_of(vote: NDArray[Any], k: int) -> NDArray[Any]:
    """Return the k-th brain's vote: the same, unless it is dense."""
    dense = vote.min() > 0
    return vote ** np.float32(1 + k / 100) if dense else vote


@lru_cache(maxsize=1)
def more_raters(kind: str, m: int) -> Votes:
    """Return m raters' votes: beyond seven, those of a rater whose image is shifted by a voxel."""
    if kind == "dense":
        masks = (shifted(case().masks, i) for i in range(m))
        return brain(tuple(probabilities(mask, seed) for seed, mask in enumerate(masks)))
    return brain(tuple(shifted(case().masks if kind == "binary" else case().votes, i) for i in range(m)))


def shifted(votes: Votes, i: int) -> NDArray[Any]:
    """Return rater i of an endless row: the seven, the seven shifted along x, along y, along z."""
    turn, rater = divmod(i, len(votes))
    return votes[rater] if turn == 0 else np.roll(votes[rater], 1, axis=(turn - 1) % 3)


@lru_cache(maxsize=1)
def partly_fractional(share: float) -> Votes:
    """Return votes that are dense in a share of the voxels, those nearest to the lesions, and binary elsewhere."""
    if share >= 1:
        return dense_votes()
    mean = np.mean(dense_votes(), axis=0)
    fractional = mean > np.quantile(mean, 1 - share)
    pairs = zip(dense_votes(), binary_votes(), strict=True)
    return tuple(np.where(fractional, dense, mask).astype(np.float32) for dense, mask in pairs)
