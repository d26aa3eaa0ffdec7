"""Values behind, or beside, a header of text: MetaImage and NRRD keep them alike."""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...inputs.names import counted
from .. import gz
from ..checks import check_memory, check_regular, room_for
from ..paths import shown
from .behind import LEAST, LINE_ENDS, counted_behind, told_behind

MOST_HEADER = 1 << 20  # bytes of a header's text
TEXT_BYTES = 80  # memory that one byte of written-out numbers takes at most while it is read
PACKED = ("gzip", "zlib", "bzip2")
BZIP2 = b"BZh"  # that a stream begins with
CUT_SHORT = "the compressed data ended before the end-of-stream marker was reached"
SHOWN_BYTES = 12  # of what is no number
UNITS_MM = {
    "mm": 1.0,
    "millimeter": 1.0,
    "millimeters": 1.0,
    "millimetre": 1.0,
    "millimetres": 1.0,
    "um": 1e-3,
    "µm": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "cm": 10.0,
    "m": 1e3,
}
UNITS = {1e-3: "microns", 1.0: "mm", 10.0: "cm", 1e3: "metres"}  # what messages call them


@dataclass(frozen=True)
class Stored:
    """Where and how an image's values are kept.

    Attributes
    ----------
    path : Path
        The file with the header, which messages name.
    files : list of Path
        The files with the values, in order.
    sizes : tuple of int
        Number of values along each axis, the fastest first.
    dtype : dtype
    encoding : {"raw", "text", "hex", "gzip", "zlib", "bzip2"}
    skip : int
        Bytes before the values in each file, of what it unpacks to if it is packed; -1: the values are its end.
    skip_lines : int
        Lines before those bytes, which are never packed.
    start : int
        Where both are counted from: the end of the header in its own file, else 0.
    """

    path: Path
    files: list[Path]
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    encoding: str = "raw"
    skip: int = 0
    skip_lines: int = 0
    start: int = 0

    @property
    def bytes(self) -> int:
        """Number of bytes of all values."""
        return math.prod(self.sizes) * self.dtype.itemsize

    def read(self, go_on: Callable[[], None]) -> tuple[NDArray[Any], str]:
        """Return the values, the axes in the order of the header, and a doubt; refuse files that hold fewer."""
        self._check_sizes()
        with room_for(self.path, self.bytes, go_on):
            return self._values(go_on)

    def _values(self, go_on: Callable[[], None]) -> tuple[NDArray[Any], str]:
        values = np.empty(self.sizes, self.dtype, order="F")
        buffer = values.reshape(-1, order="F").view(np.uint8).data
        whole = len(buffer)
        if len(self.files) > 1 and whole % len(self.files):
            raise ImageError(
                f"{shown(self.path)}: {len(self.files)} data files do not share {whole} bytes evenly"
            )
        part = whole // len(self.files)
        surplus = 0
        for k, file in enumerate(self.files):
            surplus += self._fill(file, buffer[k * part : (k + 1) * part], go_on)
        if self.start and 0 < surplus <= LEAST and bytes(buffer[:surplus]) in LINE_ENDS:
            raise ImageError(
                f"{shown(self.path)}: an empty line follows its header, where its voxels must begin: delete that line"
            )
        return values, told_behind(surplus, self.bytes // max(self.sizes))

    def _check_sizes(self) -> None:
        """Refuse what the plain files cannot hold, before memory is taken."""
        for file in self.files:
            if file != self.path:
                self._check_beside(file)
        start = (self.start + max(self.skip, 0)) * len(self.files)
        have = sum(file.stat().st_size for file in self.files) - start
        if self.encoding == "raw" and have < self.bytes:
            raise ImageError(
                f"{shown(self.path)}: {counted(max(0, have), 'byte')} of voxels, {self.bytes} expected; the file is truncated, or its "
                "header wrong"
            )

    def _check_beside(self, file: Path) -> None:
        """Refuse a data file that is not there, or no file with content: with the header that names it."""
        try:
            check_regular(file)
        except ImageError as error:
            raise ImageError(
                f"{shown(self.path)}: the data file that it names cannot be read ({error}): put it there, or mend the header"
            ) from None

    def _fill(self, path: Path, buffer: memoryview, go_on: Callable[[], None]) -> int:
        """Fill the buffer from a file; return how many bytes are left there."""
        with path.open("rb") as file:
            packed = self.encoding in PACKED
            self._go_to_values(file, 0 if packed else self.skip, len(buffer))
            if self.encoding in ("text", "hex"):
                return self._fill_from_text(file, buffer)
            filled, surplus, begin = 0, 0, b""
            behind: list[bytes] = []
            left_out = self.skip if packed else 0
            for piece in _pieces(file, self.encoding, len(buffer), behind):
                go_on()
                kept = piece[left_out:]
                left_out -= len(piece) - len(kept)
                taken = kept[: len(buffer) - filled]
                buffer[filled : filled + len(taken)] = taken
                filled += len(taken)
                surplus += len(kept) - len(taken)
                begin += kept[len(taken) :][:LEAST]
            if self.encoding == "raw":
                surplus, begin = path.stat().st_size - file.tell(), file.read(LEAST)
            elif behind:
                surplus, begin = surplus + len(behind[0]), begin + behind[0][:LEAST]
        if filled < len(buffer):
            raise ImageError(
                f"{shown(self.path)}: {counted(filled, 'byte')} of voxels in {shown(path.name)}, {len(buffer)} expected; the file is "
                "truncated, or its header wrong"
            )
        return counted_behind(surplus, begin)

    def _go_to_values(self, file: BinaryIO, skip: int, needed: int) -> None:
        """Go behind the lines and bytes that come before the values; refuse a file that ends before."""
        file.seek(self.start)
        for line in range(self.skip_lines):
            if not _skip_line(file):
                raise ImageError(
                    f"{shown(self.path)}: its line skip is {self.skip_lines}, but its data have {counted(line, 'line')}; mend the header"
                )
        behind_lines, end = file.tell(), Path(file.name).stat().st_size
        file.seek(max(behind_lines, end - needed) if skip < 0 else behind_lines + skip)

    def _fill_from_text(self, file: BinaryIO, buffer: memoryview) -> int:
        """Read numbers that are written out, or bytes as pairs of hexadecimal digits."""
        left = Path(file.name).stat().st_size - file.tell()
        check_memory(self.path, TEXT_BYTES * max(left, 0))
        words = file.read().split()
        if self.encoding == "hex":
            content = _of_digits(self.path, b"".join(words))
            surplus = len(content) - len(buffer)
        else:
            count = len(buffer) // self.dtype.itemsize
            content = _numbers(self.path, words[:count], self.dtype).tobytes()
            surplus = (len(words) - count) * self.dtype.itemsize
        if len(content) < len(buffer):
            raise ImageError(
                f"{shown(self.path)}: {counted(len(content), 'byte')} of voxels, {len(buffer)} expected"
            )
        buffer[:] = content[: len(buffer)]
        return surplus


def _skip_line(file: BinaryIO) -> bool:
    r"""Go behind a line, which \n, \r or both end, as for ITK; return whether there was one."""
    start = file.tell()
    line = file.readline(MOST_HEADER)
    at = line.find(b"\r")
    if at >= 0 and line[at + 1 : at + 2] != b"\n":
        file.seek(start + at + 1)
    return bool(line)


def _numbers(path: Path, words: list[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers that are written out; refuse what is none, and those that their type cannot hold."""
    kind = float if dtype.kind == "f" else int
    try:
        values = [kind(word) for word in words]
    except ValueError:
        raise ImageError(
            f"{shown(path)}: by its header its voxels are numbers in text, and {_none_of(kind, words)} is none: are they binary? "
            "Mend the header"
        ) from None
    if dtype.kind == "f":
        return np.array(words).astype(dtype) if words else np.empty(0, dtype)
    limits = np.iinfo(dtype)
    beyond = next((value for value in values if not limits.min <= value <= limits.max), None)
    if beyond is not None:
        raise ImageError(f"{shown(path)}: it holds {beyond}, which is no {dtype.newbyteorder('=')}")
    return np.array(values, dtype)


def _of_digits(path: Path, digits: bytes) -> bytes:
    """Return bytes that are written as pairs of hexadecimal digits."""
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        raise ImageError(
            f"{shown(path)}: by its header its voxels are pairs of hexadecimal digits, and they are not: are they binary? Mend the "
            "header"
        ) from None


def _none_of(kind: Callable[[bytes], Any], words: list[bytes]) -> str:
    """Return the first word that is no number, cut short."""
    for word in words:
        try:
            kind(word)
        except ValueError:
            text = word[:SHOWN_BYTES].decode("latin-1")
            return f"{text!r}{'...' * (len(word) > SHOWN_BYTES)}"
    return ""


def _pieces(file: BinaryIO, encoding: str, needed: int, behind: list[bytes]) -> Iterator[bytes]:
    """Yield the values' bytes piece by piece; packed data are read to their end, so that their CRC is checked.

    What follows packed data goes ``behind``.
    """
    if encoding == "raw":
        while needed > 0 and (piece := file.read(min(gz.PIECE, needed))):
            needed -= len(piece)
            yield piece
    elif encoding == "zlib":
        yield from _inflated(file, behind)
    elif encoding == "bzip2":
        yield from _unzipped(file, behind)
    else:
        failures: tuple[type[Exception], ...] = (OSError, EOFError, *gz.errors())
        start = file.tell()
        try:
            with cast(BinaryIO, gz.reader(file)) as unpacked:
                while piece := unpacked.read(gz.PIECE):
                    yield piece
        except failures:
            gz.check_end(Path(file.name), start)
            raise


def _inflated(file: BinaryIO, behind: list[bytes]) -> Iterator[bytes]:
    """Yield what a zlib or gzip stream inflates to; what follows it goes ``behind``."""
    inflater = zlib.decompressobj(47)  # whichever of the two it is
    while not inflater.eof:
        packed = inflater.unconsumed_tail or file.read(gz.PIECE)
        piece = inflater.decompress(packed, gz.PIECE)
        if not packed and not piece:
            raise EOFError(CUT_SHORT)
        yield piece
    behind.append(inflater.unused_data + file.read())


def _unzipped(file: BinaryIO, behind: list[bytes]) -> Iterator[bytes]:
    """Yield what bzip2 streams unpack to; what follows the last one goes ``behind``."""
    rest = file.read(gz.PIECE)
    while True:
        unzipper = bz2.BZ2Decompressor()
        while not unzipper.eof:
            if unzipper.needs_input and not (rest := rest or file.read(gz.PIECE)):
                raise EOFError(CUT_SHORT)
            yield unzipper.decompress(rest, gz.PIECE)
            rest = b""
        rest = unzipper.unused_data
        rest += file.read(gz.PIECE) if len(rest) < len(BZIP2) else b""
        if not rest.startswith(BZIP2):
            behind.append(rest + file.read())
            return


def text_header(path: Path, is_last: Callable[[str], bool]) -> tuple[list[str], int]:
    """Return the lines of a header up to the last one, and where the bytes behind it start.

    Raises
    ------
    ImageError
        If no line is the last one.
    """
    lines: list[str] = []
    with path.open("rb") as file:
        while file.tell() < MOST_HEADER:
            raw = file.readline(MOST_HEADER)
            if not raw:
                return lines, -1
            lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
            if is_last(lines[-1]):
                return lines, file.tell()
    raise ImageError(f"{shown(path)}: its header does not end; is it such a file?")


def beside(path: Path, name: str) -> Path:
    """Return a data file that a header names, which must stay in the header's folder or below."""
    found, folder = path.parent / name, path.parent.resolve()
    if found.resolve() == path.resolve():
        raise ImageError(
            f"{shown(path)}: its header names itself as its data file; name the one that holds the voxels"
        )
    if not name or "\0" in name or not found.resolve().is_relative_to(folder) or found.resolve() == folder:
        raise ImageError(
            f"{shown(path)}: its data file is {shown(name)!r}, outside the header's folder: put it beside the header and "
            "name it there"
        )
    return found


def numbered(path: Path, pattern: str, first: int, last: int, step: int) -> list[Path]:
    """Return the files that a pattern such as slice%03d.raw and a range of numbers name."""
    numbers = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
    if not 0 < len(numbers) <= 10_000:
        raise ImageError(f"{shown(path)}: its data files are numbered {first} to {last} by {step}")
    before, mark, after = pattern.partition("%")
    width, letter, after = after.partition("d")
    if not mark or not letter or "%" in after or (width and not width.isdecimal()) or len(width) > 3:
        raise ImageError(f"{shown(path)}: its data files are called {shown(pattern)!r}, which holds no %d")
    return [
        beside(path, f"{before}{number:{'0' * width.startswith('0')}{int(width or 0)}d}{after}")
        for number in numbers
    ]


def floats(path: Path, what: str, words: Sequence[str], count: int | None = None) -> list[float]:
    """Return the numbers of a header's line."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if not values or count not in (None, len(values)) or not all(map(math.isfinite, values)):
        need = "numbers" if count is None else f"{count} finite number{'s' * (count != 1)}"
        raise ImageError(
            f"{shown(path)}: its {what} is {shown(' '.join(words))[:60]!r}; {need} must stand there"
        )
    return values


def integers(path: Path, what: str, words: Sequence[str], count: int | None = None) -> list[int]:
    """Return the integers of a header's line."""
    try:
        values = [int(word) for word in words if len(word) < 20]
    except ValueError:
        values = []
    if len(values) != len(words) or not values or count not in (None, len(values)):
        need = "integers" if count is None else f"{count} integer{'s' * (count != 1)}"
        raise ImageError(
            f"{shown(path)}: its {what} is {shown(' '.join(words))[:60]!r}; {need} must stand there"
        )
    return values


def sizes_of(
    path: Path, needed: Callable[[str], Sequence[str]], names: tuple[str, str], most_axes: int
) -> tuple[int, ...]:
    """Return the sizes along the axes; ``names`` are the fields with the number of axes, and with their sizes."""
    number, what = names
    (axes,) = integers(path, number, needed(number), 1)
    if not 2 <= axes <= most_axes:
        raise ImageError(f"{shown(path)}: its {number} is {axes}; one 3-D image per file is needed")
    sizes = integers(path, what, needed(what), axes)
    _check_sizes(path, what, sizes)
    return tuple(sizes)


def _check_sizes(path: Path, what: str, sizes: Sequence[int]) -> None:
    """Refuse sizes below 1, and more values than any file can hold."""
    if min(sizes) < 1:
        raise ImageError(f"{shown(path)}: it has no voxels ({what} {' '.join(map(str, sizes))})")
    if math.prod(sizes) >= 2**60:
        raise ImageError(
            f"{shown(path)}: it needs more memory than there is ({what} {' '.join(map(str, sizes))})"
        )
