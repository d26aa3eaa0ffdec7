"""A rival in torch: soft-STAPLE by enumeration, in chunks that stay in the cache, on the CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch

from rivals import (
    Answer,
    Array,
    Sums,
    Votes,
    all_patterns,
    binary_sums,
    first_sums,
    iterate,
    mean_prior,
    posterior,
)
from rivals.in_numpy import first_step

CHUNK = 8192  # on the CPU


def enumeration(votes: Votes, m_step: str) -> Answer:
    """Go through the 2^m patterns of every voxel in every iteration, in single precision."""
    flat = [torch.from_numpy(vote.reshape(-1)) for vote in votes]
    found = enumeration_of(flat, first_step(votes, np.float32), m_step, CHUNK)
    return Answer(
        found.sensitivity, found.specificity, found.probability.reshape(votes[0].shape), found.n_iter
    )


def first_step_of(flat: list[torch.Tensor]) -> tuple[Sums, float]:
    """Return the sums where w is the mean vote, and the mean vote."""
    m, n = len(flat), len(flat[0])
    products = [[float((a * b).sum(dtype=torch.float64)) for b in flat] for a in flat]
    ones = np.array([float(vote.sum(dtype=torch.float64)) for vote in flat])
    return first_sums(np.array(products).reshape(m, m), ones, n), mean_prior(ones, n)


def enumeration_of(flat: list[torch.Tensor], begun: tuple[Sums, float], m_step: str, chunk: int) -> Answer:
    """Do so with tensors (n,), wherever they lie."""
    m, patterns = len(flat), 1 << len(flat)
    bits, (first, prior) = all_patterns(m), begun
    n, device = len(flat[0]), flat[0].device
    probability, share = torch.empty(n, device=device), torch.empty(patterns, chunk, device=device)
    vote_sums = first.rest - first.rejection + first.hit  # Σ q_i

    def shares(start: int) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.stack([vote[start : start + chunk] for vote in flat])
        part = share[:, : q.shape[1]]
        part[0] = 1
        for i, vote in enumerate(q):
            torch.mul(part[: 1 << i], vote, out=part[1 << i : 2 << i])
            part[: 1 << i] -= part[1 << i : 2 << i]
        return q, part

    def expect_em(theta1: Array, theta0: Array) -> Sums:
        mass = torch.zeros(patterns, dtype=torch.float64, device=device)
        for start in range(0, n, chunk):
            part = shares(start)[1]
            mass += part @ torch.ones(part.shape[1], device=device)
        return binary_sums(bits, mass.cpu().numpy(), posterior(bits, prior, theta1, theta0))

    def expect(theta1: Array, theta0: Array) -> Sums:
        w_of = torch.from_numpy(posterior(bits, prior, theta1, theta0).astype(np.float32)).to(device)
        sums = torch.zeros(m + 1, dtype=torch.float64, device=device)  # Σ w q_i, Σ w
        for start in range(0, n, chunk):
            q, part = shares(start)
            w = probability[start : start + chunk] = w_of @ part
            sums[:m] += q @ w
            sums[m] += w.sum()
        *hits, truth = sums.tolist()
        hit, rest = np.array(hits), n - truth
        return Sums(hit, truth, rest - (vote_sums - hit), rest)

    theta1, theta0, n_iter = iterate(first, expect_em if m_step == "em" else expect)
    expect(theta1, theta0)
    return Answer(theta1, theta0, probability.cpu().numpy(), n_iter)
