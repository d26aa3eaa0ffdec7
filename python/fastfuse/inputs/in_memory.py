"""Images in memory: their grids, compared, and the size of their voxels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from .grids import FLAT, Grid, check_same_grid
from .libraries import Place, other_sides, place_of_image
from .names import MOST_TOLD, counted


def check_in_memory(named: Iterable[tuple[str, Any]], spacing_mm: Any = None) -> list[str]:
    """Compare the grids of those values that are images; return remarks, as :func:`check_same_grid`.

    ``spacing_mm``: the voxel size that is given beside them.

    Raises
    ------
    GridError
        Naming two images that lie on different grids, or whose axes come in another order.
    """
    named = list(named)
    placed = [(name, place) for name, value in named if (place := place_of_image(value)) is not None]
    grids = [(grid, place) for name, place in placed if (grid := grid_of(name, place)) is not None]
    for grid, place in grids[1:]:
        first, other = grids[0][1].axes, place.axes
        if first != other:
            raise GridError(
                f"{grid.name} has the axes {other}, {grids[0][0].name} has {first}: give arrays whose axes come in one "
                "order, as SimpleITK.GetArrayFromImage(image).T does for x, y, z"
            )
    _check_coordinates(placed)
    remarks = [remark for grid, _ in grids[1:] if (remark := check_same_grid(grids[0][0], grid))]
    others = len(remarks) - MOST_TOLD
    remarks = remarks if others <= 0 else [*remarks[:MOST_TOLD], f"and so do {counted(others, 'other')}"]
    return remarks if spacing_mm is None else [*remarks, *other_sides(spacing_mm, named)]


def grid_of(name: str, place: Place) -> Grid | None:
    """Return the grid of an image whose place is known; None if that is its voxels' size alone.

    Raises
    ------
    GridError
        If its affine is no matrix of finite numbers that can be inverted.
    """
    if place.affine is None:
        return None
    steps = place.affine[:3, :3]
    least = FLAT * float(np.prod(np.linalg.norm(steps, axis=0)))
    if not (np.isfinite(place.affine).all() and abs(np.linalg.det(steps)) > least):
        raise GridError(
            f"{name}: its affine is not an invertible matrix of finite numbers; mend it, or give a NumPy array and "
            "spacing_mm"
        )
    return Grid(name, place.shape + (1,) * (3 - len(place.shape)), place.affine)


def _check_coordinates(placed: list[tuple[str, Place]]) -> None:
    """Refuse images whose coordinates are not even, unless all have the same.

    Raises
    ------
    GridError
        Naming two of them.
    """
    odd = [(name, place) for name, place in placed if place.uneven]
    if not odd:
        return
    first, reference = odd[0]
    for name, place in placed:
        if place is reference:
            continue
        alike = place.axes == reference.axes and len(place.uneven) == len(reference.uneven)
        if not alike or not all(map(_same, place.uneven, reference.uneven)):
            raise GridError(
                f"{first} has coordinates that are not even, and {name} has others: sort both along each dimension (sortby) "
                "and align them, or drop the coordinates (drop_vars) if the voxels match as they lie"
            )


def _same(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Tell whether two coordinates are the same; a nan is one, too."""
    return np.array_equal(one, two, equal_nan=one.dtype.kind == two.dtype.kind == "f")


def spacing_of(named: Iterable[tuple[str, Any]], *, in_mm: bool) -> tuple[float, ...] | None:
    """Return the voxel size along an array's axes, of the first value that lies somewhere; None if none does.

    ``in_mm``: whether it must be known in mm; if not, ratios are enough.

    Raises
    ------
    ValueError
        If that value does not tell its voxels' size.
    """
    for name, value in named:
        place = place_of_image(value)
        if place is None:
            continue
        if place.sides is None:
            raise ValueError(
                f"{name} lies in space, but it is not clear which voxel size belongs to which of its axes: give spacing_mm"
            )
        grid = grid_of(name, place)
        _ = grid and grid.spacing_mm  # which refuses axes that are not at right angles
        if in_mm and not place.in_mm:
            raise ValueError(f"{name} has coordinates that are not said to be in mm: give spacing_mm")
        return place.sides
    return None
