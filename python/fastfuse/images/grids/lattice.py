"""The grid on which a job's contours are drawn: that of the file which decides the grid of all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...errors import ImageError
from .. import gz
from ..checks import check_affine
from ..formats.endings import NIFTI_SUFFIXES
from ..image import Image
from ..nifti import read_head
from ..paths import shown
from ..placing import OF_CONTOURS, Kind, Placing
from ..reading import READ_ERRORS, read
from ..wanted import Lattice, Wanted
from .chosen_form import with_form

# Whose grids count, in this order, where none is named.
OF_PARTS: tuple[Kind, ...] = ("votes", "present", "mask")


def with_lattice(
    paths: Sequence[Path], kinds: Sequence[Kind], asked: Sequence[Wanted], placing: Placing
) -> list[Wanted]:
    """Return what is asked of each file, with the grid for its contours, should it hold some."""
    lattice = _Lattice(paths, kinds, asked, placing)
    return [replace(one, lattice=lattice) for one in asked]


class _Lattice:
    """Reads the file whose grid contours get, once the first file of contours asks for it."""

    def __init__(
        self, paths: Sequence[Path], kinds: Sequence[Kind], asked: Sequence[Wanted], placing: Placing
    ) -> None:
        self._files = list(zip(paths, kinds, asked, strict=True))
        self._placing = placing
        self._lock = threading.Lock()
        self._found: Lattice | None = None

    def __call__(self, path: Path) -> Lattice:
        """Return the grid for the contours of a file.

        Raises
        ------
        ImageError
            If no file has one.
        """
        with self._lock:
            self._found = self._found or self._lattice(path)
            return self._found

    def _lattice(self, path: Path) -> Lattice:
        from ..formats.dicom import is_structure_set

        own = {file: asked for file, _, asked in self._files}
        named = self._placing.grid or next((file for file, kind, _ in self._files if kind == "image"), None)
        if named is None:
            parts = [file for part in OF_PARTS for file, kind, _ in self._files if kind == part]
            file = next((one for one in parts if not is_structure_set(one)), None)
            if file is None:
                raise ImageError(
                    f"{shown(path)}: it holds contours (RTSTRUCT), and no file has a grid for them: {OF_CONTOURS}"
                )
        elif is_structure_set(named):
            raise ImageError(
                f"{shown(named)}: it holds contours (RTSTRUCT), and no grid that others could get: {OF_CONTOURS}"
            )
        else:
            file = named
        asked = own.get(file, Wanted(use=self._placing.use, offers_use=True))
        image = with_form(_head(file, replace(asked, lattice=None)), self._placing.use)
        check_affine(file, image.affine)
        if not image.grid.placed:
            raise ImageError(
                f"{shown(file)}: its header does not say where it lies, so that no contours can be drawn on it: {OF_CONTOURS}"
            )
        return Lattice(image.grid, file, named is not None)


def _head(path: Path, asked: Wanted) -> Image:
    """Return an image whose grid counts; of NIfTI of three axes without its voxels."""
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        with suppress(ImageError, *READ_ERRORS, *gz.errors()):  # for which the whole reader has words
            image = read_head(path)
            if image.data.ndim == 3:
                return image
    return read(path, wanted=asked)
