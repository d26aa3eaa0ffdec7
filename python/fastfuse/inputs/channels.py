"""Finds votes that are classes: one-hot channels, or a network's probabilities of all classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .libraries import are_arrays, place_of_image

MOST_CHANNELS = 64
FEW, SOME = 12, 24  # voxels along an axis that are looked at first; few tell nearly always
FEWEST_VOXELS = 64  # of a channel; fewer may sum to 1 by chance
ROUNDING = 2e-3  # of probabilities, at the least
SCALED = (100.0, 255.0)  # what usually stands for 1, where that does not
MOST_ROUNDED = 8  # classes whose rounding adds up: of many, most are near 0
COARSEST = 0.1  # of a sum that rounding may move: of wider steps, such as those of 0 and 1, none was rounded
LEAST = (
    0.01,
    0.1,
)  # share of the voxels that classes mark that are all 0 elsewhere: probabilities, and masks
LEAST_OF_PAIR = (0.1, 2.0)  # where two masks may be raters who never meet
LEAST_OF_SLICES = (0.1, 0.25)  # where the slices of a volume may look like such classes
LEAST_OF_CHANNELS = (0.01, 0.01)  # of arrays of more than three axes
CLEAR = 0.98  # a probability that is as good as 1
EPS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}  # by the type that a network gave


def check_channels(raters: Sequence[Any], arrays: Sequence[NDArray[Any]], names: Sequence[str]) -> None:
    """Refuse raters that hold several channels, and channels that were given as raters.

    Raises
    ------
    ValueError
        Naming the first rater and the axis of the channels.
    """
    plain = are_arrays(raters)
    for rater, name in [] if plain else zip(raters, names, strict=True):
        place = place_of_image(rater)
        if place is not None and place.channels > 1:
            raise ValueError(f"{name} has {place.channels} channels: give one of them, as rater[1:2] is")
    eps = 0.0 if plain and not _any_half(arrays) else max(map(_eps_of, (*raters, *arrays)))
    _check_axes(arrays, names, 1.0, eps, 0.0)
    check_classes(arrays, 1.0, names, eps=eps)


def _check_axes(
    arrays: Sequence[NDArray[Any]], names: Sequence[str], total: float, eps: float, step: float
) -> None:
    """Refuse raters each of whom sums to ``total`` along the first axis or the last."""
    shape = arrays[0].shape
    for axis in (0, len(shape) - 1):
        if not _may_be(shape, axis):
            continue
        tolerance = _tolerance(shape[axis], eps, step / total)
        if not _may_sum_to(arrays, axis, total, tolerance):
            continue
        if not any(_in_several(array, axis) for array in arrays):
            continue
        where = ""
        if all(_sums_to(array, axis, total, tolerance) for array in arrays):
            where = "everywhere"
        elif all(_sums_or_none(array, axis, total, tolerance) for array in arrays):
            where = "wherever it is not 0"
        if where:
            one = "rater[1]" if axis == 0 else "rater[..., 1]"
            raise ValueError(
                f"{names[0]} has shape {shape} and sums to {total:g} along axis {axis} {where}, as one-hot channels or "
                f"the probabilities of classes do, and so does every rater: give one class of each, such as {one}"
            )


def check_classes(
    arrays: Sequence[NDArray[Any]],
    total: float,
    names: Sequence[str] = (),
    *,
    eps: float = 0.0,
    step: float = 0.0,
) -> None:
    """Refuse arrays that sum to ``total`` at every voxel: the classes of one rater.

    ``eps`` is that of the elements' type, ``step`` the distance of neighbouring values.
    """
    if not (2 <= len(arrays) <= MOST_CHANNELS and arrays[0].size >= FEWEST_VOXELS):
        return
    tolerance = _tolerance(len(arrays), eps, step / total)
    if not _may_sum_to(arrays, None, total, tolerance):
        return
    where = "at every voxel"
    sum_to = _are_classes(arrays, total, tolerance)
    if not sum_to:
        where = "wherever one is not 0"
        sum_to = _are_classes_or_none(arrays, total, tolerance, LEAST_OF_PAIR if len(arrays) == 2 else LEAST)
    if sum_to:
        if len(names) == len(arrays) == 2:
            raise ValueError(
                f"{names[1]} is the inverse of {names[0]}: both sum to {total:g} {where}; of two raters, turn the votes of the one "
                "that is inverted; of two classes of one rater, give one of them"
            )
        raise ValueError(
            f"the {len(arrays)} raters' votes sum to {total:g} {where}, as one-hot channels or the probabilities of "
            "classes do: give a list of raters, one class of each"
        )


def check_scaled_classes(
    arrays: Sequence[NDArray[Any]],
    names: Sequence[str],
    totals: Sequence[float] = SCALED,
    raters: Sequence[Any] = (),
) -> None:
    """Refuse raters, or channels of each, that sum to one of the totals at every voxel, before they become votes.

    ``raters`` are what the arrays were made of, whose type tells how far they were rounded.
    """
    eps = max(map(_eps_of, (*raters, *arrays)))
    step = 1.0 if arrays[0].dtype.kind in "iu" else 0.0
    for total in dict.fromkeys(totals):
        _check_axes(arrays, names, total, eps, step)
        check_classes(arrays, total, names, eps=eps, step=step)


def _any_half(arrays: Sequence[NDArray[Any]]) -> bool:
    return any(array.dtype.char == "e" for array in arrays)


def _eps_of(value: Any) -> float:
    if type(value) is np.ndarray and value.dtype.kind in "buif":  # a type's name takes long to make
        return EPS["float16"] if value.dtype.char == "e" else 0.0
    kind = str(getattr(value, "dtype", "")).rpartition(".")[2]
    return EPS.get(kind, 0.0)


def _tolerance(classes: int, eps: float, step: float = 0.0) -> float:
    """Return how far the sum of rounded probabilities may lie from 1."""
    rounded = min(classes, MOST_ROUNDED)
    steps = rounded * step / 2
    return max(ROUNDING, rounded * eps, steps if steps <= COARSEST else 0.0)


def _may_sum_to(arrays: Sequence[NDArray[Any]], axis: int | None, total: float, tolerance: float) -> bool:
    """Tell by few voxels whether arrays may sum to ``total``, or be 0: together, or each along an axis."""
    return _core.may_sum_to(list(arrays), axis, total, tolerance, FEW)


def _may_be(shape: Sequence[int], axis: int) -> bool:
    """Tell whether an axis may be that of channels, by its length."""
    return (
        len(shape) > 1
        and 2 <= shape[axis] <= MOST_CHANNELS
        and math.prod(shape) >= FEWEST_VOXELS * shape[axis]
    )


def _sums_to(array: NDArray[Any], axis: int, total: float, tolerance: float) -> bool:
    moved = np.moveaxis(array, axis, 0)
    corner: Any = (slice(None), *(0,) * (array.ndim - 2))
    row = moved[corner]  # which tells nearly always
    return all(
        _is_one(part.sum(axis=0, dtype=np.float64) / total, tolerance) and bool((part >= 0).all())
        for part in (row, moved)
    )


def _sums_or_none(array: NDArray[Any], axis: int, total: float, tolerance: float) -> bool:
    """Tell whether an array sums to ``total`` along an axis, but where it is 0 all along it."""
    least = LEAST_OF_CHANNELS if array.ndim > 3 else LEAST_OF_SLICES
    return _are_classes_or_none(list(np.moveaxis(array, axis, 0)), total, tolerance, least)


def _in_several(array: NDArray[Any], axis: int) -> bool:
    """Tell whether more than one channel marks something: a mask of one whole slice sums to 1, too."""
    return sum(bool(channel.any()) for channel in np.moveaxis(array, axis, 0)) > 1


def _are_classes(arrays: Sequence[NDArray[Any]], whole: float, tolerance: float) -> bool:
    """Tell whether raters sum to ``whole`` at every voxel, and more than one marks something."""
    rows = [array[(0,) * (array.ndim - 1)] for array in arrays]
    for parts in (rows, arrays):  # a row tells nearly always
        if not _is_one(_sum_of(parts) / whole, tolerance) or any(bool((part < 0).any()) for part in parts):
            return False
    return sum(bool(array.any()) for array in arrays) > 1


def _are_classes_or_none(
    arrays: Sequence[NDArray[Any]], whole: float, tolerance: float, least: tuple[float, float]
) -> bool:
    """Tell whether arrays sum to ``whole`` wherever one is not 0, and mark at least a share of the voxels.

    ``least``: that share, of probabilities and of masks.
    """
    if not _may_sum_to(arrays, None, whole, tolerance):
        return False
    for parts, part_of_least in ((_some(arrays, SOME), 0.5), (arrays, 1.0)):
        total = _sum_of(parts)
        marked = total != 0
        if not marked.any() or not _is_one(total[marked] / whole, tolerance):
            return False
        highest = np.zeros(total.shape)
        for part in parts:
            np.maximum(highest, part, out=highest)
        if np.ptp(highest[marked]) <= tolerance * whole < (1 - highest[marked].max() / whole) * whole:
            return False  # one number everywhere, such as two raters who are both half sure
        masks = np.mean(highest[marked] >= CLEAR * whole) > 0.99
        if np.mean(marked) < part_of_least * least[int(masks)] or any((part < 0).any() for part in parts):
            return False
    return int(np.count_nonzero(marked)) >= FEWEST_VOXELS and sum(bool(array.any()) for array in arrays) > 1


def _some(arrays: Sequence[NDArray[Any]], most: int) -> list[NDArray[Any]]:
    """Return so many voxels of each array along each axis, or up to twice as many."""
    at = tuple(slice(None, None, max(1, length // most)) for length in arrays[0].shape)
    return [array[at] for array in arrays]


def _sum_of(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    total = np.zeros(arrays[0].shape)
    for array in arrays:
        total += array
    return total


def _is_one(sums: NDArray[np.float64], tolerance: float) -> bool:
    return bool((np.abs(sums - 1) <= tolerance).all())
