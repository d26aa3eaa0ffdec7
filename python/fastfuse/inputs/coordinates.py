"""Compares coordinates that make no grid: uneven ones, or names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from .libraries import Place


def check_coordinates(placed: list[tuple[str, Place]]) -> None:
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
