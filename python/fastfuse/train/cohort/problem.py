"""One problem of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import GridError, ImageError
from ...images.paths import shown

MOST_NAMED = 5  # kinds of problems, and places of one, in a caption


class Problem(NamedTuple):
    """A problem of a file and its remedy; ``file`` is empty for a problem of the whole case."""

    case: str
    file: str
    what: str
    remedy: str

    @classmethod
    def of(cls, case: str, path: Path, error: ImageError | GridError) -> Problem:
        """Make a problem of the error that reading a file, or comparing its grid, raised."""
        what, found, remedy = str(error).removeprefix(f"{shown(path)}: ").partition(": ")
        if found and isinstance(error, GridError):
            together = what.startswith(f"{path.name} and ")
            return cls(case, path.name, what if together else what.removeprefix(f"{path.name} "), remedy)
        reason = (what + found + remedy).removesuffix("; is it a complete image file?")
        return cls(case, path.name, reason, "copy it again from where it came")

    @property
    def place(self) -> str:
        """The case, and the file in it."""
        return " ".join(part for part in (self.case, self.file) if part)


def named(problems: Sequence[Problem]) -> str:
    """Return problems by name without their remedies, for the caption of a table; what several share stands once."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.what, []).append(problem.place)
    told = [f"{first_of(places)}: {what}" for what, places in kinds.items()]
    return "; ".join([*told[:MOST_NAMED], *(["others, which run.json lists"] * (len(told) > MOST_NAMED))])


def first_of(places: Sequence[str]) -> str:
    """Return the first few places, and how many more there are."""
    others = len(places) - MOST_NAMED
    return ", ".join(places[:MOST_NAMED]) + (f" and {others} more" if others > 0 else "")
