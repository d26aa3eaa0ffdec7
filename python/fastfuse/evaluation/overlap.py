"""Overlap of two masks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Overlap:
    """Voxels that two masks share, and that only one of them has."""

    both: int
    only_mask: int
    only_truth: int
    neither: int

    @property
    def dice(self) -> float:
        """2 |A ∩ B| / (|A| + |B|); 1 for two empty masks."""
        marked = 2 * self.both + self.only_mask + self.only_truth
        return 2 * self.both / marked if marked else 1.0

    @property
    def precision(self) -> float:
        """Share of the mask that is true; nan for an empty mask."""
        return _ratio(self.both, self.both + self.only_mask)

    @property
    def recall(self) -> float:
        """Share of the truth that is marked, also called sensitivity; nan for an empty truth."""
        return _ratio(self.both, self.both + self.only_truth)

    @property
    def specificity(self) -> float:
        """Share of the background that is left unmarked; nan if there is none."""
        return _ratio(self.neither, self.neither + self.only_mask)


def overlap(mask: ArrayLike, truth: ArrayLike) -> Overlap:
    """Compare two masks of one shape; what is not 0 is marked.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    a, b = np.asarray(mask) != 0, np.asarray(truth) != 0
    if a.shape != b.shape:
        raise ValueError(f"the mask has shape {a.shape}, the truth has shape {b.shape}")
    both = int(np.count_nonzero(a & b))
    only_mask = int(np.count_nonzero(a)) - both
    only_truth = int(np.count_nonzero(b)) - both
    return Overlap(both, only_mask, only_truth, a.size - both - only_mask - only_truth)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
