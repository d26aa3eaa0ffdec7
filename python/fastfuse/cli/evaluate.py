"""``fastfuse evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..report import terminal as report
from ..report.evaluation import print_evaluation
from .common import printing, warnings_as_lines
from .switches import Grid, Overwrite, Resampled, ResampleName, Use, placing_of

EPILOG = "Example: [bold]fastfuse evaluate consensus.nii.gz truth.nii.gz --mask brain.nii.gz -o metrics.json[/bold]"


def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Mask, or probability in [0, 1].", show_default=False)],
    truth: Annotated[Path, typer.Argument(help="Mask to hold it against.", show_default=False)],
    cut: Annotated[float, typer.Option(help="Marked is what is >= cut.")] = 0.5,
    mask: Annotated[
        Path | None, typer.Option(help="Image of the region to evaluate (0 and 1).", show_default=False)
    ] = None,
    least_voxels: Annotated[
        int,
        typer.Option(
            "--min-voxels", metavar="N", min=0, help="First drop the prediction's components below N voxels."
        ),
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write all as .json.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
) -> None:
    """Hold a mask, or a probability, against the truth: overlap, distances and lesions."""
    from ..evaluation.files import evaluate_files

    with warnings_as_lines():
        with report.progress(3 + (mask is not None)) as say:
            result = evaluate_files(
                prediction,
                truth,
                mask=mask,
                cut=cut,
                least_voxels=least_voxels,
                output=output,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
            )
        with printing():
            print_evaluation(
                result, prediction, truth, mask=mask, cut=cut, least_voxels=least_voxels, written=output
            )
