"""``fastfuse evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from ..errors import FastfuseError
from ..fusion.declared import labels_typed, number_or_word
from ..images.outputs import together
from ..report.evaluation import print_evaluation
from .common import CODES_OF_CASES, answer, drawn, leave_if_failed, progress, warnings_as_lines
from .switches import (
    ChannelAxis,
    Grid,
    Overwrite,
    Report,
    ReportImage,
    Resampled,
    ResampleName,
    Use,
    choice,
    names_of,
    placing_of,
)
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse evaluate consensus.nii.gz truth.nii.gz --mask brain.nii.gz -o metrics.json",
    "fastfuse evaluate consensus.nii.gz truth.nii.gz --report scores.html --image flair.nii.gz",
    "fastfuse evaluate predictions/ truths/ -o scores.csv",
    "fastfuse evaluate network.nii.gz rater*.nii.gz --roi 4 --figure reliability.png",
    "fastfuse evaluate network.nii.gz labels.nii.gz --scale 255 --truth-select-label 1,2,4",
)

EXIT_CODES = CODES_OF_CASES
LESIONS = "Lesions"
FOREGROUND = "What counts as foreground"


class Connectivity(str, Enum):
    """Numbers of neighbours."""

    faces = "6"
    edges = "18"
    corners = "26"


class MatchName(str, Enum):
    """Rules by which a lesion counts as found."""

    msseg = "msseg"
    any = "any"


# How options are typed whose names in Python differ.
TYPED = {
    "least_voxels": "--min-voxels",
    "least_mm3": "--least-mm3",
    "tolerance_mm": "--tolerance-mm",
    "save_lesions": "--save-lesions",
    "connectivity": "--connectivity",
    "match": "--match",
    "cut": "--cut",
    "image": "--image",
    "select_segment": "--select-segment",
    "channel_axis": "--channel-axis",
    **{
        f"{prefix}{name}": f"--{prefix}{name}".replace("_", "-")
        for prefix in ("", "truth_")
        for name in ("select_label", "binarize", "threshold", "scale")
    },
}


def _lesions(*names: str, help: str, **more: Any) -> Any:
    return Option(*names, help=help, rich_help_panel=LESIONS, **more)


def _raters(help: str, **more: Any) -> Any:
    return Option(help=help, rich_help_panel="Several raters", show_default=False, **more)


def _foreground(help: str, *names: str) -> Any:
    return Option(*names, help=help, rich_help_panel=FOREGROUND, show_default=False)


def evaluate(
    prediction: Annotated[
        Path, Argument(help="Mask, or probability in [0, 1]; or a folder of them.", show_default=False)
    ],
    truth: Annotated[
        list[Path],
        Argument(
            help="Mask to hold it against; several raters' masks; or a folder with one of the same name for each.",
            show_default=False,
        ),
    ],
    cut: Annotated[float, Option(help="Marked is what is >= cut.")] = 0.5,
    mask: Annotated[
        Path | None,
        Option(
            help="Image of the region to evaluate (0 and 1); of folders, one for all or a folder.",
            show_default=False,
        ),
    ] = None,
    least_voxels: Annotated[
        int,
        Option(
            "--min-voxels", metavar="N", min=0, help="First drop the prediction's components below N voxels."
        ),
    ] = 0,
    tolerance_mm: Annotated[
        float | None,
        Option(help="Also the surface Dice: surfaces agree up to this distance.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="Also write all as .json; of folders as .json, or a row a case as .csv with a .json beside it.",
            show_default=False,
        ),
    ] = None,
    report: Report = None,
    image: ReportImage = None,
    overwrite: Overwrite = False,
    least_mm3: Annotated[
        float, _lesions("--least-mm3", help="Components of this volume or less are no lesions.")
    ] = 3.0,
    connectivity: Annotated[
        Connectivity | None,
        choice(
            "Voxels of a component share faces, edges or corners. Default: 6 for lesions, 26 for --min-voxels.",
            rich_help_panel=LESIONS,
            show_default=False,
        ),
    ] = None,
    match: Annotated[
        MatchName,
        choice(
            "A lesion is found by the rule of MSSEG-2016, or by any overlap.",
            rich_help_panel=LESIONS,
        ),
    ] = MatchName.msseg,
    save_lesions: Annotated[
        Path | None,
        _lesions(
            "--save-lesions",
            help="Also write a map of lesions (1 found, 2 missed, 3 false) as .nii or .nii.gz, and list them.",
            show_default=False,
        ),
    ] = None,
    select_label: Annotated[
        str | None, _foreground("Of label maps: this label, or the union of several as in 1,2,4; in both.")
    ] = None,
    binarize: Annotated[bool, _foreground("Whatever is above 0; in both.", "--binarize")] = False,
    threshold: Annotated[
        float | None, _foreground("What is at least this in the prediction, in its own unit.")
    ] = None,
    scale: Annotated[
        str | None, _foreground("The prediction's value for a probability of 1: 100, 255, ... or auto.")
    ] = None,
    truth_select_label: Annotated[str | None, _foreground("As --select-label, of the truth alone.")] = None,
    truth_binarize: Annotated[
        bool, _foreground("As --binarize, of the truth alone.", "--truth-binarize")
    ] = False,
    truth_threshold: Annotated[float | None, _foreground("As --threshold, of the truth.")] = None,
    truth_scale: Annotated[str | None, _foreground("As --scale, of the truth.")] = None,
    select_segment: Annotated[
        list[str] | None,
        _foreground("Of files that name their segments: this one, or the union of several; in both."),
    ] = None,
    channel_axis: ChannelAxis = None,
    roi: Annotated[
        float | None,
        _raters("Margin about what anybody marks, of calibration; else all voxels.", metavar="MM"),
    ] = None,
    names: Annotated[
        str | None, _raters("What to call the raters, in their order.", metavar="A,B,...")
    ] = None,
    figure: Annotated[Path | None, _raters("Also draw the reliability curve (.png).")] = None,
    grid: Grid = None,
    resample: Resampled = ResampleName.none,
    use: Use = None,
) -> None:
    """Hold a mask, or a probability, against the truth, or several raters; or a folder of them."""
    from ..evaluation.options import Options
    from ..files.report import check_image

    with warnings_as_lines(), _as_typed():
        check_image(image, report, [prediction, *truth])
        options = Options.checked(
            cut=cut,
            least_voxels=least_voxels,
            least_mm3=least_mm3,
            connectivity=None if connectivity is None else int(connectivity.value),
            match=match.value,
            tolerance_mm=tolerance_mm,
            select_label=_labels(select_label),
            binarize=binarize,
            threshold=threshold,
            scale=_scale(scale),
            truth_select_label=_labels(truth_select_label, "truth_"),
            truth_binarize=truth_binarize,
            truth_threshold=truth_threshold,
            truth_scale=_scale(truth_scale),
            select_segment=select_segment or None,
            channel_axis=None if channel_axis is None else channel_axis.value,
            **placing_of(grid, resample, use),
        )
        beside = {what: path for what, path in (("mask", mask), ("image", image)) if path is not None}
        of_raters = {"roi": roi, "names": names, "figure": figure}
        if len(truth) > 1:
            _check_for_raters(prediction, truth, options, save_lesions)
            given = prediction, truth, beside, options, of_raters, output, report
            _against_raters(*given, overwrite=overwrite)
            return
        _check_one_truth(of_raters)
        paths = {"prediction": prediction, "truth": truth[0], **beside}
        if not (prediction.is_dir() or truth[0].is_dir()):
            outputs = {"save_lesions": save_lesions, "output": output}
            _pair(paths, options, outputs, report, overwrite=overwrite)
            return
        failed, cases = _folders(paths, options, output, save_lesions, report, overwrite=overwrite)
    leave_if_failed(failed, cases)


def _pair(
    files: dict[str, Path],
    options: Any,
    outputs: dict[str, Path | None],
    report: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Compare two files, and print the tables."""
    from ..errors import warn
    from ..evaluation.facts import facts_of_pair
    from ..evaluation.files import evaluate_pair
    from ..files.report import check_report, pictures_of_lesions, write_page

    check_report(report, list(files.values()), overwrite=overwrite)
    with progress(1 + len(files)) as say, together():
        record = evaluate_pair(files, options, outputs, overwrite=overwrite, say=say)
        if report is not None:
            from ..report.html.evaluation import pair_page

            facts, pictures = facts_of_pair(record), pictures_of_lesions(record)
            page = partial(pair_page, facts, pictures)
            write_page(report, page, list(files.items()), outputs["output"], overwrite=overwrite)
    warn(record.remarks)
    written = [path for path in (*outputs.values(), report) if path is not None]
    lesions = outputs["save_lesions"] is not None
    answer(
        lambda: facts_of_pair(record),
        lambda: print_evaluation(record, written, lesions=lesions),
        wrote=bool(written),
    )


def _check_one_truth(of_raters: Mapping[str, Any]) -> None:
    """Refuse what is for several raters, beside one truth."""
    for name, value in of_raters.items():
        if value is not None:
            raise ValueError(
                f"--{name} is given, and there is one truth: name several raters, or leave it out"
            )


def _check_for_raters(
    prediction: Path, truths: Sequence[Path], options: Any, save_lesions: Path | None
) -> None:
    """Refuse folders, and what is for one truth, beside several raters."""
    from ..evaluation.options import Options as Usual

    folder = next((path for path in (prediction, *truths) if path.is_dir()), None)
    if folder is not None:
        raise ValueError(
            f"{folder} is a folder, and there are several truths: name files, one for each rater"
        )
    typed = {
        "--min-voxels": ("least_voxels", options.least_voxels),
        "--least-mm3": ("least_mm3", options.least_mm3),
        "--connectivity": ("connectivity", options.connectivity),
        "--match": ("match", options.match),
        "--tolerance-mm": ("tolerance_mm", options.tolerance_mm),
    }
    usual = Usual()
    given = [switch for switch, (name, value) in typed.items() if value != getattr(usual, name)]
    given += [] if save_lesions is None else ["--save-lesions"]
    if given:
        raise ValueError(f"{given[0]} is given, and there are several truths: it is for one, so leave it out")


def _against_raters(
    prediction: Path,
    truths: Sequence[Path],
    beside: Mapping[str, Path],
    options: Any,
    of_raters: Mapping[str, Any],
    output: Path | None,
    report: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Hold a file against several raters' files, and print the tables; ``beside``: mask and image, if there are any."""
    from ..errors import warn
    from ..evaluation.raters.files import against_files
    from ..files.report import check_report, pictures_of_raters, write_page
    from ..report.raters import print_raters

    read = [("prediction", prediction), *(("rater", path) for path in truths)]
    read += beside.items()
    check_report(report, [path for _, path in read], overwrite=overwrite)
    figure = of_raters["figure"]
    draw = None if figure is None else drawn("reliability")
    with progress(1 + len(read)) as say, together():
        found = against_files(
            prediction, list(truths), beside.get("mask"), options, of_raters["roi"], names_of(of_raters["names"]), output,
            figure=figure, image=beside.get("image"), overwrite=overwrite, say=say,
        )  # fmt: skip
        if draw is not None:
            draw(figure, found.evaluation.reliability, overwrite=overwrite)
        if report is not None:
            from ..report.html.evaluation import raters_page

            page = partial(raters_page, found.facts, pictures_of_raters(found))
            write_page(report, page, read, output, overwrite=overwrite)
    warn(found.remarks)
    written = [path for path in (output, figure, report) if path is not None]
    answer(lambda: found.facts, lambda: print_raters(found.facts, written), wrote=bool(written))


def _folders(
    folders: dict[str, Path],
    options: Any,
    output: Path | None,
    save_lesions: Path | None,
    report: Path | None,
    *,
    overwrite: bool,
) -> tuple[Mapping[str, str], int]:
    """Compare two folders, and print the tables; return the cases that failed, and the number of all."""
    from ..errors import warn
    from ..evaluation.facts import facts_of_folders
    from ..evaluation.folders import evaluate_both
    from ..files.report import check_report, write_page
    from ..report.folders import print_folders

    if save_lesions is not None:
        raise ValueError("--save-lesions is for one prediction and one truth: name two files")
    check_report(report, [], overwrite=overwrite)
    with progress(None) as say, together():
        result, remarks, written = evaluate_both(folders, options, output, overwrite=overwrite, say=say)
        if report is not None:
            from ..report.html.evaluation import folders_page

            page = partial(folders_page, facts_of_folders(folders, options, result, remarks))
            write_page(report, page, [], output, overwrite=overwrite)
            written = [*written, report]
    warn(remarks)
    answer(
        lambda: facts_of_folders(folders, options, result, remarks),
        lambda: print_folders(result, folders, options, written),
        wrote=bool(written),
    )
    return result.failed, len(result.cases) + len(result.failed)


def _labels(text: str | None, prefix: str = "") -> tuple[int, ...] | None:
    """Return labels that were typed as 1,2,4."""
    try:
        return None if text is None else labels_typed(text)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None


def _scale(text: str | None) -> Any:
    return None if text is None else number_or_word(text)


@contextmanager
def _as_typed() -> Iterator[None]:
    """Call the options that a message begins with as they are typed."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        name, space, rest = message.partition(" ")
        if isinstance(error, FastfuseError) or name not in TYPED:
            raise
        raise type(error)(f"{TYPED[name]}{space}{rest}") from None
