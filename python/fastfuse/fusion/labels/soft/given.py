"""Raters' soft votes of several labels as the caller gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....dilation.soft_labels import SoftLabels
from ....inputs.arrays import MARKED, Array, as_array, name_of
from ....inputs.names import counted, enumerated
from ...doubts.copies import equal_votes
from ...votes import Votes
from ..chosen import Labels
from ..region import marked_by_votes

FEW = 1 << 16  # values that tell most probabilities from labels
FIRST = 64  # that tell most label maps from one-hot votes
FEWEST = 30  # voxels of a slice: in fewer, two slices of a label map may complement each other by chance
LABEL_TOLERANCE = 1e-4
SUM = 1e-3  # by which a sum may miss 1


@dataclass(frozen=True, eq=False)
class Given:
    """A rater's votes.

    Attributes
    ----------
    classes : list of ndarray
        The probability of each label; empty for a map.
    codes : ndarray, optional
        A map of codes; nan where a vote is missing.
    kinds : ndarray of float64, shape (codes, K), optional
        The votes that codes stand for.
    """

    classes: list[Array]
    codes: Array | None = None
    kinds: NDArray[np.float64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the volume."""
        return self.first.shape

    @property
    def is_certain(self) -> bool:
        """Whether every vote is for one label alone."""
        return self.kinds is not None and bool(np.isin(self.kinds, (0, 1)).all())

    def marks(self, background: int) -> NDArray[np.bool_]:
        """Return where votes for other labels than background are above 0.1."""
        if self.codes is None or self.kinds is None:
            return marked_by_votes(self.classes, background)
        kinds = np.delete(self.kinds, background, axis=1).sum(axis=1) > MARKED
        if self.codes.dtype.kind != "f":
            return np.asarray(kinds[self.codes])
        gone = np.isnan(self.codes)
        return np.asarray(kinds[np.where(gone, 0, self.codes).astype(np.intp)] & ~gone)

    def same_as(self, other: Given, mask: Array | None) -> bool:
        """Tell whether another rater's votes are these inside a mask."""
        mine, theirs = (one.classes or [one.first] for one in (self, other))
        kinds = self.kinds is other.kinds or np.array_equal(self.kinds, other.kinds)  # type: ignore[arg-type]
        pairs = zip(mine, theirs, strict=False)
        return (
            kinds and len(mine) == len(theirs) and all(equal_votes(two, (None, None), mask) for two in pairs)
        )

    @property
    def first(self) -> Array:
        """An array of the volume's shape."""
        return self.classes[0] if self.codes is None else self.codes


def listed_raters(votes: Votes) -> Votes:
    """Return votes with a list of raters, some of whom may be :class:`SoftLabels`."""
    raters = votes.raters
    if isinstance(raters, SoftLabels):
        raise TypeError("raters is one SoftLabels: give a list, one per rater")
    if isinstance(raters, (list, tuple)) and any(isinstance(one, SoftLabels) for one in raters):
        return replace(votes, raters=list(raters), axis=0, are_listed=True)
    return votes.listed()


def volume_axes(votes: Votes, labels: Any) -> int | None:
    """Return the number of axes of a volume if there are soft votes; None if all raters have label maps."""
    read = [(name_of(i, votes.names), one) for i, one in enumerate(votes.raters) if one is not None]
    rings = [one.label.ndim for _, one in read if isinstance(one, SoftLabels)]
    if rings:
        return rings[0]
    count = None if isinstance(labels, str) else len(labels)
    shapes = [_shape_of(one, name) for name, one in read]
    axes = {len(shape) for shape in shapes}
    if len(axes) == 2 and max(axes) - min(axes) == 1:
        return min(axes)
    if len(axes) != 1 or max(axes) < 2:
        return None
    for name, one in read:
        _check_channels(as_array(one, name), name, count)
    fit = [
        (name, one)
        for (name, one), shape in zip(read, shapes, strict=True)
        if shape[0] >= 2 and count in (None, shape[0])
    ]
    soft = any(_is_soft(as_array(one, name), sure=count is not None) for name, one in fit)
    if soft or (len(fit) == len(read) and _are_one_hot_pairs([as_array(one, name) for name, one in fit])):
        return axes.pop() - 1
    return None


def _check_channels(array: Array, name: str, count: int | None) -> None:
    """Refuse probabilities whose channels are not as many as the labels, or lie last."""
    last = array.ndim - 1
    if array.dtype.kind != "f":
        return
    if count is None and (_sums_to_one(array, 0) or not _sums_to_one(array, last)):
        return
    if (count is not None and array.shape[0] == count) or not _has_fractions(array):
        return
    if _sums_to_one(array, last) and count in (None, array.shape[last]):
        raise ValueError(
            f"{name} has shape {array.shape} and sums to 1 along its last axis: the labels come first, as by "
            "numpy.moveaxis(votes, -1, 0)"
        )
    for axis in (0, last):
        if count is not None and _sums_to_one(array, axis):
            raise ValueError(
                f"{name} has shape {array.shape}: it sums to 1 along {counted(array.shape[axis], 'channel')}, and there are "
                f"{counted(count, 'label')}: name the label of each channel, in their order, by labels"
            )


def _sums_to_one(array: Array, axis: int) -> bool:
    if array.shape[axis] < 2:
        return False
    voted = False
    for count in (FIRST, FEW):  # a label map ends here
        few = sum(channel.flat[:count].astype(np.float64) for channel in np.moveaxis(array, axis, 0))
        with np.errstate(invalid="ignore"):
            if not (np.isnan(few) | (np.abs(few - 1) <= SUM)).all():
                return False
        voted = not np.isnan(few).all()
    return voted


def _shape_of(rater: Any, name: str) -> tuple[int, ...]:
    """Return a rater's shape, where it can be without reading the voxels."""
    told = getattr(rater, "shape", None)
    return told if isinstance(told, tuple) else as_array(rater, name).shape


def _is_soft(array: Array, *, sure: bool) -> bool:
    """Tell whether an array holds a probability of each label, and not labels; ``sure``: it has one channel for each."""
    if array.dtype.kind == "f":
        if not sure and not _sums_to_one(array, 0):
            return False
        if _has_fractions(array):
            return True
    return array.shape[0] > 2 and _is_one_hot(array)  # those of two labels: see below


def _is_one_hot(array: Array) -> bool:
    """Tell whether each voxel has 1 in one channel and 0 in the others, or nan in all, as where a vote is missing."""
    for count in (FIRST, FEW):  # a label map ends at the first
        if not _are_one_hot(np.stack([channel.flat[:count] for channel in array])):
            return False
    is_voted = array.size > 0 and not (array.dtype.kind == "f" and bool(np.isnan(array).all()))
    return is_voted and _are_one_hot(array)


def _are_one_hot(few: Array) -> bool:
    """Tell it of these voxels, channels first."""
    gone = np.isnan(few).all(axis=0) if few.dtype.kind == "f" else None
    if gone is not None and gone.any():
        few = few[:, ~gone]
    return bool(((few == 0) | (few == 1)).all() and (few.sum(axis=0, dtype=np.float64) == 1).all())


def _are_one_hot_pairs(arrays: Sequence[Array]) -> bool:
    """Tell whether all raters give one-hot votes of two labels; small label maps of two slices may look like these."""
    told = [array for array in arrays if len(array) == 2 and array[0].size >= FEWEST and _is_one_hot(array)]
    return 0 < len(told) == len(arrays) and any(0 < np.nanmean(array[0]) < 1 for array in told)


def _has_fractions(array: Array) -> bool:
    for channel in array:
        for part in (channel.flat[:FEW], channel):
            with np.errstate(invalid="ignore"):
                if (np.abs(part - np.rint(part)) > LABEL_TOLERANCE).any():
                    return True
    return False


def read_raters(
    votes: Votes, labels: Labels, order: Sequence[int], axes: int, mask: Array | None, missing: str
) -> list[Given | None]:
    """Return the raters' votes; ``order``: the channel of each label.

    Raises
    ------
    ValueError, TypeError
        Naming the rater whose shape, or whose label, does not fit.
    """
    found: list[Given | None] = []
    for i, rater in enumerate(votes.raters):
        name = name_of(i, votes.names)
        if rater is None:
            found.append(None)
        elif isinstance(rater, SoftLabels):
            found.append(_of_rings(rater, labels, name, mask))
        else:
            array = as_array(rater, name)
            if array.ndim == axes:
                codes = codes_of(array, labels, name, mask, missing)
                found.append(Given([], codes, np.eye(len(labels.values))))
            elif array.ndim == axes + 1 and array.shape[0] == len(order):
                found.append(Given([array[place] for place in order]))
            else:
                raise ValueError(
                    f"{name} has shape {array.shape}: soft votes of {counted(len(order), 'label')} have shape ({len(order)}, ...), the "
                    f"labels first, and a label map beside them has {counted(axes, 'axis')}"
                )
    read = [one for one in found if one is not None]
    if not read:
        raise ValueError("all raters are None: give at least one array of votes")
    for i, one in enumerate(found):
        if one is not None and one.shape != read[0].shape:
            raise ValueError(
                f"{name_of(i, votes.names)} has a volume of shape {one.shape}, others of shape {read[0].shape}: resample to "
                "one grid"
            )
    return found


def codes_of(array: Array, labels: Labels, name: str, mask: Array | None, missing: str) -> Array:
    """Return a label map as codes, nan where a vote is missing."""
    gone = np.isnan(array) if array.dtype.kind == "f" else np.zeros((), bool)
    values = np.asarray(labels.values)
    with np.errstate(invalid="ignore"):
        whole = np.rint(array) if array.dtype.kind == "f" else array
        near = np.abs(array - whole) <= LABEL_TOLERANCE if array.dtype.kind == "f" else np.ones((), bool)
    codes = np.minimum(np.searchsorted(values, whole), len(values) - 1)
    good = (values[codes] == whole) & near
    wrong = ~(good | (gone & (missing == "nan")))
    if mask is not None:
        wrong &= mask != 0
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        told = enumerated([str(value) for value in labels.values])
        raise ValueError(
            f"{name} holds {float(array[place]):g} at voxel {place}, which is not in labels ({told}): add it there"
        )
    if gone.any():
        return np.where(gone, np.float32(np.nan), codes.astype(np.float32))
    return codes.astype(np.min_scalar_type(len(values)))


def _of_rings(soft: SoftLabels, labels: Labels, name: str, mask: Array | None) -> Given:
    """Return a map of codes: the labels, then the rings of the labels."""
    count = len(labels.values)
    if soft.background not in labels.values:
        raise ValueError(f"labels lacks {soft.background}, the background of {name}: add it there")
    ground = labels.values.index(soft.background)
    codes = codes_of(soft.label, labels, name, mask, "error")
    rings = codes_of(soft.ring, labels, f"the ring of {name}", mask, "error")
    kinds = np.vstack([np.eye(count), soft.weight * np.eye(count)])
    kinds[count:, ground] += 1 - soft.weight
    on_ring = soft.ring != soft.background
    return Given([], np.where(on_ring, rings.astype(np.uint32) + count, codes).astype(
        np.min_scalar_type(2 * count)
    ), kinds)  # fmt: skip
