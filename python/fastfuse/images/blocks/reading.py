"""NIfTI files of which only the head is held: their voxels are read by whoever slices the proxy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.arrayproxy import ArrayProxy

from ...errors import GridError, ImageError, reason_of
from ..checks import check_regular
from ..formats.endings import NIFTI_SUFFIXES
from ..grids.boxes import one_grid
from ..image import Image
from ..nifti import read_head
from ..outputs import place_of_output
from ..paths import shown
from ..reading import READ_ERRORS

LEAVE_OUT = "or leave max_memory (--max-memory) out"


def open_images(paths: Sequence[Path]) -> tuple[list[Image], list[Any]]:
    """Return the heads of images on one grid, and nibabel's images, whose voxels are still in the files.

    Raises
    ------
    ImageError, GridError
        Naming what cannot be read slab by slab, or lies on another grid.
    """
    heads = [_head(path) for path in paths]
    first = heads[0].grid
    for head in heads[1:]:
        if not one_grid(first, head.grid):
            raise GridError(
                f"{shown(head.path)} does not lie on the grid of {shown(heads[0].path)}, and max_memory takes files on one grid: "
                f"resample it first, {LEAVE_OUT}"
            )
    return heads, [nib.load(head.path) for head in heads]


def lazy_voxels(output: Path) -> Any:
    """Return nibabel's proxy of an output's voxels, which are read when it is sliced; the output may still wait for its name."""
    return ArrayProxy(str(output), read_head(place_of_output(output)).header)


def _head(path: Path) -> Image:
    name = path.name.lower()
    if not name.endswith(NIFTI_SUFFIXES):
        raise ImageError(
            f"{shown(path)}: max_memory takes .nii and .nii.gz, whose voxels follow each other: convert it, {LEAVE_OUT}"
        )
    try:
        check_regular(path)
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        head = read_head(path)
    except ImageError:
        raise
    except READ_ERRORS as error:
        raise ImageError(f"{shown(path)}: cannot be read ({reason_of(error)})") from None
    if compressed != name.endswith(".gz"):
        kind = "compressed" if compressed else "not compressed"
        raise ImageError(f"{shown(path)}: is {kind}, and its name says otherwise: rename it, {LEAVE_OUT}")
    if head.scaled or head.data.ndim != 3:
        why = "its header scales the stored numbers" if head.scaled else f"it has {head.data.ndim} axes"
        raise ImageError(f"{shown(path)}: {why}, which max_memory does not take: convert it, {LEAVE_OUT}")
    return head
