"""The mask that is best for the mean Dice with the raters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import said, warn
from ...inputs.checks import Labels, Scale
from ...inputs.kinds import RatersLike, VoxelsLike
from ...inputs.names import counted
from ...inputs.threads import remarks_on_threads
from ..case import Case
from ..declared import documented
from ..options import Options
from ..result import Rates, divided
from ..tabulate import table_and_case
from ..vote_table import VoteTable
from ..votes import ENTRIES, Votes
from .masks import masks_of

FIRST_SIZES = 64  # sizes of a consensus at which the search starts
FEW = 256  # patterns whose pairs are tried
ROUNDING = 1e-12  # of a mean Dice: what gains less is no gain


@dataclass(frozen=True, eq=False)
class MeanDice:
    """The mask whose mean Dice with the raters is highest, by :func:`mean_dice`.

    Attributes
    ----------
    mask : ndarray of uint8, the raters' shape
        1 in the consensus.
    dice : ndarray of float64, shape (m,)
        Dice's coefficient of each rater with the mask; nan where both are empty, or the rater is missing.
    mean : float
        Their mean: what the mask maximises; nan if all are.
    """

    mask: NDArray[np.uint8]
    dice: NDArray[np.float64]
    mean: float

    def __repr__(self) -> str:
        size = f"shape {self.mask.shape}, {counted(int(np.count_nonzero(self.mask)), 'voxel')}"
        return f"MeanDice({size}, mean {self.mean:.4g}, dice {np.array2string(self.dice, precision=4)})"


@documented(ENTRIES)
def mean_dice(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    present: RatersLike | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
) -> MeanDice:
    """Return the mask with the highest mean Dice with the raters' masks.

    Background never enters: what nobody marks is not in it. Voxels with the same votes are all in it, or none. To add a
    voxel to a mask of k voxels is worth ``Σ 1 / (k + |R_i|)`` over the raters who mark it: for each of many k, the patterns
    of votes are taken in that order, the best set of all is kept, and improved by single patterns and by exchanges.

    Parameters
    ----------
    {options}

    Returns
    -------
    MeanDice

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`, and for missing votes within a mask: leave such raters out, or those voxels by ``mask``.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.mean_dice([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    >>> found.mask, round(found.mean, 3)
    (array([0, 0, 1, 1], dtype=uint8), 0.822)
    """
    options = Options(select_label=select_label, binarize=binarize, threshold=threshold, scale=scale)
    table, case = table_and_case(Votes(raters, mask, present, axis=axis), options, None)
    warn(case.remarks + remarks_on_threads())
    patterns, counts = complete_masks(table, "mean_dice")
    best = best_patterns(patterns, counts)
    marked = np.zeros(case.shape, np.uint8)
    marked[_voxels_of(case, options.core_label, patterns[:, case.given.places][best])] = 1
    sizes = patterns.T @ counts
    dice = divided(2 * (patterns[best].T @ counts[best]), sizes + counts[best].sum())
    dice = np.where(np.isin(np.arange(len(dice)), case.given.places), dice, np.nan)
    return MeanDice(marked, dice, float(np.nanmean(dice)) if not np.isnan(dice).all() else float("nan"))


def complete_masks(table: VoteTable, function: str) -> tuple[Rates, Rates]:
    """Return the patterns, 0 and 1, and counts of a table; nobody's votes where a rater is missing as a whole.

    Raises
    ------
    ValueError
        Naming a rater whose vote is neither 0 nor 1, or missing at some voxels.
    """
    patterns, counts = masks_of(table, function)
    absent = np.isnan(patterns)
    for i, name in enumerate(table.names):
        if absent[:, i].any() and not absent[:, i].all():
            raise ValueError(
                said(
                    f"{name} has no vote at {counted(int(counts[absent[:, i]].sum()), 'voxel')}: {function} takes raters who vote "
                    "everywhere: leave the rater out, or those voxels by a mask (--mask)"
                )
            )
    return np.where(absent, 0, patterns), counts


def best_patterns(patterns: Rates, counts: Rates) -> NDArray[np.bool_]:
    """Return which patterns of votes, shape (rows, m), are in the mask of the highest mean Dice."""
    marked = patterns.any(axis=1)
    best = np.zeros(len(counts), bool)
    if not marked.any():
        return best
    value = _Value(patterns, counts)
    union = counts[marked].sum()
    for size in np.unique(np.geomspace(counts[marked].min(), union, FIRST_SIZES)):
        found = value.from_size(size)
        if value.of(found) > value.of(best):
            best = found
    return value.improved(best, np.flatnonzero(marked))


class _Value:
    """Mean Dice of sets of patterns."""

    def __init__(self, patterns: Rates, counts: Rates) -> None:
        self.patterns, self.counts = patterns, counts
        self.sizes = patterns.T @ counts  # |R_i|
        self.held = patterns * counts[:, None]

    def of(self, chosen: NDArray[np.bool_]) -> float:
        """Return the mean Dice of one set."""
        return float(self._mean(self.held[chosen].sum(axis=0), self.counts[chosen].sum()))

    def from_size(self, size: float) -> NDArray[np.bool_]:
        """Return the best set in the order in which voxels are worth adding to a mask of ``size`` voxels.

        Its own size gives the next order, until the set stays.
        """
        chosen = np.zeros(len(self.counts), bool)
        reached = -1.0
        while True:
            order = np.argsort(-(self.patterns / (size + self.sizes)).sum(axis=1), kind="stable")
            values = self._mean(self.held[order].cumsum(axis=0), self.counts[order].cumsum()[:, None])
            end = int(np.argmax(values))
            if values[end] <= reached:
                return chosen
            reached = float(values[end])
            chosen = np.zeros(len(self.counts), bool)
            chosen[order[: end + 1]] = True
            size = self.counts[chosen].sum()

    def improved(self, chosen: NDArray[np.bool_], among: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return the set after single patterns, and pairs of them, have been put in or out while that helps."""
        chosen = chosen.copy()
        while True:
            sign = np.where(chosen[among], -1.0, 1.0)[:, None]
            inside, size = self.held[chosen].sum(axis=0), self.counts[chosen].sum()
            moved, grown = sign * self.held[among], sign * self.counts[among][:, None]
            singles = self._mean(inside + moved, size + grown)
            best, move = float(singles.max()), [int(np.argmax(singles))]
            for first in range(len(among) if len(among) <= FEW else 0):
                values = self._mean(inside + moved + moved[first], size + grown + grown[first])
                values[first] = -1
                if values.max() > best:
                    best, move = float(values.max()), [first, int(np.argmax(values))]
            if best <= self.of(chosen) + ROUNDING:
                return chosen
            chosen[among[move]] ^= True

    def _mean(self, inside: Rates, size: Any) -> Any:
        """Return the mean of 2 |S ∩ R_i| / (|S| + |R_i|); 0 / 0 is 0."""
        whole = size + self.sizes
        return np.divide(2 * inside, whole, out=np.zeros_like(whole * inside), where=whole > 0).mean(axis=-1)


def _voxels_of(case: Case, label: int | None, patterns: Rates) -> NDArray[np.bool_]:
    """Return where the votes, masks all, are one of these patterns; none of them is all 0."""
    marks = [array > 0.5 if label is None else array == label for array in case.given.arrays]
    if case.mask is not None:
        marks = [one & (np.asarray(case.mask) != 0) for one in marks]
    anywhere = np.logical_or.reduce(marks)
    chosen = np.zeros(case.shape, bool)
    codes = _codes(np.stack([one[anywhere] for one in marks], axis=1))
    chosen[anywhere] = np.isin(codes, _codes(patterns > 0.5))
    return chosen


def _codes(marks: NDArray[np.bool_]) -> NDArray[Any]:
    """Return a value for each row of marks that only equal rows share."""
    packed = np.ascontiguousarray(np.packbits(marks, axis=1))
    return packed.view(f"V{packed.shape[1]}").ravel()
