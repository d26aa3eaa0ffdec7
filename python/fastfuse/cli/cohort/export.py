"""``fastfuse cohort export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ...errors import FastfuseError
from ...images.paths import shown
from ...report import terminal as report
from ..common import answer
from ..switches import Overwrite
from ..words.declared import Argument, Option

EXAMPLES = (
    "fastfuse cohort export fused --out site-a.npz",
    "fastfuse cohort export fused --out site-a.npz --pseudonyms shared.csv --yes",
)


def export(
    fused: Annotated[Path, Argument(help="Folder of a cohort that was fused.", show_default=False)],
    out: Annotated[Path, Option("--out", help="The table to give away (.npz).", show_default=False)],
    pseudonyms: Annotated[
        Path | None,
        Option(
            help="CSV of rater and pseudonym, for raters who read at several sites; else one is made in the cohort's folder.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Sum a cohort's tables for other sites: at least 5 cases, cells to the nearest 10, pseudonyms, no names."""
    from ...cohort.export import export_of
    from ...images.outputs import check_outputs

    check_outputs([out], [], (".npz",), overwrite=overwrite)
    made = export_of(fused, pseudonyms)
    if not yes:
        if not report.is_terminal(sys.stdin):
            raise FastfuseError(
                "nobody can be asked here: look at what is given away on a terminal, or say --yes"
            )
        for line in made.said():
            sys.stderr.write(f"{shown(line)}\n")
        import typer

        typer.confirm(f"write this to {out}?", abort=True, err=True)
    made.write(out, fused)
    said = [*made.said(), f"wrote {out}"]
    answer(
        lambda: {
            "cases": made.cases,
            "left_out": made.left_out,
            "rare": made.rare,
            "patterns": len(made.table.counts),
            "lost": made.lost,
        },
        lambda: report.print_below(report.output(), map(report.printable, said if yes else said[-1:])),
    )
