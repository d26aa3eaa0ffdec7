"""Checks of values: a wrong one gets a sentence that names it, its value and what it may be."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from .names import counted, quoted

Labels = int | Sequence[int] | None  # of label maps: their union is foreground
MOST_SCALE = 1e30  # single precision, in which votes are scaled, holds it
OPEN = -1  # a decision on a voxel whose truth is not known
Scale = float | Literal["auto"] | None  # the value that stands for a vote of 1

if TYPE_CHECKING:  # NumPy is imported where a check needs it: the shell's help does without
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from .arrays import Array


def check_prior(prior: Any, shape: tuple[int, ...]) -> tuple[float | None, Array | None]:
    """Return a prior as number, or as map of the raters' shape; neither for "mean" and "estimate"."""
    if isinstance(prior, str):
        check_choice(prior, "prior", ("mean", "estimate"), "a number in (0, 1) or a map")
        return None, None
    import numpy as np

    from .arrays import as_companion

    if np.ndim(prior):
        return None, as_companion(prior, "prior", shape)
    number = _real(prior)
    if number is None or not 0 < number < 1:
        raise ValueError(f"prior is {quoted(prior)}: it must lie in (0, 1), 0 and 1 excluded")
    return number, None


def check_init(init: Any) -> float | None:
    """Return the sensitivity and specificity to start with, or None for the mean vote."""
    if isinstance(init, str):
        if init in ("plurality", "itk"):
            raise ValueError(
                f"init is {quoted(init)}: it is for label maps; give labels too, as labels='all'"
            )
        check_choice(init, "init", ("auto", "vote"), "a number in (0.5, 1)")
        return None
    number = _real(init)
    if number is None or not 0.5 < number < 1:
        raise ValueError(f"init is {quoted(init)}: it must be 'auto' or 'vote' or a number in (0.5, 1)")
    return number


def check_roi(roi: Any) -> float | None:
    """Return the margin in mm, or None for a region that is named."""
    if isinstance(roi, str):
        check_choice(roi, "roi", ("all", "disputed"), "a margin in mm")
        return None
    return check_number(roi, "roi", "'all', 'disputed' or a margin in mm of at least 0", lambda x: x >= 0)


def check_performance_prior(prior: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the (a, b) of the Beta priors on sensitivity and on specificity; (1, 1), which says nothing, for None."""
    import numpy as np

    if prior is None or (isinstance(prior, str) and prior == "auto"):
        return (1.0, 1.0), (1.0, 1.0)
    try:
        given = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        given = np.empty(0)
    if given.shape not in ((2,), (2, 2)) or not ((given >= 1) & (given <= 1e12)).all():
        raise ValueError(
            f"performance_prior is {quoted(prior)}: it must be (a, b), or ((a, b), (a, b)) for sensitivity and specificity, "
            "of numbers from 1 to 1e12"
        )
    (a1, b1), (a0, b0) = np.broadcast_to(given, (2, 2)).tolist()
    return (a1, b1), (a0, b0)


def check_spacings(spacing_mm: Any, axes: int) -> list[float]:
    """Return a voxel's size along each axis; 1 for None."""
    if spacing_mm is None:
        return [1.0] * axes
    import numpy as np

    try:
        shape = np.shape(spacing_mm)
    except ValueError:  # sides that are arrays of their own
        shape = ()
    if shape != (axes,):
        raise ValueError(
            f"spacing_mm is {quoted(spacing_mm)}: it must hold {counted(axes, 'number')}, one per axis"
        )
    return [
        check_number(side, f"spacing_mm[{axis}]", "a number above 0", lambda x: x > 0)
        for axis, side in enumerate(spacing_mm)
    ]


def _real(value: Any) -> float | None:
    """Return a real number (no boolean) as float, anything else as None."""
    import numpy as np

    if isinstance(value, (np.ndarray, np.generic)) or (
        getattr(value, "shape", None) == () and hasattr(value, "item")
    ):  # a tensor
        value = value.item()
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def check_choice(value: Any, name: str, choices: tuple[str, ...], otherwise: str = "") -> str:
    """Return ``value`` if it is one of the choices, else raise a ValueError that names them."""
    if not isinstance(value, str) or value not in choices:
        known = " or ".join([*map(repr, choices), *([otherwise] if otherwise else [])])
        raise ValueError(f"{name} is {quoted(value)}: it must be {known}")
    return str(value)


def check_number(value: Any, name: str, what: str, holds: Callable[[float], bool]) -> float:
    """Return a finite number for which ``holds``; ``what`` says in words which those are."""
    number = _real(value)
    if number is None or not math.isfinite(number) or not holds(number):
        raise ValueError(f"{name} is {quoted(value)}: it must be {what}")
    return number


def check_tolerance(tol: Any) -> float:
    """Return a tolerance."""
    return check_number(tol, "tol", "a number of at least 0", lambda x: x >= 0)


def check_cut(cut: Any) -> float:
    """Return the cut of a mask."""
    return check_number(cut, "cut", "a number in (0, 1]", lambda x: 0 < x <= 1)


def check_spacing(spacing_mm: Any) -> tuple[float, float, float]:
    """Return a voxel's size along three axes."""
    import numpy as np

    if np.shape(spacing_mm) != (3,):
        raise ValueError(f"spacing_mm is {quoted(spacing_mm)}: it must hold three numbers, one per axis")
    x, y, z = (
        check_number(side, f"spacing_mm[{axis}]", "a number above 0", lambda x: x > 0)
        for axis, side in enumerate(spacing_mm)
    )
    return x, y, z


def check_flag(value: Any, name: str) -> bool:
    """Return a boolean."""
    import numpy as np

    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {quoted(value)}: it must be True or False")
    return bool(value)


def whole_number(value: Any, name: str) -> int:
    """Return an integer (no boolean)."""
    import numpy as np

    if not isinstance(value, (bool, np.bool_)):
        with suppress(TypeError):
            return operator.index(value)
    raise TypeError(f"{name} is {quoted(value)}: it must be an integer")


def check_count(value: Any, name: str, *, least: int) -> int:
    """Return an integer of at least ``least``."""
    count = whole_number(value, name)
    if not least <= count < 2**31:
        raise ValueError(f"{name} is {quoted(value)}: it must be at least {least} and below 2^31")
    return count


def check_label(label: Any) -> float | None:
    """Return the label to fuse as the core takes it, or None for votes as they are."""
    if label is None:
        return None
    number = whole_number(label, "select_label")
    if number == 0:
        raise ValueError("select_label is 0: 0 is the background; select one of the other labels")
    if abs(number) >= 2**53:
        raise ValueError(f"select_label is {number}: from 2^53 on labels can no longer be told apart")
    return float(number)


def check_labels(labels: Any) -> tuple[int, ...]:
    """Return the labels whose union is foreground; nothing for None."""
    if labels is None:
        return ()
    if isinstance(labels, (str, bytes, Mapping)):
        raise TypeError(f"select_label is {quoted(labels)}: it must be an integer, or a list of integers")
    several = isinstance(labels, Iterable) and getattr(labels, "ndim", 1) > 0
    listed = list(labels) if several else [labels]
    if not listed:
        raise ValueError("select_label is empty: give at least one label")
    found = [check_label(label) for label in listed]
    return tuple(dict.fromkeys(int(label) for label in found if label is not None))


def check_margin(roi: Any) -> float | None:
    """Return a margin in mm, or None."""
    if roi is None:
        return None
    return check_number(roi, "roi", "a margin in mm of at least 0", lambda mm: mm >= 0)


def check_threshold(threshold: Any) -> float | None:
    """Return the value from which on a voxel is foreground."""
    if threshold is None:
        return None
    return check_number(threshold, "threshold", "a finite number", lambda _: True)


def check_scale(scale: Any) -> Scale:
    """Return the value that stands for a vote of 1."""
    if scale is None:
        return None
    what = "a number from 1 to 1e30, such as 100 or 255"
    if isinstance(scale, str):
        check_choice(scale, "scale", ("auto",), what)
        return "auto"
    return check_number(scale, "scale", what, lambda x: 1 <= x <= MOST_SCALE)


def check_one_selection(label: Any, threshold: Any = None, scale: Any = None, *, binarize: bool) -> None:
    """Refuse what says twice, and in different ways, what foreground is."""
    given = {"select_label": label, "threshold": threshold, "scale": scale}
    for name, value in given.items():
        if binarize and value is not None:
            raise ValueError(
                f"{name} and binarize are given: either selects what is foreground, so choose one"
            )
    if threshold is not None and scale is not None:
        raise ValueError(
            "threshold and scale are given: a threshold is in the image's own unit; leave scale out"
        )


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the type of the probability: float32 or float64."""
    import numpy as np

    if isinstance(dtype, str) and dtype == "float32":
        return np.dtype(np.float32)
    checked = np.dtype(object)
    if dtype is not None:  # which NumPy takes for float64
        with suppress(TypeError):
            checked = np.dtype(dtype)
    if checked not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {quoted(dtype)}: the probability is float32 or float64")
    return checked


def checked_decisions(array: Array) -> NDArray[np.int8]:
    """Return decisions as integers; refuse values that are none."""
    import numpy as np

    if array.dtype.kind not in "biuf" or not np.isin(array, (OPEN, 0, 1)).all():
        raise ValueError("decisions hold other values than -1 (open), 0 (background) and 1 (foreground)")
    return array.astype(np.int8)
