"""Table 1 on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...report.table import Column, Table
from ...report.table import Row as TableRow
from ...report.terminal import output, print_below, printable
from .table import PAPER, TITLES, Row


def print_table(rows: Sequence[Row], out: Path) -> None:
    """Print Table 1, our values above the paper's, and the folder of the results."""
    console = output()
    if not rows:
        print_below(console, [f"wrote what is ready below {printable(out)}"])
        return
    titles = ("experts\nDice", "\nPre", "\nRec", "STAPLE\nDice", "\nPre", "\nRec")
    columns = [Column("trained on", right=False), *map(Column, titles)]
    table = []
    for row in rows:
        paper = (value for part in PAPER[row.method] for value in part)
        table.append(TableRow([TITLES[row.method], *(f"{value:.1f}" for value in row.pooled.values())]))
        table.append(TableRow(["  paper, on MSSEG-2016", *(f"{value:.1f}" for value in paper)]))
    Table("Table 1, in percent: against the experts, and against STAPLE", columns, table).print(console)
    print_below(console, [f"wrote table1.md, metrics.csv, figures and all else below {printable(out)}"])
