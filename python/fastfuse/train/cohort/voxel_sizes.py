"""Voxels of several sizes in one cohort: named, with the size to bring all to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from ...errors import CohortError
from ...images.image import ras_axes
from ...inputs.grids import SAME, Grid
from .problem import Problem

MOST_CASES = 3  # named of one size

Sides = tuple[float, float, float]


def mixed_grids(grids: Mapping[str, Grid]) -> Problem | None:
    """Return the problem of cases, by their names, whose voxels have several sizes; None if they have one."""
    sizes = _by_size(grids)
    if len(sizes) < 2:
        return None
    named = "; ".join(f"{in_words(sides)} in {_named(names)}" for sides, names in sizes)
    spacing = good_spacing([sides for sides, names in sizes for _ in names])
    return Problem(
        "the cohort",
        "",
        f"its voxels are {named}, so that sizes in voxels and pooled scores would mean different volumes",
        f"bring all cases to one grid by --spacing {spacing:g} (grid.spacing_mm={spacing:g}), or by --grid FILE",
    )


def notes_on_sizes(grids: Mapping[str, Grid]) -> dict[str, Problem]:
    """Return a note for each case whose voxels are not of the most frequent size."""
    sizes = _by_size(grids)
    if len(sizes) < 2:
        return {}
    spacing = good_spacing([sides for sides, names in sizes for _ in names])
    remedy = f"fastfuse experiment needs one size: --spacing {spacing:g}"
    usual = in_words(sizes[0][0])
    return {
        name: Problem(name, "", f"voxels of {in_words(sides)}, most cases have {usual}", remedy)
        for sides, names in sizes[1:]
        for name in names
    }


def check_size(name: str, grid: Grid, learnt: Grid) -> None:
    """Refuse a case whose voxels are of another size than those that networks have learnt from.

    Raises
    ------
    CohortError
        With both sizes.
    """
    sizes = [in_words(sides) for sides, _ in _by_size({name: grid, "": learnt})]
    if len(sizes) > 1:
        raise CohortError(
            f"{name}: voxels of {sizes[0]}, and the run's networks have learnt from {sizes[1]}: resample the case to "
            "these first; a run with --spacing does it by itself"
        )


def good_spacing(sizes: Sequence[Sides]) -> float:
    """Return the edge of a cube as large as the median voxel, in two digits."""
    return float(f"{median((x * y * z) ** (1 / 3) for x, y, z in sizes):.2g}")


def in_words(sides: Sides) -> str:
    """Return a voxel's size as text."""
    return " x ".join(f"{side:.4g}" for side in sides) + " mm"


def _by_size(grids: Mapping[str, Grid]) -> list[tuple[Sides, list[str]]]:
    """Return the cases of each size, in the order right, anterior, superior; the most frequent first."""
    found: list[tuple[Sides, list[str]]] = []
    for name, grid in grids.items():
        x, y, z = (float(grid.voxel_mm[axis]) for axis in ras_axes(grid.affine)[0])
        for sides, names in found:
            if all(abs(a / b - 1) <= SAME for a, b in zip((x, y, z), sides, strict=True)):
                names.append(name)
                break
        else:
            found.append(((x, y, z), [name]))
    return sorted(found, key=lambda one: -len(one[1]))


def _named(names: Sequence[str]) -> str:
    others = len(names) - MOST_CASES
    return ", ".join(names[:MOST_CASES]) + (f" and {others} more" if others > 0 else "")
