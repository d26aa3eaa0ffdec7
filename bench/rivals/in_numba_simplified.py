"""A rival in Numba, on all cores: simplified-soft-STAPLE, one pass over the voxels an iteration."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from rivals import MAX_ITER, Answer, Array, Sums, Votes, first_sums, iterate, mean_prior
from rivals.in_numba import PARTS, TILE, bounds, compiled, flat, on_all_cores, vote_products

careful = njit(
    cache=True, fastmath={"contract", "arcp", "nsz"}, nogil=True, error_model="numpy"
)  # q x + (1 - q) y stays as written


@careful
def multiply_likelihoods(vote, at_one, at_zero, likelihood, product):
    """Write a rater's likelihoods of a tile, eq. (10), and multiply them into the product."""
    for j in range(len(vote)):
        q = float(vote[j])
        likelihood[j] = q * at_one + (1 - q) * at_zero
    for j in range(len(vote)):
        product[j] *= likelihood[j]


@compiled
def weigh_votes(vote, w, u):
    """Return Σ w q and Σ u (1 - q) of a tile."""
    s1 = s0 = 0.0
    for j in range(len(vote)):
        s1 += w[j] * vote[j]
        s0 += u[j] * (1 - float(vote[j]))
    return s1, s0


@compiled
def weigh_shares(vote, w, u, a1, a0):
    """Return Σ w q / a1 and Σ u (1 - q) / a0 of a tile, with one division for both."""
    s1 = s0 = 0.0
    for j in range(len(vote)):
        q, inverse = float(vote[j]), 1 / (a1[j] * a0[j])
        s1 += w[j] * q * a0[j] * inverse
        s0 += u[j] * (1 - q) * a1[j] * inverse
    return s1, s0


@compiled
def normalise(one, zero, out):
    """Turn the products into w and u, write w, and return Σ w and Σ u of a tile."""
    truth = rest = 0.0
    for j in range(len(out)):
        scale = 1 / (one[j] + zero[j])
        one[j] *= scale
        zero[j] *= scale
        truth += one[j]
        rest += zero[j]
    for j in range(len(out)):
        out[j] = one[j]
    return truth, rest


@on_all_cores
def one_pass(votes, prior, theta1, theta0, em, out):
    """Return Σ w v_i and Σ u (1 - v_i), then Σ w and Σ u, and write w: one pass over the votes.

    In doubles: single precision has no digits for a specificity of 1 - 1e-7, and EM then never settles.
    """
    m, n = len(votes), len(votes[0])
    sums = np.zeros((PARTS, 2, m + 1))
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        one, zero = np.empty(TILE), np.empty(TILE)
        a1, a0 = np.empty((m, TILE)), np.empty((m, TILE))
        for a in range(begin, end, TILE):
            b = min(a + TILE, end)
            one[:], zero[:] = prior, 1 - prior
            for i in range(m):
                multiply_likelihoods(votes[i][a:b], theta1[i], 1 - theta1[i], a1[i], one)
                multiply_likelihoods(votes[i][a:b], 1 - theta0[i], theta0[i], a0[i], zero)
            truth, rest = normalise(one, zero, out[a:b])
            sums[part, 0, m] += truth
            sums[part, 1, m] += rest
            for i in range(m):
                if em:
                    s1, s0 = weigh_shares(votes[i][a:b], one, zero, a1[i], a0[i])
                else:
                    s1, s0 = weigh_votes(votes[i][a:b], one, zero)
                sums[part, 0, i] += s1 * theta1[i] if em else s1
                sums[part, 1, i] += s0 * theta0[i] if em else s0
    return sums.sum(axis=0)


def simplified(
    votes: Votes, m_step: str, max_iter: int = MAX_ITER, out: NDArray[np.float32] | None = None
) -> Answer:
    """Run simplified-soft-STAPLE in one pass over the votes for each iteration."""
    rows, n, m = flat(votes), votes[0].size, len(votes)
    products, ones = vote_products(rows)
    prior = mean_prior(ones, n)
    volume = np.empty(votes[0].shape, np.float32) if out is None else out

    def expect(theta1: Array, theta0: Array) -> Sums:
        one, zero = one_pass(rows, prior, theta1, theta0, m_step == "em", volume.reshape(-1))
        return Sums(one[:m], one[m], zero[:m], zero[m])

    theta1, theta0, n_iter = iterate(first_sums(products, ones, n), expect, max_iter)
    expect(theta1, theta0)
    return Answer(theta1, theta0, volume, n_iter)
