"""``fastfuse cohort``: many cases at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import FastfuseError
from ..images.paths import shown
from ..inputs.names import quoted
from ..report import terminal as report
from .common import Interrupted, answer, manner, progress, warnings_as_lines
from .flags import ON_OFFER, flag, flags_called, values_called, with_flags, words
from .switches import ChannelAxis, Overwrite, SelectSegment, Threads, choice

SUMMARY = "Fuse many cases, with rates of the raters that all cases share."
EXAMPLES = (
    "fastfuse cohort fuse msseg-2016 --out fused",
    "fastfuse cohort apply fused/estimate.json new-cases --out new-fused",
    "fastfuse cohort fuse --help",
)
EXIT_CODES = "0 done, 1 internal error, 2 bad input or usage, 3 some cases failed and the others are done, 130 interrupted, 143 terminated."
FAILED = 3  # exit code
OF_FUSION = (
    "m_step",
    "prior",
    "init",
    "tol",
    "max_iter",
    "acceleration",
    "select_label",
    "binarize",
    "threshold",
    "scale",
)
BEYOND = ("expectation", "likelihood", "roi", "missing", "performance_prior", "replicates", "seed", "classes")
OF_LABELS = ("labels", "candidates", "confusion", "knows")
CHOSEN = (*OF_FUSION, *BEYOND, *OF_LABELS)
OF_MERGE = ("m_step", "prior", "init", "performance_prior", "tol", "max_iter", "acceleration")
SHARING = "Many machines"


class PoolName(str, Enum):
    """What cases share."""

    raters = "raters"
    none = "none"


class PriorsName(str, Enum):
    """Whose prior a case has."""

    auto = "auto"
    own = "own"
    shared = "shared"


class MaskName(str, Enum):
    """Where cases are fused."""

    auto = "auto"
    none = "none"


class SplitName(str, Enum):
    """Parts of a cohort on offer."""

    training = "Training"
    testing = "Testing"
    all = "all"


Out = Annotated[
    Path, typer.Option("--out", help="Folder of all outputs; made if it is not there.", show_default=False)
]
Glob = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN", help="Paths below the cohort, as {case}/masks/{rater}.nii.gz.", show_default=False
    ),
]
CaseTable = Annotated[
    Path | None,
    typer.Option(
        "--table",
        help="TSV with the columns case, rater, path, and perhaps mask and image.",
        show_default=False,
    ),
]
Split = Annotated[SplitName, choice("Which part of MSSEG's layout.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that each take a case.", show_default="1", rich_help_panel=SHARING),
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Also write those consensuses anew that rest on earlier rates.")
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


FUSE_EXAMPLES = (
    "fastfuse cohort fuse msseg-2016 --out fused --workers 4",
    "fastfuse cohort fuse data --out fused --method staple --glob '{case}/masks/{rater}.nii.gz'",
    "fastfuse cohort fuse data --out fused --table cases.tsv --shard 1/8",
)


@with_flags(
    (
        *("cohort", "out", "method", "pool", "priors", "glob", "table", "split", "mask"),
        *OF_FUSION, "save_label", "cut", "workers", "refresh", ...,
        *BEYOND, *OF_LABELS, "label_names", "select_segment", "channel_axis", "threads", "soften", "shard", "merge", "apply",
    ),
    [method_flag(), *flags_called(CHOSEN)],
)  # fmt: skip
def fuse(
    cohort: Annotated[
        Path,
        typer.Argument(
            help="Folder of the cases: as MSSEG-2016 or BIDS, or with --glob or --table.", show_default=False
        ),
    ],
    out: Out,
    pool: Annotated[
        PoolName, choice("raters: all cases share their rates; none: each case by itself.")
    ] = PoolName.raters,
    priors: Annotated[
        PriorsName, choice("Whether each case has its own prior, or all one.")
    ] = PriorsName.auto,
    glob: Glob = None,
    table: CaseTable = None,
    split: Split = SplitName.training,
    mask: Annotated[
        MaskName, choice("auto: fuse a case inside its mask, such as the brain's, where it has one.")
    ] = MaskName.auto,
    save_label: Annotated[
        bool, typer.Option("--save-label", help="Also write each case's 0/1 mask.")
    ] = False,
    cut: Annotated[float, typer.Option(help="The mask is probability >= cut.")] = 0.5,
    workers: Workers = None,
    refresh: Refresh = False,
    label_names: Annotated[
        Path | None, typer.Option(help="Names of labels, as of fastfuse fuse.", show_default=False)
    ] = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    threads: Threads = 0,
    soften: Annotated[
        bool, typer.Option("--soften", help="Grow the raters' masks on the case's FLAIR, or image, first.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Count only every N-th case, from the I-th on.",
            show_default=False,
            rich_help_panel=SHARING,
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Estimate from what all shards have counted.", rich_help_panel=SHARING),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Write the consensus of the shard's cases.", rich_help_panel=SHARING),
    ] = False,
    **options: Any,
) -> None:
    """Fuse every case of a cohort; a case that fails costs that case alone, and what is done is not done again."""
    from ..cohort.fuse import fuse_cohort

    method = options.pop("method")
    call: Any = fuse_cohort

    def run(say: report.Say) -> Any:
        return call(
            cohort,
            out,
            method=None if method is None else method.value,
            pool=pool.value,
            priors=priors.value,
            glob=glob,
            table=table,
            split=split.value,
            mask=mask.value,
            save_label=save_label,
            cut=cut,
            workers=workers,
            refresh=refresh,
            label_names=label_names,
            select_segment=select_segment,
            channel_axis=None if channel_axis is None else channel_axis.value,
            threads=threads,
            soften=soften,
            shard=shard_of(shard),
            merge=merge,
            apply=apply,
            progress=say,
            **values_called(CHOSEN, options),
        )

    _run(run)


APPLY_EXAMPLES = ("fastfuse cohort apply fused/estimate.json new-cases --out new-fused",)


def apply(
    estimate: Annotated[
        Path, typer.Argument(help="estimate.json of a cohort that was fused, or merged.", show_default=False)
    ],
    cohort: Annotated[Path, typer.Argument(help="Folder of the new cases.", show_default=False)],
    out: Out,
    glob: Glob = None,
    table: CaseTable = None,
    split: Split = SplitName.training,
    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            help="pseudonyms.csv of this site, for an estimate from merged tables.", show_default=False
        ),
    ] = None,
    workers: Workers = None,
    refresh: Refresh = False,
) -> None:
    """Fuse new cases with rates that are known, each with the prior that its votes tell: one read, no EM."""
    from ..cohort.apply import AskedToApply, applied_cohort
    from ..cohort.crew import Crew
    from ..cohort.export import read_pseudonyms
    from ..errors import warn

    called = None if pseudonyms is None else read_pseudonyms(pseudonyms)
    asked = AskedToApply(estimate, cohort, out, glob, table, split.value, called)

    def run(say: report.Say) -> Any:
        made, remarks = applied_cohort(asked, Crew(None, workers or 1), say, refresh=refresh)
        warn(remarks)
        return made

    _run(run)


EXPORT_EXAMPLES = (
    "fastfuse cohort export fused --out site-a.npz",
    "fastfuse cohort export fused --out site-a.npz --pseudonyms shared.csv --yes",
)


def export(
    fused: Annotated[Path, typer.Argument(help="Folder of a cohort that was fused.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The table to give away (.npz).", show_default=False)],
    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            help="CSV of rater and pseudonym, for raters who read at several sites; else one is made in the cohort's folder.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Sum a cohort's tables for other sites: at least 5 cases, cells to the nearest 10, pseudonyms, no names."""
    from ..cohort.export import export_of
    from ..images.outputs import check_outputs

    check_outputs([out], [], (".npz",), overwrite=overwrite)
    made = export_of(fused, pseudonyms)
    if not yes:
        if not report.is_terminal(sys.stdin):
            raise FastfuseError(
                "nobody can be asked here: look at what is given away on a terminal, or say --yes"
            )
        for line in made.said():
            sys.stderr.write(f"{shown(line)}\n")
        typer.confirm(f"write this to {out}?", abort=True, err=True)
    made.write(out, fused)
    said = [*made.said(), f"wrote {out}"]
    answer(
        lambda: {
            "cases": made.cases,
            "left_out": made.left_out,
            "patterns": len(made.table.counts),
            "lost": made.lost,
        },
        lambda: report.print_below(report.output(), map(report.printable, said if yes else said[-1:])),
    )


MERGE_EXAMPLES = ("fastfuse cohort merge site-a.npz site-b.npz --out merged --method staple",)


@with_flags(("tables", "out", "method", *OF_MERGE), [method_flag(), *flags_called(OF_MERGE)])
def merge(
    tables: Annotated[
        list[Path], typer.Argument(help="Tables that sites have exported.", show_default=False)
    ],
    out: Out,
    **options: Any,
) -> None:
    """Add up what sites have exported, and estimate the raters' rates; cohort apply takes them."""
    from ..cohort.export import merged, options_of_merge, write_merged
    from ..cohort.printing import print_rates
    from ..errors import warn

    method = options.pop("method")
    with warnings_as_lines():
        settings = options_of_merge(
            method=None if method is None else method.value, **values_called(OF_MERGE, options)
        )
        table, saved, remarks = merged(tables, settings)
        files = write_merged(out, table, saved)
        warn(remarks)
        answer(lambda: {"files": [str(path) for path in files]}, lambda: print_rates(saved.estimate, files))


def _run(work: Callable[[report.Say], Any]) -> None:
    """Do the work, tell what came of it, and leave with 3 if a case failed."""
    from ..cohort.printing import print_cohort

    with warnings_as_lines():
        try:
            with progress(None, lines=True) as say:
                made = work(say)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; what is done is kept: the same command goes on from there"
            ) from None
        answer(lambda: made.facts, lambda: print_cohort(made.facts, made.out))
    for case, reason in made.failed.items():
        report.print_line("error", f"{case}: {reason}")
    if made.failed:
        if not manner.quiet:
            report.print_line(
                "error", f"{len(made.failed)} of {made.facts['cases']} cases failed; the others are done"
            )
        raise typer.Exit(FAILED)


def shard_of(typed: str | None) -> tuple[int, int] | None:
    """Return the part and the number of parts that were typed, as in 1/8."""
    if typed is None:
        return None
    part, slash, parts = typed.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise ValueError(f"shard is {quoted(typed)}: it must be I/N, the I-th of N parts, as in 1/8")
    return int(part), int(parts)


COMMANDS: dict[str, tuple[Callable[..., None], tuple[str, ...], str | None]] = {
    "fuse": (fuse, FUSE_EXAMPLES, EXIT_CODES),
    "apply": (apply, APPLY_EXAMPLES, EXIT_CODES),
    "export": (export, EXPORT_EXAMPLES, None),
    "merge": (merge, MERGE_EXAMPLES, None),
}
