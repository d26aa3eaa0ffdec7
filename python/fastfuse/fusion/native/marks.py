"""Where raters of a fusion mark, as long as the caller holds their votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import selected
from ..case import Case
from ..options import Options
from ..result import Fusion
from ..votes import Votes
from .origin import Origin

Marks = list[NDArray[Any] | None]


def marks_for(fusion: Fusion, raters: Any) -> list[NDArray[Any]]:
    """Return where each rater marks, by the votes that are given, or that the fusion was given; nothing where one did not read.

    Raises
    ------
    ValueError
        If the votes are no longer in memory, or are not those of the fusion.
    """
    origin, shape = fusion._origin, tuple(fusion.probability.shape)
    found = marks_of(origin, votes_held(origin) if raters is None else raters)
    count = len(fusion.sensitivity)
    if len(found) != count or any(one is not None and one.shape != shape for one in found):
        raise ValueError(
            f"raters: the fusion is of {count} raters of shape {shape}; give the votes of which it was made"
        )
    return [np.zeros(shape, bool) if one is None else one for one in found]


def votes_held(origin: Origin | None) -> list[Any]:
    """Return the votes that a fusion was given, which the caller still has.

    Raises
    ------
    ValueError
        If one is gone.
    """
    held = None if origin is None else origin.held.values()
    if held is None:
        raise ValueError(
            "the votes are no longer in memory, and raters' outlines are drawn of them: give them again, raters=..."
        )
    return held


def kept_marks(origin: Origin) -> Marks | None:
    """Return where each rater marks, if the caller still has the votes."""
    held = origin.held.values()
    return None if held is None else marks_of(origin, held)


def keeps_regions(origin: Origin) -> bool:
    """Tell whether the mask, and where raters looked, are still there, where they were given."""
    return all(
        region.values() is not None
        for given, region in ((origin.masked, origin.mask), (origin.partial, origin.present))
        if given
    )


def marks_of(origin: Origin | None, raters: Any) -> Marks:
    """Return where each rater marks, inside the regions that are still there: votes of at least 0.5, or the label that was chosen.

    None for a rater who did not read the case.
    """
    options = Options(**({} if origin is None else origin.selection))
    mask = None if origin is None else next(iter(origin.mask.values() or []), None)
    present: Any = None if origin is None else origin.present.values()
    case = Case.of(Votes(raters, mask, present).listed(), options)
    found: Marks = [None] * case.given.count
    looked: Sequence[Any] = case.present or [None] * len(case.given.arrays)
    for place, votes, seen in zip(case.given.places, case.given.arrays, looked, strict=True):
        marked = marked_by(np.asarray(votes), options.core_label)
        for region in (case.mask, seen):
            marked = marked if region is None else marked & (region != 0)
        found[place] = marked
    return found


def marked_by(vote: NDArray[Any], label: int | None) -> NDArray[np.bool_]:
    """Return where a rater marks the label, or votes at least 0.5; without a copy in double precision."""
    if label is not None:
        return selected(vote, label)
    return np.asarray(vote > 0 if vote.dtype.kind in "bui" else vote >= vote.dtype.type(0.5))
