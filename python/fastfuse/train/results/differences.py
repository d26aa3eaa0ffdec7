"""Differences of each row to STAPLE, paired: the same case, the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .entries import BASELINE, Entry
from .measures import FAMILIES, SHOWN, Key, mean_of_some
from .resampling import two_way_interval
from .significance import holm, signed_rank

ROUNDED = 9  # decimals of a difference, so that equal ones are tied, and rounding is none


@dataclass(frozen=True)
class Difference:
    """A row's mean difference to STAPLE in one measure, in percent or mm.

    Attributes
    ----------
    title : str
        The row's.
    experts, measure : bool, str
    mean, low, high : float
        Mean over pairs, and its 95 % interval by :func:`fastfuse.train.results.resampling.two_way_interval`.
    p, p_holm : float
        Of Wilcoxon's signed-rank test over cases, whose differences are means over the seeds; corrected by Holm for all
        rows and measures of the family.
    family : str
    cases, seeds : int
        In how many cases, and over how many seeds, both rows have a value.
    by_case : ndarray, shape (cases of the run,)
        Differences, means over the seeds; nan where there is none.
    """

    title: str
    experts: bool
    measure: str
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    family: str
    cases: int
    seeds: int
    by_case: NDArray[np.float64]


def differences_of(entries: Sequence[Entry]) -> list[Difference]:
    """Return the differences of each row to STAPLE with its usual target; none without it or without another row."""
    baseline = next((entry for entry in entries if entry.title == BASELINE), None)
    if baseline is None:
        return []
    others = [entry for entry in entries if entry is not baseline]
    found = []
    for family, keys in FAMILIES.items():
        members = [_difference(entry, baseline, key, family) for entry in others for key in keys]
        corrected = holm([one.p for one in members])
        found += [replace(one, p_holm=p) for one, p in zip(members, corrected, strict=True)]
    return found


def _difference(entry: Entry, baseline: Entry, key: Key, family: str) -> Difference:
    experts, measure = key
    seeds = [seed for seed in entry.by_seed if seed in baseline.by_seed]
    pairs = np.full((0, len(baseline.cases)), np.nan)
    if seeds:
        pairs = SHOWN[measure].scale * (entry.values(key, seeds) - baseline.values(key, seeds))
        pairs = pairs.round(ROUNDED) + 0.0  # + 0: no -0
    defined = ~np.isnan(pairs)
    by_case = mean_of_some(pairs, axis=0).round(ROUNDED)
    mean = round(float(mean_of_some(pairs)), ROUNDED)
    low, high = two_way_interval(pairs)
    return Difference(
        entry.title,
        experts,
        measure,
        mean,
        round(low, ROUNDED),
        round(high, ROUNDED),
        signed_rank(by_case),
        float("nan"),
        family,
        int(defined.any(axis=0).sum()),
        int(defined.any(axis=1).sum()),
        by_case,
    )
