"""A cube in an image whose brightness is known."""

from __future__ import annotations

import numpy as np

SIDE = 15
CUBE = np.zeros((SIDE,) * 3, np.uint8)
CUBE[6:9, 6:9, 6:9] = 1


def rising_image() -> np.ndarray:
    return np.arange(SIDE**3, dtype=np.float64).reshape(CUBE.shape) / 3374
