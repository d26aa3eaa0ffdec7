"""Votes that rounding left just beside 0 or 1, as in 1.0000001, mended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, shown_number

ROUNDING = 1.1e-6  # a little more than 1e-6, which is no number of a computer's


def tolerance_of(array: Array) -> float:
    """Return how far rounding may take a vote of this type from 0 or 1."""
    return max(ROUNDING, 2 * float(np.finfo(array.dtype).eps)) if array.dtype.kind == "f" else 0.0


def without_rounding(
    array: Array, name: str, *, binary: bool, inside: Sequence[Array | None] = ()
) -> tuple[Array, str | None]:
    """Return votes clipped to [0, 1] where rounding left them beyond, and how many of whom these are.

    With ``binary``, votes just inside become 0 or 1 too. Votes further off stay as they are.
    ``inside`` are arrays of which those given, not 0, show the voxels that count.
    """
    if array.dtype.kind != "f":
        return array, None
    near = np.clip(np.rint(array), 0, 1)
    changed: NDArray[np.bool_] = (array != near) & (np.abs(array - near) <= tolerance_of(array))
    if not binary:
        changed &= (array < 0) | (array > 1)
    for region in inside:
        if region is not None:
            changed &= region != 0
    count = int(np.count_nonzero(changed))
    if not count:
        return array, None
    far = array[changed].flat[int(np.argmax(np.abs(array[changed] - near[changed])))]
    return np.where(changed, near, array), f"{count} of {name}, such as {shown_number(float(far))}"
