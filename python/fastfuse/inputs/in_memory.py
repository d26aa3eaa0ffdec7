"""Images in memory: their grids, compared, and the size of their voxels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from .arrays import in_space
from .grids import FLAT, Grid, check_same_grid
from .libraries import Place, Slice, other_sides, place_of_image
from .names import MOST_TOLD, counted


def check_in_memory(named: Iterable[tuple[str, Any]], spacing_mm: Any = None) -> list[str]:
    """Compare the grids of those values that are images; return remarks, as :func:`check_same_grid`.

    ``spacing_mm``: the voxel size that is given beside them.

    Raises
    ------
    GridError
        Naming two images that lie on different grids, or whose axes come in another order, or two tables of pandas
        with other labels.
    """
    named = [(name, value) for name, value in named if value is not None and type(value) is not np.ndarray]
    if not named:
        return []
    _check_items(named)
    placed = [(name, place) for name, value in named if (place := place_of_image(value)) is not None]
    grids = [(grid, place) for name, place in placed if (grid := grid_of(name, place)) is not None]
    for grid, place in grids[1:]:
        first, other = grids[0][1].axes, place.axes
        if first != other:
            raise GridError(
                f"{grid.name} has the axes {other}, {grids[0][0].name} has {first}: give arrays whose axes come in one "
                "order, as SimpleITK.GetArrayFromImage(image).T does for x, y, z; arrays say no place, so see first that the "
                "images lie on one grid (as by SimpleITK.DICOMOrient)"
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


def labels_of(value: Any) -> tuple[Any, ...]:
    """Return the index of a Series of pandas, index and columns of a DataFrame; nothing of anything else."""
    if isinstance(value, Slice):
        return value.labels
    if isinstance(value, np.ndarray) or not (hasattr(value, "iloc") and hasattr(value, "index")):
        return ()
    return (value.index, value.columns) if hasattr(value, "columns") else (value.index,)


def _check_items(named: list[tuple[str, Any]]) -> None:
    """Refuse tables of pandas whose labels differ: NumPy would take their values by place.

    Raises
    ------
    GridError
        Naming two of them, and how to align them.
    """
    tables = [(name, value, labels) for name, value in named if (labels := labels_of(value))]
    for name, value, labels in tables[1:]:
        first, _, expected = tables[0]
        for what, own, other in zip(("index", "columns"), labels, expected, strict=False):
            if own.equals(other):
                continue
            by_place = "give their to_numpy() if the items match as they lie"
            if (
                len(own) == len(other)
                and own.is_unique
                and own.difference(other).empty
                and hasattr(value, "reindex")
            ):
                raise GridError(
                    f"{name} and {first} have the same {what}, in another order: align them, as by "
                    f"{name.replace(' ', '_')}.reindex({what}={first.replace(' ', '_')}.{what}), or {by_place}"
                )
            raise GridError(
                f"{name} has another {what} than {first}, so that their values are of other items: keep those that both have, as by "
                f"pandas.Series.align or pandas.DataFrame.align with join='inner', or {by_place}"
            )


def _check_coordinates(placed: list[tuple[str, Place]]) -> None:
    """Refuse images whose coordinates are not even, or of axes that make no grid in space, unless all have the same.

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
        if place is reference or (reference.sides is not None and not place.uneven):
            continue
        alike = place.axes == reference.axes and len(place.uneven) == len(reference.uneven)
        if not alike or not all(map(_same, place.uneven, reference.uneven)):
            both = (
                f"{first} has coordinates that are not even, and {name} has others"
                if reference.sides is None
                else f"{first} and {name} have different coordinates"
            )
            raise GridError(
                f"{both}: sort both along each dimension (sortby) "
                "and align them, or drop the coordinates (drop_vars) if the voxels match as they lie"
            )


def _same(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Tell whether two coordinates are the same; a nan is one, too."""
    return np.array_equal(one, two, equal_nan=one.dtype.kind == two.dtype.kind == "f")


def spacing_of(named: Iterable[tuple[str, Any]], *, in_mm: bool) -> tuple[float, ...] | None:
    """Return the voxel size along an array's axes in space, of the first value that lies somewhere; None if none does.

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
        own = getattr(value, "shape", ())
        return place.sides[in_space(own)] if len(own) == len(place.sides) else place.sides
    return None


def edges_in_memory(named: Iterable[tuple[str, Any]]) -> tuple[float, ...] | None:
    """Return the same in mm where a value tells it clearly, and None otherwise: for what is only said."""
    try:
        return spacing_of(named, in_mm=True)
    except (ValueError, GridError):
        return None
