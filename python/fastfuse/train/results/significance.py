"""Wilcoxon's signed-rank test with its exact distribution, and Holm's correction for several tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-12  # of differences of percentages and millimetres
EXACT = 200  # pairs; above, the normal distribution is as good


def signed_rank(differences: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test that differences lie symmetrically about 0.

    nan and differences of 0, but for rounding, are left out, as Wilcoxon did; ties share their mean rank, and the distribution is exact
    given those ranks. nan without any difference to test, 1 if all are 0.

    References
    ----------
    .. [1] Wilcoxon F.: Individual comparisons by ranking methods. Biometrics Bulletin 1, 80-83 (1945).
       doi:10.2307/3001968
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan
    values = values[np.abs(values) > ROUNDING]
    if not values.size:
        return 1.0
    doubled = _doubled_ranks(np.abs(values))
    above, total = int(doubled[values > 0].sum()), int(doubled.sum())
    least = min(above, total - above)
    if len(values) > EXACT:
        spread = math.sqrt(float((doubled.astype(float) ** 2).sum())) / 2
        return min(1.0, math.erfc((total / 2 - least) / spread / math.sqrt(2)))
    return min(1.0, 2 * float(_chances(doubled)[: least + 1].sum()))


def _doubled_ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return twice the mean ranks, which are whole numbers."""
    _, place, count = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((2 * last - count + 1)[place], dtype=np.int64)


def _chances(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of each sum of the ranks above 0, if each sign is a toss of a coin."""
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1
    for rank in doubled:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: len(chances) - rank]
        chances = (chances + moved) / 2
    return chances


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p corrected for all tests of a family by Holm's step-down procedure; nan takes no part.

    References
    ----------
    .. [1] Holm S.: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6,
       65-70 (1979).
    """
    corrected = [math.nan] * len(p_values)
    order = sorted((at for at, p in enumerate(p_values) if not math.isnan(p)), key=lambda at: p_values[at])
    largest = 0.0
    for place, at in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[at]))
        corrected[at] = largest
    return corrected
