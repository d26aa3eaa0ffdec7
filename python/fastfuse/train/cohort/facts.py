"""What a check found, as plain data, for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...images.paths import recorded
from .check import CheckedCase
from .problem import Problem


def facts_of(checked: Sequence[CheckedCase], outside: Sequence[str]) -> dict[str, Any]:
    """Return every case with its figures, problems and notes, and the files of no case."""
    return {
        "cases": [_case(one) for one in checked],
        "files_of_no_case": [recorded(file) for file in outside],
        "problems": sum(len(one.problems) for one in checked),
    }


def _case(one: CheckedCase) -> dict[str, Any]:
    return {
        "case": one.case.name,
        "center": one.case.center,
        "shape": None if one.grid is None else list(one.grid.shape),
        "voxel_mm": None if one.grid is None else one.grid.voxel_mm.tolist(),
        "raters": len(one.case.masks),
        "volumes_ml": [float(f"{volume:.9g}") for volume in one.volumes_ml],
        "problems": [_problem(problem) for problem in one.problems],
        "notes": [_problem(note) for note in one.notes],
    }


def _problem(problem: Problem) -> dict[str, str]:
    return {"file": recorded(problem.file), "what": problem.what, "remedy": problem.remedy}
