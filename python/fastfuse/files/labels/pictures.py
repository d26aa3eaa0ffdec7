"""The volumes of label maps that a report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.result import LabelFusion
from ..job import Inputs, looked_at

if TYPE_CHECKING:
    from ...report.html.scan import Pictures


def values_of(fusion: LabelFusion) -> list[int]:
    """Return the values that a map of the consensus may hold."""
    return sorted({0, *fusion.labels, *([] if fusion.undecided is None else [fusion.undecided])})


def label_pictures(inputs: Inputs, fusion: LabelFusion, consensus: NDArray[Any]) -> Pictures:
    """Return the consensus and each rater's map, inside the mask, of what they looked at.

    Of networks these maps are the segmentations beside the probabilities. Missing votes, and labels that are not fused, are 0.
    """
    from ...report.html.scan import Pictures

    values = values_of(fusion)
    looked = inputs.present or [None] * len(inputs.votes)
    raters = []
    for vote, seen in zip(inputs.votes, looked, strict=True):
        held = np.isin(vote, values)
        for region in (seen, inputs.region):
            if region is not None:
                held &= region != 0
        raters.append(np.where(held, vote, 0).astype(consensus.dtype))
    grid = inputs.grid
    return Pictures(
        consensus, raters, grid.affine, inputs.image, grid.known, tuple(values), looked=looked_at(inputs)
    )
