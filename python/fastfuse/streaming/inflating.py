"""Images in gzip, inflated slab by slab: a stream cannot be entered in the middle."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, reason_of
from ..images import gz
from .boxes import Box, shape_of

Array = NDArray[Any]
DAMAGED: tuple[type[Exception], ...] = (OSError, EOFError, *gz.errors())


class _Stream:
    """An open file, how many bytes of its content have been read, and the last of them: what lies around a slab overlaps."""

    def __init__(self, path: str) -> None:
        self.raw = Path(path).open("rb")  # noqa: SIM115 - closed by close()
        self.file, self.place = gz.reader(self.raw), 0
        self.last = bytearray()

    def reaches(self, begin: int) -> bool:
        """Tell whether bytes from a place on are still to be had."""
        return begin >= self.place - len(self.last)

    def take(self, begin: int, count: int) -> bytearray:
        """Return the bytes from a place that has not been let go."""
        content = bytearray(count)
        known = self.last[len(self.last) - (self.place - begin) :][:count] if begin < self.place else b""
        done = len(known)
        content[:done] = known
        while self.place < begin:
            self.place += len(self._next(min(begin - self.place, gz.PIECE)))
        while done < count:
            piece = self._next(min(count - done, gz.PIECE))
            content[done : done + len(piece)] = piece
            done += len(piece)
            self.place += len(piece)
        self.last = content
        return content

    def _next(self, count: int) -> bytes:
        piece = self.file.read(count)
        if not piece:
            raise EOFError("the file ends before its last voxel")
        return piece

    def rest(self) -> None:
        """Read to the end, where the checksum is."""
        while self.file.read(gz.PIECE):
            pass

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        self.raw.close()


@dataclass(frozen=True, eq=False)
class InflatedSource:
    """A volume in a gzip file, from an offset of its content.

    Boxes come one after the other along the slowest axis; from the first on it is read again.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    axes: tuple[int, ...]
    scaling: tuple[float, float] = (1.0, 0.0)
    grain: tuple[int, ...] | None = None
    in_order: bool = True
    travels: bool = False  # one task a case, never sharded inside
    _open: list[_Stream] = field(default_factory=list, repr=False)
    _guard: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its votes."""
        return self.stored if self.scaling == (1.0, 0.0) else np.dtype(np.float64)

    def read(self, box: Box) -> Array:
        """Return the voxels of a slab that comes after those that were read."""
        slowest = self.axes[0]
        plane = prod(self.shape) // self.shape[slowest] * self.stored.itemsize
        first, lengths = box[slowest].start, shape_of(box)
        with self._guard:
            content = self._taken(self.offset + first * plane, (box[slowest].stop - first) * plane, box)
        order = [lengths[axis] for axis in self.axes]
        values: Array = np.frombuffer(content, dtype=self.stored).reshape(order)
        values = values.transpose(np.argsort(self.axes))
        slope, inter = self.scaling
        return values if self.scaling == (1.0, 0.0) else values * slope + inter

    def _taken(self, begin: int, count: int, box: Box) -> bytearray:
        try:
            if self._open and not self._open[0].reaches(begin):
                self.close()
            if not self._open:
                self._open.append(_Stream(self.path))
            content = self._open[0].take(begin, count)
            if box[self.axes[0]].stop == self.shape[self.axes[0]]:
                self._open[0].rest()
        except DAMAGED as error:
            self.close()
            raise ImageError(f"{self.path}: is damaged ({reason_of(error)})") from None
        return content

    def close(self) -> None:
        """Close the file; the next box opens it again."""
        while self._open:
            self._open.pop().close()

    def done_with(self, box: Box) -> None:
        """Keep nothing."""
