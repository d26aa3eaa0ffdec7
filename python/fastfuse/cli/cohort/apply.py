"""``fastfuse cohort apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ...report import terminal as report
from ..switches import GRIDS, Bids, ResampleName, Use, choice, placing_of
from ..words.declared import Argument, Option
from .common import CaseTable, Glob, GridOfCase, Out, Scheduler, Split, SplitName, Workers, run

EXAMPLES = ("fastfuse cohort apply fused/estimate.json new-cases --out new-fused",)


def apply(
    estimate: Annotated[
        Path, Argument(help="estimate.json of a cohort that was fused, or merged.", show_default=False)
    ],
    cohort: Annotated[Path, Argument(help="Folder of the new cases.", show_default=False)],
    out: Out,
    glob: Glob = None,
    table: CaseTable = None,
    split: Split = SplitName.training,
    pseudonyms: Annotated[
        Path | None,
        Option(help="pseudonyms.csv of this site, for an estimate from merged tables.", show_default=False),
    ] = None,
    grid: GridOfCase = None,
    resample: Annotated[
        ResampleName | None,
        choice(
            "none, or nearest: take the nearest voxel of files that lie between the grid's. Left out, all three are as in the estimate.",
            show_default=False,
            rich_help_panel=GRIDS,
        ),
    ] = None,
    use: Use = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    bids: Bids = None,
) -> None:
    """Fuse new cases with rates that are known, each with the prior that its votes tell: one read, no EM."""
    from ...cohort.apply import AskedToApply, applied_cohort
    from ...cohort.export import read_pseudonyms
    from ...cohort.workers.crew import Crew, workers_of
    from ...cohort.workers.scheduler import executor_at
    from ...errors import warn

    called = None if pseudonyms is None else read_pseudonyms(pseudonyms)
    placed = {name: word for name, word in placing_of(grid, resample, use).items() if word is not None}
    asked = AskedToApply(estimate, cohort, out, glob, table, split.value, called, placed)

    def work(say: report.Say) -> Any:
        with executor_at(scheduler, cohort, workers) as executor:
            crew = Crew(executor, workers_of(executor, workers))
            made, remarks = applied_cohort(asked, crew, say)
        warn(remarks)
        return made

    run(work, bids, cohort, out, glob=glob, table=table, split=split.value)
