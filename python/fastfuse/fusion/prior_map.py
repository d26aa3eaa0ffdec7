"""A map of priors: an atlas that says 0 or 1 somewhere excludes nothing."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..inputs.arrays import Array
from ..inputs.names import counted

TWICE = (
    "the prior is the mean of the same votes, smoothed: they count twice, and on simulated raters Dice fell by 0.014 to "
    "0.030; leave it out, or give an atlas"
)
_smoothed: dict[
    int, tuple[weakref.ref[Any], list[tuple[float, int]]]
] = {}  # maps of the mean vote, by their id
MOST = 1 + float(np.finfo(np.float32).eps)  # 255 times a header's 1/255 in floats is the next number above 1
LEAST = 1e-6  # of an atlas with zeros or ones: what a prior excludes, no vote brings back


def without_certainty(prior: Array, mask: Array | None, titles: Mapping[str, str]) -> tuple[Array, list[str]]:
    """Return the map inside [1e-6, 1 - 1e-6] if it holds 0 or 1 inside the mask, and a line that says so.

    A 1 that scaled bytes left just beyond counts as 1. A map that holds neither stays as it is. So does a value that is no
    probability, which the core refuses.
    """
    certain = (prior == 0) | ((prior >= 1) & (prior <= MOST))
    if mask is not None:
        certain &= mask != 0
    if not certain.any():
        return prior, []
    precise = prior.dtype.kind == "f" and prior.dtype.itemsize >= 4  # half precision rounds 1 - 1e-6 to 1
    values = prior if precise else prior.astype(np.float32)
    inside = (values >= 0) & (values <= MOST)
    clamped = np.clip(values, LEAST, 1 - LEAST)
    np.copyto(clamped, values, where=~inside)
    moved = (clamped != values) & inside
    if mask is not None:
        moved &= mask != 0
    return clamped, [said_of_clamped(counted(int(np.count_nonzero(moved)), "voxel", ","), titles["prior"])]


def note_smoothed(prior: Array, votes: Sequence[Array]) -> None:
    """Remember for as long as a map lives that it is the smoothed mean of these votes."""
    key = id(prior)
    _smoothed[key] = (weakref.ref(prior, lambda _: _smoothed.pop(key, None)), [_sum_of(one) for one in votes])


def said_of_smoothed(prior: Any, votes: Sequence[Array]) -> list[str]:
    """Say so if a map was made of some of these votes."""
    held = _smoothed.get(id(prior))
    if held is None or held[0]() is not prior:
        return []
    return [TWICE] if any(_sum_of(one) in held[1] for one in votes) else []


def _sum_of(votes: Array) -> tuple[float, int]:
    """Return what tells a rater's votes from others': their sum, and their number."""
    return float(np.nansum(votes, dtype=np.float64)), votes.size


def said_of_clamped(voxels: str, what: str) -> str:
    """Say at how many voxels a map said 0 or 1; ``what`` is what messages call it."""
    return f"{what} holds 0 or 1: {voxels} clamped to [{LEAST:g}, 1 - {LEAST:g}]; what a prior excludes, no vote brings back"
