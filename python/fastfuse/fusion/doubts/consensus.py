"""Remarks on a consensus that is empty, full, or far from the votes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...inputs.names import counted
from ..fit.misfit import staple_fits
from .comparison import Comparison, are_probabilities, compared, dice_with_mean
from .evidence import Evidence, shown_beside
from .remedies import THE_MEAN, for_a_fit, rates_run_to_one

ALIKE = 0.75  # Dice with some rater from which on no distance from all of them is looked for
NEAR_THE_MEAN = 0.9  # Dice with the mean vote's mask of a consensus of networks' probabilities
NEAR_A_RATER = 0.4  # Dice with some rater; the least in 180 fusions of ordinary raters was 0.77
FAR_VOLUME = 3  # times the largest rater's volume, or a part of the smallest one's


def remarks_on_consensus(evidence: Evidence) -> list[str]:
    """Say so if the mask is empty or full, as no rater is, or if it is far from all of them."""
    fusion, cut = evidence.fusion, evidence.cut
    if (
        evidence.options.roi == "disputed"
        and fusion.probability.size
        and (evidence.is_empty or evidence.is_full)
    ):
        marked = np.count_nonzero(fusion.probability >= cut)  # where all agree, too
        if 0 < marked < fusion.n_read.max():
            return []
    if evidence.is_empty and evidence.is_empty_by_ties:
        return [
            (
                f"the consensus is empty at the cut {cut:g}, which its highest probability is: ties='background' (--ties "
                "background) counts voxels at the cut as background, so leave it out or choose a lower cut"
            )
        ]
    if evidence.is_empty:
        shown = shown_beside(evidence.highest, cut)
        return [
            f"the consensus is empty at the cut {cut:g} (its highest probability is {shown}){for_a_fit(evidence)}"
        ]
    if evidence.is_full:
        shown = shown_beside(evidence.lowest, cut)
        return [
            f"the consensus is full at the cut {cut:g} (its lowest probability is {shown}){for_a_fit(evidence)}"
        ]
    return _on_distance(evidence)


def _on_distance(evidence: Evidence) -> list[str]:
    """Say so if the mask of a fit is far from the raters' masks, or from that of networks' mean."""
    fusion, case = evidence.fusion, evidence.case
    if case is None or not evidence.method.estimates or len(case.given.arrays) < 2:
        return []
    probability: Any = fusion.probability
    if not isinstance(probability, np.ndarray):  # votes on a device stay there
        return []
    to_one = rates_run_to_one(evidence)
    if not to_one and any(dice >= ALIKE for dice in fusion.dice.tolist()):
        return []
    at = f"at the cut {evidence.cut:g}"
    rates = "every sensitivity and specificity is above 0.999, but " if to_one else ""
    if are_probabilities(case, evidence.options):
        mean_dice = dice_with_mean(evidence)
        if not mean_dice < NEAR_THE_MEAN:
            return []
        remedy = f": for networks' probabilities {THE_MEAN}" if evidence.advises else ""
        return [f"{rates}the consensus is far from the mean of the votes (Dice {mean_dice:.2f} {at}){remedy}"]
    found = compared(evidence)
    if not _is_far(found, alike=NEAR_THE_MEAN if to_one else NEAR_A_RATER):
        return []
    if staple_fits(evidence.fusion._votes):
        return []
    sizes = f"{counted(found.volume, 'voxel', ',')}, the raters' {found.volumes.min():,} to {found.volumes.max():,}"
    nearest = np.fmax.reduce(found.dice)
    remark = (
        f"{rates}the consensus is far from every rater ({at} it holds {sizes}; Dice at most {nearest:.2f})"
        f"{for_a_fit(evidence)}"
    )
    return [remark]


def _is_far(found: Comparison, alike: float) -> bool:
    least, most = found.volumes.min(), found.volumes.max()
    apart = FAR_VOLUME * found.volume < least or found.volume > FAR_VOLUME * most
    return bool(apart or np.fmax.reduce(found.dice) < alike)
