"""Compares the grids of images: where their voxels lie."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from .libraries import Place, place_of_image
from .names import MOST_TOLD, counted

SAME, NEAR = 1e-3, 0.1  # shifts in voxels: taken as none, and as one to be remarked


@dataclass(frozen=True)
class Grid:
    """Where an image's voxels lie.

    Attributes
    ----------
    name : str
        What messages call the image.
    shape : tuple of 3 int
    affine : ndarray of float64, shape (4, 4)
        Voxel indices to millimetres, RAS+.
    placed : bool
        Whether the header says where the image lies; if not, the affine is a guess.
    """

    name: str
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    placed: bool = True

    @property
    def voxel_mm(self) -> NDArray[np.float64]:
        """Voxel size along each axis, in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each axis, in mm, as plain numbers."""
        x, y, z = self.voxel_mm.tolist()
        return x, y, z

    @property
    def corners(self) -> NDArray[np.float64]:
        """The eight corners of the volume in mm, (8, 3)."""
        return corners(self.shape, self.affine)


def corners(shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eight corners of a volume in mm, (8, 3)."""
    box = np.array(list(itertools.product(*[(-0.5, extent - 0.5) for extent in shape])))
    return np.asarray(box @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def check_in_memory(named: Iterable[tuple[str, Any]]) -> list[str]:
    """Compare the grids of those values that are images; return remarks, as :func:`check_same_grid`.

    Raises
    ------
    GridError
        Naming two images that lie on different grids, or whose axes come in another order.
    """
    placed = [(name, place) for name, value in named if (place := place_of_image(value)) is not None]
    grids = [(grid, place) for name, place in placed if (grid := grid_of(name, place)) is not None]
    for grid, place in grids[1:]:
        first, other = grids[0][1].axes, place.axes
        if first != other:
            raise GridError(
                f"{grid.name} has the axes {other}, {grids[0][0].name} has {first}: give arrays whose axes come in one "
                "order, as SimpleITK.GetArrayFromImage(image).T does for x, y, z"
            )
    remarks = [remark for grid, _ in grids[1:] if (remark := check_same_grid(grids[0][0], grid))]
    others = len(remarks) - MOST_TOLD
    return remarks if others <= 0 else [*remarks[:MOST_TOLD], f"and so do {counted(others, 'other')}"]


def grid_of(name: str, place: Place) -> Grid | None:
    """Return the grid of an image whose place is known; None if that is its voxels' size alone."""
    if place.affine is None:
        return None
    return Grid(name, place.shape + (1,) * (3 - len(place.shape)), place.affine)


def check_same_grid(first: Grid, other: Grid) -> str | None:
    """Compare two grids by the corners of their volumes; nothing is ever resampled silently.

    A shift of at most 0.001 of the smallest voxel side counts as none; one of up to 0.1 passes with a remark,
    which is returned.

    Raises
    ------
    GridError
        With both names, both shapes, the shift in mm and voxels, and the remedy; an axis that is flipped or
        exchanged is named.
    """
    names = f"{other.name} and {first.name}"
    turned = _turned_axes(first, other)
    if turned and _distance_of_boxes(first, other) <= NEAR * first.voxel_mm.min():
        raise GridError(
            f"{names} cover the same box, but {turned}: reorient one of them, e.g. both with "
            "nibabel.as_closest_canonical or SimpleITK.DICOMOrient"
        )
    if first.shape != other.shape:
        raise GridError(
            f"{names} have shapes {other.shape} and {first.shape}{_and(turned)}: resample one onto the other's grid"
        )
    shift = float(np.linalg.norm(other.corners - first.corners, axis=1).max())
    voxels = shift / float(first.voxel_mm.min())
    if voxels <= SAME:
        return None
    if voxels <= NEAR:
        return f"{names} lie {shift:.3g} mm ({voxels:.2g} voxels) apart: taken as one grid"
    apart = f"{names} have the shape {first.shape}, but lie {shift:.3g} mm ({voxels:.3g} voxels) apart"
    for grid in (first, other):
        if not grid.placed:
            raise GridError(
                f"{apart}: the header of {grid.name} does not say where it lies (qform and sform codes are 0); if "
                "the voxels match, copy the other's affine"
            )
    if turned:
        raise GridError(f"{apart}{_and(turned)}: one header is wrong, or the images do not belong together")
    raise GridError(f"{apart}: resample one onto the other's grid")


def _and(turned: str) -> str:
    return f", and {turned}" if turned else ""


def _turned_axes(first: Grid, other: Grid) -> str:
    """Name flipped and exchanged axes; return nothing if there are none, or if the volume is turned obliquely."""
    step = np.linalg.pinv(first.affine) @ other.affine  # voxel steps of `other` in voxels of `first`
    direction = step[:3, :3] / np.linalg.norm(step[:3, :3], axis=0)
    signs = np.rint(direction).astype(int)
    if not np.array_equal(np.abs(signs).sum(axis=0), [1, 1, 1]) or not np.array_equal(
        np.abs(signs).sum(axis=1), [1, 1, 1]
    ):
        return ""
    flipped = [axis for axis in range(3) if signs[axis, axis] == -1]
    exchanged = [axis for axis in range(3) if signs[axis, axis] == 0]
    parts = [_axes_are(axes, what) for axes, what in ((flipped, "flipped"), (exchanged, "exchanged")) if axes]
    return " and ".join(parts)


def _distance_of_boxes(first: Grid, other: Grid) -> float:
    """Return how far the corners of two boxes are apart, whatever the order of their axes, in mm."""
    one, two = (grid.corners[np.lexsort(np.round(grid.corners, 1).T)] for grid in (first, other))
    return float(np.linalg.norm(one - two, axis=1).max())


def _axes_are(axes: list[int], what: str) -> str:
    if len(axes) == 1:
        return f"axis {axes[0]} is {what}"
    return f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]} are {what}"
