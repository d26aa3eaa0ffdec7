"""``fastfuse agreement``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..images.outputs import together
from ..report.agreement import print_agreement
from .common import answer, drawn, progress, warnings_as_lines
from .flags import flags_called, values_called, with_flags
from .switches import (
    ChannelAxis,
    Grid,
    Names,
    Overwrite,
    Present,
    Report,
    ReportImage,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    names_of,
    placing_of,
    present_of,
)
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse agreement rater*.nii.gz --mask brain.nii.gz --roi 4",
    "fastfuse agreement rater*.nii.gz -o agreement.json --figure heat.png",
    "fastfuse agreement rater*.nii.gz --report agreement.html --image flair.nii.gz",
)
CHOSEN = ("select_label", "binarize", "threshold", "scale", "missing")
OF_FILES = ("select_segment", "channel_axis", "threads", "overwrite", "grid", "resample", "use")


@with_flags(
    (
        *("raters", "mask", "roi", "names", "output", "figure", "report", "image"),
        *CHOSEN,
        "present",
        *OF_FILES,
    ),
    flags_called(CHOSEN),
)
def agreement(
    raters: Annotated[
        list[Path], Argument(help="One mask per rater (.nii, .nii.gz, ...).", show_default=False)
    ],
    mask: Annotated[
        Path | None, Option(help="Image of the region to compare (0 and 1).", show_default=False)
    ] = None,
    roi: Annotated[
        float | None,
        Option(
            metavar="MM",
            help="Margin about what anybody marks, of the region's coefficients; else what anybody marks.",
            show_default=False,
        ),
    ] = None,
    names: Names = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Also write all as .json.", show_default=False)
    ] = None,
    figure: Annotated[
        Path | None,
        Option(help="Also draw the Dice of each two as a heat map (.png).", show_default=False),
    ] = None,
    report: Report = None,
    image: ReportImage = None,
    present: Present = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
    **options: Any,
) -> None:
    """Tell how far raters agree: kappa, alpha and AC1, over all and over the region, and the Dice of each two."""
    from ..errors import warn
    from ..files.agreement import compare_files

    draw = None if figure is None else drawn("agreement")
    with warnings_as_lines():
        with progress(len(raters) + 1 + (mask is not None) + (image is not None)) as say, together():
            found = compare_files(
                raters,
                mask=mask,
                image=image,
                roi=roi,
                names=names_of(names),
                output=output,
                figure=figure,
                report=report,
                present=present_of(present),
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **values_called(CHOSEN, options),
            )
            if draw is not None:
                draw(figure, found.agreement, overwrite=overwrite)
        warn(found.remarks)
        written = [path for path in (output, figure, report) if path is not None]
        answer(lambda: found.facts, lambda: print_agreement(found.facts, written), wrote=bool(written))
