"""Paths as arguments, in messages, in tables and in JSON."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

from ..errors import ImageError, OutputError
from ..inputs.names import quoted

OUTPUTS = ("output", "out_dir", "save_label", "save_counts", "save_lesions", "out", "directory")
GUESS = re.compile(r": 1 mm (is|and no turn are) taken")  # of a voxel's size
LONGEST_EVERYWHERE = 60  # characters, of four bytes each, that any file system takes
PathLike = str | os.PathLike[str]


@overload
def as_path(value: None, name: str) -> None: ...
@overload
def as_path(value: PathLike, name: str) -> Path: ...
def as_path(value: Any, name: str) -> Path | None:
    """Return a path, or None for None; raise a TypeError that names the type of anything else."""
    if value is None:
        return value
    if isinstance(value, str) and not value:
        raise _no_name("is empty", name)
    try:
        path = Path(value)
    except TypeError:
        raise TypeError(
            f"{name} is of type {type(value).__name__}, not a path: arrays are for the functions without _files"
        ) from None
    if "\0" in str(path):
        raise _no_name(f"holds a NUL character, {shown(path)}", name)
    if _is_too_long(path):
        why, kind = ("written", OutputError) if name in OUTPUTS else ("found", ImageError)
        raise kind(f"{shown(path)}: cannot be {why} ({os.strerror(errno.ENAMETOOLONG)}); choose another name")
    return path


def _is_too_long(path: Path) -> bool:
    """Tell whether no file can have this name."""
    if len(str(path)) <= LONGEST_EVERYWHERE:
        return False
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _no_name(why: str, name: str) -> OutputError | ImageError:
    """Return the error of what names no file."""
    if name in OUTPUTS:
        return OutputError(
            f"the name of an output {why} ({name}); choose {'one' if why == 'is empty' else 'another'}"
        )
    return ImageError(
        f"the name of a file {why} ({name}); choose {'one' if why == 'is empty' else 'another'}"
    )


def needed_path(value: Any, name: str) -> Path:
    """Return a path that must be given; raise a TypeError that names the argument for None, or anything else."""
    path: Path | None = as_path(value, name)
    if path is None:
        raise TypeError(f"{name} is None, not a path")
    return path


def as_paths(values: Any) -> list[Path]:
    """Return the paths of one or several files."""
    if isinstance(values, (str, os.PathLike)):
        values = [values]
    if not isinstance(values, Iterable):
        raise TypeError(f"paths is of type {type(values).__name__}: give a list of paths, one per rater")
    paths = [as_path(value, f"path {i}") for i, value in enumerate(values)]
    if None in paths:
        raise TypeError(f"path {paths.index(None)} is None: leave the rater out")
    return paths


def listed_paths(present: Any) -> list[Path | None]:
    """Return paths, None where one is None; nothing for None. One text is refused: its letters are no files."""
    if present is None:
        return []
    if isinstance(present, (str, bytes, os.PathLike)) or not isinstance(present, Iterable):
        raise TypeError(f"present is {quoted(present)}: give a list of paths, one for each rater")
    return [as_path(path, "present") for path in present]


def recorded(path: PathLike) -> str:
    """Return a path as text for a JSON file, with undecodable bytes escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def shown(path: Path | str) -> str:
    """Return a path for messages, with control characters and undecodable bytes escaped."""
    text = str(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def remark_on(path: Path, doubts: Iterable[str]) -> str | None:
    """Return what is doubtful about a file as one remark that names it; None if nothing is."""
    told = "; ".join(doubt for doubt in doubts if doubt)
    return f"{shown(path)}: {told}" if told else None


def without_guess(remark: str | None) -> str | None:
    """Return a remark on a file that is given a grid, without the size that was taken where its own header has none."""
    if remark is None:
        return None
    name, colon, told = remark.partition(": ")
    kept = "; ".join(doubt for doubt in told.split("; ") if not GUESS.search(doubt))
    return f"{name}{colon}{kept}" if kept else None


def short_names(paths: Sequence[Path | str]) -> list[str]:
    """Return different names of files, as :func:`shown`: each path's end as far as no other path has it.

    A file that is named several times is numbered.
    """
    parts = [Path(os.path.abspath(path)).parts for path in paths]  # noqa: PTH100 - links stay as they are named
    ends = Counter(one[-length:] for one in {*parts} for length in range(1, len(one) + 1))
    names, times, seen = [], Counter(parts), Counter[tuple[str, ...]]()
    for one in parts:
        length = next((n for n in range(1, len(one) + 1) if ends[one[-n:]] == 1), len(one))
        name = shown(os.path.join(*one[-length:])) if one else "."  # noqa: PTH118 - "/" may be the first
        seen[one] += 1
        names.append(name if times[one] == 1 else f"{name} ({seen[one]})")
    return names


def names_of(paths: Sequence[Path]) -> dict[Path, str]:
    """Return what messages call each of several files; one that is named several times has one name."""
    once = list({os.path.abspath(path): path for path in paths}.values())  # noqa: PTH100
    short = {os.path.abspath(path): name for path, name in zip(once, short_names(once), strict=True)}  # noqa: PTH100
    return {path: short[os.path.abspath(path)] for path in paths}  # noqa: PTH100
