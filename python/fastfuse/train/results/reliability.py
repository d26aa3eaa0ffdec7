"""Reliability of a network's probabilities: how often the experts mark what it gives a probability of p.

The reference is the experts' votes, not STAPLE's mask: among voxels of probability 0.3, three votes of ten should be for
a lesion. All voxels of the brain count, most of which are background that nobody marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10  # of equal width, from 0 to 1


@dataclass(frozen=True)
class Reliability:
    """Probabilities of a case, or of several, in bins of equal width.

    Attributes
    ----------
    voxels : tuple of int
        Number of voxels in each bin.
    predicted, voted : tuple of float
        Sums over each bin's voxels: of the probability, and of the share of experts who mark the voxel.
    squared : float
        Sum, over the voxels and the mean over experts, of (probability - vote)².
    """

    voxels: tuple[int, ...]
    predicted: tuple[float, ...]
    voted: tuple[float, ...]
    squared: float

    @property
    def brier(self) -> float:
        """Brier score: mean over voxels and experts of (probability - vote)²; nan without voxels."""
        total = sum(self.voxels)
        return self.squared / total if total else float("nan")

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over voxels of |mean probability - mean vote| of their bin."""
        total = sum(self.voxels)
        gaps = sum(abs(p - v) for p, v in zip(self.predicted, self.voted, strict=True))
        return gaps / total if total else float("nan")


def reliability_of(
    probability: NDArray[Any], masks: Sequence[NDArray[Any]], brain: NDArray[Any]
) -> Reliability:
    """Return a prediction's reliability over the voxels of the brain."""
    inside = brain != 0
    p = np.asarray(probability, np.float64)[inside]
    vote = np.mean([mask[inside] != 0 for mask in masks], axis=0)
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    predicted, voted = (np.bincount(place, weights, BINS) for weights in (p, vote))
    # The mean over experts of (p - v)², with v² = v.
    squared = float((p**2 - 2 * p * vote + vote).sum())
    counts = np.bincount(place, minlength=BINS)
    return Reliability(tuple(counts.tolist()), tuple(predicted.tolist()), tuple(voted.tolist()), squared)


def together(several: Sequence[Reliability]) -> Reliability:
    """Return the reliability of several cases' voxels together."""
    columns = zip(*((one.voxels, one.predicted, one.voted) for one in several), strict=True)
    voxels, predicted, voted = (np.sum(column, axis=0) for column in columns)
    squared = sum(one.squared for one in several)
    return Reliability(tuple(voxels.tolist()), tuple(predicted.tolist()), tuple(voted.tolist()), squared)


def facts_of(one: Reliability) -> dict[str, Any]:
    """Return a reliability for JSON."""
    return asdict(one)


def reliability_from(facts: Mapping[str, Any]) -> Reliability:
    """Return the reliability that :func:`facts_of` wrote."""
    lists = {name: tuple(facts[name]) for name in ("voxels", "predicted", "voted")}
    return Reliability(**lists, squared=float(facts["squared"]))
