"""Memory-mapped files, read in place. What has been read leaves the process's memory again."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import axes_in_memory_order
from .boxes import Box

Array = NDArray[Any]
SHARED = ("r", "r+", "w+")  # modes whose pages the file keeps; of a copy ("c") changes would be lost


def mapping_under(array: Array) -> np.memmap[Any, Any] | None:
    """Return the memory-mapped file that an array is a view of; None for others, and for private copies."""
    seen: Any = array
    while isinstance(seen, np.ndarray):
        found: Any = seen
        seen = found.base
        if isinstance(found, np.memmap) and isinstance(seen, mmap.mmap):
            return found if found.filename is not None and found.mode in SHARED else None
    return None


@dataclass(frozen=True, eq=False)
class MappedSource:
    """A view of a memory-mapped file."""

    array: Array
    pages: Any
    path: str
    begin: int
    writable: bool
    grain: tuple[int, ...] | None = None
    in_order: bool = False
    travels: bool = True

    @classmethod
    def of(cls, array: Array, mapping: Any) -> MappedSource:
        """Take a view of a mapping."""
        file_place = mapping.offset - mapping.offset % mmap.ALLOCATIONGRANULARITY
        begin = _address(array) - _address_of_pages(mapping.base) + file_place
        return cls(array, mapping.base, str(mapping.filename), begin, mapping.mode != "r")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self.array.dtype

    @property
    def axes(self) -> tuple[int, ...]:
        """Its axes from the slowest to the fastest."""
        return axes_in_memory_order(self.array)

    def read(self, box: Box) -> Array:
        """Return a view of a box, and let the system fetch it."""
        part = self.array[box]
        self._advise(part, "MADV_WILLNEED")
        return part

    def done_with(self, box: Box) -> None:
        """Unmap a box's pages; the file's content stays in the system's cache, changes too."""
        self._advise(self.array[box], "MADV_DONTNEED")

    def place_in_file(self, box: Box) -> int | None:
        """Return where a box's bytes begin; None if they do not follow each other."""
        part = self.array[box]
        if not part.transpose(self.axes).flags.c_contiguous:
            return None
        return self.begin + _address(part) - _address(self.array)

    def close(self) -> None:
        """Leave the file to the caller."""

    def _advise(self, part: Array, advice: str) -> None:
        if not hasattr(mmap, advice) or not part.size:
            return
        low, high = _reach(part)
        base = _address_of_pages(self.pages)
        first = (low - base) // mmap.PAGESIZE * mmap.PAGESIZE
        self.pages.madvise(getattr(mmap, advice), first, min(high - base, len(self.pages)) - first)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to map the file anew."""
        array = self.array
        return _mapped_anew, (
            self.path, self.begin, array.shape, array.dtype.str, array.strides, self.writable
        )  # fmt: skip


def _mapped_anew(
    path: str, begin: int, shape: tuple[int, ...], dtype: str, strides: tuple[int, ...], writable: bool
) -> MappedSource:
    # Each time: the name may be another file's by now.
    with Path(path).open("r+b" if writable else "rb") as file:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        pages = mmap.mmap(file.fileno(), 0, access=access)
    array: Array = np.ndarray(shape, np.dtype(dtype), pages, begin, strides)
    return MappedSource(array, pages, path, begin, writable)


def _reach(array: Array) -> tuple[int, int]:
    """Return the addresses of an array's first byte, and of that after its last."""
    steps = [stride * (length - 1) for stride, length in zip(array.strides, array.shape, strict=True)]
    begin = _address(array)
    low = begin + sum(step for step in steps if step < 0)
    return low, begin + sum(step for step in steps if step > 0) + array.itemsize


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _address_of_pages(pages: Any) -> int:
    return _address(np.frombuffer(pages, dtype=np.uint8))
