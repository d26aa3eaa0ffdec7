"""Gzip, by ISA-L where it is installed, which is several times as fast and inflates to the same content."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ImageError
from ..inputs.names import counted
from .paths import shown
from .written.versions import version_of

MAGIC = b"\x1f\x8b"
PIECE = 1 << 20  # bytes read or written at once: between two pieces Python hears Ctrl-C and SIGTERM
ZLIB_LEVEL = 4  # near level 9's size, at a third of its time
ISAL_LEVEL = 2  # the densest on images; level 3 is slower and less dense


def _isal() -> Any:
    """Return ISA-L's gzip module; None if it is not installed."""
    try:
        from isal import igzip
    except ImportError:
        return None
    return igzip


def library() -> str:
    """Return which library compresses, and its version: others give other bytes of the same content."""
    if _isal() is None:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
    return f"isal {version_of('isal')}"


def reader(raw: BinaryIO) -> gzip.GzipFile:
    """Return a file object that inflates an open file, and checks CRC and length at its end."""
    isal = _isal()
    found: gzip.GzipFile = (gzip.GzipFile if isal is None else isal.IGzipFile)(fileobj=raw, mode="rb")
    return found


def compress(parts: Iterable[bytes | memoryview]) -> bytes:
    """Return one gzip file of all buffers; the same input gives the same bytes."""
    buffer = io.BytesIO()
    with writer(buffer) as file:
        for part in parts:
            for piece in in_pieces(part):
                file.write(piece)
    return buffer.getvalue()


def writer(raw: BinaryIO) -> gzip.GzipFile:
    """Return a file object that compresses what is written to it into an open file; no name or time is kept."""
    isal = _isal()
    kind, level = (gzip.GzipFile, ZLIB_LEVEL) if isal is None else (isal.IGzipFile, ISAL_LEVEL)
    found: gzip.GzipFile = kind(filename="", fileobj=raw, mode="wb", compresslevel=level, mtime=0)
    return found


def in_pieces(content: bytes | memoryview) -> Iterator[memoryview]:
    """Yield bytes in pieces that are handled in milliseconds."""
    whole = memoryview(content).cast("B")
    for begin in range(0, len(whole), PIECE):
        yield whole[begin : begin + PIECE]


def check_end(path: Path, start: int = 0) -> None:
    """Refuse a file that could not be inflated, if the reason is what follows its gzip data, which are complete."""
    inflater, ended = zlib.decompressobj(31), False
    with suppress(OSError, zlib.error), path.open("rb") as file:
        file.seek(start)
        rest = file.read(PIECE)
        while rest:
            if ended and not rest.startswith(MAGIC[: len(rest)]):
                left = counted(len(rest) + path.stat().st_size - file.tell(), "byte")
                raise ImageError(
                    f"{shown(path)}: {left} behind its compressed data belong{'s' * (left == '1 byte')} to nothing: cut off what follows, or "
                    "save it again"
                )
            inflater.decompress(rest, PIECE)
            rest, ended = inflater.unconsumed_tail or inflater.unused_data, inflater.eof
            inflater = zlib.decompressobj(31) if ended else inflater
            rest = rest or file.read(PIECE)


def errors() -> tuple[type[Exception], ...]:
    """Return the errors that damaged data raise, beside OSError and EOFError."""
    isal = _isal()
    return (zlib.error,) if isal is None else (zlib.error, isal.isal_zlib.error)
