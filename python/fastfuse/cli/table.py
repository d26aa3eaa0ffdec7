"""``fastfuse table``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import lacking
from .common import answer, manner
from .switches import ReportOfCases
from .words.declared import Argument, Option

if TYPE_CHECKING:
    from ..train.results.table import Row

EXAMPLES = (
    "fastfuse table run",
    "fastfuse table run --cut 0.3",
    "fastfuse table run run_soft_target --out both",
    "fastfuse table run --peer nnU-Net=nnunet_predictions --out with_nnunet",
)


def table(
    runs: Annotated[
        list[Path],
        Argument(help="Folders of finished runs, of one seed or several each.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        Option(
            metavar="FOLDER", help="Folder of the tables and figures; else the run's.", show_default=False
        ),
    ] = None,
    cohort: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="The cohort's folder, if it has moved.", show_default=False),
    ] = None,
    cut: Annotated[
        float | None, Option(help="A mask is probability >= cut; else as the run.", show_default=False)
    ] = None,
    least_voxels: Annotated[
        int | None, Option(help="Drop components of fewer voxels; else as the run.", show_default=False)
    ] = None,
    peer: Annotated[
        list[str] | None,
        Option(
            metavar="TITLE=FOLDER",
            help="A row of predictions made elsewhere, such as nnU-Net's; once for each, or for each seed.",
            show_default=False,
        ),
    ] = None,
    least_mm3: Annotated[
        float | None,
        Option("--least-mm3", help="Drop components of less volume, in place of voxels.", show_default=False),
    ] = None,
    connectivity: Annotated[
        int | None,
        Option(
            metavar="6|18|26",
            help="Voxels of a component or lesion share a face, edge or corner; else as the run.",
            show_default=False,
        ),
    ] = None,
    report: ReportOfCases = None,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace files there that fastfuse did not write.")
    ] = False,
) -> None:
    """Make tables and figures of finished runs, with paired differences to STAPLE; nothing is trained again."""
    try:
        from ..train.finished import notes_on
        from ..train.narrator import Narrator
        from ..train.peers import peers_from
        from ..train.tables import make_tables
    except ImportError as error:
        raise lacking("the table", error, "train") from None
    from ..files.report import check_own_report

    check_own_report(report)
    given = {
        "cut": cut,
        "least_voxels": least_voxels,
        "least_mm3": least_mm3,
        "connectivity": connectivity,
    }
    if least_voxels is not None and least_mm3 is None:
        given["least_mm3"] = 0.0  # which would count in its place
    evaluation = {name: value for name, value in given.items() if value is not None}
    peers = peers_from(peer or ())
    with Narrator(silent=manner.quiet) as narrator:
        rows, folder = make_tables(
            runs,
            out,
            cohort=cohort,
            evaluation=evaluation,
            peers=peers,
            narrator=narrator,
            overwrite=overwrite,
        )
    tell(rows, folder, notes_on(runs), report)


def tell(rows: Sequence[Row], folder: Path, notes: Sequence[str], report: Path | None) -> None:
    """Write the page of results, if it is asked for and there are any, and print them."""
    from ..files.report import page_told, write_experiment
    from ..train.results.exports import facts_of
    from ..train.results.printing import print_table
    from ..train.results.texts import doubts_of

    facts = partial(facts_of, rows, folder, notes)
    waits = report is not None and not rows
    report = report if rows else None
    if report is not None:
        write_experiment(report, facts() | {"doubts": doubts_of(rows)}, folder)
    answer(lambda: facts() | page_told(report), lambda: print_table(rows, folder, notes, report, waits=waits))
