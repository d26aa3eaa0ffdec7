"""Reads PNG and TIFF pictures by Pillow: a slice, or the pages of a TIFF as a stack of slices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError, installing, reason_of
from ...inputs.names import counted
from ..checks import check_content, check_memory
from ..image import Image
from ..paths import remark_on, shown
from ..wanted import Wanted
from .numpy_file import NO_SIZE
from .other import looks_like
from .pages import BITS, DESCRIPTION, INK, ORIENTATION, check_axes, pages_behind, scale_ignored
from .quiet import quiet

_lifting = threading.Lock()
CLEAR = "it is transparent in places; save it without transparency"
TOPS = (255, 2**16 - 1)  # that stand for 1 in types of more bits, too
MOST_PAGES = 100_000
BYTES = {
    "1": 1,
    "L": 1,
    "P": 1,
    "I;16": 2,
    "I;16B": 2,
    "I;16L": 2,
    "I": 4,
    "F": 4,
    "LA": 2,
    "RGB": 3,
    "RGBA": 4,
}
NO_RESOLUTION = ("1", "1.0", "0", "0.0", "nan")
RESOLUTIONS = (282, 283)  # tags of TIFF
PIXELS = 2**31  # fewer than that a page must have
COPIES = 3  # of a page beside the pages that are kept: Pillow's own, one on the way, and a comparison's


def read_picture(path: Path, wanted: Wanted) -> Image:
    """Read a picture of one value a pixel, as (x, y, 1), or (x, y, page).

    A mask of 0 and the highest value of its type (255, 65535 ...) becomes one of 0 and 1, unless it is asked for labels, a threshold or the like.
    """
    try:
        import PIL.Image as pillow
    except ImportError:
        raise ImageError(f"{shown(path)}: reading it needs Pillow: {installing('images')}") from None
    with quiet():
        try:
            size, told, scaled, pages, doubts = _opened_of_any_size(path, pillow)
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # of many kinds
            what = looks_like(path)
            if what not in (None, "PNG", "TIFF"):
                raise ImageError(
                    f"{shown(path)}: its content looks like {what}, and is neither PNG nor TIFF: save it as PNG, TIFF or NIfTI"
                ) from error
            reason = reason_of(error).replace(f" {str(path)!r}", "")
            raise ImageError(
                f"{shown(path)}: cannot be read as PNG or TIFF ({shown(reason)}); is it complete?"
            ) from error
    data = pages.transpose(2, 1, 0)
    plain = wanted.foreground == type(wanted.foreground)()
    top = int(data.max()) if plain and data.dtype.kind in "ui" else 0
    if top and top in (*TOPS, np.iinfo(data.dtype).max) and _holds_only(data, top):
        data = (data != 0).astype(np.uint8)
        doubts.append(f"its values are 0 and {top}: {top} is taken as 1")
    shape, _ = check_content(path, data.shape, data.dtype)
    return Image(
        path,
        data.reshape(shape, order="F"),
        np.diag([-1.0, -1, 1, 1]),
        placed=False,
        remark=remark_on(path, (told, *doubts, scaled, size)),
    )


def _holds_only(data: NDArray[Any], top: int) -> bool:
    """Tell whether all values are 0 or the highest one, a page at a time."""
    return all(bool(np.all((page == 0) | (page == top))) for page in np.moveaxis(data, 2, 0))


def _opened_of_any_size(path: Path, pillow: Any) -> tuple[str, str, str, NDArray[Any], list[str]]:
    """Return what :func:`_opened` does; the limit is that of all threads, and lifted for pictures beyond it alone."""
    try:
        return _opened(path, pillow)
    except pillow.DecompressionBombError:
        with _any_size(pillow):
            return _opened(path, pillow)


def _opened(path: Path, pillow: Any) -> tuple[str, str, str, NDArray[Any], list[str]]:
    """Return a picture's size in words, what its axes and its scale tell, its pages, and what is doubtful about them."""
    with pillow.open(path, formats=("PNG", "TIFF")) as picture:
        if picture.format == "PNG":  # of which Pillow checks the sums alone, or reads the pixels
            picture.verify()
    # Of a file that Pillow does not open itself, it maps none into memory: it would map quarter turns wrongly.
    with path.open("rb") as file, pillow.open(file, formats=("PNG", "TIFF")) as picture:
        size = _size_in_words(picture)  # as the first page says
        return size, check_axes(path, picture), scale_ignored(picture), *_pages(path, picture)


@contextmanager
def _any_size(pillow: Any) -> Iterator[None]:
    """Lift Pillow's limit on the number of pixels: what the header tells is held against the memory here."""
    with _lifting:
        before, pillow.MAX_IMAGE_PIXELS = pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            pillow.MAX_IMAGE_PIXELS = before


def _pages(path: Path, picture: Any) -> tuple[NDArray[Any], list[str]]:
    """Return all pages, (page, row, column)."""
    mode, size = picture.mode, picture.size
    if mode not in BYTES:
        raise ImageError(f"{shown(path)}: its pixels are of the kind {mode}; one number a pixel is needed")
    count = int(getattr(picture, "n_frames", 1))
    pixels = size[0] * size[1]
    if not (1 <= count <= MOST_PAGES and 1 <= pixels < PIXELS):
        raise ImageError(
            f"{shown(path)}: it has {counted(count, 'page')} of {size[0]} × {size[1]} pixels, and up to {MOST_PAGES:,} of fewer than {PIXELS:,} "
            "are read: crop it, or save it as NIfTI"
        )
    check_memory(path, (count + COPIES) * pixels * BYTES[mode])
    behind = pages_behind(path, picture)
    if behind is not None:
        return behind, []
    pages: list[NDArray[Any]] = []
    doubts: list[str] = []
    for page in range(count):
        picture.seek(page)
        turn = _orientation(picture)
        if (picture.mode, picture.size) != (mode, size):
            raise ImageError(
                f"{shown(path)}: page {page} is of another size or kind than page 0; split it first"
            )
        values = _values(path, picture, doubts)
        pages.append(_turned(values, turn) if picture.format == "PNG" else values)  # Pillow turns a TIFF's
        if turn != 1:
            doubts.append(f"its pixels were turned as its orientation says ({turn})")
    return np.stack(pages), list(dict.fromkeys(doubts))


def _orientation(picture: Any) -> int:
    """Return how the pixels must be turned, as TIFF and EXIF number it; 1 is not at all."""
    tags = picture.tag_v2 if picture.format == "TIFF" else picture.getexif()
    found = tags.get(ORIENTATION, 1)
    return found if found in range(2, 9) else 1


def _turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return pixels as they are to be shown."""
    if orientation >= 5:
        values = values.T
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


def _size_in_words(picture: Any) -> str:
    """Say what voxel size is taken: a picture's resolution is that of a print as often as not, so that it is not read."""
    tags = getattr(picture, "tag_v2", {})
    described = str(tags.get(DESCRIPTION, ""))
    if "PhysicalSize" in described:
        where = "by OME"
    elif described.startswith("ImageJ") and "unit=" in described:
        where = "by ImageJ"
    elif any(str(tags.get(tag, "1.0")) not in NO_RESOLUTION for tag in RESOLUTIONS) or (
        picture.format == "PNG" and "dpi" in picture.info
    ):
        where = "as a resolution"
    else:
        return NO_SIZE
    return f"the voxel size that it states {where} is not read: 1 mm is taken unless grid=FILE (--grid FILE) names an image that has the size"


def _values(path: Path, picture: Any, doubts: list[str]) -> NDArray[Any]:
    """Return one page's numbers; refuse colours, and transparency, that mean something."""
    if _is_clear(path, picture):
        raise ImageError(f"{shown(path)}: {CLEAR}")
    if picture.mode == "1":
        if _white_is_zero(picture):
            doubts.append(
                "0 is white in it (WhiteIsZero): of its single bits those shown white are taken as 1"
            )
        return np.asarray(picture).astype(np.uint8)
    if picture.mode == "P":
        return _of_palette(picture, doubts)
    values = np.asarray(picture)
    if values.ndim == 2:
        return _stored(path, picture, values, doubts) if picture.mode == "L" else values
    colours = 1 if picture.mode == "LA" else 3
    if values.shape[2] > colours and not np.all(values[..., colours] == 255):
        raise ImageError(f"{shown(path)}: {CLEAR}")
    if not np.all(values[..., :colours] == values[..., :1]):
        raise ImageError(
            f"{shown(path)}: it is in colour; one number a pixel is needed: save its labels as grey"
        )
    return values[..., 0]


def _white_is_zero(picture: Any) -> bool:
    return picture.format == "TIFF" and bool(picture.tag_v2.get(INK) == 0)


def _stored(path: Path, picture: Any, values: NDArray[Any], doubts: list[str]) -> NDArray[Any]:
    """Return greys of up to 8 bits as they are stored: Pillow turns them around where 0 is white, as ImageJ's inverting look-up table has it."""
    if _white_is_zero(picture):
        doubts.append("0 is white in it (WhiteIsZero): its values are taken as stored, not as shown")
        values = 255 - values
    return values // _step(path, picture)


def _is_clear(path: Path, picture: Any) -> bool:
    """Tell whether a value that occurs is transparent, as a PNG's tRNS chunk says: of a palette, of grey, or a colour."""
    clear = picture.info.get("transparency")
    if clear is None:
        return False
    values = np.asarray(picture)
    if isinstance(clear, bytes):  # how solid each place of a palette is
        places = [place for place, solid in enumerate(clear) if solid < 255]
        return bool(np.isin(values, places).any())
    if values.ndim == 3:
        return bool(np.all(values == np.asarray(clear), axis=-1).any())
    if picture.mode == "1":
        return bool((values == bool(clear)).any())
    step = _step(path, picture) if picture.mode == "L" else 1
    return bool((values // step == clear).any() or (values == clear).any())


def _step(path: Path, picture: Any) -> int:
    """Return what Pillow multiplies values of 2 or 4 bits by: labels are not shades."""
    if picture.format == "TIFF":
        depth = picture.tag_v2.get(BITS, (1,))[0]
    else:
        with path.open("rb") as file:
            depth = file.read(25)[24]
    return 255 // (2**depth - 1) if depth in (2, 4) else 1


def _of_palette(picture: Any, doubts: list[str]) -> NDArray[Any]:
    """Return a palette's greys; where it has colours, the places in it, which are labels then."""
    places = np.asarray(picture)
    palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = np.unique(places)
    if used[-1] < len(palette) and np.all(palette[used] == palette[used, :1]):
        if used.size > 1 and palette[used[-1], 0] < palette[used[0], 0]:
            doubts.append(
                "its palette turns greys around, as an inverting look-up table does: those shown are taken"
            )
        return np.asarray(palette[:, 0][places])
    doubts.append("it has a palette of colours: the places in the palette are taken as labels")
    return places
