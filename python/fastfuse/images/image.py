"""A 3-D image in memory, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ..inputs.grids import Grid
from .paths import shown
from .segments import Segment


@dataclass(frozen=True)
class Image:
    """A 3-D image in memory.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    data : ndarray, shape (x, y, z)
        In the type of the file; float64 if the header scales the stored numbers.
    affine : ndarray of float64, shape (4, 4)
        From voxel indices to millimetres, RAS+.
    header : nibabel header or None
        Source of units and codes for outputs; None for formats other than NIfTI.
    scaled : bool
        Whether the header scales the stored numbers, so that they may be rounded.
    remark : str or None
        What is doubtful about the file.
    placed : bool or None
        Whether the header says where the image lies; None: the codes of ``header`` tell, if there is one.
    segments : tuple of Segment
        The structures that the file names.
    chosen : bool
        Whether ``data`` are votes for the labels or segments that were wanted, and no labels any more.
    """

    path: Path
    data: NDArray[Any]
    affine: NDArray[np.float64]
    header: Any = None
    scaled: bool = False
    remark: str | None = None
    placed: bool | None = None
    segments: tuple[Segment, ...] = ()
    chosen: bool = False

    @property
    def grid(self) -> Grid:
        """Positions of the voxels in space."""
        placed = self.placed
        if placed is None:
            codes = (1, 0) if self.header is None else (self.header["qform_code"], self.header["sform_code"])
            placed = any(int(code) > 0 for code in codes)
        return Grid(shown(self.path), self.data.shape, self.affine, placed=placed)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000


def votes_of(image: Image) -> NDArray[Any]:
    """Return a rater's votes, with the rounding of scaled labels and of scaled votes 0 and 1 undone.

    Headers scale in single precision, which turns label 3 into 2.9999999.
    """
    data = image.data
    if not image.scaled:
        return data
    near = np.rint(data)
    error = np.abs(data - near)
    if np.all(error <= 1e-4):  # a label map
        return np.asarray(near)
    return np.where((error <= 1e-6) & ((near == 0) | (near == 1)), near, data)


def ras_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the order of axes nearest to right, anterior, superior, and the axes of that order to reverse."""
    places = nib.orientations.io_orientation(affine)
    order = tuple(int(axis) for axis in np.argsort(places[:, 0]))
    return order, tuple(at for at, axis in enumerate(order) if places[axis, 1] < 0)
