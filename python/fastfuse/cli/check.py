"""``fastfuse check``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from .common import answer, progress
from .switches import choice
from .words.declared import Argument, Option

EXAMPLES = ("fastfuse check msseg-2016",)
EXIT_CODES = (
    "0 no problem, 1 internal error, 2 problems, bad input or usage, 130 interrupted, 143 terminated."
)
PROBLEMS = 2  # exit code


class SplitName(str, Enum):
    """Parts of a cohort on offer."""

    training = "Training"
    testing = "Testing"
    all = "all"


def check(
    cohort: Annotated[
        Path, Argument(help="Folder of MSSEG-2016, or one laid out alike.", show_default=False)
    ],
    split: Annotated[SplitName, choice("Which part of the cohort.")] = SplitName.training,
    fix_flips: Annotated[
        bool,
        Option(
            "--fix-flips", help="Accept masks whose header reverses axes; mirrored voxels stay a problem."
        ),
    ] = False,
) -> None:
    """Read every file of a cohort and list all that is wrong."""
    from ..cohort.layout import files_of_no_case
    from ..train.cohort.check import examine_cohort
    from ..train.cohort.facts import facts_of
    from ..train.cohort.printing import print_check

    with progress(None, lines=True) as say:
        checked = examine_cohort(cohort, split=split.value, fix_flips=fix_flips, say=say)
    outside = files_of_no_case(cohort)
    answer(lambda: facts_of(checked, outside), lambda: print_check(checked, outside), wrote=False)
    if any(case.problems for case in checked):
        raise SystemExit(PROBLEMS)
