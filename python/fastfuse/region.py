"""The region that is fused: all voxels, the disputed ones, or a margin around what anybody marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import _core
from .dilation import check_ball, steps_in_c_order
from .votes import Array


def within_margin(
    raters: Sequence[Array],
    margin_mm: float,
    spacing_mm: Sequence[float],
    mask: Array | None,
    threads: int,
) -> NDArray[np.bool_]:
    """Return the voxels inside the mask that lie no farther than the margin from one with a vote above 0.

    All arrays have one shape and the order of axes in which they lie in memory.

    Raises
    ------
    ValueError
        If the arrays have other than three axes.
    """
    shape = raters[0].shape
    if len(shape) != 3:
        raise ValueError(f"roi is a margin, and the raters have {len(shape)} axes: a margin needs three")
    check_ball(margin_mm, spacing_mm, shape, "roi")
    union = np.zeros(shape, dtype=np.uint8)
    for votes in raters:
        union |= votes > 0
    if mask is not None:
        union &= mask != 0
    near = np.zeros(shape, dtype=np.float32)
    _core.dilate(
        union,
        np.broadcast_to(np.uint8(0), shape),
        near,
        rank_step=steps_in_c_order(shape),
        label=1.0,
        size=float(np.prod(shape)),
        radius_mm=margin_mm,
        spacing_mm=list(spacing_mm),
        cut="fixed",
        intensity=-1.0,
        threads=threads,
    )
    found: NDArray[np.bool_] = near > 0
    if mask is not None:
        found &= mask != 0
    return found
