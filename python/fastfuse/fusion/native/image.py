"""A consensus as an image of nibabel's, on the grid of its raters or of another image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GridError
from ...images.image import Image
from ...images.reading import read
from ...images.written.nifti import Holds, NiftiImage, nifti_image
from ...inputs.grids import Grid, check_same_grid
from ...inputs.in_memory import grid_of
from ...inputs.libraries import place_of_image
from .kind import Kind, kind_of, upright

RATERS, LIKE = "the raters", "like"


def nifti_of(values: NDArray[Any], kind: Kind, like: Any, description: str, holds: Holds) -> NiftiImage:
    """Return voxels as an image of nibabel's, with axes x, y, z; see :meth:`Fusion.to_nifti`."""
    placed, on = on_grid(values, kind, like)
    return nifti_image(placed, on, description, holds)


def on_grid(values: NDArray[Any], kind: Kind, like: Any) -> tuple[NDArray[Any], Image]:
    """Return voxels with axes x, y, z, and an image that has their place, header and codes.

    Raises
    ------
    ValueError
        If nothing says where the voxels lie.
    GridError
        If ``like`` lies elsewhere than the raters.
    """
    own = kind.place
    if like is None:
        if own is None or own.affine is None:
            raise ValueError(
                "nothing says where the voxels lie: the raters were given as arrays, or as images without a place. Give like, an image "
                "or a path whose grid is the raters'"
            )
        placed, affine = upright(values, own, "the consensus")
        _ = grid_of(RATERS, own)  # which refuses an affine that is none
        assert affine is not None
        return placed, _image(RATERS, placed.shape, affine, kind.header)
    target, axes = _target(like)
    place = own if own is not None and own.affine is not None else axes
    if place is None:  # a path, and raters who say no place: their axes are x, y, z
        placed, affine = np.atleast_3d(values), None
    else:
        placed, affine = upright(values, _of_shape(place, values), "the consensus")
    shape = target.data.shape
    if placed.shape != shape:
        raise GridError(
            f"like has {shape} voxels along x, y and z, the consensus {placed.shape}: give an image on the raters' grid"
        )
    if own is not None and own.affine is not None and affine is not None:
        check_same_grid(target.grid, Grid(RATERS, placed.shape, affine))
    return placed, target


def _of_shape(place: Any, values: NDArray[Any]) -> Any:
    """Return a place with the shape of an array of as many axes, whose voxels are then compared."""
    from dataclasses import replace

    return replace(place, shape=tuple(values.shape)) if len(place.shape) == values.ndim else place


def _target(like: Any) -> tuple[Image, Any]:
    """Return the image whose grid is taken, and how an array of its own library lies; None of a path."""
    if isinstance(like, (str, os.PathLike)):
        return read(Path(like)), None
    place = place_of_image(like)
    if place is None or place.affine is None:
        raise TypeError(
            f"like is of type {type(like).__name__}, which says no place: give an image, as of nibabel, or a path"
        )
    _ = grid_of(LIKE, place)
    empty = np.broadcast_to(np.zeros((), np.uint8), place.shape)
    placed, affine = upright(empty, place, LIKE)
    assert affine is not None
    return _image(LIKE, placed.shape, affine, kind_of([like]).header), place


def _image(name: str, shape: tuple[int, ...], affine: NDArray[np.float64], header: Any) -> Image:
    data = np.broadcast_to(np.zeros((), np.uint8), shape)
    return Image(Path(name), data, affine, header)
