"""The mask of the consensus beside the raters' masks and the mask of their mean vote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import Array, selected
from ..backends.core import count_cuts
from ..backends.cpu import consensus_of_rows
from ..case import Case
from ..options import Options
from .evidence import Evidence

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


@dataclass(frozen=True)
class Part:
    """Some voxels, or some patterns of votes with their numbers of voxels.

    Attributes
    ----------
    written : ndarray
        The consensus.
    inside : list of ndarray of bool, optional
        Where each rater votes; None for everywhere.
    votes : list of ndarray
    counts : ndarray of int, optional
        Voxels of each pattern; None for voxels.
    """

    written: Array
    inside: list[NDArray[np.bool_]] | None
    votes: list[Array]
    counts: Counts | None = None

    def number(self, where: NDArray[np.bool_]) -> int:
        """Return the number of voxels."""
        return int(np.count_nonzero(where) if self.counts is None else self.counts[where].sum())


def compare(probability: Array, case: Case, options: Options, cut: float) -> Comparison:
    """Return how the consensus, cut, compares with the votes, cut alike."""
    written = probability.transpose(case.axes)
    if _are_floats_everywhere(written, case, options):
        return _comparison_of_floats(written, case, options, cut)
    return _comparison(_slabs(probability, case, options), len(case.given.arrays), cut)


def compared(evidence: Evidence) -> Comparison:
    """Return the same, by the votes' table where the consensus is one of its patterns."""
    options, table, case = evidence.options, evidence.found.table, evidence.case
    if case is None:
        raise ValueError("there are no votes to compare with")
    probability = evidence.fusion.probability
    of_voxels = (
        options.mrf or options.roi == "disputed" or case.prior_map is not None or case.votes.image is not None
    )
    if table is None or of_voxels:
        return compare(probability, case, options, evidence.cut)
    held = table.counts > 0
    patterns = table.patterns[held]
    part = Part(
        consensus_of_rows(
            evidence.found.estimate,
            patterns,
            evidence.method,
            options,
            probability.dtype,
        ),
        list(~np.isnan(patterns.T)),
        list(patterns.T),
        table.counts[held].astype(np.int64),
    )
    return _comparison([part], len(case.given.arrays), evidence.cut)


def dice_with_mean(evidence: Evidence) -> float:
    """Return Dice's coefficient of the consensus with the mean vote's mask, by the core's counts where it has them."""
    marks = evidence.found.half_marks
    if marks is None or evidence.cut != MARKED:
        return compared(evidence).mean_dice
    of_mean, of_consensus, of_both = (np.array([count], np.int64) for count in marks)
    return float(_dice(of_both, of_mean + of_consensus)[0])


def _are_floats_everywhere(written: Array, case: Case, options: Options) -> bool:
    """Tell whether all voxels count, and the arrays are what the core compares."""
    given = case.in_memory_order()
    return (
        options.core_label is None
        and given.mask is None
        and not given.present
        and written.dtype == np.float32
        and all(vote.dtype in (np.float16, np.float32) for vote in given.raters)
    )


def _comparison_of_floats(written: Array, case: Case, options: Options, cut: float) -> Comparison:
    """Compare as :func:`_comparison` does, in threads."""
    votes = case.in_memory_order().raters
    volume, seen, own, both, mean_volume, mean_both = count_cuts(written, votes, cut, options.threads)
    return Comparison(
        volume=volume,
        volumes=np.array(own),
        dice=_dice(np.array(both), np.array(own) + np.array(seen)),
        mean_dice=float(_dice(np.array([mean_both]), np.array([mean_volume + volume]))[0]),
    )


def _comparison(parts: Iterable[Part], raters: int, cut: float) -> Comparison:
    own, consensus, both = (np.zeros(raters, np.int64) for _ in range(3))
    volume = mean_volume = mean_both = 0
    for part in parts:
        label = part.written >= cut
        of_all = part.number(label)
        total = np.zeros(label.shape, np.result_type(np.float32, *part.votes))
        readers: Any = len(part.votes) if part.inside is None else np.zeros(label.shape)
        for i, vote in enumerate(part.votes):
            wide, level = _widened(vote, cut)
            marked = wide >= level
            if part.inside is None:
                consensus[i] += of_all
                total += wide
            else:
                seen = part.inside[i]
                marked &= seen
                consensus[i] += part.number(label & seen)
                np.add(total, wide, out=total, where=seen)
                readers += seen
            own[i] += part.number(marked)
            both[i] += part.number(marked & label)
        mean = (total >= cut * readers) & (np.asarray(readers) > 0)
        volume += of_all
        mean_volume += part.number(mean)
        mean_both += part.number(mean & label)
    return Comparison(
        volume=volume,
        volumes=own,
        dice=_dice(both, own + consensus),
        mean_dice=float(_dice(np.array([mean_both]), np.array([mean_volume + volume]))[0]),
    )


def _widened(vote: Array, cut: float) -> tuple[Array, float]:
    """Return votes, and a cut as their type has it; halves as floats, with which NumPy is many times as fast."""
    if vote.dtype != np.float16:
        return vote, cut
    return vote.astype(np.float32), float(np.float16(cut))


def marks_inside(case: Case, options: Options, at: int) -> tuple[Counts, Counts]:
    """Return how many voxels each rater marks (vote >= 0.5), and on how many of them one rater does, too."""
    marks, inside = (np.zeros(len(case.given.arrays), np.int64) for _ in range(2))
    for part in _slabs(case.given.arrays[at], case, options):
        marked_by = [vote >= MARKED for vote in part.votes]
        if part.inside is not None:
            marked_by = [marked & seen for marked, seen in zip(marked_by, part.inside, strict=True)]
        of_one = marked_by[at]
        for i, marked in enumerate(marked_by):
            marks[i] += part.number(marked)
            inside[i] += part.number(marked & of_one)
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
        distinct = np.unique(others[: 64 * FEW_VALUES])  # a floor fills the background
        found.update(distinct[: FEW_VALUES + 1].tolist())
        if len(found) > FEW_VALUES:
            return True
    return False


def _slabs(probability: Array, case: Case, options: Options) -> Iterator[Part]:
    """Yield parts of the consensus, of where each rater votes, and of their votes."""
    given = case.in_memory_order()
    written = probability.transpose(case.axes)
    label = options.core_label
    everywhere = options.missing == "error" and given.mask is None and not given.present
    for part in _parts(written.shape):
        votes = [array[part] if label is None else selected(array[part], label) for array in given.raters]
        if everywhere:
            yield Part(written[part], None, votes)
            continue
        inside = []
        for i, vote in enumerate(votes):
            seen = ~np.isnan(vote) if vote.dtype.kind == "f" else np.ones(vote.shape, bool)
            if given.mask is not None:
                seen &= given.mask[part] != 0
            looked = given.present[i] if given.present else None
            if looked is not None:
                seen &= looked[part] != 0
            inside.append(seen)
        yield Part(written[part], inside, votes)


def _parts(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices along the slowest axis."""
    rows = max(1, SLAB_VOXELS * shape[0] // max(int(np.prod(shape)), 1))
    for first in range(0, shape[0], rows):
        yield slice(first, first + rows)


def _dice(both: Counts, sum_of_both: Counts) -> NDArray[np.float64]:
    shares = np.full(len(both), np.nan)
    np.divide(2 * both, sum_of_both, out=shares, where=sum_of_both > 0)
    return shares
