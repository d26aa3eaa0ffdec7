"""What follows where a header, or the voxels, should end."""

from __future__ import annotations

import re
from pathlib import Path

from ...inputs.names import bytes_behind

LINE_ENDS = (b"\n", b"\r\n")  # one of them may follow the voxels, as editors and scripts write it
LEAST = max(map(len, LINE_ENDS))
MOST_TEXT = 1 << 16


def told_behind(surplus: int, slice_bytes: int) -> str:
    """Return a doubt about so many bytes behind the last voxel; nothing about none."""
    if not surplus:
        return ""
    size = ", at least a slice" if surplus >= slice_bytes else ""
    return f"{bytes_behind(surplus)}{size}: is its header right?"


def counted_behind(surplus: int, begin: bytes) -> int:
    """Return how many bytes follow the voxels, without a line end; ``begin`` are the first ones."""
    return 0 if surplus == len(begin[:LEAST]) and begin[:LEAST] in LINE_ENDS else surplus


def fields_behind(path: Path, start: int, line: re.Pattern[bytes]) -> list[tuple[str, str]]:
    """Return the fields that a header has behind its end: lines of printable text that match, each with its name and value."""
    with path.open("rb") as file:
        file.seek(start)
        text = file.read(MOST_TEXT)
    found: list[tuple[str, str]] = []
    at = 0
    while match := line.match(text, at):
        found.append((match[1].decode("ascii"), match[2].decode("ascii").strip()))
        at = match.end()
    return found
