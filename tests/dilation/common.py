"""A cube in an image whose brightness is known."""

from __future__ import annotations

import numpy as np

import fastfuse

SIDE = 15
CUBE = np.zeros((SIDE,) * 3, np.uint8)
CUBE[6:9, 6:9, 6:9] = 1


def rising_image() -> np.ndarray:
    return np.arange(SIDE**3, dtype=np.float64).reshape(CUBE.shape) / 3374


def l1_distance_to_cube() -> np.ndarray:
    away = [np.maximum(np.maximum(6 - axis, axis - 8), 0) for axis in np.indices(CUBE.shape)]
    return np.sum(away, axis=0)


def ring_of(soft: fastfuse.SoftMask) -> int:
    return int(np.count_nonzero(soft.values == np.float32(0.3)))
