"""Connected components of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import FastfuseError
from ..inputs.arrays import as_array
from ..inputs.checks import check_count

SHARED_COORDINATES = {6: 1, 18: 2, 26: 3}  # neighbours of a voxel: in how many coordinates they may differ


def drop_small(mask: ArrayLike, least_voxels: int, connectivity: int = 26) -> NDArray[np.uint8]:
    """Remove the components of fewer than ``least_voxels`` voxels from a mask.

    Parameters
    ----------
    mask : array_like, shape (x, y, z)
        What is not 0 is marked.
    least_voxels : int
        Size of the smallest component that stays; 0 and 1 keep all.
    connectivity : {26, 18, 6}
        Voxels are neighbours if they share a corner, an edge, or a face.

    Returns
    -------
    ndarray of uint8, shape (x, y, z)
        1 where a component stays, 0 elsewhere.

    Raises
    ------
    ValueError, TypeError
        If the mask is no 3-D array, or an option is out of range.
    FastfuseError
        If scipy, which labels the components, is not installed.
    """
    least_voxels = check_count(least_voxels, "least_voxels", least=0)
    return (labelled(mask, least_voxels, connectivity) > 0).astype(np.uint8)


def labelled(mask: ArrayLike, least_voxels: int = 1, connectivity: int = 26) -> NDArray[np.int32]:
    """Give the components of at least ``least_voxels`` voxels numbers from 1 on, and the others 0, as background."""
    if connectivity not in SHARED_COORDINATES:
        raise ValueError(f"connectivity is {connectivity!r}: it must be 6, 18 or 26")
    marked = as_volume(mask, "the mask") != 0
    scipy = needed_scipy()
    neighbours = scipy.ndimage.generate_binary_structure(3, SHARED_COORDINATES[connectivity])
    labels = np.zeros(marked.shape, np.int32)
    box = bounding_box(marked)
    count = scipy.ndimage.label(marked[box], neighbours, output=labels[box])
    stays = np.bincount(labels.ravel(), minlength=count + 1) >= least_voxels
    stays[0] = False
    return np.where(stays, np.cumsum(stays), 0).astype(np.int32)[labels]


def bounding_box(marked: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that holds all that is marked; one without voxels if nothing is."""
    box = []
    for axis in range(marked.ndim):
        others = tuple(other for other in range(marked.ndim) if other != axis)
        where = np.flatnonzero(marked.any(axis=others))
        box.append(slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0))
    return tuple(box)


def as_volume(value: Any, name: str) -> NDArray[Any]:
    """Return ``value`` as a 3-D array that has voxels."""
    array = as_array(value, name)
    if array.ndim != 3 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}: a 3-D volume is needed")
    return array


def needed_scipy() -> Any:
    """Return scipy, its images and trees loaded, or say how to get it."""
    try:
        import scipy.ndimage
        import scipy.spatial
    except ImportError as error:
        raise FastfuseError(f"evaluation needs {error.name}: pip install 'fastfuse[evaluate]'") from None
    return scipy
