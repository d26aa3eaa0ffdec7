"""Remarks on raters whose highest vote is next to nothing, as of a mask that was stored as 0 and 1/255."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...inputs.arrays import Array, axes_in_memory_order, shown_number
from ...inputs.names import joined
from ..case import Case
from ..options import Options
from ..result import Fusion

FAINT = 0.05  # a vote of a rater who marks anything is higher somewhere
ROUNDING = 1e-6  # of a sum of votes
CLEAR = 0.5  # the least that others' highest vote must be
SLAB_VOXELS = 1 << 18  # looked at in one piece


def remarks_on_faint(fusion: Fusion, case: Case, options: Options) -> list[str]:
    """Say whose highest vote is far below that of the others; nobody's whose mean vote is not."""
    arrays, names = case.given.arrays, case.given.names
    if options.core_label is not None or options.scale is not None or case.votes.scaled_by is not None:
        return []
    if len(arrays) < 2 or not all(isinstance(array, np.ndarray) for array in arrays):
        return []
    if not any(array.dtype.kind == "f" for array in arrays):
        return []
    least = FAINT * (1 + ROUNDING) * fusion.n_read
    clear = ((least > 0) & (fusion.volume >= least)).tolist()
    highest_of = {
        at: _highest(array, FAINT)
        for at, (array, place) in enumerate(zip(arrays, case.given.places, strict=True))
        if array.dtype.kind == "f" and not clear[place]
    }
    faint = {at: highest for at, highest in highest_of.items() if 0 < highest < FAINT}
    if not faint:
        return []
    others = max((_highest(array) for at, array in enumerate(arrays) if at not in faint), default=0.0)
    if others < CLEAR:
        return []
    by_value: dict[str, list[str]] = {}
    for at, highest in faint.items():
        by_value.setdefault(f"{highest:.2g}", []).append(names[at])
    return [
        f"{joined(named)}: the highest vote is {highest} where the others' is {shown_number(others)}: if it was stored at "
        "another scale, write it again as votes in [0, 1]; of masks, binarize=True (--binarize) takes all that is above 0"
        for highest, named in by_value.items()
    ]


def _highest(array: Array, enough: float = math.inf) -> float:
    """Return the highest vote, or the first found that is enough; nan is none."""
    highest = 0.0
    for part in _from_the_middle(array):
        highest = max(highest, float(np.fmax.reduce(part, axis=None, initial=0)))
        if highest >= enough:
            break
    return highest


def _from_the_middle(array: Array) -> Iterator[Array]:
    """Yield parts of an array along the slowest axis, the middle ones first, where most lesions lie."""
    array = array.transpose(axes_in_memory_order(array))
    rows = max(1, SLAB_VOXELS * array.shape[0] // max(array.size, 1))
    firsts = range(0, array.shape[0], rows)
    for first in sorted(firsts, key=lambda at: abs(2 * at + rows - array.shape[0])):
        yield array[first : first + rows]
