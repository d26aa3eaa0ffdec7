"""Samples of cases, drawn with replacement, for a bootstrap.

Cases are what is independent: voxels of one case share the case's errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .rows import MISSING, Values, summed


@dataclass(frozen=True, eq=False)
class OverCases:
    """The patterns of cases with the same raters, and their counts; -1 is a missing vote.

    Called with the patterns of their sum, it yields the counts of samples.
    """

    patterns: Sequence[Values]
    counts: Sequence[Values]
    replicates: int
    seed: int

    def __call__(self, patterns: Values) -> Iterator[Values]:
        """Yield the counts of these patterns in each sample."""
        rows = np.where(np.isnan(patterns), MISSING, patterns) + 0.0
        known = {pattern.tobytes(): place for place, pattern in enumerate(rows)}
        own = np.concatenate([np.asarray(one, np.float64) for one in self.patterns]) + 0.0
        if own.shape[1] != rows.shape[1]:  # without the raters who vote nowhere
            own = np.ascontiguousarray(own[:, (own != MISSING).any(axis=0)])
        row = np.array([known.get(pattern.tobytes(), -1) for pattern in own])
        case = np.repeat(np.arange(len(self.counts)), [len(one) for one in self.counts])
        count = np.concatenate(list(self.counts))
        kept = row >= 0  # voxels on which nobody votes may have no row
        for weights in draws(len(self.counts), self.replicates, self.seed):
            yield summed(row[kept], count[kept] * weights[case[kept]], len(rows))


def draws(cases: int, replicates: int, seed: int) -> Iterator[Values]:
    """Yield how often each case is drawn, for each sample."""
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        yield rng.multinomial(cases, np.full(cases, 1 / cases)).astype(np.float64)
