"""Blocks written into a mapped file by calls, not by its pages: a page that is written by itself costs more than its content."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .boxes import Box, shape_of
from .mapped import MappedSource

if TYPE_CHECKING:
    from typing_extensions import Self

BUFFERS = 2  # one is filled while the other is written


class FileOfBlocks:
    """A mapped file that takes blocks; while one is made, the one before is written."""

    def __init__(self, target: MappedSource) -> None:
        self.target = target
        self._file = Path(target.path).open("r+b")  # noqa: SIM115 - closed on leaving
        self._writer = ThreadPoolExecutor(1, "fastfuse-writer")
        self._buffers: list[NDArray[Any]] = []
        self._under_way: list[Future[None]] = []

    def room_for(self, box: Box) -> NDArray[Any]:
        """Return an array for a block, as it is to lie in the file."""
        order = [shape_of(box)[axis] for axis in self.target.axes]
        if len(self._under_way) >= BUFFERS:
            self._under_way.pop(0).result()
        size = int(np.prod(order))
        if len(self._buffers) < BUFFERS:
            self._buffers.append(np.empty(size, self.target.dtype))
        else:
            self._buffers.append(self._buffers.pop(0))
        if self._buffers[-1].size < size:
            self._buffers[-1] = np.empty(size, self.target.dtype)
        room = self._buffers[-1][:size].reshape(order)
        return room.transpose(np.argsort(self.target.axes))

    def put(self, box: Box, block: NDArray[Any]) -> None:
        """Write a block that was made in such an array."""
        self._under_way.append(self._writer.submit(self._write, box, block))

    def _write(self, box: Box, block: NDArray[Any]) -> None:
        begin = self.target.place_in_file(box)
        if begin is None:
            self.target.array[box] = block
            self.target.done_with(box)
            return
        stored: Any = block.transpose(self.target.axes)
        content = memoryview(stored).cast("B")
        done = 0
        while done < len(content):
            done += os.pwrite(self._file.fileno(), content[done:], begin + done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(cancel_futures=kind is not None)
        self._file.close()
        if kind is None:
            for one in self._under_way:
                one.result()


def by_calls(target: Any) -> bool:
    """Tell whether a source is a file that is written so; the system must have the call."""
    return isinstance(target, MappedSource) and target.writable and hasattr(os, "pwrite")
