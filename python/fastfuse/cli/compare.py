"""``fastfuse compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..fusion.declared import number_or_word
from ..report.comparison import print_comparison
from .common import answer, progress, warnings_as_lines
from .flags import flags_called, values_called, with_flags
from .switches import (
    ChannelAxis,
    Grid,
    Names,
    Overwrite,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    names_of,
    placing_of,
)
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse compare rater*.nii.gz --mask brain.nii.gz --image flair.nii.gz",
    "fastfuse compare rater*.nii.gz --mask brain.nii.gz --truth truth.nii.gz -o methods.csv",
)
CHOSEN = ("select_label", "binarize", "threshold", "scale")
OF_FILES = ("select_segment", "channel_axis", "threads", "overwrite", "grid", "resample", "use")


@with_flags(
    (*("raters", "truth", "image", "mask", "roi", "names", "output"), *CHOSEN, *OF_FILES),
    flags_called(CHOSEN),
)
def compare(
    raters: Annotated[
        list[Path], Argument(help="One mask per rater (.nii, .nii.gz, ...).", show_default=False)
    ],
    truth: Annotated[
        Path | None,
        Option(help="Image of what is true (0 and 1), to score each against.", show_default=False),
    ] = None,
    image: Annotated[
        Path | None,
        Option(help="Image on which foreground is bright, for the methods that use one.", show_default=False),
    ] = None,
    mask: Annotated[
        Path | None, Option(help="Image of the region to fuse (0 and 1).", show_default=False)
    ] = None,
    roi: Annotated[
        str,
        Option(metavar="all|MM", help="Where to fuse: all, or a margin around what anybody marks."),
    ] = "4",
    names: Names = None,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="Also write all as .json, or a row a method as .csv with a .json beside it.",
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
    """Make every consensus of the same masks, and compare them: volume, overlap, doubt, and scores against a truth."""
    from ..errors import warn
    from ..files.comparison import compared_files

    with warnings_as_lines():
        with progress(None) as say:
            found = compared_files(
                raters,
                image,
                truth=truth,
                mask=mask,
                roi=number_or_word(roi),
                names=names_of(names),
                output=output,
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **values_called(CHOSEN, options),
            )
        warn(found.remarks)
        answer(
            lambda: found.facts,
            lambda: print_comparison(found.facts, found.written),
            wrote=bool(found.written),
        )
