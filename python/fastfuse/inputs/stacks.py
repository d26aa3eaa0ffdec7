"""Where raters lie: in a list, or on one axis of an array."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import as_array
from .in_memory import labels_of
from .libraries import Slice, are_arrays, device_of, is_dask, is_image, is_torch, place_of_image
from .names import counted, quoted

Stack = tuple[Any, int | None]  # what parts were taken of, and along which axis

MOST_STACKED = 64  # raters of one array; more of them are voxels rather
FEW = 8  # raters that may be more than the voxels without a word: examples, and tests
MANY = 10  # raters of a stack, above which a shorter last axis is that of the raters rather:
SURE_LAST = 10  # surely, if it holds up to this
MOST_LAST = 20  # perhaps, if it holds up to this
GIVE_AXIS = "axis=-1 if raters lie on the last axis, axis=0 if they do lie on the first"
ONE_IMAGE = "one image? give a list of images, one per rater"


def listed(raters: Any, axis: Any = None) -> tuple[list[Any], list[str]]:
    """Return the raters as a list, and doubts about that: arrays, tensors or images, None for who did not read the case.

    Parameters
    ----------
    raters : sequence of m array_like or None, or one array_like
    axis : int, optional
        Where raters lie, of ``raters`` as one array. By default they lie on the first axis, and shapes that fit
        another one rather are refused.

    Raises
    ------
    TypeError, ValueError
        For what is one image or none, and for shapes that tell of raters on another axis.
    """
    if axis is None and type(raters) in (list, tuple) and are_arrays(raters):
        return list(raters), _check_list(raters)
    for i, value in enumerate((raters, *raters) if isinstance(raters, (list, tuple)) else (raters,)):
        if is_torch(value) and value.is_nested:
            what = f"rater {i - 1}" if i else "raters"
            raise TypeError(
                f"{what} cannot be read as an array (a nested tensor); convert it to a padded one, or to NumPy"
            )
    place = None if axis is None else _axis(axis)
    if is_image(raters) and place is None:
        raise TypeError(
            "raters is one image: give a list of images, one per rater, such as the components of one with several values a voxel; "
            "or an array of all, and axis=, the one on which raters lie"
        )
    if isinstance(raters, (dict, set, frozenset)) and not is_image(raters):
        raise TypeError(
            f"raters is a {type(raters).__name__}: give a list of arrays, one per rater, in order"
        )
    if is_image(raters) or _is_array(raters) or not isinstance(raters, Iterable) or _is_text(raters):
        return slices(raters, place, "raters")
    items = list(raters)
    _check_not_nested(items)
    if place is not None and place != 0:
        if any(item is None or is_image(item) for item in items):
            raise ValueError(
                f"axis is {axis}: it says where raters lie in one array; this is a list of raters, so leave it out"
            )
        return slices(_stacked(items), place, "raters")
    return items, _check_list(items) if place is None else []


def is_stack(raters: Any, axis: Any) -> bool:
    """Tell whether :func:`listed` takes raters apart, so that its list holds none of the caller's own objects."""
    if isinstance(raters, (list, tuple)):
        return axis not in (None, 0)
    return is_image(raters) or _is_array(raters)


def _stacked(items: Sequence[Any]) -> Any:
    """Return a list as one array, or as one tensor."""
    if items and all(is_torch(item) for item in items):
        torch: Any = sys.modules["torch"]
        return torch.stack(items)
    return as_array([as_array(item, f"raters[{i}]") for i, item in enumerate(items)], "raters")


def slices(stack: Any, axis: int | None, name: str) -> tuple[list[Any], list[str]]:
    """Return the parts of a stack along the axis of the raters, and doubts about that axis.

    Tensors stay tensors, and what an image tells of its place goes with its parts.
    """
    native = is_torch(stack) or device_of(stack) is not None or is_dask(stack)
    whole: Any = stack if native else as_array(stack, name)
    shape = tuple(whole.shape)
    if len(shape) < 2:
        raise ValueError(f"{name} is one array of shape {shape}: it needs the raters on its first axis")
    doubts = check_stack(shape, name) if axis is None else []
    along = 0 if axis is None else axis
    if not -len(shape) <= along < len(shape):
        raise ValueError(
            f"axis is {along}: {name} has {counted(len(shape), 'axis')}, so it lies from {-len(shape)} to {len(shape) - 1}"
        )
    along %= len(shape)
    before: tuple[Any, ...] = (slice(None),) * along
    parts = [whole[(*before, i)] for i in range(shape[along])]
    if along and device_of(stack) is not None:  # a device takes them whole
        parts = [part.contiguous() if hasattr(part, "contiguous") else part.copy() for part in parts]
    place = None if native else _place_of_parts(stack, along)
    labels = tuple(one for at, one in enumerate(labels_of(stack)) if at != along)
    if place is None and not labels:
        return parts, doubts
    return [Slice(part, place, labels) for part in parts], doubts


def check_stack(shape: Sequence[int], name: str) -> list[str]:
    """Refuse a stack whose first axis is not where raters lie, by its shape; return a doubt that is not sure.

    Refused: above 64 raters; with three axes or more, above 10 where the last axis is shorter and holds at most 10. In
    doubt: with three axes or more, above 10 raters where the last axis is shorter and holds at most 20; above 10 raters
    of one slice each; above 8 raters that are more than the voxels. Axes of length 1 tell nothing.
    """
    return _doubts_on(shape, f"{name} is one array of shape {tuple(shape)}")


def _doubts_on(shape: Sequence[int], said: str, *, in_list: bool = False) -> list[str]:
    raters, *sides = shape[0], *(length for length in shape[1:] if length != 1)
    voxels = math.prod(sides)
    if in_list and len(sides) == 2 and raters > MOST_STACKED:
        raise ValueError(
            f"{said}, which look like the slices of one image, not {raters} raters: give a list of images, one per rater; or "
            "axis=0 if each is a rater of its own"
        )
    if len(sides) > 1 and raters > MOST_STACKED and not in_list:
        raise ValueError(
            f"{said}, which looks like one image, not {raters} raters: give a list of images, one per rater; or, of a "
            f"stack, {GIVE_AXIS}"
        )
    if len(sides) > 1 and raters > MANY and sides[-1] < raters and sides[-1] <= MOST_LAST:
        doubt = f"{said}, which looks like {sides[-1]} raters on the last axis: give {GIVE_AXIS}; {ONE_IMAGE}"
        if sides[-1] <= SURE_LAST:
            raise ValueError(doubt)
        if len(sides) == 2:
            doubt = (
                f"{said}, which may be one image: give a list of arrays, one per rater; or axis=-1 if it holds {sides[-1]} "
                f"raters on the last axis, axis=0 if {raters} on the first"
            )
        return [f"{doubt}; it was taken for {raters} raters"]
    if len(sides) == 2 and raters > MANY:
        doubt = f"{said}, which may be one image: give a list of arrays, one per rater; or axis=0 if it holds {raters} raters"
        return [f"{doubt}; it was taken for {raters} raters"]
    doubt = f"{said}, which would be {counted(raters, 'rater')} of {_voxels(voxels)}: give {GIVE_AXIS}; {ONE_IMAGE}"
    if len(sides) < 2 and raters > MOST_STACKED:
        raise ValueError(doubt)
    return _of_table(raters, voxels, doubt)


def _check_list(items: Sequence[Any]) -> list[str]:
    """Treat arrays of two axes or more as their stack, and numbers as a table's rows, above 64 or where they are few.

    More than 64 arrays of three axes are raters: no image has four axes.
    """
    first = next((item for item in items if item is not None), None)
    if is_image(first) or isinstance(first, Slice):
        return []
    shape = np.shape(first) if isinstance(first, (list, tuple)) else getattr(first, "shape", None)
    if not shape:
        return []
    sides = [int(length) for length in shape if length != 1]
    if len(sides) > 1:
        slices_of_one = len(sides) == 2 and len(items) > MANY
        if any(item is None for item in items) or not (slices_of_one or len(items) > MOST_STACKED):
            return []
        said = f"raters is a list of {len(items)} arrays of shape {tuple(shape)}"
        return _doubts_on((len(items), *sides), said, in_list=True)
    if len(shape) > 1 or shape[0] > MOST_LAST:
        return []
    voxels = int(shape[0])
    said = f"raters is a list of {len(items)} that hold {_voxels(voxels)} each"
    remedy = (
        "if they are the items of a table, and raters its columns, give axis=1; if they are raters, axis=0"
    )
    return _of_table(len(items), voxels, f"{said}: {remedy}")


def _check_not_nested(items: Sequence[Any]) -> None:
    """Refuse a rater who is a list of volumes: of cases, or of a case's raters."""
    for i, item in enumerate(items):
        if isinstance(item, (list, tuple)) and any(
            is_image(part) or len(getattr(part, "shape", ())) > 2 for part in item
        ):
            raise TypeError(
                f"rater {i} is a list of {len(item)} volumes: give one array or image for each rater, and fuse one case "
                "at a time"
            )


def _of_table(raters: int, voxels: int, doubt: str) -> list[str]:
    if not 0 < voxels < raters or raters <= FEW:
        return []
    if raters > MOST_STACKED:
        raise ValueError(doubt)
    return [f"{doubt}; they were taken for raters"]


def _place_of_parts(stack: Any, axis: int) -> Any:
    """Return where the parts of an image lie, of which the whole has one axis more."""
    place = place_of_image(stack)
    if place is None or place.sides is None or len(place.sides) < 2:
        return place if place is None or place.sides is None else None
    sides = place.sides[:axis] + place.sides[axis + 1 :]
    whole = getattr(stack, "affine", None) if hasattr(stack, "dataobj") else None
    in_space = whole is not None and axis == len(place.sides) - 1 == 3
    if in_space:
        return replace(place, affine=np.asarray(whole, dtype=np.float64), sides=sides)
    return replace(place, affine=None, sides=sides, channels=1, uneven=())


def _axis(axis: Any) -> int:
    if not isinstance(axis, (bool, np.bool_)):
        with suppress(TypeError):
            return operator.index(axis)
    raise TypeError(
        f"axis is {quoted(axis)}: it must be an integer, the axis of one array on which raters lie"
    )


def _is_array(value: Any) -> bool:
    return (
        hasattr(value, "__array__") or hasattr(value, "__dlpack__") or hasattr(value, "__array_interface__")
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or hasattr(value, "__fspath__")


def _voxels(number: int) -> str:
    return f"{number} voxel{'s' * (number != 1)}"
