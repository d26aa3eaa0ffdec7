"""Reads an image of a NumPy file (.npy), which holds values and no grid."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import ImageError, reason_of
from ...inputs.names import counted
from ..checks import check_content, check_memory
from ..image import Image
from ..paths import remark_on, shown
from .behind import LEAST, counted_behind, told_behind

NO_SIZE = "it holds no voxel size: 1 mm is taken"


def _magic(path: Path, file: BinaryIO) -> tuple[int, int]:
    try:
        return np.lib.format.read_magic(file)
    except ValueError:
        raise ImageError(
            f"{shown(path)}: it does not begin as a .npy file does: save it again by numpy.save"
        ) from None


def read_numpy(path: Path) -> Image:
    """Read a 2-D or 3-D array of numbers; leading axes of one entry, as of a batch, are dropped too."""
    with path.open("rb") as file:
        version = _magic(path, file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ImageError(f"{shown(path)}: it is of .npy version {version[0]}.{version[1]}; save it again")
        try:
            shape, fortran, dtype = read_header(file)
        except (ValueError, SyntaxError, TypeError, ArithmeticError, RecursionError) as error:
            raise ImageError(
                f"{shown(path)}: its header cannot be read ({shown(reason_of(error))}): save it again by numpy.save"
            ) from error
        if dtype.hasobject and not shape:
            raise ImageError(
                f"{shown(path)}: it holds one Python object, as a dict of masks, which only pickle could read: save its "
                "masks alone by numpy.save"
            )
        kept = tuple(int(extent) for extent in shape)
        while len(kept) > 3 and kept[0] == 1:
            kept = kept[1:]
        kept, _ = check_content(path, kept, np.dtype(np.uint8) if dtype == np.bool_ else dtype)
        needed = math.prod(kept) * dtype.itemsize
        have = path.stat().st_size - file.tell()
        if have < needed:
            raise ImageError(
                f"{shown(path)}: {counted(have, 'byte')} of voxels, {needed} expected; the file is truncated"
            )
        check_memory(path, needed)
        data = np.fromfile(file, dtype, math.prod(kept))
        beyond = told_behind(counted_behind(have - needed, file.read(LEAST)), needed // max(kept))
    data = data.reshape(kept, order="F" if fortran else "C")
    if dtype == np.bool_:
        data = (data.view(np.uint8) != 0).astype(np.uint8)
    return Image(path, data, np.eye(4), placed=False, remark=remark_on(path, (NO_SIZE, beyond)))
