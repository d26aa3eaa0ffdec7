"""The method in plain NumPy, straight from its equations: the specification, and the oracle of the tests.

Every voxel is a row and every sum is written out; soft-STAPLE goes through all 2^m vote patterns of every
voxel. Nothing here is shared with the compiled code, and the package itself never imports this module.

Symbols, as in Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*,
MICCAI 2019:

===========  ====================================================================
q (m, n)     vote: probability that rater i calls voxel t foreground
theta1 (m,)  sensitivity p(vote 1 | truth 1)
theta0 (m,)  specificity p(vote 0 | truth 0)
pi           prior p(truth 1), a number or (n,)
w (n,)       p(truth 1 | votes)
v1, v0       vote as the M-step sees it where truth is 1, and where it is 0
===========  ====================================================================

Two misprints of the paper are mended: eq. (10)'s second line misses a bracket, and eq. (11) sums over i
outside the logarithm where (12) and (13) need the product inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rates = tuple[Array, Array]  # a probability of each rater and its complement: 1 - theta has digits of its own
EPSILON = 1e-12  # sensitivity and specificity stay inside [EPSILON, 1 - EPSILON]


@dataclass
class ReferenceFusion:
    """What the reference finds; see :class:`fastfuse.Fusion` for the fields."""

    probability: Array
    sensitivity: Array
    specificity: Array
    prior: float
    log_likelihood: Array
    n_iter: int
    converged: bool


@dataclass
class Expected:
    """One E-step: w, 1 - w, the log-likelihood, and v1, 1 - v1, v0, 1 - v0."""

    w: Array
    u: Array
    log_likelihood: float
    v1: Rates
    v0: Rates


def vote_likelihoods(q: Array, theta1: Rates, theta0: Rates) -> tuple[Array, Array]:
    """a_i1(q) and a_i0(q), eq. (10), each (m, n)."""
    sensitivity, miss_rate = (x[:, None] for x in theta1)
    specificity, false_alarm_rate = (x[:, None] for x in theta0)
    return q * sensitivity + (1 - q) * miss_rate, q * false_alarm_rate + (1 - q) * specificity


def posterior(q: Array, pi: Array, theta1: Rates, theta0: Rates) -> tuple[Array, Array, Array]:
    """w, 1 - w and log p(votes), each (n,): eq. (2) for binary votes, eqs. (12) and (13) for soft ones."""
    a1, a0 = vote_likelihoods(q, theta1, theta0)
    one = np.log(pi) + np.log(a1).sum(axis=0)
    zero = np.log1p(-pi) + np.log(a0).sum(axis=0)
    evidence = np.logaddexp(one, zero)
    return np.exp(one - evidence), np.exp(zero - evidence), evidence


def product_expectation(q: Array, pi: Array, theta1: Rates, theta0: Rates, m_step: str) -> Expected:
    """E-step of STAPLE, eq. (2), and of simplified-soft-STAPLE, eqs. (12) and (13)."""
    w, u, log_p = posterior(q, pi, theta1, theta0)
    v1 = v0 = (q, 1 - q)
    if m_step == "em":
        a1, a0 = vote_likelihoods(q, theta1, theta0)
        v1 = q * theta1[0][:, None] / a1, (1 - q) * theta1[1][:, None] / a1
        v0 = q * theta0[1][:, None] / a0, (1 - q) * theta0[0][:, None] / a0
    return Expected(w, u, float(log_p.sum()), v1, v0)


def soft_expectation(q: Array, pi: Array, theta1: Rates, theta0: Rates, m_step: str) -> Expected:
    """E-step of soft-STAPLE, eq. (9), by brute force over the 2^m binary patterns of every voxel."""
    m, n = q.shape
    w, u, log_likelihood = np.zeros(n), np.zeros(n), 0.0
    w_of, u_of = np.zeros((2, m, n)), np.zeros((2, m, n))  # the parts of w and u where b_i is 0, and 1
    for bits in product((0, 1), repeat=m):
        b = np.tile(np.array(bits, dtype=np.float64)[:, None], (1, n))
        mass = np.where(b == 1, q, 1 - q).prod(axis=0)  # q_t(B)
        w_b, u_b, log_p = posterior(b, pi, theta1, theta0)
        w += mass * w_b
        u += mass * u_b
        log_likelihood += float((mass * log_p).sum())
        for i, bit in enumerate(bits):
            w_of[bit, i] += mass * w_b
            u_of[bit, i] += mass * u_b
    if m_step == "paper":
        return Expected(w, u, log_likelihood, (q, 1 - q), (q, 1 - q))
    return Expected(w, u, log_likelihood, (w_of[1] / w, w_of[0] / w), (u_of[1] / u, u_of[0] / u))


def maximisation(step: Expected) -> tuple[Rates, Rates]:
    """M-step, eq. (5): sensitivity and specificity, each with its complement."""
    hit, miss = ((step.w * v).sum(axis=1) for v in step.v1)
    false_alarm, rejection = ((step.u * v).sum(axis=1) for v in step.v0)
    return share(hit, miss), share(rejection, false_alarm)


def share(part: Array, rest: Array) -> Rates:
    """``part / (part + rest)`` and its complement, kept away from 0 and 1."""
    whole = part + rest
    return np.clip(part / whole, EPSILON, 1 - EPSILON), np.clip(rest / whole, EPSILON, 1 - EPSILON)


def fuse(
    raters: ArrayLike,
    *,
    method: str = "soft-staple",
    m_step: str = "paper",
    prior: str | float | Array = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
) -> ReferenceFusion:
    """Fuse ``raters`` (m, ...) by ``method``; options as in :func:`fastfuse.soft_staple`."""
    votes = np.asarray(raters, dtype=np.float64)
    inside = np.ones(votes.shape[1:], bool) if mask is None else np.asarray(mask).astype(bool)
    q = votes[:, inside]
    expectation = soft_expectation if method == "soft-staple" else product_expectation

    mean_vote = np.clip(q.mean(), EPSILON, 1 - EPSILON)
    pi = np.asarray(mean_vote if isinstance(prior, str) else prior, dtype=np.float64)
    if pi.ndim:
        pi = pi[inside]
    start = np.full(len(q), 0.5 if isinstance(init, str) else init)
    theta1 = theta0 = (start, 1 - start)
    if isinstance(init, str):  # M-step first, from the mean vote
        step = Expected(q.mean(axis=0), (1 - q).mean(axis=0), 0.0, (q, 1 - q), (q, 1 - q))
    else:
        step = expectation(q, pi, theta1, theta0, m_step)

    log_likelihood: list[float] = []
    converged = False
    while not converged and len(log_likelihood) < max_iter:
        before1, before0 = theta1, theta0
        theta1, theta0 = maximisation(step)
        if isinstance(prior, str) and prior == "estimate":
            pi = np.asarray(np.clip(step.w.mean(), EPSILON, 1 - EPSILON))
        step = expectation(q, pi, theta1, theta0, m_step)
        log_likelihood.append(step.log_likelihood)
        moved = max(np.abs(theta1[0] - before1[0]).max(), np.abs(theta0[0] - before0[0]).max())
        compares = len(log_likelihood) > 1 or not isinstance(init, str)
        converged = bool(compares and moved <= tol)

    probability = np.zeros(inside.shape)
    probability[inside] = step.w
    return ReferenceFusion(
        probability,
        theta1[0],
        theta0[0],
        float(pi.mean()),
        np.array(log_likelihood),
        len(log_likelihood),
        converged,
    )


# --- conditional dilation ------------------------------------------------------------------------------------


@dataclass
class ReferenceSoftMask:
    """What the reference finds; see :class:`fastfuse.SoftMask` for the fields."""

    values: Array
    threshold: list[float]  # of each lesion, or of all together
    image_threshold: list[float]
    size: float


def conditional_dilation(
    mask: ArrayLike,
    image: ArrayLike,
    *,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: str | float = "adaptive",
    scope: str = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: tuple[float, float, float] = (1, 1, 1),
    normalize: bool = True,
    roi: ArrayLike | None = None,
) -> ReferenceSoftMask:
    """Grow a mask (x, y, z) into bright voxels; options as in :func:`fastfuse.conditional_dilation`."""
    marked = np.asarray(mask) > 0
    intensity = np.asarray(image, dtype=np.float64)
    inside = np.ones(marked.shape, bool) if roi is None else np.asarray(roi) > 0
    low, high = 0.0, 1.0
    if normalize and threshold == "adaptive":
        low, high = np.percentile(intensity[inside & np.isfinite(intensity)], [0.1, 99.9])
        intensity = (
            np.clip((intensity - low) / (high - low), 0, 1) if high > low else np.zeros_like(intensity)
        )
    owner, candidates = candidates_of(marked, iterations, radius_mm, spacing_mm, pooled=scope == "volume")
    soft = marked.astype(np.float64)
    cuts = []
    for lesion in range(1, owner.max(initial=0) + 1):
        own, near = marked & (owner == lesion), candidates & (owner == lesion) & inside
        cut, ring = find_ring(own, near, intensity, size, threshold, connected)
        soft[ring] = label
        cuts.append(cut)
    reached = np.count_nonzero(soft) / marked.sum() if marked.any() else np.nan
    return ReferenceSoftMask(soft, cuts, [low + cut * (high - low) for cut in cuts], reached)


def candidates_of(
    marked: Mask, iterations: int, radius_mm: float | None, spacing_mm: tuple[float, ...], *, pooled: bool
) -> tuple[NDArray[np.int64], Mask]:
    """Lesion numbers (x, y, z) of the mask and of the voxels that a dilation adds, and where those are."""
    from scipy import ndimage

    if pooled:
        lesion = marked.astype(np.int64)
    else:
        lesion = ndimage.label(marked, np.ones((3, 3, 3)))[0].astype(np.int64)
    nearest = np.full(marked.shape, np.inf)
    owner = lesion.copy()
    for number in range(1, lesion.max(initial=0) + 1):  # of two as near the lower number stays
        if radius_mm is None:
            away = ndimage.distance_transform_cdt(lesion != number, "taxicab").astype(np.float64)
            away[away > iterations] = np.inf
        else:
            away = np.array([squared_mm(p, lesion == number, spacing_mm) for p in np.ndindex(marked.shape)])
            away[away > (radius_mm * (1 + 1e-6)) ** 2] = np.inf
            away = away.reshape(marked.shape)
        nearer = ~marked & (away < nearest * (1 - 1e-9))  # not by rounding alone
        owner[nearer], nearest[nearer] = number, away[nearer]
    return owner, ~marked & np.isfinite(nearest)


def squared_mm(place: tuple[int, ...], lesion: Mask, spacing_mm: tuple[float, ...]) -> float:
    """Squared distance in mm from a voxel to a lesion; the smallest terms are added first."""
    terms = np.sort(((np.argwhere(lesion) - place) * np.array(spacing_mm, dtype=np.float64)) ** 2, axis=1)
    return float((terms[:, 0] + terms[:, 1] + terms[:, 2]).min())


def find_ring(
    own: Mask, candidates: Mask, intensity: Array, size: float, threshold: str | float, connected: bool
) -> tuple[float, Mask]:
    """Return the cut that was used and the ring."""
    if threshold == "exact":
        return ranked_ring(own, candidates, intensity, size, connected)
    if not isinstance(threshold, str):
        return threshold, ring_above(threshold, own, candidates, intensity, connected)
    cut = 0.99
    for _ in range(100):
        ring = ring_above(cut, own, candidates, intensity, connected)
        if (own.sum() + ring.sum()) / own.sum() >= size:
            return cut, ring
        last, cut = cut, cut - 0.01
    return last, ring


def ring_above(cut: float, own: Mask, candidates: Mask, intensity: Array, connected: bool) -> Mask:
    """Candidates above the cut; if connected, those whose 6-connected component touches the mask."""
    from scipy import ndimage

    ring = candidates & (intensity > cut)
    if not connected:
        return ring
    return np.asarray(ndimage.binary_propagation(own, mask=own | ring) & ring)


def ranked_ring(
    own: Mask, candidates: Mask, intensity: Array, size: float, connected: bool
) -> tuple[float, Mask]:
    """Take the brightest candidates one by one, of equals the first; if connected, as they touch what is there."""
    from scipy import ndimage

    wanted = np.ceil(np.round((size - 1) * own.sum(), 9))
    ring = np.zeros(own.shape, bool)
    while ring.sum() < wanted:
        open_to_all = candidates & ~ring
        if connected:
            open_to_all &= ndimage.binary_dilation(own | ring)
        if not open_to_all.any():
            break
        at = np.flatnonzero(open_to_all)
        ring.flat[at[np.argmax(intensity.flat[at])]] = True
    return (float(intensity[ring].min()) if ring.any() else np.nan), ring
