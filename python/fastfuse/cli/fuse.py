"""``fastfuse fuse``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import EllipsisType
from typing import Annotated, Any

import typer

from ..report import terminal as report
from . import rings
from .common import printing, warnings_as_lines
from .flags import BEYOND, flags_of_options, values_of, with_flags
from .switches import (
    ChannelAxis,
    Grid,
    Overwrite,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    choice,
    placing_of,
)

EPILOG = """Examples:

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --soften --image flair.nii.gz[/bold]"""


IN_THE_HELP: tuple[str | EllipsisType, ...] = (
    *("raters", "output", "method", "m_step", "prior", "init", "mask", "save_label", "cut", "ties"),
    *("save_counts", "select_label", "select_segment", "binarize", "threshold", "scale"),
    *("tol", "max_iter", "acceleration", "roi", "missing", "present"),
    ...,
    *(
        "expectation",
        "likelihood",
        "channel_axis",
        "threads",
        "device",
        "overwrite",
        "soften",
        "image",
        "grid",
        "resample",
        "use",
        *rings.NAMES,
    ),
)


class Ties(str, Enum):
    """What a voxel becomes whose probability is the cut."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


@with_flags(IN_THE_HELP, [*flags_of_options(), *rings.FLAGS])
def fuse(
    raters: Annotated[
        list[Path], typer.Argument(help="One image per rater (.nii, .nii.gz, ...).", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Consensus probability (.nii or .nii.gz); a .json beside it holds the rest.",
            show_default=False,
        ),
    ],
    mask: Annotated[
        Path | None, typer.Option(help="Image of the region to fuse (0 and 1).", show_default=False)
    ] = None,
    save_label: Annotated[
        Path | None, typer.Option(help="Also write the consensus as a 0/1 mask.", show_default=False)
    ] = None,
    cut: Annotated[float, typer.Option(help="The mask is probability >= cut.")] = 0.5,
    ties: Annotated[
        Ties, choice("What a probability that is the cut becomes: foreground, or background.")
    ] = Ties.FOREGROUND,
    save_counts: Annotated[
        Path | None, typer.Option(help="Also write how many raters mark each voxel.", show_default=False)
    ] = None,
    present: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image of where a rater looked (0 and 1); once for each, in order, '-' for everywhere.",
            show_default=False,
            rich_help_panel=BEYOND,
        ),
    ] = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
    soften: Annotated[
        bool,
        typer.Option(
            "--soften", help="Grow the raters' masks on --image first.", rich_help_panel=rings.RINGS
        ),
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(help="FLAIR, on which masks grow.", show_default=False, rich_help_panel=rings.RINGS),
    ] = None,
    **options: Any,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability."""
    from ..files.fuse import fuse_files
    from ..images.sidecar import sidecar_path

    steps = (
        len(raters) + 2 + soften + sum(path is not None for path in (mask, image, save_label, save_counts))
    )
    written = [path for path in (output, save_label, save_counts, sidecar_path(output)) if path is not None]
    with warnings_as_lines():
        with report.progress(steps) as say:
            fuse_files(
                raters,
                output,
                mask=mask,
                present=[None if str(path) == "-" else path for path in present] if present else None,
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                image=image,
                soften=soften,
                dilation=rings.dilation_of(options),
                save_label=save_label,
                cut=cut,
                ties=ties.value,
                save_counts=save_counts,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **values_of(options),
            )
        with printing():
            report.print_fusion(sidecar_path(output), written)
