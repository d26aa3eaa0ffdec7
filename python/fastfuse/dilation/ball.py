"""How large a ball may be that a dilation searches."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_BALL_VOXELS = 1_000_000  # a radius of some 60 voxels


def check_ball(radius_mm: float, spacing_mm: Sequence[float], shape: Sequence[int], name: str) -> None:
    """Refuse a ball of more voxels than can be searched around each."""
    reach = [min(radius_mm / side, extent - 1) for side, extent in zip(spacing_mm, shape, strict=True)]
    spanned = math.prod(2 * int(steps) + 1 for steps in reach)
    if spanned > MOST_BALL_VOXELS:
        raise ValueError(
            f"{name} is {radius_mm:g}: its ball spans {spanned:,} voxels, and at most "
            f"{MOST_BALL_VOXELS:,} are searched around each; give a smaller one"
        )
