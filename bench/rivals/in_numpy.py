"""Rivals in NumPy: over all voxels, over distinct patterns, and with the 2^m masses gathered once.

Where voxels are passed over, it is in chunks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rivals import (
    MAX_ITER,
    Answer,
    Array,
    Sums,
    Votes,
    all_patterns,
    binary_sums,
    first_sums,
    fuse_patterns,
    halves_of,
    iterate,
    iterate_on_masses,
    masses_of,
    mean_prior,
    mixture_of,
    moments_of,
    posterior,
)

LEVELS = np.array([0, 0.3, 1], np.float32)  # known beforehand, to the advantage of those who use them
CHUNK = 2048  # voxels: with twice as many BLAS takes two cores, and needs twice the time
LONG_CHUNK = 1 << 16


def chunks(votes: Votes, dtype: DTypeLike, size: int = CHUNK) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Pass over the votes, as (m, size) of ``dtype``."""
    flat = [vote.reshape(-1) for vote in votes]
    q = np.empty((len(flat), size), dtype)
    for start in range(0, len(flat[0]), size):
        at = slice(start, min(start + size, len(flat[0])))
        part = q[:, : at.stop - start]
        for row, vote in zip(part, flat, strict=True):
            row[:] = vote[at]
        yield at, part


def first_step(votes: Votes, dtype: DTypeLike) -> tuple[Sums, float]:
    """Return the sums of the mean vote, and the prior."""
    n, m = votes[0].size, len(votes)
    products, ones = np.zeros((m, m)), np.zeros(m)
    for _, q in chunks(votes, dtype):
        products += q @ q.T
        ones += q.sum(axis=1)
    return first_sums(products, ones, n), mean_prior(ones, n)


# --- binary votes ----------------------------------------------------------------------------------------------


def staple_over_voxels(votes: Votes) -> Answer:
    """Run STAPLE as its equations read, on every voxel in every iteration."""
    first, prior = first_step(votes, np.float64)
    bits = np.empty_like(votes[0], np.float32)
    probability = bits.reshape(-1)

    def expect(theta1: Array, theta0: Array) -> Sums:
        sums = [np.zeros(len(votes)), 0.0, np.zeros(len(votes)), 0.0]
        for at, q in chunks(votes, np.float64):
            w = posterior(q, prior, theta1, theta0)
            probability[at] = w
            sums = [a + b for a, b in zip(sums, binary_sums(q, np.float64(1), w), strict=True)]
        return Sums(*sums)

    theta1, theta0, n_iter = iterate(first, expect)
    expect(theta1, theta0)
    return Answer(theta1, theta0, bits, n_iter)


def staple_patterns(votes: Votes) -> Answer:
    """Give the patterns numbers, count them, run STAPLE on them, look the voxels up."""
    m, codes = len(votes), np.empty(votes[0].size, np.min_scalar_type((1 << len(votes)) - 1))
    counts = np.zeros(1 << m, np.int64)
    flat = [vote.reshape(-1).view(np.uint8) for vote in votes]
    for start in range(0, len(codes), LONG_CHUNK):
        code = codes[start : start + LONG_CHUNK]
        code[:] = flat[0][start : start + LONG_CHUNK]
        for i, vote in enumerate(flat[1:], 1):
            code |= vote[start : start + LONG_CHUNK].astype(codes.dtype) << i
        counts += np.bincount(code, minlength=1 << m)
    return from_codes(codes, counts, all_patterns(m), "binary", "em", votes[0].shape)


def staple_busy_words(votes: Votes, out: NDArray[np.float32]) -> Answer:
    """Find eight empty voxels at once, and number the patterns of the rest."""
    flat = [vote.reshape(-1).view(np.uint8) for vote in votes]
    busy = busy_voxels(flat)
    codes = sum(vote[busy].astype(np.int64) << i for i, vote in enumerate(flat))
    return from_few_codes(busy, codes, all_patterns(len(votes)), "binary", "em", out)


def busy_voxels(flat: list[NDArray[Any]]) -> NDArray[np.intp]:
    """Return the voxels of the 8-byte words in which somebody votes, and those beyond the last word."""
    per_word = 8 // flat[0].itemsize
    words = len(flat[0]) // per_word
    heads = [vote[: words * per_word].view(np.uint64) for vote in flat]
    busy = []
    for start in range(0, words, LONG_CHUNK):
        union = heads[0][start : start + LONG_CHUNK].copy()
        for head in heads[1:]:
            union |= head[start : start + LONG_CHUNK]
        busy.append(np.flatnonzero(union) + start)
    inside = (np.concatenate(busy)[:, None] * per_word + np.arange(per_word)).reshape(-1)
    return np.concatenate([inside, np.arange(words * per_word, len(flat[0]))])


def look_up_table(
    counts: NDArray[Any], rows: Array, method: str, m_step: str
) -> tuple[Array, Array, int, NDArray[np.float32]]:
    """Fuse the patterns that occur; return the rates, the iterations, and p(truth 1) by the pattern's number."""
    present = np.flatnonzero(counts)
    count = counts[present].astype(np.float64)
    theta1, theta0, n_iter, w = fuse_patterns(rows[:, present], count, method, m_step)
    table = np.zeros(len(counts), np.float32)
    table[present] = w
    return theta1, theta0, n_iter, table


def from_codes(
    codes: NDArray[Any], counts: NDArray[Any], rows: Array, method: str, m_step: str, shape: tuple[int, ...]
) -> Answer:
    """Fuse the patterns that occur, and look all voxels up."""
    *rates, n_iter, table = look_up_table(counts, rows, method, m_step)
    return Answer(*rates, table[codes].reshape(shape), n_iter)


def from_few_codes(
    busy: NDArray[np.intp],
    codes: NDArray[Any],
    rows: Array,
    method: str,
    m_step: str,
    out: NDArray[np.float32],
) -> Answer:
    """Fuse where only the voxels ``busy`` may differ from pattern 0."""
    counts = np.bincount(codes, minlength=rows.shape[1])
    counts[0] += out.size - len(busy)
    *rates, n_iter, table = look_up_table(counts, rows, method, m_step)
    out.fill(table[0])
    out.reshape(-1)[busy] = table[codes]
    return Answer(*rates, out, n_iter)


# --- votes of few values ---------------------------------------------------------------------------------------


def level_patterns(m: int) -> Array:
    """Return all patterns of the LEVELS (m, 3^m); rater i is digit i of the pattern's number."""
    k = len(LEVELS)
    return LEVELS[(np.arange(k**m) // k ** np.arange(m)[:, None]) % k].astype(np.float64)


def level_of(vote: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return 0, 1 or 2 for 0, 0.3 and 1."""
    return (vote > 0).view(np.uint8) + (vote == 1).view(np.uint8)


def patterns_of_levels(votes: Votes, method: str, m_step: str) -> Answer:
    """Give the patterns numbers in base 3, count them, fuse them, look the voxels up."""
    m = len(votes)
    codes = np.zeros(votes[0].size, np.min_scalar_type(len(LEVELS) ** m - 1))
    counts = np.zeros(len(LEVELS) ** m, np.int64)
    flat = [vote.reshape(-1) for vote in votes]
    for start in range(0, len(codes), LONG_CHUNK):
        code = codes[start : start + LONG_CHUNK]
        for i, vote in enumerate(flat):
            code += level_of(vote[start : start + LONG_CHUNK]) * codes.dtype.type(len(LEVELS) ** i)
        counts += np.bincount(code, minlength=len(counts))
    return from_codes(codes, counts, level_patterns(m), method, m_step, votes[0].shape)


def busy_words_of_levels(votes: Votes, method: str, m_step: str, out: NDArray[np.float32]) -> Answer:
    """Find two empty voxels at once, and number the patterns of the rest."""
    flat = [vote.reshape(-1) for vote in votes]
    busy = busy_voxels(flat)
    codes = sum(level_of(vote[busy]).astype(np.int64) * len(LEVELS) ** i for i, vote in enumerate(flat))
    return from_few_codes(busy, codes, level_patterns(len(votes)), method, m_step, out)


# --- soft-STAPLE on any votes ----------------------------------------------------------------------------------


def soft_enumeration(votes: Votes, m_step: str, dtype: DTypeLike) -> Answer:
    """Go through the 2^m patterns of every voxel in every iteration."""
    m, patterns = len(votes), 1 << len(votes)
    bits, (first, prior) = all_patterns(m), first_step(votes, dtype)
    share = np.empty((patterns, CHUNK), dtype)
    volume = np.empty(votes[0].shape, dtype)
    probability = volume.reshape(-1)

    def shares(q: NDArray[Any]) -> NDArray[Any]:
        share[0] = 1
        part = share[:, : q.shape[1]]
        for i, vote in enumerate(q):
            np.multiply(part[: 1 << i], vote, out=part[1 << i : 2 << i])
            part[: 1 << i] -= part[1 << i : 2 << i]
        return part

    def expect_em(theta1: Array, theta0: Array) -> Sums:
        mass = np.zeros(patterns)
        for _, q in chunks(votes, dtype):
            mass += shares(q) @ np.ones(q.shape[1], dtype)
        return binary_sums(bits, mass, posterior(bits, prior, theta1, theta0))

    def expect(theta1: Array, theta0: Array) -> Sums:
        w_of = posterior(bits, prior, theta1, theta0).astype(dtype)
        one, all_votes, truth = np.zeros(m), np.zeros(m), 0.0
        for at, q in chunks(votes, dtype):
            w = w_of @ shares(q)
            probability[at] = w
            one += q @ w
            all_votes += q.sum(axis=1)
            truth += float(w.sum())
        rest = volume.size - truth
        return Sums(one, truth, rest - (all_votes - one), rest)

    theta1, theta0, n_iter = iterate(first, expect_em if m_step == "em" else expect)
    expect(theta1, theta0)
    return Answer(theta1, theta0, volume, n_iter)


def soft_masses(votes: Votes, m_step: str, dtype: DTypeLike) -> Answer:
    """Gather the 2^m masses once, run STAPLE on them, mix the probabilities in one more pass."""
    m, n = len(votes), votes[0].size
    mass, moments, squares = np.float64(0), np.float64(0), np.zeros(m)
    for _, q in chunks(votes, dtype):
        low, high = halves_of(q)
        mass = mass + masses_of(low, high)
        squares += np.einsum("ij,ij->i", q, q)
        if m_step == "paper":
            moments = moments + moments_of(q, low, high)
    of_patterns = moments.reshape(m, -1) if m_step == "paper" else None
    theta1, theta0, n_iter, w_of = iterate_on_masses(mass.reshape(-1), of_patterns, squares, n)
    table = w_of.reshape(mass.shape).astype(dtype)
    probability = np.empty(n, dtype)
    for at, q in chunks(votes, dtype):
        probability[at] = mixture_of(table, *halves_of(q))
    return Answer(theta1, theta0, probability.reshape(votes[0].shape), n_iter)


# --- simplified-soft-STAPLE on any votes -----------------------------------------------------------------------


def simplified(votes: Votes, m_step: str, dtype: DTypeLike, max_iter: int = MAX_ITER) -> Answer:
    """Run simplified-soft-STAPLE on every voxel in every iteration, with products for logarithms."""
    m, (first, prior) = len(votes), first_step(votes, dtype)
    volume = np.empty(votes[0].shape, dtype)
    probability = volume.reshape(-1)

    def expect(theta1: Array, theta0: Array) -> Sums:
        hit, truth, rejection, rest = np.zeros(m), 0.0, np.zeros(m), 0.0
        t1, miss, t0, alarm = (
            rate.astype(dtype)[:, None] for rate in (theta1, 1 - theta1, theta0, 1 - theta0)
        )
        for at, q in chunks(votes, dtype):
            p = 1 - q
            a1, a0 = q * t1 + p * miss, q * alarm + p * t0
            with np.errstate(divide="ignore", over="ignore", under="ignore"):  # odds of 0 and ∞ are right
                odds = (a1 / a0).prod(axis=0) * dtype(prior / (1 - prior))
                w, u = 1 / (1 + 1 / odds), 1 / (1 + odds)
            probability[at] = w
            if m_step == "em":
                q, p = q * t1 / a1, p * t0 / a0
            hit += q @ w
            rejection += p @ u
            truth += float(w.sum())
            rest += float(u.sum())
        return Sums(hit, truth, rejection, rest)

    theta1, theta0, n_iter = iterate(first, expect, max_iter)
    expect(theta1, theta0)
    return Answer(theta1, theta0, volume, n_iter)
