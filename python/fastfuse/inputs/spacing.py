"""The voxels' size, as images tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .grids import grid_of
from .libraries import place_of_image


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
