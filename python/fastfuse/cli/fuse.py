"""``fastfuse fuse``."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import EllipsisType
from typing import Annotated, Any

from ..fusion.labels.declared import names_or_labels
from ..inputs.names import quoted
from ..report.fusion import print_fusion, print_structures
from . import rings
from .common import answer, progress, warnings_as_lines
from .flags import LABELS, flags_of_options, set_by, values_of, with_flags
from .switches import (
    Bids,
    ChannelAxis,
    Grid,
    Names,
    Overwrite,
    Present,
    Preset,
    Report,
    Resampled,
    ResampleName,
    SelectSegment,
    Threads,
    Use,
    choice,
    names_of,
    placing_of,
    present_of,
)
from .words.declared import Argument, Context, Option

EXAMPLES = (
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --preset recommended --image flair.nii.gz --mask brain.nii.gz",
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz",
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --soften --image flair.nii.gz --roi 4",
    "fastfuse fuse rater*.nii.gz -o labels.nii.gz --labels all --label-names names.tsv",
)


IN_THE_HELP: tuple[str | EllipsisType, ...] = (
    *(
        "raters",
        "output",
        "preset",
        "method",
        "m_step",
        "prior",
        "init",
        "mask",
        "save_label",
        "label_rule",
        "cut",
        "ties",
    ),
    *(
        "save_counts",
        "report",
        "bids",
        "bids_case",
        "select_label",
        "select_segment",
        "binarize",
        "threshold",
        "scale",
        "names",
    ),
    *("decisions", "tol", "max_iter", "acceleration", "roi", "missing", "present"),
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


class LabelRule(str, Enum):
    """How the mask is made of the probability."""

    CUT = "cut"
    DICE = "dice"


@with_flags(IN_THE_HELP, [*flags_of_options(), *rings.FLAGS])
def fuse(
    context: Context,
    raters: Annotated[
        list[Path], Argument(help="One image per rater (.nii, .nii.gz, ...).", show_default=False)
    ],
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            help="Consensus probability (.nii, .nii.gz, .dcm) or with --labels label map (.nii, .nii.gz); or as segments (.seg.nrrd). A review takes .nii and .nii.gz alone. "
            "A .json beside it holds the rest.",
            show_default=False,
        ),
    ],
    mask: Annotated[
        Path | None, Option(help="Image of the region to fuse (0 and 1).", show_default=False)
    ] = None,
    save_label: Annotated[
        Path | None,
        Option(
            help="Also write the consensus as a 0/1 mask (.nii, .nii.gz), or as segments (.seg.nrrd).",
            show_default=False,
        ),
    ] = None,
    label_rule: Annotated[
        LabelRule, choice("The mask at --cut, or at the cut that is found for the highest expected Dice.")
    ] = LabelRule.CUT,
    cut: Annotated[float | None, Option(help="The mask is probability >= cut.", show_default="0.5")] = None,
    ties: Annotated[
        Ties | None,
        choice(
            "What a probability that is the cut becomes: foreground, or background.",
            show_default="foreground",
        ),
    ] = None,
    save_counts: Annotated[
        Path | None, Option(help="Also write how many raters mark each voxel.", show_default=False)
    ] = None,
    report: Report = None,
    names: Names = None,
    present: Present = None,
    select_segment: SelectSegment = None,
    channel_axis: ChannelAxis = None,
    label_names: Annotated[
        Path | None,
        Option(
            help="Names and colours of labels: dataset.json, .tsv, FreeSurferColorLUT.txt, or .seg.nrrd.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
    save_probability: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=FILE",
            help="Also write the probability of a label, by name or number; of 1,4=FILE, the sum. Once for each file.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
    save_confidence: Annotated[
        Path | None,
        Option(
            help="Also write the probability of the most probable label.",
            show_default=False,
            rich_help_panel=LABELS,
        ),
    ] = None,
    bids: Bids = None,
    bids_case: Annotated[
        str | None,
        Option(
            metavar="sub-LABEL[_ses-LABEL]",
            help="Subject and session for --bids, where the raters' files do not tell them.",
            show_default=False,
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        Option(
            help="A reviewer's decisions (.csv of fastfuse review), which EM keeps; of label maps, too.",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
    soften: Annotated[
        bool,
        Option("--soften", help="Grow the raters' masks on --image first.", rich_help_panel=rings.RINGS),
    ] = False,
    image: Annotated[
        Path | None,
        Option(
            help="FLAIR, on which masks grow; of border-staple, which tells the border; what --report shows.",
            show_default=False,
            rich_help_panel=rings.RINGS,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability; or label maps into one."""
    from ..files.fuse import fuse_files
    from ..images.outputs import together
    from ..images.sidecar import read_sidecar, sidecar_path

    probabilities = _saved(save_probability)
    beside = [mask, image, save_label, save_counts, save_confidence, report, *probabilities.values()]
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
        report,
        sidecar_path(output),
    ]
    written = [path for path in outputs if path is not None]
    fuse_any: Any = fuse_files
    derive = _derived(
        bids, bids_case, raters, output, _method_known(options["method"], preset),
        overlap=options["overlap"], of_labels=of_labels, overwrite=overwrite,
    )  # fmt: skip
    with warnings_as_lines():
        with progress(many) as say, together():
            fuse_any(
                raters,
                output,
                mask=mask,
                present=present_of(present),
                select_segment=select_segment,
                channel_axis=None if channel_axis is None else channel_axis.value,
                threads=threads,
                image=image,
                soften=soften,
                dilation=rings.dilation_of(options),
                save_label=save_label,
                **_mask_of(label_rule, cut, ties, of_labels=of_labels),
                save_counts=save_counts,
                report=report,
                names=names_of(names),
                label_names=label_names,
                save_probability=probabilities or None,
                save_confidence=save_confidence,
                decisions=decisions,
                overwrite=overwrite,
                progress=say,
                **placing_of(grid, resample, use),
                **set_by(context, preset, values_of(options)),
            )
            written += derive()
        facts = read_sidecar(output)
        show = _printing(of_labels=of_labels, of_structures=options["overlap"])
        answer(lambda: facts, lambda: show(facts, written))


def _derived(
    folder: Path | None,
    case: str | None,
    raters: list[Path],
    output: Path,
    method: str | None,
    *,
    overwrite: bool,
    **kind: bool,
) -> Callable[[], list[Path]]:
    """Check for which case BIDS's derivatives are asked, and return what writes them, and what was written."""
    if folder is None and case is None:
        return list
    from ..files.bids.write import entities_for, write_derivatives

    entities = entities_for(folder, raters, case, output, method, overwrite=overwrite, **kind)
    if folder is None or entities is None:
        return list
    return lambda: write_derivatives(folder, output, entities, overwrite=overwrite)


def _method_known(method: Enum | None, preset: object) -> str | None:
    """Return the method that was typed, unless the votes decide."""
    return None if method is None or preset is not None or method.value == "auto" else str(method.value)


def _printing(*, of_labels: bool, of_structures: bool) -> Callable[[dict[str, Any], list[Path]], None]:
    """Return what prints the result."""
    if not of_labels:
        return print_structures if of_structures else print_fusion
    from ..report.labels import print_labels

    return print_labels


def _mask_of(rule: LabelRule, cut: float | None, ties: Ties | None, *, of_labels: bool) -> dict[str, Any]:
    """Return the cut and the ties of the mask, as Python's function takes them."""
    if rule is LabelRule.CUT:
        return {
            **({} if cut is None else {"cut": cut}),
            **({} if ties is None else {"ties": ties.value}),
        }
    if of_labels:
        raise ValueError(
            "label_rule is 'dice': not for label maps, whose consensus is the most probable label"
        )
    given = "--cut" if cut is not None else "--ties" if ties is not None else None
    if given is not None:
        raise ValueError(f"{given} is given, and --label-rule dice finds the cut: leave one of both out")
    return {"cut": "dice"}


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
