"""Two labels, fused as masks: the consensus as a fusion of label maps has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..case import Case
from ..votes import Votes
from .result import entropy_of


@dataclass(frozen=True, eq=False)
class BinaryConsensus:
    """The consensus of two labels, kept as the probability of the larger one.

    Attributes
    ----------
    upper : ndarray of float32 or float64
        Probability of the larger label; 0 outside the mask.
    values : sequence of int
        The two labels.
    outside : ndarray of bool, optional
        Voxels without a consensus, see :func:`without_consensus`.
    """

    upper: NDArray[Any]
    values: Sequence[int]
    outside: NDArray[np.bool_] | None

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> NDArray[Any]:
        """Return the more probable label, the larger one of two that are as probable; at rank 1 the other."""
        first = self.upper >= 0.5
        low, high = self.values
        labels = np.where(first if rank == 0 else ~first, kind.type(high), kind.type(low))
        if undecided is not None:
            labels[self.upper == 0.5] = undecided
        return self._inside(labels)

    def ranked(self, rank: int) -> NDArray[Any]:
        """Return the probability of that label."""
        larger = np.maximum(self.upper, 1 - self.upper)
        return self._inside(larger if rank == 0 else 1 - larger)

    def probability(self, codes: Sequence[int]) -> NDArray[Any]:
        """Return the probability that one of these labels is true."""
        if len(codes) == 2:
            return self._inside(np.ones_like(self.upper))
        return self.upper.copy() if codes[0] else self._inside(1 - self.upper)

    def entropy(self) -> NDArray[Any]:
        """Return the entropy in nats."""
        return self._inside(entropy_of((self.upper, 1 - self.upper)))

    def _inside(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values, 0 where there is no consensus."""
        if self.outside is not None:
            values[self.outside] = 0
        return values


def without_consensus(
    upper: NDArray[Any], votes: Votes, case: Case, n_voxels: int
) -> NDArray[np.bool_] | None:
    """Return the voxels that have no label: outside the mask, and where nobody votes and no prior stands in for votes.

    ``upper``, ``n_voxels``: probability of the larger label, and number of voxels that were fused; ``votes``: the masks of it.
    """
    outside = None if case.mask is None else np.asarray(case.mask == 0)
    if n_voxels >= upper.size - (0 if outside is None else int(np.count_nonzero(outside))):
        return outside
    nowhere: NDArray[np.bool_] = upper == 0  # a prior is above 0
    if votes.decisions is not None:
        nowhere &= np.asarray(votes.decisions) < 0
    present = case.present or [None] * len(case.given.places)
    for place, looked in zip(case.given.places, present, strict=True):
        array = np.asarray(votes.raters[place])
        if array.dtype.kind == "f":
            nowhere &= np.isnan(array) if looked is None else np.isnan(array) | (looked == 0)
        elif looked is None:
            return outside
        else:
            nowhere &= looked == 0
    return nowhere if outside is None else nowhere | outside
