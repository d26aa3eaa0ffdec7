"""Converts what holds votes to NumPy arrays of one shape, and names voxels and values in messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MOST_STACKED = 64  # a stack of more integers is one image rather
TITLES = {"mask": "the mask", "prior": "the prior map"}  # what messages call them
MARKED = 0.1  # a vote above this marks: the rings of soft masks do, what a network leaves everywhere does not
MOST_LABELS_NAMED = 10


def as_array(value: Any, name: str) -> Array:
    """Return ``value`` as a NumPy array of booleans, integers or floats, without a copy where it can be.

    Raises
    ------
    TypeError
        If it is no array, or its elements are complex, strings, objects or wider than 64 bits.
    """
    if type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray):  # np.ma takes long to import
        raise TypeError(f"{name} is a masked array: fill it, and pass what counts as mask=")
    if value is None:
        raise TypeError(f"{name} is None: only a fusion takes None, for a rater who did not read the case")
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise TypeError(f"{name} is {value!r}, not an array: the functions that end in _files take paths")
    if hasattr(value, "dataobj"):  # a nibabel image: its array, in the type of the file
        value = value.dataobj
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        raise TypeError(f"{name} cannot be read as an array ({error}); convert it to NumPy") from error
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} holds elements of type {array.dtype}: convert it to bool, an integer or float16/32/64"
        )
    return array


def as_raters(raters: Any, names: Sequence[str] | None = None) -> list[Array]:
    """Return the raters' arrays, all of one shape.

    Parameters
    ----------
    raters : sequence of m array_like of one shape, or one array_like of shape (m, ...)
    names : sequence of m str, optional
        What to call them in messages; "rater 0", "rater 1", ... otherwise.

    Raises
    ------
    TypeError, ValueError
        Naming the rater, if there is none, if one cannot be read, or if shapes differ.
    """
    arrays = _separate(raters, names)
    if not arrays:
        raise ValueError("no raters: give at least one array of votes")
    shape = arrays[0].shape
    if not shape:
        raise ValueError(f"{name_of(0, names)} is a single number: each rater is an array over the voxels")
    for i, array in enumerate(arrays):
        if array.shape != shape:
            raise ValueError(
                f"{name_of(i, names)} has shape {array.shape}, {name_of(0, names)} has shape {shape}: resample to one grid"
            )
    if 0 in shape:
        raise ValueError(f"the raters' arrays are empty: shape {shape}")
    return arrays


def selected(votes: Array, label: int) -> NDArray[np.bool_]:
    """Return where a label map holds this label; single-precision scaling may have made it 2.9999999."""
    return np.asarray((np.rint(votes) if votes.dtype.kind == "f" else votes) == label)


def marks(votes: Array, label: int | None) -> NDArray[np.bool_]:
    """Return where a rater marks foreground, or the label that is fused."""
    return np.asarray(votes > MARKED) if label is None else selected(votes, label)


def spacing_of(raters: Any) -> tuple[float, ...] | None:
    """Return the voxel size in the header of the first nibabel image among the raters, if there is one."""
    for rater in raters if isinstance(raters, (list, tuple)) else []:
        if hasattr(rater, "dataobj") and hasattr(getattr(rater, "header", None), "get_zooms"):
            return tuple(float(side) for side in rater.header.get_zooms())
    return None


def named_raters(raters: Any) -> list[tuple[str, Any]]:
    """Return listed raters with their names, nothing for one array or an iterator."""
    listed = raters if isinstance(raters, (list, tuple)) else []
    return [(name_of(i, None), rater) for i, rater in enumerate(listed)]


def name_of(rater: int, names: Sequence[str] | None) -> str:
    """Return what messages call a rater."""
    return names[rater] if names and rater < len(names) else f"rater {rater}"


def _separate(raters: Any, names: Sequence[str] | None) -> list[Array]:
    if hasattr(raters, "dataobj"):
        raise TypeError("raters is one image: give a list of images, one per rater")
    if isinstance(raters, (dict, set, frozenset)):
        raise TypeError(
            f"raters is a {type(raters).__name__}: give a list of arrays, one per rater, in order"
        )
    is_array = hasattr(raters, "__array__") or hasattr(raters, "__dlpack__")
    if not is_array and isinstance(raters, Iterable) and not isinstance(raters, (str, bytes)):
        return [as_array(value, name_of(i, names)) for i, value in enumerate(raters)]
    stack = as_array(raters, "raters")
    if stack.ndim < 2:
        raise ValueError(f"raters is one array of shape {stack.shape}: it needs the raters on its first axis")
    if stack.ndim == 3 and stack.dtype.kind in "bui" and len(stack) > MOST_STACKED:
        raise ValueError(
            f"raters is one array of shape {stack.shape}, which looks like one image, not {len(stack)} raters: "
            "give a list of images, or stack them on a new first axis"
        )
    return list(stack)


def as_companion(value: Any, name: str, shape: tuple[int, ...], others: str = "the raters have") -> Array:
    """Return a mask or a prior map as an array of the shape that ``others`` (a subject and its verb)."""
    array = as_array(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, {others} shape {shape}")
    return array


def axes_in_memory_order(array: Array) -> tuple[int, ...]:
    """Return the axes from the slowest to the fastest, so that transposing by them gives C order."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))


def told_once(array: Array) -> Array:
    """Return the only value of an array that repeats it without memory, any other array as it is."""
    return array if any(array.strides) else array.flat[:1]


def shown_number(value: float) -> str:
    """Return a number as short as it can be without being another one."""
    short = f"{value:g}"
    return short if float(short) == value or math.isnan(value) else repr(value)


def coordinates(voxel: int, shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    """Return the place of the voxel with this index in memory order."""
    in_memory_order = np.unravel_index(voxel, [shape[axis] for axis in axes])
    place = dict(zip(axes, in_memory_order, strict=True))
    return tuple(int(place[axis]) for axis in range(len(shape)))


def labels_in(array: Array) -> str:
    """Name the values that occur: the first ten, and the number of the others."""
    values = np.unique(told_once(array))
    named = ", ".join(shown_number(float(value)) for value in values[:MOST_LABELS_NAMED])
    return (
        named if len(values) <= MOST_LABELS_NAMED else f"{named}, and {len(values) - MOST_LABELS_NAMED} more"
    )
