"""border-STAPLE in plain NumPy: raters who draw nested contours.

All raters see one latent level of each voxel, how deep inside the lesion it lies. Each has an offset, a sharpness,
false marks and finds. Rows are voxels, or distinct votes with the number of voxels that have them.

===========  ====================================================================
q (m, n)     vote: probability that rater i calls the row foreground; nan: missing
n_b (n,)     voxels of a row
u (G,)       level
pi (G,)      p(level g)
r (n, G)     p(level g | votes of the row)
delta (m,)   offset: the level of rater i's border
kappa (m,)   sharpness
gamma (m,)   p(mark | far outside): false marks
zeta (m,)    p(mark | deep inside): finds
c            anchor: the level of the consensus' border
h (n,)       intensity between a lesion's surroundings, 0, and its core, 1; nan: unknown
===========  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceBorder", "border_staple", "half_maximum", "with_evidence"]

Array = NDArray[np.float64]
LEVELS: Array = -15 + 0.75 * np.arange(41, dtype=np.float64)
SMOOTHING: Array = np.array([1, 4, 6, 4, 1], np.float64) / 16
LEAST = 3  # raters
FEW = 4  # raters with whom false marks and finds are fixed at 0 and 1
LEAST_SHARPNESS, MOST_OF_MEDIAN = 0.02, 2.0
TINY = 1e-300
ROUNDING = 1e-9  # of a sum of weights
SD_LOG_SHARPNESS, SD_OFFSET = 0.5, 3.0


@dataclass
class ReferenceBorder:
    """Result of the reference."""

    probability: Array  # w (n,)
    levels: Array  # u, scaled (G,)
    weights: Array  # pi (G,)
    responsibility: Array  # r (n, G)
    offset: Array
    sharpness: Array
    false_marks: Array
    finds: Array
    sensitivity: Array
    specificity: Array
    anchor: float
    n_iter: int
    converged: bool

    def of_all(self, original: NDArray[np.intp]) -> ReferenceBorder:
        """Return the result with entries of those who vote as another rater does."""
        names = ("offset", "sharpness", "false_marks", "finds", "sensitivity", "specificity")
        return replace(self, **{name: getattr(self, name)[original] for name in names})


def logistic(x: Array) -> Array:
    """Return s(x)."""
    return np.exp(log_logistic(x))


def log_logistic(x: Array) -> Array:
    """Return ln s(x), finite for every x."""
    return np.asarray(np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))))


@dataclass
class Curves:
    """What raters do at each level, shape (m, G)."""

    inside: Array  # F
    outside: Array  # 1 - F, not a difference: near 1 no digit of it would be left
    mark: Array  # p
    no_mark: Array  # 1 - p
    log_mark: Array
    log_no_mark: Array

    @classmethod
    def of(cls, delta: Array, kappa: Array, gamma: Array, lost: Array) -> Curves:
        """Return the curves of these offsets and sharpnesses; ``lost`` is 1 - zeta."""
        x = kappa[:, None] * (LEVELS - delta[:, None])
        f, g = logistic(x), logistic(-x)
        p = gamma[:, None] + (1 - lost - gamma)[:, None] * f
        not_p = lost[:, None] + (1 - lost - gamma)[:, None] * g
        if not gamma.any():  # p is F itself, of which a logarithm stays finite where F does not
            return cls(f, g, p, not_p, log_logistic(x), log_logistic(-x))
        return cls(f, g, p, not_p, np.log(p), np.log(not_p))

    def shares(self, gamma: Array, lost: Array) -> tuple[Array, Array]:
        """Return p(not a false mark | mark), and p(not a lost one | no mark)."""
        if not gamma.any():
            return np.ones_like(self.mark), np.ones_like(self.mark)
        span = (1 - lost - gamma)[:, None]
        return span * self.inside / self.mark, span * self.outside / self.no_mark


def border_staple(
    q: Array,
    counts: Array | None = None,
    *,
    heights: tuple[Array, Array] | None = None,
    max_iter: int = 120,
    tol: float = 1e-4,
) -> ReferenceBorder:
    """Fit border-STAPLE.

    Parameters
    ----------
    q : ndarray, shape (m, n)
        Each rater votes somewhere.
    counts : ndarray, shape (n,), optional
    heights : (sum of h, number of voxels with h) of each row, optional
        For the anchor at half maximum.
    """
    kept, original = distinct(q)
    if len(kept) < len(q):
        fit = border_staple(q[kept], counts, heights=heights, max_iter=max_iter, tol=tol)
        return fit.of_all(original)
    m, n = q.shape
    weights = np.ones(n) if counts is None else np.asarray(counts, np.float64)
    present = ~np.isnan(q)
    marks, empty = np.where(present, q, 0.0), np.where(present, 1 - q, 0.0)
    delta, kappa = np.zeros(m), np.ones(m)
    fixed = m <= FEW
    gamma, lost = (np.zeros(m), np.zeros(m)) if fixed else (np.full(m, 0.001), np.full(m, 0.05))
    pi = np.full(len(LEVELS), 1 / len(LEVELS))
    w, moved = np.zeros(n), np.inf
    r = responsibilities(marks, empty, pi, Curves.of(delta, kappa, gamma, lost))
    iterations = 0
    while iterations < max_iter and moved > tol:
        pi = smoothed(weights @ r / weights.sum())
        y1, y0 = (marks * weights) @ r, (empty * weights) @ r
        curves = Curves.of(delta, kappa, gamma, lost)
        true_mark, true_empty = curves.shares(gamma, lost)
        if not fixed:
            total = present @ weights
            gamma = ((y1 * gamma[:, None] / curves.mark).sum(axis=1) + 2) / (total + 100)
            lost = ((y0 * lost[:, None] / curves.no_mark).sum(axis=1) + 2) / (total + 100)
        for i in range(m):
            kappa[i], delta[i] = newton(y1[i] * true_mark[i], y0[i] * true_empty[i], kappa[i], delta[i])
        kappa = np.maximum(kappa, LEAST_SHARPNESS)
        kappa = np.minimum(kappa, MOST_OF_MEDIAN * np.median(kappa))
        iterations += 1
        r = responsibilities(marks, empty, pi, Curves.of(delta, kappa, gamma, lost))
        scale, offset, sharpness = scaled(delta, kappa)
        before, w = w, r @ logistic(scale * LEVELS - anchor_of_votes(offset, sharpness))
        moved = np.inf if iterations == 1 else float(np.abs(w - before).max())
    return result(r, pi, (delta, kappa, gamma, lost), heights, iterations, converged=moved <= tol)


def result(
    r: Array,
    pi: Array,
    parameters: tuple[Array, Array, Array, Array],
    heights: tuple[Array, Array] | None,
    iterations: int,
    *,
    converged: bool,
) -> ReferenceBorder:
    """Return the consensus, and what it says of the raters."""
    delta, kappa, gamma, lost = parameters
    scale, offset, sharpness = scaled(delta, kappa)
    levels = scale * LEVELS
    found = None if heights is None else half_maximum(levels, r, *heights)
    anchor = anchor_of_votes(offset, sharpness) if found is None else found
    tau, rest = logistic(levels - anchor), logistic(anchor - levels)
    curves = Curves.of(delta, kappa, gamma, lost)
    sensitivity = curves.mark @ (tau * pi) / (tau @ pi)
    specificity = curves.no_mark @ (rest * pi) / (rest @ pi)
    return ReferenceBorder(
        r @ tau, levels, pi, r, offset, sharpness, gamma, 1 - lost, sensitivity, specificity, anchor,
        iterations, converged,
    )  # fmt: skip


def distinct(q: Array) -> tuple[list[int], NDArray[np.intp]]:
    """Return the raters whose votes are nobody else's, or the first of those who vote alike; and each one's place there.

    All of them where fewer than three would be left.
    """
    kept: list[int] = []
    original = []
    for i, votes in enumerate(q):
        alike = [k for k, j in enumerate(kept) if np.array_equal(votes, q[j], equal_nan=True)]
        original.append(alike[0] if alike else len(kept))
        kept += [] if alike else [i]
    if len(kept) < LEAST:
        kept = list(range(len(q)))
        return kept, np.array(kept)
    return kept, np.array(original)


def responsibilities(marks: Array, empty: Array, pi: Array, curves: Curves) -> Array:
    """Return r, shape (n, G)."""
    return normalised(np.log(pi) + marks.T @ curves.log_mark + empty.T @ curves.log_no_mark)


def normalised(log_r: Array) -> Array:
    """Return exp of each row, over its sum."""
    r = np.exp(log_r - log_r.max(axis=1, keepdims=True))
    return np.asarray(r / r.sum(axis=1, keepdims=True))


def smoothed(pi: Array) -> Array:
    """Return p(level), its logarithm smoothed, edges repeated."""
    log_pi = np.convolve(np.pad(np.log(pi + 1e-9), 2, mode="edge"), SMOOTHING, mode="valid")
    return np.asarray(np.exp(log_pi) / np.exp(log_pi).sum())


def newton(c1: Array, c0: Array, kappa: float, delta: float) -> tuple[float, float]:
    """Return sharpness and offset after two Newton steps with the expected Hessian."""
    for _ in range(2):
        log_kappa = np.log(kappa)
        x = kappa * (LEVELS - delta)
        f, g = logistic(x), logistic(-x)
        error, information = c1 * g - c0 * f, (c1 + c0) * f * g
        gradient = np.array([
            (error * x).sum() - log_kappa / SD_LOG_SHARPNESS**2, -kappa * error.sum() - delta / SD_OFFSET**2,
        ])  # fmt: skip
        across = -kappa * (information * x).sum()
        hessian = np.array([
            [(information * x * x).sum() + 1 / SD_LOG_SHARPNESS**2, across],
            [across, kappa**2 * information.sum() + 1 / SD_OFFSET**2],
        ])  # fmt: skip
        step = np.linalg.solve(hessian, gradient)
        kappa *= float(np.exp(np.clip(step[0], -0.5, 0.5)))
        delta += float(np.clip(step[1], -1, 1))
    return kappa, delta


def scaled(delta: Array, kappa: Array) -> tuple[float, Array, Array]:
    """Return the scale of the levels that gives a mean rater the sharpness 1, and offsets and sharpness with it."""
    scale = float((kappa**2).sum() / kappa.sum())
    return scale, scale * delta, kappa / scale


def anchor_of_votes(offset: Array, sharpness: Array) -> float:
    """Return the mean offset of the raters near the median, weighted by their sharpness."""
    omega = np.minimum(sharpness, 1.5)
    order = np.argsort(offset, kind="stable")
    median = offset[order][np.searchsorted(np.cumsum(omega[order]), omega.sum() / 2 * (1 - ROUNDING))]
    near = np.abs(offset - median) <= 4
    return float((omega * offset)[near].sum() / omega[near].sum())


def half_maximum(levels: Array, r: Array, sum_of_h: Array, voxels: Array) -> float | None:
    """Return the level where the intensity is half way between surroundings and core; None without intensities."""
    held = r.T @ voxels
    if not held.max() > 0:
        return None
    h = np.maximum.accumulate((r.T @ sum_of_h) / np.maximum(held, TINY))
    above = np.flatnonzero(h >= 0.5)
    if not len(above) or above[0] == 0:
        return None
    g = above[0]
    return float(np.interp(0.5, [h[g - 1], h[g]], [levels[g - 1], levels[g]]))


def with_evidence(fit: ReferenceBorder, row: NDArray[np.intp], h: Array, rounds: int = 3) -> Array:
    """Return w of voxels, given their rows and intensities too; nan in `h`: by votes alone."""
    known = ~np.isnan(h)
    w = fit.probability[row].copy()
    if not known.any():
        return w
    of_votes = r = fit.responsibility[row[known]]
    for _ in range(rounds):
        held = np.maximum(r.sum(axis=0), TINY)
        mean = nine_points((r.T @ h[known]) / held)
        square = (r * (h[known][:, None] - mean) ** 2).sum(axis=0) / held
        variance = np.maximum(nine_points(square), 0.01) + 0.01
        log_density = -0.5 * (h[known][:, None] - mean) ** 2 / variance - 0.5 * np.log(variance)
        r = normalised(np.log(np.maximum(of_votes, TINY)) + log_density)
    w[known] = r @ logistic(fit.levels - fit.anchor)
    return w


def nine_points(values: Array) -> Array:
    """Return means of nine levels, edges repeated."""
    return np.asarray(np.convolve(np.pad(values, 4, mode="edge"), np.full(9, 1 / 9), mode="valid"))
