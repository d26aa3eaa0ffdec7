"""Result of a conditional dilation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.names import counted


@dataclass(frozen=True, eq=False)
class SoftMask:
    """A rater's mask with a soft ring, from conditional dilation.

    Attributes
    ----------
    values : ndarray of float32, the mask's shape
        1 on the mask, the soft label on the ring, 0 elsewhere.
    threshold : float or ndarray of float64, shape (lesions,)
        The cut: the ring's voxels are brighter. For "exact", the intensity of the ring's darkest voxel, and nan
        if the ring is empty. In the unit of the scaled image if it was scaled, else of the image. For
        ``scope="lesion"`` one per lesion, in C order of their first voxels; else nan if the mask is empty.
    image_threshold : float or ndarray of float64, shape (lesions,)
        The cut in the image's unit.
    size : float
        (mask + ring) / mask of all lesions together; nan for an empty mask.
    voxels, ring_voxels : int
        Number of voxels in the mask, and in the ring.
    """

    values: NDArray[Any]
    threshold: float | NDArray[np.float64]
    image_threshold: float | NDArray[np.float64]
    size: float
    voxels: int
    ring_voxels: int

    def __repr__(self) -> str:
        return f"SoftMask(shape {self.values.shape}, {counted(self.voxels, 'voxel')}, {self.ring_voxels} on the ring, size {self.size:.4g})"
