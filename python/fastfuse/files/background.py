"""Remarks on a region, a prior or soft masks that lead EM of files astray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..fusion.options import Options
from ..fusion.prior_map import TWICE
from ..fusion.registry import Method
from ..fusion.result import Fusion
from .job import Inputs, Job, counts_of
from .kinds import has_rings

Counts = NDArray[np.int64]

LEAST_UNMARKED = 0.95  # share of the voxels that nobody marks, from which on background outweighs all else
REGION = "give roi=4 (--roi 4), and a mask (--mask) where there is one"
NO_MARGIN = "give a mask (--mask) of what is near; a margin in mm needs axes at right angles"


def remarks_on_region(
    job: Job, inputs: Inputs, fusion: Fusion, method: Method, options: Options, grows: bool, cut: float
) -> list[str]:
    """Say so if votes count twice, or if background decides how few marks are enough."""
    remarks = [TWICE] if job.smoothing_mm is not None else []
    if not method.estimates or options.roi != "all" or fusion.n_voxels == 0:
        return remarks
    if inputs.region is not None and not np.all(inputs.region):
        return remarks
    marks, readers = counts_of(inputs, options.core_label), _readers(inputs, options)
    marked = np.count_nonzero(marks)
    if marked > (1 - LEAST_UNMARKED) * fusion.n_voxels:
        return remarks
    raters = int(np.count_nonzero(fusion.n_read))
    taken = fusion.label(cut, ties=job.ties) != 0
    if not isinstance(readers, int):  # only voxels that all read tell of raters alike
        marks = np.where(readers == raters, marks, raters)
    found = _by_marks(marks, taken, raters)
    few = _few_enough(*found)
    rings = int(found[1][: 1 if few is None else few].sum()) if _has_rings(inputs, method, grows) else 0
    if few is None and not rings:
        return remarks
    remedy = NO_MARGIN if inputs.grid.sheared else REGION
    return [
        *remarks,
        f"{_told(job, fusion, _unmarked(marked / fusion.n_voxels), few, rings, raters)}: {remedy}",
    ]


def _by_marks(marks: NDArray[np.integer], taken: NDArray[np.bool_], raters: int) -> tuple[Counts, Counts]:
    """Return how many voxels so many raters mark, and how many of these are foreground; nearly all are marked by nobody."""
    if marks.flags.f_contiguous:  # voxels in the order of memory are found faster
        marks, taken = marks.T, taken.T
    somebody = marks > 0
    found, among = marks[somebody], taken[somebody]
    whole = np.bincount(found, minlength=raters + 1)
    foreground = np.bincount(found[among], minlength=raters + 1)
    whole[0] = marks.size - found.size
    foreground[0] = np.count_nonzero(taken) - np.count_nonzero(among)
    return whole, foreground


def _few_enough(whole: Counts, foreground: Counts) -> int | None:
    """Return the least number of marks that mostly is foreground, if a third of the raters is enough."""
    enough = (2 * foreground >= whole) & (foreground > 0)
    few = range(1, (len(whole) - 1) // 3 + 1)
    return next((k for k in few if enough[k]), None)


def _readers(inputs: Inputs, options: Options) -> NDArray[np.integer] | int:
    """Return how many raters read each voxel; their number where no vote can be missing."""
    if options.missing == "error" and not inputs.present:
        return len(inputs.votes)
    readers = np.zeros(inputs.votes[0].shape, np.uint16)
    for at, votes in enumerate(inputs.votes):
        seen = ~np.isnan(votes) if votes.dtype.kind == "f" else np.ones(votes.shape, bool)
        looked = inputs.present[at] if inputs.present else None
        readers += seen if looked is None else seen & (looked != 0)
    return readers


def _has_rings(inputs: Inputs, method: Method, grows: bool) -> bool:
    """Tell soft masks from masks: those that were softened, here or before."""
    if grows:
        return not method.grows
    return method.votes == "soft" and has_rings(inputs)


def _unmarked(marked: float) -> str:
    """Return the share of the voxels that nobody marks, in percent, with so many digits that it is not 100."""
    texts = (f"{100 * (1 - marked):.{digits}f}" for digits in range(1, 17))
    return next((text for text in texts if float(text) < 100), "100")


def _told(job: Job, fusion: Fusion, unmarked: str, few: int | None, rings: int, raters: int) -> str:
    """Say what background does here."""
    given = (
        "the mask is the whole volume, and no roi is given" if job.mask else "neither mask nor roi is given"
    )
    rates = fusion.specificity[~np.isnan(fusion.specificity)]
    least = f"{rates.min():.4f}"
    enough = (
        []
        if few is None
        else [
            f"{few} {'mark' if few == 1 else 'marks'} of {raters} {'makes' if few == 1 else 'make'} a voxel foreground"
        ]
    )
    if rings:
        voxels = f"{rings:,} {'voxel' if rings == 1 else 'voxels'}"
        below = "that nobody marks" if few is None or few == 1 else f"with fewer than {few} marks"
        enough.append(
            f"rings alone do so at {voxels} {below}, so that lesions run together (on simulated raters lesion F1 was 0.1 to 0.26 "
            "lower)"
        )
    return (
        f"{given}, and nobody marks {unmarked} % of the voxels: every specificity, at least {least}, is that of this "
        f"background, and {' and '.join(enough)}"
    )
