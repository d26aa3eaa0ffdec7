"""Table 1 on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from .terminal import LOOK, output, printable

if TYPE_CHECKING:
    from ..train.results.table import Row


def print_table(rows: Sequence[Row], out: Path) -> None:
    """Print Table 1, ours above the paper's, and where all lies."""
    from ..train.results.table import PAPER, TITLES

    console = output()
    if not rows:
        console.print(f"wrote what is ready below {printable(out)}", highlight=False)
        return
    table = Table(title="Table 1, in percent: against the experts, and against STAPLE", **LOOK)
    table.add_column("trained on", no_wrap=True)
    for name in ("experts\nDice", "\nPre", "\nRec", "STAPLE\nDice", "\nPre", "\nRec"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(TITLES[row.method], *(f"{value:.1f}" for value in row.pooled.values()))
        paper = (value for part in PAPER[row.method] for value in part)
        table.add_row("  paper, on MSSEG-2016", *(f"{value:.1f}" for value in paper), style="dim")
    console.print(table)
    console.print(
        f"wrote table1.md, metrics.csv, figures and all else below {printable(out)}", highlight=False
    )
