"""Checks of an image file, and of what its header announces, before any voxel is read."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .paths import shown

MOST_CHANNELS = 256  # of a network; an image of four axes with more is something else


def check_regular(path: Path) -> None:
    """Refuse what is not a regular file with content."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ImageError(f"{shown(path)}: no such file") from None
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be found ({error.strerror or error})") from None
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{shown(path)}: not a regular file")
    if status.st_size == 0:
        raise ImageError(f"{shown(path)}: the file is empty")


def check_content(path: Path, extents: Any, stored: np.dtype[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and stored type of one 3-D image of numbers, or of a network's channels; refuse anything else."""
    shape = tuple(int(extent) for extent in extents)
    if not shape or min(shape) < 1:
        raise ImageError(f"{shown(path)}: it has no voxels (shape {shape})")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 5 and shape[3] == 1:  # where NIfTI keeps vectors
        shape = (*shape[:3], shape[4])
    if len(shape) != 3 and not (len(shape) == 4 and min(shape[0], shape[3]) <= MOST_CHANNELS):
        raise ImageError(
            f"{shown(path)}: it has shape {shape}; one 3-D image per file is needed, so split it first"
        )
    if stored.kind not in "iuf" or stored.itemsize > 8:
        raise ImageError(
            f"{shown(path)}: it holds elements of type {stored}; convert it to integers or floats"
        )
    return shape, stored


def check_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse an image that this machine's memory cannot hold."""
    needed, memory = 8 * math.prod(shape), _memory()
    if memory is not None and needed > memory:
        raise ImageError(
            f"{shown(path)}: it needs {needed / 1e9:.0f} GB of memory, more than this machine has"
        )


def _memory() -> int | None:
    """Return the machine's memory in bytes; None if the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def check_affine(path: Path, affine: NDArray[np.float64]) -> None:
    """Refuse an affine that is not finite or not invertible."""
    sound = bool(np.isfinite(affine).all())
    if sound:
        sides = np.linalg.norm(affine[:3, :3], axis=0)
        sound = abs(np.linalg.det(affine[:3, :3])) > 1e-6 * sides.prod()
    if not sound:
        raise ImageError(
            f"{shown(path)}: its affine is not an invertible matrix of finite numbers; mend the header"
        )
