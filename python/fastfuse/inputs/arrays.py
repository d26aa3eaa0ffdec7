"""Converts what holds votes to NumPy arrays of one shape, and names voxels and values in messages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import reason_of
from .channels import check_channels
from .libraries import Slice, voxels_of
from .names import quoted

Array = NDArray[Any]

TITLES = {"mask": "the mask", "prior": "the prior map"}  # what messages call them
RESULTS = {  # what holds votes of fastfuse's own results
    "SoftMask": ".values",
    "Fusion": ".probability",
    "BorderFusion": ".probability",
    "ClassFusion": ".probability",
    "LabelFusion": ".label()",
    "SoftLabels": ".votes(labels), or give labels= to a fusion",
    "MeanDice": ".mask",
}
MARKED = 0.1  # a vote above this marks: the rings of soft masks do, what a network leaves everywhere does not
MOST_LABELS_NAMED = 10


def as_array(value: Any, name: str) -> Array:
    """Return ``value`` as a NumPy array of booleans, integers or floats, without a copy where it can be.

    Raises
    ------
    TypeError
        If it is no array, or its elements are complex, strings, objects or wider than 64 bits.
    """
    array: Array = value if type(value) is np.ndarray else _converted(value, name)
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} holds elements of type {array.dtype}: convert it to bool, an integer or float16/32/64"
        )
    return array


def _converted(value: Any, name: str) -> Array:
    """Return anything but a plain array as one, of whatever elements."""
    if isinstance(value, np.ma.MaskedArray):  # np.ma takes long to import
        raise TypeError(
            f"{name} is a masked array: fill it, as by filled(0), and say which voxels count: mask= for all arrays alike, in a "
            "fusion present= for each rater"
        )
    if value is None:
        raise TypeError(f"{name} is None: only a fusion takes None, for a rater who did not read the case")
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise TypeError(
            f"{name} is {quoted(value)}, not an array: the functions that end in _files take paths"
        )
    kind = type(value)
    if kind in (dict, set, frozenset):
        raise TypeError(f"{name} is a {kind.__name__}, not an array: take the array out of it")
    if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        _check_no_result(value, name)
    voxels = voxels_of(value, name)
    try:
        if hasattr(voxels, "__dlpack__") and not hasattr(voxels, "__array__"):
            array = np.from_dlpack(voxels)
        else:
            array = _with_nan(voxels) if _has_na(voxels) else np.asarray(voxels)
    except MemoryError:
        raise
    except Exception as error:
        raise TypeError(
            f"{name} cannot be read as an array ({reason_of(error)}); convert it to NumPy"
        ) from error
    told = getattr(voxels, "shape", None)
    if isinstance(told, tuple) and told != array.shape:  # one that NumPy reads value by value
        by = ", as by its toarray()" if hasattr(voxels, "toarray") else ""
        raise TypeError(
            f"{name} has shape {told}, and NumPy reads shape {array.shape}; convert it to NumPy{by}"
        )
    return array


def _has_na(value: Any) -> bool:
    """Tell a Series or a table of pandas whose numbers may be NA, of which NumPy makes objects."""
    if not (hasattr(value, "iloc") and hasattr(value, "to_numpy")):
        return False
    columns = list(value.dtypes) if hasattr(value, "columns") else [value.dtype]
    numbers = all(column.kind in "biuf" for column in columns)
    return (
        numbers
        and any(hasattr(column, "na_value") for column in columns)
        and bool(value.isna().to_numpy().any())
    )


def _with_nan(value: Any) -> Array:
    """Return such values with nan for NA, as pandas itself does for integers and floats of a Series."""
    found: Array = value.to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _check_no_result(value: Any, name: str) -> None:
    """Refuse fastfuse's own results: those that hold votes by what does, others as none."""
    kind = type(value).__name__
    if kind in RESULTS:
        raise TypeError(f"{name} is a {kind}: pass its {RESULTS[kind]}")
    if not isinstance(value, Slice) and not hasattr(value, "__array__"):
        raise TypeError(
            f"{name} is {'an' if kind[0] in 'AEIOU' else 'a'} {kind}, which holds no votes: give arrays or images"
        )


def as_raters(raters: Sequence[Any], names: Sequence[str] | None = None) -> list[Array]:
    """Return the raters' arrays, all of one shape.

    Parameters
    ----------
    raters : sequence of m array_like of one shape
        As :func:`listed` returns them.
    names : sequence of m str, optional
        What to call them in messages; "rater 0", "rater 1", ... otherwise.

    Raises
    ------
    TypeError, ValueError
        Naming the rater, if there is none, if one cannot be read, if shapes differ, or if they hold classes as channels.
    """
    called = names if names and len(names) == len(raters) else [name_of(i, names) for i in range(len(raters))]
    arrays = [as_array(value, name) for value, name in zip(raters, called, strict=True)]
    if not arrays:
        raise ValueError("no raters: give at least one array of votes")
    shape = arrays[0].shape
    if not shape:
        raise ValueError(f"{called[0]} is a single number: each rater is an array over the voxels")
    if any(array.shape != shape for array in arrays):
        arrays = [as_shaped(array, shape) for array in arrays]
        _check_alike(arrays, called, shape)
    if 0 in shape:
        raise ValueError(f"the raters' arrays are empty: shape {shape}")
    check_channels(raters, arrays, called)
    return arrays


def _check_alike(arrays: Sequence[Array], called: Sequence[str], shape: tuple[int, ...]) -> None:
    """Refuse arrays of different shapes."""
    for name, array in zip(called, arrays, strict=True):
        if array.shape != shape:
            remedy = transposed(name, array.shape, shape) or "resample to one grid"
            raise ValueError(f"{name} has shape {array.shape}, {called[0]} has shape {shape}: {remedy}")


def selected(votes: Array, label: int) -> NDArray[np.bool_]:
    """Return where a label map holds this label; single-precision scaling may have made it 2.9999999."""
    return np.asarray((np.rint(votes) if votes.dtype.kind == "f" else votes) == label)


def marks(votes: Array, label: int | None) -> NDArray[np.bool_]:
    """Return where a rater marks foreground, or the label that is fused."""
    return np.asarray(votes > MARKED) if label is None else selected(votes, label)


def named_raters(raters: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return raters with what messages call them."""
    return [(name_of(i, None), rater) for i, rater in enumerate(raters)]


def name_of(rater: int, names: Sequence[str] | None) -> str:
    """Return what messages call a rater."""
    return names[rater] if names and rater < len(names) else f"rater {rater}"


def as_companion(value: Any, name: str, shape: tuple[int, ...], others: str = "the raters have") -> Array:
    """Return a mask or a prior map as an array of the shape that ``others`` (a subject and its verb)."""
    array = as_shaped(as_array(value, name), shape)
    if array.shape != shape:
        remedy = transposed(name, array.shape, shape)
        raise ValueError(f"{name} has shape {array.shape}, {others} shape {shape}{remedy and ': '}{remedy}")
    return array


def in_space(shape: Sequence[int]) -> slice:
    """Return which axes of more than three lie in space: those of one entry at the ends are a frame, a batch or a channel."""
    first, last = 0, len(shape)
    while last - first > 3 and 1 in (shape[first], shape[last - 1]):
        if shape[last - 1] == 1:
            last -= 1
        else:
            first += 1
    return slice(first, last)


def without_frames(array: Array) -> Array:
    """Return an array of more than three axes without those of one entry at its ends; any other as it is."""
    return array.reshape(array.shape[in_space(array.shape)])


def as_shaped(array: Array, shape: tuple[int, ...]) -> Array:
    """Return an array in a shape that differs from its own by a single frame, batch or channel; any other as it is."""
    alike = array.shape != shape and array.shape[in_space(array.shape)] == tuple(shape)[in_space(shape)]
    return array.reshape(shape) if alike else array


def with_frames(sides: Any, shape: Sequence[int]) -> Any:
    """Return a voxel's sides along all axes of a shape, where they were given of those in space alone.

    Along the others no voxel has a neighbour.
    """
    if sides is None or len(shape) <= 3:
        return sides
    kept = in_space(shape)
    if np.shape(sides) != (len(shape[kept]),):
        return sides
    return (*[max(sides)] * kept.start, *sides, *[max(sides)] * (len(shape) - kept.stop))


def transposed(name: str, shape: Sequence[int], right: Sequence[int]) -> str:
    """Say that axes look exchanged, if an array has the lengths that it must have in another order; else nothing."""
    if tuple(shape) == tuple(right) or sorted(shape) != sorted(right):
        return ""
    clear = len({*shape}) == len(shape)
    order = tuple(shape.index(length) for length in right) if clear else ()
    how = f", as by numpy.transpose(array, {order})" if clear else ""
    return f"the axes of {name} look transposed: put them in the same order{how}"


def axes_in_memory_order(array: Array) -> tuple[int, ...]:
    """Return the axes from the slowest to the fastest, so that transposing by them gives C order."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))


def told_once(array: Array) -> Array:
    """Return the only value of an array that repeats it without memory, any other array as it is."""
    return array if any(array.strides) else array.flat[:1]


def shown_number(value: float) -> str:
    """Return a number on six digits; on more where it would look like a whole number, and is none, or is a larger one."""
    short = f"{value:g}"
    if float(short) == value or math.isnan(value):
        return short
    if value.is_integer():
        return f"{value:.0f}"
    told = (f"{value:.{digits}g}" for digits in range(6, 17))
    return next((text for text in told if not float(text).is_integer()), repr(value))


def first_wrong(values: Array, wrong: NDArray[np.bool_], name: str) -> str:
    """Say which is the first wrong value, and at which voxel it stands."""
    place = tuple(int(index) for index in np.unravel_index(np.argmax(wrong), wrong.shape))
    return f"{name} holds {shown_number(float(values[place]))} at voxel {place}"


def coordinates(voxel: int, shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    """Return the place of the voxel with this index in memory order."""
    in_memory_order = np.unravel_index(voxel, [shape[axis] for axis in axes])
    place = dict(zip(axes, in_memory_order, strict=True))
    return tuple(int(place[axis]) for axis in range(len(shape)))


def values_in(array: Array) -> str:
    """Name the values that occur: all of few; of many, how many they are and between which ends."""
    values = np.unique(told_once(array))
    if len(values) <= MOST_LABELS_NAMED:
        return labels_in(values)
    return f"{len(values):,} different values from {values[0]:,.6g} to {values[-1]:,.6g}"


def labels_in(array: Array) -> str:
    """Name the values that occur: the first ten, and the number of the others."""
    values = np.unique(told_once(array))
    named = ", ".join(shown_number(float(value)) for value in values[:MOST_LABELS_NAMED])
    return (
        named if len(values) <= MOST_LABELS_NAMED else f"{named}, and {len(values) - MOST_LABELS_NAMED} more"
    )
