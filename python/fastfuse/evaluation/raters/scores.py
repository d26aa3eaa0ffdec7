"""The scores of CURVAS 2024 on two classes, and a reliability curve: of probabilities and raters' masks, voxel by voxel.

Riera-Marín M. et al.: Calibration and Uncertainty for multiRater Volume Assessment in multiorgan Segmentation (CURVAS)
challenge results, arXiv:2505.08685; the challenge's code is ``CURVAS_2024/evaluation_metrics/metrics.py`` of
github.com/SYCAI-Technologies/curvas-challenge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..overlap import Overlap

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

BINS = 50  # of CURVAS's calibration error
CURVE = 10  # bins of a reliability curve


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often raters mark what gets a probability, in bins of it.

    Attributes
    ----------
    edges : ndarray of float64, shape (n + 1,)
        Ends of the bins; each holds its lower end, the last one both.
    voxels : ndarray of int64, shape (n,)
        Voxels in each bin.
    predicted : ndarray of float64, shape (n,)
        Mean probability of each bin's voxels; nan for an empty bin.
    observed : ndarray of float64, shape (n,)
        Mean share of the raters who mark them; nan for an empty bin.
    """

    edges: Numbers
    voxels: NDArray[np.int64]
    predicted: Numbers
    observed: Numbers

    @property
    def error(self) -> float:
        """Mean distance of what is predicted from what is observed, over voxels; nan without any."""
        held = self.voxels > 0
        if not held.any():
            return math.nan
        apart = np.abs(self.predicted - self.observed)[held]
        return float(np.average(apart, weights=self.voxels[held]))


def reliability_curve(p: Numbers, share: Numbers) -> Reliability:
    """Return the curve of probabilities against the share of raters who mark each voxel."""
    edges = np.arange(CURVE + 1) / CURVE
    at = np.minimum(np.searchsorted(edges, p, side="right") - 1, CURVE - 1)
    voxels = np.bincount(at, minlength=CURVE)
    sums = [np.bincount(at, weights, CURVE) for weights in (p, share)]
    predicted, observed = (
        np.divide(one, voxels, out=np.full(CURVE, np.nan), where=voxels > 0) for one in sums
    )
    return Reliability(edges, voxels, predicted, observed)


def dice_where_agreed(marked: Flags, votes: NDArray[Any], raters: int) -> float:
    """Return the Dice of a mask with what all raters mark, over the voxels on which all agree; 1 if both are empty.

    CURVAS's code leaves a case out where all raters mark nothing together; ``votes`` counts the raters who mark.
    """
    everybody, nobody = votes == raters, votes == 0
    both = int(np.count_nonzero(marked & everybody))
    return Overlap(
        both, int(np.count_nonzero(marked & nobody)), int(np.count_nonzero(everybody)) - both, 0
    ).dice


def confidence_where_agreed(p: Numbers, votes: NDArray[Any], raters: int) -> float:
    """Return the mean of p(foreground) where all raters mark, and of p(background) where none does; nan without either."""
    everybody, nobody = votes == raters, votes == 0
    if not (everybody.any() and nobody.any()):
        return math.nan
    return float((p[everybody].mean() + 1 - p[nobody].mean()) / 2)


@dataclass(frozen=True, eq=False)
class TopLabel:
    """The likelier class of each voxel, and in which bin its probability lies."""

    foreground: Flags
    bins: NDArray[np.intp]
    confidence: Numbers  # sums by bin
    voxels: NDArray[np.intp]

    @classmethod
    def of(cls, p: Numbers) -> TopLabel:
        """Return what is the same for all raters; at 0.5 the foreground is taken."""
        confidence = np.maximum(p, 1 - p)
        at = np.searchsorted(np.arange(BINS + 1) / BINS, confidence, side="right") - 1
        sums = np.asarray(np.bincount(at, confidence, BINS + 1), np.float64)
        return cls(p >= 0.5, at, sums, np.bincount(at, minlength=BINS + 1))

    def calibration_error(self, rater: Flags) -> float:
        """Return the expected calibration error against one rater; nan without voxels.

        Σ over bins |mean confidence - share of voxels whose class is the rater's|, weighted by voxels: 50 bins of the
        probability of the likelier class, each with its lower end, and 1 by itself, as torchmetrics has them.
        """
        right = np.bincount(self.bins, rater == self.foreground, BINS + 1)
        total = self.voxels.sum()
        return float(np.abs(self.confidence - right).sum() / total) if total else math.nan


def volume_crps(volume: float, volumes: Numbers) -> float:
    """Return the continuous ranked probability score of a volume under the normal distribution of the raters' volumes.

    ∫ (Φ((y - μ) / σ) - [y >= v])² dy over all y, with the mean μ and the standard deviation σ of the raters' volumes
    (divided by m), in closed form: Gneiting and Raftery 2007, doi:10.1198/016214506000001437. |v - μ| where all volumes are
    one. CURVAS's code integrates from μ - 3 σ to μ + 3 σ alone, over a distribution interpolated between its 1st and 99th
    percentile: the same near the raters' volumes, but no more than about 3 σ however far a volume lies beyond.
    """
    mean, sigma = float(volumes.mean()), float(volumes.std())
    if sigma <= 1e-12 * abs(mean):
        return abs(volume - mean)
    z = (volume - mean) / sigma
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return sigma * (z * math.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
