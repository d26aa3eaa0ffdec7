"""SIMPLE and shape-based averaging in plain NumPy, voxel by voxel: the oracles of ``fastfuse compare``.

===========  ====================================================================
b (m, n)     masks of raters i, 0 and 1
w (m,)       weight of a rater: Dice with the consensus
d (m, n)     signed distance of a voxel to a rater's border, negative inside
===========  ====================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["shape_based_average", "simple_consensus"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def simple_consensus(
    b: Array, least: float = 0.05, step: float = 0.07, rounds: int = 25
) -> tuple[Flags, Flags]:
    """Return the consensus of SIMPLE, shape (n,), and the raters who are kept (Langerak 2010)."""
    kept = list(range(len(b)))
    consensus: Flags = np.asarray(sum(b[i] for i in kept) / len(kept) >= 0.5)
    for k in range(rounds):
        w = [2 * (b[i] * consensus).sum() / max(b[i].sum() + consensus.sum(), 1) for i in range(len(b))]
        best = max(w[i] for i in kept)
        if best == 0:
            break
        kept = [i for i in kept if w[i] >= (least + k * step) * best]
        vote = sum(w[i] * b[i] for i in kept) / sum(w[i] for i in kept)
        before, consensus = consensus, np.asarray(vote >= 0.5)
        if (before == consensus).all():
            break
    return consensus, np.isin(np.arange(len(b)), kept)


def shape_based_average(masks: NDArray[np.bool_], spacing: Array) -> Flags:
    """Return the average of m masks, shape (m, ...), by all distances of all voxels (Rohlfing and Maurer 2007)."""
    at = np.stack(np.meshgrid(*map(np.arange, masks.shape[1:]), indexing="ij"), axis=-1) * spacing
    points = at.reshape(-1, at.shape[-1]).astype(np.float64)
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=-1))
    total, size, voting = np.zeros(len(points)), np.zeros(len(points)), 0
    for mask in masks.reshape(len(masks), -1):
        if mask.any() and not mask.all():
            d = np.where(mask, -apart[:, ~mask].min(axis=1), apart[:, mask].min(axis=1))
            total, size, voting = total + d, size + np.abs(d), voting + 1
    if not voting:
        return np.full(masks.shape[1:], masks.mean() >= 0.5)
    average: Flags = np.asarray(total <= size * 1e-6).reshape(masks.shape[1:])
    return average
