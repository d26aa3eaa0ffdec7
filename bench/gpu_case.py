"""The benches' patient, painted once: later processes read his masks and votes from a file.

Imported, or given to pytest as a plugin (``-p gpu_case``), it makes ``common.case`` read the folder that
``FASTFUSE_GPU_CASE`` names. Painting a whole brain takes longer than fusing it some hundred times.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

import common
from fastfuse import phantom


class Saved(NamedTuple):
    """What the benches take of a patient."""

    masks: common.Votes
    votes: common.Votes


@cache
def saved_case() -> Saved:
    """Return the patient's masks and votes, from the file or freshly painted."""
    folder = Path(os.environ["FASTFUSE_GPU_CASE"])
    path = folder / f"{'x'.join(map(str, common.WHOLE_BRAIN))}.npz"
    if not path.exists():
        case = phantom.make_case(0, shape=common.WHOLE_BRAIN)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new.npz")
        np.savez(unfinished, masks=np.stack(case.masks), votes=np.stack(case.votes))
        unfinished.replace(path)
    with np.load(path) as kept:
        return Saved(tuple(kept["masks"]), tuple(kept["votes"]))


if "FASTFUSE_GPU_CASE" in os.environ:
    common.case = saved_case
