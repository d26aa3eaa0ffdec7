"""The mask of the consensus beside the raters' masks and the mask of their mean vote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import Array, selected
from ..case import Case
from ..options import Options

FEW_VALUES = 16  # of soft masks; more distinct fractions are a network's
MARKED = 0.5  # the least vote that counts as a mark
SLAB_VOXELS = 1 << 16  # compared at once

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """Masks at one cut, in numbers.

    Attributes
    ----------
    volume : int
        Voxels of the consensus.
    volumes : ndarray
        Voxels of each rater who read the case.
    dice : ndarray
        Dice's coefficient of the consensus with each rater, where they vote; nan for two empty masks.
    mean_dice : float
        Dice's coefficient of the consensus with the mean vote's mask; nan for two empty masks.
    """

    volume: int
    volumes: Counts
    dice: NDArray[np.float64]
    mean_dice: float


def compare(probability: Array, case: Case, options: Options, cut: float) -> Comparison:
    """Return how the consensus, cut, compares with the votes, cut alike."""
    raters = len(case.given.arrays)
    own, consensus, both = (np.zeros(raters, np.int64) for _ in range(3))
    volume = mean_volume = mean_both = 0
    for written, inside, votes in _slabs(probability, case, options):
        label = written >= cut
        total, readers = np.zeros(label.shape), np.zeros(label.shape)
        for i, vote in enumerate(votes):
            seen = inside[i]
            marked = (vote >= cut) & seen
            own[i] += np.count_nonzero(marked)
            consensus[i] += np.count_nonzero(label & seen)
            both[i] += np.count_nonzero(marked & label)
            np.add(total, vote, out=total, where=seen)
            readers += seen
        mean = (total >= cut * readers) & (readers > 0)
        volume += int(np.count_nonzero(label))
        mean_volume += int(np.count_nonzero(mean))
        mean_both += int(np.count_nonzero(mean & label))
    return Comparison(
        volume=volume,
        volumes=own,
        dice=_dice(both, own + consensus),
        mean_dice=float(_dice(np.array([mean_both]), np.array([mean_volume + volume]))[0]),
    )


def marks_inside(case: Case, options: Options, at: int) -> tuple[Counts, Counts]:
    """Return how many voxels each rater marks (vote >= 0.5), and on how many of them one rater does, too."""
    marks, inside = (np.zeros(len(case.given.arrays), np.int64) for _ in range(2))
    for _, seen, votes in _slabs(case.given.arrays[at], case, options):
        of_one = (votes[at] >= MARKED) & seen[at]
        for i, vote in enumerate(votes):
            marked = (vote >= MARKED) & seen[i]
            marks[i] += np.count_nonzero(marked)
            inside[i] += np.count_nonzero(marked & of_one)
    return marks, inside


def are_probabilities(case: Case, options: Options) -> bool:
    """Tell whether most raters are maps with many fractions, as a network's probabilities have."""
    if (
        not all(isinstance(array, np.ndarray) for array in case.given.arrays)
        or options.core_label is not None
    ):
        return False
    dense = sum(_has_many_fractions(array.transpose(case.axes)) for array in case.given.arrays)
    return 2 * dense > len(case.given.arrays)


def _has_many_fractions(array: Array) -> bool:
    if array.dtype.kind != "f":
        return False
    found: set[float] = set()
    for part in _parts(array.shape):
        values = array[part]
        fractions = values[(values > 0) & (values < 1)]
        others = fractions[fractions != fractions.flat[0]] if fractions.size else fractions
        found.update(np.unique(others[: 64 * FEW_VALUES]).tolist())  # a floor fills the background
        if len(found) > FEW_VALUES:
            return True
    return False


def _slabs(
    probability: Array, case: Case, options: Options
) -> Iterator[tuple[Array, list[NDArray[np.bool_]], list[Array]]]:
    """Yield parts of the consensus, of where each rater votes, and of their votes."""
    given = case.in_memory_order()
    written = probability.transpose(case.axes)
    label = options.core_label
    for part in _parts(written.shape):
        votes, inside = [], []
        for i, array in enumerate(given.raters):
            vote = array[part] if label is None else selected(array[part], label)
            seen = ~np.isnan(vote) if vote.dtype.kind == "f" else np.ones(vote.shape, bool)
            if given.mask is not None:
                seen &= given.mask[part] != 0
            looked = given.present[i] if given.present else None
            if looked is not None:
                seen &= looked[part] != 0
            votes.append(vote)
            inside.append(seen)
        yield written[part], inside, votes


def _parts(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices along the slowest axis."""
    rows = max(1, SLAB_VOXELS * shape[0] // max(int(np.prod(shape)), 1))
    for first in range(0, shape[0], rows):
        yield slice(first, first + rows)


def _dice(both: Counts, sum_of_both: Counts) -> NDArray[np.float64]:
    shares = np.full(len(both), np.nan)
    np.divide(2 * both, sum_of_both, out=shares, where=sum_of_both > 0)
    return shares
