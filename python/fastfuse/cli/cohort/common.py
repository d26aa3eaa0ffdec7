"""Flags that the commands on cohorts share, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from ...report import terminal as report
from ..common import Interrupted, answer, leave_if_failed, progress, warnings_as_lines
from ..flags import ON_OFFER, flag, with_typed_values, words
from ..switches import GRIDS, choice
from ..words.declared import Option

SHARING = "Many machines"


class SplitName(str, Enum):
    """Parts of a cohort on offer."""

    training = "Training"
    testing = "Testing"
    all = "all"


Out = Annotated[
    Path,
    Option(
        "--out", metavar="FOLDER", help="Folder of all outputs; made if it is not there.", show_default=False
    ),
]
Glob = Annotated[
    str | None,
    Option(
        metavar="PATTERN", help="Paths below the cohort, as {case}/masks/{rater}.nii.gz.", show_default=False
    ),
]
CaseTable = Annotated[
    Path | None,
    Option(
        "--table",
        help="TSV with the columns case, rater, path, and perhaps mask and image.",
        show_default=False,
    ),
]
Split = Annotated[SplitName, choice("Which part of MSSEG's layout.")]
Workers = Annotated[
    int | None,
    Option(min=1, help="Processes that each take a case.", show_default="1", rich_help_panel=SHARING),
]
Scheduler = Annotated[
    str | None,
    Option(
        metavar="tcp://HOST:PORT",
        help="Let the workers of a dask scheduler take the cases; they share this machine's disk.",
        show_default=False,
        rich_help_panel=SHARING,
    ),
]
GridOfCase = Annotated[
    str | None,
    Option(
        "--grid",
        metavar="auto|image|mask|rater:NAME",
        help="Whose grid all files of a case get: its image's, its mask's, or a rater's; auto: its image's where the fusion reads it, else the smallest on the first rater's lattice that holds all.",
        rich_help_panel=GRIDS,
    ),
]
Refresh = Annotated[
    bool, Option("--refresh", help="Also write those consensuses anew that rest on earlier rates.")
]


def method_flag() -> Any:
    """Return the flag of the method."""
    kind = words("MethodName", ON_OFFER)
    return flag(
        "method",
        kind | None,
        choice("How to fuse.", show_default=f"{ON_OFFER[0]}; with --labels staple"),
        None,
    )


def run(
    work: Callable[[report.Say], Any],
    bids: Path | None = None,
    cohort: Path = Path(),
    out: Path = Path(),
    **cases: Any,
) -> None:
    """Do the work, write derivatives of BIDS if asked for, tell what came of it, and leave with 3 if a case failed.

    ``cohort``, ``cases``: where the cases lie, as of ``find_cohort``; ``out``: folder of the outputs.
    """
    from ...cohort.cases import find_cohort
    from ...cohort.place import CASES, Place
    from ...cohort.told.printing import print_cohort
    from ...files.bids.write import check_cases, write_cases

    if bids is not None:
        place = Place(out)
        found = {case.name: case.paths for case in find_cohort(cohort, **cases)}
        check_cases(bids, found, {case: place.consensus(case) for case in place.named()[CASES]})

    with warnings_as_lines():
        try:
            with progress(None, lines=True) as say:
                made = work(lambda what: say(with_typed_values(what) if ": failed: " in what else what))
                if bids is not None:
                    place = Place(made.out)
                    write_cases(bids, {case: place.consensus(case) for case in place.named()[CASES]}, cohort)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; what is done is kept: the same command goes on from there"
            ) from None
        answer(lambda: made.facts, lambda: print_cohort(made.facts, made.out, bids))
    leave_if_failed(made.failed, made.facts["cases"])
