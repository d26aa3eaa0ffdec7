"""The whole-brain problem that the benches share."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fastfuse import phantom

WHOLE_BRAIN = (182, 218, 182)


@cache
def case() -> phantom.Case:
    """Return the phantom's first patient: seven raters, 7.2 million voxels."""
    return phantom.make_case(0, shape=WHOLE_BRAIN)


def binary_votes() -> tuple[NDArray[np.uint8], ...]:
    """Return the raters' masks."""
    return case().masks


def soft_votes() -> tuple[NDArray[np.float32], ...]:
    """Return the raters' votes in {0, 0.3, 1}."""
    return case().votes
