"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...report.table import Column, Table
from ...report.table import Row as TableRow
from ...report.terminal import fitting, output, print_below, printable, width
from .differences import Difference
from .measures import AGAINST, SHOWN, TABLE_1, Key
from .table import Row
from .texts import MARK, failures_of, least_of, pooled_text

WHOLE = (TABLE_1,)
HALVES = tuple([key for key in TABLE_1 if key[0] == experts] for experts in AGAINST)
"""Columns of tables below each other, where one of all is too wide."""


def print_table(
    rows: Sequence[Row],
    out: Path,
    notes: Sequence[str] = (),
    report: Path | None = None,
    *,
    waits: bool = False,
) -> None:
    """Print Table 1, our values above the paper's, differences to STAPLE, what failed, ``notes``, the results' folder and report.

    ``waits``: a report was asked for, and there are no results yet.
    """
    console = output()
    page = "" if report is None else f", and {printable(report)}"
    if not rows:
        later = "; the report waits for the table" if waits else ""
        print_below(console, [f"wrote what is ready below {printable(out)}{later}"])
        return
    _print_first_that_fits(
        lambda keys: _values(rows, keys, n=True), lambda keys: _values(rows, keys, n=False)
    )
    for line in failures_of(rows):
        print_below(console, [f"{MARK} {printable(line)}"])
    told = [note.rstrip(".") for note in notes]
    about = [line for line in rows[0].about if line not in told]
    print_below(console, [f"note: {printable(line)}" for line in (*about, *notes)])
    print_below(console, ["paper: one run on MSSEG-2016, other images than these", ""])
    if any(row.differences for row in rows):
        _print_first_that_fits(
            lambda keys: _differences(rows, keys, "{} to {}"),
            lambda keys: _differences(rows, keys, "from {}\nto {}"),
        )
        print_below(console, [f"note:{line}" for line in (least_of(rows),) if line])
    print_below(console, [f"wrote table1.md, metrics.csv, figures and all else below {printable(out)}{page}"])


def _print_first_that_fits(*made: Callable[[Sequence[Key]], Table]) -> None:
    """Print a table of all measures; if it is too wide, one against the experts and one against STAPLE."""
    columns = width()
    plans = [[made[0](keys) for keys in WHOLE], *([one(keys) for keys in HALVES] for one in made)]
    for plan in plans:
        if columns is None or all(table.width <= columns for table in plan):
            break
    for table in plan:
        table.print(output())


def _values(rows: Sequence[Row], keys: Sequence[Key], *, n: bool) -> Table:
    """Return some columns of Table 1, with or without the numbers of cases, networks and seeds."""
    columns = [*_columns("trained on", keys), *([Column("n")] if n else [])]
    table = []
    for row in rows:
        table.append(TableRow([row.title, *(pooled_text(row, key) for key in keys), *([row.n] if n else [])]))
        if row.paper:
            known = (f"{row.paper[key]:.1f}" for key in keys)
            table.append(TableRow(["  paper", *known, *([""] if n else [])]))
    told = "; n: cases / networks / seeds" if n else "; n stands in table1.md"
    return Table(fitting(f"Table 1, in percent: {_against(keys)}{told}"), columns, table)


def _differences(rows: Sequence[Row], keys: Sequence[Key], interval: str) -> Table:
    """Return the differences in some of Table 1's measures, with their intervals in these words."""
    found = {(row.title, one.experts, one.measure): one for row in rows for one in row.differences}
    lines = [
        TableRow([row.title, *(_cell(found[(row.title, *key)], interval) for key in keys)])
        for row in rows
        if row.differences
    ]
    seeds = max(row.seeds for row in rows)
    over = f"{seeds} seeds and the cases" if seeds > 1 else "the cases (one seed: not over trainings)"
    title = (
        f"Paired differences {_against(keys)}: mean over cases, 95 % interval over {over}; * p < .05, Wilcoxon and "
        "Holm"
    )
    return Table(fitting(title), _columns("minus STAPLE", keys), lines)


def _against(keys: Sequence[Key]) -> str:
    """Return what values are held against."""
    references = dict.fromkeys(AGAINST[experts] for experts, _ in keys)
    return " and ".join(f"against {'the ' * (name == 'experts')}{name}" for name in references)


def _columns(first: str, keys: Sequence[Key]) -> list[Column]:
    """Return the columns of a table; what its values are held against stands above the first of them."""
    seen: set[bool] = set()
    titles = []
    for experts, measure in keys:
        above = "" if experts in seen else AGAINST[experts]
        titles.append(f"{above}\n{SHOWN[measure].name}")
        seen.add(experts)
    return [Column(first, right=False), *map(Column, titles)]


def _cell(one: Difference, interval: str) -> str:
    """Return a difference and its interval, if there is one, on lines below."""
    shown = SHOWN[one.measure]
    star = "*" if one.p_holm < 0.05 else ""
    value, ends = shown.interval(one.mean, one.low, one.high, "+")
    if not ends:
        return f"{value}{star}"
    return f"{value}{star}\n{interval.format(ends[0], ends[-1])}"
