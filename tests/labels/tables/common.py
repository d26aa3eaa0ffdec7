"""Label maps of raters who err at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VALUES = np.array([0, 1, 4, 2035])
SHAPE = (8, 9, 10)


def maps_of(
    raters: int = 4, seed: int = 0, accuracy: float = 0.75, values: NDArray[np.int64] = VALUES
) -> list[NDArray[np.int64]]:
    """Return label maps of shape (8, 9, 10)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(values), SHAPE)
    seen = [
        np.where(rng.random(SHAPE) < accuracy, truth, rng.integers(0, len(values), SHAPE))
        for _ in range(raters)
    ]
    return [values[one] for one in seen]


def with_gaps(maps: list[NDArray[np.int64]], seed: int = 1) -> list[NDArray[np.float64]]:
    """Return the maps with a fifth of the votes missing, and some voxels on which nobody votes."""
    gone = np.random.default_rng(seed).random((len(maps), *SHAPE)) < 0.2
    gone[:, 0, 0] = True
    return [np.where(miss, np.nan, one) for one, miss in zip(maps, gone, strict=True)]
