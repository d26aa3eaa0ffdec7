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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceBorder", "border_staple", "half_maximum", "with_evidence"]

Array = NDArray[np.float64]
LEVELS = -15 + 0.75 * np.arange(41)
SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16
LEAST_SHARPNESS, MOST_OF_MEDIAN = 0.02, 2.0
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


def logistic(x: Array) -> Array:
    """Return s(x)."""
    return np.asarray(1 / (1 + np.exp(-x)))


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
    counts : ndarray, shape (n,), optional
    heights : (sum of h, number of voxels with h) of each row, optional
        For the anchor at half maximum.
    """
    m, n = q.shape
    counts = np.ones(n) if counts is None else np.asarray(counts, np.float64)
    present = ~np.isnan(q)
    marks = np.where(present, q, 0.0)
    empty = np.where(present, 1 - q, 0.0)
    delta, log_kappa = np.zeros(m), np.zeros(m)
    fixed = m <= 4
    gamma, lost = (np.zeros(m), np.zeros(m)) if fixed else (np.full(m, 0.001), np.full(m, 0.05))
    pi = np.full(len(LEVELS), 1 / len(LEVELS))
    total = present @ counts
    w = None
    converged = False
    iterations = 0
    while iterations < max_iter and not converged:
        r = responsibilities(marks, empty, pi, delta, np.exp(log_kappa), gamma, lost)
        pi = smoothed((counts @ r) / counts.sum())
        y1, y0 = (marks * counts) @ r, (empty * counts) @ r
        f = logistic(np.exp(log_kappa)[:, None] * (LEVELS - delta[:, None]))
        p = gamma[:, None] + (1 - lost - gamma)[:, None] * f
        not_p = lost[:, None] + (1 - lost - gamma)[:, None] * (1 - f)
        c1 = y1 * (1 - lost - gamma)[:, None] * f / p
        c0 = y0 * (1 - lost - gamma)[:, None] * (1 - f) / not_p
        if not fixed:
            gamma = ((y1 * gamma[:, None] / p).sum(axis=1) + 2) / (total + 100)
            lost = ((y0 * lost[:, None] / not_p).sum(axis=1) + 2) / (total + 100)
        for i in range(m):
            log_kappa[i], delta[i] = newton(c1[i], c0[i], log_kappa[i], delta[i])
        kappa = np.maximum(np.exp(log_kappa), LEAST_SHARPNESS)
        log_kappa = np.log(np.minimum(kappa, MOST_OF_MEDIAN * np.median(kappa)))
        iterations += 1
        r = responsibilities(marks, empty, pi, delta, np.exp(log_kappa), gamma, lost)
        scale, offset, sharpness = scaled(delta, np.exp(log_kappa))
        before, w = w, r @ logistic(scale * LEVELS - anchor_of_votes(offset, sharpness))
        converged = before is not None and bool(np.abs(w - before).max() <= tol)
    levels = scale * LEVELS
    anchor = anchor_of_votes(offset, sharpness)
    if heights is not None:
        found = half_maximum(levels, r, *heights)
        anchor = anchor if found is None else found
    tau = logistic(levels - anchor)
    f = logistic(sharpness[:, None] * (levels - offset[:, None]))
    p = gamma[:, None] + (1 - lost - gamma)[:, None] * f
    sensitivity = (p * tau * pi).sum(axis=1) / (tau * pi).sum()
    specificity = ((1 - p) * (1 - tau) * pi).sum(axis=1) / ((1 - tau) * pi).sum()
    return ReferenceBorder(
        r @ tau, levels, pi, r, offset, sharpness, gamma, 1 - lost, sensitivity, specificity, anchor,
        iterations, converged,
    )  # fmt: skip


def responsibilities(
    marks: Array, empty: Array, pi: Array, delta: Array, kappa: Array, gamma: Array, lost: Array
) -> Array:
    """Return r, shape (n, G)."""
    f = logistic(kappa[:, None] * (LEVELS - delta[:, None]))
    p = gamma[:, None] + (1 - lost - gamma)[:, None] * f
    not_p = lost[:, None] + (1 - lost - gamma)[:, None] * (1 - f)
    with np.errstate(divide="ignore"):
        log_r = np.log(pi) + marks.T @ np.log(p) + empty.T @ np.log(not_p)
    log_r -= log_r.max(axis=1, keepdims=True)
    r = np.exp(log_r)
    return np.asarray(r / r.sum(axis=1, keepdims=True))


def smoothed(pi: Array) -> Array:
    """Return p(level), its logarithm smoothed, edges repeated."""
    log_pi = np.convolve(np.pad(np.log(pi + 1e-9), 2, mode="edge"), SMOOTHING, mode="valid")
    return np.asarray(np.exp(log_pi) / np.exp(log_pi).sum())


def newton(c1: Array, c0: Array, log_kappa: float, delta: float) -> tuple[float, float]:
    """Return sharpness, as a logarithm, and offset after two Newton steps with the expected Hessian."""
    for _ in range(2):
        kappa = np.exp(log_kappa)
        x = kappa * (LEVELS - delta)
        f = logistic(x)
        error, information = c1 * (1 - f) - c0 * f, (c1 + c0) * f * (1 - f)
        gradient = np.array([
            (error * x).sum() - log_kappa / SD_LOG_SHARPNESS**2, -kappa * error.sum() - delta / SD_OFFSET**2,
        ])  # fmt: skip
        across = -kappa * (information * x).sum()
        hessian = np.array([
            [(information * x * x).sum() + 1 / SD_LOG_SHARPNESS**2, across],
            [across, kappa**2 * information.sum() + 1 / SD_OFFSET**2],
        ])  # fmt: skip
        step = np.linalg.solve(hessian, gradient)
        log_kappa += float(np.clip(step[0], -0.5, 0.5))
        delta += float(np.clip(step[1], -1, 1))
    return log_kappa, delta


def scaled(delta: Array, kappa: Array) -> tuple[float, Array, Array]:
    """Return the scale of the levels that gives a mean rater the sharpness 1, and offsets and sharpness with it."""
    scale = float((kappa**2).sum() / kappa.sum())
    return scale, scale * delta, kappa / scale


def anchor_of_votes(offset: Array, sharpness: Array) -> float:
    """Return the mean offset of the raters near the median, weighted by their sharpness."""
    omega = np.minimum(sharpness, 1.5)
    order = np.argsort(offset, kind="stable")
    median = offset[order][np.searchsorted(np.cumsum(omega[order]), omega.sum() / 2)]
    near = np.abs(offset - median) <= 4
    return float((omega * offset)[near].sum() / omega[near].sum())


def half_maximum(levels: Array, r: Array, sum_of_h: Array, voxels: Array) -> float | None:
    """Return the level where the intensity is half way between surroundings and core; None without intensities."""
    held = r.T @ voxels
    if not held.max() > 0:
        return None
    h = np.maximum.accumulate((r.T @ sum_of_h) / np.maximum(held, 1e-300))
    above = np.flatnonzero(h >= 0.5)
    if not len(above) or above[0] == 0:
        return None
    g = above[0]
    return float(np.interp(0.5, [h[g - 1], h[g]], [levels[g - 1], levels[g]]))


def with_evidence(fit: ReferenceBorder, row: NDArray[np.intp], h: Array, rounds: int = 3) -> Array:
    """Return w of voxels, given their rows and intensities too; nan in `h`: by votes alone."""
    known = ~np.isnan(h)
    of_votes = fit.responsibility[row[known]]
    r = of_votes
    tau = logistic(fit.levels - fit.anchor)
    w = fit.probability[row].copy()
    if not known.any():
        return w
    for _ in range(rounds):
        held = r.sum(axis=0)
        mean = nine_points((r.T @ h[known]) / held)
        square = (r * (h[known][:, None] - mean) ** 2).sum(axis=0) / held
        variance = np.maximum(nine_points(square), 0.01) + 0.01
        log_r = np.log(of_votes) - 0.5 * (h[known][:, None] - mean) ** 2 / variance - 0.5 * np.log(variance)
        r = np.exp(log_r - log_r.max(axis=1, keepdims=True))
        r /= r.sum(axis=1, keepdims=True)
    w[known] = r @ tau
    return w


def nine_points(values: Array) -> Array:
    """Return means of nine levels, edges repeated."""
    return np.asarray(np.convolve(np.pad(values, 4, mode="edge"), np.full(9, 1 / 9), mode="valid"))
