"""``fastfuse soften``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..report.growth import print_softened
from . import rings
from .common import answer, progress, warnings_as_lines
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
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse soften mask.nii.gz --image flair.nii.gz -o soft.nii.gz",
    "fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft",
)


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
    masks: Annotated[list[Path], Argument(help="Binary masks (.nii, .nii.gz, ...).", show_default=False)],
    image: Annotated[Path, Option(help="FLAIR, on which masks grow.", show_default=False)],
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="Soft mask of one mask (.nii or .nii.gz); or --out-dir.",
            show_default=False,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Folder for any number of soft masks, named as the masks; or -o.",
            show_default=False,
        ),
    ] = None,
    roi: Annotated[
        Path | None,
        Option(
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
    from ..files.soften import result_paths, soften_files
    from ..images.paths import short_names
    from ..images.sidecar import read_sidecar

    chosen = values_called(OF_MASKS, options)
    grown = rings.dilation_of(options)
    if chosen["binarize"]:
        grown["binarize"] = True
    with warnings_as_lines():
        with progress(2 * len(masks) + 1 + (roi is not None)) as say:
            soften_files(
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
        results = result_paths(masks, output, out_dir)[1]
        facts = [read_sidecar(path) for path in results]
        answer(lambda: facts, lambda: print_softened(facts, short_names(masks), output or out_dir))
