"""Remarks on raters in whose votes all others' marks lie, as in a mask of the brain."""

from __future__ import annotations

import numpy as np

from ..case import Case
from ..declared import switch
from ..options import Options
from ..result import Fusion
from .comparison import marks_inside

MANY_TIMES = 10  # the median volume of the others
NEARLY_ALL = 0.95  # of the marks of those who mark so much less
LEAST_SHARE = (
    0.03  # of the voxels that are read; the brain holds more of any image of the head, lesions hardly do
)
LEAST_VOXELS = 1000  # a brain holds more, even in a coarse slice


def remarks_on_engulfing(fusion: Fusion, case: Case, options: Options) -> list[str]:
    """Say who marks many times as much as others, and all that they mark: it may be a mask of the brain."""
    if not any(2 * volume >= LEAST_VOXELS for volume in fusion.volume.tolist()):
        return []
    if not all(isinstance(array, np.ndarray) for array in case.given.arrays):
        return []
    from statistics import median_low

    remarks = []
    for at, (place, name) in enumerate(zip(case.given.places, case.given.names, strict=True)):
        if not _may_engulf(fusion, place):
            continue
        marks, inside = marks_inside(case, options, at)
        own = int(marks[at])
        others = [int(count) for i, count in enumerate(marks) if i != at and count]
        small = (marks > 0) & (MANY_TIMES * marks <= own)
        if not others or not _is_large(own, fusion.n_read[place]) or own < MANY_TIMES * median_low(others):
            continue
        if inside[small].sum() < NEARLY_ALL * marks[small].sum():
            continue
        times = own / median_low(others)
        remarks.append(
            f"{name} marks {times:.3g} times as many voxels as the others (median), and nearly all of theirs: is it a brain "
            f"mask, or an image? Leave it out if so; a brain mask is for mask=... ({switch('mask')} FILE)"
        )
    return remarks


def _may_engulf(fusion: Fusion, place: int) -> bool:
    """Tell by the volumes alone, half of what is asked for, whether it is worth a look at the votes."""
    from statistics import median_low

    own, read = float(fusion.volume[place]), float(fusion.n_read[place])
    if not (own < read and _is_large(2 * own, read)):
        return False
    others = [volume for i, volume in enumerate(fusion.volume.tolist()) if i != place and volume > 0]
    return bool(others and 2 * own >= MANY_TIMES * median_low(others))


def _is_large(marks: float, read: float) -> bool:
    return bool(marks >= LEAST_VOXELS and marks >= LEAST_SHARE * read)
