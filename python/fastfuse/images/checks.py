"""Checks of an image file, and of what its header announces, before any voxel is read."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .formats.endings import is_dicom
from .memory import available, filling, remedy, shown_bytes
from .paths import shown

READABLE = (
    "NIfTI (.nii, .nii.gz, .hdr with .img), MetaImage (.mha, .mhd), NRRD (.nrrd, .nhdr), MGH (.mgh, .mgz), NumPy (.npy), "
    "PNG and TIFF, DICOM SEG and RTSTRUCT (.dcm), nnU-Net's .npz, and AFNI, MINC and PAR/REC volumes"
)
LEAST_SIDE_MM, MOST_SIDE_MM = 1e-7, 1e6  # of a voxel: less than an atom's, more than any body's
MOST_CHANNELS = 256  # of a network; an image of four axes with more is something else
FIRST = 3  # files of a folder that are looked at
MOST_AXES = 7  # of NIfTI
DENSEST = 20 * 1032  # bytes in memory of one in a file: deflate's most, of voxels that are scaled on reading


def check_regular(path: Path) -> None:
    """Refuse what is not a regular file with content."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ImageError(f"{shown(path)}: no such file") from None
    except ValueError:  # a null character
        raise ImageError(f"{shown(path)}: no file can have such a name") from None
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be found ({error.strerror or error})") from None
    if stat.S_ISDIR(status.st_mode):
        if _holds_dicom(path):
            raise ImageError(
                f"{shown(path)}: a folder of DICOM files: make one NIfTI file of an image's series by dcm2niix or 3-D Slicer; of a "
                "segmentation (SEG, RTSTRUCT) name the file"
            )
        here = " (an empty name stands for the folder one is in)" if path == Path() else ""
        raise ImageError(f"{shown(path)}: not a regular file, but a folder{here}; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{shown(path)}: not a regular file")
    if status.st_size == 0:
        raise ImageError(f"{shown(path)}: the file is empty")


def _holds_dicom(folder: Path) -> bool:
    """Tell a folder of DICOM files by the first of them."""
    with suppress(OSError):
        return any(is_dicom(one) for one in islice(filter(Path.is_file, sorted(folder.iterdir())), FIRST))
    return False


def check_content(path: Path, extents: Any, stored: np.dtype[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and stored type of one image of numbers, or of a network's channels; refuse anything else.

    A 2-D image is one slice, (x, y, 1); trailing axes of one frame each are dropped.
    """
    shape = tuple(int(extent) for extent in extents)
    if not shape or min(shape) < 1:
        raise ImageError(f"{shown(path)}: it has no voxels (shape {shape})")
    kept = shape
    while len(kept) > 3 and kept[-1] == 1:
        kept = kept[:-1]
    if len(kept) == 2:
        kept = (*kept, 1)
    if len(kept) == 5 and kept[3] == 1:  # where NIfTI keeps vectors
        kept = (*kept[:3], kept[4])
    if len(kept) != 3 and not (len(kept) == 4 and kept[0] > 1 and min(kept[0], kept[3]) <= MOST_CHANNELS):
        raise ImageError(
            f"{shown(path)}: it has shape {shape}; one 3-D image per file is needed, {_remedy(kept)}"
        )
    if stored.kind not in "iuf" or stored.itemsize > 8:
        raise ImageError(
            f"{shown(path)}: it holds elements of type {stored}; convert it to integers or floats"
        )
    return kept, stored


def _remedy(shape: tuple[int, ...]) -> str:
    """Say what is to be done with a shape that is no image's."""
    if len(shape) < 2:
        return "or a 2-D one: this is a list of numbers"
    if 1 in shape and sum(extent > 1 for extent in shape) <= 3:
        return f"so drop axis {shape.index(1)}, which has one entry, and save it again"
    return "so split it first"


def check_memory(path: Path, needed: int) -> None:
    """Refuse what takes more bytes than are free; say so of a file that can hardly hold as much."""
    free = available()
    if free is None or needed <= free:
        return
    more = f"{shown(path)}: it needs {shown_bytes(needed)} of memory, more than the {shown_bytes(free)} that are free"
    held = path.stat().st_size if path.is_file() else needed  # a folder of slices
    if needed > DENSEST * held:
        raise ImageError(
            f"{more}, and a file of {shown_bytes(held)} can hardly hold as much: its header is wrong, or it was cut short; write it again"
        )
    raise ImageError(f"{more}; crop it, or {remedy()}")


@contextmanager
def room_for(path: Path, needed: int, go_on: Callable[[], None]) -> Iterator[None]:
    """Fill so many bytes in a block, beside what other threads fill; refuse it where they are not free, as :func:`check_memory`."""
    with filling(needed, go_on):
        check_memory(path, needed)
        yield


def check_affine(path: Path, affine: NDArray[np.float64]) -> None:
    """Refuse an affine that is not finite or not invertible."""
    fault = fault_of_affine(affine)
    if fault:
        raise ImageError(f"{shown(path)}: {fault}; mend the header")


def fault_of_affine(affine: NDArray[np.float64]) -> str:
    """Return why an affine is no image's; nothing if it may be one."""
    sound = bool(np.isfinite(affine).all())
    with np.errstate(all="ignore"):
        sides = np.linalg.norm(affine[:3, :3], axis=0)
        sound = sound and bool(abs(np.linalg.det(affine[:3, :3])) > 1e-6 * sides.prod())
    if sound and not (sides.min() >= LEAST_SIDE_MM and sides.max() <= MOST_SIDE_MM):
        wide = " x ".join(f"{side:.3g}" for side in sides)
        return f"its voxels measure {wide} mm, as no image's do"
    return "" if sound else f"its affine is not an invertible matrix of finite numbers{_where(affine)}"


def _where(affine: NDArray[np.float64]) -> str:
    """Say which number of an affine is none, or which voxel axes lead nowhere new."""
    if not np.isfinite(affine).all():
        row, column = np.argwhere(~np.isfinite(affine))[0]
        return f" ({affine[row, column]:g} in row {row}, column {column})"
    empty = np.flatnonzero(~affine[:3, :3].any(axis=0))
    if empty.size:
        return f" (its column {empty[0]} is zero: voxels would have no size along axis {empty[0]})"
    return " (its columns depend on each other: two voxels would lie at one place)"


def check_extension(path: Path, header: Any, begin: bytes, surplus: int) -> None:
    """Refuse an extension of the header that lies where the voxels begin by vox_offset: its bytes would be voxels."""
    end, order = header.single_vox_offset, "<" if header.endianness == "<" else ">"
    size = int(np.frombuffer(begin[end : end + 4].ljust(4, b"\0"), f"{order}i4")[0])
    if (
        begin[end - 4 : end - 3] > b"\0"
        and header.get_data_offset() == end
        and 0 < size <= surplus
        and size % 16 == 0
    ):
        raise ImageError(
            f"{shown(path)}: its header has an extension of {size} bytes where its voxels begin by vox_offset {end}: set vox_offset to "
            f"{end + size} if no other extension follows"
        )


def check_axes(path: Path, begin: bytes) -> None:
    """Refuse a number of axes that no image has, by which nibabel takes the bytes for swapped."""
    for order in ("<", ">"):
        size = int(np.frombuffer(begin[:4].ljust(4, b"\0"), f"{order}i4")[0])
        at, kind = {348: (40, "i2"), 540: (16, "i8")}.get(size, (len(begin), "i2"))
        axes = np.frombuffer(begin[at : at + int(kind[1])], f"{order}{kind}")
        if axes.size and not 0 <= axes[0] <= MOST_AXES:
            raise ImageError(
                f"{shown(path)}: its header tells of {axes[0]} axes (dim[0]), and 1 to {MOST_AXES} can be; mend the header"
            )
