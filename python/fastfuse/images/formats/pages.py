"""What a TIFF's description tells of its pages, and the slices that ImageJ writes behind one page."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...inputs.names import counted
from ..checks import check_memory
from ..paths import shown
from .intensities import ignored_scale

# Tags of TIFF.
BITS, COMPRESSION, INK, DESCRIPTION, OFFSETS, ORIENTATION, SAMPLES, ROWS, KIND = (
    258, 259, 262, 270, 273, 274, 277, 279, 339,
)  # fmt: skip
IMAGEJ = {"channel": "channels", "slice": "slices", "time": "frames"}
OME = {"channel": "SizeC", "slice": "SizeZ", "time": "SizeT"}
KINDS = {1: "u", 2: "i", 3: "f"}
LINE = {"c0": 0.0, "c1": 1.0}  # of ImageJ's calibration; these change no value


def check_axes(path: Path, picture: Any) -> str:
    """Return a doubt about pages that are channels or times by the words of ImageJ or OME; refuse those that are slices too.

    Stacks of slices are written as channels, too, by programs that were not told their axes.

    Raises
    ------
    ImageError
        If the description tells of more slices than there are, too.
    """
    count = int(getattr(picture, "n_frames", 1))
    if count > 1 and picture.format == "PNG":
        raise ImageError(
            f"{shown(path)}: it is a PNG of {count} frames, a film: save its slices as a TIFF, or as NIfTI"
        )
    told = _axes_told(picture)
    total = math.prod(told.values())
    behind = count == 1 and _is_imagej(picture) and _start_behind(path, picture, total) is not None
    if total > count and not behind:
        if count == 1 and not _is_imagej(picture):  # each page may be a file of its own
            return (
                f"its description tells of {_in_words(told)}, and the file holds one slice, which was taken"
            )
        raise ImageError(
            f"{shown(path)}: its description tells of {_in_words(told)}, and it holds {counted(count, 'page')}: it is not "
            "complete; save it again as one whole stack, or as NIfTI"
        )
    others = [counted(told[axis], axis) for axis in ("channel", "time") if told.get(axis, 1) > 1]
    if not others or total == 1 or (count == 1 and not behind):
        return ""
    what = f"by its description its pages are {' of '.join(others)}"
    if len(others) > 1 or told.get("slice", 1) > 1:
        slices = f" of {counted(told['slice'], 'slice')}" if told.get("slice", 1) > 1 else ""
        raise ImageError(
            f"{shown(path)}: {what}{slices}, and one 3-D image per file is needed: save one of them, as by ImageJ's Image > "
            "Color > Split Channels or Image > Duplicate"
        )
    return f"{what}, and are taken as slices: if they are none, save one of them as a file of its own"


def scale_ignored(picture: Any) -> str:
    """Say that ImageJ's calibration, a straight line c0 + c1 v by which the values v are to be read, is ignored."""
    if not _is_imagej(picture):
        return ""
    text = str(picture.tag_v2[DESCRIPTION])
    given = dict(re.findall(r"^(cf|c0|c1)=(\S+)\s*$", text, re.MULTILINE))
    if "cf" not in given:
        return ""
    return ignored_scale({name: given.get(name, "").split() for name in LINE}, LINE)


def pages_behind(path: Path, picture: Any) -> NDArray[Any] | None:
    """Return all slices of a stack of which ImageJ lists one page alone, (page, row, column); None of another file.

    ImageJ writes those above 4 GB so, uncompressed and one behind the other.
    """
    if int(getattr(picture, "n_frames", 1)) != 1 or not _is_imagej(picture):
        return None
    count = math.prod(_axes_told(picture).values())
    start = _start_behind(path, picture, count) if count > 1 else None
    if start is None:
        return None
    kind = _kind(picture)
    columns, rows = picture.size
    check_memory(path, 2 * count * rows * columns * kind.itemsize)
    with path.open("rb") as file:
        file.seek(start)
        values = np.fromfile(file, kind, count * rows * columns)
    return values.astype(kind.newbyteorder("="), copy=False).reshape(count, rows, columns)


def _start_behind(path: Path, picture: Any, count: int) -> int | None:
    """Return where the pixels of so many slices begin, if they lie one behind the other in the file."""
    tags = picture.tag_v2
    plain = (COMPRESSION, 1), (SAMPLES, 1), (ORIENTATION, 1), (INK, 1)
    if any(int(tags.get(tag, 1)) != value for tag, value in plain) or not _kind(picture).itemsize:
        return None
    columns, rows = picture.size
    page = rows * columns * _kind(picture).itemsize
    offsets, lengths = (np.atleast_1d(tags.get(tag, 0)).astype(np.int64) for tag in (OFFSETS, ROWS))
    if offsets.size != lengths.size or lengths.sum() not in (page, page * count):
        return None
    if not np.array_equal(offsets[1:], offsets[:-1] + lengths[:-1]):
        return None
    start = int(offsets[0])
    return start if start > 0 and start + page * count <= path.stat().st_size else None


def _kind(picture: Any) -> np.dtype[Any]:
    """Return the type of the pixels; one of no bytes for others than whole bytes."""
    tags = picture.tag_v2
    bits, letter = (int(np.atleast_1d(tags.get(tag, 1))[0]) for tag in (BITS, KIND))
    name = f"{KINDS.get(letter, 'x')}{bits // 8}"
    order = ">" if tags.prefix == b"MM" else "<"
    return np.dtype(
        f"{order}{name}" if name in {"u1", "u2", "u4", "i2", "i4", "f4"} and bits % 8 == 0 else "V0"
    )


def _in_words(told: dict[str, int]) -> str:
    return " of ".join(counted(number, axis) for axis, number in told.items() if number > 1)


def _is_imagej(picture: Any) -> bool:
    return str(getattr(picture, "tag_v2", {}).get(DESCRIPTION, "")).startswith("ImageJ")


def _axes_told(picture: Any) -> dict[str, int]:
    """Return how many channels, slices and times a TIFF's description tells of: ImageJ's, or the first image's of OME."""
    tags = getattr(picture, "tag_v2", {})
    text = str(tags.get(DESCRIPTION, ""))
    if text.startswith("ImageJ"):
        found = {
            name: int(number) for name, number in re.findall(r"^(\w+)=(\d{1,9})\s*$", text, re.MULTILINE)
        }
        return {axis: found.get(name, 1) for axis, name in IMAGEJ.items()}
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text)
    found = (
        {name: int(number) for name, number in re.findall(r"\b(Size[CZT])=[\"'](\d{1,9})", pixels[0])}
        if pixels
        else {}
    )
    told = {axis: found.get(name, 1) for axis, name in OME.items()}
    return {
        **told,
        "channel": told["channel"] // max(1, int(tags.get(SAMPLES, 1))),
    }  # which colours are counted as
