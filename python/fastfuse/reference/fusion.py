"""The method in plain NumPy, straight from its equations: the specification, and the oracle of the tests.

Every voxel is a row and every sum is written out. soft-STAPLE enumerates all 2^m vote patterns of every voxel.
No code is shared with the compiled core, and the package itself never imports this module.

Symbols, as in Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*,
MICCAI 2019:

===========  ====================================================================
q (m, n)     vote: probability that rater i calls voxel t foreground; nan: missing
theta1 (m,)  sensitivity p(vote 1 | truth 1)
theta0 (m,)  specificity p(vote 0 | truth 0)
pi           prior p(truth 1), a number or (n,)
w (n,)       p(truth 1 | votes)
v1, v0       vote in the M-step, given truth 1 and given truth 0
===========  ====================================================================

Two misprints of the paper are corrected: the second line of eq. (10) misses a bracket, and eq. (11) sums over i
outside the logarithm where (12) and (13) need the product inside.

Beyond the paper: missing votes, a region of interest, a random field by mean field, Beta priors of the rates,
log-linear vote likelihoods, the expectation by the characteristic function, and the observed information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dilation import conditional_dilation

__all__ = [
    "ReferenceFusion", "agreement", "characteristic", "conditional_dilation", "fuse", "information", "logit_interval",
    "monte_carlo", "standard_errors",
]  # fmt: skip

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Values = NDArray[Any]  # real; complex where a derivative is taken
# A rate of each rater and its complement, kept apart: 1 - theta of a stored theta near 1 has no digits left.
Rates = tuple[Values, Values]
BetaPriors = tuple[float, float] | tuple[tuple[float, float], tuple[float, float]]
MARKED = 0.1  # a vote above this is foreground, for the region of interest
EPSILON = 1e-12  # sensitivity and specificity stay inside [EPSILON, 1 - EPSILON]


@dataclass
class ReferenceFusion:
    """Result of the reference; see :class:`fastfuse.Fusion` for the fields."""

    probability: Array
    sensitivity: Array
    specificity: Array
    prior: float
    log_likelihood: Array
    n_iter: int
    converged: bool
    n_voxels: int  # number of voxels in the sums: free ones with at least one vote
    n_read: NDArray[np.int64]  # number of free voxels on which each rater votes


@dataclass
class Expected:
    """One E-step: w, 1 - w, the log-likelihood, and v1, 1 - v1, v0, 1 - v0."""

    w: Array
    u: Array
    log_likelihood: float
    v1: Rates
    v0: Rates


# --- E-step --------------------------------------------------------------------------------------------------


def vote_likelihoods(q: Array, theta1: Rates, theta0: Rates, likelihood: str = "mixture") -> Rates:
    """Return a_i1(q) and a_i0(q), each (m, n): eq. (10), or theta^q (1 - theta)^(1 - q); 1 for a missing vote."""
    sensitivity, false_negative_rate = (x[:, None] for x in theta1)
    specificity, false_positive_rate = (x[:, None] for x in theta0)
    missing = np.isnan(q)
    q = np.where(missing, 0.5, q)  # a placeholder
    if likelihood == "log_linear":
        a1 = sensitivity**q * false_negative_rate ** (1 - q)
        a0 = false_positive_rate**q * specificity ** (1 - q)
    else:
        a1 = q * sensitivity + (1 - q) * false_negative_rate
        a0 = q * false_positive_rate + (1 - q) * specificity
    return np.where(missing, 1, a1), np.where(missing, 1, a0)


def log_prior(pi: Array, field: Array | None) -> tuple[Array, Array]:
    """Return log pi and log(1 - pi); with a field, of the effective prior sigma(logit pi + field)."""
    if field is None:
        return np.log(pi), np.log1p(-pi)
    logit = np.log(pi) - np.log1p(-pi) + field
    return -np.logaddexp(0, -logit), -np.logaddexp(0, logit)


def posterior(
    q: Array,
    pi: Array,
    theta1: Rates,
    theta0: Rates,
    field: Array | None = None,
    likelihood: str = "mixture",
) -> tuple[Array, Array, Array]:
    """Return w, 1 - w and log p(votes), each (n,): eq. (2) for binary votes, eqs. (12) and (13) for soft ones."""
    a1, a0 = vote_likelihoods(q, theta1, theta0, likelihood)
    log_pi1, log_pi0 = log_prior(pi, field)
    one = log_pi1 + np.log(a1).sum(axis=0)
    zero = log_pi0 + np.log(a0).sum(axis=0)
    evidence = np.logaddexp(one, zero)
    return np.exp(one - evidence), np.exp(zero - evidence), evidence


def product_expectation(
    q: Array,
    pi: Array,
    theta1: Rates,
    theta0: Rates,
    m_step: str,
    field: Array | None = None,
    likelihood: str = "mixture",
) -> Expected:
    """E-step of STAPLE, eq. (2), and of simplified-soft-STAPLE, eqs. (12) and (13)."""
    w, u, log_p = posterior(q, pi, theta1, theta0, field, likelihood)
    v1 = v0 = (q, 1 - q)
    if m_step == "em" and likelihood == "mixture":  # with log-linear votes, v = q is the maximiser
        a1, a0 = vote_likelihoods(q, theta1, theta0)
        v1 = q * theta1[0][:, None] / a1, (1 - q) * theta1[1][:, None] / a1
        v0 = q * theta0[1][:, None] / a0, (1 - q) * theta0[0][:, None] / a0
    return Expected(w, u, float(log_p.sum()), v1, v0)


def soft_expectation(
    q: Array, pi: Array, theta1: Rates, theta0: Rates, m_step: str, field: Array | None = None
) -> Expected:
    """E-step of soft-STAPLE, eq. (9), by enumeration of the 2^m binary patterns of every voxel."""
    m, n = q.shape
    w, u, log_likelihood = np.zeros(n), np.zeros(n), 0.0
    w_of, u_of = (
        np.zeros((2, m, n)),
        np.zeros((2, m, n)),
    )  # the parts of w and u with b_i = 0 and with b_i = 1
    raters = np.arange(m)
    for bits in product((0, 1), repeat=m):
        b, mass = binary_pattern(q, bits)
        w_b, u_b, log_p = posterior(b, pi, theta1, theta0, field)
        w += mass * w_b
        u += mass * u_b
        log_likelihood += float((mass * log_p).sum())
        w_of[bits, raters] += mass * w_b
        u_of[bits, raters] += mass * u_b
    if m_step == "paper":
        return Expected(w, u, log_likelihood, (q, 1 - q), (q, 1 - q))
    v1, v0 = (w_of[1] / w, w_of[0] / w), (u_of[1] / u, u_of[0] / u)
    for v in (*v1, *v0):
        v[np.isnan(q)] = np.nan
    return Expected(w, u, log_likelihood, v1, v0)


def binary_pattern(q: Array, bits: tuple[int, ...]) -> tuple[Array, Array]:
    """Return B as votes (m, n) and its mass q_t(B), eq. (8); a missing vote has only the pattern with bit 0."""
    b = np.tile(np.array(bits, dtype=np.float64)[:, None], (1, q.shape[1]))
    factor = np.where(np.isnan(q), b == 0, np.where(b == 1, q, 1 - q))
    return np.where(np.isnan(q), np.nan, b), factor.prod(axis=0)


# --- M-step --------------------------------------------------------------------------------------------------


def maximisation(step: Expected, theta1: Rates, theta0: Rates, beta: Array) -> tuple[Rates, Rates]:
    """M-step, eq. (5), over the votes that are not missing: sensitivity and specificity with their complements."""
    true_positive, false_negative = (np.nansum(step.w * v, axis=1) for v in step.v1)
    false_positive, true_negative = (np.nansum(step.u * v, axis=1) for v in step.v0)
    sensitivity = share(true_positive, false_negative, beta[0], theta1)
    return sensitivity, share(true_negative, false_positive, beta[1], theta0)


def share(part: Array, rest: Array, beta: Array, before: Rates) -> Rates:
    """Return ``part / (part + rest)``, the mode under Beta(a, b), and its complement, kept away from 0 and 1.

    Where the sums are 0 / 0, the rate keeps its previous value.
    """
    part, rest = part + (beta[0] - 1), rest + (beta[1] - 1)
    whole = part + rest
    rate = np.divide(part, whole, out=before[0].copy(), where=whole > 0)
    complement = np.divide(rest, whole, out=before[1].copy(), where=whole > 0)
    return np.clip(rate, EPSILON, 1 - EPSILON), np.clip(complement, EPSILON, 1 - EPSILON)


def beta_priors(performance_prior: BetaPriors | None) -> Array:
    """Return ((a1, b1), (a0, b0)) of sensitivity and specificity; the default Beta(1, 1) has no effect."""
    given = (1.0, 1.0) if performance_prior is None else performance_prior
    return np.broadcast_to(np.asarray(given, dtype=np.float64), (2, 2))


# --- region of interest and neighbours -----------------------------------------------------------------------


@dataclass
class Region:
    """The voxels to fuse, those that EM estimates (free), and the known probability of the others (settled)."""

    inside: Mask
    free: Mask
    settled: Array


def region_of(votes: Array, inside: Mask, roi: str | float, spacing: Array) -> Region:
    """Return the region: all voxels inside, the disputed ones among them, or those near a foreground vote."""
    settled = np.zeros(inside.shape)
    if roi == "all":
        return Region(inside, inside, settled)
    if roi == "disputed":
        missing = np.isnan(votes)
        together = (~missing).sum(axis=0) >= min(len(votes), 2)  # with fewer votes there is no agreement
        none = (missing | (votes == 0)).all(axis=0) & together
        every = (missing | (votes == 1)).all(axis=0) & together
        settled[inside & every] = 1
        return Region(inside, inside & ~none & ~every, settled)
    marked = inside & (votes > MARKED).any(axis=0)
    near = within(float(roi), marked, spacing) if marked.any() else inside
    return Region(inside & near, inside & near, settled)


def within(margin: float, marked: Mask, spacing: Array) -> Mask:
    """Return the voxels whose centre lies within the margin of a foreground voxel's, up to rounding."""
    near = np.zeros(marked.shape, bool)
    centres = np.argwhere(marked) * spacing
    for place in np.ndindex(marked.shape):
        away = np.sqrt(((centres - place * spacing) ** 2).sum(axis=1)).min(initial=np.inf)
        near[place] = np.isfinite(away) and away <= margin * (1 + 1e-6)
    return near


@dataclass
class Lattice:
    """The random field: positions of the rows, and the strength of the coupling of face neighbours."""

    region: Region
    beta: float
    k: Array  # smallest spacing / spacing of each axis

    def field(self, w: Array) -> Array:
        """Return beta sum_s k_ts (2 w_s - 1) of each row, over its face neighbours s inside."""
        spin = 2 * self.region.settled - 1
        spin[self.region.free] = 2 * w - 1
        spin[~self.region.inside] = 0
        around = np.pad(spin, 1)
        pull = np.zeros_like(around)
        for axis, k in enumerate(self.k):
            pull += k * (np.roll(around, 1, axis) + np.roll(around, -1, axis))
        return np.asarray(self.beta * pull[(slice(1, -1),) * spin.ndim][self.region.free])

    def even(self) -> Mask:
        """Return the rows whose indices have an even sum, no two of which are neighbours."""
        return np.asarray(np.indices(self.region.free.shape).sum(axis=0) % 2 == 0)[self.region.free]


def sweep(e_step: Callable[[Array | None], Expected], w: Array, lattice: Lattice | None) -> Expected:
    """E-step with the mean field: first the even voxels from w, then the odd voxels from the new even ones."""
    if lattice is None:
        return e_step(None)
    half = np.where(lattice.even(), e_step(lattice.field(w)).w, w)
    return e_step(lattice.field(half))  # even voxels keep their field, which comes from odd ones


# --- EM ------------------------------------------------------------------------------------------------------


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
    roi: str | float = "all",
    spacing_mm: Sequence[float] | None = None,
    mrf: float = 0,
    performance_prior: BetaPriors | None = None,
    likelihood: str = "mixture",
) -> ReferenceFusion:
    """Fuse ``raters`` (m, ...) by ``method``; options as in :func:`fastfuse.soft_staple`."""
    votes = np.asarray(raters, dtype=np.float64)
    inside = np.ones(votes.shape[1:], bool) if mask is None else np.asarray(mask).astype(bool)
    spacing = np.ones(inside.ndim) if spacing_mm is None else np.asarray(spacing_mm, dtype=np.float64)
    region = region_of(votes, inside, roi, spacing)
    q = votes[:, region.free]
    n_read = (~np.isnan(q)).sum(axis=1)
    if not n_read.all():  # leave out raters without votes
        q = q[n_read > 0]
    read = ~np.isnan(q).all(axis=0)
    if not read.any():
        return nothing_to_find(region, prior, n_read)
    expectation = (
        soft_expectation if method == "soft-staple" else partial(product_expectation, likelihood=likelihood)
    )
    lattice = Lattice(region, mrf, spacing.min() / spacing) if mrf else None
    beta = beta_priors(performance_prior)

    voted = mean_vote(q)
    pi = np.asarray(mean_of_all(q, voted.w[read]) if isinstance(prior, str) else prior, dtype=np.float64)
    if pi.ndim:
        pi = pi[region.free]
    start = np.full(len(q), 0.5 if isinstance(init, str) else init)
    theta1 = theta0 = (start, 1 - start)

    def e_step(field: Array | None) -> Expected:
        return expectation(q, pi, theta1, theta0, m_step, field)

    # Start with an M-step from the mean vote, or with an E-step from given rates.
    step = voted if isinstance(init, str) else sweep(e_step, voted.w, lattice)

    log_likelihood: list[float] = []
    converged = False
    while not converged and len(log_likelihood) < max_iter:
        before1, before0 = theta1, theta0
        theta1, theta0 = maximisation(step, theta1, theta0, beta)
        if isinstance(prior, str) and prior == "estimate":
            pi = np.asarray(np.clip(step.w[read].mean(), EPSILON, 1 - EPSILON))
        step = sweep(e_step, step.w, lattice)
        log_likelihood.append(step.log_likelihood)
        moved = max(np.abs(theta1[0] - before1[0]).max(), np.abs(theta0[0] - before0[0]).max())
        compares = len(log_likelihood) > 1 or not isinstance(init, str)
        converged = bool(compares and moved <= tol)

    probability = region.settled.copy()
    probability[region.free] = step.w
    return ReferenceFusion(
        probability,
        of_all(theta1[0], n_read),
        of_all(theta0[0], n_read),
        float((pi[read] if pi.ndim else pi).mean()),
        np.array(log_likelihood),
        len(log_likelihood),
        converged,
        int(read.sum()),
        n_read,
    )


def mean_vote(q: Array) -> Expected:
    """Return the first E-step, before there are rates: w is the mean of a voxel's votes, 0.5 without any."""
    present = (~np.isnan(q)).sum(axis=0)
    w, u = (
        np.divide(np.nansum(x, axis=0), present, out=np.full(q.shape[1], 0.5), where=present > 0)
        for x in (q, 1 - q)
    )
    return Expected(w, u, 0.0, (q, 1 - q), (q, 1 - q))


def mean_of_all(q: Array, w: Array) -> float:
    """Return the mean of the mean votes w, which is the mean of all votes if none is missing."""
    return float(np.clip(w.mean() if np.isnan(q).any() else q.mean(), EPSILON, 1 - EPSILON))


def of_all(rate: Array, n_read: NDArray[np.int64]) -> Array:
    """Return the rates of all raters; nan for raters without votes."""
    every = np.full(len(n_read), np.nan)
    every[n_read > 0] = rate
    return every


def nothing_to_find(region: Region, prior: str | float | Array, n_read: NDArray[np.int64]) -> ReferenceFusion:
    """Return the result where no free voxel has a vote: rates are nan, and free voxels keep the prior."""
    given = np.full(region.free.shape, np.nan if isinstance(prior, str) else prior)
    probability = np.where(region.free, given, region.settled)
    rate = np.full(len(n_read), np.nan)
    number = float(given.flat[0]) if isinstance(prior, str) or np.ndim(prior) == 0 else np.nan
    return ReferenceFusion(probability, rate, rate.copy(), number, np.array([]), 0, True, 0, n_read)


# --- soft-STAPLE's expectation by the characteristic function ------------------------------------------------


def characteristic(q: Array, pi: ArrayLike, theta1: Rates, theta0: Rates) -> tuple[Array, Array]:
    """Return w = E[sigma(S)] and E[log p(B)] of each voxel, by the characteristic function of S = logit p(1 | B)."""
    found = [
        characteristic_of_voxel(q_t, pi_t, theta1, theta0)
        for q_t, pi_t in zip(q.T, np.broadcast_to(np.asarray(pi, dtype=np.float64), q.shape[1]), strict=True)
    ]
    w, log_p = np.array(found).reshape(-1, 2).T
    return w, log_p


def characteristic_of_voxel(
    q: Array, pi: float, theta1: Rates, theta0: Rates, epsilon: float = 1e-17
) -> tuple[float, float]:
    """Return E[sigma(S)] = 1/2 + int Im phi / sinh(pi omega) and E[log p(B)] by the midpoint rule; q is (m,)."""
    votes = ~np.isnan(q)
    q = q[votes]
    log1, log_not1, log0, log_not0 = (np.log(x[votes]) for x in (*theta1, *theta0))
    s_of_1, s_of_0 = log1 - log_not0, log_not1 - log0
    logit, digits = np.log(pi) - np.log1p(-pi), -np.log(epsilon)
    s_max = abs(logit) + np.maximum(np.abs(s_of_0), np.abs(s_of_1)).sum()
    h = 2 * np.pi / (s_max + digits)
    omega = (np.arange(np.ceil(digits / np.pi / h)) + 0.5) * h
    turn = 1j * omega[:, None]
    factors = (1 - q) * np.exp(turn * s_of_0) + q * np.exp(turn * s_of_1)
    phi = np.exp(1j * omega * logit) * factors.prod(axis=1)
    w = 0.5 + h * (phi.imag / np.sinh(np.pi * omega)).sum()
    ends = np.log(pi) + np.log1p(-pi) + (q * (log1 + log_not0) + (1 - q) * (log_not1 + log0)).sum()
    bend = h * ((1 - phi.real) / (omega * np.sinh(np.pi * omega))).sum()
    return float(np.clip(w, 0, 1)), float(ends / 2 + np.log(2) + bend)


def monte_carlo(
    q: Array, pi: ArrayLike, theta1: Rates, theta0: Rates, draws: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the mean of w over binary patterns drawn from each voxel's votes, and its standard error."""
    m, n = q.shape
    w, error = np.zeros(n), np.zeros(n)
    prior = np.broadcast_to(np.asarray(pi, dtype=np.float64), n)
    for t in range(n):
        b = (rng.random((m, draws)) < q[:, t, None]).astype(np.float64)
        b[np.isnan(q[:, t])] = np.nan
        w_b = posterior(b, prior[t], theta1, theta0)[0]
        w[t], error[t] = w_b.mean(), w_b.std(ddof=1) / np.sqrt(draws)
    return w, error


# --- observed information ------------------------------------------------------------------------------------


def information(
    raters: ArrayLike,
    *,
    method: str,
    sensitivity: Array,
    specificity: Array,
    prior: float | Array,
    estimate_prior: bool,
    mask: ArrayLike | None = None,
    likelihood: str = "mixture",
    performance_prior: BetaPriors | None = None,
) -> tuple[Array, Array]:
    """Return the observed information and the variability of (theta_11 .. theta_m1, theta_10 .. theta_m0[, pi]).

    The information is minus the Hessian of the log-likelihood (L_soft for soft-STAPLE), or of the log-posterior
    with Beta priors. Its gradient is E[d log p(votes, truth) | votes], by Fisher's identity. The Hessian is the
    complex-step derivative Im gradient(x + ih) / h, whose only error is rounding, even at rates near 0 and 1. The
    variability is the sum of the outer products of the voxels' gradients. Raters without votes have nan.
    """
    votes = np.asarray(raters, dtype=np.float64)
    inside = np.ones(votes.shape[1:], bool) if mask is None else np.asarray(mask).astype(bool)
    inside = inside & ~np.isnan(votes).all(axis=0)
    q = votes[:, inside]
    reads = ~np.isnan(q).all(axis=1)
    q, m = q[reads], int(reads.sum())
    pi = np.broadcast_to(np.asarray(prior, dtype=np.float64), inside.shape)[inside]
    rows, mass, voxel = weighted_rows(q, soft=method == "soft-staple")
    theta = np.concatenate([np.asarray(sensitivity)[reads], np.asarray(specificity)[reads]])

    def scores(shift: Values) -> Values:
        one, zero = theta + shift[:-1], 1 - theta - shift[:-1]
        theta1, theta0 = (one[:m], zero[:m]), (one[m:], zero[m:])
        prior = pi[voxel] + shift[-1], 1 - pi[voxel] - shift[-1]
        w, u = posterior_of(rows, prior, theta1, theta0, likelihood)
        slopes = w * log_slope(rows, theta1, likelihood), u * log_slope(1 - rows, theta0, likelihood)
        found: Values = mass * np.concatenate([*slopes, [w / prior[0] - u / prior[1]]])
        return found

    p = 2 * m + bool(estimate_prior)
    steps = 1e-30j * np.eye(2 * m + 1)[:p]
    found = -np.array([scores(step).sum(axis=1).imag[:p] / 1e-30 for step in steps])
    a, b = np.repeat(beta_priors(performance_prior) - 1, m, axis=0).T
    found[range(2 * m), range(2 * m)] += a / theta**2 + b / (1 - theta) ** 2
    of_voxels = np.zeros((pi.size, p))
    np.add.at(of_voxels, voxel, scores(np.zeros(2 * m + 1))[:p].T)
    known = np.concatenate([reads, reads, np.ones(p - 2 * m, bool)])
    curved, varied = np.full((2, known.size, known.size), np.nan)
    curved[np.ix_(known, known)] = (found + found.T) / 2
    varied[np.ix_(known, known)] = of_voxels.T @ of_voxels
    return curved, varied


def weighted_rows(q: Array, *, soft: bool) -> tuple[Array, Array, NDArray[np.intp]]:
    """Return rows of the log-likelihood, their weights and voxels: the votes, or (soft) all binary patterns."""
    n = q.shape[1]
    if not soft:
        return q, np.ones(n), np.arange(n)
    patterns = [binary_pattern(q, bits) for bits in product((0, 1), repeat=len(q))]
    b, mass = zip(*patterns, strict=True)
    return np.concatenate(b, axis=1), np.concatenate(mass), np.tile(np.arange(n), len(patterns))


def posterior_of(b: Array, pi: Rates, theta1: Rates, theta0: Rates, likelihood: str) -> Rates:
    """Return w and 1 - w of each row as :func:`posterior` does, also for complex rates."""
    a1, a0 = vote_likelihoods(b, theta1, theta0, likelihood)
    one = np.log(pi[0]) + np.log(a1).sum(axis=0)
    zero = np.log(pi[1]) + np.log(a0).sum(axis=0)
    top = np.maximum(one.real, zero.real)
    evidence = top + np.log(np.exp(one - top) + np.exp(zero - top))
    return np.exp(one - evidence), np.exp(zero - evidence)


def log_slope(q: Array, theta: Rates, likelihood: str) -> Values:
    """Return d log a_i(q) / d theta_i, (m, n), where q is the vote for the truth; 0 for a missing vote."""
    one, zero = (x[:, None] for x in theta)
    missing = np.isnan(q)
    q = np.where(missing, 0.5, q)
    if likelihood == "log_linear":
        return np.where(missing, 0, q / one - (1 - q) / zero)
    return np.where(missing, 0, (2 * q - 1) / (q * one + (1 - q) * zero))


def standard_errors(information: Array, variability: Array | None = None) -> Array:
    """Return the roots of the inverse's diagonal, or of the robust sandwich estimator's; nan where undefined."""
    known = ~np.isnan(np.diag(information))
    errors = np.full(len(known), np.nan)
    try:
        covariance = np.linalg.inv(information[np.ix_(known, known)])
    except np.linalg.LinAlgError:
        return errors
    if variability is not None:
        covariance = covariance @ variability[np.ix_(known, known)] @ covariance
    variance = np.diag(covariance)
    errors[known] = np.sqrt(np.where(variance >= 0, variance, np.nan))
    return errors


def logit_interval(theta: ArrayLike, se: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Return an interval of a rate that is symmetric in its logit: sigma(logit theta -+ z se / (theta (1 - theta)))."""
    rate = np.asarray(theta, dtype=np.float64)
    z = NormalDist().inv_cdf((1 + level) / 2)
    logit, reach = np.log(rate) - np.log1p(-rate), z * np.asarray(se) / (rate * (1 - rate))
    with np.errstate(invalid="ignore"):  # nan stays nan
        low, high = (np.exp(-np.logaddexp(0, -(logit + side * reach))) for side in (-1, 1))
    return low, high


def agreement(q: ArrayLike, w: ArrayLike) -> tuple[Array, Array, Array]:
    """Return PPV, NPV and soft Dice of each rater's votes (m, ...) against the consensus (...)."""
    votes = np.asarray(q, dtype=np.float64)
    votes = votes.reshape(len(votes), -1)
    consensus = np.where(np.isnan(votes), np.nan, np.asarray(w, dtype=np.float64).ravel())
    marked, unmarked, truth, both, neither = (
        np.nansum(x, axis=1)
        for x in (votes, 1 - votes, consensus, consensus * votes, (1 - consensus) * (1 - votes))
    )
    return ratio(both, marked), ratio(neither, unmarked), ratio(2 * both, truth + marked)


def ratio(part: Array, whole: Array) -> Array:
    """Return ``part / whole``; nan for 0 / 0."""
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0))
