"""STAPLE with three latent classes in plain NumPy: background, border, foreground.

Dawid and Skene with three truths and two votes. Rows are voxels, or distinct votes with their number of voxels.

===========  ====================================================================
q (m, n)     vote: probability that rater i calls the row foreground; nan: missing
r (n, 3)     p(class | votes of the row)
p (m, 3)     p(mark of rater i | class)
===========  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceClasses", "three_classes"]

Array = NDArray[np.float64]
FOREGROUND = np.array([0.0, 0.5, 1.0])
FIRST_MARKS: Array = np.array([0.02, 0.485, 0.95])
FIRST_MASSES: Array = np.array([0.8, 0.33, 0.33])
ADDED = 0.5  # to every count


@dataclass
class ReferenceClasses:
    """Result of the reference."""

    probability: Array  # w (n,)
    marks: Array  # p (m, 3)
    shares: Array  # (3,)
    sensitivity: Array
    specificity: Array
    n_iter: int
    converged: bool


def three_classes(
    q: Array, counts: Array | None = None, *, max_iter: int = 1000, tol: float = 1e-7
) -> ReferenceClasses:
    """Fit three classes."""
    m, n = q.shape
    weights = np.ones(n) if counts is None else np.asarray(counts, np.float64)
    present = ~np.isnan(q)
    yes, no = np.where(present, q, 0.0), np.where(present, 1 - q, 0.0)
    p = np.tile(FIRST_MARKS, (m, 1))
    not_p = 1 - p
    shares: Array = FIRST_MASSES / FIRST_MASSES.sum()
    moved, iterations = np.inf, 0
    r = posterior(yes, no, p, not_p, shares)
    while iterations < max_iter and moved > tol:
        held = weights @ r + ADDED
        shares = held / held.sum()
        marks, empty = (yes * weights) @ r + ADDED, (no * weights) @ r + ADDED
        before, p = p, marks / (marks + empty)
        not_p = empty / (marks + empty)
        moved = float(np.abs(p - before).max())
        iterations += 1
        r = posterior(yes, no, p, not_p, shares)
    inside, outside = shares * FOREGROUND, shares * (1 - FOREGROUND)
    return ReferenceClasses(
        r @ FOREGROUND, p, shares, p @ inside / inside.sum(), not_p @ outside / outside.sum(), iterations, moved <= tol
    )  # fmt: skip


def posterior(yes: Array, no: Array, p: Array, not_p: Array, shares: Array) -> Array:
    """Return r."""
    log_r = np.log(shares) + yes.T @ np.log(p) + no.T @ np.log(not_p)
    r = np.exp(log_r - log_r.max(axis=1, keepdims=True))
    return np.asarray(r / r.sum(axis=1, keepdims=True))
