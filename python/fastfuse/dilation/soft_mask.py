"""What a conditional dilation answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SoftMask:
    """A rater's mask with a soft ring, from conditional dilation.

    Attributes
    ----------
    values : ndarray of float32, the mask's shape
        1 on the mask, the soft label on the ring, 0 elsewhere.
    threshold : float or ndarray of float64, shape (lesions,)
        The cut that was used, in the unit that was compared: of the scaled image if it was scaled, else of the
        image. The ring is brighter; for "exact" it is the ring's darkest voxel. One per lesion, in C order of
        their first voxels, for ``scope="lesion"``. nan if no voxel was wanted.
    image_threshold : float or ndarray of float64, shape (lesions,)
        The same in the image's unit.
    size : float
        (mask + ring) / mask that was reached, of all lesions together; nan for an empty mask.
    """

    values: NDArray[Any]
    threshold: float | NDArray[np.float64]
    image_threshold: float | NDArray[np.float64]
    size: float

    @property
    def voxels(self) -> int:
        """Voxels of the mask."""
        return int(np.count_nonzero(self.values == 1))

    @property
    def ring_voxels(self) -> int:
        """Voxels of the ring."""
        return int(np.count_nonzero(self.values)) - self.voxels

    def __repr__(self) -> str:
        return f"SoftMask(shape {self.values.shape}, {self.voxels} voxels, {self.ring_voxels} on the ring, size {self.size:.4g})"
