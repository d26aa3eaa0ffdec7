"""Reads and writes NIfTI files: a strict reader on nibabel's headers, and outputs as bytes."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.grids import corners
from . import gz
from .checks import check_content, check_memory
from .image import Image
from .paths import shown

NIFTI_SUFFIXES = (".nii", ".nii.gz")

# nibabel logs the faults that its check raises. A logger outside the hierarchy leaves the user's logging alone.
SILENT = logging.Logger("fastfuse.nifti", level=logging.CRITICAL)  # noqa: LOG001


def read_nifti(path: Path, go_on: Callable[[], None]) -> Image:
    """Read a .nii or .nii.gz to its end, so that the CRC is checked.

    The content, not the name, tells whether it is compressed.
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == gz.MAGIC
        raw.seek(0)
        file: io.BufferedIOBase = gz.reader(raw) if compressed else raw
        header = _read_header(file)
        shape, stored = _check_header(path, header, None if compressed else path.stat().st_size)
        data = _read_data(header, file, go_on)
        while compressed and file.read(gz.PIECE):
            go_on()
    affine = header.get_best_affine().astype(np.float64)
    data = data.reshape(shape, order="F")
    return Image(
        path, data, affine, header, scaled=data.dtype != stored, remark=_disagreement(path, header, shape)
    )


def _read_header(file: io.BufferedIOBase) -> Any:
    """Return the header of NIfTI-1 (348 bytes) or NIfTI-2 (540), without extensions."""
    begin = file.read(540)
    nifti2 = 540 in (int.from_bytes(begin[:4], "little"), int.from_bytes(begin[:4], "big"))
    kind: Any = nib.Nifti2Header if nifti2 else nib.Nifti1Header
    return kind(begin[: 540 if nifti2 else 348], check=False)


def _check_header(path: Path, header: Any, file_size: int | None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and stored type; refuse an unsound header and a file that is shorter than it says."""
    header.check_fix(logger=SILENT, error_level=logging.ERROR)
    offset = int(header["vox_offset"])
    single = bytes(header["magic"].tobytes()).startswith((b"n+1", b"n+2"))
    if not single:
        raise ImageError(
            f"{shown(path)}: it is not a single-file NIfTI image (magic {bytes(header['magic'])!r})"
        )
    shape, stored = check_content(path, header.get_data_shape(), header.get_data_dtype())
    expected = offset + math.prod(shape) * stored.itemsize
    if file_size is not None and file_size < expected:
        raise ImageError(f"{shown(path)}: {file_size} bytes, {expected} expected; the file is truncated")
    check_memory(path, shape)
    return shape, stored


def _read_data(header: Any, file: io.BufferedIOBase, go_on: Callable[[], None]) -> NDArray[Any]:
    """Read the voxels into memory: a file that shrinks while it is mapped would kill the process."""
    stored = np.empty(header.get_data_shape(), header.get_data_dtype(), order="F")
    file.seek(header.get_data_offset())
    _fill(_bytes_of(stored), file, go_on)
    slope, inter = header.get_slope_inter()
    return np.asanyarray(
        apply_read_scaling(stored, 1.0 if slope is None else slope, 0.0 if inter is None else inter)
    )


def _bytes_of(voxels: NDArray[Any]) -> memoryview:
    """Return the voxels in file order; a copy only if the array is not in Fortran order."""
    return voxels.reshape(-1, order="F").view(np.uint8).data


def _fill(buffer: memoryview, file: io.BufferedIOBase, go_on: Callable[[], None]) -> None:
    """Read piece by piece until the buffer is full."""
    filled = 0
    while filled < len(buffer):
        go_on()
        count = file.readinto(buffer[filled : filled + gz.PIECE])
        if not count:
            raise EOFError(f"{filled} bytes of voxels, {len(buffer)} expected")
        filled += count


def _disagreement(path: Path, header: Any, shape: tuple[int, ...]) -> str | None:
    """Return a remark if qform and sform put the image at different places."""
    if int(header["qform_code"]) <= 0 or int(header["sform_code"]) <= 0:
        return None
    qform, sform = header.get_qform(), header.get_sform()
    shift = float(np.linalg.norm(corners(shape, qform) - corners(shape, sform), axis=1).max())
    if shift <= 0.1 * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        return None
    return f"{shown(path)}: its qform and sform lie {shift:.3g} mm apart; the sform is used"


def nifti_bytes(path: Path, data: NDArray[Any], like: Image, description: str) -> bytes:
    """Serialise ``data`` as NIfTI with affine, units and codes of ``like``; qform and sform equal, slope 1.

    Compressed if ``path``, the file to be written, ends in .gz.
    """
    kind: Any = nib.Nifti1Image if max(data.shape) < 2**15 else nib.Nifti2Image
    image = kind(data, like.affine)
    qform_code, sform_code = 1, 1
    image.header.set_xyzt_units("mm")
    if like.header is not None:
        qform_code, sform_code = int(like.header["qform_code"]), int(like.header["sform_code"])
        with suppress(KeyError):  # units that the standard does not know
            image.header.set_xyzt_units(*like.header.get_xyzt_units())
    image.set_sform(like.affine, sform_code)
    image.set_qform(like.affine, qform_code)
    image.header["descrip"] = description.encode()
    image.header.set_slope_inter(1, 0)
    parts = (_header_bytes(image), _bytes_of(data))
    return gz.compress(parts) if path.name.lower().endswith(".gz") else b"".join(parts)


def _header_bytes(image: Any) -> bytes:
    """Return the bytes in front of the voxels."""
    buffer = io.BytesIO()
    image.header.write_to(buffer)
    return buffer.getvalue()
