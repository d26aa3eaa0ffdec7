"""Whether two images lie on the same grid of voxels."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import GridError
from .paths import shown

if TYPE_CHECKING:
    from .nifti import Image


def corners(shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eight corners of a volume in mm, (8, 3)."""
    box = np.array(list(itertools.product(*[(-0.5, extent - 0.5) for extent in shape])))
    return np.asarray(box @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def _corners(image: Image) -> NDArray[np.float64]:
    return corners(image.data.shape, image.affine)


def check_same_grid(first: Image, other: Image) -> str | None:
    """Compare two grids by the corners of their volumes; nothing is ever resampled silently.

    A shift of at most 0.001 of the smallest voxel side counts as none; one of up to 0.1 passes with a remark,
    which is returned.

    Raises
    ------
    GridError
        With both files, both shapes, the shift in mm and voxels, and the remedy; an axis that is flipped or
        exchanged is named.
    """
    names = f"{shown(other.path)} and {shown(first.path)}"
    turned = _turned_axes(first, other)
    if turned:
        raise GridError(
            f"{names} cover the same box, but {turned}: reorient one of them, e.g. both with nibabel.as_closest_canonical"
        )
    if first.data.shape != other.data.shape:
        raise GridError(
            f"{names} have shapes {other.data.shape} and {first.data.shape}: resample one onto the other's grid"
        )
    shift = float(np.linalg.norm(_corners(other) - _corners(first), axis=1).max())
    voxels = shift / float(first.voxel_mm.min())
    if voxels <= 1e-3:
        return None
    if voxels <= 0.1:
        return f"{names} lie {shift:.3g} mm ({voxels:.2g} voxels) apart: taken as one grid"
    raise GridError(
        f"{names} have the shape {first.data.shape}, but lie {shift:.3g} mm ({voxels:.3g} voxels) apart: resample one "
        "onto the other's grid"
    )


def _turned_axes(first: Image, other: Image) -> str:
    """Name flipped and exchanged axes, if the two volumes fill the same box; else return nothing."""
    step = np.linalg.inv(first.affine) @ other.affine  # voxel steps of `other` in voxels of `first`
    signs = np.rint(step[:3, :3]).astype(int)
    if not np.array_equal(np.abs(signs).sum(axis=0), [1, 1, 1]) or not np.array_equal(
        np.abs(signs).sum(axis=1), [1, 1, 1]
    ):
        return ""
    if np.array_equal(signs, np.eye(3, dtype=int)):
        return ""
    to = [np.lexsort(np.round(_corners(image), 1).T) for image in (first, other)]
    distance = np.linalg.norm(_corners(first)[to[0]] - _corners(other)[to[1]], axis=1).max()
    if distance > 0.1 * first.voxel_mm.min():
        return ""
    flipped = [axis for axis in range(3) if signs[axis, axis] == -1]
    exchanged = [axis for axis in range(3) if signs[axis, axis] == 0]
    parts = [_axes_are(axes, what) for axes, what in ((flipped, "flipped"), (exchanged, "exchanged")) if axes]
    return " and ".join(parts)


def _axes_are(axes: list[int], what: str) -> str:
    if len(axes) == 1:
        return f"axis {axes[0]} is {what}"
    return f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]} are {what}"
