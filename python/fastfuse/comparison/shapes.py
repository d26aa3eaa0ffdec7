"""Shape-based averaging: the mean of the raters' signed distances.

Rohlfing T., Maurer C.R.: Shape-based averaging, IEEE Transactions on Image Processing 16(1), 2007,
doi:10.1109/TIP.2006.884936.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.memory import load_scipy
from ..inputs.lattice import HEADERS, box_of, grown

Mask = NDArray[np.bool_]
Box = tuple[slice, ...]


def shape_average(masks: Sequence[Mask], spacing_mm: Sequence[float]) -> Mask:
    """Return where the mean over raters of the signed distance to their border is 0 or less, up to rounding.

    Outside a mask the distance is that to its nearest voxel, inside minus that to the nearest voxel outside. A rater who marks
    nothing, or everything, has no border, and no say unless nobody has one. The distances are taken in the box around all marks and one voxel
    more, where they are those of the whole volume; beyond it all are outside.
    """
    average = np.zeros(masks[0].shape, bool)
    bounded = [mask for mask in masks if mask.any() and not mask.all()]
    box = _box_of_all(bounded)
    if box is None:  # half of them, or more, mark everything
        return average | (2 * sum(bool(mask.all()) for mask in masks) >= len(masks))
    edt = load_scipy("shape-based averaging", "scipy.ndimage").ndimage.distance_transform_edt
    total, size = np.zeros((2, *average[box].shape))
    for mask in bounded:
        signed = _signed(mask[box], spacing_mm, edt)
        total += signed
        size += np.abs(signed)
    average[box] = total <= HEADERS * size
    return average


def _box_of_all(masks: Sequence[Mask]) -> Box | None:
    """Return the box of all marks and one voxel more; None without any."""
    if not masks:
        return None
    union = np.logical_or.reduce(masks)
    box = box_of(union)
    return None if box is None else tuple(grown(box, [1] * union.ndim, union.shape))


def _signed(mask: Mask, spacing_mm: Sequence[float], edt: Any) -> NDArray[np.float64]:
    """Return the distance to the border, negative inside."""
    signed: NDArray[np.float64] = edt(~mask, sampling=spacing_mm) - edt(mask, sampling=spacing_mm)
    return signed
