"""Rivals in torch, on the device where their tensors lie: what somebody would write who knows the method well."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rivals import Array, Sums, iterate, iterate_on_masses
from rivals.in_torch import enumeration_of, first_step_of

CHUNK = 1 << 18  # voxels at a time
LEVELS = 4  # 0, 1/3, 2/3 and 1: where votes of 0, 0.3 and 1 are counted


def rival_of(kind: str, method: str, m_step: str) -> tuple[str, Any] | None:
    """Return the fastest of them for seven raters, with its name."""
    if method == "simplified_soft_staple":
        return "one pass an iteration", simplified
    if kind != "dense":
        return ("distinct patterns", patterns) if m_step == "em" or kind == "binary" else None
    return ("masses once", masses_once) if m_step == "em" else ("enumeration", enumeration)


def shares_of(q: torch.Tensor) -> torch.Tensor:
    """Return q(B), shape (2^m, n), of every column of q (m, n)."""
    share = torch.ones(1, q.shape[1], dtype=q.dtype, device=q.device)
    for vote in q:
        share = torch.cat([share * (1 - vote), share * vote])
    return share


def patterns(flat: list[torch.Tensor]) -> torch.Tensor:
    """Count the distinct patterns of votes in {0, 0.3, 1}, run EM on them, and look every voxel's up."""
    key = torch.zeros(flat[0].shape, dtype=torch.int32, device=flat[0].device)
    for vote in flat:
        key = key * LEVELS + (vote * (LEVELS - 1) + 0.5).to(torch.int32)
    counts = torch.bincount(key, minlength=LEVELS ** len(flat))
    there = torch.nonzero(counts)[:, 0]
    values = torch.tensor([0, 0.3, 0.3, 1], dtype=torch.float64, device=key.device)
    places = [there // LEVELS**i % LEVELS for i in reversed(range(len(flat)))]
    q, n = torch.stack([values[place] for place in places]), counts[there].double()
    share = shares_of(q)
    mass, squares = (share @ n).cpu().numpy(), (q * q @ n).cpu().numpy()
    w = iterate_on_masses(mass, None, squares, len(flat[0]))[3]
    table = torch.zeros(len(counts), device=key.device)
    table[there] = (torch.from_numpy(w).to(key.device) @ share).float()
    return table[key]


def masses_once(flat: list[torch.Tensor]) -> torch.Tensor:
    """Gather the 2^m masses as a product of matrices, run EM on them, and mix every voxel's posterior."""
    m, n, device = len(flat), len(flat[0]), flat[0].device
    half = m // 2
    mass = torch.zeros(1 << (m - half), 1 << half, dtype=torch.float64, device=device)
    for start in range(0, n, CHUNK):
        q = torch.stack([vote[start : start + CHUNK] for vote in flat])
        mass += shares_of(q[half:]) @ shares_of(q[:half]).T
    squares = np.array([float((vote * vote).sum(dtype=torch.float64)) for vote in flat])
    w = iterate_on_masses(mass.cpu().numpy().ravel(), None, squares, n)[3]
    table = torch.from_numpy(w.reshape(mass.shape).astype(np.float32)).to(device)
    probability = torch.empty(n, device=device)
    for start in range(0, n, CHUNK):
        q = torch.stack([vote[start : start + CHUNK] for vote in flat])
        mixed = (table @ shares_of(q[:half])) * shares_of(q[half:])
        torch.sum(mixed, dim=0, out=probability[start : start + CHUNK])
    return probability


def enumeration(flat: list[torch.Tensor]) -> torch.Tensor:
    """Go through all 2^m patterns of every voxel in every iteration, with the paper's M-step."""
    found = enumeration_of(flat, first_step_of(flat), "paper", CHUNK)
    return torch.from_numpy(found.probability)


def simplified(flat: list[torch.Tensor]) -> torch.Tensor:
    """Go through all voxels in every iteration, rater by rater, with products for logarithms."""
    m, n = len(flat), len(flat[0])
    first, prior = first_step_of(flat)
    kept: dict[str, torch.Tensor] = {}

    def expect(theta1: Array, theta0: Array) -> Sums:
        odds = torch.full_like(flat[0], prior / (1 - prior))
        for q, t1, t0 in zip(flat, theta1.tolist(), theta0.tolist(), strict=True):
            odds *= (q * t1 + (1 - q) * (1 - t1)) / (q * (1 - t0) + (1 - q) * t0)
        w = kept["w"] = 1 / (1 + 1 / odds)
        u, hit, rejection = 1 / (1 + odds), np.zeros(m), np.zeros(m)
        for i, (q, t1, t0) in enumerate(zip(flat, theta1.tolist(), theta0.tolist(), strict=True)):
            marked = q * t1 / (q * t1 + (1 - q) * (1 - t1))
            spared = (1 - q) * t0 / (q * (1 - t0) + (1 - q) * t0)
            hit[i] = float((w * marked).sum(dtype=torch.float64))
            rejection[i] = float((u * spared).sum(dtype=torch.float64))
        truth = float(w.sum(dtype=torch.float64))
        return Sums(hit, truth, rejection, n - truth)

    expect(*iterate(first, expect)[:2])
    return kept["w"]
