"""``fastfuse cohort fuse``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from ...inputs.names import quoted
from ...report import terminal
from .. import rings
from ..flags import flags_called, set_by, values_called, with_flags
from ..switches import (
    Bids,
    ChannelAxis,
    Preset,
    ReportOfCases,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    choice,
    placing_of,
)
from ..words.declared import Argument, Context, Option
from .common import (
    SHARING,
    CaseTable,
    Glob,
    GridOfCase,
    Out,
    Refresh,
    Scheduler,
    Split,
    SplitName,
    Workers,
    method_flag,
    run,
)

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
BEYOND = (
    *("expectation", "likelihood", "roi", "missing", "performance_prior", "replicates", "seed", "classes"),
    "evidence",
)
OF_LABELS = ("labels", "candidates", "confusion", "knows")
CHOSEN = (*OF_FUSION, *BEYOND, *OF_LABELS)


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


EXAMPLES = (
    "fastfuse cohort fuse msseg-2016 --out fused --preset recommended --workers 4",
    "fastfuse cohort fuse data --out fused --method staple --glob '{case}/masks/{rater}.nii.gz'",
    "fastfuse cohort fuse data --out fused --table cases.tsv --shard 1/8",
)


@with_flags(
    (
        *("cohort", "out", "preset", "method", "pool", "priors", "glob", "table", "split", "mask"),
        *OF_FUSION, "save_label", "cut", "report", "bids", "decisions", "workers", "scheduler", "refresh", "keep_index", ...,
        *BEYOND, *OF_LABELS, "label_names", "select_segment", "channel_axis", "threads", "soften", "grid", "resample", "use", *rings.NAMES, "shard", "merge", "apply",
    ),
    [method_flag(), *flags_called(CHOSEN), *rings.FLAGS],
)  # fmt: skip
def fuse(
    context: Context,
    cohort: Annotated[
        Path,
        Argument(
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
    save_label: Annotated[bool, Option("--save-label", help="Also write each case's 0/1 mask.")] = False,
    cut: Annotated[float, Option(help="The mask is probability >= cut.")] = 0.5,
    report: ReportOfCases = None,
    bids: Bids = None,
    decisions: Annotated[
        Path | None,
        Option(
            help="A reviewer's decisions (.csv of fastfuse review OUT): each case keeps its own.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    refresh: Refresh = False,
    keep_index: Annotated[
        bool,
        Option("--keep-index", help="Keep each voxel's pattern: a new rater costs one read of one file."),
    ] = False,
    preset: Preset = None,
    label_names: Annotated[
        Path | None, Option(help="Names of labels, as of fastfuse fuse.", show_default=False)
    ] = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    threads: Threads = 0,
    soften: Annotated[
        bool,
        Option(
            "--soften",
            help="Grow the raters' masks on the case's FLAIR, or image, first.",
            rich_help_panel=rings.RINGS,
        ),
    ] = False,
    grid: GridOfCase = "auto",
    resample: Resampled = ResampleName.none,
    use: Use = None,
    shard: Annotated[
        str | None,
        Option(
            metavar="I/N",
            help="Count only every N-th case, from the I-th on.",
            show_default=False,
            rich_help_panel=SHARING,
        ),
    ] = None,
    merge: Annotated[
        bool,
        Option("--merge", help="Estimate from what all shards have counted.", rich_help_panel=SHARING),
    ] = False,
    apply: Annotated[
        bool,
        Option("--apply", help="Write the consensus of the shard's cases.", rich_help_panel=SHARING),
    ] = False,
    **options: Any,
) -> None:
    """Fuse every case of a cohort; a case that fails costs that case alone, and what is done is not done again."""
    from ...cohort.fuse import fuse_cohort
    from ...cohort.workers.scheduler import executor_at

    method = options["method"]
    values = {"method": None if method is None else method.value, **values_called(CHOSEN, options)}
    call: Any = fuse_cohort

    def work(say: terminal.Say) -> Any:
        with executor_at(scheduler, cohort, workers) as executor:
            return call(
                cohort,
                out,
                pool=pool.value,
                priors=priors.value,
                glob=glob,
                table=table,
                split=split.value,
                mask=mask.value,
                save_label=save_label,
                cut=cut,
                report=report,
                decisions=decisions,
                executor=executor,
                workers=workers,
                refresh=refresh,
                keep_index=keep_index,
                label_names=label_names,
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                soften=soften,
                dilation=rings.dilation_of(options) or None,
                **placing_of(grid, resample, use),
                shard=shard_of(shard),
                merge=merge,
                apply=apply,
                progress=say,
                **set_by(context, preset, values),
            )

    run(work, bids, cohort, out, glob=glob, table=table, split=split.value)


def shard_of(typed: str | None) -> tuple[int, int] | None:
    """Return the part and the number of parts that were typed, as in 1/8."""
    if typed is None:
        return None
    part, slash, parts = typed.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise ValueError(f"shard is {quoted(typed)}: it must be I/N, the I-th of N parts, as in 1/8")
    return int(part), int(parts)
