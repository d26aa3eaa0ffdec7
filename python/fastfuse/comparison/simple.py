"""SIMPLE: the vote of those who agree with it, each weighted by how far. On vote patterns.

Langerak T.R. et al.: Label fusion in atlas-based segmentation using a selective and iterative method for performance level
estimation (SIMPLE), IEEE TMI 29(12), 2010, doi:10.1109/TMI.2010.2057442.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rates = NDArray[np.float64]

LEAST = 0.05  # of the best rater's Dice: who has less is discarded in the first round
STEP = 0.07  # by which that rises with each round
MOST_ROUNDS = 25


@dataclass(frozen=True, eq=False)
class Simple:
    """A consensus of SIMPLE.

    Attributes
    ----------
    share : ndarray of float64, shape (rows,)
        Weighted share of the raters who mark each pattern; marked is what has at least half.
    dice : ndarray of float64, shape (m,)
        Each rater's Dice with the consensus of the round before, which is their weight.
    kept : ndarray of bool, shape (m,)
        Who has not been discarded.
    rounds : int
    """

    share: Rates
    dice: Rates
    kept: NDArray[np.bool_]
    rounds: int


def simple(
    patterns: Rates,
    counts: Rates,
    *,
    least: float = LEAST,
    step: float = STEP,
    most_rounds: int = MOST_ROUNDS,
) -> Simple:
    """Fuse masks by SIMPLE.

    The start is the majority vote. In each round a rater's weight becomes their Dice with the consensus; who has less than the
    share ``least`` of the best one's is discarded for good; the weighted vote is the next consensus. ``least`` rises by
    ``step`` with each round, and the rounds end when the consensus stays. The paper leaves that schedule to the
    application: these are the numbers of the implementation in the BraTS Toolkit (doi:10.3389/fnins.2020.00125).

    Parameters
    ----------
    patterns : ndarray, shape (rows, m)
        Votes 0 and 1.
    counts : ndarray, shape (rows,)
        Voxels with each.
    least, step : float
        As above.
    most_rounds : int
        Rounds at most.
    """
    kept = np.ones(patterns.shape[1], bool)
    share = patterns.mean(axis=1)
    dice = np.zeros(len(kept))
    rounds, stays = 0, False
    while rounds < most_rounds and not stays:
        marked = share >= 0.5
        dice = _dice_with(marked, patterns, counts)
        if not dice[kept].any():  # nothing is marked, or none of it
            break
        kept &= dice >= (least + rounds * step) * dice[kept].max()
        share = patterns[:, kept] @ dice[kept] / dice[kept].sum()
        stays = np.array_equal(marked, share >= 0.5)
        rounds += 1
    return Simple(share, dice, kept, rounds)


def _dice_with(marked: NDArray[np.bool_], patterns: Rates, counts: Rates) -> Rates:
    """Return each rater's Dice with a mask of patterns; 0 for a rater who marks nothing."""
    both = patterns[marked].T @ counts[marked]
    whole = patterns.T @ counts + counts[marked].sum()
    dice: Rates = np.divide(2 * both, whole, out=np.zeros(len(both)), where=whole > 0)
    return dice
