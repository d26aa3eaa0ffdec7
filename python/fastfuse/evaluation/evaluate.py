"""Overlap, surface distances and lesion detection of a segmentation against the truth, from arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import warn
from ..inputs.arrays import as_companion, shown_number
from ..inputs.checks import check_count, check_cut, check_spacing
from ..inputs.grids import Grid, check_in_memory
from .components import as_volume, drop_small
from .detection import detection
from .overlap import overlap
from .surface import surface_distances

NAMES = {"prediction": "the prediction", "truth": "the truth", "mask": "the mask"}


@dataclass(frozen=True)
class Evaluation:
    """Measures of a prediction against the truth.

    Attributes
    ----------
    dice : float
        2 |A ∩ B| / (|A| + |B|); 1 for two empty masks.
    precision : float
        Share of the predicted voxels that are true; nan for an empty prediction.
    recall : float
        Share of the true voxels that are predicted, also called sensitivity; nan for an empty truth.
    specificity : float
        Share of the background voxels that are not predicted; nan if there are none.
    prediction_ml, truth_ml : float
        Volumes, in ml.
    hd95_mm, assd_mm : float
        Hausdorff distance at the 95th percentile and average symmetric surface distance, in mm, as in
        :func:`fastfuse.evaluation.surface.surface_distances`; 0 for two empty masks, infinite if one alone is empty.
    prediction_lesions, truth_lesions : int
        Number of components of more than 3 mm³ in each; voxels that share a face are joined.
    detected_lesions, confirmed_lesions : int
        Number of true lesions that the prediction detects, and of predicted lesions that the truth confirms, as in
        :func:`fastfuse.evaluation.detection.detection`.
    lesion_sensitivity, lesion_ppv : float
        Share of the true lesions that are detected, and of the predicted ones that are confirmed; nan if there are none.
    lesion_f1 : float
        Harmonic mean of the two; 1 if neither mask has lesions, 0 if only one has.
    true_positives, false_positives, false_negatives, true_negatives : int
        Number of voxels inside the mask.
    """

    dice: float
    precision: float
    recall: float
    specificity: float
    prediction_ml: float
    truth_ml: float
    hd95_mm: float
    assd_mm: float
    prediction_lesions: int
    truth_lesions: int
    detected_lesions: int
    confirmed_lesions: int
    lesion_sensitivity: float
    lesion_ppv: float
    lesion_f1: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


def evaluate(
    prediction: ArrayLike,
    truth: ArrayLike,
    *,
    spacing_mm: Sequence[float] | None = None,
    cut: float = 0.5,
    least_voxels: int = 0,
    mask: ArrayLike | None = None,
) -> Evaluation:
    """Measure overlap, surface distances and lesion-wise detection of a prediction.

    Parameters
    ----------
    prediction, truth : array_like or nibabel image, shape (x, y, z)
        Masks, or probabilities in [0, 1]: what is at least ``cut`` is marked.
    spacing_mm : sequence of 3 float, optional
        Voxel size along each axis, in mm. Without it that of a nibabel image, or 1 mm.
    cut : float, default 0.5
        In (0, 1].
    least_voxels : int, default 0
        Components of fewer voxels are first removed from the prediction; voxels that share a corner are joined.
    mask : array_like, shape (x, y, z), optional
        Region to evaluate, 0 and 1. Outside, prediction and truth count as empty, and no voxel is counted.

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
        For nibabel images whose grids differ by up to a tenth of a voxel.

    References
    ----------
    .. [1] Taha A. A., Hanbury A.: Metrics for evaluating 3D medical image segmentation: analysis, selection,
       and tool. BMC Medical Imaging 15, 29 (2015). doi:10.1186/s12880-015-0068-x
    .. [2] Commowick O. et al.: Objective evaluation of multiple sclerosis lesion segmentation using a data management
       and processing infrastructure. Scientific Reports 8, 13650 (2018). doi:10.1038/s41598-018-31911-7
    """
    given = {"prediction": prediction, "truth": truth, "mask": mask}
    remarks = check_in_memory((NAMES[what], value) for what, value in given.items())
    spacing = check_spacing(_spacing_of(prediction, truth) if spacing_mm is None else spacing_mm)
    result = measure(
        given, spacing, check_cut(cut), check_count(least_voxels, "least_voxels", least=0), NAMES
    )
    warn(remarks)
    return result


def measure(
    given: Mapping[str, Any],
    spacing: tuple[float, float, float],
    cut: float,
    least_voxels: int,
    names: Mapping[str, str],
) -> Evaluation:
    """Compare arrays whose options have been checked."""
    raw = as_volume(given["prediction"], names["prediction"])
    other = as_companion(given["truth"], names["truth"], raw.shape, f"{names['prediction']} has")
    inside = _region(given.get("mask"), names.get("mask", ""), raw.shape, names["prediction"])
    mask, truth = _marked(raw, names["prediction"], cut, inside), _marked(other, names["truth"], cut, inside)
    if least_voxels > 1:
        mask = drop_small(mask, least_voxels) > 0
    voxel_mm3 = math.prod(spacing)
    ignored = 0 if inside is None else int(np.count_nonzero(~inside))
    voxels = overlap(mask, truth)
    voxels = replace(voxels, neither=voxels.neither - ignored)
    distances = surface_distances(mask, truth, spacing)
    lesions = detection(mask, truth, voxel_mm3)
    return Evaluation(
        dice=voxels.dice,
        precision=voxels.precision,
        recall=voxels.recall,
        specificity=voxels.specificity,
        prediction_ml=(voxels.both + voxels.only_mask) * voxel_mm3 / 1000,
        truth_ml=(voxels.both + voxels.only_truth) * voxel_mm3 / 1000,
        **asdict(distances),
        **asdict(lesions),
        lesion_sensitivity=lesions.sensitivity,
        lesion_ppv=lesions.ppv,
        lesion_f1=lesions.f1,
        true_positives=voxels.both,
        false_positives=voxels.only_mask,
        false_negatives=voxels.only_truth,
        true_negatives=voxels.neither,
    )


def _region(value: Any, name: str, shape: tuple[int, ...], subject: str) -> NDArray[np.bool_] | None:
    """Return the voxels to evaluate as a mask; None for all."""
    if value is None:
        return None
    mask = as_companion(value, name, shape, f"{subject} has")
    inside = np.asarray(mask != 0)
    wrong = inside & (mask != 1)
    if wrong.any():
        raise ValueError(
            f"{_found(mask, wrong, name)}: a mask is boolean or holds 0 and 1 only; write mask > 0"
        )
    if not inside.any():
        raise ValueError(f"{name} is empty: no voxel to evaluate")
    return inside


def _marked(
    values: NDArray[Any], name: str, cut: float, inside: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return the foreground: values of at least the cut, inside the region."""
    wrong = ~((values >= 0) & (values <= 1))  # nan too
    if inside is not None:
        wrong &= inside
    if wrong.any():
        raise ValueError(
            f"{_found(values, wrong, name)}: a mask holds 0 and 1, a probability lies in [0, 1]; of a label map "
            "take image == K or image > 0"
        )
    marked = np.asarray(values >= cut)
    return marked if inside is None else marked & inside


def _found(values: NDArray[Any], wrong: NDArray[np.bool_], name: str) -> str:
    """Return the first wrong value and its voxel as text."""
    place = tuple(int(index) for index in np.unravel_index(np.argmax(wrong), wrong.shape))
    return f"{name} holds {shown_number(float(values[place]))} at voxel {place}"


def _spacing_of(*values: Any) -> tuple[float, float, float]:
    """Return the voxel size of the first nibabel image, 1 mm if there is none."""
    for value in values:
        if hasattr(value, "dataobj") and isinstance(getattr(value, "affine", None), np.ndarray):
            return Grid("", value.shape, value.affine).spacing_mm
    return 1.0, 1.0, 1.0
