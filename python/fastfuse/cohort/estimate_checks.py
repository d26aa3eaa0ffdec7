"""Checks of an estimate that was kept in a file: types, lengths, ranges, and that what it holds twice agrees."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images.sidecar import sidecar_bytes
from ..inputs.names import counted, quoted
from .settings import VERSION, digest_of, text_of

NEAR = 1e-9  # by which two copies of a rate, or a sum of rates, may differ
WHOLE = 1e-6  # by which rates of a row may miss 1
OF_DIGEST = ("rates", "shared", "prior", "cases", "confusion", "names")
RATES = ("sensitivity", "false_negative_rate", "specificity", "false_positive_rate")
Axes = Sequence[Sequence[str]]


class UnfitError(ValueError):
    """Says which entry of an estimate is wrong."""


@dataclass(frozen=True)
class Range:
    """Numbers that an entry may hold; ``must``: as messages say it."""

    must: str
    holds: Callable[[float], bool]


RATE = Range("lie in [0, 1]", lambda value: -NEAR <= value <= 1 + NEAR)  # sums of rounded shares pass 1
FINITE = Range("be a finite number", math.isfinite)
SPREAD = Range("be 0 or more", lambda value: 0 <= value < math.inf)


def check_parts(parts: Any, method: str) -> None:
    """Refuse an estimate's parts whose entries are not what was written.

    Raises
    ------
    UnfitError
        Naming the entry, its value and what it must be.
    """
    if not isinstance(parts, dict):
        raise UnfitError(f"its estimate is {quoted(parts)}: it must be a set of entries")
    check = _check_labels if "confusion" in parts or "labels" in parts else _check_pooled
    check(parts, method)


def digest_of_rates(asked: str, parts: Mapping[str, Any]) -> str:
    """Return the hash of what was asked, and of an estimate's rates, priors and names."""
    rates = {name: value for name, value in parts.items() if name in OF_DIGEST}
    return digest_of(asked, sidecar_bytes(rates).decode())


def check_digest(kept: Mapping[str, Any]) -> None:
    """Refuse an estimate whose rates, priors, names or settings were changed after it was written.

    Raises
    ------
    UnfitError
    """
    if kept["digest"] != digest_of_rates(text_of([VERSION, kept["settings"]]), kept["estimate"]):
        raise UnfitError(
            "its digest is of other rates, priors, names or settings: one was changed after it was written"
        )


def _check_pooled(parts: Mapping[str, Any], method: str) -> None:
    names, cases = _names(parts, "names"), _names(parts, "cases")
    _common(parts, method, names)
    for entry in ("sensitivity", "specificity"):
        _numbers(entry, _of(parts, entry), [names], RATE, null=True)
    _numbers("prior", _of(parts, "prior"), [cases], RATE)
    _one_of("priors", _of(parts, "priors"), ("own", "shared"))
    _one_of("by_masses", parts.get("by_masses", False), (True, False))
    _check_untold(parts.get("untold"), names)
    held = [entry for entry in ("rates", "shared", "classes") if parts.get(entry) is not None]
    if len(held) != 1:
        raise UnfitError(
            f"it holds {' and '.join(held) or 'no rates'}: it must hold one of rates, shared, classes"
        )
    if held == ["classes"]:
        _check_classes(_entries(parts, "classes"), names, cases)
        return
    rates = _entries(parts, held[0])
    _check_rates(held[0], rates, names)
    for entry in ("sensitivity", "specificity"):
        _agree(entry, parts[entry], f"{held[0]}.{entry}", rates[entry], [names])
    if held == ["shared"]:
        _check_core("shared", rates, names)
        _agree("prior", parts["prior"], "shared.prior", [rates["prior"]] * len(cases), [cases])


def _check_untold(kept: Any, names: Sequence[str]) -> None:
    """Refuse what does not tell of each rater whether their sensitivity, and their specificity, is 0/0."""
    if kept is None:
        return
    if not isinstance(kept, list) or len(kept) != 2:
        raise UnfitError(
            f"untold is {quoted(kept)}: it must hold true or false for the sensitivity and the specificity of each rater"
        )
    for rate, of_each in zip(("sensitivity", "specificity"), kept, strict=True):
        _each_one_of(f"untold, {rate}", of_each, names)


def _check_classes(kept: Mapping[str, Any], names: Sequence[str], cases: Sequence[str]) -> None:
    classes = [str(k) for k in range(3)]
    shares = _numbers("classes.shares", _of(kept, "shares"), [cases, classes], RATE)
    _sum_to_one("classes.shares", shares, cases)
    ends = [_numbers(f"classes.{e}", _of(kept, e), [names, classes], RATE) for e in ("yes", "no")]
    _sum_to_one("classes.yes and classes.no", np.stack(ends, axis=-1), names)


def _check_rates(where: str, rates: Mapping[str, Any], names: Sequence[str]) -> None:
    null = where != "rates"  # the core has none of raters whom nothing tells of
    found = [_numbers(f"{where}.{entry}", _of(rates, entry), [names], RATE, null=null) for entry in RATES]
    for k in (0, 2):
        rate, rest = RATES[k : k + 2]
        if rates.get("certain") is not True:  # where all agree, no EM made the rates
            _sum_to_one(f"{where}.{rate} and {where}.{rest}", np.stack(found[k : k + 2], axis=-1), names)
        gone = np.flatnonzero(np.isnan(found[k + 1]) & ~np.isnan(found[k]))
        if len(gone):
            raise UnfitError(f"{where}.{rest} of {quoted(names[gone[0]])} is null: it must {RATE.must}")


def _check_core(where: str, rates: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check what the core takes beside the rates."""
    _numbers(f"{where}.prior", _of(rates, "prior"), [], RATE)
    _numbers(
        f"{where}.log_likelihood", _of(rates, "log_likelihood"), [_places(rates["log_likelihood"])], FINITE
    )
    _count(f"{where}.iterations", _of(rates, "iterations"))
    for entry in ("by_masses", "certain", "converged"):
        _one_of(f"{where}.{entry}", _of(rates, entry), (True, False))
    for entry in ("expectation", "likelihood", "m_step", "method"):
        if not isinstance(_of(rates, entry), str):
            raise UnfitError(f"{where}.{entry} is {quoted(rates[entry])}: it must be a text")
    latent = _of(rates, "latent")
    if latent is None:
        return
    of_raters = ("offset", "sharpness", "false_marks", "lost", "marks", "no_marks")
    for entry, value in _entries(rates, "latent").items():
        called = f"{where}.latent.{entry}"
        if entry == "heard":
            _each_one_of(called, value, names)
        elif entry == "from_image":
            _one_of(called, value, (True, False))
        elif entry in of_raters:
            inner = (
                [_places(value[0])]
                if isinstance(value, list) and value and isinstance(value[0], list)
                else []
            )
            _numbers(called, value, [names, *inner], FINITE, null=True)
        else:
            _numbers(called, value, [_places(value)] if isinstance(value, list) else [], FINITE, null=True)


def _check_labels(parts: Mapping[str, Any], method: str) -> None:
    names = _names(parts, "names")
    labels = [str(label) for label in _labels(parts)]
    _common(parts, method, names)
    squares = [names, labels, labels]
    for entry in ("confusion", "rates"):
        found = _numbers(entry, _of(parts, entry), squares, RATE, null=True)
        known = ~np.isnan(found).any(axis=2)
        _sum_to_one(entry, np.where(known[:, :, None], found, 1 / len(labels)), names)
    _agree("confusion", parts["confusion"], "rates", parts["rates"], squares)
    prior = _numbers("prior", _of(parts, "prior"), [labels], RATE, null=True)
    if not np.isnan(prior).any():
        _sum_to_one("prior", prior[None], [])
    _numbers("log_prior", _of(parts, "log_prior"), [_places(parts["log_likelihood"])], FINITE)
    _numbers("volume", _of(parts, "volume"), [names, labels], SPREAD)
    masks = _of(parts, "masks")
    if masks is not None:
        masks = _entries(parts, "masks")
        _check_rates("masks", masks, names)
        _check_core("masks", masks, names)
        one, zero = [[row[k][k] for row in parts["confusion"]] for k in (1, 0)]
        _agree("confusion", one, "masks.sensitivity", masks["sensitivity"], [names])
        _agree("confusion", zero, "masks.specificity", masks["specificity"], [names])
    own = parts.get("own")
    if own is not None:
        own = _entries(parts, "own")
        cases = _names(own, "cases")
        of_cases = _numbers("own.case_prior", _of(own, "case_prior"), [cases, labels], RATE)
        _sum_to_one("own.case_prior", of_cases, cases)
        if _of(own, "masks") is not None:
            _check_pooled(_entries(own, "masks"), str(own["masks"].get("method")))


def _common(parts: Mapping[str, Any], method: str, names: Sequence[str]) -> None:
    if _of(parts, "method") != method:
        raise UnfitError(f"its method is {quoted(parts['method'])}, and its settings are of {method!r}")
    _numbers("log_likelihood", _of(parts, "log_likelihood"), [_places(parts["log_likelihood"])], FINITE)
    for entry in ("n_iter", "n_voxels"):
        _count(entry, _of(parts, entry))
    _one_of("converged", _of(parts, "converged"), (True, False))
    if _of(parts, "intervals") is None:
        return
    for entry, value in _entries(parts, "intervals").items():
        if entry == "kind":
            if not isinstance(value, str):
                raise UnfitError(f"intervals.kind is {quoted(value)}: it must be a text")
            continue
        inner, at = [], value
        while isinstance(at, list) and at and isinstance(at[0], list):
            at = at[0]
            inner.append(_places(at))
        span = SPREAD if entry.endswith("error") else RATE
        _numbers(f"intervals.{entry}", value, [names, *inner], span, null=True)


def _of(parts: Mapping[str, Any], entry: str) -> Any:
    if entry not in parts:
        raise UnfitError(f"it holds no {entry}")
    return parts[entry]


def _entries(parts: Mapping[str, Any], entry: str) -> dict[str, Any]:
    found = _of(parts, entry)
    if not isinstance(found, dict):
        raise UnfitError(f"{entry} is {quoted(found)}: it must be a set of entries")
    return found


def _names(parts: Mapping[str, Any], entry: str) -> list[str]:
    found = _of(parts, entry)
    fine = isinstance(found, list) and found and all(isinstance(one, str) and one for one in found)
    if not fine or len(set(found)) != len(found):
        raise UnfitError(f"{entry} is {quoted(found)}: it must be a list of names, each once")
    return list(found)


def _labels(parts: Mapping[str, Any]) -> list[int]:
    found = _of(parts, "labels")
    if not isinstance(found, list) or not found or any(type(one) is not int for one in found):
        raise UnfitError(f"labels is {quoted(found)}: it must be a list of labels")
    called = _of(parts, "label_names")
    if not isinstance(called, list) or not all(isinstance(one, str) for one in called):
        raise UnfitError(f"label_names is {quoted(called)}: it must be a list of names")
    if len(set(found)) != len(found) or len(called) not in (0, len(found)):
        raise UnfitError(
            f"labels are {quoted(found)}, with {counted(len(called), 'name')}: each must be there once"
        )
    return list(found)


def _one_of(entry: str, value: Any, choices: Sequence[Any]) -> None:
    if not any(type(value) is type(one) and value == one for one in choices):
        told = " or ".join(str(one).lower() for one in choices)
        raise UnfitError(f"{entry} is {quoted(value)}: it must be {told}")


def _each_one_of(entry: str, value: Any, names: Sequence[str]) -> None:
    if not isinstance(value, list) or len(value) != len(names):
        raise UnfitError(f"{entry} is {quoted(value)}: it must hold {counted(len(names), 'value')}")
    for name, one in zip(names, value, strict=True):
        _one_of(f"{entry} of {quoted(name)}", one, (True, False))


def _count(entry: str, value: Any) -> None:
    if type(value) is not int or value < 0:
        raise UnfitError(f"{entry} is {quoted(value)}: it must be a whole number, 0 or more")


def _places(value: Any) -> list[str]:
    """Return what the numbers of a list of any length are called."""
    return [f"place {k + 1}" for k in range(len(value))] if isinstance(value, list) else []


def _numbers(entry: str, value: Any, axes: Axes, span: Range, *, null: bool = False) -> Any:
    """Return numbers, or lists of them, as an array; ``null``: it may stand for a rate that is not defined."""
    if axes:
        first, *inner = axes
        if not isinstance(value, list):
            raise UnfitError(
                f"{entry} is {quoted(value)}: it must be a list of {counted(len(first), 'value')}"
            )
        if len(value) != len(first):
            raise UnfitError(f"{entry} holds {counted(len(value), 'value')}: it must hold {len(first)}")
        every = zip(first, value, strict=True)
        return np.array(
            [_numbers(f"{entry} of {quoted(name)}", one, inner, span, null=null) for name, one in every],
            dtype=np.float64,
        ).reshape([len(axis) for axis in axes])
    if value is None and null:
        return math.nan
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not span.holds(value):
        raise UnfitError(f"{entry} is {'null' if value is None else quoted(value)}: it must {span.must}")
    return float(value)


def _agree(one: str, first: Any, other: str, second: Any, axes: Axes) -> None:
    """Refuse two copies of the same numbers that differ where the first is shown."""
    if axes:
        for name, a, b in zip(axes[0], first, second, strict=True):
            _agree(f"{one} of {quoted(name)}", a, f"{other} of {quoted(name)}", b, axes[1:])
    elif first is not None and (second is None or abs(first - second) > NEAR):
        held = "null" if second is None else repr(second)
        raise UnfitError(f"{one} is {first!r}, and {other} is {held}: they must be the same number")


def _sum_to_one(entry: str, rows: Any, names: Sequence[str]) -> None:
    off = np.argwhere(np.abs(rows.sum(axis=-1) - 1) > WHOLE)
    if len(off):
        of = f" of {quoted(names[off[0][0]])}" if names else ""
        raise UnfitError(f"{entry}{of} sum to {rows.sum(axis=-1)[tuple(off[0])]:.6g}: they must sum to 1")
