"""A rival in torch on the CPU: soft-STAPLE by enumeration, in chunks that stay in the cache."""

from __future__ import annotations

import numpy as np
import torch

from rivals import Answer, Array, Sums, Votes, all_patterns, binary_sums, iterate, posterior
from rivals_numpy import first_step

CHUNK = 8192


def enumeration(votes: Votes, m_step: str) -> Answer:
    """Go through the 2^m patterns of every voxel in every iteration, in single precision."""
    m, patterns = len(votes), 1 << len(votes)
    bits, (first, prior) = all_patterns(m), first_step(votes, np.float32)
    flat = [torch.from_numpy(vote.reshape(-1)) for vote in votes]
    n = len(flat[0])
    probability, share = torch.empty(n), torch.empty(patterns, CHUNK)
    vote_sums = first.rest - first.rejection + first.hit  # Σ q_i

    def shares(start: int) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.stack([vote[start : start + CHUNK] for vote in flat])
        part = share[:, : q.shape[1]]
        part[0] = 1
        for i, vote in enumerate(q):
            torch.mul(part[: 1 << i], vote, out=part[1 << i : 2 << i])
            part[: 1 << i] -= part[1 << i : 2 << i]
        return q, part

    def expect_em(theta1: Array, theta0: Array) -> Sums:
        mass = torch.zeros(patterns, dtype=torch.float64)
        for start in range(0, n, CHUNK):
            part = shares(start)[1]
            mass += part @ torch.ones(part.shape[1])
        return binary_sums(bits, mass.numpy(), posterior(bits, prior, theta1, theta0))

    def expect(theta1: Array, theta0: Array) -> Sums:
        w_of = torch.from_numpy(posterior(bits, prior, theta1, theta0).astype(np.float32))
        hit, truth = torch.zeros(m, dtype=torch.float64), 0.0
        for start in range(0, n, CHUNK):
            q, part = shares(start)
            w = probability[start : start + CHUNK] = w_of @ part
            hit += q @ w
            truth += float(w.sum())
        rest = n - truth
        return Sums(hit.numpy(), truth, rest - (vote_sums - hit.numpy()), rest)

    theta1, theta0, n_iter = iterate(first, expect_em if m_step == "em" else expect)
    expect(theta1, theta0)
    return Answer(theta1, theta0, probability.numpy().reshape(votes[0].shape), n_iter)
