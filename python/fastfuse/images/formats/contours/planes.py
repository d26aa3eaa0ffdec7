"""Puts contours onto the slices of a grid: each lies in one plane of voxels, or it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from ....errors import ImageError
from ....inputs.grids import NEAR
from ....inputs.lattice import Turn
from ....inputs.names import counted
from ....inputs.nearest import EVEN
from ...paths import shown
from ...placing import OF_CONTOURS
from ...wanted import Lattice
from ..segments import Segment
from .even_odd import MOST, UNIT, Whole, following
from .structure_set import Contours

LPS = (-1, -1, 1)  # directions of DICOM's axes, along which points are counted


@dataclass(frozen=True)
class Planes:
    """Contours on the slices of a grid whose axes are turned to left, posterior, superior.

    Attributes
    ----------
    axis : int
        Across the slices.
    x, y : ndarray of int64
        Places of the points along the two other axes, in steps of ``1 / UNIT`` of a voxel.
    after : ndarray of intp
        The next point of the contour.
    slices : ndarray of int64
        The slice of each point.
    planes, dropped : int
        Number of planes of contours, and of those that are left out as another is nearer to their slice's centre.
    beside_mm : float
        How far the planes lie from their slices' centres at the most.
    slice_mm : float
        Distance between slices.
    on_centres : bool
        Whether nearly all points lie on voxels' centres.
    """

    axis: int
    x: Whole
    y: Whole
    after: NDArray[np.intp]
    slices: Whole
    planes: int
    dropped: int
    beside_mm: float
    slice_mm: float
    on_centres: bool


def turn_of(affine: NDArray[np.float64]) -> Turn:
    """Return how a grid's axes are turned to those nearest to left, posterior, superior."""
    places = io_orientation(affine)
    order = tuple(int(axis) for axis in np.argsort(places[:, 0]))
    return Turn(order, tuple(at for at in range(3) if places[order[at], 1] != LPS[at]))


def planes_of(path: Path, segment: Segment, contours: Contours, lattice: Lattice) -> Planes:
    """Return the contours of a structure on the slices of a grid.

    Raises
    ------
    ImageError
        If one lies across slices, or planes lie too close for these.
    """
    points = _in_voxels(path, segment, contours, lattice)
    starts = np.cumsum(contours.sizes) - contours.sizes
    spread = np.maximum.reduceat(points, starts) - np.minimum.reduceat(points, starts)
    axis = int(spread.max(axis=0).argmin())
    worst = int(spread[:, axis].argmax())
    if spread[worst, axis] > NEAR:
        one = contours.points[starts[worst] : starts[worst] + contours.sizes[worst]]
        raise ImageError(
            _across(
                path, segment, one, int(contours.places[worst]), axis, float(spread[worst, axis]), lattice
            )
        )
    middle = np.add.reduceat(points[:, axis], starts) / contours.sizes
    slices, kept, planes = _slices(path, segment, middle, lattice)
    beside = np.abs(middle - slices)[kept].max()
    thickness = _thickness(axis, lattice)
    points, sizes = points[np.repeat(kept, contours.sizes)], contours.sizes[kept]
    inner = [at for at in range(3) if at != axis]
    x, y = (np.rint(UNIT * points[:, at]).astype(np.int64) for at in inner)
    centred = (np.abs(points[:, inner] - np.rint(points[:, inner])) < 0.01).all(axis=1).mean() > 0.95
    return Planes(
        axis, x, y, following(sizes), np.repeat(slices[kept], sizes), planes, planes - len(np.unique(slices[kept])),
        float(beside) * thickness, thickness, bool(centred),
    )  # fmt: skip


def _in_voxels(path: Path, segment: Segment, contours: Contours, lattice: Lattice) -> NDArray[np.float64]:
    """Return the points in voxels of the turned grid."""
    turn, grid = turn_of(lattice.grid.affine), lattice.grid
    points = np.linalg.solve(grid.affine[:3, :3], (contours.points - grid.affine[:3, 3]).T).T[:, turn.order]
    for axis in turn.reverse:
        points[:, axis] = grid.shape[turn.order[axis]] - 1 - points[:, axis]
    if np.abs(points).max() >= MOST:
        raise ImageError(
            f"{shown(path)}: its segment {segment.name!r} lies {np.abs(points).max():.3g} voxels away from {grid.name}: one header is "
            "wrong, or they do not belong together"
        )
    return np.asarray(points, np.float64)


def _slices(
    path: Path, segment: Segment, middle: NDArray[np.float64], lattice: Lattice
) -> tuple[Whole, NDArray[np.bool_], int]:
    """Return each contour's slice, which contours stay there, and how many planes there are.

    Of several planes on one slice that stays whose distance from the centre is least.
    """
    order = np.argsort(middle, kind="stable")
    new = np.diff(middle[order], prepend=-np.inf) > NEAR
    plane = np.empty(len(middle), np.intp)
    plane[order] = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    low, high = (one.reduceat(middle[order], first) for one in (np.minimum, np.maximum))
    if (high - low).max() > NEAR:
        raise ImageError(
            f"{shown(path)}: the contours of its segment {segment.name!r} lie closer together than a tenth of a slice of "
            f"{lattice.grid.name}, which is too coarse for them, or tilted: {OF_CONTOURS}"
        )
    at = (low + high) / 2
    slices = np.floor(at + 0.5 + EVEN).astype(np.int64)
    nearest = np.lexsort((np.round(np.abs(at - slices), 6), slices))
    taken = np.zeros(len(at), bool)
    taken[nearest[np.unique(slices[nearest], return_index=True)[1]]] = True
    return slices[plane], taken[plane], len(at)


def _thickness(axis: int, lattice: Lattice) -> float:
    """Return the distance between slices in mm, along their normal."""
    steps = np.linalg.inv(lattice.grid.affine[:3, :3])
    return 1 / float(np.linalg.norm(steps[turn_of(lattice.grid.affine).order[axis]]))


def _across(
    path: Path,
    segment: Segment,
    points: NDArray[np.float64],
    place: int,
    axis: int,
    spread: float,
    lattice: Lattice,
) -> str:
    """Say that a contour lies across slices: it is tilted against them, or lies in no plane."""
    normal = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)[2][2]
    across = np.linalg.inv(lattice.grid.affine[:3, :3])[turn_of(lattice.grid.affine).order[axis]]
    thickness = _thickness(axis, lattice)
    what = f"{shown(path)}: contour {place} of its segment {segment.name!r}"
    if np.ptp(points @ normal) > NEAR * thickness:
        return f"{what} lies in no plane, which closed contours must; write it again"
    degrees = float(np.degrees(np.arccos(min(1.0, abs(normal @ across) * thickness))))
    return (
        f"{what} is tilted by {degrees:.2g} degrees against the slices of {lattice.grid.name}, and lies across "
        f"{counted(spread, 'slice', '.2g')}: its structure was drawn on another grid: {OF_CONTOURS}"
    )
