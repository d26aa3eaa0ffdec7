"""Options: each is checked here, and a wrong one gets a sentence that names it, its value and what it may be."""

from __future__ import annotations

import math
import operator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .votes import Array, as_companion


def check_prior(prior: Any, shape: tuple[int, ...]) -> tuple[float | None, Array | None]:
    """Return a prior as number, or as map of the raters' shape; neither for "mean" and "estimate"."""
    if isinstance(prior, str):
        check_choice(prior, "prior", ("mean", "estimate"), "a number in (0, 1) or a map")
        return None, None
    if np.ndim(prior):
        return None, as_companion(prior, "prior", shape)
    number = _real(prior)
    if number is None or not 0 < number < 1:
        raise ValueError(f"prior is {prior!r}: it must lie in (0, 1), 0 and 1 excluded")
    return number, None


def check_init(init: Any) -> float | None:
    """Return the sensitivity and specificity to start with, or None for the mean vote."""
    if isinstance(init, str):
        check_choice(init, "init", ("vote",), "a number in (0.5, 1)")
        return None
    number = _real(init)
    if number is None or not 0.5 < number < 1:
        raise ValueError(f"init is {init!r}: it must be 'vote' or a number in (0.5, 1)")
    return number


def _real(value: Any) -> float | None:
    """Return a real number (no boolean) as float, anything else as None."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.item()
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def check_choice(value: Any, name: str, choices: tuple[str, ...], otherwise: str = "") -> str:
    """Return ``value`` if it is one of the choices, else raise a ValueError that names them."""
    if not isinstance(value, str) or value not in choices:
        known = " or ".join([*map(repr, choices), *([otherwise] if otherwise else [])])
        raise ValueError(f"{name} is {value!r}: it must be {known}")
    return str(value)


def check_tolerance(tol: Any) -> float:
    """Return a tolerance: a number of at least 0."""
    number = _real(tol)
    if number is None or not 0 <= number < math.inf:
        raise ValueError(f"tol is {tol!r}: it must be a number of at least 0")
    return number


def check_cut(cut: Any) -> float:
    """Return the cut of a mask: a number in (0, 1]."""
    number = _real(cut)
    if number is None or not 0 < number <= 1:
        raise ValueError(f"cut is {cut!r}: it must lie in (0, 1]")
    return number


def _integer(value: Any, name: str) -> int:
    """Return an integer (no boolean)."""
    if not isinstance(value, (bool, np.bool_)):
        with suppress(TypeError):
            return operator.index(value)
    raise TypeError(f"{name} is {value!r}: it must be an integer")


def check_count(value: Any, name: str, *, least: int) -> int:
    """Return an integer of at least ``least``."""
    count = _integer(value, name)
    if not least <= count < 2**31:
        raise ValueError(f"{name} is {value!r}: it must be at least {least} and below 2^31")
    return count


def check_label(label: Any) -> float | None:
    """Return the label to fuse as the core takes it, or None for votes as they are."""
    if label is None:
        return None
    number = _integer(label, "select_label")
    if number == 0:
        raise ValueError("select_label is 0: 0 is the background; select one of the other labels")
    if abs(number) > 2**53:
        raise ValueError(f"select_label is {number}: beyond 2^53 labels can no longer be told apart")
    return float(number)


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the type of the probability: float32 or float64."""
    try:
        checked = np.dtype(dtype)
    except TypeError:
        checked = np.dtype(object)
    if checked not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype!r}: the probability is float32 or float64")
    return checked
