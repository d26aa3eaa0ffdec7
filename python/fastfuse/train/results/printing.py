"""The tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...report.table import Column, Table
from ...report.table import Row as TableRow
from ...report.terminal import output, print_below, printable
from .differences import Difference
from .measures import SHOWN, TABLE_1
from .table import Row
from .texts import MARK, failures_of, pooled_text

TITLES = ("experts\nDice", "\nPre", "\nRec", "STAPLE\nDice", "\nPre", "\nRec")


def print_table(rows: Sequence[Row], out: Path) -> None:
    """Print Table 1, our values above the paper's, differences to STAPLE, what failed, and the folder of the results."""
    console = output()
    if not rows:
        print_below(console, [f"wrote what is ready below {printable(out)}"])
        return
    columns = [Column("trained on", right=False), *map(Column, (*TITLES, "n"))]
    table = []
    for row in rows:
        table.append(TableRow([row.title, *(pooled_text(row, key) for key in TABLE_1), row.n]))
        if row.paper:
            table.append(TableRow(["  paper", *(f"{value:.1f}" for value in row.paper.values()), ""]))
    title = "Table 1, in percent: against the experts, and against STAPLE; n: cases / networks / seeds"
    Table(title, columns, table).print(console)
    for line in failures_of(rows):
        print_below(console, [f"{MARK} {printable(line)}"])
    print_below(console, ["paper: one run on MSSEG-2016, other images than these", ""])
    _print_differences(rows)
    print_below(console, [f"wrote table1.md, metrics.csv, figures and all else below {printable(out)}"])


def _print_differences(rows: Sequence[Row]) -> None:
    """Print the differences in Table 1's measures, with their intervals."""
    found = {(row.title, one.experts, one.measure): one for row in rows for one in row.differences}
    if not found:
        return
    columns = [Column("minus STAPLE", right=False), *map(Column, TITLES)]
    lines = [
        TableRow([row.title, *(_cell(found[row.title, experts, measure]) for experts, measure in TABLE_1)])
        for row in rows
        if row.differences
    ]
    seeds = max(row.seeds for row in rows)
    over = f"{seeds} seeds and the cases" if seeds > 1 else "the cases (one seed: not over trainings)"
    title = f"Paired differences, mean over cases, 95 % interval over {over}; * p < .05, Wilcoxon and Holm"
    Table(title, columns, lines).print(output())


def _cell(one: Difference) -> str:
    """Return a difference and its interval on a second line."""
    shown = SHOWN[one.measure]
    star = "*" if one.p_holm < 0.05 else ""
    ends = [shown.text(end, "+") for end in (one.low, one.high)]
    return f"{shown.text(one.mean, '+')}{star}\n{' '.join(ends)}"
