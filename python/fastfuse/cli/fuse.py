"""``fastfuse fuse``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..report import terminal as report
from .common import dilation_of, number_or_word, printing, warnings_as_lines
from .switches import (
    BEYOND,
    RINGS,
    AccelerationName,
    Binarize,
    ExpectationName,
    Image,
    IntervalsName,
    LikelihoodName,
    MethodName,
    MissingName,
    MStepName,
    Normalized,
    Overwrite,
    RingConnected,
    RingIterations,
    RingLabel,
    RingRadius,
    RingScope,
    RingSize,
    RingThreshold,
    ScopeName,
    Threads,
    choice,
)

EPILOG = """Examples:

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --soften --image flair.nii.gz[/bold]"""


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
    method: Annotated[
        MethodName,
        choice("soft-staple, simplified-soft-staple, staple, dilated-staple, or majority.", metavar="METHOD"),
    ] = MethodName.soft_staple,
    m_step: Annotated[MStepName, choice("paper, as printed, or em, the true maximiser.")] = MStepName.paper,
    prior: Annotated[
        str,
        typer.Option(
            help="mean (vote), estimate, a number in (0, 1), an image of priors, or smooth:MM, the smoothed mean vote."
        ),
    ] = "mean",
    init: Annotated[
        str, typer.Option(help="vote, or a number in (0.5, 1) for every sensitivity and specificity.")
    ] = "vote",
    mask: Annotated[
        Path | None, typer.Option(help="Image of the region to fuse (0 and 1).", show_default=False)
    ] = None,
    save_label: Annotated[
        Path | None, typer.Option(help="Also write the consensus as a 0/1 mask.", show_default=False)
    ] = None,
    cut: Annotated[float, typer.Option(help="The mask is probability >= cut.")] = 0.5,
    save_counts: Annotated[
        Path | None, typer.Option(help="Also write how many raters mark each voxel.", show_default=False)
    ] = None,
    select_label: Annotated[
        int | None, typer.Option(help="Fuse this label of label maps.", show_default=False)
    ] = None,
    tol: Annotated[float, typer.Option(help="Stop when no sensitivity or specificity moves by more.")] = 1e-7,
    max_iter: Annotated[int, typer.Option(help="Iterations at most.")] = 1000,
    acceleration: Annotated[
        AccelerationName,
        choice("none, or squarem, which needs fewer iterations where EM is slow."),
    ] = AccelerationName.none,
    roi: Annotated[
        str,
        typer.Option(
            help="Where to fuse: all, disputed, or a margin in mm around what anybody marks.",
            rich_help_panel=BEYOND,
        ),
    ] = "all",
    missing: Annotated[
        MissingName, choice("What nan is: an error, or (nan) no vote.", rich_help_panel=BEYOND)
    ] = MissingName.error,
    present: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image of where a rater looked (0 and 1); once for each, in order, '-' for everywhere.",
            show_default=False,
            rich_help_panel=BEYOND,
        ),
    ] = None,
    mrf: Annotated[
        float,
        typer.Option(help="Strength that couples neighbours, 0.1 to 1; 0: none.", rich_help_panel=BEYOND),
    ] = 0.0,
    performance_prior: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Beta prior (a, b) of every sensitivity and specificity.",
            metavar="A B",
            show_default=False,
            rich_help_panel=BEYOND,
        ),
    ] = None,
    intervals: Annotated[
        IntervalsName,
        choice(
            "95 % intervals of the rates: none, information, bootstrap (over voxels), or lesions.",
            rich_help_panel=BEYOND,
        ),
    ] = IntervalsName.none,
    replicates: Annotated[int, typer.Option(help="Of the bootstrap.", rich_help_panel=BEYOND)] = 200,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", rich_help_panel=BEYOND)] = 0,
    expectation: Annotated[
        ExpectationName,
        choice(
            "soft-staple's: auto, enumerate (2^m terms), or characteristic (any number of raters).",
            rich_help_panel=BEYOND,
        ),
    ] = ExpectationName.auto,
    likelihood: Annotated[
        LikelihoodName,
        choice(
            "simplified-soft-staple's: mixture, eq. (10), or log_linear, votes that weigh log-odds.",
            rich_help_panel=BEYOND,
        ),
    ] = LikelihoodName.mixture,
    threads: Threads = 0,
    device: Annotated[
        str | None,
        typer.Option(help="Where to fuse: cpu, cuda, or cuda:1 and so on.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    soften: Annotated[
        bool,
        typer.Option("--soften", help="Grow the raters' masks on --image first.", rich_help_panel=RINGS),
    ] = False,
    image: Image = None,
    ring_size: RingSize = 1.2,
    ring_label: RingLabel = 0.3,
    ring_iterations: RingIterations = 6,
    ring_radius: RingRadius = None,
    ring_threshold: RingThreshold = "adaptive",
    ring_scope: RingScope = ScopeName.volume,
    ring_connected: RingConnected = False,
    normalize: Normalized = True,
    binarize: Binarize = False,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability."""
    dilation = dilation_of(locals())
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
                method=method.value,
                m_step=m_step.value,
                expectation=expectation.value,
                likelihood=likelihood.value,
                prior=number_or_word(prior),
                init=number_or_word(init),
                mask=mask,
                roi=number_or_word(roi),
                missing=missing.value,
                present=[None if str(path) == "-" else path for path in present] if present else None,
                mrf=mrf,
                performance_prior=performance_prior,
                intervals=intervals.value,
                replicates=replicates,
                seed=seed,
                tol=tol,
                max_iter=max_iter,
                acceleration=acceleration.value,
                threads=threads,
                device=device,
                select_label=select_label,
                image=image,
                soften=soften,
                dilation=dilation,
                save_label=save_label,
                cut=cut,
                save_counts=save_counts,
                overwrite=overwrite,
                progress=say,
            )
        with printing():
            report.print_fusion(sidecar_path(output), written)
