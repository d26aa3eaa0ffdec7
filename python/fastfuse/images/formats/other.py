"""Reads nibabel's other formats of volumes, and refuses by name what is no volume."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.imageglobals import logger as nibabel_log

from ...errors import ImageError
from ...inputs.names import counted
from .. import gz
from ..checks import READABLE, check_content, check_memory
from ..grids.forms import codes_in, with_thickness
from ..image import Image
from ..nifti import mended_in_words
from ..paths import remark_on, shown
from .behind import LEAST, counted_behind, told_behind
from .foreign import PACKED, format_of
from .quiet import quiet

LONGEST_HEADER = 1 << 16  # bytes of a text header of MetaImage or NRRD that are looked at
# What files are that hold no volume, by their ending.
NO_VOLUMES = {
    ".gii": "a GIFTI surface or its values", ".trk": "a track of fibres", ".tck": "a track of fibres",
    ".vtk": "a VTK mesh", ".vtp": "a VTK mesh", ".stl": "a mesh", ".obj": "a mesh", ".ply": "a mesh",
    ".annot": "an annotation of a surface", ".label": "a list of vertices", ".surf": "a surface",
    ".pial": "a surface", ".white": "a surface", ".inflated": "a surface", ".sphere": "a surface",
    ".pdf": "a PDF", ".txt": "text", ".csv": "a table", ".tsv": "a table", ".json": "text", ".xml": "text",
    ".xlsx": "a table", ".docx": "text", ".md": "text", ".html": "text", ".py": "a program",
    ".jpg": "a JPEG, which does not keep labels exact", ".jpeg": "a JPEG, which does not keep labels exact",
    ".tar": "an archive: unpack it", ".tgz": "an archive: unpack it",
    ".mat": "a file of MATLAB, or a matrix of FSL", ".h5": "an HDF5 file", ".hdf5": "an HDF5 file", ".pt": "a checkpoint",
    ".pkl": "a pickle, which may run programs", ".pickle": "a pickle, which may run programs",
    ".bval": "a table", ".bvec": "a table", ".gif": "a GIF", ".bmp": "a BMP", ".mp4": "a film",
}  # fmt: skip
PAIRS = {"img": "hdr", "hdr": "img", "brik": "head", "head": "brik", "rec": "par", "par": "rec"}
ONLY_UNPACKED = (
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".dcm",
    ".npy",
    ".npz",
    ".png",
    ".tif",
    ".tiff",
    ".par",
    ".rec",
)
# What content is, by its first bytes.
CONTENT = {
    b"%PDF": "PDF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"PK\3\4": "a zip archive", b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP",
    b"\x89HDF": "HDF5", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"NRRD000": "NRRD", b"\x93NUMPY": "NumPy's .npy",
    b"ObjectType": "MetaImage", b"NDims": "MetaImage", b"<?xml": "XML", b"TRACK\0": "a track of fibres",
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"version https://git-lfs": "a pointer of Git LFS", b"/annex/objects/": "a pointer of git-annex",
    b"P1": "a Netpbm image", b"P2": "a Netpbm image", b"P3": "a Netpbm image", b"P4": "a Netpbm image", b"P5": "a Netpbm image",
    b"P6": "a Netpbm image", b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"8BPS": "a Photoshop image", b"<svg": "SVG",
    b"7z\xbc\xaf": "a 7z archive", b"\x28\xb5\x2f\xfd": "Zstandard", b"Rar!": "a RAR archive", b"II+\0": "TIFF", b"MM\0+": "TIFF",
    b"{": "text", b"<!DOCTYPE": "a web page", b"<html": "a web page",
}  # fmt: skip

_saying = threading.local()


class _Collector(logging.Filter):
    """Keeps what nibabel says of a header while a file is read, which would go to standard error.

    All else is logged as before, from this level on.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log."""
        said: list[str] | None = getattr(_saying, "said", None)
        if said is None:
            return record.levelno >= self.level
        said.append(record.getMessage())
        return False


nibabel_log.addFilter(_Collector(nibabel_log.getEffectiveLevel()))
nibabel_log.setLevel(1)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what nibabel says in this thread of what it mends, in its log and by warnings."""
    _saying.said = []
    try:
        warned: list[str] = []
        with quiet(warned):
            yield _saying.said
        _saying.said += warned
    finally:
        del _saying.said


def refuse_no_volume(path: Path) -> None:
    """Refuse what its name says to be no volume."""
    name = path.name.lower()
    if name.endswith((".zst", ".xz")):
        what, by = ("Zstandard", "unzstd") if name.endswith(".zst") else ("xz", "unxz")
        raise ImageError(f"{shown(path)}: it is compressed by {what}, which is not read: unpack it by {by}")
    if name.endswith(".zip"):
        raise ImageError(f"{shown(path)}: it is an archive: unpack it; fastfuse reads {READABLE}")
    if name.endswith(tuple(ending + packed for ending in ONLY_UNPACKED for packed in PACKED)):
        raise ImageError(
            f"{shown(path)}: it is compressed as a whole, which is read of NIfTI only: unpack it first"
        )
    for ending, what in NO_VOLUMES.items():
        if name.endswith((ending, f"{ending}.gz")):
            raise ImageError(f"{shown(path)}: it is {what}, and no volume; fastfuse reads {READABLE}")
    header = _header_of(path)
    if header is not None:
        raise ImageError(
            f"{shown(path)}: it holds the values of {shown(header)} alone: leave it out, and give that"
        )
    foreign = format_of(path)
    if foreign is not None and not foreign.is_read:
        raise ImageError(
            f"{shown(path)}: by its name it is {foreign.title}, which fastfuse does not read: convert it to NIfTI by "
            f"{foreign.by}"
        )


def looks_like(path: Path) -> str | None:
    """Return what a file's first bytes say it is; None for what is unknown or cannot be opened."""
    try:
        with path.open("rb") as file:
            begin = file.read(348)
    except (OSError, ValueError):
        return None
    if begin[128:132] == b"DICM":
        return "DICOM"
    if begin[4:8] == b"ftyp":
        return "HEIC, AVIF or a film"
    if begin[344:347] in (b"n+1", b"ni1") or begin[4:7] in (b"n+2", b"ni2"):
        return "NIfTI"
    return next((what for magic, what in CONTENT.items() if begin.startswith(magic)), None)


def read_other(path: Path) -> Image:
    """Read a volume in one of nibabel's formats other than NIfTI in one file."""
    refuse_no_volume(path)
    with ExitStack() as open_files:
        with collected() as said:
            image = open_files.enter_context(_loaded(path))
        if not isinstance(image, nib.spatialimages.SpatialImage):
            raise ImageError(
                f"{shown(path)}: it is a {type(image).__name__}, and no volume; fastfuse reads {READABLE}"
            )
        return _image(path, image, said)


@contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    """Open a file by nibabel, and close it: nibabel leaves MGH files open."""
    if not path.name.lower().endswith((".mgh", ".mgz", ".mgh.gz")):
        if looks_like(path) == "HDF5":
            _by_nibabel(path, lambda: _check_alone(path))
        yield _by_nibabel(path, lambda: nib.load(path, mmap=False))
        return
    with path.open("rb") as raw:
        packed = raw.read(2) == gz.MAGIC
        raw.seek(0)
        file = gz.reader(raw) if packed else raw
        yield _by_nibabel(path, lambda: nib.MGHImage.from_stream(file))


def _check_alone(path: Path) -> None:
    """Refuse an HDF5 file (MINC) that takes values of other files, which may be any on the machine."""
    import h5py

    with h5py.File(path, "r") as file:

        def other_of(name: bytes) -> str | None:
            link = file.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return str(link.filename)
            held = file[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(held, h5py.Dataset) and held.external:
                return str(held.external[0][0])
            if isinstance(held, h5py.Dataset) and held.is_virtual:
                return str(held.virtual_sources()[0].file_name)
            return None

        other = file.id.links.visit(other_of)  # the first that is not None
    if other is not None:
        raise ImageError(
            f"{shown(path)}: it takes values from another file ({shown(other)}): write it anew with all of them in it"
        )


def _by_nibabel(path: Path, load: Callable[[], Any]) -> Any:
    """Load by nibabel, whose readers raise errors of many kinds."""
    try:
        return load()
    except (ImageError, MemoryError):
        raise
    except ImportError as error:
        raise ImageError(_lacks(path, error)) from error
    except nib.filebasedimages.ImageFileError as error:
        what, lacks = looks_like(path), _lacking_beside(path)
        if what is None and lacks:
            raise ImageError(
                f"{shown(path)}: a file that belongs to it is missing ({shown(lacks)})"
            ) from error
        if what is None and format_of(path) is not None:
            raise ImageError(_broken(path, ValueError("its content is not that"))) from error
        seen = f"its content looks like {what}" if what else "its format is unknown"
        raise ImageError(f"{shown(path)}: cannot be read, {seen}; fastfuse reads {READABLE}") from error
    except Exception as error:
        raise ImageError(_broken(path, error)) from error


def _header_of(path: Path) -> Path | None:
    """Return the header beside a file of values, which names it."""
    name = path.name.encode()
    for suffix in (".mhd", ".nhdr"):
        header = path.with_name(path.name.partition(".")[0] + suffix)
        try:
            if header != path and name in header.read_bytes()[:LONGEST_HEADER]:
                return header
        except OSError:
            continue
    return None


def _image(path: Path, image: Any, said: list[str]) -> Image:
    """Take the values and the grid of an image that nibabel has opened."""
    try:
        stored = image.get_data_dtype()
        shape, _ = check_content(path, image.shape, stored)
        check_memory(path, 2 * int(np.prod(shape, dtype=object)) * max(8, stored.itemsize))
        data = np.asanyarray(image.dataobj).reshape(shape, order="F")
        behind = _behind(image, data.size * stored.itemsize, shape)
        affine = image.affine.astype(np.float64)
    except (ImageError, MemoryError):
        raise
    except ImportError as error:
        raise ImageError(_lacks(path, error)) from error
    except Exception as error:
        raise ImageError(_broken(path, error, said)) from error
    is_nifti = isinstance(image.header, nib.Nifti1Header)
    analyze = isinstance(image, nib.AnalyzeImage) and not is_nifti
    doubts = mended_in_words(path, image.header, said, shape)
    if isinstance(image, nib.MGHImage) and not _says_where(path):
        doubts.append("its header does not say where its voxels lie: 1 mm and no turn are taken")
    affine, doubt = with_thickness(affine, shape)
    return Image(
        path,
        data,
        affine,
        image.header if is_nifti else None,
        scaled=data.dtype != stored,
        remark=remark_on(path, (*doubts, doubt, behind)),
        placed=False if analyze or doubts else None,
        unknown_codes=codes_in(doubts),
    )


def _behind(image: Any, needed: int, shape: tuple[int, ...]) -> str:
    """Return a doubt about what follows the voxels, where they alone fill a file that is not packed."""
    if not isinstance(image, (nib.AnalyzeImage, nib.brikhead.AFNIImage)):
        return ""
    name = image.file_map["image"].filename
    if name is None or str(name).lower().endswith(PACKED):
        return ""
    voxels: Any = image.dataobj
    end = int(voxels.offset) + needed
    with Path(name).open("rb") as file:
        file.seek(end)
        left = counted_behind(max(0, Path(name).stat().st_size - end), file.read(LEAST))
    return told_behind(left, needed // shape[-1])


def _says_where(path: Path) -> bool:
    """Tell whether an MGH header's goodRASFlag is set; nibabel sets it in its copy."""
    with path.open("rb") as raw:
        packed = raw.read(2) == gz.MAGIC
        raw.seek(0)
        begin = (gz.reader(raw) if packed else raw).read(30)
    return int.from_bytes(begin[28:30], "big", signed=True) > 0


def _lacks(path: Path, error: ImportError) -> str:
    needs, foreign = shown(error.name or str(error)), format_of(path)
    title, by = ("this format", "") if foreign is None else (foreign.title, f" by {foreign.by}")
    return f"{shown(path)}: reading {title} needs the package {needs}, which is not installed: install it, or convert the file to NIfTI{by}"


def _lacking_beside(path: Path) -> str:
    """Return the other of two files that are one image, if it does not lie there; nothing if it does, or there is none."""
    name = path.name.lower()
    packed = next((ending for ending in PACKED if name.endswith(ending)), "")
    stem, dot, ending = path.name[: len(name) - len(packed)].rpartition(".")
    other = PAIRS.get(ending.lower())
    if other is None:
        return ""
    there = {one.name.lower() for one in path.parent.iterdir()}
    begin = f"{stem}{dot}{other}"
    return "" if any(f"{begin}{end}".lower() in there for end in ("", *PACKED)) else begin


def _of_bits(said: Sequence[str]) -> str:
    """Say that a header's bitpix does not fit its datatype, which may be why voxels seem to lack."""
    return (
        "; or its datatype is wrong, which its bitpix contradicts"
        if any("bitpix" in one for one in said)
        else ""
    )


def _broken(path: Path, error: Exception, said: Sequence[str] = ()) -> str:
    reason = " ".join(str(error).split())[:200]
    reason = type(error).__name__ if reason in ("", "None") else shown(reason)
    if isinstance(error, FileNotFoundError):
        return f"{shown(path)}: a file that belongs to it is missing ({shown(str(error.filename or reason))})"
    if short := re.fullmatch(r"Expected (\d+) bytes, got (\d+) bytes.*", reason):
        return f"{shown(path)}: its voxels are {counted(int(short[2]), 'byte')}, {short[1]} expected; the file is truncated, or that with its voxels{_of_bits(said)}"
    foreign = format_of(path)
    if foreign is None:
        return f"{shown(path)}: cannot be read ({reason}); is it a complete image file?"
    return (
        f"{shown(path)}: by its name it is {foreign.title}, but it cannot be read as that ({reason}): if it is complete, "
        f"convert it to NIfTI by {foreign.by}"
    )
