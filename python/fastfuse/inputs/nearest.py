"""Nearest-neighbour resampling, for who asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]

EVEN = 1e-4  # voxels: moves the middle of two to the upper one, though headers round sides and origins to single precision


def resampled(
    data: NDArray[Any], affine: Affine, to_shape: tuple[int, ...], to_affine: Affine
) -> tuple[NDArray[Any], int]:
    """Return an image's values at the voxels of another grid, each that of the nearest voxel, and 0 beyond the image.

    Returns
    -------
    ndarray
        Of ``to_shape``, in Fortran order.
    int
        Number of voxels that lie beyond the image.
    """
    step = np.linalg.inv(affine) @ to_affine  # indices of the grid to those of the image
    out = np.zeros(to_shape, data.dtype, order="F")
    across, up = (np.arange(extent) for extent in to_shape[:2])
    plane = [
        step[axis, 0] * across[:, None] + step[axis, 1] * up[None, :] + step[axis, 3] for axis in range(3)
    ]
    beyond = 0
    for slice_index in range(to_shape[2]):
        at = [np.floor(plane[axis] + (step[axis, 2] * slice_index + 0.5 + EVEN)) for axis in range(3)]
        inside = np.logical_and.reduce(
            [(index >= 0) & (index < extent) for index, extent in zip(at, data.shape, strict=True)]
        )
        x, y, z = (index[inside].astype(np.intp) for index in at)
        out[..., slice_index][inside] = data[x, y, z]
        beyond += inside.size - x.size
    return out, beyond


def marked_beyond(data: NDArray[Any], affine: Affine, to_shape: tuple[int, ...], to_affine: Affine) -> int:
    """Return how many voxels that are not 0 have their middle beyond another grid."""
    step = np.linalg.inv(to_affine) @ affine  # indices of the image to those of the grid
    ends = np.indices((2, 2, 2)).reshape(3, -1).T
    corners = ends * (np.array(data.shape) - 1) @ step[:3, :3].T + step[:3, 3]
    low, high = -0.5 - EVEN, np.array(to_shape) - 0.5 + EVEN
    if (corners >= low).all() and (corners <= high).all():
        return 0
    at = np.argwhere(data) @ step[:3, :3].T + step[:3, 3]
    return int(np.count_nonzero(((at < low) | (at > high)).any(axis=1)))
