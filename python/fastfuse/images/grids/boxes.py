"""The smallest grid that holds all masks of a job, each of which may be a part of the volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GridError, ImageError
from ...inputs.doubts import doubt_of, moved
from ...inputs.grids import NEAR, Grid, assumptions, shift_of
from ...inputs.lattice import Box, Fit, fit_of
from ..checks import check_memory
from ..formats.segments import filled_axes
from ..image import Image
from ..paths import shown

FAR_MM = 1000  # between boxes: more than any body part that two files hold
FAR_SIDES = 4  # and that times the longest side of either

Places = list[tuple[Image, Fit]]  # of images on a lattice


def box_of_all(parts: Sequence[Image], regions: Sequence[Image], *, chosen: bool) -> tuple[Box, list[str]]:
    """Return the smallest box that holds all, on the lattice of the first, and remarks on what lies apart.

    What lies between the lattice's voxels is left out.

    Parameters
    ----------
    parts : sequence of Image
        Votes, which a program may have cropped to what they mark.
    regions : sequence of Image
        Masks of the region.
    chosen : bool
        Whether the caller said which form of a header counts.

    Raises
    ------
    GridError
        If one may only seem to be a part of the volume, because its header is wrong.
    """
    first = parts[0]
    placed, masks = ([(image, _fit(first.grid, image)) for image in images] for images in (parts, regions))
    box = Box.of(first.data.shape)
    seen: Places = []
    for image, fit in (*placed, *masks):
        if fit is None:
            continue
        _check_near(box, fit.box, image, first)
        box = box.with_box(fit.box)
        _check_size(box, image, first, len(placed) + len(masks))
        _check_place(image, fit, seen, chosen=chosen, may_fill=len(seen) < len(placed))
        seen.append((image, fit))
    return box, [_apart(image) for image, fit in seen if _is_apart(fit, seen)]


def _check_near(box: Box, other: Box, image: Image, first: Image) -> None:
    """Refuse an image that lies absurdly far from those before it."""
    gaps = [
        max(0, low - end, start - high)
        for low, high, start, end in zip(other.low, other.high, box.low, box.high, strict=True)
    ]
    sides = np.array([box.shape, other.shape]) * first.grid.voxel_mm
    apart = float(np.linalg.norm(gaps * first.grid.voxel_mm))
    if apart > max(FAR_MM, FAR_SIDES * float(sides.max())):
        raise GridError(
            f"{shown(image.path)} lies {apart:.3g} mm away from {shown(first.path)}: one header is wrong (its origin), or they do "
            f"not belong together{assumptions(first.grid, image.grid)}"
        )


def _check_size(box: Box, image: Image, first: Image, images: int) -> None:
    """Refuse an image that lies so far away that memory cannot hold the box of all."""
    if box.shape == first.data.shape:  # nothing grows
        return
    try:
        check_memory(image.path, images * math.prod(box.shape) * image.data.itemsize)
    except ImageError:
        raise GridError(
            f"{shown(image.path)} and {shown(first.path)} lie far apart: a box that holds both has "
            f"{' x '.join(map(str, box.shape))} voxels, more than memory holds. One header is wrong, or they do not "
            f"belong together{assumptions(first.grid, image.grid)}"
        ) from None


def _is_apart(fit: Fit, all_places: Places) -> bool:
    """Tell whether a box has no voxel in common with any other."""
    others = [place.box for _, place in all_places if place is not fit]
    return bool(others) and not any(fit.box.common(other) for other in others)


def _apart(image: Image) -> str:
    return f"{shown(image.path)}: its box has no voxel in common with any other file's; is its header right?"


def file_of(grid: Grid, images: Sequence[Image]) -> Path | None:
    """Return the first file that lies on a grid; None if none does."""
    return next((image.path for image in images if one_grid(grid, image.grid)), None)


def holds_crops_alone(grid: Grid, votes: Sequence[Image], others: Sequence[Image]) -> bool:
    """Tell whether files, some of them cropped, do not show how far the volume reaches on whose lattice they lie.

    ``others``: what is no votes, such as a mask, and tells it where it lies on the grid. So does a file of votes, unless it was
    cropped to what it marks.
    """
    if any(one_grid(grid, image.grid) for image in others):
        return False
    return all(all(_filled(image)) for image in votes if one_grid(grid, image.grid))


def one_grid(first: Grid, other: Grid) -> bool:
    """Tell whether two grids are one, but for a tenth of a voxel."""
    return first.shape == other.shape and shift_of(first, other) <= NEAR


def nothing(shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros that take no memory."""
    return np.broadcast_to(np.zeros((), kind), shape)


def _fit(lattice: Grid, image: Image) -> Fit | None:
    grid = image.grid
    if one_grid(lattice, grid):
        return Fit(Box.of(lattice.shape), (0, 1, 2), (), 0.0)
    return fit_of(lattice, grid)


def _check_place(image: Image, fit: Fit, others: Places, *, chosen: bool, may_fill: bool) -> None:
    """Refuse a wrong header: among others, of an image that lies elsewhere than another of its shape.

    ``may_fill``: whether two that fill their boxes are believed, since they were cropped.
    """
    if others and not one_grid(others[0][0].grid, image.grid):
        doubt = doubt_of(others[0][0].grid, image.grid, asked=False, chosen=chosen)
        if doubt is not None:
            raise GridError(doubt)
    for other, place in others:
        if other.data.shape != image.data.shape or place.box == fit.box:
            continue
        if not (may_fill and _fills(other, place, fit) and _fills(image, fit, place)):
            raise GridError(moved(other.grid, image.grid, fit))


def _fills(image: Image, fit: Fit, other: Fit) -> bool:
    """Tell whether marks reach both ends of their box along the axes on which another lies elsewhere.

    All that the file marks counts, not the segment alone that is fused.
    """
    if fit.turned or other.turned:
        return False
    fills = _filled(image)
    return all(fills[axis] for axis in range(3) if fit.box.low[axis] != other.box.low[axis])


def _filled(image: Image) -> tuple[bool, ...]:
    """Tell along which axes a file's marks reach both ends."""
    return filled_axes(image.data) if image.fills is None else image.fills
