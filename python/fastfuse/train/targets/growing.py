"""Raters' masks that grow on FLAIR by the conditional dilation, and its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dilation.conditional import soften
from ...errors import FastfuseError
from ..cohort.loading import LoadedCase
from ..options import ConsensusOptions

SOFT = ("soft-staple", "simplified-soft-staple")  # methods on masks that have grown
Volume = NDArray[np.float32]


def soft_votes(case: LoadedCase, options: ConsensusOptions, threads: int = 0) -> list[Volume]:
    """Return the votes that a case's masks become."""
    growth = growth_of(case, options)
    grown: Sequence[Any] = soften(
        case.masks, case.images["FLAIR"], roi=region_of(case, options), threads=threads, **growth
    )
    return [soft.values for soft in grown]


def region_of(case: LoadedCase, options: ConsensusOptions) -> NDArray[np.uint8] | None:
    """Return the brain, if masks are fused, and FLAIR scaled, in it alone."""
    return case.brain if options.brain else None


def growth_of(case: LoadedCase, options: ConsensusOptions) -> dict[str, Any]:
    """Return the options of the conditional dilation, with the case's voxel size where a radius in mm needs it.

    Raises
    ------
    FastfuseError
        If the radius reaches no neighbour: nothing would grow.
    """
    names = ("size", "label", "iterations", "threshold", "scope")
    growth = {name: getattr(options, name) for name in names}
    if not options.radius_mm:
        return growth
    spacing_mm = case.like.grid.spacing_mm
    if options.radius_mm < min(spacing_mm) * (1 - 1e-6):
        raise FastfuseError(
            f"consensus.radius_mm is {options.radius_mm:g}: {case.case.name} has voxels of {min(spacing_mm):.4g} mm and "
            "more, of which none is so near to a mask; give at least that"
        )
    return {**growth, "radius_mm": options.radius_mm, "spacing_mm": spacing_mm}
