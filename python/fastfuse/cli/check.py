"""``fastfuse check``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..report import terminal as report
from .common import printing
from .switches import choice

EPILOG = "Example: [bold]fastfuse check msseg-2016[/bold]"


class SplitName(str, Enum):
    """Parts of a cohort on offer."""

    training = "Training"
    testing = "Testing"
    all = "all"


def check(
    cohort: Annotated[
        Path, typer.Argument(help="Folder of MSSEG-2016, or one laid out alike.", show_default=False)
    ],
    split: Annotated[SplitName, choice("Training, Testing, or all.", metavar="SPLIT")] = SplitName.training,
    fix_flips: Annotated[
        bool, typer.Option("--fix-flips", help="Take masks that can be flipped back for sound ones.")
    ] = False,
) -> None:
    """Read every file of a cohort and list all that is wrong: the exit code is 0 if nothing is, 1 otherwise."""
    from ..report.cohort import print_check
    from ..train.cohort.check import examine_cohort

    with report.progress(None) as say:
        checked = examine_cohort(cohort, split=split.value, fix_flips=fix_flips, say=say)
    with printing():
        print_check(checked)
    if any(case.problems for case in checked):
        raise typer.Exit(1)
