"""Several images read at once, and handed over in their order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ..inputs.grids import check_same_grid
from .nifti import Image, read
from .paths import shown


@contextmanager
def reading(paths: Sequence[Path], threads: int, label: int | None = None) -> Iterator[Iterator[Image]]:
    """Read images in up to ``threads`` threads (0: one per core), each at most so many files ahead.

    The images come in the order of the paths, and so do their errors: the first bad file is the one that is
    reported. ``label`` is the class to take of an .npz of nnU-Net. Whatever ends the block ends the threads too, within a piece of a file.
    """
    workers = min(threads or _cores(), len(paths))
    if workers < 2:
        yield (read(path, label=label) for path in paths)
        return
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise CancelledError

    with ThreadPoolExecutor(workers, "fastfuse-reader") as pool:
        try:
            yield _in_order(pool, paths, workers, lambda path: read(path, go_on, label))
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def on_one_grid(
    paths: Sequence[Path], images: Iterator[Image], say: Callable[[str], None], remarks: list[str]
) -> Iterator[Image]:
    """Hand over the images of these paths, of the first one's grid or nearly; what is doubtful joins the remarks."""
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
    """Yield the images in order, and start on the next file whenever one is handed over."""
    rest = iter(paths)
    started: deque[Future[Image]] = deque(pool.submit(read_one, path) for path in islice(rest, ahead))
    while started:
        image = started.popleft().result()
        started.extend(pool.submit(read_one, path) for path in islice(rest, 1))
        yield image


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
