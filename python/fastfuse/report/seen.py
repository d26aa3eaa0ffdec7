"""What pages and figures show of a fusion: its volumes on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GridError
from ..fusion.native.image import on_grid
from ..fusion.native.kind import Kind, in_memory
from ..fusion.native.origin import Origin
from ..fusion.result import Fusion
from ..images.grids.common import Common
from ..images.image import Image
from ..images.paths import needed_path, shown
from ..images.placing import AS_IT_IS
from ..images.reading import read
from ..inputs.arrays import as_companion
from ..inputs.libraries import Place
from .html.scan import Pictures, where_looked


def pictures_of_fusion(
    fusion: Fusion, marks: Sequence[NDArray[Any]], image: Any, like: Any, looked: Sequence[NDArray[Any]] = ()
) -> tuple[Pictures, Image]:
    """Return the volumes with axes x, y, z, and an image that lies there; ``image``: by default that of the fusion."""
    volume = in_memory(fusion.probability)
    return placed_volumes(fusion._origin, volume, marks, image, like, looked=looked)


def placed_volumes(
    origin: Origin | None,
    volume: NDArray[Any],
    marks: Sequence[NDArray[Any]],
    image: Any,
    like: Any,
    labels: tuple[int, ...] = (),
    *,
    looked: Sequence[NDArray[Any]] = (),
) -> tuple[Pictures, Image]:
    """Return a consensus, a probability or a label map, and what lies beside it, with axes x, y, z.

    ``image``: as the raters, or a path; ``labels``: of maps.

    Raises
    ------
    ImageError, GridError
        If ``image`` is a file that cannot be read, or that does not lie on the raters' grid.
    """
    kind, placed = _placed(Kind() if origin is None else origin.kind, like, volume)
    consensus, on = on_grid(volume, kind, like)
    below = image
    if below is None and origin is not None:
        below = next(iter(origin.beside.values() or []), None)
    grey: NDArray[Any] | None
    if isinstance(below, (str, PathLike)):
        grey = _read_on(on, needed_path(below, "image"), placed=placed)
    else:
        grey = None if below is None else on_grid(as_companion(below, "image", volume.shape), kind, like)[0]
    drawn, seen = ([on_grid(one, kind, like)[0] for one in volumes] for volumes in (marks, looked))
    return Pictures(consensus, drawn, on.affine, grey, placed, labels, where_looked(seen) if seen else ()), on


def _read_on(on: Image, path: Path, *, placed: bool) -> NDArray[Any]:
    """Return the voxels of a file on a grid; where nothing says where that lies, of a file with as many voxels."""
    found = read(path)
    if placed:
        return Common(on, on.path, AS_IT_IS).place(found, "image")[0].data
    if found.data.shape != on.data.shape:
        raise GridError(
            f"image, {shown(path)}, has {found.data.shape} voxels along x, y and z, the consensus {on.data.shape}: give an image on "
            "the raters' grid"
        )
    return found.data


def _placed(kind: Kind, like: Any, values: NDArray[Any]) -> tuple[Kind, bool]:
    """Return a kind that has a place: of arrays voxels of 1 mm, whose sides are not known."""
    if like is not None or (kind.place is not None and kind.place.affine is not None):
        return kind, True
    shape = values.shape if values.ndim <= 3 else tuple(length for length in values.shape if length > 1)
    return replace(kind, place=Place(np.eye(4), (1.0,) * len(shape), shape)), False
