"""The region within a margin of any rater's foreground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..inputs.arrays import Array, marks
from .ball import check_ball


def within_margin(
    raters: Sequence[Array],
    margin_mm: float,
    spacing_mm: Sequence[float],
    *,
    mask: Array | None,
    present: Sequence[Array | None],
    label: int | None,
    threads: int,
) -> Array | None:
    """Return the voxels inside the mask within the margin of any rater's foreground.

    If there is no foreground, returns the mask itself. All arrays have one shape, with axes in the order in which
    they lie in memory; ``present`` may be empty.

    Raises
    ------
    ValueError
        If the arrays have more than three axes.
    """
    shape = raters[0].shape
    axes = [axis for axis, length in enumerate(shape) if length > 1 or len(shape) <= 3]  # no channel of one
    if len(axes) > 3:
        raise ValueError(
            f"roi is a margin, and the raters have {len(shape)} axes: a margin takes three at most"
        )
    union = _marked(raters, present, label)
    if mask is not None:
        union &= mask != 0
    if not union.any():
        return mask
    lengths, sides = [shape[axis] for axis in axes], [spacing_mm[axis] for axis in axes]
    check_ball(margin_mm, sides, lengths, "roi")
    found = _core.near(union.reshape(lengths), radius_mm=margin_mm, spacing_mm=sides, threads=threads)
    near: NDArray[np.bool_] = found.reshape(shape)
    return near if mask is None else near & (mask != 0)


def _marked(raters: Sequence[Array], present: Sequence[Array | None], label: int | None) -> NDArray[np.bool_]:
    """Return where any rater marks foreground, or the label, of what they saw."""
    small = all(votes.dtype.kind in "bu" and votes.dtype.itemsize == 1 for votes in raters)
    if small and label is None and not present:  # whatever is not 0 marks: no array in between
        values = np.array(raters[0].view(np.uint8), order="C")
        for votes in raters[1:]:
            values |= votes.view(np.uint8)
        return np.asarray(values != 0)
    union = np.zeros(raters[0].shape, dtype=bool)
    for votes, seen in zip(raters, present or [None] * len(raters), strict=True):
        union |= marks(votes, label) if seen is None else marks(votes, label) & (seen != 0)
    return union
