"""Onto which grid each case's files come, and what a case's failure advises of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import CohortError, said
from ..images.placing import Placing
from ..inputs.names import enumerated, quoted
from .cases import CohortCase

OF_RATER = "rater:"
AUTO = "auto"  # the grid of a case that has no choice of its own
OF_ESTIMATE = "the estimate's "  # before an option that nobody typed
CONTOURS = "it holds contours"  # in a reason why no rater's grid can be chosen
# In advice for the files of one case: a grid's file, for which a cohort has words; in the shell also as it is typed.
ANY_FILE = re.compile(r"\bgrid=FILE(?: \(-{2}grid FILE\))?")
ONE_FILE = re.compile(r"\bgrid='([^']*)'(?: \(-{2}grid \1\))?")


def checked_grid(grid: object) -> str | None:
    """Return which of a case's files is its grid, or None for "auto"; refuse what is none of the words.

    Raises
    ------
    ValueError
        Naming them.
    """
    if grid is None or grid == AUTO:
        return None
    if grid in ("image", "mask"):
        return str(grid)
    if isinstance(grid, str) and grid.startswith(OF_RATER) and grid != OF_RATER:
        return grid
    raise ValueError(
        f"grid is {quoted(grid)}: the grid of a cohort is each case's own; it must be 'auto', 'image', 'mask' or "
        "'rater:NAME'"
    )


def check_rater_of_grid(grid: str | None, cases: Sequence[CohortCase], *, of_estimate: bool = False) -> None:
    """Refuse the grid of a rater who read no case: the name is wrong, or the estimate is of other raters."""
    raters = sorted({name for case in cases for name in case.raters})
    if grid is None or not grid.startswith(OF_RATER) or grid.removeprefix(OF_RATER) in raters:
        return
    what = f"grid is {quoted(grid)}: the raters are {enumerated(raters)}"
    if of_estimate:
        raise ValueError(said(f"{OF_ESTIMATE}{what}; choose another, as grid='auto' (--grid auto)"))
    raise ValueError(what)


def grid_of(grid: str | None, case: CohortCase) -> Path | None:
    """Return the file whose grid a case's files come onto; None where they decide it together.

    Raises
    ------
    CohortError
        If the case has no such file.
    """
    if grid is None:
        return None
    rater = grid.removeprefix(OF_RATER)
    files = dict(zip(case.raters, case.paths, strict=True))
    found = {"image": case.image, "mask": case.mask}.get(grid) if rater == grid else files.get(rater)
    if found is None:
        what = f"{grid}; give it in a table (table=FILE, --table FILE), in the column {grid}"
        what = what if rater == grid else f"file of {quoted(rater)}"
        raise CohortError(f"grid is {quoted(grid)}, and the case has no {what}; or choose another grid")
    return found


def placing_of(grid: str | None, resample: str, use: str | None, case: CohortCase) -> Placing:
    """Return how a case's files come onto one grid."""
    keeping = (
        ""
        if case.image is None
        else " (a grid that holds all keeps them, as grid='image' (--grid image) where the image reaches that far)"
    )
    return Placing(grid_of(grid, case), resample, use, offered=False, keeping=keeping)


def for_a_cohort(reason: str, case: CohortCase) -> str:
    """Return advice for the files of one case in the words of a cohort, in which a grid is one of the case's files."""
    if CONTOURS in reason and case.image is None and case.mask is None:
        shown_to_all = "grid='image' (--grid image), and the image stands in the column image of a table (table=FILE, --table FILE)"
        return ANY_FILE.sub(said(shown_to_all), reason)
    words = [word for word, path in (("image", case.image), ("mask", case.mask)) if path is not None]
    words.append(f"{OF_RATER}NAME")
    typed, quoted_ones = " or ".join(words), " or ".join(f"'{word}'" for word in words)
    reason = ONE_FILE.sub(said("grid='image' (--grid image)"), reason)
    return ANY_FILE.sub(said(f"grid={quoted_ones} (--grid {typed})"), reason)
