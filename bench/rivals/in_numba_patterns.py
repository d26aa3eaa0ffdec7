"""A rival in Numba, on all cores: distinct patterns."""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from rivals import Answer, Votes, all_patterns, fuse_patterns
from rivals.in_numba import CODES, PARTS, bounds, flat, on_all_cores, written
from rivals.in_numpy import LEVELS, level_patterns


@on_all_cores
def number_patterns(votes, base, codes, words, patterns):
    """Write the number of each voxel's pattern, and count the patterns; a word of zeros is counted at once."""
    n, per_word = len(votes[0]), len(codes) // len(words)
    counts = np.zeros((PARTS, patterns), np.int64)
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        count = counts[part]
        for a in range(begin, end, CODES):
            b = min(a + CODES, end)
            code = codes[a:b]
            code[:] = 0
            for i in range(len(votes)):
                vote, digit = votes[i][a:b], codes.dtype.type(base**i)
                twice = codes.dtype.type((base - 2) * base**i)
                for j in range(b - a):
                    code[j] += (digit if vote[j] > 0 else 0) + (twice if vote[j] == 1 else 0)
            empty = 0
            for w in range(a // per_word, (b + per_word - 1) // per_word):
                if words[w] == 0:
                    empty += per_word
                else:
                    for j in range(w * per_word, (w + 1) * per_word):
                        count[codes[j]] += 1
            count[0] += empty
    return counts.sum(axis=0)


@on_all_cores
def look_up(codes, words, table, out):
    """Write every voxel's probability."""
    n, per_word = len(out), len(codes) // len(words)
    nobody = table[0]
    for part in prange(PARTS):
        begin, end = bounds(n, part)
        for a in range(begin, end, CODES):
            b = min(a + CODES, end)
            out[a:b] = nobody
            for w in range(a // per_word, (b + per_word - 1) // per_word):
                if words[w] != 0:
                    for j in range(w * per_word, min((w + 1) * per_word, n)):
                        out[j] = table[codes[j]]


def patterns(
    votes: Votes, method: str = "binary", m_step: str = "em", out: NDArray[np.float32] | None = None
) -> Answer:
    """Fuse binary votes, or votes in LEVELS, by their distinct patterns."""
    base, m, n = 2 if votes[0].itemsize == 1 else len(LEVELS), len(votes), votes[0].size
    codes = np.empty((n + 7) // 8 * 8, np.min_scalar_type(base**m - 1))
    codes[n:] = 0
    words = codes.view(np.uint64)
    counts = number_patterns(flat(votes), base, codes, words, base**m)
    counts[0] -= len(codes) - n  # what fills the last word
    present = np.flatnonzero(counts)
    rows = (all_patterns(m) if base == 2 else level_patterns(m))[:, present]
    theta1, theta0, n_iter, w = fuse_patterns(rows, counts[present].astype(float), method, m_step)
    table = np.zeros(base**m, np.float32)
    table[present] = w
    return Answer(theta1, theta0, written(votes, out, look_up, codes, words, table), n_iter)
