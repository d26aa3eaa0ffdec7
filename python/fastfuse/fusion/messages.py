"""Sentences for what the core refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..inputs.arrays import Array, coordinates, labels_in, name_of, shown_number, told_once
from ..inputs.looks import AN_IMAGE, MOST_LABELS, fills_as_an_image, looks_grey, looks_scaled, range_in_words
from .declared import switch

MOST_FRACTIONAL = 20
WHITE = (100, 255, 2**16 - 1)  # the highest values of percent, and of pictures of 8 and 16 bits
OVERSHOOT = 1.5  # up to this, and as far below 0, a probability was interpolated or rounded
ONE_LABEL = f"select_label=K ({switch('select_label')} K) fuses one label, and staple(maps, labels='all') ({switch('labels')} all) each of them"
ONE_BY_ONE = f"fuse one label at a time by select_label=K ({switch('select_label')} K)"
ALL_ABOVE = f"binarize=True ({switch('binarize')}) counts whatever is above 0"
SOFT_VOTES = (
    f"soft votes are for soft-staple and simplified-soft-staple; {ALL_ABOVE}, and threshold=0.5 (--threshold 0.5) what is at "
    "least that"
)


@dataclass(frozen=True, eq=False)
class Complaint:
    """What the core refuses, and the arrays in which it stands.

    Attributes
    ----------
    kind : str
        What is wrong.
    rater, voxel, value : int, int, float
        Where it stands, and what stands there; the voxel's index is that in memory.
    arrays : sequence of ndarray
        The raters' votes.
    mask : ndarray, optional
    axes : sequence of int
        The axes in the order of memory.
    names : sequence of str, optional
        What to call the raters.
    titles : mapping
        What to call the mask and the prior.
    prior : ndarray, optional
        The map of priors, where it can be read.
    """

    kind: str
    rater: int
    voxel: int
    value: float
    arrays: Sequence[Array]
    mask: Array | None
    axes: Sequence[int]
    names: Sequence[str] | None
    titles: Mapping[str, str]
    prior: Array | None = None

    @property
    def holder(self) -> str:
        """Name of the rater."""
        return name_of(self.rater, self.names)

    @property
    def held(self) -> str:
        """The value, and where it stands."""
        place = coordinates(self.voxel, self.arrays[0].shape, self.axes)
        return f"holds {shown_number(self.value)} at voxel {place}"

    @property
    def labels(self) -> str:
        """The values that occur in the rater's votes."""
        votes = self.arrays[self.rater]
        return labels_in(votes if self.mask is None else votes[self.mask.astype(bool)])

    def sentence(self) -> str:
        """Say what is wrong, and what to do."""
        return SENTENCES[self.kind](self)


def _empty(bad: Complaint) -> str:
    if bad.mask is None or bad.mask.any():
        return "every vote is missing: no voxel to fuse"
    return f"{bad.titles['mask']} is empty: no voxel to fuse"


def _too_many(bad: Complaint) -> str:
    return (
        f"{int(bad.value)} raters have fractional votes at voxel {_most_fractional(bad.arrays, bad.mask)}: "
        f"expectation='enumerate' goes through 2^m patterns and takes at most {MOST_FRACTIONAL}; "
        "expectation='characteristic' has no such limit"
    )


def _too_few(bad: Complaint) -> str:
    return OF_A_TABLE[bad.kind].format(value=bad.value)


def _mask(bad: Complaint) -> str:
    return f"{bad.titles['mask']} {bad.held}: a mask is boolean or holds 0 and 1 only; write mask > 0"


def _prior(bad: Complaint) -> str:
    return f"{bad.titles['prior']} {bad.held}: {OF_A_PRIOR}; {for_a_prior(bad.value, bad.prior, bad.mask)}"


OF_A_PRIOR = "a prior is a probability in [0, 1]"


def for_a_prior(value: float, prior: Array | None, mask: Array | None) -> str:
    """Say what makes a map of priors of one that holds a value: the first that is wrong, which tells no scale."""
    if not math.isfinite(value):
        return "give a mask without such voxels (--mask), or fill them"
    counted = np.array([value])
    if prior is not None:
        counted = told_once(prior if mask is None else prior[mask.astype(bool)])
    low, high = (float(find(counted[np.isfinite(counted)])) for find in (np.min, np.max))
    if overshoots(low, high):
        return "clip what interpolation overshot, as by numpy.clip(prior, 0, 1)"
    if low < 1 - OVERSHOOT:
        return f"mend it: its values go from {low:.4g} to {high:.4g}"
    return f"scale it, as by prior / 100 or prior / 255: it goes up to {high:.4g}"


def overshoots(low: float, high: float) -> bool:
    """Tell whether values lie no farther beyond 0 and 1 than interpolation or rounding leads."""
    return low >= 1 - OVERSHOOT and high <= OVERSHOOT


def _present(bad: Complaint) -> str:
    return f"present of {bad.holder} {bad.held}: it is boolean or holds 0 and 1 only"


def _not_label(bad: Complaint) -> str:
    return f"{bad.holder} {bad.held}: a label map holds whole numbers (numpy.rint makes them); select_label is not for soft votes"


def _not_finite(bad: Complaint) -> str:
    flag = f"{switch('missing')} nan"
    if np.isinf(bad.value):
        return (
            f"{bad.holder} {bad.held}: votes must be finite; replace it, by numpy.nan_to_num, or by nan for no vote "
            f"with missing='nan' ({flag})"
        )
    return f"{bad.holder} {bad.held}: votes must be finite; missing='nan' ({flag}) takes nan for no vote"


def _not_binary(bad: Complaint) -> str:
    masks = "staple takes masks of 0 and 1"
    scale = _scale_of(bad)
    if 0 < bad.value < 1 and scale is None:
        soft = "soft votes are for soft_staple and simplified_soft_staple"
        return f"{bad.holder} {bad.held}: {masks}; {soft}, and {_cut_at(0.5)} makes masks of them"
    remedy = (
        _of_values(bad, masks=True)
        if scale is None
        else f"{AN_IMAGE}; of probabilities times {scale:g}, {_cut_at(scale / 2)} makes masks"
        if _is_grey(bad, scale)
        else f"of probabilities times {scale:g}, as they look, {_cut_at(scale / 2)} makes masks; of a label map, {ONE_LABEL}"
    )
    return f"{bad.holder} {bad.held} (values that occur: {bad.labels}): {masks}; {remedy}"


def _out_of_range(bad: Complaint) -> str:
    votes = "a vote is a probability in [0, 1]"
    whole = bad.value == int(bad.value) and _few_values(bad.arrays[bad.rater])
    occur = f" (values that occur: {bad.labels})" if whole else ""
    scale = _scale_of(bad)
    remedy = (
        _of_values(bad)
        if scale is None
        else _of_grey_values(scale)
        if _is_grey(bad, scale)
        else f"they look like probabilities times {scale:g}, {_takes(bad, scale)}; of a label map, {ONE_LABEL}"
    )
    return f"{bad.holder} {bad.held}{occur}: {votes}; {remedy}"


def _takes(bad: Complaint, scale: float) -> str:
    """Say what makes votes of probabilities times a scale, which may be that of this rater alone."""
    inside = ... if bad.mask is None else bad.mask.astype(bool)
    highest = [float(np.fmax.reduce(told_once(votes[inside]), axis=None, initial=0)) for votes in bad.arrays]
    others = [high for at, high in enumerate(highest) if at != bad.rater and high > 0]
    if any(high <= OVERSHOOT for high in others):
        return (
            f"and others do not, so that no one scale fits all, as scale='auto' ({switch('scale')} auto) would say too: divide "
            f"this one by {scale:g}"
        )
    return f"which scale={scale:g} ({switch('scale')} {scale:g}) takes"


def _cut_at(value: float) -> str:
    """Return what makes a mask of a probability; in Python some functions have a threshold of another kind."""
    return f"votes >= {value:g} ({switch('threshold')} {value:g})"


def _scale_of(bad: Complaint) -> float | None:
    """Return the scale that the rater's values look as if they had."""
    votes = bad.arrays[bad.rater]
    return looks_scaled(votes if bad.mask is None else votes[bad.mask.astype(bool)])


def _is_grey(bad: Complaint, scale: float) -> bool:
    """Tell whether the rater's values look like those of an image."""
    return looks_grey(
        told_once(bad.arrays[bad.rater]), scale, bad.mask if any(bad.arrays[bad.rater].strides) else None
    )


def _of_grey_values(scale: float) -> str:
    return (
        f"{AN_IMAGE}: leave it out if so; of probabilities times {scale:g}, which it may be, scale={scale:g} "
        f"({switch('scale')} {scale:g}) makes votes"
    )


def _has_lost_its_sign(bad: Complaint) -> bool:
    """Tell a mask of -1 and 0 in signed integers: all bits of a mark are set, as those of 255 in a byte."""
    votes = told_once(bad.arrays[bad.rater])
    return bad.value == -1 and votes.dtype.kind == "i" and bool(((votes == -1) | (votes == 0)).all())


def _of_values(bad: Complaint, *, masks: bool = False) -> str:
    """Say what makes votes of values beyond 0 and 1; ``masks``: votes that are 0 and 1."""
    if _has_lost_its_sign(bad):
        return "255 read with a sign is -1, so save (array != 0) as an unsigned type"
    votes = bad.arrays[bad.rater]
    counted = told_once(votes if bad.mask is None else votes[bad.mask.astype(bool)])
    finite = counted[np.isfinite(counted)] if counted.dtype.kind == "f" else counted
    low, high = float(finite.min()), float(finite.max())
    if fills_as_an_image(told_once(votes), bad.mask if any(votes.strides) else None):
        return f"{range_in_words(low, high)} Leave it out if so; of a label map, {ONE_LABEL}"
    few = len(np.unique(finite)) <= MOST_LABELS or (low == 0 and bool(np.all(finite == np.rint(finite))))
    if few and bad.value == int(bad.value) and _few_values(votes):
        return f"of a label map, {ONE_LABEL}; {_of_shades(finite, high, masks=masks)}{ALL_ABOVE}"
    if overshoots(low, high):
        beyond = [f"{high - 1:.2g} above 1"] * (high > 1) + [f"{-low:.2g} below 0"] * (low < 0)
        return f"its values go up to {' and '.join(beyond)}: clip what rounding did, or interpolation; {_cut_at(0.5)} makes masks"
    if high <= 0:
        return (
            f"its values go from {low:.4g} to {high:.4g}, as logarithms of probabilities do: give exp of them, as by "
            "numpy.exp(values)"
        )
    if low < 0:
        return f"{range_in_words(low, high)} Of logits, which they may be, a sigmoid makes probabilities"
    return f"{range_in_words(low, high)} Of votes in another unit, votes >= K ({switch('threshold')} K) makes masks"


def _of_shades(values: Array, high: float, *, masks: bool) -> str:
    """Say what makes votes of the shades between black and white that a smoothed edge has; nothing of other values."""
    if high not in WHITE or len(np.unique(values)) < 3:
        return ""
    votes = "" if masks else f"scale={high:g} ({switch('scale')} {high:g}) makes votes, and "
    return f"of probabilities times {high:g}, or of a mask with smoothed edges, {votes}{_cut_at(high / 2)} makes masks; "


SENTENCES: dict[str, Callable[[Complaint], str]] = {
    "empty_mask": _empty,
    "too_many_fractional": _too_many,
    "too_few_raters": _too_few,
    "too_few_for_classes": _too_few,
    "mask": _mask,
    "prior": _prior,
    "present": _present,
    "not_label": _not_label,
    "not_finite": _not_finite,
    "not_binary": _not_binary,
    "out_of_range": _out_of_range,
}


OF_A_TABLE = {
    "too_few_raters": "border-staple needs the votes of three raters or more, and has those of {value:.0f}: two do not tell a rater's "
    "offset from where the border lies; take staple, or majority",
    "too_few_for_classes": "classes=3 needs the votes of four raters or more, and has those of {value:.0f}: three do not determine the "
    "rates of three classes; leave it out, or take border-staple",
    "empty_mask": "the table holds no vote: there is nothing to estimate from",
    "too_many_fractional": "{value:.0f} raters have fractional votes in one pattern of the table: "
    f"expectation='enumerate' goes through 2^m patterns and takes at most {MOST_FRACTIONAL}; "
    "expectation='characteristic' has no such limit",
}


def complaint_about_table(kind: str, value: float) -> str:
    """Say what the core refuses in a vote table."""
    return OF_A_TABLE[kind].format(value=value)


def complaint_about_mask(mask: Array, titles: Mapping[str, str], voxel: int) -> str:
    """Say that a mask of no rater holds another value than 0 and 1."""
    value: Any = mask.flat[voxel]
    return Complaint("mask", -1, voxel, float(value), [mask], None, range(mask.ndim), None, titles).sentence()


def _few_values(array: Array) -> bool:
    """Tell a label map from probabilities, among which a whole number strayed."""
    array = told_once(array)
    return array.dtype.kind in "bui" or not np.any((array > 0) & (array < 1))


def _most_fractional(arrays: Sequence[Array], mask: Array | None) -> tuple[int, ...]:
    """Return the voxel at which most raters have fractional votes."""
    counts = np.zeros(arrays[0].shape, dtype=np.uint8)
    for array in arrays:
        counts += (array > 0) & (array < 1)
    if mask is not None:
        counts *= mask != 0
    return tuple(int(index) for index in np.unravel_index(np.argmax(counts), counts.shape))
