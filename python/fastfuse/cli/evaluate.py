"""``fastfuse evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ..report.evaluation import print_evaluation
from .common import answer, manner, progress, warnings_as_lines
from .switches import Overwrite

EXAMPLES = ("fastfuse evaluate consensus.nii.gz truth.nii.gz --mask brain.nii.gz -o metrics.json",)


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
) -> None:
    """Hold a mask, or a probability, against the truth: overlap, distances and lesions."""
    from ..evaluation.files import evaluate_files

    with warnings_as_lines(), TemporaryDirectory() as folder:
        facts = output or (Path(folder) / "facts.json" if manner.json else None)
        with progress(3 + (mask is not None)) as say:
            result = evaluate_files(
                prediction,
                truth,
                mask=mask,
                cut=cut,
                least_voxels=least_voxels,
                output=facts,
                overwrite=overwrite,
                progress=say,
            )
        answer(
            lambda: {} if facts is None else json.loads(facts.read_text(encoding="utf-8")),
            lambda: print_evaluation(
                result, prediction, truth, mask=mask, cut=cut, least_voxels=least_voxels, written=output
            ),
            wrote=output is not None,
        )
