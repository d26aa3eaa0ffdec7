"""``fastfuse soften``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..report import terminal as report
from . import rings
from .common import printing, warnings_as_lines
from .flags import flags_called, values_called, with_flags
from .switches import (
    ChannelAxis,
    Grid,
    Overwrite,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    placing_of,
)

EPILOG = """Examples:

[bold]fastfuse soften mask.nii.gz --image flair.nii.gz -o soft.nii.gz[/bold]

[bold]fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft[/bold]"""


OF_MASKS = ("select_label", "binarize", "threshold", "scale")
OF_GRID = ("grid", "resample", "use")


@with_flags(
    (
        *("masks", "image", "output", "out_dir", "roi", *OF_MASKS),
        ...,
        *("select_segment", "channel_axis", "threads", "overwrite", *OF_GRID),
    ),
    [*flags_called(OF_MASKS), *rings.FLAGS],
)
def soften(
    masks: Annotated[
        list[Path], typer.Argument(help="Binary masks (.nii, .nii.gz, ...).", show_default=False)
    ],
    image: Annotated[Path, typer.Option(help="FLAIR, on which masks grow.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Soft mask of one mask (.nii or .nii.gz); or --out-dir.",
            show_default=False,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for any number of soft masks, named as the masks; or -o.", show_default=False
        ),
    ] = None,
    roi: Annotated[
        Path | None,
        typer.Option(
            help="Image of the region that scales the image, and in which masks may grow (0 and 1).",
            show_default=False,
        ),
    ] = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
    **options: Any,
) -> None:
    """Grow masks into the bright voxels around them, which get a soft label; a .json beside each tells how."""
    from ..files.soften import soften_files

    chosen = values_called(OF_MASKS, options)
    grown = rings.dilation_of(options)
    if chosen["binarize"]:
        grown["binarize"] = True
    with warnings_as_lines():
        with report.progress(2 * len(masks) + 1 + (roi is not None)) as say:
            softened = soften_files(
                masks,
                image,
                output=output,
                out_dir=out_dir,
                roi=roi,
                select_label=chosen["select_label"],
                mask_threshold=chosen["threshold"],
                scale=chosen["scale"],
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **grown,
            )
        with printing():
            report.print_softened(masks, softened, output or out_dir)
