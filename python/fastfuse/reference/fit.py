"""The fit test in plain NumPy: each pattern of marks by itself, all 2^m of them.

A model is a mixture: latent classes or levels l with shares s_l, in which rater i marks with probability p_il, independently of
the others. It expects N Σ_l s_l Π_i p_il^b_i (1 - p_il)^(1 - b_i) voxels with the pattern b.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .border import ReferenceBorder
from .classes import ReferenceClasses
from .fusion import ReferenceFusion

__all__ = ["expected_marks", "log_likelihood_of_marks", "mixture_of", "observed_marks"]

Array = NDArray[np.float64]
Mixture = tuple[Array, Array]  # s (L,), p (m, L)


def mixture_of(fit: ReferenceFusion | ReferenceClasses | ReferenceBorder) -> Mixture:
    """Return the shares of the classes, and the probabilities of a mark in them."""
    if isinstance(fit, ReferenceClasses):
        return fit.shares, fit.marks
    if isinstance(fit, ReferenceBorder):
        inside = 1 / (1 + np.exp(-fit.sharpness[:, None] * (fit.levels - fit.offset[:, None])))
        span = fit.finds - fit.false_marks
        return fit.weights, fit.false_marks[:, None] + span[:, None] * inside
    shares = np.array([1 - fit.prior, fit.prior])
    return shares, np.stack([1 - fit.specificity, fit.sensitivity], axis=1)


def probability(b: Sequence[float] | Array, mixture: Mixture) -> float:
    """Return p(b); a missing vote is nan, and says nothing."""
    shares, p = mixture
    votes = np.asarray(b)
    there = ~np.isnan(votes)
    chance = np.where(votes[there, None] == 1, p[there], 1 - p[there])
    return float((shares * chance.prod(axis=0)).sum())


def marks_of(q: Array, counts: Array) -> list[tuple[Array, float]]:
    """Return patterns of marks with their voxels, of votes q (m, n): each vote is a mark with that probability."""
    found = []
    for votes, count in zip(q.T, counts, strict=True):
        open_ones = np.flatnonzero((votes > 0) & (votes < 1))
        for marks in product((0.0, 1.0), repeat=len(open_ones)):
            b, share = votes.copy(), float(count)
            for i, mark in zip(open_ones, marks, strict=True):
                b[i] = mark
                share *= votes[i] if mark else 1 - votes[i]
            found.append((b, share))
    return found


def observed_marks(q: Array, counts: Array) -> Array:
    """Return the voxels with 0 to m marks."""
    found = np.zeros(len(q) + 1)
    for b, share in marks_of(q, counts):
        found[int(np.nansum(b))] += share
    return found


def expected_marks(q: Array, counts: Array, mixture: Mixture) -> Array:
    """Return the voxels with 0 to m marks that a model expects where these raters vote."""
    m = len(q)
    found = np.zeros(m + 1)
    for votes, count in zip(q.T, counts, strict=True):
        there = ~np.isnan(votes)
        for marks in product((0.0, 1.0), repeat=int(there.sum())):
            b = np.full(m, np.nan)
            b[there] = marks
            found[int(sum(marks))] += count * probability(b, mixture)
    return found


def log_likelihood_of_marks(q: Array, counts: Array, mixture: Mixture) -> float:
    """Return ln p of all marks."""
    return float(sum(share * np.log(probability(b, mixture)) for b, share in marks_of(q, counts)))
