"""Votes that rounding left just beside 0 or 1, as in 1.0000001, mended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, shown_number
from .names import enumerated

ROUNDING = 1.1e-6  # a little more than 1e-6, which is no number of a computer's

Regions = Sequence[Array | None]


def without_rounding(
    arrays: Sequence[Array], names: Sequence[str], *, binary: bool, inside: Sequence[Regions] = ()
) -> tuple[list[Array], list[str]]:
    """Return votes that are 0 or 1 where rounding left them just beyond, and what is to be said of it.

    Parameters
    ----------
    arrays, names : sequence of m ndarray, sequence of m str
        Votes, and what messages call the raters.
    binary : bool
        Whether votes just inside [0, 1] become 0 or 1 too.
    inside : sequence of m sequences, optional
        For each rater regions that are 0 where votes do not count; None for everywhere.
    """
    mended, said = [], []
    for array, name, regions in zip(arrays, names, inside or [()] * len(arrays), strict=True):
        beside = _beside(array, regions, binary=binary)
        if beside.any():
            values = array[beside]
            near = np.rint(values)
            worst = shown_number(float(values[np.argmax(np.abs(values - near))]))
            said.append(f"{np.count_nonzero(beside)} of {name}, such as {worst}")
            array = array.copy(order="K")
            array[beside] = near
        mended.append(array)
    if not said:
        return mended, []
    return mended, [f"votes that rounding left just beside 0 or 1 were taken for these: {enumerated(said)}"]


def _beside(array: Array, regions: Regions, *, binary: bool) -> NDArray[np.bool_]:
    """Return where votes lie beside 0 or 1 by no more than rounding."""
    if array.dtype.kind != "f":
        return np.zeros(1, bool)
    tolerance = max(ROUNDING, 2 * float(np.finfo(array.dtype).eps))
    beside: NDArray[np.bool_] = ((array > 1) & (array <= 1 + tolerance)) | (
        (array < 0) & (array >= -tolerance)
    )
    if binary:
        beside |= ((array < 1) & (array >= 1 - tolerance)) | ((array > 0) & (array <= tolerance))
    for region in regions:
        if region is not None:
            beside &= region != 0
    return beside
