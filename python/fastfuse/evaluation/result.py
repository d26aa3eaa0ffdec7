"""Measures of a prediction against the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Evaluation:
    """Measures of a prediction against the truth.

    Attributes
    ----------
    dice : float
        ``2 |A ∩ B| / (|A| + |B|)``; 1 for two empty masks.
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
        Number of components of more than ``least_mm3`` (3 mm³) in each; voxels that share a face are joined.
    detected_lesions, confirmed_lesions : int
        Number of true lesions that the prediction detects, and of predicted lesions that the truth confirms, as in
        :func:`fastfuse.evaluation.detection.detection`.
    lesion_sensitivity, lesion_ppv : float
        Share of the true lesions that are detected, and of the predicted ones that are confirmed; nan if there are none.
    lesion_f1 : float
        Harmonic mean of the two; 1 for two empty masks, 0 if only one mask has lesions; nan if neither has, but one
        has components that were left out.
    true_positives, false_positives, false_negatives, true_negatives : int
        Number of voxels inside the mask.
    hd100_mm : float
        Hausdorff distance: the largest distance of a surface voxel to the other surface, in mm.
    surface_dice : float or None
        Share of both surfaces within ``tolerance_mm`` of the other; None if no tolerance was given.
    prediction_left_out, truth_left_out : int
        Number of components of ``least_mm3`` or less, which no measure of lesions counts.
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
    # Defaults, so that evaluations written before these measures were added can be read.
    hd100_mm: float = math.nan
    surface_dice: float | None = None
    prediction_left_out: int = 0
    truth_left_out: int = 0


NAMES = tuple(field.name for field in fields(Evaluation))
SCORES = (
    "dice", "precision", "recall", "specificity", "prediction_ml", "truth_ml", "hd95_mm", "hd100_mm", "assd_mm",
    "surface_dice", "lesion_sensitivity", "lesion_ppv", "lesion_f1",
)  # fmt: skip
"""Measures of which means over cases make sense; the others are counts."""


def status_of(value: float | None) -> str | None:
    """Return "undefined" or "infinite" for a value that is no number, None for one that is or was not asked for."""
    if value is None or math.isfinite(value):
        return None
    return "undefined" if math.isnan(value) else "infinite"
