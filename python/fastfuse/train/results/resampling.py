"""Interval of a mean over cases and seeds, by a bootstrap that draws both.

A network's chance (first weights, batches) is shared by all cases that it predicts, and a case's difficulty by all
networks that predict it. So cases and seeds are drawn independently, whole rows and whole columns of the table
seeds × cases: the pigeonhole bootstrap (Owen, Annals of Applied Statistics 1, 2007, doi:10.1214/07-AOAS122).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...evaluation.components import needed_scipy

RESAMPLES = 10_000
LEVEL = 0.95

Table = NDArray[np.float64]
Counts = NDArray[np.int64]


def two_way_interval(values: Table, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % interval of the mean over seeds and cases.

    Each resample draws n of n cases, the same ones for all seeds, and, of m > 1 seeds, m - 1 with replacement, so that
    the means over few seeds spread by their unbiased variance (Rao, Wu, JASA 83, 1988). One seed stays as it is: the
    interval then says nothing of another training. Its ends are quantiles further out than 2.5 and 97.5 %, as in
    :func:`fastfuse.evaluation.bootstrap.bootstrap_interval`, with the degrees of freedom of Satterthwaite.

    Share of intervals that hold the true mean, over 2,000 draws of values = case + seed + network + rest, each normal
    with the standard deviations given; one network for each of five folds and seed (bench/studies/intervals.py):

    =====  =====  =========================  =====
    cases  seeds  case, seed, network, rest  share
    =====  =====  =========================  =====
    15     1      1, 0, 0, 1                 0.947
    15     1      1, 0, 0.5, 0.5             0.900
    15     2      1, 0.5, 0, 0.5             0.922
    15     3      1, 0.3, 0, 0.5             0.954
    15     3      1, 0, 0.5, 0.5             0.967
    15     3      0.2, 1, 0, 0.2             0.833
    6      3      1, 0.3, 0, 0.5             0.952
    15     5      1, 0.5, 0.5, 0.5           0.949
    =====  =====  =========================  =====

    Where seeds differ much more than cases, three of them are too few for any resampling.

    Parameters
    ----------
    values : ndarray, shape (seeds, cases)
        nan where there is no value.
    resamples : int
    seed : int
        Of the draws; the same seed gives the same interval.

    Returns
    -------
    low, high : float
        nan if fewer than two cases have a value.
    """
    defined = ~np.isnan(values)
    values = values[:, defined.any(axis=0)][defined.any(axis=1)]
    seeds, cases = values.shape
    if cases < 2:
        return math.nan, math.nan
    of_cases, of_seeds = _drawn(cases, seeds, resamples, seed)
    held = ~np.isnan(values)
    sums = ((of_seeds @ np.where(held, values, 0)) * of_cases).sum(axis=1)
    counts = ((of_seeds @ held) * of_cases).sum(axis=1)
    means = sums[counts > 0] / counts[counts > 0]
    tail = _tail(values)
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


@lru_cache(maxsize=1)  # of many cases they are large
def _drawn(cases: int, seeds: int, resamples: int, seed: int) -> tuple[Counts, Counts]:
    """Return how often each resample holds each case, and each seed; a table's measures share the draws."""
    rng = np.random.default_rng(seed)
    of_cases = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples)
    if seeds == 1:
        return of_cases, np.ones((resamples, 1), np.int64)
    return of_cases, rng.multinomial(seeds - 1, np.full(seeds, 1 / seeds), size=resamples)


def _tail(values: Table) -> float:
    """Return the share of resamples to leave out at each end."""
    seeds, cases = values.shape
    special = needed_scipy().special
    t = special.stdtrit(_degrees_of_freedom(values), (1 - LEVEL) / 2)  # below 0
    short = (
        math.sqrt(cases / (cases - 1)) if seeds == 1 else 1.0
    )  # crossed draws spread too much, not too little
    return float(special.ndtr(t * short))


def _degrees_of_freedom(values: Table) -> float:
    """Return Satterthwaite's degrees of freedom of the mean, from the spread of cases and that of seeds."""
    parts = []
    for axis in (0, 1):
        means = np.nanmean(values, axis=axis)
        if len(means) > 1:
            parts.append((float(np.var(means, ddof=1)) / len(means), len(means) - 1))
    total = sum(variance for variance, _ in parts)
    if not total:
        return float(values.shape[1] - 1)
    return total**2 / sum(variance**2 / freedom for variance, freedom in parts)
