"""Votes, images and maps of seeded noise, from which the golden cases are made."""

from __future__ import annotations

from typing import Any

import numpy as np

WHOLE = (40, 48, 40)  # 19 blocks of 4096 voxels
SMALL = (12, 13, 14)
Shape = tuple[int, ...]


def depth(shape: Shape, seed: int = 0, balls: int = 6) -> np.ndarray:
    """Return how deep each voxel lies in the nearest of some balls, in voxels; below 0 outside them."""
    rng = np.random.default_rng(seed)
    places = np.moveaxis(np.indices(shape, dtype=np.float64), 0, -1)
    found = np.full(shape, -np.inf)
    for _ in range(balls):
        centre = rng.uniform(0.2, 0.8, len(shape)) * shape
        radius = rng.uniform(0.08, 0.16) * max(shape)
        found = np.maximum(found, radius - np.sqrt(((places - centre) ** 2).sum(axis=-1)))
    return found


def seen_by(m: int, shape: Shape, seed: int = 0, noise: float = 0.8) -> np.ndarray:
    """Return the depth as each of m raters sees it, shape (m, ...)."""
    rng = np.random.default_rng([seed, m])
    bias = rng.normal(0, 0.7, (m,) + (1,) * len(shape))
    return depth(shape, seed) + bias + rng.normal(0, noise, (m, *shape))


def masks(m: int, shape: Shape = SMALL, seed: int = 0, dtype: Any = np.uint8) -> list[np.ndarray]:
    return list((seen_by(m, shape, seed) > 0).astype(dtype))


def rings(m: int, shape: Shape = SMALL, seed: int = 0, dtype: Any = np.float32) -> list[np.ndarray]:
    """Return votes of 0, 0.3 and 1."""
    seen = seen_by(m, shape, seed)
    return list(np.where(seen > 0, 1, np.where(seen > -0.9, 0.3, 0)).astype(dtype))


def levels(
    m: int, steps: int, shape: Shape = SMALL, seed: int = 0, dtype: Any = np.float32
) -> list[np.ndarray]:
    """Return votes on equal steps from 0 to 1."""
    seen = seen_by(m, shape, seed, noise=2.0)
    return list((np.round(np.clip(0.5 + seen / 8, 0, 1) * steps) / steps).astype(dtype))


def dense(m: int, shape: Shape = SMALL, seed: int = 0, dtype: Any = np.float32) -> list[np.ndarray]:
    """Return votes that do not repeat, none of them 0 or 1."""
    seen = seen_by(m, shape, seed, noise=1.2)
    return list((1 / (1 + np.exp(-seen / (1 + np.abs(seen) / 8)))).astype(dtype))


def half_dense(m: int, shape: Shape = SMALL, seed: int = 0, dtype: Any = np.float32) -> list[np.ndarray]:
    """Return votes that do not repeat near the balls, and are 0 elsewhere."""
    far = depth(shape, seed) < -3
    return [np.where(far, 0, vote).astype(dtype) for vote in dense(m, shape, seed)]


def brain(shape: Shape = SMALL, dtype: Any = bool) -> np.ndarray:
    """Return a mask that leaves out the rim and some voxels."""
    inside = np.ones(shape, bool)
    for axis, side in enumerate(shape):
        inside &= np.expand_dims(
            np.abs(np.arange(side) - side / 2) < 0.4 * side, [a for a in range(len(shape)) if a != axis]
        )
    return (inside & (np.random.default_rng(7).random(shape) < 0.95)).astype(dtype)


def few_priors(shape: Shape = SMALL, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(8).choice([0.02, 0.1, 0.4], shape).astype(dtype)


def many_priors(shape: Shape = SMALL, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(9).uniform(0.02, 0.5, shape).astype(dtype)


def with_holes(votes: list[np.ndarray], share: float = 0.1, seed: int = 10) -> list[np.ndarray]:
    """Return the votes as floats, some of them nan; at one voxel all."""
    rng = np.random.default_rng(seed)
    found = []
    for vote in votes:
        vote = vote.astype(np.float32)
        vote[rng.random(vote.shape) < share] = np.nan
        vote.flat[5] = np.nan
        found.append(vote)
    return found


def looked(m: int, shape: Shape = SMALL) -> list[Any]:
    """Return where each rater looked: the first everywhere, the others not at some slices."""
    found: list[Any] = [None]
    for i in range(1, m):
        where = np.ones(shape, np.uint8)
        where[: i + 1] = 0
        found.append(where)
    return found


def flair(shape: Shape = SMALL, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Return an image that is bright in the balls, and fades around them."""
    rng = np.random.default_rng([seed, 11])
    return (400 + 300 * np.tanh(depth(shape, seed) / 2) + rng.normal(0, 40, shape)).astype(dtype)
