"""The region that is fused: all voxels, the disputed ones, or a margin around what anybody marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..inputs.arrays import Array, marks
from .conditional import check_ball, steps_in_c_order


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
    """Return the voxels inside the mask that lie no farther than the margin from one that anybody marks.

    The mask itself where nobody marks anything. All arrays have one shape, and the order of axes in which they
    lie in memory; ``present`` may be empty.

    Raises
    ------
    ValueError
        If the arrays have more than three axes.
    """
    shape = raters[0].shape
    if len(shape) > 3:
        raise ValueError(
            f"roi is a margin, and the raters have {len(shape)} axes: a margin takes three at most"
        )
    union = np.zeros(shape, dtype=bool)
    for votes, seen in zip(raters, present or [None] * len(raters), strict=True):
        union |= marks(votes, label) if seen is None else marks(votes, label) & (seen != 0)
    if mask is not None:
        union &= mask != 0
    if not union.any():
        return mask
    near = _dilated(union, margin_mm, spacing_mm, threads)
    return near if mask is None else near & (mask != 0)


def _dilated(
    union: NDArray[np.bool_], radius_mm: float, spacing_mm: Sequence[float], threads: int
) -> NDArray[np.bool_]:
    """Dilate by a ball; what has fewer than three axes is a slice, or a row, of a volume."""
    lacking = 3 - union.ndim
    shape, sides = (1,) * lacking + union.shape, [1.0] * lacking + list(spacing_mm)
    check_ball(radius_mm, sides, shape, "roi")
    near = np.zeros(shape, dtype=np.float32)
    _core.dilate(
        union.reshape(shape).view(np.uint8),
        np.broadcast_to(np.uint8(0), shape),
        near,
        rank_step=steps_in_c_order(shape),
        label=1.0,
        size=float(np.prod(shape)),
        radius_mm=radius_mm,
        spacing_mm=sides,
        cut="fixed",
        intensity=-1.0,
        threads=threads,
    )
    return (near > 0).reshape(union.shape)
