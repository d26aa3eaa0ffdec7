"""One thing that is wrong with a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...errors import GridError, ImageError
from ...images.paths import shown


class Problem(NamedTuple):
    """What is wrong with which file, and what to do; the file is empty where it is the case as a whole."""

    case: str
    file: str
    what: str
    remedy: str

    @classmethod
    def of(cls, case: str, path: Path, error: ImageError | GridError) -> Problem:
        """Take what reading a file, or comparing its grid, raised."""
        what, found, remedy = str(error).removeprefix(f"{shown(path)}: ").partition(": ")
        if found and isinstance(error, GridError):
            together = what.startswith(f"{path.name} and ")
            return cls(case, path.name, what if together else what.removeprefix(f"{path.name} "), remedy)
        reason = (what + found + remedy).removesuffix("; is it a complete image file?")
        return cls(case, path.name, reason, "copy it again from where it came")
