"""A consensus and its mask as NIfTI files, written slab by slab as they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import gz
from ..image import Image
from ..outputs import Outputs
from ..written.nifti import nifti_head


class _Pieces:
    """Hands on what is written in pieces of one size, so that a compressed file does not tell how large the slabs were."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held = file, bytearray()

    def write(self, content: memoryview) -> None:
        """Take voxels, and hand on all whole pieces."""
        begin = 0
        if self._held:
            begin = gz.PIECE - len(self._held)
            self._held += content[:begin]
            if len(self._held) < gz.PIECE:
                return
            self._file.write(self._held)
            self._held = bytearray()
        whole = begin + (len(content) - begin) // gz.PIECE * gz.PIECE
        for piece in gz.in_pieces(content[begin:whole]):
            self._file.write(piece)
        self._held += content[whole:]

    def finish(self) -> None:
        """Hand on the rest."""
        self._file.write(self._held)


class Slabs:
    """What takes slabs of a probability along the last axis, in order.

    Attributes
    ----------
    foreground : int
        Voxels of the mask so far.
    total : float
        Sum of the probability so far.
    """

    dtype = np.dtype(np.float32)
    chunks = None

    def __init__(self, shape: tuple[int, ...], cut: float, consensus: _Pieces, mask: _Pieces | None) -> None:
        self.shape, self._cut = shape, cut
        self._consensus, self._mask = consensus, mask
        self._next = 0
        self.foreground, self.total = 0, 0.0

    def __getitem__(self, place: Any) -> NDArray[Any]:
        raise TypeError("a file that is being written is not read")

    def __setitem__(self, box: tuple[slice, ...], block: NDArray[Any]) -> None:
        begin, end = box[-1].start, box[-1].stop
        if begin != self._next or block.shape[:-1] != self.shape[:-1]:
            raise ValueError(f"slab {begin}:{end} does not follow {self._next}")
        self._next = end
        marked = block >= self._cut
        self.foreground += int(np.count_nonzero(marked))
        self.total += float(np.sum(block, dtype=np.float64))
        self._consensus.write(_in_file_order(block))
        if self._mask is not None:
            self._mask.write(_in_file_order(marked.view(np.uint8)))


def _in_file_order(block: NDArray[Any]) -> memoryview:
    stored: Any = np.asfortranarray(block).reshape(-1, order="F")
    return memoryview(stored).cast("B")


@contextmanager
def slabs_into(
    outputs: Outputs, files: list[tuple[Path | None, type[np.generic], str]], like: Image, cut: float
) -> Iterator[Slabs]:
    """Give what takes slabs and writes them to temporary files: the consensus, and its mask if it has a path.

    ``files``: path, type and description of both.
    """
    shape = like.data.shape
    with ExitStack() as held:
        opened: list[_Pieces | None] = []
        for path, kind, description in files:
            if path is None:
                opened.append(None)
                continue
            file: Any = held.enter_context(outputs.file(path))
            if path.name.lower().endswith(".gz"):
                file = held.enter_context(gz.writer(file))
            nothing: Any = np.broadcast_to(np.zeros((), kind), shape)
            file.write(
                nifti_head(
                    nothing, like, description, "probability" if nothing.dtype.kind == "f" else "labels", 1
                )
            )
            opened.append(_Pieces(file))
        consensus, mask = opened
        assert consensus is not None
        yield Slabs(shape, cut, consensus, mask)
        for one in opened:
            if one is not None:
                one.finish()
