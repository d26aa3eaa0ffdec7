"""Says which rater's label map fits the others' only when it is mirrored or turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.region import marked_by_labels
from ...fusion.labels.result import LabelFusion
from ...fusion.result import divided
from ...inputs.mirrors import Labelled
from ..job import Inputs, Job
from ..misfits import own_box, remarks_on_fits


def misfit_remarks(job: Job, inputs: Inputs, fusion: LabelFusion) -> list[str]:
    """Return remarks on such raters; maps agree where they have the same label, background left out."""
    foreground = np.asarray(fusion.labels) != 0
    everybody = [
        Labelled(votes, marked_by_labels, float(fusion.volume[at, foreground].sum()), own_box(inputs, at))
        for at, votes in enumerate(inputs.votes)
    ]
    return remarks_on_fits(job, inputs, everybody, _dice(fusion, foreground))


def _dice(fusion: LabelFusion, foreground: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Dice's coefficient of all labels but background at once, of each rater with the consensus."""
    agreed, dice = fusion.ppv * fusion.volume, fusion.dice
    both = np.divide(2 * agreed, dice, out=np.zeros_like(dice), where=dice > 0)
    # Of labels on which nobody agrees, or that the rater does not know.
    alone = fusion.volume + fusion.consensus_volume
    both = np.where(dice > 0, both, alone)[:, foreground].sum(axis=1)
    part = 2 * np.nansum(agreed[:, foreground], axis=1)
    return divided(part, both)
