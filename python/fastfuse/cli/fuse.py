"""``fastfuse fuse``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import EllipsisType
from typing import Annotated, Any

import typer

from ..fusion.labels.declared import names_or_labels
from ..inputs.names import quoted
from ..report.fusion import print_fusion, print_structures
from ..report.labels import print_labels
from . import rings
from .common import answer, progress, warnings_as_lines
from .flags import BEYOND, LABELS, flags_of_options, values_of, with_flags
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

EXAMPLES = (
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz",
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --soften --image flair.nii.gz",
    "fastfuse fuse rater*.nii.gz -o labels.nii.gz --labels all --label-names labels.tsv",
)


IN_THE_HELP: tuple[str | EllipsisType, ...] = (
    *("raters", "output", "method", "m_step", "prior", "init", "mask", "save_label", "cut", "ties"),
    *("save_counts", "select_label", "select_segment", "binarize", "threshold", "scale", "names"),
    *("tol", "max_iter", "acceleration", "roi", "missing", "present"),
    ...,
    *(
        "expectation",
        "likelihood",
        "channel_axis",
        "threads",
        "device",
        "overwrite",
        "labels",
        "label_names",
        "candidates",
        "confusion",
        "knows",
        "weights",
        "undecided",
        "save_probability",
        "save_confidence",
        "overlap",
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
            help="Consensus probability, or with --labels label map (.nii or .nii.gz); a .json beside it holds the rest.",
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
    names: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="What to call the raters, in their order; their files without it.",
            show_default=False,
        ),
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
    label_names: Annotated[
        Path | None,
        typer.Option(
            help="Names and colours of labels: dataset.json, .tsv, FreeSurferColorLUT.txt, or .seg.nrrd.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
    save_probability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Also write the probability of a label, by name or number; of 1,4=FILE, the sum. Once for each file.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
    save_confidence: Annotated[
        Path | None,
        typer.Option(
            help="Also write the probability of the most probable label.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
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
        typer.Option(
            help="FLAIR, on which masks grow; of border-staple, which tells the border.",
            show_default=False,
            rich_help_panel=rings.RINGS,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability; or label maps into one."""
    from ..files.fuse import fuse_files
    from ..images.sidecar import read_sidecar, sidecar_path

    probabilities = _saved(save_probability)
    beside = [mask, image, save_label, save_counts, save_confidence, *probabilities.values()]
    many = None if options["overlap"] else len(raters) + 2 + soften + sum(path is not None for path in beside)
    of_labels = options["labels"] is not None and not options["overlap"]
    names_file = [sidecar_path(output).with_suffix(".tsv")] if of_labels else []
    outputs = [
        output,
        save_label,
        save_counts,
        *probabilities.values(),
        save_confidence,
        *names_file,
        sidecar_path(output),
    ]
    written = [path for path in outputs if path is not None]
    fuse_any: Any = fuse_files
    with warnings_as_lines():
        with progress(many) as say:
            fuse_any(
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
                names=_listed(names),
                label_names=label_names,
                save_probability=probabilities or None,
                save_confidence=save_confidence,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **values_of(options),
            )
        facts = read_sidecar(output)
        show = print_labels if of_labels else print_structures if options["overlap"] else print_fusion
        answer(lambda: facts, lambda: show(facts, written))


def _saved(typed: list[str] | None) -> dict[tuple[int | str, ...], Path]:
    """Return the file of each label, or labels with commas between them, as in liver=liver.nii.gz."""
    found: dict[tuple[int | str, ...], Path] = {}
    for text in typed or ():
        labels, sign, file = text.partition("=")
        if not (labels.strip() and sign and file):
            raise ValueError(
                f"save_probability is {quoted(text)}: it must be NAME=FILE, as in liver=liver.nii.gz"
            )
        group = names_or_labels(labels)
        if group in found:
            raise ValueError(f"save_probability names {labels} twice: give one file")
        found[group] = Path(file)
    return found


def _listed(names: str | None) -> list[str] | None:
    """Return the names that were typed, with commas between them."""
    listed = None if names is None else [name.strip() for name in names.split(",")]
    if listed is not None and "" in listed:
        raise ValueError(f"names is {quoted(names)}: a name is empty; give one for each rater")
    return listed
