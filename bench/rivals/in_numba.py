"""Rivals in Numba, on all cores: enumeration, and the 2^m masses gathered once.

The voxels are split into PARTS with sums of their own, and passed over in tiles of single precision that stay in
the first cache; sums over tiles are doubles. The inner loops run along a tile, so that they become vector code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from rivals import (
    Answer,
    Array,
    Sums,
    Votes,
    all_patterns,
    binary_sums,
    first_sums,
    iterate,
    iterate_on_masses,
    mean_prior,
    posterior,
)

PARTS, TILE, CODES = 64, 256, 4096
F32, ONE = np.float32, np.float32(1)
compiled = njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
on_all_cores = njit(parallel=True, cache=True, fastmath=True, nogil=True, error_model="numpy")


@compiled
def bounds(n: int, part: int) -> tuple[int, int]:
    """Return where a part begins and ends, in whole tiles."""
    tiles = (n + CODES - 1) // CODES
    return min(n, part * tiles // PARTS * CODES), min(n, (part + 1) * tiles // PARTS * CODES)


def flat(votes: Votes) -> Votes:
    """Return one row for each rater."""
    return tuple(vote.reshape(-1).view(np.uint8 if vote.itemsize == 1 else vote.dtype) for vote in votes)


def written(votes: Votes, out: NDArray[np.float32] | None, write: Any, *args: Any) -> NDArray[np.float32]:
    """Let ``write`` fill the volume, given or new."""
    out = np.empty(votes[0].shape, np.float32) if out is None else out
    write(*args, out.reshape(-1))
    return out


# --- all 2^m patterns of any votes -----------------------------------------------------------------------------


@compiled
def fill_shares(votes, first, last, a, b, share):
    """Write q(B) of the raters from first to last, (2^k, tile)."""
    for j in range(b - a):
        share[0, j] = ONE
    for i in range(first, last):
        vote, k = votes[i][a:b], 1 << (i - first)
        for row in range(k):
            low, high = share[row], share[k + row]
            for j in range(b - a):
                high[j] = low[j] * vote[j]
                low[j] -= high[j]


@compiled
def add_products(high, low, rows, columns, size, table):
    """Add the products of all rows of high and low, summed along the tile, four at once."""
    for r in range(rows):
        h = high[r]
        for c in range(0, columns, 4):
            l0, l1, l2, l3 = low[c], low[c + 1], low[c + 2], low[c + 3]
            s0 = s1 = s2 = s3 = F32(0)
            for j in range(size):
                s0 += h[j] * l0[j]
                s1 += h[j] * l1[j]
                s2 += h[j] * l2[j]
                s3 += h[j] * l3[j]
            table[r, c] += s0
            table[r, c + 1] += s1
            table[r, c + 2] += s2
            table[r, c + 3] += s3


@compiled
def weigh(share, weighted, vote, bit, rows, size):
    """Write q_i q(B) of the patterns where b_i is 0, and return how many there are."""
    k = 0
    for r in range(rows):
        if r >> bit & 1 == 0:
            for j in range(size):
                weighted[k, j] = share[r, j] * vote[j]
            k += 1
    return k


@on_all_cores
def gather(votes, with_moments):
    """Return N(B) (high, low), M_i(B) where b_i is 0, compactly, and Σ q_i²."""
    m, n = len(votes), len(votes[0])
    half = m - m // 2  # the low half is the larger one: its rows come in fours
    columns, rows = 1 << half, 1 << (m - half)
    mass = np.zeros((PARTS, rows, columns))
    low_moments = np.zeros((PARTS, half if with_moments else 0, rows, columns // 2))
    high_moments = np.zeros((PARTS, m - half if with_moments else 0, rows // 2, columns))
    squares = np.zeros((PARTS, m))
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        low, high = np.empty((columns, TILE), F32), np.empty((rows, TILE), F32)
        weighted = np.empty((columns, TILE), F32)
        for a in range(begin, end, TILE):
            b = min(a + TILE, end)
            fill_shares(votes, 0, half, a, b, low)
            fill_shares(votes, half, m, a, b, high)
            add_products(high, low, rows, columns, b - a, mass[part])
            for i in range(m):
                vote, square = votes[i][a:b], F32(0)
                for j in range(b - a):
                    square += vote[j] * vote[j]
                squares[part, i] += square
            if with_moments:
                for i in range(half):
                    k = weigh(low, weighted, votes[i][a:b], i, columns, b - a)
                    if k % 4:
                        weighted[k : k + 4 - k % 4] = 0
                    add_products(high, weighted, rows, k, b - a, low_moments[part, i])
                for i in range(m - half):
                    k = weigh(high, weighted, votes[half + i][a:b], i, rows, b - a)
                    add_products(weighted, low, k, columns, b - a, high_moments[part, i])
    return mass.sum(axis=0), low_moments.sum(axis=0), high_moments.sum(axis=0), squares.sum(axis=0)


@compiled
def mix_tile(votes, half, a, b, table, low, high, inner, w):
    """Write w = Σ q(B) p(1 | B) of a tile."""
    m, size = len(votes), b - a
    fill_shares(votes, 0, half, a, b, low)
    fill_shares(votes, half, m, a, b, high)
    w[:size] = F32(0)
    for r in range(1 << (m - half)):
        inner[:size] = F32(0)
        for c in range(0, 1 << half, 4):
            l0, l1, l2, l3 = low[c], low[c + 1], low[c + 2], low[c + 3]
            p0, p1, p2, p3 = table[r, c], table[r, c + 1], table[r, c + 2], table[r, c + 3]
            for j in range(size):
                inner[j] += (p0 * l0[j] + p1 * l1[j]) + (p2 * l2[j] + p3 * l3[j])
        h = high[r]
        for j in range(size):
            w[j] += h[j] * inner[j]


@on_all_cores
def mix(votes, table, out):
    """Write w of all voxels, from p(1 | B) (high, low)."""
    m, n = len(votes), len(votes[0])
    half = m - m // 2
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        low, high = np.empty((1 << half, TILE), F32), np.empty((1 << (m - half), TILE), F32)
        inner = np.empty(TILE, F32)
        for a in range(begin, end, TILE):
            b = min(a + TILE, end)
            mix_tile(votes, half, a, b, table, low, high, inner, out[a:b])


def unfold(mass: Array, low: Array, high: Array) -> Array:
    """Return M_i(B) (m, 2^m): where b_i is 1 it is N(B), less M_i where b_i is 0."""
    m = len(low) + len(high)
    bits, moments = all_patterns(m), np.empty((m, mass.size))
    for i in range(m):
        without = bits[i] == 0
        moments[i, without] = (low[i] if i < len(low) else high[i - len(low)]).reshape(-1)
        moments[i, ~without] = mass.reshape(-1)[~without] - moments[i, without]
    return moments


def masses(votes: Votes, m_step: str, out: NDArray[np.float32] | None = None) -> Answer:
    """Gather the 2^m masses once, run STAPLE on them, mix the probabilities in one more pass."""
    rows = flat(votes)
    mass, low, high, squares = gather(rows, m_step == "paper")
    moments = unfold(mass, low, high) if m_step == "paper" else None
    theta1, theta0, n_iter, w_of = iterate_on_masses(mass.reshape(-1), moments, squares, votes[0].size)
    table = w_of.astype(np.float32).reshape(mass.shape)
    return Answer(theta1, theta0, written(votes, out, mix, rows, table), n_iter)


# --- enumeration in every iteration ----------------------------------------------------------------------------


@on_all_cores
def enumerate_voxels(votes, w_of, em, out):
    """Go through the 2^m patterns of every voxel; return N(B), or Σ w and Σ w q_i, and write w."""
    m, n = len(votes), len(votes[0])
    size = 1 << m
    sums = np.zeros((PARTS, size if em else m + 1))
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        share, total = np.empty(size, F32), np.zeros(size if em else m + 1, F32)
        for a in range(begin, end, TILE):
            total[:] = 0
            for t in range(a, min(a + TILE, end)):
                share[0] = ONE
                for i in range(m):
                    q, k = votes[i][t], 1 << i
                    for row in range(k):
                        share[k + row] = share[row] * q
                        share[row] -= share[k + row]
                if em:
                    for row in range(size):
                        total[row] += share[row]
                else:
                    w = F32(0)
                    for row in range(size):
                        w += share[row] * w_of[row]
                    out[t] = w
                    total[m] += w
                    for i in range(m):
                        total[i] += w * votes[i][t]
            for row in range(len(total)):
                sums[part, row] += total[row]
    return sums.sum(axis=0)


@on_all_cores
def vote_products(votes):
    """Return Σ q_i q_j (m, m), and Σ q_i (m,)."""
    m, n = len(votes), len(votes[0])
    products, ones = np.zeros((PARTS, m, m)), np.zeros((PARTS, m))
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        for a in range(begin, end, TILE):
            b = min(a + TILE, end)
            for i in range(m):
                x, s = votes[i][a:b], F32(0)
                for j in range(b - a):
                    s += x[j]
                ones[part, i] += s
                for k in range(i + 1):
                    y, p = votes[k][a:b], F32(0)
                    for j in range(b - a):
                        p += x[j] * y[j]
                    products[part, i, k] += p
    whole = products.sum(axis=0)
    for i in range(m):
        whole[:i, i] = whole[i, :i]
    return whole, ones.sum(axis=0)


def enumeration(votes: Votes, m_step: str, out: NDArray[np.float32] | None = None) -> Answer:
    """Go through the 2^m patterns of every voxel in every iteration."""
    rows, n, m = flat(votes), votes[0].size, len(votes)
    bits, (products, ones) = all_patterns(m), vote_products(rows)
    prior = mean_prior(ones, n)
    volume = np.empty(votes[0].shape, np.float32) if out is None else out

    def expect(theta1: Array, theta0: Array, em: bool = m_step == "em") -> Sums:
        w_of = posterior(bits, prior, theta1, theta0)
        sums = enumerate_voxels(rows, w_of.astype(np.float32), em, volume.reshape(-1))
        if em:
            return binary_sums(bits, sums, w_of)
        hit, rest = sums[:m], n - sums[m]
        return Sums(hit, sums[m], rest - (ones - hit), rest)

    theta1, theta0, n_iter = iterate(first_sums(products, ones, n), expect)
    expect(theta1, theta0, em=False)
    return Answer(theta1, theta0, volume, n_iter)
