"""Votes to draw: raters who draw nested contours around lesions, and tables of such votes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Votes = NDArray[np.float64]
SPACING = (1.0, 1.0, 2.0)


class Drawn(NamedTuple):
    """Masks of raters, the truth, and an image on which it is bright."""

    masks: list[NDArray[np.uint8]]
    truth: NDArray[np.bool_]
    image: NDArray[np.float32]
    brain: NDArray[np.uint8]


def contours(shifts: list[float], *, seed: int = 0, shape: tuple[int, ...] = (48, 44, 24)) -> Drawn:
    """Return masks whose borders lie farther out the larger a rater's shift is, in mm."""
    rng = np.random.default_rng(seed)
    depth = np.full(shape, -50.0)
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) * SPACING
    for _ in range(5):
        centre = (0.2 + 0.6 * rng.random(3)) * shape * SPACING
        depth = np.maximum(depth, rng.uniform(3, 7) - np.linalg.norm(at - centre, axis=-1))

    def wobble() -> Votes:
        rough = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
        return 0.6 * rough / rough.std()

    masks = [(depth + shift + wobble() > 0).astype(np.uint8) for shift in shifts]
    truth = depth > 0
    brain = (np.abs(at / (np.array(shape) * SPACING) - 0.5) < 0.48).all(axis=-1).astype(np.uint8)
    image = 100 + 60 * ndimage.gaussian_filter(truth.astype(float), 0.7) + rng.normal(0, 4, shape)
    return Drawn(masks, truth & (brain > 0), (image * (brain > 0)).astype(np.float32), brain)


def rows(rng: np.random.Generator) -> tuple[Votes, Votes]:
    """Return votes (m, n) of 3 to 12 raters, some soft, some with missing ones; and counts."""
    m, n = int(rng.integers(3, 13)), int(rng.integers(5, 200))
    depth = rng.normal(-2, 5, n)
    votes = (depth + rng.normal(0, 2, (m, n)) > rng.normal(0, 1.5, (m, 1))).astype(np.float64)
    if rng.random() < 0.4:
        votes = np.round(np.clip(0.8 * votes + 0.1 * rng.integers(0, 3, (m, n)), 0, 1), 1)
    if rng.random() < 0.4:
        votes[rng.random((m, n)) < 0.15] = np.nan
    votes = votes[:, ~np.isnan(votes).all(axis=0)]
    return votes, rng.integers(1, 2000, votes.shape[1]).astype(np.float64)


def dice(a: Any, b: Any) -> float:
    a, b = np.asarray(a) > 0, np.asarray(b) > 0
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
