"""Reads NIfTI files: a strict reader on nibabel's headers."""

from __future__ import annotations

import bz2
import io
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.names import counted
from . import gz
from .checks import (
    LEAST_SIDE_MM,
    MOST_SIDE_MM,
    READABLE,
    check_axes,
    check_content,
    check_extension,
    check_memory,
    room_for,
)
from .formats.behind import LEAST, counted_behind, told_behind
from .grids.forms import (
    affine_of,
    codes_in,
    disagreement,
    of_unknown_code,
    unit_doubt,
    with_thickness,
)
from .image import Image
from .paths import remark_on, shown

# First bytes of files that are inflated, and what a bzip2 file is named.
BZIP2 = b"BZh"
EXTENSION = 8  # bytes with the flag and the size of the first extension
OF_PLACE = ("unit", "qfac", "below 0 mm")  # words of doubts about what was taken of the place
APART = 0.01  # of a voxel's size: sizes that differ by more contradict each other
CIFTI_INTENTS = range(3000, 3100)


def read_nifti(path: Path, go_on: Callable[[], None]) -> Image:
    """Read a .nii or .nii.gz to its end, so that the CRC is checked.

    The content, not the name, tells whether it is compressed.
    """
    with path.open("rb") as raw:
        begin = raw.read(3)
        raw.seek(0)
        file = _opened(raw, begin)
        begin = file.read(540 + EXTENSION)
        header = _read_header(path, begin[:540])
        bits = int(header["bitpix"])  # which is mended
        compressed = file is not raw
        shape, stored, doubts = _check_header(path, header, None if compressed else path.stat().st_size)
        with room_for(path, _bytes_held(path, header, shape, stored), go_on):
            data = _read_data(path, header, bits, file, go_on)
        surplus = _rest(file, go_on) if compressed else _left(path, file)
    count = math.prod(shape)
    _check_type(path, bits, stored, count, count * stored.itemsize + surplus)
    check_extension(path, header, begin, surplus)
    doubts.append(told_behind(surplus, shape[0] * shape[1] * stored.itemsize))
    return _image_of(path, header, data.reshape(shape, order="F"), doubts, scaled=data.dtype != stored)


def read_head(path: Path) -> Image:
    """Read the header of a .nii or .nii.gz as strictly; the image's voxels are 0, and take no memory."""
    with path.open("rb") as raw:
        begin = raw.read(3)
        raw.seek(0)
        file = _opened(raw, begin)
        head = file.read(540 + EXTENSION)
        header = _read_header(path, head[:540])
        size = path.stat().st_size if file is raw else None
        shape, stored, doubts = _check_header(path, header, size, held=False)
    told = header.get_data_offset() + math.prod(shape) * stored.itemsize
    check_extension(path, header, head, 2**62 if size is None else size - told)
    scaled = _scaling(path, header)[:2] != (1, 0)
    nothing: Any = np.broadcast_to(np.zeros((), stored), shape)
    return _image_of(path, header, nothing, doubts, scaled=scaled)


def _image_of(path: Path, header: Any, data: NDArray[Any], doubts: list[str], *, scaled: bool) -> Image:
    """Return an image with its place, and what is doubtful of it."""
    shape = data.shape
    try:
        affine, doubt = with_thickness(affine_of(header), shape)
        apart = disagreement(path, header, shape[:3])
    except (ValueError, HeaderDataError) as error:
        raise ImageError(
            f"{shown(path)}: its qform is no rotation ({error}), so that it says no place; have its program write it again, or drop "
            "its place: nifti_tool -mod_hdr -mod_field qform_code 0 -infiles OLD -prefix NEW"
        ) from error
    doubts.append(unit_doubt(header, np.linalg.norm(affine[:3, :3], axis=0)))
    told = [one for one in (remark_on(path, (*doubts, doubt)), apart) if one]
    return Image(
        path,
        data,
        affine,
        header,
        scaled=scaled,
        remark="; ".join(told) or None,
        unknown_codes=codes_in(doubts),
        assumed="; ".join(one for one in doubts if any(word in one for word in OF_PLACE)),
    )


def _opened(raw: io.BufferedReader, begin: bytes) -> io.BufferedIOBase:
    """Return a file that inflates another, or that itself."""
    if begin.startswith(gz.MAGIC):
        return gz.reader(raw)
    return bz2.BZ2File(raw) if begin == BZIP2 else raw


def _left(path: Path, file: io.BufferedIOBase) -> int:
    """Return how many bytes of a file are left, without a line end."""
    left = path.stat().st_size - file.tell()
    return counted_behind(left, file.read(LEAST))


def _rest(file: io.BufferedIOBase, go_on: Callable[[], None]) -> int:
    """Read a file to its end, so that its CRC is checked; return how many bytes were left, without a line end."""
    rest, begin = 0, b""
    while piece := file.read(gz.PIECE):
        rest, begin = rest + len(piece), begin or piece
        go_on()
    return counted_behind(rest, begin)


def _read_header(path: Path, begin: bytes) -> Any:
    """Return the header of NIfTI-1 (348 bytes) or NIfTI-2 (540), without extensions."""
    if begin.startswith((gz.MAGIC, BZIP2)):
        raise ImageError(f"{shown(path)}: it is compressed twice: unpack it once, as by gunzip or bunzip2")
    check_axes(path, begin)
    nifti2 = 540 in (int.from_bytes(begin[:4], "little"), int.from_bytes(begin[:4], "big"))
    kind: Any = Nifti2Header if nifti2 else Nifti1Header
    return kind(begin[: 540 if nifti2 else 348], check=False)


def _check_header(
    path: Path, header: Any, file_size: int | None, *, held: bool = True
) -> tuple[tuple[int, ...], np.dtype[Any], list[str]]:
    """Return shape, stored type and doubts; refuse an unsound header and a file that is shorter than it says.

    ``held``: all voxels are to be held in memory.
    """
    bits = int(header["bitpix"])  # which is mended
    doubts = _mended(path, header)
    _check_kind(path, header)
    shape, stored = check_content(path, header.get_data_shape(), header.get_data_dtype())
    count = math.prod(shape)
    expected = header.get_data_offset() + count * stored.itemsize
    if file_size is not None and file_size < expected:
        raise ImageError(
            f"{shown(path)}: {file_size} bytes, {expected} expected; {_why_short(bits, stored, count, file_size - header.get_data_offset())}"
        )
    _, _, doubt = _scaling(path, header)
    if held:
        check_memory(path, _bytes_held(path, header, shape, stored))
    return shape, stored, [*doubts, *doubt]


def _bytes_held(path: Path, header: Any, shape: tuple[int, ...], stored: np.dtype[Any]) -> int:
    """Return how much memory it takes to read all voxels, and to scale them."""
    plain = _scaling(path, header)[:2] == (1, 0)
    return math.prod(shape) * (stored.itemsize if plain else stored.itemsize + 16)


def _check_type(path: Path, bits: int, stored: np.dtype[Any], count: int, have: int) -> None:
    """Refuse a type that contradicts bitpix, where the file has just the bytes that bitpix asks for."""
    if bits > 8 * stored.itemsize and 8 * have == bits * count:
        raise ImageError(f"{shown(path)}: {_why_short(bits, stored, count, have)}")


def _why_short(bits: int, stored: np.dtype[Any], count: int, have: int) -> str:
    """Say why a file has fewer bytes of voxels than its header tells: the type may be wrong."""
    if bits != 8 * stored.itemsize and 8 * have == bits * count:
        return f"its datatype ({stored}) contradicts its bitpix ({bits}), which fits the file: correct the datatype in the header"
    return "the file is truncated"


def _check_kind(path: Path, header: Any) -> None:
    """Refuse a header that no single-file volume has."""
    magic = bytes(header["magic"].tobytes())
    if not magic.startswith((b"n+1", b"n+2")):
        raise ImageError(
            f"{shown(path)}: it is not a single-file NIfTI image (magic {magic.rstrip(bytes(1))!r})"
        )
    if int(header["intent_code"]) in CIFTI_INTENTS:
        raise ImageError(
            f"{shown(path)}: it is CIFTI, values at surfaces and voxels, and no volume; fastfuse reads {READABLE}"
        )


def _mended(path: Path, header: Any) -> list[str]:
    """Check a header as nibabel does, which mends what it can; return what is to be said of it."""
    sides, offset = header["pixdim"][1:4].copy(), header["vox_offset"].item()
    if not math.isfinite(offset):
        raise ImageError(
            f"{shown(path)}: its vox_offset is {offset:g}, and must be where its voxels begin ({header.single_vox_offset} without "
            "extensions); mend the header"
        )
    said: list[str] = []
    log = logging.Logger("fastfuse.nifti", level=1)  # noqa: LOG001 - outside the user's hierarchy

    def keep(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return False

    log.addFilter(keep)
    header.check_fix(logger=log, error_level=logging.ERROR)
    shape = (*header.get_data_shape(), 1, 1, 1)[:3]
    doubts = mended_in_words(path, header, [text for text in said if text], shape, sides)
    if offset == 0:
        header["vox_offset"] = header.single_vox_offset
        doubts.append(f"its vox_offset is 0: {header.single_vox_offset} is taken, where the header ends")
    return doubts


def mended_in_words(
    path: Path, header: Any, said: list[str], shape: tuple[int, ...], sides: NDArray[Any] | None = None
) -> list[str]:
    """Return what is to be said of the faults of a header that nibabel mends; refuse an invented voxel size.

    Parameters
    ----------
    path : Path
    header : nibabel header
        As it was mended.
    said : list of str
        What nibabel says of it.
    shape : tuple of int
    sides : ndarray, shape (3,), optional
        pixdim[1:4] before it was mended.
    """
    names = header.keys() if hasattr(header, "keys") else ()
    by_sform = "sform_code" in names and int(header["sform_code"]) != 0
    by_qform = not by_sform and "qform_code" in names and int(header["qform_code"]) != 0
    doubts = _on_sides(path, header, sides, by_sform=by_sform) if "pixdim" in names else []
    for text in said:
        if "pixdim[1,2,3]" in text and not by_sform:
            doubts.append(_of_sides(path, text, shape, sides))
        elif "pixdim[1,2,3]" in text and sides is None:
            doubts.append("its voxel size (pixdim) is 0 or below: that of the sform is taken")
        elif "qfac" in text and by_qform:
            doubts.append("its qfac (pixdim[0]) is neither 1 nor -1: 1 is taken")
        elif found := re.search(r"([qs]form)_code (-?\d+) not valid", text):
            doubts.append(of_unknown_code(header, found[1], int(found[2])))
        elif "bitpix" in text:
            doubts.append("its bitpix contradicts its datatype: the datatype is taken")
        elif not any(word in text for word in ("pixdim", "divisible by 16")):
            doubts.append(f"nibabel says of its header: {text}")
    return doubts


def _on_sides(path: Path, header: Any, sides: NDArray[Any] | None, *, by_sform: bool) -> list[str]:
    """Return what is to be said of voxel sizes beside an sform that are none; refuse those that are not finite if they count.

    Sizes that are no number, or 0, become those of the sform, so that the qform beside it can be compared.
    """
    stored = header["pixdim"][1:4]
    given = np.asarray(stored if sides is None else sides, dtype=np.float64)
    odd = ~((given >= LEAST_SIDE_MM) & (given <= MOST_SIDE_MM))
    told = ", ".join(f"{side:g}" for side in given)
    if not by_sform and not np.isfinite(given).all():
        raise ImageError(
            f"{shown(path)}: its header gives a voxel size that is no finite number (pixdim {told}): save it with the true "
            "size, as in nibabel.Nifti1Image(data, affine)"
        )
    if not by_sform:
        return []
    rows = np.array([header[name][:3] for name in ("srow_x", "srow_y", "srow_z")], dtype=np.float64)
    with np.errstate(all="ignore"):
        true = np.sqrt((rows**2).sum(axis=0))
        apart = np.isfinite(true) & (true > 0) & (np.abs(given - true) > APART * true)
    if not odd.any():
        if int(header["qform_code"]) != 0 or not apart.any():  # a qform that differs is told of as a place
            return []
        mm = ", ".join(f"{side:.4g}" for side in true)
        return [f"its voxel size (pixdim {told}) contradicts that of its sform ({mm}), which is taken"]
    of_no_image = ~((np.abs(given) >= LEAST_SIDE_MM) & (np.abs(given) <= MOST_SIDE_MM))
    mended = of_no_image & np.isfinite(true) & (true > 0)
    stored[mended] = true[mended]
    return [f"its voxel size (pixdim {told}) is none: that of the sform is taken"]


def _of_sides(path: Path, text: str, shape: tuple[int, ...], sides: NDArray[Any] | None) -> str:
    """Return what is to be said of voxel sizes of 0 and below; refuse those that would be invented."""
    given = "0" if sides is None else ", ".join(f"{side:g}" for side in sides)
    if "non-zero" in text:
        if sides is not None and sides[0] and sides[1] and shape[2] == 1:
            return "its header gives no thickness of the slice: 1 mm is taken"
        raise ImageError(
            f"{shown(path)}: its header gives a voxel size of 0 mm (pixdim {given}): save it with the true size, as in "
            "nibabel.Nifti1Image(data, affine)"
        )
    return f"its header gives a voxel size below 0 mm (pixdim {given}): the sign is dropped"


def _scaling(path: Path, header: Any) -> tuple[float, float, list[str]]:
    """Return slope and intercept of the stored numbers, 1 and 0 where the header has none, and a doubt."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        ignored = [] if inter == 0 or math.isnan(inter) else [f"scl_inter {inter:g}"]
        odd = math.isinf(slope) or (
            math.isnan(slope) and not math.isnan(inter)
        )  # both nan: as libraries write no scale
        ignored += [f"scl_slope {slope:g}"] if ignored or odd else []
        are = "are" if len(ignored) > 1 else "is"
        return 1.0, 0.0, [f"its {' and '.join(ignored)} {are} ignored: no scaling"] if ignored else []
    if not math.isfinite(inter):
        raise ImageError(
            f"{shown(path)}: its scl_inter is {inter:g}, beside a scl_slope of {slope:g}; mend the header"
        )
    return slope, inter, []


class _Short(EOFError):
    """A file that ends before its voxels do."""


def _read_data(
    path: Path, header: Any, bits: int, file: io.BufferedIOBase, go_on: Callable[[], None]
) -> NDArray[Any]:
    """Read the voxels into memory: a file that shrinks while it is mapped would kill the process."""
    stored = np.empty(header.get_data_shape(), header.get_data_dtype(), order="F")
    file.seek(header.get_data_offset())
    try:
        _fill(bytes_of(stored), file, go_on)
    except _Short as short:
        have = int(short.args[0])
        raise ImageError(
            f"{shown(path)}: {counted(have, 'byte')} of voxels, {stored.nbytes} expected; "
            f"{_why_short(bits, stored.dtype, stored.size, have)}"
        ) from None
    slope, inter, _ = _scaling(path, header)
    try:
        return np.asanyarray(apply_read_scaling(stored, slope, inter))
    except ArithmeticError:
        raise ImageError(
            f"{shown(path)}: its voxels times scl_slope {slope:g} plus scl_inter {inter:g} are beyond any number; mend "
            "the header"
        ) from None


def bytes_of(voxels: NDArray[Any]) -> memoryview:
    """Return the voxels in file order; a copy only if the array is not in Fortran order."""
    return voxels.reshape(-1, order="F").view(np.uint8).data


def _fill(buffer: memoryview, file: io.BufferedIOBase, go_on: Callable[[], None]) -> None:
    """Read piece by piece until the buffer is full."""
    filled = 0
    while filled < len(buffer):
        go_on()
        count = file.readinto(buffer[filled : filled + gz.PIECE])
        if not count:
            raise _Short(filled)
        filled += count
