"""What counts as foreground in an image: labels, everything above 0, what reaches a threshold, or a scaled vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import said
from .arrays import first_wrong, labels_in, selected, shown_number, told_once
from .checks import Labels, Scale, check_flag, check_labels, check_one_selection, check_scale, check_threshold
from .looks import AN_IMAGE, LEAST_SCALED, MOST_LABELS, ROUNDED, SCALES, counted_values, looks_grey
from .names import counted, enumerated

NOT_WHOLE = 1e-4  # what single precision makes of a label lies nearer to it


@dataclass(frozen=True)
class Foreground:
    """What counts as foreground; by default the values are votes already.

    Attributes
    ----------
    labels : tuple of int
        Labels of a label map, or classes of a network, whose union is the foreground.
    binarize : bool
        Whatever is above 0 is foreground.
    threshold : float or None
        Whatever is at least this is foreground.
    scale : float, "auto" or None
        The value that stands for a vote of 1; "auto" takes 1, 100 or 255.
    segments : tuple of str
        Names of segments whose union is the foreground; the readers take them of files that name theirs.
    """

    labels: tuple[int, ...] = ()
    binarize: bool = False
    threshold: float | None = None
    scale: Scale = None
    segments: tuple[str, ...] = ()

    @classmethod
    def checked(
        cls,
        select_label: Labels = None,
        binarize: bool = False,
        threshold: float | None = None,
        scale: Scale = None,
    ) -> Foreground:
        """Check what the caller gave.

        Raises
        ------
        TypeError, ValueError
            Naming the option, for a wrong value and for two that exclude each other.
        """
        made = cls(
            check_labels(select_label),
            check_flag(binarize, "binarize"),
            check_threshold(threshold),
            check_scale(scale),
        )
        check_one_selection(made.labels or None, made.threshold, made.scale, binarize=made.binarize)
        return made

    @property
    def selects(self) -> bool:
        """Whether values become votes other than themselves."""
        return self != Foreground()

    @property
    def of_channel(self) -> Foreground:
        """The rest of it, where the reader has taken the channel or the segments."""
        return replace(self, labels=(), binarize=False, segments=())

    def votes(
        self,
        data: NDArray[Any],
        name: str = "the image",
        *,
        inside: NDArray[Any] | None = None,
        remarks: list[str] | None = None,
    ) -> NDArray[Any]:
        """Return the votes that an image's values stand for.

        Parameters
        ----------
        data : ndarray
        name : str
            What messages call the image.
        inside : ndarray, optional
            The voxels that count: the others are not checked.
        remarks : list of str, optional
            Takes what is to be said of the values.

        Returns
        -------
        ndarray
            ``data`` itself where nothing is selected. nan and infinity stay, to be refused or taken for no vote.

        Raises
        ------
        ValueError
            Naming the image and the value.
        """
        said = [] if remarks is None else remarks
        if self.labels:
            return self._of_labels(data, name, inside)
        if self.binarize:
            if data.dtype.kind == "b":
                return data
            said += _on_binarized(data, name, inside)
            return _keeping_unread(data, np.asarray(data > 0))
        if self.threshold is not None:
            with np.errstate(over="ignore"):  # a threshold beyond all numbers of the type
                marked = np.asarray(data >= self.threshold)
            said += _on_threshold(data, marked, self.threshold, name, inside)
            return _keeping_unread(data, marked)
        if self.scale is None:
            return data
        scale = self.scale
        if scale == "auto":
            scale = _scale_of(data, name, inside)
            said.append(f"{name}: scale 'auto' takes {scale:g} for a vote of 1")
        return _scaled(data, name, scale, inside, said)

    def settled(
        self, arrays: Sequence[NDArray[Any]], names: Sequence[str], inside: NDArray[Any] | None = None
    ) -> tuple[Foreground, list[str]]:
        """Return the same with one scale for all raters in the place of "auto", and what is to be said of it.

        Raises
        ------
        ValueError
            Naming two raters whose highest values ask for different scales.
        """
        if self.scale != "auto":
            return self, []
        found: dict[float, tuple[str, float]] = {}
        for array, name in zip(arrays, names, strict=True):
            highest = _highest(array, inside)
            if highest > 0:  # an empty map has any scale
                found.setdefault(_scale_of(array, name, inside), (name, highest))
        if len(found) > 1:
            (one, high), (other, higher) = (found[scale] for scale in sorted(found)[-2:])
            raise ValueError(
                f"scale is 'auto', but {one} goes up to {shown_number(high)} and {other} up to "
                f"{shown_number(higher)}: no one scale fits both, so scale one of them yourself"
            )
        scale = next(iter(found), 1.0)
        return replace(self, scale=scale), [f"scale 'auto' takes {scale:g} for a vote of 1"]

    def said_of_missing(
        self, arrays: Sequence[NDArray[Any]], inside: NDArray[Any] | None = None
    ) -> list[str]:
        """Say which of several labels no rater marks, if some do mark others."""
        if len(self.labels) < 2:
            return []
        occur = np.unique(np.concatenate([np.unique(counted_values(array, inside)) for array in arrays]))
        absent = tuple(label for label in self.labels if not selected(occur, label).any())
        some = 0 < len(absent) < len(self.labels)
        return [replace(self, labels=absent).said_of_nothing([occur])] if some else []

    def said_of_each(
        self, arrays: Sequence[NDArray[Any]], names: Sequence[str], inside: NDArray[Any] | None = None
    ) -> list[str]:
        """Say in whose label map none of the labels occurs, and which do, if somebody marks one; of a threshold likewise."""
        if self.threshold is not None:
            return self._said_of_low([_highest(array, inside) for array in arrays], names)
        if not self.labels:
            return []
        counted = [counted_values(array, inside) for array in arrays]
        lack = [not any(selected(one, label).any() for label in self.labels) for one in counted]
        if all(lack):
            return []
        return [
            f"{name}: {self.said_of_nothing([one])}"
            for name, one, lacks in zip(names, counted, lack, strict=True)
            if lacks and one.size
        ]

    def _said_of_low(self, highest: Sequence[float], names: Sequence[str]) -> list[str]:
        """Say whose values all lie below the threshold, if not everybody's do."""
        least = float(self.threshold or 0)
        if not any(value >= least for value in highest):
            return []
        return [
            f"{name}: its highest value is {shown_number(value)}, and so none reaches the threshold {least:g}: is it in the unit of "
            "these values?"
            for name, value in zip(names, highest, strict=True)
            if 0 < value < least
        ]

    def said_of_nothing(self, arrays: Sequence[NDArray[Any]]) -> str:
        """Say that nobody marks anything, and which values occur."""
        occur = labels_in(np.concatenate([np.unique(told_once(array)) for array in arrays]))
        if self.labels:
            named = enumerated([str(label) for label in self.labels])
            absent = f"label {named} does" if len(self.labels) == 1 else f"labels {named} do"
            return f"{absent} not occur (values that occur: {occur})"
        if self.threshold is not None:
            return f"no value is at least {shown_number(self.threshold)} (values that occur: {occur})"
        return f"nobody marks anything (values that occur: {occur})"

    def _of_labels(self, data: NDArray[Any], name: str, inside: NDArray[Any] | None) -> NDArray[Any]:
        """Return where a label map holds one of the labels."""
        for what, value in (("threshold", self.threshold), ("scale", self.scale)):
            if value is not None:
                raise ValueError(
                    f"select_label and {what} are given, but {name} is one map and not the channels of a network: "
                    f"leave one of both out"
                )
        if data.dtype.kind == "f":
            finite = np.isfinite(data)
            with np.errstate(invalid="ignore"):
                broken = finite & (np.abs(data - np.rint(data)) > NOT_WHOLE)
            if inside is not None:
                broken &= inside != 0
            if broken.any():
                raise ValueError(
                    f"{first_wrong(data, broken, name)}: a label map holds whole numbers (numpy.rint makes them); select_label is not for soft votes"
                )
        marked = selected(data, self.labels[0])
        for label in self.labels[1:]:
            marked |= selected(data, label)
        return _keeping_unread(data, marked)


def within(mask: NDArray[Any] | None, seen: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the voxels that count: of the mask, and that a rater looked at; None for all."""
    if mask is None or seen is None:
        return seen if mask is None else mask
    return np.asarray((mask != 0) & (seen != 0))


def _keeping_unread(data: NDArray[Any], marked: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the votes with nan and infinity where the data have them."""
    if data.dtype.kind == "f":
        finite = np.isfinite(data)
        if not finite.all():
            return np.where(finite, marked.astype(data.dtype), data)
    return marked


def _highest(data: NDArray[Any], inside: NDArray[Any] | None) -> float:
    values = counted_values(data, inside)
    return float(values.max()) if values.size else 0.0


def _scale_of(data: NDArray[Any], name: str, inside: NDArray[Any] | None) -> float:
    """Return the scale that the highest value asks for: 1, 100 or 255."""
    highest = _highest(data, inside)
    for scale in SCALES:
        if highest <= scale * (1 + 1e-6):
            return scale
    if looks_grey(data, highest, inside):
        raise ValueError(
            said(
                f"{name} goes up to {shown_number(highest)}, and {AN_IMAGE}: leave it out if so; if it holds scaled votes, give "
                "the value that stands for a vote of 1, as in scale=1000 (--scale 1000)"
            )
        )
    raise ValueError(
        said(
            f"{name} goes up to {shown_number(highest)}: scale 'auto' knows 1, 100 and 255; give the value that stands for "
            "a vote of 1, as in scale=1000 (--scale 1000)"
        )
    )


def _scaled(
    data: NDArray[Any], name: str, scale: float, inside: NDArray[Any] | None, said: list[str]
) -> NDArray[Any]:
    """Return the values by the scale; remark a map that seems to have another one."""
    if looks_grey(data, scale, inside):
        said.append(
            f"{name}: {AN_IMAGE}: most of its values above 0 lie between the ends of the scale {scale:g}; leave it out if it "
            "is no rater's"
        )
    if scale == 1:
        return data
    highest = _highest(data, inside)
    with np.errstate(over="ignore"):  # a scale beyond all numbers of the type
        wrong = (data < -ROUNDED * scale) | (data > scale * (1 + ROUNDED))
    if data.dtype.kind == "f":
        wrong &= np.isfinite(data)
    if inside is not None:
        wrong &= inside != 0
    if wrong.any():
        raise ValueError(
            f"{first_wrong(data, wrong, name)}: with scale {scale:g} values lie from 0 to {scale:g}"
        )
    vote = f"{name}: the highest value is {shown_number(highest)}, a vote of {highest / scale:.2g} at scale {scale:g}"
    if 0 < highest <= 1 < scale:
        said.append(f"{vote}, as if it were a mask or a probability already")
    elif 1 < highest <= SCALES[1] < scale:
        said.append(f"{vote}; it would fit scale {SCALES[1]:g}")
    said += _on_levels(np.unique(counted_values(data, inside)).astype(np.float64), scale, name)
    narrow = data.dtype.itemsize <= 2 or (data.dtype.kind == "f" and data.dtype.itemsize <= 4)
    votes = np.divide(data, scale, dtype=np.float32 if narrow else np.float64)
    beyond = np.isfinite(votes) & ((votes > 1) | (votes < 0))  # infinity is to be refused
    return np.asarray(np.where(beyond, np.clip(votes, 0, 1), votes))


def _on_levels(levels: NDArray[Any], scale: float, name: str) -> list[str]:
    """Doubt a small scale of a few whole numbers, which are labels rather than levels of one vote."""
    between = levels[(levels > 0) & (levels < scale)]
    if (
        scale >= SCALES[1]
        or not between.size
        or len(levels) > MOST_LABELS
        or np.any(levels != np.rint(levels))
    ):
        return []
    vote = f"label {between[0]:g} becomes a vote of {between[0] / scale:.2g} at scale {scale:g}"
    return [f"{name}: if it is a label map, {vote}: select_label=K (--select-label K) fuses one label"]


def _on_threshold(
    data: NDArray[Any],
    marked: NDArray[np.bool_],
    threshold: float,
    name: str,
    inside: NDArray[Any] | None,
) -> list[str]:
    """Doubt a threshold below all values, or one for probabilities in values that go far beyond 1."""
    if marked.size and bool(np.all(marked if inside is None else marked[inside != 0])):
        return [
            f"{name}: no value lies below the threshold {threshold:g}, which marks every voxel: choose a higher one"
        ]
    highest = _highest(data, inside)
    if not 0 < threshold < 1 or highest <= LEAST_SCALED:
        return []
    share = float(np.mean(marked if inside is None else marked[inside != 0]))
    told = f"{100 * share:.2g} % of the voxels, as values go up to {shown_number(highest)}"
    return [f"{name}: the threshold {threshold:g} marks {told}: is it in the unit of these values?"]


def _on_binarized(data: NDArray[Any], name: str, inside: NDArray[Any] | None) -> list[str]:
    """Say what one might not expect to count as foreground, or as background."""
    if data.dtype.kind in "bu":
        return []
    values = counted_values(data, inside)
    said = []
    if data.dtype.kind == "f" and (between := int(np.count_nonzero((values > 0) & (values < 1)))):
        many = counted(between, "voxel")
        said.append(f"{name}: binarize counts {many} with values between 0 and 1 as foreground")
    if below := int(np.count_nonzero(values < 0)):
        said.append(f"{name}: binarize counts {counted(below, 'voxel')} with values below 0 as background")
    return said
