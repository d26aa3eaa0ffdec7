"""``fastfuse predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import lacking
from ..images.paths import recorded
from ..inputs.names import counted
from ..report import terminal as report
from .common import answer, manner
from .switches import Overwrite
from .words.declared import Argument, Option

if TYPE_CHECKING:
    from ..train.predict import Predicted

EXAMPLES = (
    "fastfuse predict run new/Patient_16 -o predicted",
    "fastfuse predict run new/* -o predicted --method soft-staple",
)


def predict(
    run: Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)],
    cases: Annotated[
        list[Path],
        Argument(help="A folder for each case, with its five images.", show_default=False),
    ],
    out: Annotated[
        Path, Option("--out", "-o", metavar="FOLDER", help="Folder of the predictions.", show_default=False)
    ],
    method: Annotated[
        list[str] | None,
        Option(help="soft-staple, ...; once for each. Else all of the run.", show_default=False),
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    overwrite: Overwrite = False,
    force: Annotated[
        bool, Option("--force", help="Predict though the source of the run's own --model has changed.")
    ] = False,
) -> None:
    """Predict new cases by a run's networks: the mean of all folds and seeds, on each case's own grid."""
    try:
        from ..train.narrator import Narrator
        from ..train.predict import predict_cases
    except ImportError as error:
        raise lacking("the prediction", error, "train") from None

    with Narrator(silent=manner.quiet) as narrator:
        found = predict_cases(
            run,
            cases,
            out,
            methods=method or (),
            device=device,
            overwrite=overwrite,
            force=force,
            narrator=narrator,
        )
    for line in _warnings(found):
        report.print_line("warning", line)
    answer(lambda: _facts(found), lambda: _print(found))


def _warnings(found: list[Predicted]) -> list[str]:
    """Return what to know of the predictions, each once."""
    seen = [
        f"{one.case} was in the run (as {one.known_as}): {one.seen_by} of {counted(one.networks, 'network')} of {one.method} {'has' if one.seen_by == 1 else 'have'} "
        "learnt from it, so this prediction says nothing of unseen cases"
        for one in found
        if one.seen_by
    ]
    left_out: dict[str, dict[str, None]] = {}  # the methods that share a line
    for one in found:
        for line in one.left_out:
            left_out.setdefault(line, {})[one.method] = None
    remarks = dict.fromkeys(line for one in found for line in one.remarks)
    return [
        *remarks,
        *seen,
        *(f"{', '.join(methods)}: {line}; left out" for line, methods in left_out.items()),
    ]


def _print(found: list[Predicted]) -> None:
    console = report.console()
    for one in found:
        console.print(
            f"wrote {report.printable(one.path)}: mean of {counted(one.networks, 'network')} of {one.method}",
            highlight=False,
        )


def _facts(found: list[Predicted]) -> dict[str, Any]:
    return {
        "predictions": [
            {
                "case": one.case,
                "method": one.method,
                "file": recorded(one.path),
                "networks": one.networks,
                "case_in_the_run": one.known_as,
                "networks_that_have_learnt_from_it": one.seen_by,
                "left_out": one.left_out,
                "remarks": one.remarks,
            }
            for one in found
        ]
    }
