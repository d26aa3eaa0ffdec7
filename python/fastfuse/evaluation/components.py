"""Connected components of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images.memory import load_scipy
from ..inputs.arrays import as_array, without_frames
from ..inputs.checks import check_count
from ..inputs.lattice import box_of
from ..inputs.names import quoted

SHARED_COORDINATES = {6: 1, 18: 2, 26: 3}  # connectivity: coordinates in which neighbours may differ


def drop_small(mask: ArrayLike, least_voxels: int, connectivity: int = 26) -> NDArray[np.uint8]:
    """Remove the components of fewer than ``least_voxels`` voxels from a mask.

    Parameters
    ----------
    mask : array_like, shape (x, y, z) or (x, y)
        Foreground is what is not 0.
    least_voxels : int
        Size of the smallest component to keep; 0 and 1 keep all.
    connectivity : {26, 18, 6}
        Voxels are neighbours if they share a corner, an edge, or a face; pixels of a slice, if they share a corner
        (26 and 18) or an edge (6).

    Returns
    -------
    ndarray of uint8, of the mask's shape
        1 where a component stays, 0 elsewhere.

    Raises
    ------
    ValueError, TypeError
        If the mask is no 2-D or 3-D array, or an option is out of range.
    FastfuseError
        If scipy, which labels the components, is not installed.
    """
    least_voxels = check_count(least_voxels, "least_voxels", least=0)
    array = as_array(mask, "the mask")
    return (labelled(array, least_voxels, connectivity) > 0).astype(np.uint8).reshape(array.shape)


def labelled(mask: ArrayLike, least_voxels: int = 1, connectivity: int = 26) -> NDArray[np.int32]:
    """Return components numbered from 1 on; those of fewer than ``least_voxels`` voxels become background, 0."""
    return large_and_small(mask, least_voxels, connectivity)[0]


def large_and_small(
    mask: ArrayLike, least_voxels: int = 1, connectivity: int = 26
) -> tuple[NDArray[np.int32], int]:
    """Return components numbered as by :func:`labelled`, and the number of those that became background."""
    marked = as_volume(mask, "the mask") != 0
    scipy = needed_scipy()
    shared = SHARED_COORDINATES[check_connectivity(connectivity)]
    neighbours = scipy.ndimage.generate_binary_structure(3, shared)
    labels = np.zeros(marked.shape, np.int32)
    box = bounding_box(marked)
    count = scipy.ndimage.label(marked[box], neighbours, output=labels[box])
    stays = np.bincount(labels.ravel(), minlength=count + 1) >= least_voxels
    stays[0] = False
    numbered = np.where(stays, np.cumsum(stays), 0).astype(np.int32)[labels]
    return numbered, count - int(np.count_nonzero(stays))


def check_connectivity(connectivity: Any) -> int:
    """Return a connectivity: 6, 18 or 26."""
    whole = isinstance(connectivity, (int, np.integer)) and not isinstance(connectivity, bool)
    if not whole or int(connectivity) not in SHARED_COORDINATES:
        raise ValueError(f"connectivity is {quoted(connectivity)}: it must be 6, 18 or 26")
    return int(connectivity)


def bounding_box(marked: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the bounding box of the foreground; a box without voxels if there is none."""
    return box_of(marked) or (slice(0, 0),) * marked.ndim


def as_volume(value: Any, name: str) -> NDArray[Any]:
    """Return ``value`` as a 3-D array: a slice becomes (x, y, 1), and of more axes those of one entry are dropped.

    They may be frames after the third axis, or a batch and a channel before the first.
    """
    array = as_array(value, name)
    shape = without_frames(array).shape
    if len(shape) not in (2, 3) or not array.size:
        raise ValueError(f"{name} has shape {array.shape}: a 2-D slice or a 3-D volume is needed")
    return array.reshape((*shape, 1) if len(shape) == 2 else shape)


def needed_scipy() -> Any:
    """Return scipy with scipy.ndimage and scipy.spatial; if it is missing, the error says how to install it."""
    return load_scipy("evaluation", "scipy.ndimage", "scipy.spatial", "scipy.special")
