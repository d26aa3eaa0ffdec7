"""Scores of a prediction against several raters, from arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dilation.margin import within_margin
from ...errors import said, warn
from ...inputs.arrays import as_array, name_of
from ...inputs.checks import Labels, Scale, check_margin
from ...inputs.foreground import Foreground
from ...inputs.in_memory import check_in_memory
from ...inputs.kinds import Sides, VoxelsLike
from ...inputs.names import check_count_of_names, counted, listed_names, told
from ...inputs.raters import remarks_on_same_votes
from ...inputs.rounding import without_rounding
from ..components import as_volume
from ..detection import LEAST_MM3
from ..evaluate import ADVICE, ADVICE_ON_TRUTH, marked_in, on_nothing, region_in
from ..options import CUT, Options
from ..overlap import overlap
from ..space import Space, space_in, space_of
from .scores import (
    Flags,
    Numbers,
    Reliability,
    TopLabel,
    confidence_where_agreed,
    dice_where_agreed,
    reliability_curve,
    volume_crps,
)


@dataclass(frozen=True, eq=False)
class RaterEvaluation:
    """A prediction against several raters, by :func:`evaluate_against_raters`.

    Attributes
    ----------
    dice : float
        Dice's coefficient where the raters agree: over the voxels that all of them mark, or none.
    confidence : float
        Half of the mean probability of foreground where all mark, and half of that of background where none does.
    ece : float
        Multi-rater expected calibration error: the mean of ``ece_by_rater``. Where raters differ, it is
        seldom 0: each would have to agree with the likelier class in the same share of a bin.
    ece_by_rater : ndarray of float64, shape (m,)
        Expected calibration error of the likelier class against each rater, in 50 bins of its probability, and 1 by itself.
    crps_ml : float
        Continuous ranked probability score of ``prediction_ml`` under the raters' volumes, in ml: 0.23 standard deviations
        at their mean.
    prediction_ml : float
        Expected volume: the sum of the probabilities, in ml.
    prediction_mask_ml : float
        Volume of the mask at ``cut``, in ml; :attr:`Evaluation.prediction_ml` is that one.
    volume_ml : ndarray of float64, shape (m,)
        The raters' volumes, in ml.
    dice_by_rater : ndarray of float64, shape (m,)
        Dice's coefficient with each rater over all voxels; 1 for two empty masks.
    reliability : Reliability
        Share of the raters who mark, against the probability, in 10 bins; ``reliability.error`` is 0 for the mean vote.
    n_voxels : int
        Voxels of ``ece`` and ``reliability``.
    n_agreed, n_disputed : int
        Voxels inside the mask on which all raters agree, and on which they do not.
    names : tuple of m str
        What the raters are called.
    """

    dice: float
    confidence: float
    ece: float
    ece_by_rater: Numbers
    crps_ml: float
    prediction_ml: float
    prediction_mask_ml: float
    volume_ml: Numbers
    dice_by_rater: Numbers
    reliability: Reliability
    n_voxels: int
    n_agreed: int
    n_disputed: int
    names: tuple[str, ...]


def evaluate_against_raters(
    prediction: VoxelsLike,
    raters: Sequence[VoxelsLike] | NDArray[Any],
    *,
    spacing_mm: Sides | None = None,
    cut: float = 0.5,
    mask: VoxelsLike | None = None,
    roi: float | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    truth_select_label: Labels = None,
    truth_binarize: bool = False,
    truth_threshold: float | None = None,
    truth_scale: Scale = None,
    names: Sequence[str] | None = None,
    threads: int = 0,
) -> RaterEvaluation:
    """Measure a prediction against several raters: where they agree, calibration, volume, reliability.

    The three scores are those of CURVAS 2024 [1]_ for one structure and its background:
    :func:`fastfuse.evaluation.raters.scores.dice_where_agreed`, the mean of :func:`TopLabel.calibration_error` over the
    raters, and :func:`fastfuse.evaluation.raters.scores.volume_crps`, which say where the challenge's code differs.

    Parameters
    ----------
    prediction : array_like or nibabel image, shape (x, y, z) or (x, y)
        Probabilities in [0, 1], or a mask.
    raters : sequence of m array_like or nibabel images of the prediction's shape
        At least two raters' masks, 0 and 1.
    spacing_mm : sequence of 3 float, optional
        Voxel size along each axis, in mm, as in :func:`evaluate`.
    cut : float, default 0.5
        In (0, 1]: of the mask whose Dice is measured.
    mask : array_like, of the prediction's shape, optional
        Region to evaluate, 0 and 1. Outside, nothing counts.
    roi : float, optional
        Margin in mm about what anybody marks, for ``ece`` and ``reliability``; without it all voxels count, and background
        that nobody doubts lowers the errors.
    select_label, binarize, threshold, scale, truth_select_label, truth_binarize, truth_threshold, truth_scale
        What counts as foreground, as in :func:`evaluate`; the truth is that of each rater.
    names : sequence of m str, optional
        What to call the raters.
    threads : int, default 0
        Of the margin; 0: all that there are.

    Returns
    -------
    RaterEvaluation

    Raises
    ------
    ValueError, TypeError
        As :func:`evaluate`; for fewer than two raters, and a rater's votes other than 0 and 1.
    GridError
        If images lie on different grids.

    Warns
    -----
    FusionWarning
        As :func:`evaluate`.

    References
    ----------
    .. [1] Riera-Marín M. et al.: Calibration and Uncertainty for multiRater Volume Assessment in multiorgan Segmentation
       (CURVAS) challenge results. arXiv:2505.08685 (2025)

    Examples
    --------
    >>> import fastfuse
    >>> raters = [[[0, 1, 1, 0]], [[0, 1, 0, 0]]]
    >>> found = fastfuse.evaluate_against_raters([[0.1, 0.9, 0.4, 0.0]], [one[0:1] for one in raters])
    >>> found.dice, round(found.prediction_ml * 1000, 3), found.n_disputed
    (1.0, 1.4, 1)
    """
    options = Options.checked(
        cut=cut, least_voxels=0, least_mm3=LEAST_MM3, connectivity=None, match="msseg", tolerance_mm=None,
        select_label=select_label, binarize=binarize, threshold=threshold, scale=scale,
        truth_select_label=truth_select_label, truth_binarize=truth_binarize, truth_threshold=truth_threshold,
        truth_scale=truth_scale,
    )  # fmt: skip
    listed, called = list(raters), listed_names(names)
    check_count_of_names(called, len(listed))
    holders = called or [name_of(i, None) for i in range(len(listed))]
    given = {"the prediction": prediction, **dict(zip(holders, listed, strict=True))}
    remarks = check_in_memory([*given.items(), ("the mask", mask)], spacing_mm)
    arrays = {name: as_array(value, name) for name, value in given.items()}
    region = None if mask is None else as_array(mask, "the mask")
    flat = as_volume(arrays["the prediction"], "the prediction").shape[2] == 1
    space = space_in(given) if spacing_mm is None else space_of(spacing_mm, flat=flat)
    found = measure_raters(arrays, region, space, options, roi, remarks, threads=threads)
    warn(remarks)
    return found.evaluation


def _margin_in(space: Space, roi: Any) -> float | None:
    """Return a margin in mm, or None."""
    margin = check_margin(roi)
    if margin is not None and space.steps is not None:
        raise ValueError(f"roi is {margin:g}, and the axes are not at right angles: give a mask in its place")
    return margin


@dataclass(frozen=True, eq=False)
class Compared:
    """What was found, and what it was found of: probabilities and masks, which are 0 outside the region."""

    evaluation: RaterEvaluation
    probability: Numbers
    masks: list[Flags]


def measure_raters(
    arrays: Mapping[str, NDArray[Any]],
    region: NDArray[Any] | None,
    space: Space,
    options: Options,
    roi: Any,
    remarks: list[str],
    *,
    threads: int = 0,
    mask_name: str = "the mask",
    files: Sequence[Hashable] = (),
) -> Compared:
    """Compare arrays, of which the first is the prediction; what is to be said of them is added to ``remarks``.

    ``files``: which file each rater's votes are of.
    """
    name, *called = arrays
    if len(called) < 2:
        raise ValueError(
            f"raters holds {counted(len(called), 'rater')}: give at least two, or evaluate against one truth"
        )
    margin = _margin_in(space, roi)
    volumes = {what: as_volume(array, what) for what, array in arrays.items()}
    inside = None if region is None else as_volume(region, mask_name)
    for what, volume in [*volumes.items(), *([] if inside is None else [(mask_name, inside)])]:
        if volume.shape != volumes[name].shape:
            raise ValueError(f"{what} has shape {volume.shape}, {name} has shape {volumes[name].shape}")
    within = None if inside is None else region_in(inside, mask_name)
    p, marked = _probability(volumes[name], name, options, within, remarks)
    mended, said = without_rounding(
        [volumes[one] for one in called],
        called,
        binary=not options.truth.selects,
        inside=[(within,)] * len(called),
    )
    remarks += said
    masks = [_mask(volume, one, options, within, remarks) for volume, one in zip(mended, called, strict=True)]
    near = within_margin(
        masks, margin, space.spacing_mm, mask=within, present=(), label=None, threads=threads
    ) if margin is not None else within  # fmt: skip
    everywhere = np.ones(p.shape, bool)
    remarks += _on_full(called, masks, everywhere if within is None else within)
    found = _scores(
        p, marked, masks, everywhere if within is None else within, everywhere if near is None else near != 0,
        space.voxel_mm3 / 1000, tuple(called),
    )  # fmt: skip
    remarks += remarks_on_same_votes(
        [float(np.count_nonzero(one)) for one in masks],
        lambda one, other: np.array_equal(masks[one], masks[other]), called, files=files,
    )  # fmt: skip
    return Compared(found, p, masks)


def _on_full(names: Sequence[str], masks: Sequence[Flags], inside: Flags) -> list[str]:
    """Say who marks all that the mask holds."""
    voxels = np.count_nonzero(inside)
    full = [name for name, one in zip(names, masks, strict=True) if 0 < voxels == np.count_nonzero(one)]
    return [told(full, "marks everything", "mark everything")] if full else []


def _scores(
    p: Numbers,
    marked: Flags,
    masks: list[Flags],
    inside: Flags,
    near: Flags,
    voxel_ml: float,
    names: tuple[str, ...],
) -> RaterEvaluation:
    """Return all scores; outside the mask all arrays are 0."""
    count = len(masks)
    votes = np.zeros(p.shape, np.int64)
    for one in masks:
        votes += one
    here, of_all = votes[inside], p[inside]
    near_p, near_votes = p[near], votes[near]
    top = TopLabel.of(near_p)
    errors = np.array([top.calibration_error(one[near]) for one in masks])
    volumes = voxel_ml * np.array([np.count_nonzero(one) for one in masks], float)
    agreed = int(np.count_nonzero((here == 0) | (here == count)))
    predicted = voxel_ml * float(of_all.sum())
    return RaterEvaluation(
        dice=dice_where_agreed(marked[inside], here, count),
        confidence=confidence_where_agreed(of_all, here, count),
        ece=float(errors.mean()),
        ece_by_rater=errors,
        crps_ml=volume_crps(predicted, volumes),
        prediction_ml=predicted,
        prediction_mask_ml=voxel_ml * int(np.count_nonzero(marked[inside])),
        volume_ml=volumes,
        dice_by_rater=np.array([overlap(marked, one).dice for one in masks]),
        reliability=reliability_curve(near_p, near_votes / count),
        n_voxels=len(near_p),
        n_agreed=agreed,
        n_disputed=len(here) - agreed,
        names=names,
    )


def _probability(
    values: NDArray[Any], name: str, options: Options, inside: Flags | None, remarks: list[str]
) -> tuple[Numbers, Flags]:
    """Return the probabilities, 0 outside the mask, and the mask that the cut makes of them."""
    votes = options.prediction.votes(values, name, inside=inside, remarks=remarks)
    marked = marked_in(votes, name, options.cut, inside, ADVICE)
    if not marked.any():
        least = CUT / 2 if options.cut == CUT else 0.0
        remarks += on_nothing(values, votes, name, options.prediction, options.cut, inside, least=least)
    p = np.asarray(votes, np.float64) if inside is None else np.where(inside, votes, 0).astype(np.float64)
    return p, marked


def _mask(
    values: NDArray[Any], name: str, options: Options, inside: Flags | None, remarks: list[str]
) -> Flags:
    """Return what a rater marks; refuse what is no mask."""
    foreground: Foreground = options.truth
    votes = foreground.votes(values, name, inside=inside, remarks=remarks)
    marked = marked_in(votes, name, 1.0, inside, ADVICE_ON_TRUTH)
    soft = (votes > 0) & (votes < 1)
    if inside is not None:
        soft &= inside
    if soft.any():
        at = int(np.argmax(soft))
        raise ValueError(
            said(
                f"{name}: a vote is {votes.flat[at]:.6g}: a rater's votes are 0 and 1 here; {_remedy(values, votes, foreground, options)}"
            )
        )
    if values.any() and not marked.any() and foreground.selects:
        remarks.append(f"{name}: {foreground.said_of_nothing([values])}")
    return marked


def _remedy(values: NDArray[Any], votes: NDArray[Any], foreground: Foreground, options: Options) -> str:
    """Say how masks are made of a rater's votes."""
    if foreground.scale is not None:  # a threshold is in the unit of the values
        unit = float(values.max()) / float(votes.max())
        half = f"{0.5 * unit:g}"
        return f"give truth_threshold={half} (--truth-threshold {half}) in place of the scale"
    labels = ",".join(map(str, options.truth.labels))
    if labels:
        return (
            f"of a network's classes, give truth_select_label=[{labels}], truth_threshold=0.5 (--truth-select-label {labels} "
            "--truth-threshold 0.5)"
        )
    return (
        "give truth_threshold=0.5 (--truth-threshold 0.5), truth_binarize=True (--truth-binarize) or truth_select_label=K "
        "(--truth-select-label K)"
    )
