"""Votes of raters who err independently, voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np


def flips(
    raters: int, seed: int = 0, *, voxels: int = 60_000, sensitivity: float = 0.8, specificity: float = 0.95,
    prevalence: float = 0.02,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Return the truth and each rater's mask."""
    rng = np.random.default_rng(seed)
    truth = rng.random(voxels) < prevalence
    masks = [
        np.where(truth, rng.random(voxels) < sensitivity, rng.random(voxels) > specificity).astype(np.uint8)
        for _ in range(raters)
    ]
    return truth, masks
