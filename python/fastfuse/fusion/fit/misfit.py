"""Where a model expects far other numbers of marks than there are."""

from __future__ import annotations

from ..backends import core
from .result import BORDER, CLASSES, Fit
from .rows import Numbers, is_soft
from .source import Source

TIMES = 2  # what is expected is off by more
LEAST_VOXELS, LEAST_SHARE = 100, 0.01  # in a cell that counts; of the voxels that anybody marks
FEWEST_TO_TELL = 4  # raters whose votes may speak against STAPLE


def worst_cell(fit: Fit) -> int | None:
    """Return the number of marks whose voxels are farthest from those expected, of those off by more than twice."""
    assert fit.used is not None
    return farthest(fit.observed, fit.models[fit.used].expected, fit.marked)


def worst_of(source: Source) -> int | None:
    """Return the same of the model that was used, whose fit need not be made for that; None without one, too."""
    rows, wanted = source.rows, source.expected
    return None if rows is None or wanted is None else farthest(rows.observed, wanted, rows.marked)


def surely_fits(source: Source) -> bool:
    """Tell, at once, that there is no such cell for the model that was used on masks; False where a closer look is needed."""
    if source.table is None or source.estimate is None:
        return False
    return core.surely_fits(
        source.table, source.estimate, times=TIMES, voxels=LEAST_VOXELS, share=LEAST_SHARE
    )


def farthest(observed: Numbers, expected: Numbers, marked: float) -> int | None:
    """Return the number of marks whose voxels are farthest from those expected; ``marked``: voxels that anybody marks."""
    least = max(LEAST_VOXELS, LEAST_SHARE * marked)
    off = {
        at: abs(there - wanted)
        for at, (there, wanted) in enumerate(zip(observed.tolist(), expected.tolist(), strict=False))
        if max(there, wanted) >= least and max(there, wanted) > TIMES * min(there, wanted)
    }
    return max(off, key=lambda at: off[at], default=None)


def staple_fits(source: object) -> bool:
    """Tell whether STAPLE was used on masks, fits, and fits better than its rival; of three raters it fits any votes."""
    if not isinstance(source, Source) or source.name in (BORDER, CLASSES) or is_soft(source.patterns).any():
        return False
    rows = source.rows
    if rows is None or rows.distinct < FEWEST_TO_TELL or rows.marked < LEAST_VOXELS:
        return False
    if source.expected is None or worst_of(source) is not None:
        return False
    fit = source.compared
    return fit is not None and fit.best == fit.used
