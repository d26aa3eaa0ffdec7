"""Overlap, surface distances and lesion detection of a segmentation against the truth, from arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import said, warn
from ..inputs.arrays import as_array, first_wrong, transposed
from ..inputs.checks import Labels, Scale
from ..inputs.foreground import Foreground
from ..inputs.in_memory import check_in_memory
from ..inputs.kinds import Sides, VoxelsLike
from .components import as_volume, drop_small
from .detection import LEAST_MM3, Matched, matched
from .options import CUT, Match, Options
from .overlap import overlap
from .result import Evaluation
from .space import Space, space_in, space_of
from .surface import surface_distances

FAINT = 0.05  # of a network that sees anything, some value is higher
NAMES = {"prediction": "the prediction", "truth": "the truth", "mask": "the mask"}
ADVICE = (
    "of a label map take image == K or image > 0: select_label=K (--select-label K) or binarize=True (--binarize); of "
    "scaled probabilities, give scale (--scale)"
)
ADVICE_ON_TRUTH = (
    "of a label map take image == K or image > 0: truth_select_label=K (--truth-select-label K) or truth_binarize=True "
    "(--truth-binarize); of scaled probabilities, give truth_scale (--truth-scale) or truth_threshold (--truth-threshold)"
)


def evaluate(
    prediction: VoxelsLike,
    truth: VoxelsLike,
    *,
    spacing_mm: Sides | None = None,
    cut: float = 0.5,
    least_voxels: int = 0,
    mask: VoxelsLike | None = None,
    least_mm3: float = LEAST_MM3,
    connectivity: Literal[6, 18, 26] | None = None,
    match: Match = "msseg",
    tolerance_mm: float | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    truth_select_label: Labels = None,
    truth_binarize: bool = False,
    truth_threshold: float | None = None,
    truth_scale: Scale = None,
) -> Evaluation:
    """Measure overlap, surface distances and lesion-wise detection of a prediction.

    Parameters
    ----------
    prediction, truth : array_like or nibabel image, shape (x, y, z) or (x, y)
        Masks, or probabilities in [0, 1]: what is at least ``cut`` is marked. A slice, (x, y) or (x, y, 1), is measured
        in its plane, and its volumes are those of a slice 1 mm thick where no thickness is given.
    spacing_mm : sequence of 3 float, optional
        Voxel size along each axis, in mm; two numbers do for a slice. Without it that of the first image that lies
        somewhere (nibabel, MONAI, SimpleITK, TorchIO), whose affine may be sheared, or 1 mm if none does. Of an image whose
        voxels' size is not known to be in mm (xarray with coordinates), give it.
    cut : float, default 0.5
        In (0, 1].
    least_voxels : int, default 0
        Components of fewer voxels are first removed from the prediction; voxels that share a corner are joined.
    mask : array_like, of the prediction's shape, optional
        Region to evaluate, 0 and 1. Outside, prediction and truth count as empty, and no voxel is counted.
    least_mm3 : float, default 3
        Components of this volume or less are no lesions, as in MSSEG-2016. 0 counts all.
    connectivity : {6, 18, 26}, optional
        Voxels of a component share a face, an edge, or a corner, for lesions and ``least_voxels`` alike. Without it 6
        for lesions, as in MSSEG-2016, and 26 for ``least_voxels``.
    match : {"msseg", "any"}, default "msseg"
        A lesion counts as found by the rule of MSSEG-2016, or if it overlaps one of the other mask at all; see
        :func:`fastfuse.evaluation.detection.detection`.
    tolerance_mm : float, optional
        Also measure the surface Dice: the share of both surfaces within this distance of the other.
    select_label : int or sequence of int, optional
        Of label maps: these labels together are the foreground, of both images.
    binarize : bool, default False
        Whatever is above 0 is foreground, in both images.
    threshold : float, optional
        What is at least this is foreground in the prediction, in its own unit.
    scale : float or "auto", optional
        The prediction's value that stands for a probability of 1, such as 100 or 255; "auto" takes 1, 100 or 255.
    truth_select_label, truth_binarize, truth_threshold, truth_scale
        The same for the truth alone. Any of them replaces ``select_label`` and ``binarize`` there.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError, TypeError
        If shapes differ, values lie outside [0, 1], the mask is empty, or an option is out of range.
    GridError
        If nibabel images lie on different grids.
    FastfuseError
        If scipy is not installed.

    Warns
    -----
    FusionWarning
        For nibabel images whose grids differ by up to a tenth of a voxel, and on values that ``binarize`` or ``scale``
        may not be meant for.

    References
    ----------
    .. [1] Taha A. A., Hanbury A.: Metrics for evaluating 3D medical image segmentation: analysis, selection,
       and tool. BMC Medical Imaging 15, 29 (2015). doi:10.1186/s12880-015-0068-x
    .. [2] Commowick O. et al.: Objective evaluation of multiple sclerosis lesion segmentation using a data management
       and processing infrastructure. Scientific Reports 8, 13650 (2018). doi:10.1038/s41598-018-31911-7

    Examples
    --------
    >>> import numpy
    >>> import fastfuse
    >>> truth, prediction = numpy.zeros((2, 6, 6, 6))
    >>> truth[1:5, 1:5, 1:5] = prediction[1:5, 1:5, 1:4] = 1
    >>> scores = fastfuse.evaluate(prediction, truth)
    >>> round(scores.dice, 3), scores.precision, scores.recall
    (0.857, 1.0, 0.75)
    """
    options = Options.checked(
        cut=cut,
        least_voxels=least_voxels,
        least_mm3=least_mm3,
        connectivity=connectivity,
        match=match,
        tolerance_mm=tolerance_mm,
        select_label=select_label,
        binarize=binarize,
        threshold=threshold,
        scale=scale,
        truth_select_label=truth_select_label,
        truth_binarize=truth_binarize,
        truth_threshold=truth_threshold,
        truth_scale=truth_scale,
    )
    given = {"prediction": prediction, "truth": truth, "mask": mask}
    remarks = check_in_memory([(NAMES[what], value) for what, value in given.items()], spacing_mm)
    arrays = {
        what: as_array(value, NAMES[what])
        for what, value in given.items()
        if what != "mask" or value is not None
    }
    count, *rest = arrays["truth"].shape or (1,)
    if count > 1 and len(rest) == 3 and tuple(rest) == arrays["prediction"].shape:
        raise ValueError(
            f"the truth holds {count} masks of the prediction's shape: several raters are for evaluate_against_raters"
        )
    flat = as_volume(arrays["prediction"], NAMES["prediction"]).shape[2] == 1
    space = (
        space_in({NAMES["prediction"]: prediction, NAMES["truth"]: truth})
        if spacing_mm is None
        else space_of(spacing_mm, flat=flat)
    )
    result = measure(arrays, space, options, NAMES, remarks).evaluation
    warn(remarks)
    return result


@dataclass(frozen=True)
class Measured:
    """An evaluation, and the lesions behind it."""

    evaluation: Evaluation
    lesions: Matched


def measure(
    arrays: Mapping[str, NDArray[Any]],
    space: Space,
    options: Options,
    names: Mapping[str, str],
    remarks: list[str],
) -> Measured:
    """Compare arrays whose options have been checked; what is to be said of their values is added to ``remarks``."""
    mask, truth, inside = _masks(arrays, options, names, remarks)
    if options.least_voxels > 1:
        kept = drop_small(mask, options.least_voxels, options.of_dropped) > 0
        if mask.any() and not kept.any():
            remarks.append(
                f"{names['prediction']}: no component has {options.least_voxels} voxels, so nothing of it is left: "
                "least_voxels=0 (--min-voxels 0) keeps all"
            )
        mask = kept
    voxel_mm3 = space.voxel_mm3
    ignored = 0 if inside is None else int(np.count_nonzero(~inside))
    voxels = overlap(mask, truth)
    voxels = replace(voxels, neither=voxels.neither - ignored)
    distances = surface_distances(mask, truth, space, tolerance_mm=options.tolerance_mm)
    lesions = matched(
        mask,
        truth,
        voxel_mm3,
        least_mm3=options.least_mm3,
        connectivity=options.of_lesions,
        match=options.match,
    )
    counts = lesions.counts
    evaluation = Evaluation(
        dice=voxels.dice,
        precision=voxels.precision,
        recall=voxels.recall,
        specificity=voxels.specificity,
        prediction_ml=(voxels.both + voxels.only_mask) * voxel_mm3 / 1000,
        truth_ml=(voxels.both + voxels.only_truth) * voxel_mm3 / 1000,
        **asdict(distances),
        **asdict(counts),
        lesion_sensitivity=counts.sensitivity,
        lesion_ppv=counts.ppv,
        lesion_f1=counts.f1,
        true_positives=voxels.both,
        false_positives=voxels.only_mask,
        false_negatives=voxels.only_truth,
        true_negatives=voxels.neither,
    )
    return Measured(evaluation, lesions)


def _masks(
    arrays: Mapping[str, NDArray[Any]], options: Options, names: Mapping[str, str], remarks: list[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return both masks, and the voxels to evaluate as a mask (None for all), as volumes of one shape."""
    volumes = {what: as_volume(array, names[what]) for what, array in arrays.items()}
    for what, volume in volumes.items():
        if volume.shape != volumes["prediction"].shape:
            shapes = f"{arrays[what].shape}, {names['prediction']} has shape {arrays['prediction'].shape}"
            remedy = transposed(names[what], arrays[what].shape, arrays["prediction"].shape)
            raise ValueError(f"{names[what]} has shape {shapes}{remedy and ': '}{remedy}")
    inside = region_in(volumes["mask"], names["mask"]) if "mask" in volumes else None
    masks = {}
    for what, foreground in (("prediction", options.prediction), ("truth", options.truth)):
        votes = foreground.votes(volumes[what], names[what], inside=inside, remarks=remarks)
        advice = ADVICE if what == "prediction" else ADVICE_ON_TRUTH
        masks[what] = marked_in(votes, names[what], options.cut, inside, advice)
        makes_mask = foreground.binarize or foreground.threshold is not None
        if what == "prediction" and options.cut != CUT and makes_mask:
            masking = "binarize" if foreground.binarize else "the threshold"
            remarks.append(
                f"{names[what]}: the cut {options.cut:g} does nothing here, as {masking} makes a mask of it: leave one of both out"
            )
        if not masks[what].any():
            least = 0.0
            if what == "prediction" and options.cut == CUT:
                least = CUT / 2 if volumes["truth"].any() else math.inf
            called = "binarize" if what == "prediction" else "truth_binarize"
            remarks += on_nothing(
                volumes[what],
                votes,
                names[what],
                foreground,
                options.cut,
                inside,
                binarize=called,
                least=least,
            )
    return masks["prediction"], masks["truth"], inside


def on_nothing(
    values: NDArray[Any],
    votes: NDArray[Any],
    name: str,
    foreground: Foreground,
    cut: float,
    inside: NDArray[np.bool_] | None,
    *,
    binarize: str = "binarize",
    least: float = 0.0,
) -> list[str]:
    """Say why nothing of what an image holds is foreground.

    Nothing is said of an image of zeros, or whose highest value is below ``least``, as of a network that sees nothing.
    ``binarize``: what the caller's option is called.
    """
    if not values.any():
        return []
    said = _on_nothing(values, votes, name, foreground, cut, binarize)
    return said or _on_cut(votes, name, cut, inside, least)


def _on_nothing(
    values: NDArray[Any], votes: NDArray[Any], name: str, foreground: Foreground, cut: float, binarize: str
) -> list[str]:
    """Say why nothing of what an image holds is foreground, if that is no network's who sees nothing."""
    if foreground.selects:
        return [f"{name}: {foreground.said_of_nothing([values])}"]
    highest = float(votes.max())
    if not 0 < highest < FAINT:
        return []
    told = f"{name}: its highest value is {highest:.2g}, and so none reaches the cut {cut:g}: if it was stored at another scale, "
    remedy = f"{binarize}=True (--{binarize.replace('_', '-')}) takes all that is above 0"
    return [f"{told}write it again in [0, 1]; of a mask, {remedy}"]


def _on_cut(
    votes: NDArray[Any], name: str, cut: float, inside: NDArray[np.bool_] | None, least: float
) -> list[str]:
    """Say that the cut empties a mask, unless its highest value is below ``least``, as of a network that sees nothing."""
    counted = votes if inside is None else votes[inside]
    highest = float(counted.max(initial=0))
    if not highest or highest < least:
        return []
    return [
        f"{name}: its highest value is {highest:.3g}, and so none reaches the cut {cut:g}: choose a lower cut"
    ]


def region_in(mask: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """Return the voxels to evaluate as a mask."""
    inside = np.asarray(mask != 0)
    wrong = inside & (mask != 1)
    if wrong.any():
        raise ValueError(
            f"{first_wrong(mask, wrong, name)}: a mask is boolean or holds 0 and 1 only; write mask > 0"
        )
    if not inside.any():
        raise ValueError(f"{name} is empty: no voxel to evaluate")
    return inside


def marked_in(
    values: NDArray[Any], name: str, cut: float, inside: NDArray[np.bool_] | None, advice: str
) -> NDArray[np.bool_]:
    """Return the foreground: values of at least the cut, inside the region."""
    wrong = ~((values >= 0) & (values <= 1))  # nan too
    if inside is not None:
        wrong &= inside
    if wrong.any():
        broken = wrong & ~np.isfinite(values)
        if broken.any():
            raise ValueError(
                said(
                    f"{first_wrong(values, broken, name)}: values must be finite; replace it, as by numpy.nan_to_num, or leave "
                    "such voxels out by a mask (--mask)"
                )
            )
        raise ValueError(
            said(
                f"{first_wrong(values, wrong, name)}: a mask holds 0 and 1, a probability lies in [0, 1]; {advice}"
            )
        )
    marked = np.asarray(values >= cut)
    return marked if inside is None else marked & inside
