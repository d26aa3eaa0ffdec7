"""How often bootstrap intervals of label maps hold the truth: python bench/studies/label_intervals.py.

Simulated: K = 4 labels, five raters with known confusion matrices, voxels independent of each other. Of the 95 % intervals
of each rater's sensitivity for each label, the share that holds the true sensitivity is printed, of all and of the rarest
label, and the estimate's bias against its standard error.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastfuse

SHARES = np.array([0.6, 0.2, 0.12, 0.08])  # of the labels
SENSITIVITIES = np.array(  # of rater, label
    [
        [0.95, 0.85, 0.80, 0.75],
        [0.92, 0.80, 0.85, 0.70],
        [0.90, 0.75, 0.70, 0.80],
        [0.97, 0.70, 0.75, 0.65],
        [0.88, 0.90, 0.65, 0.85],
    ]
)
SIZES = (500, 2_000, 8_000, 32_000)
DRAWS = 200
WAYS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no belief": {"performance_prior": None},
    "plain EM": {
        "performance_prior": None,
        "candidates": "all",
        "init": "vote",
        "prior": "estimate",
    },
}


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that hold the truth; and the estimate's mean bias, in its standard deviations.

    Attributes
    ----------
    all, rarest : float
        Of all labels, and of the rarest one.
    bias : float
        Mean of |mean error| / standard deviation, over raters and labels.
    """

    all: float
    rarest: float
    bias: float


def confusion() -> NDArray[np.float64]:
    """Return the raters' confusion matrices: wrong votes are as frequent as the labels are."""
    found = np.empty((*SENSITIVITIES.shape, len(SHARES)))
    for (rater, truth), right in np.ndenumerate(SENSITIVITIES):
        others = np.where(np.arange(len(SHARES)) == truth, 0, SHARES)
        found[rater, truth] = (1 - right) * others / others.sum()
        found[rater, truth, truth] = right
    return found


def drawn(rng: np.random.Generator, voxels: int) -> list[NDArray[np.uint8]]:
    """Return the raters' label maps."""
    truth = rng.choice(len(SHARES), voxels, p=SHARES)
    ends = np.cumsum(confusion(), axis=2)[:, :, :-1]
    return [(rng.random((voxels, 1)) > of_rater[truth]).sum(axis=1).astype(np.uint8) for of_rater in ends]


def coverage(voxels: int, draws: int = DRAWS, replicates: int = 200, **options: Any) -> Coverage:
    """Return how often intervals hold the truth."""
    held = np.zeros(SENSITIVITIES.shape)
    found = np.empty((draws, *SENSITIVITIES.shape))
    for draw in range(draws):
        maps = drawn(np.random.default_rng(draw), voxels)
        asked = {"labels": list(range(len(SHARES))), "tol": 1e-5, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fastfuse.FusionWarning)
            fusion = fastfuse.staple(maps, intervals="bootstrap", replicates=replicates, seed=draw, **asked)
        low, high = np.moveaxis(fusion.intervals.sensitivity, -1, 0)
        held += (low <= SENSITIVITIES) & (high >= SENSITIVITIES)
        found[draw] = fusion.sensitivity
    bias = np.abs(found.mean(axis=0) - SENSITIVITIES) / found.std(axis=0, ddof=1)
    return Coverage(held.mean() / draws, held[:, -1].mean() / draws, bias.mean())


if __name__ == "__main__":
    print("voxels   options      held  of the rarest  bias in standard deviations")
    for voxels in SIZES:
        for name, options in WAYS.items():
            one = coverage(voxels, **options)
            print(f"{voxels:6}   {name:10} {one.all:6.3f}  {one.rarest:13.3f}  {one.bias:6.2f}", flush=True)
