"""Two labels, fused as masks: the consensus as a fusion of label maps has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        Voxels outside the mask.
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
        """Return the values, 0 outside the mask."""
        if self.outside is not None:
            values[self.outside] = 0
        return values
