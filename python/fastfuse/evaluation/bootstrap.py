"""Confidence interval of a mean over cases, by the bootstrap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.checks import check_count, check_number
from .components import needed_scipy

AT_ONCE = 1_000_000  # values drawn at once: 8 MB


def bootstrap_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 10000, seed: int = 0
) -> tuple[float, float]:
    """Return a confidence interval of the mean over cases, by the expanded percentile bootstrap.

    The percentile interval of n cases is too narrow: resamples spread by (n - 1) / n of the cases' own variance, and
    the normal distribution has lighter tails than Student's t with n - 1 degrees of freedom. The expanded one takes
    quantiles further out, at Φ(-t √(n / (n - 1))) in place of (1 - level) / 2, where t is the quantile of Student's t.

    Share of intervals that hold the true mean where 95 % are asked for, over 20,000 draws of n cases (10,000 of 30),
    and that of the plain percentile interval:

    ====================================  =====  =====  ======  ======
    cases                                 n = 2  n = 6  n = 15  n = 30
    ====================================  =====  =====  ======  ======
    normal scores, expanded               0.503  0.935  0.950   0.944
    normal scores, plain percentile       0.503  0.861  0.923   0.932
    skewed, exponential, expanded         0.464  0.888  0.918   0.931
    skewed, exponential, plain            0.464  0.810  0.886   0.918
    skewed, beta (8, 2), expanded         0.493  0.923  0.943   0.948
    skewed, beta (8, 2), plain            0.493  0.846  0.913   0.934
    ====================================  =====  =====  ======  ======

    Two cases give the range of the two: no bootstrap says more. With skewed scores and few cases, no interval made of
    resamples reaches what it says.

    Parameters
    ----------
    values : array_like of float, shape (cases,)
        One measure per case. nan (undefined) is left out; infinite values may make an end of the interval infinite.
    level : float
        Confidence, in (0, 1).
    resamples : int
        Number of resamples. Each draws all cases with replacement.
    seed : int
        Seed of the generator; the same seed gives the same interval.

    Returns
    -------
    low, high : float
        The interval's ends; nan if fewer than two values are defined.

    Raises
    ------
    ValueError, TypeError
        If the values have more than one axis, or an option is out of range.
    FastfuseError
        If scipy is not installed.

    References
    ----------
    .. [1] Hesterberg T. C.: What Teachers Should Know About the Bootstrap: Resampling in the Undergraduate Statistics
       Curriculum. The American Statistician 69, 371-386 (2015), section 3. doi:10.1080/00031305.2015.1089789
    .. [2] Efron B.: Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1-26 (1979).
       doi:10.1214/aos/1176344552
    """
    level = check_number(level, "level", "a number in (0, 1)", lambda x: 0 < x < 1)
    resamples = check_count(resamples, "resamples", least=1)
    rng = np.random.default_rng(check_count(seed, "seed", least=0))
    cases = np.asarray(values, dtype=np.float64)
    if cases.ndim != 1:
        raise ValueError(f"values has shape {cases.shape}: one number per case is needed")
    cases = cases[~np.isnan(cases)]
    if len(cases) < 2:
        return math.nan, math.nan
    tail = expanded_tail(len(cases), level)
    # Without interpolation, which would make nan of infinite means.
    low, high = np.quantile(_means(cases, resamples, rng), [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def expanded_tail(cases: int, level: float) -> float:
    """Return the share of resamples to leave out at each end (Hesterberg 2015, section 3)."""
    special = needed_scipy().special
    t = special.stdtrit(cases - 1, (1 - level) / 2)  # below 0
    return float(special.ndtr(t * math.sqrt(cases / (cases - 1))))


def _means(cases: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of the resamples, drawn in pieces that keep to little memory."""
    count = len(cases)
    piece = max(AT_ONCE // count, 1)
    sizes = [min(piece, resamples - start) for start in range(0, resamples, piece)]
    return np.concatenate([cases[rng.integers(count, size=(size, count))].mean(axis=1) for size in sizes])
