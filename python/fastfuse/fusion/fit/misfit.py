"""Where a model expects far other numbers of marks than there are."""

from __future__ import annotations

import numpy as np

from .result import BORDER, CLASSES, Fit
from .rows import is_soft
from .source import Source

TIMES = 2  # what is expected is off by more
LEAST_VOXELS, LEAST_SHARE = 100, 0.01  # in a cell that counts; of the voxels that anybody marks
FEWEST_TO_TELL = 4  # raters whose votes may speak against STAPLE


def worst_cell(fit: Fit) -> int | None:
    """Return the number of marks whose voxels are farthest from those expected, of those off by more than twice."""
    assert fit.used is not None
    there, wanted = fit.observed, fit.models[fit.used].expected
    wanted = np.pad(wanted, (0, len(there) - len(wanted)))
    least = max(LEAST_VOXELS, LEAST_SHARE * fit.marked)
    off = (np.maximum(there, wanted) >= least) & (
        np.maximum(there, wanted) > TIMES * np.minimum(there, wanted)
    )
    return int(np.argmax(np.where(off, np.abs(there - wanted), -1))) if off.any() else None


def staple_fits(source: object) -> bool:
    """Tell whether STAPLE was used on masks, fits, and fits better than its rival; of three raters it fits any votes."""
    if not isinstance(source, Source) or source.name in (BORDER, CLASSES) or is_soft(source.patterns).any():
        return False
    rows = source.rows
    if rows is None or rows.voters < FEWEST_TO_TELL or rows.marked < LEAST_VOXELS:
        return False
    if source.own is None or source.used is None or worst_cell(source.own) is not None:
        return False
    fit = source.compared
    return fit is not None and fit.best == fit.used
