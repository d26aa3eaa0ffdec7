"""Says which rater's mask fits the others' only when it is mirrored or turned."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fusion.result import Fusion
from ..inputs.arrays import selected
from ..inputs.mirrors import Marked, axes_in_words, misfits
from .job import Inputs, Job

AGREES = 0.5  # least Dice with the consensus of a rater who is not looked at


def misfit_remarks(job: Job, inputs: Inputs, fusion: Fusion, label: int | None) -> list[str]:
    """Return remarks on such raters; nothing is searched where all agree with the consensus."""
    if len(inputs.votes) < 2 or not (fusion.dice[np.isfinite(fusion.dice)] < AGREES).any():
        return []
    test = partial(_marks, label=label)
    found = misfits([Marked.of(votes, test) for votes in inputs.votes])
    axes = axes_in_words(inputs.grid.affine)
    if len(inputs.votes) == len(found) == 2:
        turn = found[0].turn.in_words(axes)
        dice = f"Dice {found[0].turned:.2f}, {found[0].as_it_is:.2f} as they are"
        remedy = "look at both in a viewer, and correct the one that is wrong"
        return [f"{' and '.join(job.names)} fit each other only when one is {turn}: {dice}; {remedy}"]
    return [
        f"{job.names[rater]} {misfit.in_words(axes)}; look at it in a viewer, and correct its voxels or its header"
        for rater, misfit in found.items()
    ]


def _marks(votes: NDArray[Any], label: int | None) -> NDArray[np.bool_]:
    return np.asarray(votes >= 0.5) if label is None else selected(votes, label)
