"""A map of priors: an atlas that says 0 or 1 somewhere excludes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..inputs.arrays import Array
from ..inputs.names import counted

LEAST = 1e-6  # of an atlas with zeros or ones: what a prior excludes, no vote brings back


def without_certainty(prior: Array, mask: Array | None, titles: Mapping[str, str]) -> tuple[Array, list[str]]:
    """Return the map inside [1e-6, 1 - 1e-6] if it holds 0 or 1 inside the mask, and a line that says so.

    A map that holds neither stays as it is. So does a value that is no probability, which the core refuses.
    """
    certain = (prior == 0) | (prior == 1)
    if mask is not None:
        certain &= mask != 0
    if not certain.any():
        return prior, []
    precise = prior.dtype.kind == "f" and prior.dtype.itemsize >= 4  # half precision rounds 1 - 1e-6 to 1
    values = prior if precise else prior.astype(np.float32)
    inside = (values >= 0) & (values <= 1)
    clamped = np.clip(values, LEAST, 1 - LEAST)
    np.copyto(clamped, values, where=~inside)
    moved = (clamped != values) & inside
    if mask is not None:
        moved &= mask != 0
    return clamped, [said_of_clamped(counted(int(np.count_nonzero(moved)), "voxel", ","), titles["prior"])]


def said_of_clamped(voxels: str, what: str) -> str:
    """Say at how many voxels a map said 0 or 1; ``what`` is what messages call it."""
    return f"{what} holds 0 or 1: {voxels} clamped to [{LEAST:g}, 1 - {LEAST:g}]; what a prior excludes, no vote brings back"
