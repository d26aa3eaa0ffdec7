"""What the command prints of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from .terminal import LOOK, output, printable

if TYPE_CHECKING:
    from ..demo.cohort import CohortResult
    from ..train.cohort.check import CheckedCase
    from ..train.cohort.problem import Problem


def print_check(checked: Sequence[CheckedCase]) -> None:
    """Print a table of the cases, then every problem with its remedy, and the notes."""
    console = output()
    problems = [problem for case in checked for problem in case.problems]
    table = Table(title=f"{len(checked)} case{'s' * (len(checked) != 1)}", **LOOK)
    table.add_column("case", overflow="fold")
    table.add_column("centre", no_wrap=True)
    for name in ("grid", "mm", "raters", "lesions (ml)", "problems"):
        table.add_column(name, justify="right", no_wrap=name != "problems")
    for case in checked:
        table.add_row(*_row(case))
    console.print(table)
    for problem in problems:
        console.print(f"[red]{_line(problem)}[/]", highlight=False)
    for note in (note for case in checked for note in case.notes):
        console.print(f"note: {_line(note)}", highlight=False)
    console.print(f"{len(problems)} problem{'s' * (len(problems) != 1)}", highlight=False)


def _row(checked: CheckedCase) -> tuple[str, ...]:
    grid, volumes = checked.grid, checked.volumes_ml
    return (
        printable(checked.case.name),
        printable(checked.case.center),
        "unknown" if grid is None else "×".join(map(str, grid.shape)),
        "unknown" if grid is None else _sides(grid.voxel_mm.tolist()),
        str(len(checked.case.masks)),
        f"{min(volumes):.1f} to {max(volumes):.1f}" if volumes else "none",
        str(len(checked.problems) or "none"),
    )


def _sides(voxel_mm: list[float]) -> str:
    """Show the sides of a voxel, or one side if they are equal."""
    sides = [f"{side:.3g}" for side in voxel_mm]
    return "×".join(sides if len(set(sides)) > 1 else sides[:1])


def _line(problem: Problem) -> str:
    where = " ".join(part for part in (problem.case, problem.file) if part)
    return printable(f"{where}: {problem.what}: {problem.remedy}")


def print_made(result: CohortResult) -> None:
    """Print how good the raters of a synthetic cohort are, on the mean of its cases."""
    console = output()
    table = Table(title=f"{len(result.cases)} cases; the raters against the truth, on average", **LOOK)
    table.add_column("rater", no_wrap=True)
    for name in ("sensitivity", "precision", "Dice", "volume/true"):
        table.add_column(name, justify="right")
    for name, row in result.mean_of_raters().items():
        figures = (row["sensitivity"], row["precision"], row["dice"], row["volume_ratio"])
        table.add_row(name, *(f"{value:.3f}" for value in figures))
    console.print(table)
    console.print(result.note, highlight=False)
    console.print(f"wrote {printable(result.directory / 'Training')}, and truth beside it", highlight=False)
