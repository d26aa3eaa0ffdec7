"""Results as plain data that fits into JSON: every bit counts, and a difference can be sized."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

WHOLE_UP_TO = 64  # elements that are kept all
SAMPLES = 24  # of a larger array


def facts_of(value: Any) -> Any:
    """Return a result as dicts, lists and text; floats in hexadecimal."""
    if isinstance(value, np.ndarray):
        return array_facts(value)
    if dataclasses.is_dataclass(value):
        return {
            field.name: facts_of(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name[0] != "_"
        }
    if isinstance(value, Mapping):
        return {str(name): facts_of(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [facts_of(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value).hex()
    if isinstance(value, np.integer):
        return int(value)
    return value


def array_facts(array: np.ndarray) -> dict[str, Any]:
    """Return type, layout, a digest of all bytes in C order, and some elements."""
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    native = np.ascontiguousarray(array)
    flat = native.ravel()
    if flat.size > WHOLE_UP_TO:
        flat = flat[np.random.default_rng(flat.size).choice(flat.size, SAMPLES, replace=False)]
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "order": order,
        "sha256": hashlib.sha256(native.tobytes()).hexdigest(),
        "sum": float(np.nansum(native, dtype=np.float64)).hex(),
        "elements": [float(element).hex() for element in flat],
    }


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return what a call answers and warns of, or its error."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            found: dict[str, Any] = {"result": facts_of(call())}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is golden
            found = {"error": [type(error).__name__, str(error)]}
    return {**found, "warnings": [[one.category.__name__, str(one.message)] for one in caught]}


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Say where two outcomes differ, and by how much."""
    if isinstance(before, dict) and isinstance(after, dict):
        if "elements" in before and "elements" in after:  # of arrays; a recipe has hashes, too
            yield from _array_differences(before, after, place)
            return
        for name in sorted({*before, *after}):
            if name not in before or name not in after:
                yield f"{place}/{name}: only {'after' if name in after else 'before'}"
            else:
                yield from differences(before[name], after[name], f"{place}/{name}")
    elif _are_alike(before, after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{place}[{i}]")
    elif _is_text(before) and _is_text(after):
        yield from (f"{place}: {line}" for line in difflib.ndiff(before, after) if line[0] in "+-")
    elif before != after:
        yield f"{place}: {_shown(before)} became {_shown(after)}{_by(before, after)}"


def _are_alike(before: Any, after: Any) -> bool:
    return isinstance(before, list) and isinstance(after, list) and len(before) == len(after)


def _is_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _array_differences(before: dict[str, Any], after: dict[str, Any], place: str) -> Iterator[str]:
    for name in ("dtype", "shape", "order"):
        if before[name] != after[name]:
            yield f"{place}: {name} {before[name]} became {after[name]}"
    if before["sha256"] == after["sha256"] or before["shape"] != after["shape"]:
        return
    old, new = (np.array([float.fromhex(e) for e in side["elements"]]) for side in (before, after))
    with np.errstate(invalid="ignore"):
        apart = np.abs(old - new)
    apart[(old == new) | (np.isnan(old) & np.isnan(new))] = 0
    known = "" if np.prod(before["shape"]) <= WHOLE_UP_TO else f" among {len(old)} samples"
    sums = float.fromhex(after["sum"]) - float.fromhex(before["sum"])
    yield f"{place}: other bits; at most {np.max(apart, initial=0):.3g} apart{known}, the sums {sums:.3g}"


def _shown(value: Any) -> str:
    number = _number(value) if isinstance(value, str) else None
    return repr(value if number is None else number)


def _by(before: Any, after: Any) -> str:
    old, new = _number(before), _number(after)
    return "" if old is None or new is None else f" ({abs(new - old):.3g} apart)"


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    try:
        return float.fromhex(value) if isinstance(value, str) and "0x" in value else None
    except ValueError:
        return None
