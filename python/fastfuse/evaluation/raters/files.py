"""Scores of a prediction's file against several raters' files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import warn
from ...images.paths import PathLike, as_path, as_paths, needed_path, recorded, short_names, shown
from ...images.placing import Form, Resample
from ...images.repeats import identity_of, mask_among, own_outputs, repeated, same_content
from ...images.sidecar import check_reports, number_or_null, write_facts
from ...images.wanted import ChannelAxis
from ...inputs.checks import Labels, Scale
from ...inputs.names import check_count_of_names, listed_names
from ..detection import LEAST_MM3
from ..files import after_reading, check_same_labels, images_of
from ..options import Options
from ..space import Space
from .evaluate import Compared, RaterEvaluation, measure_raters

if TYPE_CHECKING:
    from ...images.image import Image
    from ...inputs.grids import Grid

Say = Callable[[str], None]
SCORES = ("dice", "confidence", "ece", "crps_ml", "prediction_ml", "prediction_mask_ml")


@dataclass(frozen=True)
class Against:
    """What was found of a prediction and raters, the content of its JSON, and what it was found of; ``below``: the image."""

    evaluation: RaterEvaluation
    facts: dict[str, Any]
    remarks: list[str]
    compared: Compared
    grid: Grid
    below: NDArray[Any] | None


def evaluate_against_rater_files(
    prediction: PathLike,
    raters: Sequence[PathLike],
    *,
    mask: PathLike | None = None,
    cut: float = 0.5,
    roi: float | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    truth_select_label: Labels = None,
    truth_binarize: bool = False,
    truth_threshold: float | None = None,
    truth_scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    names: Sequence[str] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> RaterEvaluation:
    """Measure a prediction's file against several raters' files.

    Parameters
    ----------
    prediction : path
        Probabilities in [0, 1], or a mask.
    raters : sequence of path
        At least two raters' masks.
    mask : path, optional
        Image of the region to evaluate, 0 and 1.
    cut, roi, names
        As in :func:`evaluate_against_raters`; without names raters are called by their files.
    output : path, optional
        Also write all as .json.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    select_label, binarize, threshold, scale, truth_select_label, truth_binarize, truth_threshold, truth_scale
        What counts as foreground, as in :func:`evaluate_files`; the truth is that of each rater.
    select_segment, channel_axis, grid, resample, use
        As in :func:`evaluate_files`.

    Returns
    -------
    RaterEvaluation

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file.
    ValueError, TypeError
        As :func:`evaluate_against_raters`.

    Warns
    -----
    FusionWarning
        As :func:`evaluate_files`.

    Examples
    --------
    >>> import fastfuse
    >>> masks = [f"rater{k}.nii.gz" for k in range(4)]
    >>> found = fastfuse.evaluate_against_rater_files("network.nii.gz", masks, mask="brain.nii.gz")
    """
    options = Options.checked(
        cut=cut, least_voxels=0, least_mm3=LEAST_MM3, connectivity=None, match="msseg", tolerance_mm=None,
        select_label=select_label, binarize=binarize, threshold=threshold, scale=scale,
        truth_select_label=truth_select_label, truth_binarize=truth_binarize, truth_threshold=truth_threshold,
        truth_scale=truth_scale, select_segment=select_segment, channel_axis=channel_axis, grid=grid,
        resample=resample, use=use,
    )  # fmt: skip
    found = against_files(
        needed_path(prediction, "prediction"), as_paths(raters), as_path(mask, "mask"), options, roi, names,
        as_path(output, "output"), overwrite=overwrite, say=progress,
    )  # fmt: skip
    warn(found.remarks)
    return found.evaluation


def against_files(
    prediction: Path,
    raters: list[Path],
    mask: Path | None,
    options: Options,
    roi: Any,
    names: Any,
    output: Path | None,
    *,
    figure: Path | None = None,
    image: Path | None = None,
    overwrite: bool,
    say: Say | None,
) -> Against:
    """Read the files, compare what they hold, write the JSON; refuse a ``figure`` that cannot be written.

    ``image``: what the slices of a report show below the marks.
    """
    say = say or (lambda _: None)
    files = {"prediction": prediction, **{f"truth {i}": path for i, path in enumerate(raters)}}
    files |= {what: path for what, path in (("mask", mask), ("image", image)) if path is not None}
    called = listed_names(names)
    check_count_of_names(called, len(raters))
    inputs = [*files.values(), *([] if options.placing.grid is None else [options.placing.grid])]
    check_reports(output, figure, inputs, overwrite=overwrite)
    remarks = [*repeated(raters), *mask_among(raters, mask)]
    remarks += _its_own(prediction, raters)
    images, common = images_of(files, options, say, remarks)
    arrays, region = _arrays(files, images, options, remarks)
    read = replace(options, prediction=after_reading(options.prediction, images["prediction"]))
    if len({images[what].is_channel for what in arrays if what != "prediction"}) == 1:
        read = replace(read, truth=after_reading(options.truth, images["truth 0"]))
    titles = _titles(files, called)
    say("comparing")
    space = Space.of_affine(images["prediction"].affine)
    named = {titles[what]: array for what, array in arrays.items()}
    compared = measure_raters(
        named,
        region,
        space,
        read,
        roi,
        remarks,
        mask_name=titles.get("mask", "the mask"),
        files=[identity_of(path) for path in raters],
    )
    remarks += _copies(prediction, raters, titles, arrays, compared.evaluation.volume_ml.tolist())
    found = replace(compared.evaluation, names=tuple(called or short_names(raters)))
    facts = {
        **_head(prediction, raters, mask, image),
        "options": _asked(options, roi, space),
        **facts_of(found, raters),
    }
    facts |= {"grid": common.facts(), "warnings": remarks}
    write_facts(output, facts, overwrite=overwrite)
    below = images["image"].data if "image" in images else None
    return Against(found, facts, remarks, compared, images["prediction"].grid, below)


def facts_of(found: RaterEvaluation, raters: Sequence[Path]) -> dict[str, Any]:
    """Return the scores for JSON."""
    columns = zip(raters, found.names, found.dice_by_rater, found.ece_by_rater, found.volume_ml, strict=True)
    curve = found.reliability
    return {
        **{name: number_or_null(getattr(found, name)) for name in SCORES},
        "agreed_voxels": found.n_agreed,
        "disputed_voxels": found.n_disputed,
        "raters": [
            {"file": recorded(path), "name": name, "dice": float(dice), "ece": number_or_null(ece), "volume_ml": float(ml)}
            for path, name, dice, ece, ml in columns
        ],
        "reliability": {
            "error": number_or_null(curve.error),
            "edges": curve.edges.tolist(),
            "voxels": curve.voxels.tolist(),
            "predicted": number_or_null(curve.predicted),
            "observed": number_or_null(curve.observed),
        },
        "voxels": found.n_voxels,
    }  # fmt: skip


def _head(prediction: Path, raters: Sequence[Path], mask: Path | None, image: Path | None) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "fastfuse": version("fastfuse"),
        "method": "evaluation against raters",
        "prediction": recorded(prediction),
        "truths": [recorded(path) for path in raters],
        "mask": None if mask is None else recorded(mask),
        **({} if image is None else {"image": recorded(image)}),
    }


def _asked(options: Options, roi: Any, space: Space) -> dict[str, Any]:
    """Return the options that have a place here."""
    kept = {name: options.recorded[name] for name in ("cut", "foreground")}
    return {**kept, "roi": roi, "spacing_mm": space.spacing_mm, "voxel_mm3": space.voxel_mm3}


def _titles(files: Mapping[str, Path], called: Sequence[str] | None) -> dict[str, str]:
    """Return what messages call the files, no two alike."""
    titles = {what: shown(path) for what, path in files.items()}
    if called is not None:
        titles |= {f"truth {i}": f"{name} ({titles[f'truth {i}']})" for i, name in enumerate(called)}
    seen = list(titles.values())
    return {what: title if seen.count(title) == 1 else f"{title} ({what})" for what, title in titles.items()}


def _its_own(prediction: Path, raters: Sequence[Path]) -> list[str]:
    """Say that the prediction is one of the raters."""
    same = any(path.exists() and prediction.exists() and prediction.samefile(path) for path in raters)
    return [f"{shown(prediction)} is one of the raters too: leave it out there"] if same else []


def _copies(
    prediction: Path,
    raters: Sequence[Path],
    titles: Mapping[str, str],
    arrays: Mapping[str, Any],
    volumes: Sequence[float],
) -> list[str]:
    """Say which raters hold what the prediction does."""
    remarks = []
    for i, (path, volume) in enumerate(zip(raters, volumes, strict=True)):
        role = f"truth {i}"
        if volume and same_content(prediction, arrays["prediction"], path, arrays[role]):
            remarks.append(
                f"{titles['prediction']} and {titles[role]} hold the same: one of both is a copy, so leave it out"
            )
    return remarks


def _arrays(
    files: Mapping[str, Path], images: Mapping[str, Image], options: Options, remarks: list[str]
) -> tuple[dict[str, Any], Any]:
    """Return the values of the prediction and the raters by role, and of the mask, if there is one."""
    from ...images.image import region_of, votes_of
    from ...images.structures import check_one_chosen, compare_names

    truths = [what for what in files if what.startswith("truth")]
    check_one_chosen(images["prediction"], options.prediction)
    for what in truths:
        check_one_chosen(images[what], options.truth)
        pair = {"prediction": images["prediction"], "truth": images[what]}
        check_same_labels(
            pair, options, {"prediction": shown(files["prediction"]), "truth": shown(files[what])}
        )
    same = options.prediction == options.truth
    remarks += compare_names(
        [images[what] for what in (["prediction"] if same else []) + truths], options.truth
    )
    remarks += own_outputs([images[what] for what in truths], selects=options.truth.selects)
    arrays = {what: votes_of(images[what], remarks) for what in ("prediction", *truths)}
    return arrays, region_of(images["mask"], remarks) if "mask" in files else None
