"""Distances between the surfaces of two masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.checks import check_spacing
from .components import as_volume, bounding_box, needed_scipy


@dataclass(frozen=True)
class SurfaceDistances:
    """How far two surfaces lie apart.

    Attributes
    ----------
    hd95_mm : float
        Hausdorff distance at the 95th percentile, in mm.
    assd_mm : float
        Average symmetric surface distance, in mm.
    """

    hd95_mm: float
    assd_mm: float


def surface_distances(
    mask: ArrayLike, truth: ArrayLike, spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks of one shape.

    A mask's surface are its voxels with at least one of the six face neighbours outside the mask; beyond the
    volume's border all is outside. Each surface voxel has a distance, from its centre to the nearest centre
    of the other mask's surface. The Hausdorff distance at the 95th percentile is the larger of the two
    directions' 95th percentiles (linear interpolation); the average symmetric surface distance is
    the mean over the surface voxels of both.

    Parameters
    ----------
    mask, truth : array_like, shape (x, y, z)
        What is not 0 is marked.
    spacing_mm : sequence of 3 float
        Voxel size along each axis, in mm.

    Returns
    -------
    SurfaceDistances
        0 for two empty masks, which agree; infinite if one alone is empty, as nothing is near to it.

    Raises
    ------
    ValueError, TypeError
        If shapes differ, an array is not 3-D, or the spacing is none.
    FastfuseError
        If scipy is not installed.

    References
    ----------
    .. [1] Taha A. A., Hanbury A.: Metrics for evaluating 3D medical image segmentation: analysis, selection,
       and tool. BMC Medical Imaging 15, 29 (2015). doi:10.1186/s12880-015-0068-x
    """
    spacing = np.array(check_spacing(spacing_mm))
    a, b = as_volume(mask, "the mask") != 0, as_volume(truth, "the truth") != 0
    if a.shape != b.shape:
        raise ValueError(f"the mask has shape {a.shape}, the truth has shape {b.shape}")
    scipy = needed_scipy()
    one, two = _surface(a, scipy) * spacing, _surface(b, scipy) * spacing
    if not len(one) or not len(two):
        apart = 0.0 if len(one) == len(two) else math.inf
        return SurfaceDistances(apart, apart)
    there, back = _distances(one, two, scipy), _distances(two, one, scipy)
    hd95 = max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
    return SurfaceDistances(hd95, float(np.concatenate([there, back]).mean()))


def _surface(marked: NDArray[np.bool_], scipy: Any) -> NDArray[np.int64]:
    """Return the indices of the surface voxels, (n, 3)."""
    box = bounding_box(marked)
    inside = marked[box]
    start = np.array([side.start for side in box])
    return np.asarray(np.argwhere(inside & ~scipy.ndimage.binary_erosion(inside)) + start)


def _distances(points: NDArray[np.float64], others: NDArray[np.float64], scipy: Any) -> NDArray[np.float64]:
    """Return how far each point is from the nearest of the others."""
    # A tree over the surface is some twenty times as fast as a distance transform of the volume.
    tree = scipy.spatial.cKDTree(others, balanced_tree=False, compact_nodes=False)
    return np.asarray(tree.query(points)[0])
