"""The region of a fusion of label maps: a margin around what anybody marks as other than background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...dilation.margin import within_margin
from ...inputs.arrays import MARKED, Array
from ..case import Case
from .chosen import Labels
from .options import BACKGROUND, LabelOptions


def marked_by_labels(array: Array) -> NDArray[np.bool_]:
    """Return where a label map holds another label than background."""
    if array.dtype.kind != "f":
        return np.asarray(array != BACKGROUND)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.rint(array) != BACKGROUND) & ~np.isnan(array))


def marked_by_votes(classes: Sequence[Array], background: int) -> NDArray[np.bool_]:
    """Return where soft votes for other labels than background are above 0.1."""
    others = [votes for code, votes in enumerate(classes) if code != background]
    if len(others) == 1:
        return np.asarray(others[0] > MARKED)
    total = np.zeros(others[0].shape)
    for votes in others:
        total += votes
    return np.asarray(total > MARKED)


def within_region(
    case: Case, marked: Iterable[NDArray[np.bool_]], labels: Labels, options: LabelOptions
) -> Case:
    """Return the case with a mask that ends a margin beyond what anybody marks, if the region is a margin.

    ``marked``: where each rater who reads the case marks.
    """
    margin = options.of_case().margin_mm
    if margin is None:
        return case
    if BACKGROUND not in labels.values:
        raise ValueError(
            f"roi is {margin:g}, a margin around what is not background, and label {BACKGROUND}, background, is none of the "
            "labels: leave roi out, or give a mask"
        )
    union = np.zeros(case.shape, dtype=bool)
    for one, looked in zip(marked, case.present or [None] * len(case.given.arrays), strict=True):
        union |= one if looked is None else one & (looked != 0)
    mask = within_margin(
        [union.transpose(case.axes)],
        margin,
        case.spacings,
        mask=None if case.mask is None else case.mask.transpose(case.axes),
        present=(),
        label=None,
        threads=options.threads,
    )
    if mask is None:
        return case
    seen = mask.transpose(np.argsort(case.axes))
    return replace(case, mask=seen, votes=replace(case.votes, mask=seen))
