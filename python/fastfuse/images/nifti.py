"""Image files in and out: a strict reader around nibabel, and what is written."""

from __future__ import annotations

import io
import logging
import math
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.grids import Grid, corners
from . import gz
from .paths import shown

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
PIECE = 1 << 20  # bytes read at once: they stay in the cache, and Ctrl-C waits for no more

# For nibabel's checks: we raise what they find. Of no hierarchy, so that nobody's logging is touched.
SILENT = logging.Logger("fastfuse.nifti", level=logging.CRITICAL)  # noqa: LOG001

ONE_AT_A_TIME = threading.Lock()  # for those who turn standard error off and on again

# What nibabel and its helpers raise on damaged files, beside gzip's own errors.
READ_ERRORS: tuple[type[Exception], ...] = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    KeyError,
    MemoryError,
    TypeError,
)


@dataclass(frozen=True)
class Image:
    """A 3-D image in memory.

    Attributes
    ----------
    path : Path
        Where it came from.
    data : ndarray, shape (x, y, z)
        In the type of the file, unless the header scales it; then float64.
    affine : ndarray of float64, shape (4, 4)
        Voxel indices to millimetres, RAS+.
    header : nibabel header or None
        To copy units and codes from; None for formats other than NIfTI.
    scaled : bool
        Whether the header scaled the stored numbers, and rounding may have touched them.
    remark : str or None
        What is doubtful about the file.
    """

    path: Path
    data: NDArray[Any]
    affine: NDArray[np.float64]
    header: Any = None
    scaled: bool = False
    remark: str | None = None

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        codes = (1, 0) if self.header is None else (self.header["qform_code"], self.header["sform_code"])
        return Grid(
            shown(self.path), self.data.shape, self.affine, placed=any(int(code) > 0 for code in codes)
        )

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000


def read(path: Path | str, go_on: Callable[[], None] = lambda: None, label: int | None = None) -> Image:
    """Read one 3-D image.

    Parameters
    ----------
    path : path
    go_on : callable
        Called before each piece of a NIfTI file's voxels: what it raises ends the reading.
    label : int, optional
        The class to take of an .npz of nnU-Net.

    Raises
    ------
    ImageError
        With the path, the reason and a remedy, for whatever cannot be read whole and sound.
    """
    path = Path(path)
    name = path.name.lower()
    try:
        _check_regular(path)
        with np.errstate(over="raise", invalid="raise"):  # numbers in the header that make no sense
            if name.endswith(NIFTI_SUFFIXES):
                image = _read_nifti(path, go_on)
            elif name.endswith(".npz"):
                from .nnunet import read_probabilities

                image = read_probabilities(path, label)
            elif name.endswith(ITK_SUFFIXES):
                image = _read_itk(path)
            else:
                image = _from_nibabel(path, nib.load(path, mmap=False))
    except ImageError:
        raise
    except PermissionError:
        raise ImageError(f"{shown(path)}: permission to read it is denied") from None
    except READ_ERRORS + gz.errors() as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"{shown(path)}: cannot be read ({reason}); is it a complete image file?") from error
    _check_affine(path, image.affine)
    return image


def _check_regular(path: Path) -> None:
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


def _read_nifti(path: Path, go_on: Callable[[], None]) -> Image:
    """Read .nii or .nii.gz, compressed or not whatever the name says, to the end, so that the CRC is checked."""
    with path.open("rb") as raw:
        compressed = raw.read(2) == gz.MAGIC
        raw.seek(0)
        file: io.BufferedIOBase = gz.reader(raw) if compressed else raw
        begin = file.read(540)
        nifti2 = 540 in (int.from_bytes(begin[:4], "little"), int.from_bytes(begin[:4], "big"))
        kind: Any = nib.Nifti2Header if nifti2 else nib.Nifti1Header
        header = kind(begin[: 540 if nifti2 else 348], check=False)  # without the extensions that may follow
        shape, stored = _check_header(path, header, None if compressed else path.stat().st_size)
        data = _read_data(header, file, go_on)
        while compressed and file.read(PIECE):
            go_on()
    affine = header.get_best_affine().astype(np.float64)
    data = data.reshape(shape, order="F")
    return Image(
        path, data, affine, header, scaled=data.dtype != stored, remark=_disagreement(path, header, shape)
    )


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
    """Return the voxels in the order of a file: the array's own memory if it lies so, as what is read does."""
    return voxels.reshape(-1, order="F").view(np.uint8).data


def _fill(buffer: memoryview, file: io.BufferedIOBase, go_on: Callable[[], None]) -> None:
    """Read until the buffer is full; nothing is held twice but for one piece."""
    filled = 0
    while filled < len(buffer):
        go_on()
        count = file.readinto(buffer[filled : filled + PIECE])
        if not count:
            raise EOFError(f"{filled} bytes of voxels, {len(buffer)} expected")
        filled += count


def _disagreement(path: Path, header: Any, shape: tuple[int, ...]) -> str | None:
    """Say so if the header's two transforms put the image at two places."""
    if int(header["qform_code"]) <= 0 or int(header["sform_code"]) <= 0:
        return None
    qform, sform = header.get_qform(), header.get_sform()
    shift = float(np.linalg.norm(corners(shape, qform) - corners(shape, sform), axis=1).max())
    if shift <= 0.1 * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        return None
    return f"{shown(path)}: its qform and sform lie {shift:.3g} mm apart; the sform is used"


def _check_header(path: Path, header: Any, file_size: int | None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and stored type, if the header makes sense and the file is long enough for it."""
    header.check_fix(logger=SILENT, error_level=logging.ERROR)
    offset = int(header["vox_offset"])
    single = bytes(header["magic"].tobytes()).startswith((b"n+1", b"n+2"))
    if not single:
        raise ImageError(
            f"{shown(path)}: it is not a single-file NIfTI image (magic {bytes(header['magic'])!r})"
        )
    shape, stored = _check_content(path, header.get_data_shape(), header.get_data_dtype())
    expected = offset + math.prod(shape) * stored.itemsize
    if file_size is not None and file_size < expected:
        raise ImageError(f"{shown(path)}: {file_size} bytes, {expected} expected; the file is truncated")
    _check_memory(path, shape)
    return shape, stored


def _check_content(path: Path, extents: Any, stored: np.dtype[Any]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    shape = tuple(int(extent) for extent in extents)
    if not shape or min(shape) < 1:
        raise ImageError(f"{shown(path)}: it has no voxels (shape {shape})")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise ImageError(
            f"{shown(path)}: it has shape {shape}; one 3-D image per file is needed, so split it first"
        )
    if stored.kind not in "iuf" or stored.itemsize > 8:
        raise ImageError(
            f"{shown(path)}: it holds elements of type {stored}; convert it to integers or floats"
        )
    return shape, stored


def _check_memory(path: Path, shape: tuple[int, ...]) -> None:
    needed, memory = 8 * math.prod(shape), _memory()
    if memory is not None and needed > memory:
        raise ImageError(
            f"{shown(path)}: it needs {needed / 1e9:.0f} GB of memory, more than this machine has"
        )


def _memory() -> int | None:
    """Return the machine's memory in bytes, where it can be asked for."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _from_nibabel(path: Path, image: Any) -> Image:
    """Take an image of one of nibabel's other formats."""
    shape, stored = _check_content(path, image.shape, image.get_data_dtype())
    _check_memory(path, shape)
    data = np.asanyarray(image.dataobj).reshape(shape, order="F")
    return Image(path, data, image.affine.astype(np.float64), scaled=data.dtype != stored)


def votes_of(image: Image) -> NDArray[Any]:
    """Return a rater's votes: what single-precision scaling did to labels 3 and votes 1 is undone."""
    data = image.data
    if not image.scaled:
        return data
    near = np.rint(data)
    error = np.abs(data - near)
    if np.all(error <= 1e-4):  # a label map
        return np.asarray(near)
    return np.where((error <= 1e-6) & ((near == 0) | (near == 1)), near, data)


def _read_itk(path: Path) -> Image:
    try:
        import SimpleITK as sitk
    except ImportError:
        raise ImageError(f"{shown(path)}: reading it needs SimpleITK: pip install 'fastfuse[itk]'") from None
    try:
        with _quiet():
            image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ImageError(
            f"{shown(path)}: SimpleITK cannot read it ({reason}); is it complete, its data file included?"
        ) from error
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() != 3:
        raise ImageError(f"{shown(path)}: one 3-D image with one value a voxel is needed")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Image(
        path, sitk.GetArrayFromImage(image).T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    )  # LPS to RAS


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what ITK's readers print on standard error by themselves; the exception says it too."""
    with ONE_AT_A_TIME:
        yield from _without_standard_error()


def _without_standard_error() -> Iterator[None]:
    try:
        before = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _check_affine(path: Path, affine: NDArray[np.float64]) -> None:
    sound = bool(np.isfinite(affine).all())
    if sound:
        sides = np.linalg.norm(affine[:3, :3], axis=0)
        sound = abs(np.linalg.det(affine[:3, :3])) > 1e-6 * sides.prod()
    if not sound:
        raise ImageError(
            f"{shown(path)}: its affine is not an invertible matrix of finite numbers; mend the header"
        )


def nifti_bytes(path: Path, data: NDArray[Any], like: Image, description: str) -> bytes:
    """Serialise ``data`` as NIfTI with the affine, units and codes of ``like``, qform and sform equal, slope 1.

    Compressed if ``path``, where it is to be written, ends in .gz.
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
    """Return what comes before the voxels."""
    buffer = io.BytesIO()
    image.header.write_to(buffer)
    return buffer.getvalue()


def ras_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes in the order that is nearest to right, anterior, superior, and which of these run backwards."""
    places = nib.orientations.io_orientation(affine)
    order = tuple(int(axis) for axis in np.argsort(places[:, 0]))
    return order, tuple(at for at, axis in enumerate(order) if places[axis, 1] < 0)
