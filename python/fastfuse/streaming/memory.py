"""How much memory voxels may take. Loads no NumPy: the shell's help reads it."""

from __future__ import annotations

import re

from ..inputs.names import quoted

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
DEFAULT = 2**30  # bytes, where nobody says
FOR_VOXELS = 0.5  # share that voxels take; the rest is for libraries, tables and what compression needs
LARGEST_BLOCK = 2**24  # bytes of a rater: more gains nothing
LARGEST_TASK = 2**26  # the same for a worker, of whom each task costs milliseconds
WRITTEN = "an amount of memory, as in '2G', '500M' or a number of bytes"


def check_memory(value: object, name: str = "max_memory") -> int | None:
    """Return an amount of memory in bytes; None for no limit.

    Raises
    ------
    TypeError, ValueError
        Naming what is none.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"{name} is {quoted(value)}: it must be {WRITTEN}")
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([KMGT]?)(?:I?B)?", str(value).strip().upper())
    size = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if size < 1:
        raise ValueError(f"{name} is {quoted(value)}: it must be {WRITTEN}")
    return size


def shown_memory(size: float) -> str:
    """Return an amount of memory as one writes it."""
    for unit in ("T", "G", "M", "K"):
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:.3g}{unit}"
    return f"{size:.0f}"


def voxels_within(limit: int | None, bytes_a_voxel: float) -> int:
    """Return how many voxels may be held at once that take so many bytes each."""
    return max(int((DEFAULT if limit is None else limit) * FOR_VOXELS / bytes_a_voxel), 1)
