"""What the rivals of fastfuse share: an answer, and the EM loop on sums.

Symbols as in ``fastfuse.reference``: q votes (m, n), w = p(truth 1 | votes), u = 1 - w.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Votes = tuple[NDArray[Any], ...]
TOLERANCE, EPSILON, MAX_ITER = 1e-7, 1e-12, 1000


@dataclass
class Answer:
    """What a rival finds, under the names of :class:`fastfuse.Fusion`."""

    sensitivity: Array
    specificity: Array
    probability: NDArray[Any]
    n_iter: int


class Sums(NamedTuple):
    """What an E-step gives to the M-step."""

    hit: Array  # Σ w v, of each rater
    truth: float  # Σ w
    rejection: Array  # Σ u (1 - v), of each rater
    rest: float  # Σ u


def iterate(
    first: Sums, expect: Callable[[Array, Array], Sums], max_iter: int = MAX_ITER
) -> tuple[Array, Array, int]:
    """Return sensitivity, specificity and the number of M-steps, by the stopping rule of fastfuse."""
    sums, before = first, np.full((2, len(first.hit)), np.inf)
    for k in range(1, max_iter + 1):
        rates = np.array([sums.hit / sums.truth, sums.rejection / sums.rest]).clip(EPSILON, 1 - EPSILON)
        if k == max_iter or np.abs(rates - before).max() <= TOLERANCE:
            break
        sums, before = expect(*rates), rates
    return rates[0], rates[1], k


def first_sums(products: Array, ones: Array, n: int) -> Sums:
    """Return the sums where w is the mean vote, from Σ q_i q_j (m, m) and Σ q_i (m,)."""
    hit, truth = products.mean(axis=1), float(ones.mean())
    return Sums(hit, truth, n - truth - ones + hit, n - truth)


def mean_prior(ones: Array, n: int) -> float:
    """Return the mean vote."""
    return float(np.clip(ones.mean() / n, EPSILON, 1 - EPSILON))


# --- EM on the 2^m binary patterns -----------------------------------------------------------------------------


def all_patterns(m: int) -> Array:
    """Return the binary patterns (m, 2^m); rater i is bit i of the pattern's number."""
    return ((np.arange(1 << m) >> np.arange(m)[:, None]) & 1).astype(np.float64)


def posterior(bits: Array, prior: float, theta1: Array, theta0: Array) -> Array:
    """Return p(truth 1) of every binary pattern."""
    at_one, at_zero = np.log(theta1 / (1 - theta0)), np.log((1 - theta1) / theta0)
    odds = np.log(prior / (1 - prior)) + at_zero.sum() + (at_one - at_zero) @ bits
    return 1 / (1 + np.exp(-odds))


def binary_sums(bits: Array, mass: Array, w: Array) -> Sums:
    """Return the sums of EM's M-step, each pattern weighted by its mass."""
    one, zero = mass * w, mass * (1 - w)
    rest = float(zero.sum())
    return Sums(bits @ one, float(one.sum()), rest - bits @ zero, rest)


def moment_sums(mass: Array, moments: Array, w: Array) -> Sums:
    """Return the sums of the paper's M-step, from N(B) and M_i(B) = Σ q_i q(B)."""
    rest = float(mass @ (1 - w))
    return Sums(moments @ w, float(mass @ w), rest - moments @ (1 - w), rest)


def iterate_on_masses(
    mass: Array, moments: Array | None, squares: Array, n: int
) -> tuple[Array, Array, int, Array]:
    """Run EM, or with moments the paper's M-step, on N(B), M_i(B) and Σ q_i²; also return p(1 | B)."""
    bits = all_patterns(len(squares))
    products, ones = (bits * mass) @ bits.T, bits @ mass
    np.fill_diagonal(products, squares)
    prior = mean_prior(ones, n)

    def expect(theta1: Array, theta0: Array) -> Sums:
        w = posterior(bits, prior, theta1, theta0)
        return binary_sums(bits, mass, w) if moments is None else moment_sums(mass, moments, w)

    theta1, theta0, n_iter = iterate(first_sums(products, ones, n), expect)
    return theta1, theta0, n_iter, posterior(bits, prior, theta1, theta0)


# --- the masses, by halves of the raters -----------------------------------------------------------------------


def shares_of(q: NDArray[Any]) -> NDArray[Any]:
    """Return q(B) (2^m, n) of every column of q (m, n)."""
    share = np.empty((1 << len(q), q.shape[1]), q.dtype)
    share[0] = 1
    for i, vote in enumerate(q):
        np.multiply(share[: 1 << i], vote, out=share[1 << i : 2 << i])
        share[: 1 << i] *= 1 - vote
    return share


def halves_of(q: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the shares of the lower half of the raters, and of the upper: a pattern's is a product of two."""
    half = len(q) // 2
    return shares_of(q[:half]), shares_of(q[half:])


def masses_of(low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """Return N(B) (high, low), the sum of the products: one product of matrices."""
    return high @ low.T


def moments_of(q: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """Return M_i(B) (m, high, low)."""
    m, half, n = len(q), len(q) // 2, q.shape[1]
    of_low = (q[:half, None] * low).reshape(-1, n)
    of_high = (q[half:, None] * high).reshape(-1, n)
    return np.concatenate(
        [
            (high @ of_low.T).reshape(len(high), half, len(low)).swapaxes(0, 1),
            (of_high @ low.T).reshape(m - half, len(high), len(low)),
        ]
    )


def mixture_of(table: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """Return Σ q(B) table(B) of every column."""
    return np.einsum("ij,ij->j", table @ low, high)


# --- EM on distinct patterns -----------------------------------------------------------------------------------


def fuse_patterns(rows: Array, count: Array, method: str, m_step: str) -> tuple[Array, Array, int, Array]:
    """Fuse distinct patterns (m, U) with their counts; also return p(truth 1) of each."""
    if method == "simplified":
        return simplified_patterns(rows, count, m_step)
    if method == "binary":
        return binary_patterns(rows, count)
    low, high = halves_of(rows)
    weighted = high * count
    mass, squares = masses_of(low, weighted), (rows**2) @ count
    moments = None if m_step == "em" else moments_of(rows, low, weighted).reshape(len(rows), -1)
    theta1, theta0, n_iter, w = iterate_on_masses(mass.reshape(-1), moments, squares, int(count.sum()))
    return theta1, theta0, n_iter, mixture_of(w.reshape(mass.shape), low, high)


def binary_patterns(rows: Array, count: Array) -> tuple[Array, Array, int, Array]:
    """Run STAPLE on distinct binary patterns."""
    n, ones = int(count.sum()), rows @ count
    prior = mean_prior(ones, n)
    theta1, theta0, n_iter = iterate(
        first_sums((rows * count) @ rows.T, ones, n),
        lambda theta1, theta0: binary_sums(rows, count, posterior(rows, prior, theta1, theta0)),
    )
    return theta1, theta0, n_iter, posterior(rows, prior, theta1, theta0)


def simplified_patterns(rows: Array, count: Array, m_step: str) -> tuple[Array, Array, int, Array]:
    """Run simplified-soft-STAPLE on distinct patterns."""
    n, ones = int(count.sum()), rows @ count
    prior = mean_prior(ones, n)

    def step(theta1: Array, theta0: Array) -> tuple[Array, Array, Array]:
        a1 = rows * theta1[:, None] + (1 - rows) * (1 - theta1)[:, None]
        a0 = rows * (1 - theta0)[:, None] + (1 - rows) * theta0[:, None]
        one, zero = prior * a1.prod(axis=0), (1 - prior) * a0.prod(axis=0)
        return one / (one + zero), a1, a0

    def expect(theta1: Array, theta0: Array) -> Sums:
        w, a1, a0 = step(theta1, theta0)
        one, zero = count * w, count * (1 - w)
        v1, r0 = rows, 1 - rows
        if m_step == "em":
            v1, r0 = rows * theta1[:, None] / a1, (1 - rows) * theta0[:, None] / a0
        return Sums(v1 @ one, float(one.sum()), r0 @ zero, float(zero.sum()))

    theta1, theta0, n_iter = iterate(first_sums((rows * count) @ rows.T, ones, n), expect)
    return theta1, theta0, n_iter, step(theta1, theta0)[0]
