"""Remarks on copies among raters, without whom a model is not determined."""

from __future__ import annotations

import numpy as np

from ..backends.found import Found
from ..options import Options
from ..registry import Method

FEWEST_OF_LEVELS, FEWEST_OF_CLASSES = 3, 4


def remarks_on_copies(found: Found, method: Method, options: Options) -> list[str]:
    """Say so where so few raters differ that the model would be refused to them without the copies."""
    fewest = FEWEST_OF_LEVELS if method.of_levels else FEWEST_OF_CLASSES if options.classes > 2 else 0
    if not fewest or found.table is None:
        return []
    voted = found.table.patterns[:, ~np.isnan(found.table.patterns).all(axis=0)]
    distinct = len(np.unique(np.nan_to_num(voted, nan=-1.0), axis=1).T)
    if distinct >= fewest or distinct == voted.shape[1]:
        return []
    what = "border-staple" if method.of_levels else "classes=3"
    counted = (
        f"of {voted.shape[1]} raters {distinct} differ, the others are copies: {what} needs {fewest} who differ, and the consensus "
        "follows those who were copied; leave copies out, and take the mean (method='majority')"
    )
    return [counted]
