"""Says which rater's mask fits the others' only when it is mirrored or turned, or does not fit them at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..fusion.native.marks import marked_by
from ..fusion.of_raters.stranger import FEWEST as FEWEST_FOR_STRANGER
from ..fusion.of_raters.stranger import in_words as said_of_stranger
from ..fusion.of_raters.stranger import stranger_among
from ..fusion.result import Fusion
from ..inputs.grids import Grid
from ..inputs.mirrors import (
    AT_MOST,
    FEWEST,
    Marked,
    Misfit,
    OwnBox,
    axes_in_words,
    in_words,
    like,
    misfit_of,
    turns_of,
)
from ..inputs.names import enumerated
from .job import Inputs, Job

DIFFERENT = "look at them in a viewer: they may mark different structures or classes, or one may be turned"


def misfit_remarks(job: Job, inputs: Inputs, fusion: Fusion, label: int | None) -> list[str]:
    """Return remarks on such raters; each is held against the others, whom their own votes do not move."""
    test = partial(marked_by, label=label)
    everybody = [
        Marked(votes, test, float(fusion.volume[at]), own_box(inputs, at))
        for at, votes in enumerate(inputs.votes)
    ]
    return remarks_on_fits(job, inputs, everybody, fusion.dice)


def remarks_on_fits(
    job: Job, inputs: Inputs, everybody: Sequence[Marked], dice: NDArray[np.float64]
) -> list[str]:
    """Return remarks on raters who fit the others only when turned; ``dice``: of each with the consensus."""
    apart = _apart(inputs)
    marking = [at for at, one in enumerate(everybody) if one.count >= FEWEST and at not in apart]
    if len(marking) < 2:
        return []
    raters = [everybody[at] for at in marking]
    names = [job.names[at] for at in marking]
    doubtful = _may_be_apart(dice[marking])
    found = [
        misfit_of(rater, [*raters[:at], *raters[at + 1 :]]) if doubtful[at] else None
        for at, rater in enumerate(raters)
    ]
    turned = next((at for at, misfit in enumerate(found) if misfit is not None), None)
    if turned is None:
        return _on_stranger(names, raters) if any(doubtful) else []
    axes = [_axes(inputs, at, misfit) for at, misfit in zip(marking, found, strict=True)]
    if all(found) or len(raters) == 2:
        one_half, misfit = like(raters[turned], raters), found[turned]
        if 2 * len(one_half) == len(raters) and misfit is not None and not misfit.names:
            return [_of_halves(names, one_half, misfit, axes[turned])]
    return [
        f"{name} {misfit.in_words(own)}; look at it in a viewer, and correct its {'labels' if misfit.names else 'voxels or its header'}"
        for name, misfit, own in zip(names, found, axes, strict=True)
        if misfit is not None
    ]


def _on_stranger(names: list[str], raters: Sequence[Marked]) -> list[str]:
    """Say who overlaps little with every other, while these agree."""
    if len(raters) < FEWEST_FOR_STRANGER:
        return []
    as_it_is = turns_of(raters[0].votes.shape)[0]
    dice = np.eye(len(raters))
    for one, other in itertools.combinations(range(len(raters)), 2):
        dice[one, other] = dice[other, one] = raters[one].dice(raters[other], as_it_is)
    found = stranger_among(dice, np.array([rater.count for rater in raters]))
    return [] if found is None else [said_of_stranger(names[found.at], found)]


def _apart(inputs: Inputs) -> set[int]:
    """Return the raters whose file's box meets no other's: they are moved, not mirrored."""
    if all(image.own is None for image in inputs.raters):
        return set()
    to_grid = np.linalg.inv(inputs.grid.affine)
    boxes = []
    for image in inputs.raters:
        corners = _corners(image.own or inputs.grid) @ to_grid[:3, :3].T + to_grid[:3, 3]
        boxes.append((corners.min(axis=0), corners.max(axis=0)))
    meet = [
        [bool((np.minimum(high, end) - np.maximum(low, start) > 0.5).all()) for start, end in boxes]
        for low, high in boxes
    ]
    return {at for at, row in enumerate(meet) if sum(row) < 2}  # which each does with itself


def _corners(grid: Grid) -> NDArray[np.float64]:
    """Return the outer corners of a grid's voxels."""
    ends = np.array(list(itertools.product(*((-0.5, length - 0.5) for length in grid.shape))))
    corners: NDArray[np.float64] = ends @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return corners


def own_box(inputs: Inputs, at: int) -> OwnBox | None:
    """Return the volume of a rater's file, if files have several grids."""
    if all(image.own is None for image in inputs.raters):
        return None
    own = inputs.raters[at].own or inputs.grid
    return OwnBox(own.shape, np.linalg.inv(inputs.grid.affine) @ own.affine)


def _axes(inputs: Inputs, at: int, misfit: Misfit | None) -> list[str]:
    """Return what messages call the axes that a rater's mask is turned by."""
    own = inputs.raters[at].own
    return axes_in_words(own.affine if own is not None and misfit and misfit.own else inputs.grid.affine)


def _may_be_apart(dice: NDArray[np.float64]) -> list[bool]:
    """Tell who may have a Dice with half of the others as poor as that of a mask that is turned.

    Jaccard's distance is a metric, of soft masks too: two raters are at most as far apart as both are from the
    consensus.
    """
    far = 1 - dice / (2 - dice)
    poor = 1 - AT_MOST / (2 - AT_MOST)
    near = [np.count_nonzero(far + own < poor) - (2 * own < poor) for own in far]  # themselves not
    return [2 * count <= len(dice) - 1 for count in near]


def _of_halves(names: list[str], one_half: list[int], misfit: Misfit, axes: list[str]) -> str:
    """Say that one half of the raters fits the other only when turned: nobody knows which."""
    turn = in_words(misfit.turn, axes)
    dice = f"Dice {misfit.turned:.2f}, {misfit.as_it_is:.2f} as they are"
    if len(names) == 2:
        pair = " and ".join(names)
        if misfit.is_poor:
            return f"{pair} hardly overlap ({dice} when one is {turn}): {DIFFERENT}"
        remedy = "look at both in a viewer, and correct the one that is wrong"
        return f"{pair} fit each other {misfit.when} one is {turn}: {dice}; {remedy}"
    one, other = (
        enumerated([name for at, name in enumerate(names) if (at in one_half) == inside])
        for inside in (True, False)
    )
    if misfit.is_poor:
        return f"{one} hardly overlap with {other} (median {dice} when {turn}): {DIFFERENT}"
    remedy = "look at them in a viewer, and correct those that are wrong"
    return f"{one} fit {other} {misfit.when} {turn}: median {dice}; {remedy}"
