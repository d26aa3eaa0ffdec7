"""Says which rater's mask fits the others' only when it is mirrored or turned."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..fusion.result import Fusion
from ..inputs.mirrors import Marked, axes_in_words, in_words, misfit_of
from .job import Inputs, Job, marked_by

AGREES = 0.5  # least Dice with the consensus of a rater who is not looked at


def misfit_remarks(job: Job, inputs: Inputs, fusion: Fusion, label: int | None) -> list[str]:
    """Return remarks on such raters, of those who disagree with the consensus."""
    doubtful = np.flatnonzero(fusion.dice < AGREES).tolist()
    if len(inputs.votes) < 2 or not doubtful:
        return []
    test = partial(marked_by, label=label)
    raters = [Marked(votes, test, float(fusion.volume[at])) for at, votes in enumerate(inputs.votes)]
    found = {at: misfit_of(raters[at], [*raters[:at], *raters[at + 1 :]]) for at in doubtful}
    axes = axes_in_words(inputs.grid.affine)
    told = {at: misfit for at, misfit in found.items() if misfit is not None}
    if told and len(raters) == 2:
        misfit = next(iter(told.values()))
        dice = f"Dice {misfit.turned:.2f}, {misfit.as_it_is:.2f} as they are"
        remedy = "look at both in a viewer, and correct the one that is wrong"
        turn = in_words(misfit.turn, axes)
        return [f"{' and '.join(job.names)} fit each other only when one is {turn}: {dice}; {remedy}"]
    return [
        f"{job.names[at]} {misfit.in_words(axes)}; look at it in a viewer, and correct its voxels or its header"
        for at, misfit in told.items()
    ]
