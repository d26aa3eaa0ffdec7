"""How sure a mean over cases is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..inputs.checks import check_count, check_number


def bootstrap_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 10000, seed: int = 0
) -> tuple[float, float]:
    """Return a confidence interval of the mean over cases, by the percentile bootstrap.

    Parameters
    ----------
    values : array_like of float, shape (cases,)
        nan, a measure that is undefined for a case, is left out; an infinite distance makes the ends that it
        reaches infinite.
    level : float
        Confidence, in (0, 1).
    resamples : int
        How often as many cases as there are are drawn with replacement.
    seed : int
        Of the generator: the same numbers give the same interval.

    Returns
    -------
    low, high : float
        The means that leave out (1 - level) / 2 of all resamples at either end; nan if no value is defined.

    Raises
    ------
    ValueError, TypeError
        If the values have more than one axis, or an option is out of range.

    References
    ----------
    .. [1] Efron B.: Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1-26 (1979).
       doi:10.1214/aos/1176344552
    """
    level = check_number(level, "level", "a number in (0, 1)", lambda x: 0 < x < 1)
    resamples = check_count(resamples, "resamples", least=1)
    rng = np.random.default_rng(check_count(seed, "seed", least=0))
    cases = np.asarray(values, dtype=np.float64)
    if cases.ndim != 1:
        raise ValueError(f"values has shape {cases.shape}: one number per case is needed")
    cases = cases[~np.isnan(cases)]
    if not len(cases):
        return math.nan, math.nan
    means = [cases[rng.integers(len(cases), size=len(cases))].mean() for _ in range(resamples)]
    # No interpolation: there is none between infinite means.
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)
