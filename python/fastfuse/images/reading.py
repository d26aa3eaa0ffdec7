"""Reads one image of any format, and several at once in their order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import ImageError
from ..inputs.grids import check_same_grid
from . import gz
from .checks import check_affine, check_content, check_memory, check_regular
from .four_axes import one_channel
from .image import Image
from .itk import ITK_SUFFIXES, read_itk
from .nifti import NIFTI_SUFFIXES, read_nifti
from .nnunet import companion_of, read_probabilities
from .paths import shown
from .wanted import Wanted
from .workers import startable

ALL = Wanted()  # each file as it is

# Errors of nibabel and its helpers on damaged files, beside gzip's own.
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


def read(path: Path | str, go_on: Callable[[], None] = lambda: None, wanted: Wanted = ALL) -> Image:
    """Read one 3-D image.

    Parameters
    ----------
    path : path
    go_on : callable
        Called before each piece of a NIfTI file's voxels; an exception from it ends the reading.
    wanted : Wanted, optional
        What is asked of the file, such as the class to take of a network's probabilities.

    Raises
    ------
    ImageError
        If the file cannot be read completely, or is unsound: with the path, the reason and a remedy.
    """
    path = Path(path)
    try:
        check_regular(path)
        with np.errstate(over="raise", invalid="raise"):  # numbers in the header that make no sense
            image = one_channel(_read_by_name(path, go_on, wanted), wanted)
    except ImageError:
        raise
    except PermissionError:
        raise ImageError(f"{shown(path)}: permission to read it is denied") from None
    except READ_ERRORS + gz.errors() as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"{shown(path)}: cannot be read ({reason}); is it a complete image file?") from error
    check_affine(path, image.affine)
    return image


def _read_by_name(path: Path, go_on: Callable[[], None], wanted: Wanted) -> Image:
    """Read by the reader that the name's ending asks for."""
    name = path.name.lower()
    if name.endswith(NIFTI_SUFFIXES):
        return read_nifti(path, go_on)
    if name.endswith(".npz"):
        return read_probabilities(path, read(companion_of(path)), wanted.foreground)
    if name.endswith(ITK_SUFFIXES):
        return read_itk(path)
    return _from_nibabel(path, nib.load(path, mmap=False))


def _from_nibabel(path: Path, image: Any) -> Image:
    """Take an image of one of nibabel's other formats."""
    shape, stored = check_content(path, image.shape, image.get_data_dtype())
    check_memory(path, shape)
    data = np.asanyarray(image.dataobj).reshape(shape, order="F")
    return Image(path, data, image.affine.astype(np.float64), scaled=data.dtype != stored)


@contextmanager
def reading(paths: Sequence[Path], threads: int, wanted: Wanted = ALL) -> Iterator[Iterator[Image]]:
    """Read images in up to ``threads`` threads (0: one per core), at most ``threads`` files ahead of the caller.

    Images and errors come in the order of the paths, so the first bad file is the one reported. ``wanted`` is
    what is asked of each file. The threads end with the block, at the latest after one more piece of a file.
    """
    workers = min(threads or _cores(), len(paths))
    if workers < 2 or (workers := startable(workers)) < 2:
        yield (read(path, wanted=wanted) for path in paths)
        return
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise CancelledError

    pool = ThreadPoolExecutor(workers, "fastfuse-reader")
    waits = True
    try:
        yield _in_order(pool, paths, workers, lambda path: read(path, go_on, wanted))
    except (KeyboardInterrupt, SystemExit):
        waits = False  # for a library that reads a file, and hears nothing
        raise
    finally:
        stopped.set()
        pool.shutdown(wait=waits, cancel_futures=True)


def on_one_grid(
    paths: Sequence[Path], images: Iterator[Image], say: Callable[[str], None], remarks: list[str]
) -> Iterator[Image]:
    """Yield the images of these paths, check that they share the first one's grid, and add to ``remarks``."""
    first: Image | None = None
    for path in paths:
        say(f"reading {shown(path.name)}")
        image = next(images)
        remark = check_same_grid(first.grid, image.grid) if first else None
        remarks.extend(text for text in (image.remark, remark) if text)
        first = first or image
        yield image


def _in_order(
    pool: ThreadPoolExecutor, paths: Sequence[Path], ahead: int, read_one: Callable[[Path], Image]
) -> Iterator[Image]:
    """Yield the images in order; each one taken starts the reading of another file."""
    rest = iter(paths)
    started: deque[Future[Image]] = deque(pool.submit(read_one, path) for path in islice(rest, ahead))
    while started:
        image = started.popleft().result()
        started.extend(pool.submit(read_one, path) for path in islice(rest, 1))
        yield image


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
