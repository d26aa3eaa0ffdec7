"""The table of ``fastfuse check`` on the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...images.paths import shown
from ...report.numbers import plural
from ...report.table import Column, Row, Table, first_that_fits
from ...report.terminal import output, print_below, printable, width

if TYPE_CHECKING:
    from .check import CheckedCase
    from .problem import Problem

TITLES = ("grid", "mm", "raters", "lesions (ml)", "problems")


def print_check(checked: Sequence[CheckedCase], outside: Sequence[str]) -> None:
    """Print a table of the cases, then a line for each kind of problem, with its remedy, and of note.

    ``outside`` are files with a cohort's names that lie in no folder of a case.
    """
    console = output()
    problems = [problem for case in checked for problem in case.problems]
    first_that_fits([_table(checked, wide=wide) for wide in (True, False)], width()).print(console)
    print_below(console, map(printable, lines_of(problems)), "red")
    notes = [f"note: {line}" for line in lines_of([note for case in checked for note in case.notes])]
    if outside:
        lie = "lies" if len(outside) == 1 else "lie"
        said = f"note: {plural(len(outside), 'file')} {lie} in no folder of a case, such as {outside[0]}: not read"
        notes.append(said)
    more = ", each listed by --json" if len(list(lines_of(problems))) < len(problems) else ""
    print_below(console, map(printable, (*notes, f"{plural(len(problems), 'problem')}{more}")))


def _table(checked: Sequence[CheckedCase], *, wide: bool) -> Table:
    """Return the table of cases; narrow, without what can be told from a case's folder or its files."""
    columns = [Column("case", right=False), Column("centre", right=False), *map(Column, TITLES)]
    kept = [i for i, column in enumerate(columns) if wide or column.title not in ("centre", "grid", "mm")]
    rows = [_row(case) for case in checked]
    return Table(
        plural(len(checked), "case"),
        [columns[i] for i in kept],
        [Row([row[i] for i in kept]) for row in rows],
    )


def _row(checked: CheckedCase) -> tuple[str, ...]:
    grid, volumes = checked.grid, checked.volumes_ml
    return (
        shown(checked.case.name),
        shown(checked.case.center),
        "unknown" if grid is None else "×".join(map(str, grid.shape)),
        "unknown" if grid is None else _sides(grid.voxel_mm.tolist()),
        str(len(checked.case.masks)),
        f"{min(volumes):.1f} to {max(volumes):.1f}" if volumes else "none",
        str(len(checked.problems) or "none"),
    )


def _sides(voxel_mm: list[float]) -> str:
    """Return the sides of a voxel as text; one number if all are equal."""
    sides = [f"{side:.3g}" for side in voxel_mm]
    return "×".join(sides if len(set(sides)) > 1 else sides[:1])


def lines_of(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield a line for each problem; files that share one share the line."""
    kinds: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.what, problem.remedy].append(problem)
    for (what, remedy), found in kinds.items():
        yield f"{_where(found)}: {what}: {remedy}"


def _where(found: Sequence[Problem]) -> str:
    """Return the file or the case of a problem, and how many others have it."""
    first = " ".join(part for part in (found[0].case, found[0].file) if part)
    if len(found) == 1:
        return first
    cases = len({problem.case for problem in found})
    if not found[0].file:
        return f"{first} and {plural(cases - 1, 'other case')}"
    others = f"{first} and {plural(len(found) - 1, 'other file')}"
    return others if cases == 1 else f"{others}, in {cases} cases"
