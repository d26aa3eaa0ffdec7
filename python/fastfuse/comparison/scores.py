"""Scores of a consensus against a truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.overlap import overlap
from ..evaluation.raters.scores import reliability_curve

Mask = NDArray[np.bool_]
SURE = 1e-3  # probabilities are kept in [SURE, 1 - SURE] for the log score


@dataclass(frozen=True)
class Scores:
    """Scores against a truth; nan where they are not defined, as the last three for a mask without probabilities.

    Attributes
    ----------
    dice : float
        Of the mask, over all voxels inside the mask of the region; 1 for two empty masks.
    brier : float
        Σ (w - y)² over the truth's voxels: a sum over all voxels, for each voxel of the truth.
    log : float
        -Σ ln p(y) for each voxel of the truth, over the region and the truth beyond it; probabilities are kept 0.001 away
        from 0 and 1, so that one voxel costs at most -ln 0.001 = 6.9. A sure error costs that, however sure.
    ece : float
        Expected calibration error over the region, in 10 bins: the mean distance of the probability from the share that is true.
    """

    dice: float = float("nan")
    brier: float = float("nan")
    log: float = float("nan")
    ece: float = float("nan")


def scores_of(label: Mask, probability: NDArray[Any] | None, truth: Mask, region: Mask) -> Scores:
    """Return the scores; ``region``: where calibration is measured."""
    dice = overlap(label, truth).dice
    size = int(np.count_nonzero(truth))
    if probability is None:
        return Scores(dice)
    here = region | truth
    w, y = probability[here].astype(np.float64), truth[here]
    beyond = probability[~here].astype(np.float64)
    near = region[here]
    ece = reliability_curve(w[near], y[near].astype(np.float64)).error
    if not size:
        return Scores(dice, ece=ece)
    sure = np.clip(w, SURE, 1 - SURE)
    brier = (float(((w - y) ** 2).sum()) + float((beyond**2).sum())) / size
    return Scores(dice, brier, float(-np.log(np.where(y, sure, 1 - sure)).sum()) / size, ece)
