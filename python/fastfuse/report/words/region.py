"""Which voxels numbers are of: the mask, the margin, or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...inputs.names import counted

EQUAL_ML = 1e-6  # volumes that differ by less are one
LEAST_VOTE = 0.1  # above it a vote counts for a margin: MARKED of inputs.arrays, which loads NumPy
IN_MEMORY = "in memory"  # of a fusion that is not of files, in the place of a path


def has_soft_votes(raters: Iterable[Mapping[str, Any]]) -> bool:
    """Tell votes that are not masks alone: their sum is not what is marked, or that is not known. Raters of label maps have none."""
    sizes = [(one["volume_ml"], one["marked_ml"]) for one in raters if "volume_ml" in one]
    return any(marked is None or abs(volume - marked) > EQUAL_ML for volume, marked in sizes)


def is_box_of_files(grid: Mapping[str, Any]) -> bool:
    """Tell whether a grid, as JSON has it, reaches only as far as cropped files do."""
    return grid.get("extent") == "files"


def whole_of(grid: Mapping[str, Any]) -> str:
    """Return what all voxels of a grid are."""
    if not is_box_of_files(grid):
        return "the whole volume"
    file = grid["file"]
    return (
        "the box that holds all files"
        if file is None
        else f"the box of {Path(file).name}, which holds all files"
    )


def whole_of_cases(cases: int, cropped: int) -> str:
    """Return what all voxels of several cases are; ``cropped``: how many hold the box of their files alone."""
    if cropped == cases:
        return "the boxes that hold the files of each case"
    more = f", of {counted(cropped, 'case')} the box that holds all files" if cropped else ""
    return f"the whole volumes{more}"


def whole_in_short(grid: Mapping[str, Any]) -> str:
    """Return the same in short, as the head of a column."""
    return "box of all files" if is_box_of_files(grid) else "whole volume"


def region_of(mask: str | None, roi: Any, grid: Mapping[str, Any], *, soft: bool = False) -> str:
    """Return which voxels were fused.

    ``roi``: "all", "disputed", or a margin in mm. ``soft``: votes are not masks alone, and so small ones count for the margin.
    """
    parts = [] if mask is None else [f"inside {'the mask' if mask == IN_MEMORY else Path(mask).name}"]
    if roi == "disputed":
        parts.append("in dispute")
    elif roi != "all":
        parts.append(
            f"within {roi:g} mm of {f'any vote above {LEAST_VOTE:g}' if soft else 'what anybody marks'}"
        )
        parts += [f"in {whole_of(grid)}"] if mask is None and is_box_of_files(grid) else []
    return ", ".join(parts) or whole_of(grid)
