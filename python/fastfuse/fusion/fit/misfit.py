"""Where a model expects far other numbers of marks than there are."""

from __future__ import annotations

import numpy as np

from .result import Fit

TIMES = 2  # what is expected is off by more
LEAST_VOXELS, LEAST_SHARE = 100, 0.01  # in a cell that counts; of the voxels that anybody marks


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
